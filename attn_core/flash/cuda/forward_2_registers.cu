// Stage 2, register tiles: a thread works on 4 queries × KEYS / 16 keys, so that each number it loads is used several times.
// This is the kernel that ships for float32.
//
// Changed           a thread's part of the scores and of the output is a small tile in registers; 16 threads share a row and
//                   find its maximum and sum with shuffles; weights pass through shared memory to those who need them
// Launch            4 · ROWS threads per tile of ROWS queries: thread (y, x) has queries 4y … 4y + 3 and keys x, x + 16, …
// Shared memory     ((ROWS + KEYS) · (D + 4) + ROWS · (KEYS + 4)) · 4 bytes; keys and values take turns in one buffer. The
//                   4 numbers at the end of each row shift the next row by 4 banks: 8 threads that read 16 bytes each, of
//                   8 rows, meet in no bank
// Bottleneck        multiply-adds: 64 per 8 loads of 16 bytes, at best the rate of the float32 units. Tensor cores have 15
//                   times that
// Shapes            float32, head sizes 64 to 256; causal, grouped heads, lengths, packed sequences
// Source            Volkov and Demmel 2008, Benchmarking GPUs to Tune Dense Linear Algebra, for register tiles
#include "params.cuh"
#include "rows.cuh"

constexpr int PAD = 4;   // numbers at the end of a row
constexpr int ACROSS = 16, DOWN = 4;  // threads that share a row; rows of a thread

// Rows first … first + ROWS − 1 of a tensor into shared memory, 16 bytes at a time; zeros from row `end` on.
template <int D, int ROWS, int THREADS>
__device__ void load_tile(float *tile, const float *tensor, long long row_stride, int first, int end) {
  for (int entry = threadIdx.x; entry < ROWS * (D / 4); entry += THREADS) {
    int row = entry / (D / 4), feature = entry % (D / 4) * 4;
    float4 zeros = {0, 0, 0, 0};
    const float4 *source = reinterpret_cast<const float4 *>(tensor + (first + row) * row_stride + feature);
    *reinterpret_cast<float4 *>(tile + row * (D + PAD) + feature) = first + row < end ? *source : zeros;
  }
}

template <int D, int ROWS, int KEYS, bool CAUSAL>
__global__ __launch_bounds__(ROWS *ACROSS / DOWN) void forward(const Params p) {
  constexpr int THREADS = ROWS * ACROSS / DOWN, MINE = KEYS / ACROSS, PAIRS = D / (2 * ACROSS);
  Head<float> at = find_head<float>(p, blockIdx.z, blockIdx.y);
  float *q_tile = reinterpret_cast<float *>(shared_memory());
  float *kv_tile = q_tile + ROWS * (D + PAD), *weights = kv_tile + KEYS * (D + PAD);
  int tile = CAUSAL ? gridDim.x - 1 - blockIdx.x : blockIdx.x;  // the longest rows first: no block starts long work late
  int first = tile * ROWS, x = threadIdx.x % ACROSS, y = threadIdx.x / ACROSS * DOWN;
  if (first >= at.queries) return;
  int end = at.visible<CAUSAL>(min(first + ROWS, at.queries) - 1);

  int visible[DOWN];
  float peak[DOWN], sum[DOWN], out[DOWN][PAIRS][2] = {};
#pragma unroll
  for (int i = 0; i < DOWN; ++i) {
    visible[i] = at.visible<CAUSAL>(first + y + i);
    peak[i] = -infinity(), sum[i] = 0;
  }
  load_tile<D, ROWS, THREADS>(q_tile, at.q, at.q_row, first, at.queries);

  for (int start = 0; start < end; start += KEYS) {
    block_barrier();  // all are done with the values and the weights before
    load_tile<D, KEYS, THREADS>(kv_tile, at.k, at.k_row, start, end);
    block_barrier();

    float score[DOWN][MINE] = {};
    for (int feature = 0; feature < D; feature += 4) {
      float4 q[DOWN], k[MINE];
#pragma unroll
      for (int i = 0; i < DOWN; ++i) q[i] = *reinterpret_cast<float4 *>(q_tile + (y + i) * (D + PAD) + feature);
#pragma unroll
      for (int j = 0; j < MINE; ++j) k[j] = *reinterpret_cast<float4 *>(kv_tile + (x + j * ACROSS) * (D + PAD) + feature);
#pragma unroll
      for (int i = 0; i < DOWN; ++i)
#pragma unroll
        for (int j = 0; j < MINE; ++j)
          score[i][j] += q[i].x * k[j].x + q[i].y * k[j].y + q[i].z * k[j].z + q[i].w * k[j].w;
    }

#pragma unroll
    for (int i = 0; i < DOWN; ++i) {
      float new_peak = peak[i], row = 0;
#pragma unroll
      for (int j = 0; j < MINE; ++j) {
        bool sees = start + x + j * ACROSS < visible[i];
        score[i][j] = sees ? score[i][j] * (p.scale * LOG2_E) : -infinity();
        new_peak = fmaxf(new_peak, score[i][j]);
      }
      new_peak = row_max<ACROSS>(new_peak);
      float shift = new_peak == -infinity() ? 0 : new_peak;  // nothing seen yet: −∞ − (−∞) would be NaN
#pragma unroll
      for (int j = 0; j < MINE; ++j) {
        float weight = exp2_approx(score[i][j] - shift);
        weights[(y + i) * (KEYS + PAD) + x + j * ACROSS] = weight;
        row += weight;
      }
      float rescale = exp2_approx(peak[i] - shift);
      peak[i] = new_peak, sum[i] = sum[i] * rescale + row_sum<ACROSS>(row);
#pragma unroll
      for (int c = 0; c < PAIRS; ++c) out[i][c][0] *= rescale, out[i][c][1] *= rescale;
    }

    block_barrier();  // the weights are complete, and all are done with the keys
    load_tile<D, KEYS, THREADS>(kv_tile, at.v, at.v_row, start, end);
    block_barrier();

    for (int key = 0; key < KEYS; key += 4) {
      float4 weight[DOWN];
#pragma unroll
      for (int i = 0; i < DOWN; ++i) weight[i] = *reinterpret_cast<float4 *>(weights + (y + i) * (KEYS + PAD) + key);
#pragma unroll
      for (int c = 0; c < PAIRS; ++c) {
        float2 v[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) v[j] = *reinterpret_cast<float2 *>(kv_tile + (key + j) * (D + PAD) + 2 * (x + c * ACROSS));
#pragma unroll
        for (int i = 0; i < DOWN; ++i) {
          out[i][c][0] += weight[i].x * v[0].x + weight[i].y * v[1].x + weight[i].z * v[2].x + weight[i].w * v[3].x;
          out[i][c][1] += weight[i].x * v[0].y + weight[i].y * v[1].y + weight[i].z * v[2].y + weight[i].w * v[3].y;
        }
      }
    }
  }

#pragma unroll
  for (int i = 0; i < DOWN; ++i) {
    int query = first + y + i;
    if (query >= at.queries) continue;
    float factor = sum[i] == 0 ? 0 : 1 / sum[i];
#pragma unroll
    for (int c = 0; c < PAIRS; ++c) {
      float2 pair = {out[i][c][0] * factor, out[i][c][1] * factor};
      *reinterpret_cast<float2 *>(at.out + query * at.out_row + 2 * (x + c * ACROSS)) = pair;
    }
    if (x == 0) at.lse[query] = sum[i] == 0 ? -infinity() : peak[i] * LN_2 + logf(sum[i]);
  }
}
