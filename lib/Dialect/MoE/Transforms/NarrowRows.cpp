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

bool hasF32Rows(GroupedMatmulOp op) {
  return op.getNumResults() == 1 &&
         op.getRows().getType().getElementType().isF32();
}

/// f32 rows times banks of a narrower float.
bool isMixed(GroupedMatmulOp op) {
  return hasF32Rows(op) && op.getBankType().getElementType().isBF16();
}

/// f32 rows times codes.
bool meetsCodes(GroupedMatmulOp op) {
  return hasF32Rows(op) && op.getBankType().getQuantized();
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

public:
  /// Rows become codes, with a scale for each run of columns that share one of
  /// the bank if `runScales` is set and there are several.
  void quantize(GroupedMatmulOp op, bool runScales) {
    BankType bank = op.getBankType();
    int64_t columns = bank.getSliceShape()[1];
    int64_t group = bank.getQuantized().getGroupSize(columns);
    runScales &= group < columns;
    QuantizeRowsOp &codes = quantized[{op.getRows(), group}];
    if (!codes)
      codes = createCodes(op.getRows(), columns, group, runScales);
    if (runScales)
      op.getRowScalesMutable().assign(codes.getScales());
    else
      scaleSums(op, codes.getScales());
    op.getRowSumsMutable().assign(codes.getSums());
    op.getRowsMutable().assign(codes.getCodes());
  }

private:
  QuantizeRowsOp createCodes(Value rows, int64_t columns, int64_t group,
                             bool runScales) {
    rewriter.setInsertionPointAfterValue(rows);
    int64_t count = cast<ShapedType>(rows.getType()).getDimSize(0);
    int64_t runs = llvm::divideCeil(columns, group);
    SmallVector<int64_t> scales = {count};
    if (runScales)
      scales.push_back(runs);
    Type types[] = {
        RankedTensorType::get({count, columns}, rewriter.getI8Type()),
        RankedTensorType::get(scales, rewriter.getF32Type()),
        RankedTensorType::get({count, runs}, rewriter.getI32Type())};
    return QuantizeRowsOp::create(rewriter, rows.getLoc(), types, rows,
                                  ValueRange(), group == columns ? 0 : group,
                                  runScales);
  }

  /// The sums of `op` get the factor scales[row].
  void scaleSums(GroupedMatmulOp op, Value scales) {
    Location loc = op.getLoc();
    size_t numBanks = op.getBanks().size();
    if (!op.hasBody())
      op.createDefaultBody(rewriter);
    BlockArgument scale = op.addPerRow(scales);
    Block &body = op.getBody().front();
    rewriter.setInsertionPointToStart(&body);
    for (BlockArgument sum : body.getArguments().take_front(numBanks)) {
      if (sum.use_empty())
        continue;
      Value scaled = arith::MulFOp::create(rewriter, loc, sum, scale);
      sum.replaceAllUsesExcept(scaled, scaled.getDefiningOp());
    }
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
  DenseMap<std::pair<Value, int64_t>, QuantizeRowsOp> quantized;
};

struct NarrowRowsPass : public moe::impl::NarrowRowsPassBase<NarrowRowsPass> {
  using NarrowRowsPassBase::NarrowRowsPassBase;

  void runOnOperation() override {
    if (activations == Activations::F32)
      return;
    bool toCodes = activations == Activations::Int8 ||
                   activations == Activations::Int8Grouped;
    RowNarrower narrower(&getContext());
    SmallVector<GroupedMatmulOp> ops;
    getOperation()->walk([&](GroupedMatmulOp op) { ops.push_back(op); });
    for (GroupedMatmulOp op : ops) {
      if (toCodes && meetsCodes(op))
        narrower.quantize(op, activations == Activations::Int8Grouped);
      else if (isMixed(op))
        narrower.narrow(op);
      else
        continue;
      ++numNarrowed;
    }
  }
};

} // namespace
