// Maximum and sum of a row of which each of LANES neighbouring threads of a warp holds a part; all of them get the result.
#pragma once
#include "ptx.cuh"

template <int LANES>
__device__ __forceinline__ float row_max(float value) {
#pragma unroll
  for (int distance = LANES / 2; distance > 0; distance /= 2) value = fmaxf(value, shuffle_xor(value, distance));
  return value;
}

template <int LANES>
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
  for (int distance = LANES / 2; distance > 0; distance /= 2) value += shuffle_xor(value, distance);
  return value;
}
