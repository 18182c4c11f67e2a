//===- Sizes.h - Sizes of a layer ----------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_SIZES_H
#define MOE_BENCHMARKS_MOEBENCH_SIZES_H

#include "DTypes.h"

namespace moe::bench {

/// A layer and how many tokens go through it.
struct Sizes {
  int64_t experts = 8, topK = 2, hidden = 1024, width = 3584, tokens = 64;

  int64_t getSlots() const { return tokens * topK; }
  int64_t getRouterBytes() const { return experts * hidden * 4; }
  /// Of one expert: gate, up and down.
  int64_t getExpertBytes(const DType &dtype) const {
    return 2 * width * dtype.getRowBytes(hidden) +
           hidden * dtype.getRowBytes(width);
  }
  int64_t getWeightBytes(const DType &dtype) const {
    return experts * getExpertBytes(dtype);
  }
  /// About what a call takes besides weights: tokens, results, workspace.
  int64_t getCallBytes() const;
  /// Multiplications and additions of the router and of the experts.
  double getOperations() const {
    return 2.0 * double(tokens) * double(hidden) *
           (double(experts) + 3.0 * double(topK) * double(width));
  }
};

/// Refuses sizes that make no layer that this program can control, and sizes
/// whose products do not fit: the functions above do not check.
llvm::Error checkSizes(const Sizes &sizes, const DType &dtype);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_SIZES_H
