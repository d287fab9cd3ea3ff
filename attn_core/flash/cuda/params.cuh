// What a kernel is told, and where one head of one sequence lies in memory. params.py has the Python twin of the structs.
#pragma once
#include "ptx.cuh"

// A tensor (batch, head, row, feature): strides count elements, features lie side by side.
struct Tensor {
  void *data;
  long long batch, head, row;
};

struct Params {
  Tensor q, k, v, out;
  float *lse;                        // natural logarithm of Σ exp(scale · score); −∞ for a query that sees nothing
  long long lse_batch, lse_head;     // its strides
  float *scores;                     // (batch, heads, queries, keys), for the stage that keeps all scores
  const int *key_lengths;            // (batch,): keys from there on do not exist; or null
  const int *cu_queries, *cu_keys;   // (batch + 1,): where each packed sequence begins; or null
  int queries, keys;                 // of a sequence; of the longest one, if they are packed
  int heads, group;                  // query heads; how many of them share a key-value head
  float scale;
};

// One head of one sequence: pointers to its first rows, and how many rows there are.
template <typename T>
struct Head {
  const T *q, *k, *v;
  T *out;
  float *lse;
  long long q_row, k_row, v_row, out_row;
  int queries, keys;

  // How many keys, from the first on, this query may see. The last query stands at the last key.
  template <bool CAUSAL>
  __device__ int visible(int query) const {
    return CAUSAL ? max(0, min(keys, query + 1 + keys - queries)) : keys;
  }
};

template <typename T>
__device__ T *first_row(const Tensor &tensor, int batch, int head, int row) {
  return static_cast<T *>(tensor.data) + batch * tensor.batch + head * tensor.head + row * tensor.row;
}

template <typename T>
__device__ Head<T> find_head(const Params &p, int batch, int head) {
  int first_query = p.cu_queries ? p.cu_queries[batch] : 0;
  int first_key = p.cu_keys ? p.cu_keys[batch] : 0;
  Head<T> found;
  found.q = first_row<T>(p.q, batch, head, first_query);
  found.k = first_row<T>(p.k, batch, head / p.group, first_key);
  found.v = first_row<T>(p.v, batch, head / p.group, first_key);
  found.out = first_row<T>(p.out, batch, head, first_query);
  found.lse = p.lse + batch * p.lse_batch + head * p.lse_head + first_query;
  found.q_row = p.q.row, found.k_row = p.k.row, found.v_row = p.v.row, found.out_row = p.out.row;
  found.queries = p.cu_queries ? p.cu_queries[batch + 1] - first_query : p.queries;
  found.keys = p.cu_keys ? p.cu_keys[batch + 1] - first_key : p.key_lengths ? p.key_lengths[batch] : p.keys;
  return found;
}

// exp(x) = exp2(x · log2 e): the GPU has an instruction for exp2, and the factor is folded into the scale.
constexpr float LOG2_E = 1.4426950408889634f;
constexpr float LN_2 = 0.6931471805599453f;
