//===- GroupMatmuls.cpp - Experts as grouped matmuls with bodies
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The body of an expert is cut where a matmul needs all columns of its rows.
// What is between two cuts becomes one moe.grouped_matmul over all rows of all
// experts: the matmuls that read the same rows, and as its body everything
// elementwise that follows them. SwiGLU becomes two:
//
//   h = grouped_matmul rows banks(gate, up)  { silu(gate) * up }
//   y = grouped_matmul h    banks(down)      { down }
//
// Matmuls of other rows or shapes that meet there have ops of their own, whose
// results are read as elements. An expert with a low-rank addition becomes:
//
//   a = grouped_matmul rows banks(A)               { a }
//   b = grouped_matmul a    banks(B)               { b }
//   y = grouped_matmul rows banks(W) elements(b)   { w + b }
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::moe {
#define GEN_PASS_DEF_GROUPMATMULSPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// One result, computed element by element from values at the same row and
/// column, at the same column of a vector, or from scalars.
bool isElementwise(linalg::LinalgOp op) {
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic || op.getNumLoops() != 2 || op.getNumParallelLoops() != 2 ||
      op->getNumResults() != 1)
    return false;
  MLIRContext *context = op.getContext();
  AffineMap both = AffineMap::getMultiDimIdentityMap(2, context);
  AffineMap column =
      AffineMap::get(2, 0, getAffineDimExpr(1, context), context);
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (map != both && (op.isDpsInit(&operand) || map != column))
      return false;
  }
  return llvm::all_of(op.getBlock()->without_terminator(),
                      [](Operation &nested) {
                        return OpTrait::hasElementwiseMappableTraits(&nested) ||
                               nested.hasTrait<OpTrait::ConstantLike>();
                      });
}

/// Turns one expert's body into grouped matmuls.
class BodyGrouper {
public:
  BodyGrouper(OpBuilder &builder, ExpertsOp op)
      : builder(builder), op(op), body(op.getBodies().front().front()) {}

  /// The result of `op`, or null and why it stays as it is.
  Value run(std::string &reason) {
    this->reason = &reason;
    if (!check())
      return Value();
    Value rows = op.getRows();
    if (auto dispatch = rows.getDefiningOp<DispatchOp>();
        dispatch && !dispatch.getWeights()) {
      rows = dispatch.getX();
      source = dispatch.getSource();
    }
    materialized[body.getArgument(0)] = rows;
    return materialize(body.getTerminator()->getOperand(0));
  }

private:
  bool reject(const Twine &why) {
    *reason = why.str();
    return false;
  }

  bool check() {
    if (op.getIdentity() || op.getZero())
      return reject("identity and zero experts have no matmul");
    if (!body.getArgument(1).use_empty())
      return reject("the body reads the index of the expert");
    return canMaterialize(body.getTerminator()->getOperand(0));
  }

  bool isSlice(Value value, int64_t rank) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == &body &&
           argument.getArgNumber() >= 2 &&
           cast<RankedTensorType>(value.getType()).getRank() == rank;
  }
  Value bankOf(Value slice) {
    return op.getBanks()[cast<BlockArgument>(slice).getArgNumber() - 2];
  }

  /// Whether the value can be the result of a grouped matmul, and everything
  /// that it needs of the rows too.
  bool canMaterialize(Value value) {
    if (value == body.getArgument(0))
      return true;
    SmallVector<linalg::LinalgOp> sums;
    if (!collectSums(value, sums))
      return false;
    if (sums.empty())
      return reject("no matmul computes a value from the rows");
    SmallVector<linalg::LinalgOp> others = splitSums(sums);
    for (linalg::LinalgOp other : others)
      if (!getElementTypeOrSelf(other->getResult(0)).isF32())
        return reject("a sum that is not f32 meets matmuls of other rows or "
                      "shapes");
    return canMaterialize(rowsOf(sums.front())) &&
           llvm::all_of(others, [&](linalg::LinalgOp other) {
             return canMaterialize(rowsOf(other));
           });
  }

  static Value rowsOf(linalg::LinalgOp sum) { return sum.getDpsInputs()[0]; }
  static int64_t depthOf(linalg::LinalgOp sum) {
    return cast<ShapedType>(rowsOf(sum).getType()).getShape().back();
  }

  /// One op computes the sums of the same rows and shape as the one with most
  /// columns of rows. Removes the others and returns them.
  static SmallVector<linalg::LinalgOp>
  splitSums(SmallVectorImpl<linalg::LinalgOp> &sums) {
    linalg::LinalgOp first =
        *llvm::max_element(sums, [](linalg::LinalgOp a, linalg::LinalgOp b) {
          return depthOf(a) < depthOf(b);
        });
    SmallVector<linalg::LinalgOp> others;
    llvm::erase_if(sums, [&](linalg::LinalgOp sum) {
      bool differs =
          rowsOf(sum) != rowsOf(first) ||
          sum.getDpsInputs()[1].getType() != first.getDpsInputs()[1].getType();
      if (differs)
        others.push_back(sum);
      return differs;
    });
    return others;
  }

  /// The matmuls that `value` is computed from element by element.
  bool collectSums(Value value, SmallVectorImpl<linalg::LinalgOp> &sums) {
    auto linalgOp = value.getDefiningOp<linalg::LinalgOp>();
    if (!linalgOp)
      return reject("a value of the body is no operation on rows and columns");
    if (isRowsTimesWeight(linalgOp)) {
      if (!isSlice(linalgOp.getDpsInputs()[1], 2))
        return reject("a matmul does not read a slice of a bank");
      if (!llvm::is_contained(sums, linalgOp))
        sums.push_back(linalgOp);
      return true;
    }
    if (!isElementwise(linalgOp))
      return reject("'" + linalgOp->getName().getStringRef() +
                    "' is neither a matmul with a bank nor elementwise");
    for (OpOperand *operand : getReadOperands(linalgOp)) {
      if (isSlice(operand->get(), 1))
        continue;
      if (linalgOp.getMatchingIndexingMap(operand).getNumResults() != 2)
        return reject(
            "an elementwise operation reads a vector that is no slice "
            "of a bank");
      if (!collectSums(operand->get(), sums))
        return false;
    }
    return true;
  }

  static SmallVector<OpOperand *> getReadOperands(linalg::LinalgOp op) {
    SmallVector<OpOperand *> operands;
    for (OpOperand &operand : op->getOpOperands())
      if (op.payloadUsesValueFromOperand(&operand))
        operands.push_back(&operand);
    return operands;
  }

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  /// `value` of the body for all rows of all experts.
  Value materialize(Value value) {
    if (Value known = materialized.lookup(value))
      return known;
    SmallVector<linalg::LinalgOp> sums;
    (void)collectSums(value, sums);
    SmallVector<linalg::LinalgOp> others = splitSums(sums);
    Value rows = materialize(rowsOf(sums.front()));
    bool isInput = rowsOf(sums.front()) == body.getArgument(0);

    SmallVector<Value> banks, perColumn, elements;
    for (linalg::LinalgOp sum : sums)
      banks.push_back(bankOf(sum.getDpsInputs()[1]));
    llvm::SetVector<Value> vectors;
    collectVectors(value, vectors);
    for (Value vector : vectors)
      perColumn.push_back(bankOf(vector));
    for (linalg::LinalgOp other : others)
      elements.push_back(materialize(other->getResult(0)));

    auto type = cast<RankedTensorType>(value.getType());
    // Not of what dispatch yields, so that nothing of it is left.
    OpFoldResult count = tensor::getMixedSize(
        builder, op.getLoc(), source ? source : Value(op.getRows()), 0);
    Value init = tensor::EmptyOp::create(
        builder, op.getLoc(),
        ArrayRef<OpFoldResult>{count, builder.getIndexAttr(type.getDimSize(1))},
        type.getElementType());
    auto grouped = GroupedMatmulOp::create(
        builder, op.getLoc(), init.getType(), rows, isInput ? source : Value(),
        /*row_sums=*/Value(), /*row_scales=*/Value(), banks, op.getOffsets(),
        /*targets=*/Value(), ValueRange(), perColumn, elements, init,
        CPUScheduleAttr());
    buildBody(grouped, value, sums, vectors.getArrayRef(), others);
    return materialized[value] = grouped.getResult(0);
  }

  void collectVectors(Value value, llvm::SetVector<Value> &vectors) {
    auto linalgOp = value.getDefiningOp<linalg::LinalgOp>();
    if (isRowsTimesWeight(linalgOp))
      return;
    for (OpOperand *operand : getReadOperands(linalgOp))
      if (isSlice(operand->get(), 1))
        vectors.insert(operand->get());
      else
        collectVectors(operand->get(), vectors);
  }

  void buildBody(GroupedMatmulOp grouped, Value value,
                 ArrayRef<linalg::LinalgOp> sums, ArrayRef<Value> vectors,
                 ArrayRef<linalg::LinalgOp> others) {
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(&grouped.getBody());
    IRMapping scalars;
    auto add = [&](Value tensor) {
      Type element = getElementTypeOrSelf(tensor.getType());
      scalars.map(tensor, block->addArgument(element, op.getLoc()));
    };
    for (linalg::LinalgOp sum : sums)
      add(sum->getResult(0));
    for (Value vector : vectors)
      add(vector);
    for (linalg::LinalgOp other : others)
      add(other->getResult(0));
    block->addArgument(getElementTypeOrSelf(value.getType()), op.getLoc());
    YieldOp::create(builder, op.getLoc(), scalarOf(value, scalars));
  }

  /// The element of `value` at the row and column of the body.
  Value scalarOf(Value value, IRMapping &scalars) {
    if (Value known = scalars.lookupOrNull(value))
      return known;
    auto generic = value.getDefiningOp<linalg::GenericOp>();
    IRMapping inside;
    for (OpOperand *operand : getReadOperands(generic))
      inside.map(generic.getMatchingBlockArgument(operand),
                 scalarOf(operand->get(), scalars));
    for (Operation &nested : generic.getBody()->without_terminator())
      builder.clone(nested, inside);
    Value result = inside.lookupOrDefault(
        generic.getBody()->getTerminator()->getOperand(0));
    scalars.map(value, result);
    return result;
  }

  OpBuilder &builder;
  ExpertsOp op;
  Block &body;
  Value source;
  std::string *reason = nullptr;
  DenseMap<Value, Value> materialized;
};

struct GroupMatmulsPass
    : public moe::impl::GroupMatmulsPassBase<GroupMatmulsPass> {
  void runOnOperation() override {
    SmallVector<ExpertsOp> ops;
    getOperation()->walk([&](ExpertsOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (ExpertsOp op : ops)
      group(rewriter, op);
  }

private:
  void group(IRRewriter &rewriter, ExpertsOp op) {
    remark::RemarkOpts options =
        remark::RemarkOpts::name("GroupMatmuls").category("moe-group-matmuls");
    std::string reason = "each expert has a body of its own";
    rewriter.setInsertionPoint(op);
    Value result;
    if (op.getBodies().size() == 1 && op.takesBanks())
      result = BodyGrouper(rewriter, op).run(reason);
    if (!result) {
      ++numMissed;
      remark::missed(op.getLoc(), options)
          << "experts stay as they are: " << reason;
      return;
    }
    if (result.getType() != op.getType())
      result =
          tensor::CastOp::create(rewriter, op.getLoc(), op.getType(), result);
    auto dispatch = op.getRows().getDefiningOp<DispatchOp>();
    rewriter.replaceOp(op, result);
    if (dispatch && dispatch->use_empty())
      rewriter.eraseOp(dispatch);
    ++numGrouped;
    remark::passed(result.getLoc(), options)
        << "the body became grouped matmuls";
  }
};

} // namespace
