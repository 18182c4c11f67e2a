//===- Float16.h - Floats of 16 bits ----------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// bf16 and f16 by their bits. To 16 bits: rounded to nearest, ties to even, to
// an infinity from half a step above the largest number on; NaNs become quiet.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_FLOAT16_H
#define MOE_RT_CORE_FLOAT16_H

#include <cstdint>
#include <cstring>

namespace moe::rt {

inline uint32_t floatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float floatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline uint16_t toBFloat16(float value) {
  uint32_t bits = floatBits(value);
  if (value != value)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float fromBFloat16(uint16_t bits) {
  return floatOfBits(static_cast<uint32_t>(bits) << 16);
}

inline uint16_t toFloat16(float value) {
  uint32_t sign = floatBits(value) >> 16 & 0x8000;
  uint32_t magnitude = floatBits(value) & 0x7fffffff;
  constexpr uint32_t infinity = 0x7c00, quiet = 0x200;
  if (magnitude > 0x7f800000) // a NaN
    return static_cast<uint16_t>(sign | infinity | quiet);
  if (magnitude >= floatBits(65520.0f))
    return static_cast<uint16_t>(sign | infinity);
  if (magnitude < floatBits(0x1p-14f)) {
    // Adding 0.5 leaves the subnormal steps of 2^-24 as the last mantissa bits.
    float shifted = floatOfBits(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (floatBits(shifted) - floatBits(0.5f)));
  }
  constexpr uint32_t rebias = (127 - 15) << 23;
  uint32_t bits = magnitude - rebias;
  return static_cast<uint16_t>(sign |
                               ((bits + 0xfff + (bits >> 13 & 1)) >> 13));
}

inline float fromFloat16(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) // infinities and NaNs
    return floatOfBits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  // The exponent of f16 read as one of f32 is 112 too small. The product is
  // exact, of subnormal numbers too.
  float value = floatOfBits(magnitude << 13) * 0x1p112f;
  return floatOfBits(sign | floatBits(value));
}

} // namespace moe::rt

#endif // MOE_RT_CORE_FLOAT16_H
