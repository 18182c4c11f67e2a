//===- NarrowRows.cpp - Rows in the type of the weights they meet
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

namespace mlir::moe {
#define GEN_PASS_DEF_NARROWROWSPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// f32 rows times banks of a narrower float.
bool isMixed(GroupedMatmulOp op) {
  Type bank = op.getBankType().getElementType();
  return op.getNumResults() == 1 &&
         op.getRows().getType().getElementType().isF32() && bank.isBF16();
}

class RowNarrower {
public:
  explicit RowNarrower(MLIRContext *context) : rewriter(context) {}

  void narrow(GroupedMatmulOp op) {
    Value rows = op.getRows();
    Type element = op.getBankType().getElementType();
    if (auto producer = rows.getDefiningOp<GroupedMatmulOp>();
        producer && canYield(producer, element)) {
      yieldNarrow(producer, element);
      return;
    }
    Value &narrowed = converted[rows];
    if (!narrowed)
      narrowed = convert(rows, element);
    op.getRowsMutable().assign(narrowed);
  }

private:
  /// Whether every reader of the result takes it as rows for banks of
  /// `element`, and no old value is part of it.
  bool canYield(GroupedMatmulOp producer, Type element) {
    return producer.hasBody() && !producer.readsInit() &&
           producer.getInit().getDefiningOp<tensor::EmptyOp>() &&
           llvm::all_of(producer->getUses(), [&](OpOperand &use) {
             auto reader = dyn_cast<GroupedMatmulOp>(use.getOwner());
             return reader && use.get() == reader.getRows() &&
                    &use == &reader.getRowsMutable() &&
                    reader.getBankType().getElementType() == element;
           });
  }

  /// The body yields `element`, so that no f32 value reaches memory.
  void yieldNarrow(GroupedMatmulOp producer, Type element) {
    rewriter.setInsertionPoint(producer);
    auto empty = producer.getInit().getDefiningOp<tensor::EmptyOp>();
    Value init = tensor::EmptyOp::create(rewriter, empty.getLoc(),
                                         empty.getMixedSizes(), element);
    producer.getInitMutable().assign(init);
    producer.getResult(0).setType(cast<RankedTensorType>(init.getType()));
    Block &body = producer.getBody().front();
    body.getArguments().back().setType(element);
    Operation *yield = body.getTerminator();
    rewriter.setInsertionPoint(yield);
    yield->setOperand(0,
                      arith::TruncFOp::create(rewriter, yield->getLoc(),
                                              element, yield->getOperand(0)));
  }

  Value convert(Value rows, Type element) {
    rewriter.setInsertionPointAfterValue(rows);
    Location loc = rows.getLoc();
    Value empty = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, rows), element);
    AffineMap both = rewriter.getMultiDimIdentityMap(2);
    return linalg::GenericOp::create(
               rewriter, loc, empty.getType(), rows, empty,
               ArrayRef<AffineMap>{both, both},
               SmallVector<utils::IteratorType>(2,
                                                utils::IteratorType::parallel),
               [&](OpBuilder &builder, Location loc, ValueRange arguments) {
                 Value value = arith::TruncFOp::create(builder, loc, element,
                                                       arguments.front());
                 linalg::YieldOp::create(builder, loc, value);
               })
        .getResult(0);
  }

  IRRewriter rewriter;
  DenseMap<Value, Value> converted;
};

struct NarrowRowsPass : public moe::impl::NarrowRowsPassBase<NarrowRowsPass> {
  void runOnOperation() override {
    RowNarrower narrower(&getContext());
    SmallVector<GroupedMatmulOp> ops;
    getOperation()->walk([&](GroupedMatmulOp op) {
      if (isMixed(op))
        ops.push_back(op);
    });
    for (GroupedMatmulOp op : ops) {
      // The result of another may have become narrow since.
      if (isMixed(op))
        narrower.narrow(op);
      ++numNarrowed;
    }
  }
};

} // namespace
