//===- RowLoop.h - Loops whose ranges of rows do not meet -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads share ranges of the rows of a matrix: tokens, mostly. Of matrices
// that it or another row loop over the same rows writes, an iteration of a row
// loop reads and writes its rows only; so that two of them may run as one, and
// what the first wrote for a few rows is still in a cache when the second reads
// it.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_ROWLOOP_H
#define MOE_TRANSFORMS_UTILS_ROWLOOP_H

#include "MoE/Transforms/Utils/LoopEmitter.h"
#include <optional>

namespace mlir::moe {

/// Ranges that a row loop has at most. Memory that a range needs is allocated
/// outside, as many times: it is found by the number of the range.
inline constexpr int64_t kMostRanges = 64;

/// What decides how long the ranges of a row loop are.
struct RowCost {
  int64_t perRow; ///< in elements that are read, or steps that take as long
  int64_t fewest; ///< rows that a range should have at least

  /// Numbers out of proportion become the nearest that can be computed with.
  RowCost(int64_t perRow, int64_t fewest = 1);
  /// Of a loop that does both.
  RowCost operator+(const RowCost &other) const;
};

/// How many ranges rows are cut into, at most kMostRanges.
Value countRanges(LoopEmitter &emit, Value rows, RowCost cost);
/// Threads share ranges of rows: `body` gets the number of a range, its first
/// row and its end. It may read all rows of anything.
scf::ParallelOp
forRanges(LoopEmitter &emit, Value rows, RowCost cost,
          function_ref<void(Value range, Value low, Value high)> body);

/// A row loop in the IR.
struct RowLoop {
  scf::ParallelOp op;
  Value rows; ///< how many there are
  RowCost cost;

  /// Like forRanges, for a body that keeps to its rows.
  static void
  create(LoopEmitter &emit, Value rows, RowCost cost,
         function_ref<void(Value range, Value low, Value high)> body);
  /// `op` as a row loop, if it is one.
  static std::optional<RowLoop> match(Operation *op);
};

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_ROWLOOP_H
