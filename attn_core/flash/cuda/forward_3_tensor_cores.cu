// Stage 3, tensor cores: the two matrix products go to mma.sync, 16 × 8 × 16 multiply-adds in one instruction of a warp.
//
// Changed           16-bit inputs, float32 sums; a warp owns 16 queries, a thread the fragments that mma gives it (ptx.cuh);
//                   4 threads share a row. The weights never leave the registers: what mma returns as its sum has just the
//                   layout in which the next mma takes its first factor
// Launch            2 · ROWS threads per tile of ROWS queries: one warp per 16 queries
// Shared memory     2 · KEYS · D · 2 bytes: one tile of keys and one of values
// Bottleneck        shared memory: rows are a multiple of 128 bytes long, so that the 8 rows of a fragment meet in the same
//                   banks, 8 reads where 1 would do; and the tensor cores wait while a tile is loaded
// Shapes            float16, bfloat16, head sizes 64 and 128; causal, grouped heads, lengths, packed sequences
// Source            Dao 2023, FlashAttention-2, section 3; NVIDIA PTX ISA, mma.m16n8k16
#include "params.cuh"
#include "rows.cuh"

// Two neighbours in memory as one register.
template <typename T>
__device__ unsigned pair(const T *numbers) {
  return *reinterpret_cast<const unsigned *>(numbers);
}

template <typename T>
__device__ unsigned pair(T low, T high) {
  return low.bits | static_cast<unsigned>(high.bits) << 16;
}

// Rows first … first + ROWS − 1 of a tensor into shared memory, 16 bytes at a time; zeros from row `end` on.
template <int D, int ROWS, int THREADS, typename T>
__device__ void load_tile(T *tile, const T *tensor, long long row_stride, int first, int end) {
  for (int entry = threadIdx.x; entry < ROWS * (D / 8); entry += THREADS) {
    int row = entry / (D / 8), feature = entry % (D / 8) * 8;
    uint4 zeros = {0, 0, 0, 0};
    const uint4 *source = reinterpret_cast<const uint4 *>(tensor + (first + row) * row_stride + feature);
    *reinterpret_cast<uint4 *>(tile + row * D + feature) = first + row < end ? *source : zeros;
  }
}

template <typename T, int D, int ROWS, int KEYS, bool CAUSAL>
__global__ __launch_bounds__(2 * ROWS) void forward(const Params p) {
  constexpr int THREADS = 2 * ROWS;
  Head<T> at = find_head<T>(p, blockIdx.z, blockIdx.y);
  T *k_tile = reinterpret_cast<T *>(shared_memory()), *v_tile = k_tile + KEYS * D;
  int tile = CAUSAL ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  int first = tile * ROWS, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  if (first >= at.queries) return;
  int end = at.template visible<CAUSAL>(min(first + ROWS, at.queries) - 1);

  int query[2], visible[2];  // a thread holds numbers of rows g and g + 8 of its warp
  float peak[2], sum[2], out[D / 8][4] = {};
  unsigned q[D / 16][4];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    query[i] = first + threadIdx.x / 32 * 16 + g + 8 * i;
    visible[i] = at.template visible<CAUSAL>(query[i]);
    peak[i] = -infinity(), sum[i] = 0;
#pragma unroll
    for (int step = 0; step < D / 16; ++step)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const T *source = at.q + query[i] * at.q_row + step * 16 + half * 8 + 2 * t;
        q[step][i + 2 * half] = query[i] < at.queries ? pair(source) : 0;
      }
  }

  for (int start = 0; start < end; start += KEYS) {
    block_barrier();  // all are done with the tile before
    load_tile<D, KEYS, THREADS>(k_tile, at.k, at.k_row, start, end);
    load_tile<D, KEYS, THREADS>(v_tile, at.v, at.v_row, start, end);
    block_barrier();

    float score[KEYS / 8][4] = {};
#pragma unroll
    for (int step = 0; step < D / 16; ++step)
#pragma unroll
      for (int n = 0; n < KEYS / 8; ++n) {
        const T *k = k_tile + (n * 8 + g) * D + step * 16 + 2 * t;  // column g of kᵀ is row g of k
        mma<T>(score[n], q[step], pair(k), pair(k + 8));
      }

#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float new_peak = peak[i], row = 0;
#pragma unroll
      for (int n = 0; n < KEYS / 8; ++n)
#pragma unroll
        for (int c = 2 * i; c < 2 * i + 2; ++c) {
          bool sees = start + n * 8 + 2 * t + c % 2 < visible[i];
          score[n][c] = sees ? score[n][c] * (p.scale * LOG2_E) : -infinity();
          new_peak = fmaxf(new_peak, score[n][c]);
        }
      new_peak = row_max<4>(new_peak);
      float shift = new_peak == -infinity() ? 0 : new_peak;  // nothing seen yet: −∞ − (−∞) would be NaN
#pragma unroll
      for (int n = 0; n < KEYS / 8; ++n)
#pragma unroll
        for (int c = 2 * i; c < 2 * i + 2; ++c) row += score[n][c] = exp2_approx(score[n][c] - shift);
      float rescale = exp2_approx(peak[i] - shift);
      peak[i] = new_peak, sum[i] = sum[i] * rescale + row_sum<4>(row);
#pragma unroll
      for (int d = 0; d < D / 8; ++d) out[d][2 * i] *= rescale, out[d][2 * i + 1] *= rescale;
    }

#pragma unroll
    for (int step = 0; step < KEYS / 16; ++step) {
      const float(&left)[4] = score[2 * step], (&right)[4] = score[2 * step + 1];
      unsigned weights[4] = {pack<T>(left[0], left[1]), pack<T>(left[2], left[3]),
                             pack<T>(right[0], right[1]), pack<T>(right[2], right[3])};
#pragma unroll
      for (int d = 0; d < D / 8; ++d) {
        const T *v = v_tile + (step * 16 + 2 * t) * D + d * 8 + g;
        mma<T>(out[d], weights, pair(v[0], v[D]), pair(v[8 * D], v[9 * D]));
      }
    }
  }

#pragma unroll
  for (int i = 0; i < 2; ++i) {
    if (query[i] >= at.queries) continue;
    float factor = sum[i] == 0 ? 0 : 1 / sum[i];
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
      T *target = at.out + query[i] * at.out_row + d * 8 + 2 * t;
      *reinterpret_cast<unsigned *>(target) = pack<T>(out[d][2 * i] * factor, out[d][2 * i + 1] * factor);
    }
    if (t == 0) at.lse[query[i]] = sum[i] == 0 ? -infinity() : peak[i] * LN_2 + logf(sum[i]);
  }
}
