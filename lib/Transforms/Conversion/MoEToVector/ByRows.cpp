//===- ByRows.cpp - Dense matmuls as ranges of rows
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All panels stay in the second-level cache of each thread, and rows pass by:
//
//   row loop, range [low, high):
//     for the panels:
//       for the rows from low to high, in blocks of almost equal size:
//         micro-kernel
//
// What else is done with these rows finds them, and their sums, in a cache.
// Rows that are too few for all threads are multiplied panel by panel before.
//
//===----------------------------------------------------------------------===//

#include "Groups.h"
#include "MoE/Transforms/Utils/RowLoop.h"

using namespace mlir;
using namespace mlir::moe;

/// Ranges for each thread: with fewer, some would wait for the others.
static constexpr int64_t kRangesPerThread = 4;

/// Blocks of rows in a range: with so many, they have as many rows as they can,
/// or one less.
static constexpr int64_t kBlocksOfRange = 4;

/// The steps of a row, and whole blocks.
static RowCost costOf(GroupedMatmulOp op) {
  BankType bank = op.getBankType();
  CPUScheduleAttr schedule = *op.getSchedule();
  int64_t vectors = bank.getPacked().getPanel() / schedule.getLanes();
  return {bank.getNumPanels() * bank.getNumSteps() * vectors,
          kBlocksOfRange * schedule.getRowBlock()};
}

void moe::emitByRows(LoopEmitter &emit, GroupedMatmulOp op, int64_t maxRanges) {
  Groups work(emit, op);
  Value zero = emit.index(0);
  Value rows = work.countRows();
  RowCost cost = costOf(op);
  Value threads = NumThreadsOp::create(emit, emit.getIndexType());
  Value areEnough =
      emit.atLeast(countRanges(emit, rows, cost),
                   emit.mul(threads, emit.index(kRangesPerThread)));
  emitByGroups(emit, op, emit.select(areEnough, zero, emit.index(maxRanges)));
  // Blocks of other sizes are rare: not worth the time to compile them.
  int64_t fewest = std::max<int64_t>(1, op.getSchedule()->getRowBlock() - 1);
  RowLoop::create(emit, rows, cost, [&](Value, Value low, Value high) {
    Value count = emit.sub(high, low);
    Value panels =
        emit.select(areEnough, emit.index(work.getNumPanels()), zero);
    KernelTask task = work.taskOf(zero);
    emit.forEach(zero, panels, [&](Value panel) {
      task.panel = panel;
      Value next = emit.add(panel, emit.index(1));
      work.emitBlocks(task, {low, count}, {zero, work.countBlocks(count)},
                      work.addressOf(task, next), fewest);
    });
  });
}
