//===- GraphEmitter.cpp - Tensor expressions of a transformer
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphEmitter.h"

using namespace mlir;
using namespace mlir::moe::hf;

Value GraphEmitter::sigmoid(Value x) {
  Value negated = arith::NegFOp::create(*this, x);
  Value exponential = math::ExpOp::create(*this, negated);
  return div(f32(1), add(f32(1), exponential));
}

Value GraphEmitter::generic(ValueRange inputs, Value init,
                            ArrayRef<AffineMap> maps,
                            ArrayRef<utils::IteratorType> iterators,
                            ScalarBody body) {
  auto op = linalg::GenericOp::create(
      *this, TypeRange{init.getType()}, inputs, ValueRange{init}, maps,
      iterators, [&](OpBuilder &builder, Location loc, ValueRange arguments) {
        GraphEmitter nested(loc, builder);
        linalg::YieldOp::create(builder, loc, body(nested, arguments));
      });
  return op.getResult(0);
}

Value GraphEmitter::parallel(ValueRange inputs, Value init,
                             ArrayRef<AffineMap> maps, ScalarBody body) {
  SmallVector<utils::IteratorType> iterators(maps.front().getNumDims(),
                                             utils::IteratorType::parallel);
  return generic(inputs, init, maps, iterators, body);
}

Value GraphEmitter::elementwise(ValueRange inputs, Value init,
                                ScalarBody body) {
  int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
  SmallVector<AffineMap> maps(inputs.size() + 1, getMultiDimIdentityMap(rank));
  return parallel(inputs, init, maps, body);
}

Value GraphEmitter::linear(Value x, Value weight, Value bias, Value init) {
  if (!init)
    init = empty({size(x, 0), size(weight, 0)});
  AffineExpr m, n, k;
  bindDims(getContext(), m, n, k);
  auto maps = AffineMap::inferFromExprList(
      ArrayRef<ArrayRef<AffineExpr>>{{m, k}, {n, k}, {m, n}}, getContext());
  Value zeros = fill(init, f32(0));
  Value result = linalg::MatmulOp::create(
                     *this, TypeRange{zeros.getType()}, ValueRange{x, weight},
                     ValueRange{zeros},
                     getNamedAttr("indexing_maps", getAffineMapArrayAttr(maps)))
                     .getResult(0);
  if (!bias)
    return result;
  AffineMap columns = AffineMap::get(2, 0, n, getContext());
  AffineMap identity = getMultiDimIdentityMap(2);
  return parallel(
      {bias}, result, {columns, identity},
      [](GraphEmitter &g, ValueRange v) { return g.add(v[1], g.widen(v[0])); });
}

Value GraphEmitter::rmsNorm(Value x, Value weight, double eps) {
  auto type = cast<RankedTensorType>(x.getType());
  int64_t rank = type.getRank();
  int64_t width = type.getDimSize(rank - 1);
  SmallVector<OpFoldResult> sizes;
  for (int64_t i = 0; i < rank; ++i)
    sizes.push_back(size(x, i));
  AffineMap identity = getMultiDimIdentityMap(rank);
  AffineMap rows = identity.getMajorSubMap(rank - 1);
  AffineMap columns = identity.getMinorSubMap(1);

  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  Value squares =
      generic({x}, filled(ArrayRef(sizes).drop_back(), f32(0)),
              {identity, rows}, iterators, [](GraphEmitter &g, ValueRange v) {
                return g.add(v[1], g.mul(v[0], v[0]));
              });
  return parallel(
      {x, squares, weight}, empty(sizes), {identity, rows, columns, identity},
      [&](GraphEmitter &g, ValueRange v) {
        Value mean = g.div(v[1], g.f32(width));
        Value scale = math::RsqrtOp::create(g, g.add(mean, g.f32(eps)));
        return g.mul(g.mul(v[0], scale), g.widen(v[2]));
      });
}

Value GraphEmitter::clampedGate(const ClampedGate &gate, Value g, Value u) {
  Value limit = f32(gate.limit), one = f32(1);
  Value low = arith::MaximumFOp::create(*this, u, f32(-gate.limit));
  Value lifted = arith::MinimumFOp::create(*this, low, limit);
  Value gated = arith::MinimumFOp::create(*this, g, limit);
  Value slope = sigmoid(mul(gated, f32(gate.slope)));
  return mul(add(lifted, one), mul(gated, slope));
}

Value GraphEmitter::gatedFeedForward(
    Value x, const FeedForward &weights,
    const std::optional<ClampedGate> &clamped) {
  Value gated = linear(x, weights.gate, weights.gateBias);
  Value lifted = linear(x, weights.up, weights.upBias);
  Value hidden =
      elementwise({gated, lifted}, empty({size(x, 0), size(weights.gate, 0)}),
                  [&](GraphEmitter &g, ValueRange v) {
                    if (clamped)
                      return g.clampedGate(*clamped, v[0], v[1]);
                    return g.mul(g.mul(v[0], g.sigmoid(v[0])), v[1]);
                  });
  return linear(hidden, weights.down, weights.downBias);
}

Value GraphEmitter::accumulate(Value x, Value update, double factor) {
  return elementwise({update}, x, [&](GraphEmitter &g, ValueRange v) {
    Value term = factor == 1 ? v[0] : g.mul(v[0], g.f32(factor));
    return g.add(v[1], term);
  });
}
