// The emulator's twins of the functions in ../ptx.cuh, and what of CUDA C++ a plain compiler lacks.
#pragma once
#include <algorithm>
#include <cmath>

#include "block.h"
#include "numbers.h"

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define threadIdx (emulator::self().index)
#define blockIdx (emulator::now.block)
#define gridDim (emulator::now.grid)

using std::max;
using std::min;
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

// The default argument is the line from which the kernel calls, for the reports.
#define EMULATOR_LINE int line = __builtin_LINE()

inline constexpr float infinity() { return __builtin_huge_valf(); }

inline unsigned char *shared_memory() { return reinterpret_cast<unsigned char *>(emulator::now.shared->data); }

inline void block_barrier(EMULATOR_LINE) { emulator::barrier(line); }

inline float shuffle_xor(float value, int distance, EMULATOR_LINE) {
  struct {
    float value;
    int distance;
  } argument{value, distance};
  emulator::collective<emulator::WARP>("a shuffle", line, argument, [](auto **of) {
    float values[emulator::WARP];
    for (int lane = 0; lane < emulator::WARP; ++lane) values[lane] = of[lane ^ of[lane]->distance]->value;
    for (int lane = 0; lane < emulator::WARP; ++lane) of[lane]->value = values[lane];
  });
  return argument.value;
}

inline float exp2_approx(float x) { return x < -126 ? 0 : std::exp2(x); }  // denormal results are flushed to zero

template <typename T>
unsigned pack(float low, float high) {
  return emulator::narrow<T>(low).bits | static_cast<unsigned>(emulator::narrow<T>(high).bits) << 16;
}

namespace emulator {
// Numbers 2i and 2i + 1 of a row of 16-bit numbers, as a register holds them.
template <typename T>
void unpack(unsigned pair, float &low, float &high) {
  low = widen(T{static_cast<unsigned short>(pair & 0xffff)});
  high = widen(T{static_cast<unsigned short>(pair >> 16)});
}

struct MatrixRow {
  const void *row;
  unsigned result[4];
};

template <bool TRANSPOSED>
void load_matrices(unsigned (&matrices)[4], const void *row, int line) {
  if (reinterpret_cast<std::uintptr_t>(row) % 16)
    fail(format("thread %d: ldmatrix in line %d needs rows that begin at a multiple of 16 bytes.", self().number, line));
  if (!now.shared->owns(static_cast<const char *>(row)))
    fail(format("thread %d: ldmatrix in line %d reads shared memory only.", self().number, line));
  MatrixRow argument{row, {}};
  collective<WARP>("ldmatrix", line, argument, [](MatrixRow **of) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      const unsigned short *rows[8];
      int in_bank[8] = {}, worst = 0;
      for (int r = 0; r < 8; ++r) {
        rows[r] = static_cast<const unsigned short *>(of[8 * matrix + r]->row);
        bool again = std::find(rows, rows + r, rows[r]) != rows + r;  // one address read twice costs one access
        if (!again) worst = std::max(worst, ++in_bank[reinterpret_cast<std::uintptr_t>(rows[r]) / 16 % 8]);
      }
      ++now.counters.matrices, now.counters.wavefronts += worst;
      for (int lane = 0; lane < WARP; ++lane) {
        int g = lane / 4, t = lane % 4;
        unsigned low = TRANSPOSED ? rows[2 * t][g] : rows[g][2 * t], high = TRANSPOSED ? rows[2 * t + 1][g] : rows[g][2 * t + 1];
        of[lane]->result[matrix] = low | high << 16;
      }
    }
  });
  for (int matrix = 0; matrix < 4; ++matrix) matrices[matrix] = argument.result[matrix];
}

template <typename T>
struct Product {
  float (&sum)[4];
  const unsigned (&a)[4];
  unsigned b[2];
};
}  // namespace emulator

template <typename T>
void mma(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, EMULATOR_LINE) {
  emulator::Product<T> argument{sum, a, {b0, b1}};
  emulator::collective<emulator::WARP>("mma", line, argument, [](emulator::Product<T> **of) {
    float left[16][16], right[8][16];  // right is transposed, so that both are read along a row
    for (int lane = 0; lane < emulator::WARP; ++lane) {
      int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) {
        float *place = &left[g + i % 2 * 8][2 * t + i / 2 * 8];
        emulator::unpack<T>(of[lane]->a[i], place[0], place[1]);
      }
      for (int i = 0; i < 2; ++i) emulator::unpack<T>(of[lane]->b[i], right[g][2 * t + 8 * i], right[g][2 * t + 8 * i + 1]);
    }
    for (int lane = 0; lane < emulator::WARP; ++lane)
      for (int i = 0; i < 4; ++i) {
        const float *row = left[lane / 4 + i / 2 * 8], *column = right[lane % 4 * 2 + i % 2];
        float total = 0;
        for (int inner = 0; inner < 16; ++inner) total += row[inner] * column[inner];
        of[lane]->sum[i] += total;
      }
    ++emulator::now.counters.mma;
  });
}

inline void load_matrices(unsigned (&matrices)[4], const void *row, EMULATOR_LINE) {
  emulator::load_matrices<false>(matrices, row, line);
}
inline void load_matrices_transposed(unsigned (&matrices)[4], const void *row, EMULATOR_LINE) {
  emulator::load_matrices<true>(matrices, row, line);
}

// On the GPU a copy may happen at any moment between its start and the end of the wait. Two extremes are tried: at once; and
// as late as possible, with NaN in the target until then.
inline void copy_async(void *shared, const void *global, bool valid, EMULATOR_LINE) {
  auto target = reinterpret_cast<std::uintptr_t>(shared), source = reinterpret_cast<std::uintptr_t>(global);
  if (target % 16 || (valid && source % 16))
    emulator::fail(emulator::format("thread %d: cp.async in line %d needs addresses that are multiples of 16 bytes.", emulator::self().number, line));
  emulator::Copy copy{shared, global, valid};
  emulator::now.counters.copied_bytes += valid ? 16 : 0;
  if (emulator::now.late_copies) {
    std::memset(shared, emulator::POISON, 16);
  } else {
    emulator::finish_copy(copy);
  }
  emulator::self().copies.push_back(copy);
}

inline void wait_for_copies() {
  if (emulator::now.late_copies)
    for (const emulator::Copy &copy : emulator::self().copies) emulator::finish_copy(copy);
  emulator::self().copies.clear();
}
