//===- Quantization.cpp - Weights as small integers -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Quantization.h"
#include "core/Float16.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace moe::rt;

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// `value` rounded to `dtype`.
static float roundTo(int32_t dtype, float value) {
  switch (dtype) {
  case MOE_BF16:
    return fromBFloat16(toBFloat16(value));
  case MOE_F16:
    return fromFloat16(toFloat16(value));
  default:
    return value;
  }
}

template <typename Element, typename Convert>
static void convertAll(const RowView &row, int64_t first, int64_t count,
                       float *out, Convert convert) {
  const Element *from =
      reinterpret_cast<const Element *>(row.data) + first * row.stride;
  if (row.stride == 1) // which compilers vectorize
    for (int64_t i = 0; i < count; ++i)
      out[i] = convert(from[i]);
  else
    for (int64_t i = 0; i < count; ++i)
      out[i] = convert(from[i * row.stride]);
}

void RowView::read(int64_t first, int64_t count, float *out) const {
  switch (dtype) {
  case MOE_BF16:
    return convertAll<uint16_t>(*this, first, count, out, fromBFloat16);
  case MOE_F16:
    return convertAll<uint16_t>(*this, first, count, out, fromFloat16);
  default:
    return convertAll<float>(*this, first, count, out,
                             [](float value) { return value; });
  }
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// To nearest, ties to even, for magnitudes below 2^22: larger ones are clamped
/// by the caller afterwards and need no exact result.
static float roundToInteger(float value) {
  constexpr float anchor = 0x1.8p23f;
  float bounded = std::min(std::max(value, -0x1p21f), 0x1p21f);
  return (bounded + anchor) - anchor;
}

namespace {
/// The values of a run as far as its scale depends on them.
struct Range {
  float lowest = std::numeric_limits<float>::infinity();
  float highest = -std::numeric_limits<float>::infinity();
  uint32_t largestBits = 0; ///< of all magnitudes

  void include(const float *values, int64_t count) {
    float low = lowest, high = highest;
    uint32_t bits = largestBits;
    for (int64_t i = 0; i < count; ++i) {
      low = values[i] < low ? values[i] : low;
      high = values[i] > high ? values[i] : high;
      bits = std::max(bits, floatBits(values[i]) & 0x7fffffffu);
    }
    lowest = low;
    highest = high;
    largestBits = bits;
  }
  bool isFinite() const { return largestBits < 0x7f800000u; }
};
} // namespace

/// Values that are read at a time.
static constexpr int64_t valuesPerRead = 256;

/// The scale before it is rounded to its type.
static float exactScale(const moe_quantization &format, const Range &range) {
  if (format.zero_points)
    return (std::max(range.highest, 0.0f) - std::min(range.lowest, 0.0f)) /
           static_cast<float>((1 << format.bits) - 1);
  float extreme = -range.lowest > range.highest ? range.lowest : range.highest;
  // Of 16 codes none is given away: the extreme gets the one without a
  // counterpart.
  return format.bits == 8 ? std::fabs(extreme) / 127 : extreme / -8;
}

RunScale moe::rt::chooseScale(const moe_quantization &format,
                              const RowView &row, int64_t first,
                              int64_t count) {
  float values[valuesPerRead];
  Range range;
  for (int64_t done = 0; done < count; done += valuesPerRead) {
    int64_t size = std::min(valuesPerRead, count - done);
    row.read(first + done, size, values);
    range.include(values, size);
  }
  RunScale run;
  run.zero = 1 << (format.bits - 1);
  run.scale = roundTo(format.scale_dtype, exactScale(format, range));
  if (!range.isFinite() || !std::isfinite(run.scale)) {
    run.scale = std::numeric_limits<float>::quiet_NaN();
    return run;
  }
  float inverse = 1 / run.scale;
  if (!std::isfinite(inverse)) {
    run.scale = 0;
    return run;
  }
  run.inverse = inverse;
  if (format.zero_points) {
    const auto last = static_cast<float>((1 << format.bits) - 1);
    float low = std::min(range.lowest, 0.0f);
    run.zero = static_cast<int32_t>(
        std::min(last, std::max(0.0f, roundToInteger(-low * inverse))));
  }
  return run;
}

void moe::rt::encode(const moe_quantization &format, const RunScale &scale,
                     const float *values, int64_t count, uint8_t *codes) {
  const auto zero = static_cast<float>(scale.zero);
  const auto last = static_cast<float>((1 << format.bits) - 1);
  if (scale.inverse == 0) {
    std::fill_n(codes, count, static_cast<uint8_t>(scale.zero));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    float code = zero + roundToInteger(values[i] * scale.inverse);
    codes[i] = static_cast<uint8_t>(
        static_cast<int32_t>(std::min(last, std::max(0.0f, code))));
  }
}

void moe::rt::storeScale(const moe_quantization &format, float value, void *out,
                         int64_t index) {
  switch (format.scale_dtype) {
  case MOE_BF16:
    static_cast<uint16_t *>(out)[index] = toBFloat16(value);
    return;
  case MOE_F16:
    static_cast<uint16_t *>(out)[index] = toFloat16(value);
    return;
  default:
    static_cast<float *>(out)[index] = value;
  }
}
