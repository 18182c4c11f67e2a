//===- FuseCombine.cpp - Sums of experts where they are computed
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

namespace mlir::moe {
#define GEN_PASS_DEF_FUSECOMBINEPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// The grouped matmul that computes `rows`, if all it does is that.
GroupedMatmulOp findProducer(Value rows) {
  while (auto cast = rows.getDefiningOp<tensor::CastOp>()) {
    if (!rows.hasOneUse())
      return {};
    rows = cast.getSource();
  }
  return rows.hasOneUse() ? rows.getDefiningOp<GroupedMatmulOp>()
                          : GroupedMatmulOp();
}

/// Why `combine` cannot become part of `producer`; empty: it can.
StringRef findObstacle(CombineOp combine, GroupedMatmulOp producer) {
  if (!producer)
    return "its rows are not computed by one grouped matmul alone";
  if (!producer.getSchedule())
    return "the matmul of its rows has no schedule";
  auto plan = combine.getPosition().getDefiningOp<PlanOp>();
  if (!plan || combine.getPosition() != plan.getPosition() ||
      producer.getOffsets() != plan.getOffsets())
    return "its positions and the groups of its rows are not of one plan";
  if (combine.getPassthrough())
    return "tokens without room are passed through";
  if (producer.getSource() || producer.getTargets() || producer.readsInit() ||
      !producer.getElements().empty())
    return "the matmul of its rows reads by the row of its result";
  return "";
}

/// Emits what replaces one combine.
class Fuser {
public:
  Fuser(IRRewriter &rewriter, CombineOp combine, GroupedMatmulOp producer)
      : rewriter(rewriter), loc(combine.getLoc()), combine(combine),
        producer(producer),
        plan(combine.getPosition().getDefiningOp<PlanOp>()) {}

  void run() {
    rewriter.setInsertionPoint(combine);
    auto type = cast<RankedTensorType>(combine.getResult(0).getType());
    Value zeros = fill(0, tokens(), type.getDimSize(1));
    Value weights = combine.getWeights() ? dispatchWeights() : Value();
    auto fused = cast<GroupedMatmulOp>(rewriter.clone(*producer));
    fused.getInitMutable().assign(zeros);
    fused.getResult(0).setType(cast<RankedTensorType>(zeros.getType()));
    fused.getTargetsMutable().assign(plan.getSource());
    accumulate(fused, weights);
    Value result = fused.getResult(0);
    if (result.getType() != type)
      result = tensor::CastOp::create(rewriter, loc, type, result);
    Value rows = combine.getRows();
    rewriter.replaceOp(combine, result);
    eraseUnused(rows);
  }

private:
  /// The rows have no reader any more, nor have what they were cast from.
  void eraseUnused(Value rows) {
    while (auto cast = rows.getDefiningOp<tensor::CastOp>()) {
      rows = cast.getSource();
      rewriter.eraseOp(cast);
    }
    rewriter.eraseOp(producer);
  }

  OpFoldResult tokens() {
    return tensor::getMixedSize(rewriter, loc, combine.getPosition(), 0);
  }

  /// `count` x `columns` times a number.
  Value fill(float value, OpFoldResult count, int64_t columns) {
    Value empty = tensor::EmptyOp::create(
        rewriter, loc,
        ArrayRef<OpFoldResult>{count, rewriter.getIndexAttr(columns)},
        rewriter.getF32Type());
    Value number = arith::ConstantOp::create(rewriter, loc,
                                             rewriter.getF32FloatAttr(value));
    return linalg::FillOp::create(rewriter, loc, number, empty).getResult(0);
  }

  /// The weight of each row: ones, dispatched and weighed.
  Value dispatchWeights() {
    int64_t rows = cast<ShapedType>(plan.getSource().getType()).getDimSize(0);
    auto column = RankedTensorType::get({rows, 1}, rewriter.getF32Type());
    auto dispatch = DispatchOp::create(
        rewriter, loc, column, fill(1, tokens(), 1), plan.getSource(),
        plan.getOffsets(), combine.getWeights(), combine.getPosition(),
        /*into=*/ValueRange());
    return tensor::CollapseShapeOp::create(
        rewriter, loc, RankedTensorType::get({rows}, rewriter.getF32Type()),
        dispatch.getResult(0), ArrayRef<ReassociationIndices>{{0, 1}});
  }

  /// old + weight * what the body yields
  void accumulate(GroupedMatmulOp fused, Value weights) {
    BlockArgument weight = weights ? fused.addPerRow(weights) : BlockArgument();
    Block &body = fused.getBody().front();
    Operation *yield = body.getTerminator();
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(yield);
    Value term = yield->getOperand(0);
    if (weight)
      term = arith::MulFOp::create(rewriter, loc, weight, term);
    Value old = body.getArguments().back();
    yield->setOperand(0, arith::AddFOp::create(rewriter, loc, old, term));
  }

  IRRewriter &rewriter;
  Location loc;
  CombineOp combine;
  GroupedMatmulOp producer;
  PlanOp plan;
};

struct FuseCombinePass
    : public moe::impl::FuseCombinePassBase<FuseCombinePass> {
  void runOnOperation() override {
    SmallVector<CombineOp> ops;
    getOperation()->walk([&](CombineOp op) {
      if (op->getNumResults() == 1)
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    remark::RemarkOpts options =
        remark::RemarkOpts::name("FuseCombine").category("moe-fuse-combine");
    for (CombineOp op : ops) {
      Location loc = op.getLoc();
      GroupedMatmulOp producer = findProducer(op.getRows());
      StringRef obstacle = findObstacle(op, producer);
      if (!obstacle.empty()) {
        ++numMissed;
        remark::missed(loc, options) << "combine stays as it is: " << obstacle;
        continue;
      }
      Fuser(rewriter, op, producer).run();
      ++numFused;
      remark::passed(loc, options)
          << "combine became part of the matmul of its rows";
    }
  }
};

} // namespace
