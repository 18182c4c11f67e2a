//===- Quantization.cpp - Weights as small integers -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Quantization.h"
#include "core/Float16.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace moe::rt;

CodeSource::~CodeSource() = default;

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

/// `count` elements, `stride` elements apart.
template <typename Element, typename Convert>
static void convertAll(const void *from, int64_t stride, int64_t count,
                       float *out, Convert convert) {
  const auto *elements = static_cast<const Element *>(from);
  if (stride == 1) // which compilers vectorize
    for (int64_t i = 0; i < count; ++i)
      out[i] = convert(elements[i]);
  else
    for (int64_t i = 0; i < count; ++i)
      out[i] = convert(elements[i * stride]);
}

void MadeCodes::readValues(int64_t slice, int64_t row, int64_t first,
                           int64_t count, float *out) const {
  int64_t stride = weight.strides[1];
  const char *from = static_cast<const char *>(sources[slice]) +
                     (row * weight.strides[0] + first * stride) *
                         static_cast<int64_t>(moe_dtype_size(weight.dtype));
  switch (weight.dtype) {
  case MOE_BF16:
    return convertAll<uint16_t>(from, stride, count, out, fromBFloat16);
  case MOE_F16:
    return convertAll<uint16_t>(from, stride, count, out, fromFloat16);
  default:
    return convertAll<float>(from, stride, count, out,
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
class Range {
public:
  Range() {
    std::fill_n(lows, lanes, std::numeric_limits<float>::infinity());
    std::fill_n(highs, lanes, -std::numeric_limits<float>::infinity());
  }

  /// Of the values of each lane on their own, which compilers vectorize: of all
  /// in one order they must not.
  void include(const float *values, int64_t count) {
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes)
      for (int64_t lane = 0; lane < lanes; ++lane)
        include(lane, values[i + lane]);
    for (; i < count; ++i)
      include(0, values[i]);
  }

  float lowest() const { return *std::min_element(lows, lows + lanes); }
  float highest() const { return *std::max_element(highs, highs + lanes); }
  bool isFinite() const {
    return std::all_of(zeros, zeros + lanes,
                       [](float zero) { return zero == 0; });
  }

private:
  void include(int64_t lane, float value) {
    lows[lane] = value < lows[lane] ? value : lows[lane];
    highs[lane] = value > highs[lane] ? value : highs[lane];
    zeros[lane] += value * 0;
  }

  static constexpr int64_t lanes = 8;
  float lows[lanes], highs[lanes];
  float zeros[lanes] = {}; ///< NaN where a value was not finite
};
} // namespace

/// The scale before it is rounded to its type.
static float exactScale(const moe_quantization &format, const Range &range) {
  float lowest = range.lowest(), highest = range.highest();
  if (format.zero_points)
    return (std::max(highest, 0.0f) - std::min(lowest, 0.0f)) /
           static_cast<float>((1 << format.bits) - 1);
  float extreme = -lowest > highest ? lowest : highest;
  // Of 16 codes none is given away: the extreme gets the one without a
  // counterpart.
  return format.bits == 8 ? std::fabs(extreme) / 127 : extreme / -8;
}

RunScale MadeCodes::scaleOf(int64_t slice, int64_t row, int64_t first,
                            int64_t count) const {
  const moe_quantization &format = weight.quantization;
  float values[valuesPerRead];
  Range range;
  for (int64_t done = 0; done < count; done += valuesPerRead) {
    int64_t size = std::min(valuesPerRead, count - done);
    readValues(slice, row, first + done, size, values);
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
    float low = std::min(range.lowest(), 0.0f);
    run.zero = static_cast<int32_t>(
        std::min(last, std::max(0.0f, roundToInteger(-low * inverse))));
  }
  return run;
}

/// The codes of `count` values that share a scale.
static void encode(const moe_quantization &format, const RunScale &scale,
                   const float *values, int64_t count, uint8_t *codes) {
  const auto zero = static_cast<float>(scale.zero);
  const auto last = static_cast<float>((1 << format.bits) - 1);
  for (int64_t i = 0; i < count; ++i) {
    float code = zero + roundToInteger(values[i] * scale.inverse);
    codes[i] = static_cast<uint8_t>(
        static_cast<int32_t>(std::min(last, std::max(0.0f, code))));
  }
}

void MadeCodes::read(int64_t slice, int64_t row, int64_t first, int64_t count,
                     const RunScale &scale, uint8_t *codes) const {
  if (scale.inverse == 0) {
    std::fill_n(codes, count, static_cast<uint8_t>(scale.zero));
    return;
  }
  float values[valuesPerRead];
  for (int64_t done = 0; done < count; done += valuesPerRead) {
    int64_t size = std::min(valuesPerRead, count - done);
    readValues(slice, row, first + done, size, values);
    encode(weight.quantization, scale, values, size, codes + done);
  }
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void moe::rt::decode(const moe_quantization &format, const RunScale &scale,
                     const uint8_t *codes, int64_t count, float *values) {
  static constexpr float e2m1[] = {0,     0.5f,  1,  1.5f,  2,  3,  4,  6,
                                   -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
  for (int64_t i = 0; i < count; ++i)
    values[i] = scale.scale * (format.codes == MOE_CODES_E2M1
                                   ? e2m1[codes[i]]
                                   : static_cast<float>(codes[i] - scale.zero));
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
