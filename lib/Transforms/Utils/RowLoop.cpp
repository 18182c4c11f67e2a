//===- RowLoop.cpp - Loops whose ranges of rows do not meet
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Utils/RowLoop.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::moe;

/// What makes a range worth another thread, in the unit of RowCost: some
/// microseconds.
static constexpr int64_t kCostOfRange = 16384;

static int64_t clampTo31Bits(int64_t number) {
  return std::clamp<int64_t>(number, 1, std::numeric_limits<int32_t>::max());
}

RowCost::RowCost(int64_t perRow, int64_t fewest)
    : perRow(clampTo31Bits(perRow)), fewest(clampTo31Bits(fewest)) {}

RowCost RowCost::operator+(const RowCost &other) const {
  return {perRow + other.perRow, std::max(fewest, other.fewest)};
}

Value moe::countRanges(LoopEmitter &emit, Value rows, RowCost cost) {
  int64_t worthIt = llvm::divideCeil(kCostOfRange, cost.perRow);
  Value rowsOfRange = emit.index(std::max(worthIt, cost.fewest));
  Value wanted = arith::CeilDivUIOp::create(emit, rows, rowsOfRange);
  return emit.minSigned(wanted, emit.index(kMostRanges));
}

scf::ParallelOp moe::forRanges(LoopEmitter &emit, Value rows, RowCost cost,
                               function_ref<void(Value, Value, Value)> body) {
  Value ranges = countRanges(emit, rows, cost);
  return emit.forParallel(ranges, [&](Value range) {
    auto [low, high] = emit.cut(rows, range, ranges);
    body(range, low, high);
  });
}

void RowLoop::create(LoopEmitter &emit, Value rows, RowCost cost,
                     function_ref<void(Value, Value, Value)> body) {
  forRanges(emit, rows, cost, body)
      ->setAttr(attr::kRowLoop,
                emit.getDenseI64ArrayAttr({cost.perRow, cost.fewest}));
}

std::optional<RowLoop> RowLoop::match(Operation *op) {
  auto loop = dyn_cast<scf::ParallelOp>(op);
  auto cost = op->getAttrOfType<DenseI64ArrayAttr>(attr::kRowLoop);
  // Another loop may have the attribute; then it stays alone.
  if (!loop || !cost || loop.getNumLoops() != 1 || loop.getNumResults() != 0 ||
      !isConstantIntValue(loop.getLowerBound().front(), 0) ||
      !isConstantIntValue(loop.getStep().front(), 1))
    return std::nullopt;
  auto ranges = loop.getUpperBound().front().getDefiningOp<arith::MinSIOp>();
  if (!ranges || !isConstantIntValue(ranges.getRhs(), kMostRanges))
    return std::nullopt;
  auto wanted = ranges.getLhs().getDefiningOp<arith::CeilDivUIOp>();
  if (!wanted)
    return std::nullopt;
  return RowLoop{loop, wanted.getLhs(), {cost[0], cost[1]}};
}
