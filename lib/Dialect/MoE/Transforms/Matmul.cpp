//===- Matmul.cpp - Recognising matmuls with weights
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::moe;

/// The block argument that `factor` is, or is converted from.
static BlockArgument findFactor(Value factor) {
  if (Operation *cast = factor.getDefiningOp();
      isa_and_present<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp,
                      arith::SIToFPOp, arith::UIToFPOp>(cast))
    factor = cast->getOperand(0);
  return dyn_cast<BlockArgument>(factor);
}

bool moe::isPlainContraction(linalg::LinalgOp op) {
  if (!linalg::isaContractionOpInterface(op) || op.getNumDpsInputs() != 2 ||
      op.getNumDpsInits() != 1)
    return false;
  Block *body = op.getBlock();
  BlockArgument init = body->getArgument(2);
  Operation *sum = body->getTerminator()->getOperand(0).getDefiningOp();
  if (!isa_and_present<arith::AddFOp, arith::AddIOp>(sum))
    return false;
  Value term;
  if (sum->getOperand(0) == init)
    term = sum->getOperand(1);
  else if (sum->getOperand(1) == init)
    term = sum->getOperand(0);
  Operation *product = term ? term.getDefiningOp() : nullptr;
  if (!isa_and_present<arith::MulFOp, arith::MulIOp>(product))
    return false;
  BlockArgument a = findFactor(product->getOperand(0));
  BlockArgument b = findFactor(product->getOperand(1));
  // Both inputs, in either order.
  return a && b && a.getOwner() == body && b.getOwner() == body &&
         a.getArgNumber() + b.getArgNumber() == 1;
}

std::optional<RowsTimesWeight> moe::matchRowsTimesWeight(linalg::LinalgOp op) {
  if (!isPlainContraction(op) || op.getNumLoops() != 3)
    return std::nullopt;
  auto isFloat = [](Type type) {
    return type.isF32() || type.isBF16() || type.isF16();
  };
  for (OpOperand &operand : op->getOpOperands())
    if (!isFloat(getElementTypeOrSelf(operand.get().getType())))
      return std::nullopt;
  OpOperand *init = op.getDpsInitOperand(0);
  if (!getElementTypeOrSelf(init->get().getType()).isF32())
    return std::nullopt;
  // Two loops of the result, m and n; the other one is k.
  AffineMap result = op.getMatchingIndexingMap(init);
  if (!result.isProjectedPermutation() || result.getNumResults() != 2)
    return std::nullopt;
  AffineExpr m = result.getResult(0), n = result.getResult(1), k;
  for (unsigned loop = 0; loop < 3; ++loop)
    if (!result.isFunctionOfDim(loop))
      k = getAffineDimExpr(loop, op.getContext());
  auto reads = [&](OpOperand *operand, AffineExpr first, AffineExpr second) {
    AffineMap map = op.getMatchingIndexingMap(operand);
    return map.getNumResults() == 2 && map.getResult(0) == first &&
           map.getResult(1) == second;
  };
  for (unsigned i : {0, 1}) {
    OpOperand *rows = op.getDpsInputOperand(i);
    OpOperand *weight = op.getDpsInputOperand(1 - i);
    if (!reads(rows, m, k))
      continue;
    if (reads(weight, n, k))
      return RowsTimesWeight{rows, weight, /*isTransposed=*/false};
    if (reads(weight, k, n))
      return RowsTimesWeight{rows, weight, /*isTransposed=*/true};
  }
  return std::nullopt;
}

Value moe::createRowsTimesWeight(OpBuilder &builder, Location loc, Value rows,
                                 Value weight, Value init) {
  AffineExpr m, n, k;
  bindDims(builder.getContext(), m, n, k);
  auto maps = AffineMap::inferFromExprList(
      ArrayRef<ArrayRef<AffineExpr>>{{m, k}, {n, k}, {m, n}},
      builder.getContext());
  return linalg::MatmulOp::create(
             builder, loc, TypeRange{init.getType()}, ValueRange{rows, weight},
             ValueRange{init},
             builder.getNamedAttr("indexing_maps",
                                  builder.getAffineMapArrayAttr(maps)))
      .getResult(0);
}

bool moe::isZeroFilled(Value value) {
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
  return matchPattern(value, m_AnyZeroFloat());
}

bool moe::isRowsTimesWeight(linalg::LinalgOp op) {
  std::optional<RowsTimesWeight> found = matchRowsTimesWeight(op);
  // The first input are the rows, m, n and k the loops in this order.
  return found && !found->isTransposed &&
         found->rows == op.getDpsInputOperand(0) &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)) ==
             AffineMap::getMultiDimIdentityMap(3, op.getContext())
                 .getMajorSubMap(2) &&
         isZeroFilled(op.getDpsInits()[0]);
}
