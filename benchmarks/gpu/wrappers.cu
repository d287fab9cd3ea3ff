// Each function of ptx.cuh alone, one block: `q` holds what goes in, `out` what comes out, both as 32-bit words. The same file
// runs on the GPU and in the emulator; benchmarks/gpu/conformance.py compares the words.
#include "params.cuh"

constexpr int WARP_SIZE = 32;

__device__ const unsigned *input(const Params &p) { return static_cast<const unsigned *>(p.q.data); }
__device__ unsigned *output(const Params &p) { return static_cast<unsigned *>(p.out.data); }
__device__ const float *numbers(const Params &p) { return static_cast<const float *>(p.q.data); }
__device__ float *results(const Params &p) { return static_cast<float *>(p.out.data); }

__global__ void wrap_exp2(const Params p) { results(p)[threadIdx.x] = exp2_approx(numbers(p)[threadIdx.x]); }

__global__ void wrap_infinity(const Params p) {
  results(p)[2 * threadIdx.x] = infinity();
  results(p)[2 * threadIdx.x + 1] = -infinity();
}

template <typename T>
__global__ void wrap_pack(const Params p) {
  output(p)[threadIdx.x] = pack<T>(numbers(p)[2 * threadIdx.x], numbers(p)[2 * threadIdx.x + 1]);
}

__global__ void wrap_shuffle(const Params p) {
  for (int distance = 1, i = 0; distance < WARP_SIZE; distance *= 2, ++i)
    results(p)[WARP_SIZE * i + threadIdx.x] = shuffle_xor(numbers(p)[threadIdx.x], distance);
}

// Lane by lane: 4 words of a, 2 of b, 4 numbers to which the product is added.
template <typename T>
__global__ void wrap_mma(const Params p) {
  const unsigned *own = input(p) + 10 * threadIdx.x;
  unsigned a[4] = {own[0], own[1], own[2], own[3]};
  float sum[4];
  for (int i = 0; i < 4; ++i) sum[i] = numbers(p)[10 * threadIdx.x + 6 + i];
  mma<T>(sum, a, own[4], own[5]);
  for (int i = 0; i < 4; ++i) results(p)[4 * threadIdx.x + i] = sum[i];
}

// First which row each lane points at, then 32 rows of 4 words.
template <bool TRANSPOSED>
__global__ void wrap_matrices(const Params p) {
  unsigned *rows = reinterpret_cast<unsigned *>(shared_memory());
  for (int i = 0; i < 4; ++i) rows[4 * threadIdx.x + i] = input(p)[WARP_SIZE + 4 * threadIdx.x + i];
  block_barrier();
  unsigned found[4];
  const unsigned *row = rows + 4 * input(p)[threadIdx.x];
  if constexpr (TRANSPOSED) {
    load_matrices_transposed(found, row);
  } else {
    load_matrices(found, row);
  }
  for (int i = 0; i < 4; ++i) output(p)[4 * threadIdx.x + i] = found[i];
}

// First which copies are valid, then their words; shared memory is full of ones before. Read back by another thread.
__global__ void wrap_copy(const Params p) {
  unsigned *copied = reinterpret_cast<unsigned *>(shared_memory());
  int threads = p.queries, other = threads - 1 - threadIdx.x;
  for (int i = 0; i < 4; ++i) copied[4 * threadIdx.x + i] = 0xffffffffu;
  copy_async(copied + 4 * threadIdx.x, input(p) + threads + 4 * threadIdx.x, input(p)[threadIdx.x] != 0);
  wait_for_copies();
  block_barrier();
  for (int i = 0; i < 4; ++i) output(p)[4 * threadIdx.x + i] = copied[4 * other + i];
}
