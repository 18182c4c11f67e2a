//===- GroupDense.cpp - Dense matmuls as grouped ones of one group
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The matmuls of a router, of attention and of dense layers run through the
// kernels of experts: a matrix is a bank of one expert.
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/WeightFlow.h"
#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_GROUPDENSEPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

/// A matrix that no rounding of the matmul's own follows.
static bool isMatrix(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 && tensor.hasStaticShape() &&
         (tensor.getElementType().isF32() || tensor.getElementType().isBF16() ||
          tensor.getElementType().isF16());
}

/// Whether the weight is what rows of f32 are multiplied with.
static bool isWeightOfMatmul(OpOperand *use) {
  auto matmul = dyn_cast<linalg::LinalgOp>(use->getOwner());
  return matmul && isRowsTimesWeight(matmul) &&
         use == matmul.getDpsInputOperand(1) &&
         matmul.getDpsInputs()[0] != use->get() &&
         getElementTypeOrSelf(matmul.getDpsInits()[0].getType()).isF32();
}

/// The windows of a matrix as those of a bank of one: each states the shape of
/// its file tensor, which has no dimension of experts.
static ArrayAttr makeSources(WeightOp weight) {
  auto source = cast<SourceAttr>(weight.getSources()[0]);
  if (!source.isWhole())
    return weight.getSources();
  ArrayRef<int64_t> shape = cast<RankedTensorType>(weight.getType()).getShape();
  SourceAttr stated = SourceAttr::get(weight.getContext(), source.getTensor(),
                                      shape, {}, {}, {});
  return ArrayAttr::get(weight.getContext(), Attribute(stated));
}

namespace {

struct GroupDensePass : public moe::impl::GroupDensePassBase<GroupDensePass> {
  void runOnOperation() override {
    WeightFlows flows(getOperation());
    for (auto &[leader, flow] : flows) {
      if (!isMatrix(flow.getType()))
        continue;
      if (flow.escapes || !llvm::all_of(flow.reads, isWeightOfMatmul)) {
        ++numMissed;
        continue;
      }
      group(flow);
      ++numGrouped;
    }
  }

private:
  void group(WeightFlow &flow) {
    auto tensor = cast<RankedTensorType>(flow.getType());
    SmallVector<int64_t> shape = {1};
    llvm::append_range(shape, tensor.getShape());
    for (WeightOp weight : flow.weights)
      weight.setSourcesAttr(makeSources(weight));
    SmallVector<Operation *> matmuls = llvm::map_to_vector(
        flow.reads, [](OpOperand *use) { return use->getOwner(); });
    flow.setType(BankType::get(shape, tensor.getElementType()));
    IRRewriter rewriter(&getContext());
    for (Operation *op : matmuls)
      replace(rewriter, cast<linalg::LinalgOp>(op));
  }

  void replace(IRRewriter &rewriter, linalg::LinalgOp op) {
    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value rows = op.getDpsInputs()[0], bank = op.getDpsInputs()[1];
    // What the zeros were written to: all of it is written again.
    auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    Value init = fill.getOutputs()[0];
    auto grouped = GroupedMatmulOp::create(
        rewriter, loc, init.getType(), rows, /*source=*/Value(),
        /*row_sums=*/Value(), bank,
        /*offsets=*/Value(), ValueRange(), ValueRange(), ValueRange(), init,
        CPUScheduleAttr());
    {
      OpBuilder::InsertionGuard guard(rewriter);
      Type f32 = rewriter.getF32Type();
      Block *body =
          rewriter.createBlock(&grouped.getBody(), {}, {f32, f32}, {loc, loc});
      YieldOp::create(rewriter, loc, body->getArgument(0));
    }
    rewriter.replaceOp(op, grouped.getResult(0));
  }
};

} // namespace
