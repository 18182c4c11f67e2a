//===- Groups.cpp - The groups of a grouped matmul, and their rows
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Groups.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::moe;

/// Of a line of the caches.
static constexpr int64_t kLineBytes = 64;

Value Groups::countRows() {
  Value zero = emit.index(0);
  Value count = emit.dim(op.getTargets() ? op.getTargets() : op.getInit(), 0);
  for (auto [numbers, matrix] :
       {std::pair<Value, Value>(op.getSource(), op.getRows()),
        {op.getTargets(), op.getInit()}})
    if (numbers)
      count = emit.select(emit.less(zero, emit.dim(matrix, 0)), count, zero);
  return count;
}

std::pair<Value, Value> Groups::rowsOf(Value group) {
  Value all = countRows(), zero = emit.index(0);
  if (!op.getOffsets())
    return {zero, all};
  auto clamped = [&](Value at, Value low) -> Value {
    Value offset = emit.toIndex(emit.load(op.getOffsets(), {at}));
    return emit.maxSigned(emit.minSigned(offset, all), low);
  };
  Value first = clamped(group, zero);
  Value end = clamped(emit.add(group, emit.index(1)), first);
  return {first, emit.sub(end, first)};
}

Value Groups::slice(Value operand, Value group) {
  return BankSliceOp::create(
      emit, cast<BankType>(operand.getType()).getSliceMemRefType(), operand,
      group);
}

Value Groups::countBlocks(Value rows) {
  return arith::CeilDivUIOp::create(
      emit, rows, emit.index(op.getSchedule()->getRowBlock()));
}

void Groups::emitBlocks(KernelTask &task, std::pair<Value, Value> rows,
                        std::pair<Value, Value> blocks, Value next,
                        int64_t fewest) {
  int64_t most = op.getSchedule()->getRowBlock();
  Value all = countBlocks(rows.second);
  Value perBlock = planPrefetch(task, rows.second, all);
  Value first = arith::ShLIOp::create(emit, next, emit.i64(8));
  emit.forEach(blocks.first, blocks.second, [&](Value i) {
    task.prefetch = emit.add(first, emit.mul(toI64(i), perBlock));
    auto [low, end] = emit.cut(rows.second, i, all);
    task.firstRow = emit.add(rows.first, low);
    emitBlock(task, emit.sub(end, low), fewest, most);
  });
}

/// A block of `count` rows, at most `most`.
void Groups::emitBlock(KernelTask &task, Value count, int64_t fewest,
                       int64_t most) {
  auto emitKernel = [&](int64_t numRows) {
    task.numRows = numRows;
    emitMicroKernel(emit, op, task);
  };
  auto emitRowByRow = [&] {
    Value first = task.firstRow;
    emit.forEach(emit.index(0), count, [&](Value i) {
      task.firstRow = emit.add(first, i);
      emitKernel(1);
    });
    task.firstRow = first;
  };
  // With all numbers from 1 on, the last needs no comparison.
  int64_t end = fewest == 1 ? most : most + 1;
  auto cases = llvm::to_vector(llvm::seq(fewest, end));
  auto choose =
      scf::IndexSwitchOp::create(emit, TypeRange(), count, cases, cases.size());
  auto emitCase = [&](Region &region, function_ref<void()> body) {
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToStart(&region.emplaceBlock());
    body();
    scf::YieldOp::create(emit);
  };
  for (auto [numRows, region] : llvm::zip_equal(cases, choose.getCaseRegions()))
    emitCase(region, [&, numRows = numRows] { emitKernel(numRows); });
  emitCase(choose.getDefaultRegion(), [&] {
    if (fewest == 1)
      emitKernel(most);
    else
      emitRowByRow();
  });
}

/// Columns of K that a dot instruction multiplies.
static int64_t columnsOf(Dot dot) {
  switch (dot) {
  case Dot::FMA:
    return 1;
  case Dot::BF16Pairs:
    return 2;
  case Dot::I8Quads:
    return 4;
  }
  llvm_unreachable("all instructions are handled");
}

/// Rows whose products with a panel take about as long as to read it: more
/// bytes of operands than of memory come from codes of few bits.
int64_t Groups::countRowsOfReading() {
  PackedAttr packed = bank.getPacked();
  int64_t dots = bank.getNumSteps() *
                 llvm::divideCeil(packed.getDepth(),
                                  columnsOf(op.getSchedule()->getDot()));
  int64_t operandBytes = dots * packed.getPanel() * packed.getWays() * 4;
  return std::max<int64_t>(2, kRowsOfReading * bank.getPanelBytes() /
                                  operandBytes);
}

/// While a panel is multiplied, the next one comes into the cache: each of
/// `blocks` blocks of rows asks for its part. Sets what a step asks for, and
/// returns the part of a block in units of 1 / 256 byte. Few rows wait for
/// their own panel: the next one would come later.
Value Groups::planPrefetch(KernelTask &task, Value rows, Value blocks) {
  int64_t steps = bank.getNumSteps(), fewest = countRowsOfReading();
  int64_t fewestBlocks =
      llvm::divideCeil(fewest, op.getSchedule()->getRowBlock());
  task.prefetchLines =
      llvm::divideCeil(bank.getPanelBytes(), kLineBytes * steps * fewestBlocks);
  Value bytes = emit.i64(bank.getPanelBytes() * 256 / steps);
  task.prefetchStep =
      emit.select(emit.less(rows, emit.index(fewest)), emit.i64(0),
                  arith::DivUIOp::create(emit, bytes, toI64(blocks)));
  return emit.mul(task.prefetchStep, emit.i64(steps));
}

KernelTask Groups::taskOf(Value group) {
  KernelTask task;
  for (Value operand : op.getBanks())
    task.banks.push_back(slice(operand, group));
  for (Value operand : op.getPerColumn())
    task.perColumn.push_back(slice(operand, group));
  return task;
}

Value Groups::addressOf(const KernelTask &task, Value panel) {
  Value base = toI64(
      memref::ExtractAlignedPointerAsIndexOp::create(emit, task.banks.front()));
  Value bytes = emit.i64(bank.getPanelBytes());
  return emit.add(base, emit.mul(toI64(panel), bytes));
}

Value Groups::toI64(Value index) {
  return arith::IndexCastOp::create(emit, emit.getI64Type(), index);
}
