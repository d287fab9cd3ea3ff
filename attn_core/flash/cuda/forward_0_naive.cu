// Stage 0, naive: three kernels, as the formula has three steps. All n × m scores go to memory and come back, twice.
//
// Launch            scores, weigh: 256 threads a block, one thread per entry; softmax: one warp per row of scores
// Shared memory     none
// Memory            queries × keys × 4 bytes per head, written twice and read twice
// Bottleneck        that traffic; and neighbouring threads of `scores` read keys that lie head_size numbers apart
// Shapes            float32, any head size; causal, grouped heads, lengths and packed sequences
// Source            Vaswani et al. 2017, Attention Is All You Need, equation 1
#include "params.cuh"
#include "rows.cuh"

constexpr int THREADS = 256;

__device__ float *scores_of(const Params &p, int batch, int head) {
  return p.scores + (static_cast<long long>(batch) * p.heads + head) * p.queries * p.keys;
}

template <int D, bool CAUSAL>
__global__ __launch_bounds__(THREADS) void scores(const Params p) {
  Head<float> at = find_head<float>(p, blockIdx.z, blockIdx.y);
  long long entry = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
  if (entry >= static_cast<long long>(p.queries) * p.keys) return;
  int query = static_cast<int>(entry / p.keys), key = static_cast<int>(entry % p.keys);
  if (query >= at.queries || key >= at.keys) return;
  float dot = 0;
  for (int i = 0; i < D; ++i) dot += at.q[query * at.q_row + i] * at.k[key * at.k_row + i];
  bool sees = key < at.visible<CAUSAL>(query);
  scores_of(p, blockIdx.z, blockIdx.y)[entry] = sees ? dot * p.scale : -infinity();
}

template <int D, bool CAUSAL>
__global__ __launch_bounds__(THREADS) void softmax(const Params p) {
  Head<float> at = find_head<float>(p, blockIdx.z, blockIdx.y);
  int query = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (query >= at.queries) return;
  float *row = scores_of(p, blockIdx.z, blockIdx.y) + static_cast<long long>(query) * p.keys;
  float peak = -infinity(), sum = 0;
  for (int key = lane; key < at.keys; key += 32) peak = fmaxf(peak, row[key]);
  peak = row_max<32>(peak);
  float shift = peak == -infinity() ? 0 : peak;  // an empty row: −∞ − (−∞) would be NaN
  for (int key = lane; key < at.keys; key += 32) sum += exp2_approx((row[key] - shift) * LOG2_E);
  sum = row_sum<32>(sum);
  float factor = sum == 0 ? 0 : 1 / sum;
  for (int key = lane; key < at.keys; key += 32) row[key] = exp2_approx((row[key] - shift) * LOG2_E) * factor;
  if (lane == 0) at.lse[query] = sum == 0 ? -infinity() : peak + logf(sum);
}

template <int D, bool CAUSAL>
__global__ __launch_bounds__(THREADS) void weigh(const Params p) {
  Head<float> at = find_head<float>(p, blockIdx.z, blockIdx.y);
  long long entry = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
  int query = static_cast<int>(entry / D), feature = static_cast<int>(entry % D);
  if (query >= at.queries) return;
  const float *weights = scores_of(p, blockIdx.z, blockIdx.y) + static_cast<long long>(query) * p.keys;
  float sum = 0;
  for (int key = 0; key < at.keys; ++key) sum += weights[key] * at.v[key * at.v_row + feature];
  at.out[query * at.out_row + feature] = sum;
}
