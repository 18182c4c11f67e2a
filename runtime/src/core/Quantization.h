//===- Quantization.h - Weights as small integers ---------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What moe_quantization says, for one run of columns at a time.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_QUANTIZATION_H
#define MOE_RT_CORE_QUANTIZATION_H

#include "MoE/Runtime/Abi.h"

namespace moe::rt {

/// What the codes of a run of columns mean.
struct RunScale {
  float scale = 0;   ///< rounded to its type
  float inverse = 0; ///< 1 / scale where codes are made; 0: all are the zero
  int32_t zero = 0;
};

/// The codes of a quantized bank.
class CodeSource {
public:
  virtual ~CodeSource();
  /// The scale of the columns [first, first + count) of a row, which are a run.
  virtual RunScale scaleOf(int64_t slice, int64_t row, int64_t first,
                           int64_t count) const = 0;
  /// The codes of columns [first, first + count), which have one scale.
  virtual void read(int64_t slice, int64_t row, int64_t first, int64_t count,
                    const RunScale &scale, uint8_t *codes) const = 0;
};

/// Codes that are made of floats: f32, bf16 or f16.
class MadeCodes : public CodeSource {
public:
  /// `sources` are the slices of `weight`, as the checkpoint has them.
  MadeCodes(const moe_weight &weight, void *const *sources)
      : weight(weight), sources(sources) {}

  RunScale scaleOf(int64_t slice, int64_t row, int64_t first,
                   int64_t count) const override;
  void read(int64_t slice, int64_t row, int64_t first, int64_t count,
            const RunScale &scale, uint8_t *codes) const override;

private:
  /// Up to `valuesPerRead` elements of a row as f32.
  void readValues(int64_t slice, int64_t row, int64_t first, int64_t count,
                  float *out) const;
  static constexpr int64_t valuesPerRead = 256;

  const moe_weight &weight;
  void *const *sources;
};

/// What codes that share a scale stand for.
void decode(const moe_quantization &format, const RunScale &scale,
            const uint8_t *codes, int64_t count, float *values);

/// Writes `value`, which the type of scales can hold, to element `index`.
void storeScale(const moe_quantization &format, float value, void *out,
                int64_t index);

} // namespace moe::rt

#endif // MOE_RT_CORE_QUANTIZATION_H
