//===- ByGroups.cpp - Grouped matmuls as units of one group and panel
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A unit of work is one panel of the banks of one group, times a part of the
// rows of the group: all of them, if they are few. Units are ordered by group,
// panel and part, so that consecutive ones read the same or consecutive memory.
// Each thread gets ranges of equal cost of this order, whatever the sizes of
// the groups:
//
//   start[e] = cost of the units before those of group e
//   parallel for range in ranges:
//     for the units of that range:
//       for the rows of the part, in blocks of almost equal size:
//         micro-kernel
//
//===----------------------------------------------------------------------===//

#include "Groups.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Ranges of work that has fewer panels than that, so that threads share it.
constexpr int64_t kFewestRanges = 16;

/// Blocks of rows in a part: enough that threads which read the same panel do
/// not wait for it.
constexpr int64_t kBlocksOfPart = 4;

class UnitLoops {
public:
  UnitLoops(LoopEmitter &emit, GroupedMatmulOp op)
      : emit(emit), work(emit, op), groups(work.getNumGroups()),
        panels(work.getNumPanels()) {}

  void run(Value mostRanges) {
    start = emit.alloc({groups + 1}, emit.getIndexType());
    Value total = computeStarts();
    Value ranges = countRanges(total, mostRanges);
    emit.forParallel(ranges, [&](Value i) {
      auto [low, high] = emit.cut(total, i, ranges);
      emitRange(low, high);
    });
  }

private:
  /// Ranges of about two panels that are only read, since to find the group of
  /// a range takes time too. But threads share a few panels as well.
  Value countRanges(Value total, Value most) {
    Value wanted =
        arith::CeilDivUIOp::create(emit, total, emit.index(2 * kRowsOfReading));
    wanted = emit.maxSigned(wanted, emit.index(kFewestRanges));
    return emit.minSigned(emit.minSigned(wanted, most), total);
  }

  /// How the work of a group is cut.
  struct Units {
    Value count;
    Value parts; ///< of its rows; for each panel, there are as many units
    Value cost;  ///< of one unit
  };

  Units unitsOf(Value rows) {
    Value parts = arith::DivUIOp::create(emit, work.countBlocks(rows),
                                         emit.index(kBlocksOfPart));
    parts = emit.maxSigned(parts, emit.index(1));
    Value cost = emit.maxSigned(arith::CeilDivUIOp::create(emit, rows, parts),
                                emit.index(kRowsOfReading));
    Value isEmpty = emit.equal(rows, emit.index(0));
    return {emit.mul(parts, emit.index(panels)), parts,
            emit.select(isEmpty, emit.index(0), cost)};
  }

  /// Fills `start` and returns the cost of all units.
  Value computeStarts() {
    Value zero = emit.index(0);
    emit.store(zero, start, {zero});
    SmallVector<Value> total =
        emit.fold(zero, emit.index(groups), ValueRange{zero},
                  [&](Value e, ValueRange carried) -> SmallVector<Value> {
                    Value next = emit.add(e, emit.index(1));
                    Units units = unitsOf(work.rowsOf(e).second);
                    Value sum =
                        emit.add(carried[0], emit.mul(units.cost, units.count));
                    emit.store(sum, start, {next});
                    return {sum};
                  });
    return total.front();
  }

  /// The last group that starts at or before `cost`.
  Value findGroup(Value cost) {
    int64_t steps = llvm::Log2_64_Ceil(groups + 1);
    SmallVector<Value> bounds =
        emit.fold(emit.index(0), emit.index(steps),
                  ValueRange{emit.index(0), emit.index(groups)},
                  [&](Value, ValueRange bounds) -> SmallVector<Value> {
                    Value middle = arith::ShRUIOp::create(
                        emit, emit.add(bounds[0], bounds[1]), emit.index(1));
                    Value after = emit.less(cost, emit.load(start, {middle}));
                    return {emit.select(after, bounds[0], middle),
                            emit.select(after, middle, bounds[1])};
                  });
    return bounds.front();
  }

  /// The units whose first piece of cost is in [low, high).
  void emitRange(Value low, Value high) {
    Value one = emit.index(1);
    Value first = findGroup(low);
    Value last = findGroup(emit.sub(high, one));
    emit.forEach(first, emit.add(last, one), [&](Value e) {
      std::pair<Value, Value> range = work.rowsOf(e);
      Value from = range.first, rows = range.second;
      emit.ifThen(emit.less(emit.index(0), rows), [&] {
        Units units = unitsOf(rows);
        Value begin = emit.load(start, {e});
        auto unitAt = [&](Value position) -> Value {
          Value inside =
              emit.maxSigned(emit.index(0), emit.sub(position, begin));
          Value unit = arith::CeilDivUIOp::create(emit, inside, units.cost);
          return emit.minSigned(unit, units.count);
        };
        KernelTask task = work.taskOf(e);
        Value blocks = work.countBlocks(rows);
        emit.forEach(unitAt(low), unitAt(high), [&](Value unit) {
          task.panel = arith::DivUIOp::create(emit, unit, units.parts);
          Value part = arith::RemUIOp::create(emit, unit, units.parts);
          // A panel lies behind the one before, also across experts; behind
          // the last one nothing is read, since asking cannot fail.
          Value next = emit.add(task.panel, emit.index(1));
          work.emitBlocks(task, {from, rows},
                          emit.cut(blocks, part, units.parts),
                          work.addressOf(task, next));
        });
      });
    });
  }

  LoopEmitter &emit;
  Groups work;
  int64_t groups, panels;
  Value start; ///< cost of the units before those of each group
};

} // namespace

void moe::emitByGroups(LoopEmitter &emit, GroupedMatmulOp op,
                       Value mostRanges) {
  UnitLoops(emit, op).run(mostRanges);
}
