//===- Quantization.h - Weights as small integers ---------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What moe_quantization says, for one row of a matrix at a time.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_QUANTIZATION_H
#define MOE_RT_CORE_QUANTIZATION_H

#include "MoE/Runtime/Abi.h"

namespace moe::rt {

/// What the codes of a run of columns mean.
struct RunScale {
  float scale = 0;   ///< rounded to its type
  float inverse = 0; ///< 1 / scale; 0 where all codes are the zero
  int32_t zero = 0;
};

/// Elements of a row: `data`, `stride` elements apart, of `dtype`.
struct RowView {
  const char *data;
  int32_t dtype; ///< f32, bf16 or f16
  int64_t stride;

  /// The elements [first, first + count) as f32.
  void read(int64_t first, int64_t count, float *out) const;
};

/// The scale of the columns [first, first + count) of a row.
RunScale chooseScale(const moe_quantization &format, const RowView &row,
                     int64_t first, int64_t count);

/// The codes of `count` values that share a scale.
void encode(const moe_quantization &format, const RunScale &scale,
            const float *values, int64_t count, uint8_t *codes);

/// Writes `value`, which the type of scales can hold, to element `index`.
void storeScale(const moe_quantization &format, float value, void *out,
                int64_t index);

} // namespace moe::rt

#endif // MOE_RT_CORE_QUANTIZATION_H
