// All of the GPU's own instructions that the kernels use, one small function each. Nothing else in the ladder is assembly.
// With ATTN_EMULATOR defined the same names come from emulator/ptx.h, so that the kernels run on any machine.
// Source: NVIDIA, Parallel Thread Execution ISA, sections on mma.m16n8k16, ldmatrix, cp.async, ex2 and cvt.
#pragma once

#ifdef ATTN_EMULATOR
#include "emulator/ptx.h"
#else

// 16-bit numbers are only stored and multiplied, never added up: their bits are all that a kernel needs. No CUDA header is
// included, so that NVRTC compiles the ladder without a toolkit.
struct fp16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

// The block's shared memory, as much as the launch asked for.
__device__ __forceinline__ unsigned char *shared_memory() {
  extern __shared__ __align__(128) unsigned char bytes[];
  return bytes;
}

__device__ __forceinline__ unsigned shared_address(const void *pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// Wait until all threads of the block are here; what they wrote to shared memory is visible afterwards.
__device__ __forceinline__ void block_barrier() { __syncthreads(); }

// The value that the thread `lane ^ distance` of the same warp holds.
__device__ __forceinline__ float shuffle_xor(float value, int distance) {
  return __shfl_xor_sync(0xffffffffu, value, distance);
}

// 2 to the power of x, with an error of about 2 units in the last place; 0 for −∞.
__device__ __forceinline__ float exp2_approx(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

// Two numbers rounded to 16 bits, the first in the lower half.
template <typename T>
__device__ unsigned pack(float low, float high);
template <>
__device__ __forceinline__ unsigned pack<fp16>(float low, float high) {
  unsigned result;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
}
template <>
__device__ __forceinline__ unsigned pack<bf16>(float low, float high) {
  unsigned result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
}

// Tensor cores, one warp: sum (16 × 8) += a (16 × 16) · b (16 × 8). Thread g · 4 + t holds, with two columns or rows each,
//   sum[0] row g, columns 2t and 2t + 1; sum[2] the same in row g + 8
//   a[0] row g, columns 2t, 2t + 1; a[1] row g + 8; a[2] and a[3] the same 8 columns further
//   b[0] rows 2t, 2t + 1 of column g; b[1] 8 rows further
template <typename T>
__device__ void mma(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1);
#define ATTN_MMA(TYPE, NAME)                                                                                        \
  template <>                                                                                                       \
  __device__ __forceinline__ void mma<TYPE>(float(&sum)[4], const unsigned(&a)[4], unsigned b0, unsigned b1) {      \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." NAME "." NAME ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, " \
                 "{%0,%1,%2,%3};"                                                                                   \
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                                           \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                   \
  }
ATTN_MMA(fp16, "f16")
ATTN_MMA(bf16, "bf16")
#undef ATTN_MMA

// Four 8 × 8 matrices of 16-bit numbers from shared memory. Thread 8i + r gives the address of row r of matrix i and gets,
// of every matrix, columns 2t and 2t + 1 of row g (thread = 4g + t); transposed: rows 2t and 2t + 1 of column g.
__device__ __forceinline__ void load_matrices(unsigned (&matrices)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(unsigned (&matrices)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(shared_address(row))
               : "memory");
}

// Start a copy of 16 bytes to shared memory, past the registers and the L1 cache; zeros come if it is not `valid`.
__device__ __forceinline__ void copy_async(void *shared, const void *global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}

// Wait for all copies that this thread has started. A barrier must follow before others' copies are read.
__device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

#endif
