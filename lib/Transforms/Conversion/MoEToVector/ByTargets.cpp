//===- ByTargets.cpp - Grouped matmuls that add up rows
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With targets, rows of several groups are added up in one row of the result. A
// thread gets a range of panels, that is of columns, and all groups in their
// order: a sum has one thread and one order, however many threads there are.
//
//   parallel for range of panels, and block of targets:
//     for the groups that have rows:
//       for the panels of that range:
//         for the rows whose targets are in the block:
//           micro-kernel
//
// Threads read one stream of weights each where panels can be shared evenly.
// Else the targets are cut too, and the weights are read once per block.
//
//===----------------------------------------------------------------------===//

#include "Groups.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Rows of a group in a block of targets, below which reading the weights again
/// for the next block costs more than a thread that waits.
constexpr int64_t kFewestRows = 12;

class TargetLoops {
public:
  TargetLoops(LoopEmitter &emit, GroupedMatmulOp op)
      : emit(emit), op(op), work(emit, op), groups(work.getNumGroups()),
        panels(work.getNumPanels()) {}

  void run() {
    busy = emit.alloc({groups}, emit.getIndexType());
    numBusy = listGroups();
    chooseCuts();
    emit.forParallel(emit.mul(ranges, blocks), [&](Value unit) {
      Value range = arith::RemUIOp::create(emit, unit, ranges);
      Value block = arith::DivUIOp::create(emit, unit, ranges);
      emitUnit(emit.cut(emit.index(panels), range, ranges),
               emit.cut(emit.dim(op.getInit(), 0), block, blocks));
    });
  }

private:
  using Range = std::pair<Value, Value>; ///< first and end

  /// Lists the groups that have rows and returns their number.
  Value listGroups() {
    Value zero = emit.index(0);
    SmallVector<Value> count =
        emit.fold(zero, emit.index(groups), ValueRange{zero},
                  [&](Value e, ValueRange count) -> SmallVector<Value> {
                    // One without rows is overwritten by the next.
                    emit.store(e, busy, count);
                    Value hasRows = emit.less(zero, work.rowsOf(e).second);
                    Value more = emit.add(count[0], emit.index(1));
                    return {emit.select(hasRows, more, count[0])};
                  });
    return count.front();
  }

  /// A range of panels per thread if that is even, within 1 / 16, or if groups
  /// have too few rows to be cut. Else the most ranges that divide both, and as
  /// many blocks of targets as make up for the rest.
  void chooseCuts() {
    Value one = emit.index(1), all = emit.index(panels);
    Value threads = NumThreadsOp::create(emit, emit.getIndexType());
    Value most = arith::CeilDivUIOp::create(emit, all, threads);
    Value isEven = emit.less(emit.mul(emit.mul(most, threads), emit.index(16)),
                             emit.index(panels * 17 + 1));
    Value common = one;
    for (int64_t divisor = 2; divisor <= panels; ++divisor)
      if (panels % divisor == 0) {
        Value rest = arith::RemUIOp::create(emit, threads, emit.index(divisor));
        common = emit.select(emit.equal(rest, emit.index(0)),
                             emit.index(divisor), common);
      }
    Value parts = arith::DivUIOp::create(emit, threads, common);
    Value fewest = emit.mul(emit.mul(parts, numBusy), emit.index(kFewestRows));
    Value whole = emit.either(isEven, emit.less(work.countRows(), fewest));
    ranges = emit.select(whole, emit.minSigned(threads, all), common);
    blocks = emit.select(whole, one, parts);
  }

  void emitUnit(Range columns, Range targets) {
    emit.forEach(emit.index(0), numBusy, [&](Value i) {
      Value following = emit.add(i, emit.index(1));
      Value last = emit.sub(numBusy, emit.index(1));
      Value next = emit.load(busy, {emit.minSigned(following, last)});
      emitGroup(emit.load(busy, {i}), next, columns, targets);
    });
  }

  /// The columns of a group. Those of the group `next` follow.
  void emitGroup(Value e, Value next, Range columns, Range targets) {
    Range rows = rowsOf(e, targets);
    Value count = emit.sub(rows.second, rows.first);
    emit.ifThen(emit.less(emit.index(0), count), [&] {
      KernelTask task = work.taskOf(e);
      Value after = work.addressOf(work.taskOf(next), columns.first);
      emit.forEach(columns.first, columns.second, [&](Value panel) {
        task.panel = panel;
        Value following = emit.add(panel, emit.index(1));
        Value isInside = emit.less(following, columns.second);
        Value address = work.addressOf(task, following);
        work.emitBlocks(task, {rows.first, count},
                        {emit.index(0), work.countBlocks(count)},
                        emit.select(isInside, address, after));
      });
    });
  }

  /// The rows of a group whose targets are in a range: targets ascend.
  Range rowsOf(Value e, Range targets) {
    auto [first, count] = work.rowsOf(e);
    Value end = emit.add(first, count);
    Value isWhole = emit.equal(blocks, emit.index(1));
    // The bits of `count` are the steps that a search takes.
    Value zeros = math::CountLeadingZerosOp::create(
        emit,
        arith::IndexCastOp::create(emit, emit.getI64Type(), count).getResult());
    Value steps = emit.select(isWhole, emit.index(0),
                              emit.sub(emit.index(64), emit.toIndex(zeros)));
    Value low = findTarget(first, end, targets.first, steps);
    Value high = findTarget(first, end, targets.second, steps);
    return {low, emit.select(isWhole, end, high)};
  }

  /// The first of the rows [first, end) whose target is `target` or more; `end`
  /// if there is none.
  Value findTarget(Value first, Value end, Value target, Value steps) {
    Value one = emit.index(1);
    return emit
        .fold(emit.index(0), steps, ValueRange{first, end},
              [&](Value, ValueRange bounds) -> SmallVector<Value> {
                Value low = bounds[0], high = bounds[1];
                Value middle =
                    arith::ShRUIOp::create(emit, emit.add(low, high), one);
                // The last step may come after the search has ended.
                Value row = emit.minSigned(middle, emit.sub(end, one));
                Value found = emit.toIndex(emit.load(op.getTargets(), {row}));
                Value isOpen = emit.less(low, high);
                Value isBefore = emit.both(isOpen, emit.less(found, target));
                Value isAfter = emit.both(isOpen, emit.negate(isBefore));
                return {emit.select(isBefore, emit.add(middle, one), low),
                        emit.select(isAfter, middle, high)};
              })
        .front();
  }

  LoopEmitter &emit;
  GroupedMatmulOp op;
  Groups work;
  int64_t groups, panels;
  Value busy, numBusy;  ///< the groups that have rows
  Value ranges, blocks; ///< of panels and of targets
};

} // namespace

void moe::emitByTargets(LoopEmitter &emit, GroupedMatmulOp op) {
  TargetLoops(emit, op).run();
}
