// Stage 4, pipeline: the tensor cores no longer wait for memory. This is the kernel that ships for 16-bit numbers.
//
// Changed           copies to shared memory run in the background (cp.async): values arrive while scores are computed, the
//                   next keys while values are weighed; rows of 16-byte chunks are swizzled, so that the 8 rows of a
//                   fragment lie in 8 different groups of banks; ldmatrix fetches four fragments at once; a warp may own
//                   32 queries, so that each fragment of keys and values serves two products; only tiles on an edge are masked
// Launch            32 · WARPS threads per tile of 16 · TALL · WARPS queries: a warp has TALL fragments of 16 queries
// Shared memory     (queries + 2 · KEYS) · WIDTH · 2 bytes, WIDTH = D rounded up to 64: queries, one tile of keys, one of values
// Bottleneck        the tensor cores and the exponentials between them; on Hopper mma.sync reaches about two thirds of what
//                   wgmma does, so that the next stages need other instructions
// Shapes            float16, bfloat16, head sizes 64 to 256; causal, grouped heads, lengths, packed sequences
// Source            Dao 2023, FlashAttention-2, section 3; NVIDIA PTX ISA, ldmatrix and cp.async
#include "params.cuh"
#include "rows.cuh"

// Where a row's 8 numbers from `feature` on lie in a tile. A tile is rows of 16-byte chunks; 8 chunks span all 32 banks.
// Chunk c of row r is stored as chunk c XOR (r mod 8): one and the same chunk of 8 rows lies in 8 different places.
template <int WIDTH>
__device__ __forceinline__ int swizzled(int row, int feature) {
  return row * WIDTH + ((feature / 8) ^ (row % 8)) * 8;
}

// Start copying rows first … first + ROWS − 1 of a tensor; zeros from row `end` on. Eight threads share a row: each copies the
// same chunk of every 64 numbers, so that one address serves the whole row (the swizzle stays within 64 numbers).
template <int D, int WIDTH, int ROWS, int THREADS, typename T>
__device__ __forceinline__ void copy_tile(T *tile, const T *tensor, long long row_stride, int first, int end) {
#pragma unroll 1  // unrolled, the addresses of all rows at once would not fit into the registers
  for (int entry = threadIdx.x; entry < ROWS * 8; entry += THREADS) {
    int row = entry / 8, feature = entry % 8 * 8;
    bool valid = first + row < end;
    const T *source = tensor + (valid ? (first + row) * row_stride + feature : 0);
    T *target = tile + swizzled<WIDTH>(row, feature);
#pragma unroll
    for (int more = 0; more < D; more += 64)
      if (more + 64 <= D || feature + more < D) copy_async(target + more, source + more, valid);
  }
}

template <typename T, int D, int TALL, int WARPS, int KEYS, bool CAUSAL>
__global__ __launch_bounds__(32 * WARPS) void forward(const Params p) {
  constexpr int THREADS = 32 * WARPS, ROWS = 16 * TALL * WARPS, WIDTH = (D + 63) / 64 * 64;
  Head<T> at = find_head<T>(p, blockIdx.z, blockIdx.y);
  T *q_tile = reinterpret_cast<T *>(shared_memory()), *k_tile = q_tile + ROWS * WIDTH, *v_tile = k_tile + KEYS * WIDTH;
  int tile = CAUSAL ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  int first = tile * ROWS, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  int own = threadIdx.x / 32 * 16 * TALL;  // the warp's first row in the tile
  if (first >= at.queries) return;
  int end = at.template visible<CAUSAL>(min(first + ROWS, at.queries) - 1);
  int seen_by_all = at.template visible<CAUSAL>(first);

  float peak[TALL][2], sum[TALL][2], out[TALL][D / 8][4] = {};
#pragma unroll
  for (int f = 0; f < TALL; ++f) peak[f][0] = peak[f][1] = -infinity(), sum[f][0] = sum[f][1] = 0;

  copy_tile<D, WIDTH, ROWS, THREADS>(q_tile, at.q, at.q_row, first, at.queries);
  copy_tile<D, WIDTH, KEYS, THREADS>(k_tile, at.k, at.k_row, 0, end);

  for (int start = 0; start < end; start += KEYS) {
    wait_for_copies();
    block_barrier();  // the keys are here, and all are done with the values before
    copy_tile<D, WIDTH, KEYS, THREADS>(v_tile, at.v, at.v_row, start, end);

    float score[TALL][KEYS / 8][4] = {};
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
      unsigned q[TALL][4];
#pragma unroll
      for (int f = 0; f < TALL; ++f)
        load_matrices(q[f], q_tile + swizzled<WIDTH>(own + f * 16 + lane % 16, step * 16 + lane / 16 * 8));
#pragma unroll
      for (int n = 0; n < KEYS / 16; ++n) {
        unsigned k[4];  // 16 keys: two fragments
        load_matrices(k, k_tile + swizzled<WIDTH>(n * 16 + lane / 16 * 8 + lane % 8, step * 16 + lane / 8 % 2 * 8));
#pragma unroll
        for (int f = 0; f < TALL; ++f) {
          mma<T>(score[f][2 * n], q[f], k[0], k[1]);
          mma<T>(score[f][2 * n + 1], q[f], k[2], k[3]);
        }
      }
    }

    wait_for_copies();
    block_barrier();  // the values are here, and all are done with the keys
    if (start + KEYS < end) copy_tile<D, WIDTH, KEYS, THREADS>(k_tile, at.k, at.k_row, start + KEYS, end);

    bool edge = start + KEYS > seen_by_all;  // the tile reaches beyond what every query here sees
#pragma unroll
    for (int f = 0; f < TALL; ++f)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if (edge) {
          int visible = at.template visible<CAUSAL>(first + own + f * 16 + g + 8 * i) - start - 2 * t;
#pragma unroll
          for (int n = 0; n < KEYS / 8; ++n)
#pragma unroll
            for (int c = 0; c < 2; ++c)
              if (n * 8 + c >= visible) score[f][n][2 * i + c] = -infinity();
        }
        float new_peak = -infinity(), row = 0;
#pragma unroll
        for (int n = 0; n < KEYS / 8; ++n) new_peak = fmaxf(new_peak, fmaxf(score[f][n][2 * i], score[f][n][2 * i + 1]));
        new_peak = fmaxf(peak[f][i], row_max<4>(new_peak));
        float factor = p.scale * LOG2_E, shift = new_peak == -infinity() ? 0 : new_peak * factor;
#pragma unroll
        for (int n = 0; n < KEYS / 8; ++n)
#pragma unroll
          for (int c = 2 * i; c < 2 * i + 2; ++c) row += score[f][n][c] = exp2_approx(score[f][n][c] * factor - shift);
        float rescale = exp2_approx(peak[f][i] * factor - shift);
        peak[f][i] = new_peak, sum[f][i] = sum[f][i] * rescale + row;  // the thread's own part of the sum
#pragma unroll
        for (int d = 0; d < D / 8; ++d) out[f][d][2 * i] *= rescale, out[f][d][2 * i + 1] *= rescale;
      }

#pragma unroll
    for (int step = 0; step < KEYS / 16; ++step) {
      unsigned weights[TALL][4];
#pragma unroll
      for (int f = 0; f < TALL; ++f) {
        const float(&left)[4] = score[f][2 * step], (&right)[4] = score[f][2 * step + 1];
        weights[f][0] = pack<T>(left[0], left[1]), weights[f][1] = pack<T>(left[2], left[3]);
        weights[f][2] = pack<T>(right[0], right[1]), weights[f][3] = pack<T>(right[2], right[3]);
      }
#pragma unroll
      for (int d = 0; d < D / 16; ++d) {
        unsigned v[4];  // 16 features: two fragments
        load_matrices_transposed(v, v_tile + swizzled<WIDTH>(step * 16 + lane % 16, d * 16 + lane / 16 * 8));
#pragma unroll
        for (int f = 0; f < TALL; ++f) {
          mma<T>(out[f][2 * d], weights[f], v[0], v[1]);
          mma<T>(out[f][2 * d + 1], weights[f], v[2], v[3]);
        }
      }
    }
  }
  wait_for_copies();  // with no key to see, the queries are still on their way
  at = find_head<T>(p, blockIdx.z, blockIdx.y);  // anew, so that no register was taken by it in the loop

#pragma unroll
  for (int f = 0; f < TALL; ++f)
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      int query = first + own + f * 16 + g + 8 * i;
      float total = row_sum<4>(sum[f][i]), factor = total == 0 ? 0 : 1 / total;
      if (query >= at.queries) continue;
#pragma unroll
      for (int d = 0; d < D / 8; ++d) {
        T *target = at.out + query * at.out_row + d * 8 + 2 * t;
        *reinterpret_cast<unsigned *>(target) = pack<T>(out[f][d][2 * i] * factor, out[f][d][2 * i + 1] * factor);
      }
      if (t == 0) at.lse[query] = total == 0 ? -infinity() : peak[f][i] * p.scale + logf(total);
    }
}
