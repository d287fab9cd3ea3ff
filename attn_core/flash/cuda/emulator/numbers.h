// 16-bit numbers in software.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

struct fp16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};

namespace emulator {

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline float widen(bf16 number) { return float_of(static_cast<std::uint32_t>(number.bits) << 16); }

inline float widen(fp16 number) {
  int exponent = number.bits >> 10 & 31, fraction = number.bits & 1023;
  float sign = number.bits >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1024.0f + fraction, exponent - 25) : std::ldexp(static_cast<float>(fraction), -24));
}

// Round to nearest, ties to even, as cvt.rn does.
template <typename T>
T narrow(float value);

template <>
inline bf16 narrow<bf16>(float value) {
  std::uint32_t bits = bits_of(value);
  if (std::isnan(value)) return {0x7fff};
  return {static_cast<unsigned short>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <>
inline fp16 narrow<fp16>(float value) {
  unsigned short sign = bits_of(value) >> 31 << 15;
  float size = std::fabs(value);
  if (std::isnan(value)) return {0x7fff};
  if (size >= 65520.0f) return {static_cast<unsigned short>(sign | 0x7c00)};
  if (size < 6.103515625e-05f) return {static_cast<unsigned short>(sign | static_cast<int>(std::nearbyint(std::ldexp(size, 24))))};
  int exponent;
  float fraction = std::frexp(size, &exponent);  // in [0.5, 1)
  int mantissa = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));  // in [1024, 2048]
  return {static_cast<unsigned short>(sign | (((exponent + 14) << 10) + mantissa - 1024))};
}

}  // namespace emulator
