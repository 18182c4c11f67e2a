//===- Groups.h - The groups of a grouped matmul, and their rows -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_MOETOVECTOR_GROUPS_H
#define MOE_LIB_CONVERSION_MOETOVECTOR_GROUPS_H

#include "MicroKernel.h"

namespace mlir::moe {

/// Rows below which a panel of floats costs the time to read it, whatever their
/// number: arithmetic takes less. In the order of peak / bandwidth on today's
/// cores.
constexpr int64_t kRowsOfReading = 8;

/// What both orders of work need of a grouped matmul.
class Groups {
public:
  Groups(LoopEmitter &emit, GroupedMatmulOp op)
      : emit(emit), op(op), bank(op.getBankType()) {}

  int64_t getNumGroups() { return op.getNumGroups(); }
  int64_t getNumPanels() { return bank.getNumPanels(); }

  /// Rows that groups may have; none if there is no row to read or to write.
  Value countRows();
  /// The rows of a group as (first, count). Offsets may be data of a caller:
  /// whatever they are, these are rows that there are.
  std::pair<Value, Value> rowsOf(Value group);
  /// The operands of a group.
  KernelTask taskOf(Value group);
  /// Where a panel of the group of `task` begins, as i64.
  Value addressOf(const KernelTask &task, Value panel);
  /// The blocks of `rows` rows: their sizes differ by at most one.
  Value countBlocks(Value rows);
  /// Blocks [first, end) of `rows`, (first, count), times a panel. With all
  /// blocks, the panel at `next` comes into the cache. Blocks of less than
  /// `fewest` rows are multiplied row by row, with less code.
  void emitBlocks(KernelTask &task, std::pair<Value, Value> rows,
                  std::pair<Value, Value> blocks, Value next,
                  int64_t fewest = 1);

private:
  void emitBlock(KernelTask &task, Value count, int64_t fewest, int64_t most);
  int64_t countRowsOfReading();
  Value planPrefetch(KernelTask &task, Value rows, Value blocks);
  Value slice(Value operand, Value group);
  Value toI64(Value index);

  LoopEmitter &emit;
  GroupedMatmulOp op;
  BankType bank;
};

/// Emits a grouped matmul as units of one group and panel, in their order: in
/// at most so many ranges.
void emitByGroups(LoopEmitter &emit, GroupedMatmulOp op, Value mostRanges);
/// Emits a dense matmul as ranges of rows; as units of panels if that are few.
void emitByRows(LoopEmitter &emit, GroupedMatmulOp op, int64_t maxRanges);
/// Emits a grouped matmul with targets as ranges of panels.
void emitByTargets(LoopEmitter &emit, GroupedMatmulOp op);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_MOETOVECTOR_GROUPS_H
