//===- Quantize.cpp - Rows and weights as small integers ------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Here the specification names f32 for the arithmetic itself: a code is an
// integer, which nothing is "close" to, so everybody must round alike.
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "Tensor.h"
#include "moe_rt/reference.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>

using namespace moe::reference;

/// Element (row, column) as f32: exact for f32, bf16 and f16.
static float single(const moe_tensor &tensor, int64_t row, int64_t column) {
  return static_cast<float>(real(tensor, row, column));
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// Sets the codes of columns [first, end) of a row and returns their scale.
static float quantizeColumns(const moe_tensor &x, int64_t row, int64_t first,
                             int64_t end, moe_tensor &codes) {
  float largest = 0.0f;
  bool isFinite = true;
  for (int64_t k = first; k < end; ++k) {
    float value = single(x, row, k);
    isFinite &= std::isfinite(value);
    largest = std::max(largest, std::fabs(value));
  }
  float inverse = 127.0f / largest;
  bool hasCodes = isFinite && std::isfinite(inverse);
  for (int64_t k = first; k < end; ++k) {
    float scaled = hasCodes ? single(x, row, k) * inverse : 0.0f;
    setInteger(codes, row, k, static_cast<int64_t>(std::nearbyint(scaled)));
  }
  if (!isFinite)
    return std::numeric_limits<float>::quiet_NaN();
  return hasCodes ? largest / 127.0f : 0.0f;
}

extern "C" int32_t moe_ref_quantize_rows(const moe_quantize_rows_attrs *attrs,
                                         const moe_tensor *x, moe_tensor *codes,
                                         moe_tensor *scales, moe_tensor *sums,
                                         moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs");
    check.present(attrs, "attrs");
    if (!check.ok())
      return;
    bool perRun = attrs->run_scales != 0;
    check.tensor(x, "x", Elements::Real, {&rows, &columns});
    check.tensor(codes, "codes", Elements::Code, {&rows, &columns});
    check.tensor(sums, "sums", Elements::Index, {&rows, &runs});
    if (perRun)
      check.tensor(scales, "scales", Elements::Result, {&rows, &runs});
    else
      check.tensor(scales, "scales", Elements::Result, {&rows});
    if (!check.ok())
      return;
    int64_t group = attrs->group == 0 ? columns.size : attrs->group;
    check.require(columns.size >= 1 && group >= 1 &&
                      runs.size == (columns.size + group - 1) / group,
                  "argument 'sums' has %" PRId64 " columns with K = %" PRId64
                  " and 'group' = %" PRId64 ", expected one for each run of "
                  "'group' columns, 0 for a single one; correct the sizes "
                  "[moe-ref-quantize-rows-runs]",
                  runs.size, columns.size, attrs->group);
    if (!check.ok())
      return;
    for (int64_t row = 0; row < rows.size; ++row) {
      if (!perRun)
        setReal(*scales, row,
                quantizeColumns(*x, row, 0, columns.size, *codes));
      for (int64_t run = 0; run < runs.size; ++run) {
        int64_t first = run * group;
        int64_t end = std::min(first + group, columns.size);
        if (perRun)
          setReal(*scales, row, run,
                  quantizeColumns(*x, row, first, end, *codes));
        int64_t sum = 0;
        for (int64_t k = first; k < end; ++k)
          sum += integer(*codes, row, k);
        setInteger(*sums, row, run, sum);
      }
    }
  });
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The nearest number, ties to even, with `digits` significant bits that is a
/// multiple of 2^lowest and not beyond `largest`; otherwise an infinity.
static double roundTo(double value, int digits, int lowest, double largest) {
  if (value == 0.0 || !std::isfinite(value))
    return value;
  int step = std::max(std::ilogb(value) - digits + 1, lowest);
  double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
  return std::fabs(rounded) > largest
             ? std::copysign(std::numeric_limits<double>::infinity(), value)
             : rounded;
}

/// `value` as a scale is stored.
static float storedScale(int32_t dtype, float value) {
  switch (dtype) {
  case MOE_BF16:
    return static_cast<float>(
        roundTo(value, 8, -133, static_cast<double>(0x1.fep127f)));
  case MOE_F16:
    return static_cast<float>(roundTo(value, 11, -24, 65504.0));
  default:
    return value;
  }
}

namespace {
/// What the codes of a run of columns mean.
struct Scale {
  float scale;
  float inverse; ///< what values are multiplied by; 0: all codes are `zero`
  float zero;
};
} // namespace

static float clampToCode(float value, float last) {
  return std::min(std::max(value, 0.0f), last);
}

/// The scale of columns [first, end) of a row; see moe_quantization.
static Scale scaleOf(const moe_quantization &format, const moe_tensor &w,
                     int64_t row, int64_t first, int64_t end) {
  float highest = single(w, row, first), lowest = highest;
  bool isFinite = true;
  for (int64_t k = first; k < end; ++k) {
    highest = std::max(highest, single(w, row, k));
    lowest = std::min(lowest, single(w, row, k));
    isFinite &= std::isfinite(single(w, row, k));
  }
  const float half = format.bits == 8 ? 128.0f : 8.0f;
  const float last = format.bits == 8 ? 255.0f : 15.0f;
  float exact;
  if (format.zero_points)
    exact = (std::max(highest, 0.0f) - std::min(lowest, 0.0f)) / last;
  else if (format.bits == 8)
    exact = std::max(std::fabs(lowest), std::fabs(highest)) / 127.0f;
  else
    exact = (std::fabs(lowest) > std::fabs(highest) ? lowest : highest) / -8.0f;
  float scale = storedScale(format.scale_dtype, exact);
  if (!isFinite || !std::isfinite(scale))
    return {std::numeric_limits<float>::quiet_NaN(), 0.0f, half};
  float inverse = 1.0f / scale;
  if (!std::isfinite(inverse))
    return {0.0f, 0.0f, half};
  float zero = half;
  if (format.zero_points)
    zero = clampToCode(std::nearbyint(-std::min(lowest, 0.0f) * inverse), last);
  return {scale, inverse, zero};
}

static void checkFormat(Checker &check, const moe_quantization &format,
                        int64_t columns) {
  check.require(
      (format.bits == 4 || format.bits == 8) && format.group >= 1 &&
          (format.scale_dtype == MOE_F32 || format.scale_dtype == MOE_BF16 ||
           format.scale_dtype == MOE_F16) &&
          (format.zero_points == 0 || format.zero_points == 1) && columns >= 1,
      "the format has %" PRId32 " bits, groups of %" PRId64
      ", scales of the moe_dtype %" PRId32 " and zero_points %" PRId32
      ", expected 4 or 8 bits, groups from 1, scales of f32, bf16 or f16 and "
      "zero_points 0 or 1; correct it [moe-ref-quantize-format]",
      format.bits, format.group, format.scale_dtype, format.zero_points);
}

extern "C" int32_t moe_ref_quantize(const moe_quantization *format,
                                    const moe_tensor *w, moe_tensor *codes,
                                    moe_tensor *scales, moe_tensor *zeros,
                                    moe_tensor *values, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs");
    check.present(format, "format");
    check.tensor(w, "w", Elements::Real, {&rows, &columns});
    check.tensor(codes, "codes", Elements::Index, {&rows, &columns});
    check.tensor(scales, "scales", Elements::Result, {&rows, &runs});
    check.tensor(zeros, "zeros", Elements::Index, {&rows, &runs});
    check.tensor(values, "values", Elements::Result, {&rows, &columns});
    if (!check.ok())
      return;
    checkFormat(check, *format, columns.size);
    if (!check.ok())
      return;
    check.require(
        runs.size == (columns.size + format->group - 1) / format->group,
        "argument 'scales' has %" PRId64 " columns with K = %" PRId64
        " and groups of %" PRId64 ", expected one for each; correct the shape "
        "[moe-ref-quantize-runs]",
        runs.size, columns.size, format->group);
    if (!check.ok())
      return;
    const float last = format->bits == 8 ? 255.0f : 15.0f;
    for (int64_t row = 0; row < rows.size; ++row)
      for (int64_t run = 0; run < runs.size; ++run) {
        int64_t first = run * format->group;
        int64_t end = std::min(first + format->group, columns.size);
        Scale scale = scaleOf(*format, *w, row, first, end);
        setReal(*scales, row, run, scale.scale);
        setInteger(*zeros, row, run, static_cast<int64_t>(scale.zero));
        for (int64_t k = first; k < end; ++k) {
          float code = scale.zero;
          if (scale.inverse != 0.0f)
            code = clampToCode(
                scale.zero + std::nearbyint(single(*w, row, k) * scale.inverse),
                last);
          setInteger(*codes, row, k, static_cast<int64_t>(code));
          setReal(*values, row, k, scale.scale * (code - scale.zero));
        }
      }
  });
}
