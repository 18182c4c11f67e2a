//===- MoEToVector.cpp - Grouped matmuls become vector kernels
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A grouped matmul is cut into units of work: a unit is one panel of the banks
// of one group, times all rows of the group. Units are ordered by group and
// panel, so that consecutive ones read consecutive memory. Each thread gets
// ranges of equal cost of this order, whatever the sizes of the groups:
//
//   start[e] = cost of the units before those of group e
//   parallel for range in ranges:
//     for the units of that range:
//       for the rows of the group, in blocks of almost equal size:
//         micro-kernel
//
//===----------------------------------------------------------------------===//

#include "MicroKernel.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOVECTORPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Rows below which a panel costs the time to read it, whatever their number:
/// arithmetic takes less. In the order of peak / bandwidth on today's cores.
constexpr int64_t kRowsOfReading = 8;

class GroupedKernel {
public:
  GroupedKernel(LoopEmitter &emit, GroupedMatmulOp op, int64_t maxRanges)
      : emit(emit), op(op), bank(op.getBankType()), groups(op.getNumGroups()),
        panels(bank.getNumPanels()), maxRanges(maxRanges) {}

  void run() {
    start = emit.alloc({groups + 1}, emit.getIndexType());
    Value total = computeStarts();
    emit.forRanges(total, 1, maxRanges,
                   [&](Value, Value low, Value high) { emitRange(low, high); });
  }

private:
  /// Rows of the result; none if there is no row to read.
  Value countRows() {
    Value count = emit.dim(op.getInit(), 0);
    if (!op.getSource())
      return count;
    Value zero = emit.index(0);
    Value canRead = emit.less(zero, emit.dim(op.getRows(), 0));
    return emit.select(canRead, count, zero);
  }

  /// The rows [offsets[group], offsets[group + 1]) as (first, count). Offsets
  /// may be data of a caller: whatever they are, the rows are rows of init.
  std::pair<Value, Value> rowsOf(Value group) {
    Value all = countRows(), zero = emit.index(0);
    if (!op.getOffsets())
      return {zero, all};
    auto clamped = [&](Value at, Value low) -> Value {
      Value offset = emit.toIndex(emit.load(op.getOffsets(), {at}));
      return emit.maxIndex(emit.minIndex(offset, all), low);
    };
    Value first = clamped(group, zero);
    Value end = clamped(emit.add(group, emit.index(1)), first);
    return {first, emit.sub(end, first)};
  }

  /// The cost of one unit of a group of `rows` rows.
  Value unitCost(Value rows) {
    Value cost = emit.maxIndex(rows, emit.index(kRowsOfReading));
    Value isEmpty = emit.equal(rows, emit.index(0));
    return emit.select(isEmpty, emit.index(0), cost);
  }

  /// Fills `start` and returns the cost of all units.
  Value computeStarts() {
    Value zero = emit.index(0);
    emit.store(zero, start, {zero});
    SmallVector<Value> total =
        emit.fold(zero, emit.index(groups), ValueRange{zero},
                  [&](Value e, ValueRange carried) -> SmallVector<Value> {
                    Value next = emit.add(e, emit.index(1));
                    Value rows = rowsOf(e).second;
                    Value cost = emit.mul(unitCost(rows), emit.index(panels));
                    Value sum = emit.add(carried[0], cost);
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
      std::pair<Value, Value> range = rowsOf(e);
      Value from = range.first, rows = range.second;
      emit.ifThen(emit.less(emit.index(0), rows), [&] {
        Value cost = unitCost(rows);
        Value begin = emit.load(start, {e});
        auto unitAt = [&](Value position) -> Value {
          Value inside =
              emit.maxIndex(emit.index(0), emit.sub(position, begin));
          Value unit = arith::CeilDivUIOp::create(emit, inside, cost);
          return emit.minIndex(unit, emit.index(panels));
        };
        KernelTask task;
        for (Value operand : op.getBanks())
          task.banks.push_back(slice(operand, e));
        for (Value operand : op.getPerColumn())
          task.perColumn.push_back(slice(operand, e));
        emit.forEach(unitAt(low), unitAt(high), [&](Value panel) {
          task.panel = panel;
          emitRows(task, from, rows);
        });
      });
    });
  }

  Value slice(Value operand, Value expert) {
    return BankSliceOp::create(
        emit, cast<BankType>(operand.getType()).getSliceMemRefType(), operand,
        expert);
  }

  /// Rows [from, from + rows) in blocks whose sizes differ by at most one.
  void emitRows(KernelTask &task, Value from, Value rows) {
    int64_t most = op.getSchedule()->getRowBlock();
    Value blocks = arith::CeilDivUIOp::create(emit, rows, emit.index(most));
    auto boundary = [&](Value i) -> Value {
      return arith::DivUIOp::create(emit, emit.mul(i, rows), blocks);
    };
    std::pair<Value, Value> next = nextPanel(task, blocks);
    emit.forEach(emit.index(0), blocks, [&](Value i) {
      Value i64 = arith::IndexCastOp::create(emit, emit.getI64Type(), i);
      task.prefetch = emit.add(next.first, emit.mul(i64, next.second));
      Value low = boundary(i);
      Value count = emit.sub(boundary(emit.add(i, emit.index(1))), low);
      task.firstRow = emit.add(from, low);
      auto cases = llvm::to_vector(llvm::seq<int64_t>(1, most));
      auto choose = scf::IndexSwitchOp::create(emit, TypeRange(), count, cases,
                                               cases.size());
      auto emitCase = [&](Region &region, int64_t numRows) {
        OpBuilder::InsertionGuard guard(emit);
        emit.setInsertionPointToStart(&region.emplaceBlock());
        task.numRows = numRows;
        emitMicroKernel(emit, op, task);
        scf::YieldOp::create(emit);
      };
      for (auto [numRows, region] :
           llvm::zip_equal(cases, choose.getCaseRegions()))
        emitCase(region, numRows);
      emitCase(choose.getDefaultRegion(), most);
    });
  }

  /// While a panel is multiplied, the next one comes into the cache: each of
  /// `blocks` blocks of rows asks for its part. Sets the part of a step, and
  /// returns the address of the panel and the part of a block, both in units of
  /// 1 / 256 byte. A panel lies behind the one before, also across experts;
  /// behind the last one nothing is read, since asking cannot fail. One block
  /// waits for its own panel, which would only come later.
  std::pair<Value, Value> nextPanel(KernelTask &task, Value blocks) {
    int64_t bytes = bank.getPanelBytes();
    int64_t steps = bank.getNumSteps();
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(emit, value, 64);
    };
    auto toI64 = [&](Value index) -> Value {
      return arith::IndexCastOp::create(emit, emit.getI64Type(), index);
    };
    Value base = toI64(memref::ExtractAlignedPointerAsIndexOp::create(
        emit, task.banks.front()));
    Value panels = toI64(emit.add(task.panel, emit.index(1)));
    Value next = emit.add(base, emit.mul(panels, constant(bytes)));
    Value isOne = emit.equal(blocks, emit.index(1));
    task.prefetchStep =
        emit.select(isOne, constant(0),
                    arith::DivUIOp::create(emit, constant(bytes * 256 / steps),
                                           toI64(blocks)));
    Value perBlock = emit.mul(task.prefetchStep, constant(steps));
    return {arith::ShLIOp::create(emit, next, constant(8)), perBlock};
  }

  LoopEmitter &emit;
  GroupedMatmulOp op;
  BankType bank;
  int64_t groups, panels, maxRanges;
  Value start; ///< cost of the units before those of each group
};

struct ConvertMoEToVectorPass
    : public moe::impl::ConvertMoEToVectorPassBase<ConvertMoEToVectorPass> {
  using ConvertMoEToVectorPassBase::ConvertMoEToVectorPassBase;

  void runOnOperation() override {
    SmallVector<GroupedMatmulOp> ops;
    getOperation()->walk([&](GroupedMatmulOp op) { ops.push_back(op); });
    for (GroupedMatmulOp op : ops) {
      if (failed(check(op)))
        return signalPassFailure();
      LoopEmitter emit(op.getLoc(), op);
      GroupedKernel(emit, op, maxRanges).run();
      op.erase();
      ++numKernels;
    }
  }

private:
  /// Whether the dot instruction of `op` fits what it multiplies.
  static bool hasKernel(GroupedMatmulOp op) {
    BankType bank = op.getBankType();
    int64_t depth = bank.getPacked().getDepth();
    Type rows = op.getRows().getType().getElementType();
    switch (op.getSchedule()->getDot()) {
    case Dot::FMA:
      return bank.getQuantized() || depth == 1;
    case Dot::BF16Pairs:
      return !bank.getQuantized() && depth == 2 && rows.isBF16() &&
             bank.getElementType().isBF16();
    case Dot::I8Quads:
      return bank.getQuantized() && rows.isInteger(8);
    }
    llvm_unreachable("all instructions are handled");
  }

  LogicalResult check(GroupedMatmulOp op) {
    PackedAttr packed = op.getBankType().getPacked();
    if (op.getNumResults() || !op.getSchedule() || !packed)
      return op.emitOpError(
          "expected memrefs, packed banks and a schedule; run "
          "moe-pack-weights and bufferize first "
          "[moe-to-vector-form]");
    CPUScheduleAttr schedule = *op.getSchedule();
    if (packed.getPanel() % schedule.getLanes() || !hasKernel(op))
      return op.emitOpError(
                 "expected panels of whole vectors with the depth of "
                 "the dot instruction, but got ")
             << packed << " and " << schedule << " [moe-to-vector-schedule]";
    return success();
  }
};

} // namespace
