// Stage 1, fused: one kernel. A thread keeps the softmax of its query running, so that no score ever goes to memory.
//
// Changed           three kernels become one; keys and values come in tiles through shared memory; online softmax
// Launch            a block of ROWS threads per tile of ROWS queries, one thread per query
// Shared memory     2 · KEYS · D · 4 bytes: one tile of keys and one of values
// Bottleneck        one thread does a whole row: few threads, no reuse of what it loads (one number loaded per
//                   multiply-add), and D accumulators, which spill from the registers for large D. It may well be slower
//                   than stage 0: fusing alone does not make a kernel fast
// Shapes            float32, head sizes 64 and 128; causal, grouped heads, lengths, packed sequences
// Source            Milakov and Gimelshein 2018, Online normalizer calculation for softmax, algorithm 3; Dao et al. 2022,
//                   FlashAttention, algorithm 1; loop order of Dao 2023, FlashAttention-2
#include "params.cuh"

template <int D, int ROWS, int KEYS, bool CAUSAL>
__global__ __launch_bounds__(ROWS) void forward(const Params p) {
  Head<float> at = find_head<float>(p, blockIdx.z, blockIdx.y);
  float *k_tile = reinterpret_cast<float *>(shared_memory()), *v_tile = k_tile + KEYS * D;
  int first = blockIdx.x * ROWS, query = first + threadIdx.x;
  if (first >= at.queries) return;  // the whole block: packed sequences differ in length
  int visible = query < at.queries ? at.visible<CAUSAL>(query) : 0;
  int end = at.visible<CAUSAL>(min(first + ROWS, at.queries) - 1);  // what the last query sees, all threads load

  float q[D], sum_of_values[D] = {}, peak = -infinity(), sum = 0;
  for (int i = 0; i < D; ++i) q[i] = query < at.queries ? at.q[query * at.q_row + i] * p.scale * LOG2_E : 0;

  for (int start = 0; start < end; start += KEYS) {
    block_barrier();  // all are done with the tile before
    for (int entry = threadIdx.x; entry < KEYS * D; entry += ROWS) {
      int key = start + entry / D, feature = entry % D;
      k_tile[entry] = key < end ? at.k[key * at.k_row + feature] : 0;
      v_tile[entry] = key < end ? at.v[key * at.v_row + feature] : 0;
    }
    block_barrier();  // the tile is complete
    for (int key = 0; key < KEYS && start + key < visible; ++key) {
      float score = 0;
      for (int i = 0; i < D; ++i) score += q[i] * k_tile[key * D + i];
      float new_peak = fmaxf(peak, score);
      float rescale = exp2_approx(peak - new_peak);  // 0 for the first key: 2 to the power of −∞
      float weight = exp2_approx(score - new_peak);
      sum = sum * rescale + weight;
      for (int i = 0; i < D; ++i) sum_of_values[i] = sum_of_values[i] * rescale + weight * v_tile[key * D + i];
      peak = new_peak;
    }
  }

  if (query >= at.queries) return;
  float factor = sum == 0 ? 0 : 1 / sum;
  for (int i = 0; i < D; ++i) at.out[query * at.out_row + i] = sum_of_values[i] * factor;
  at.lse[query] = sum == 0 ? -infinity() : peak * LN_2 + logf(sum);
}
