//===- Compare.h - Compares results with what was expected ------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_COMPARE_H
#define MOE_TOOLS_MOERUN_COMPARE_H

#include "Tensors.h"
#include "llvm/Support/raw_ostream.h"

namespace moe::run {

/// got matches want when |got - want| <= max(absolute, relative * |want|).
/// Infinities match themselves alone, NaN matches nothing. Integers must be
/// equal.
struct Tolerance {
  double relative = 0, absolute = 0;
};

bool matches(double got, double want, Tolerance tolerance);

/// The outcome for two tensors.
struct Comparison {
  /// Set when dtypes or shapes rule a comparison out.
  std::string problem;
  int64_t numValues = 0, numDifferent = 0;
  int64_t firstDifferent = -1; ///< in row-major order; -1: none
  int64_t largestAt = -1;      ///< where the largest error is; -1: no values
  double largestError = 0;     ///< infinite where NaN or infinities differ

  bool isMatch() const { return problem.empty() && numDifferent == 0; }
};

/// Floats are compared with floats and integers with integers of any width.
Comparison compare(const moe_tensor &got, const moe_tensor &want,
                   Tolerance tolerance);

/// One line: "expect NAME: match ..." or what differs.
void printComparison(llvm::raw_ostream &os, llvm::StringRef name,
                     const Comparison &comparison, const moe_tensor &got,
                     const moe_tensor &want);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_COMPARE_H
