//===- Sampling.h - Chooses the next token ----------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_SAMPLING_H
#define MOE_TOOLS_MOERUN_SAMPLING_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace moe::run {

/// How a token follows from logits.
struct Sampling {
  /// 0 takes the largest logit, the first one among equals. Otherwise tokens
  /// are drawn with probability proportional to exp(logit / temperature).
  double temperature = 0;
  /// The draw of token `step` of row `sequence` is made of the Philox4x32-10
  /// block with key `seed` and counter (sequence, step low, step high, 0): the
  /// first token at which the cumulative probability exceeds it. It does not
  /// depend on the other rows.
  uint64_t seed = 0;
};

/// The index of the largest value, the first one among equals. Fails on NaN.
llvm::Expected<int64_t> findLargest(llvm::ArrayRef<float> logits);

/// The token of row `sequence` that is generated as number `step`.
llvm::Expected<int64_t> pickToken(llvm::ArrayRef<float> logits,
                                  const Sampling &sampling, int64_t sequence,
                                  int64_t step);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_SAMPLING_H
