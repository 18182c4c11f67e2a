//===- GraphEmitter.h - Tensor expressions of a transformer -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Short forms for what the layers of a transformer consist of. All activations
// are f32; weights keep their stored type and widen in the arithmetic. Tokens
// are rows: T = batch * seq.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_GRAPHEMITTER_H
#define MOE_LIB_IMPORT_HUGGINGFACE_GRAPHEMITTER_H

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "MoE/Import/ModelConfig.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <optional>

namespace mlir::moe::hf {

/// The weights [F, H], [F, H], [H, F] of a gated feed-forward, and their biases
/// if there are any.
struct FeedForward {
  Value gate, up, down;
  Value gateBias = {}, upBias = {}, downBias = {};
};

class GraphEmitter : public ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  /// Body of an elementwise operation: scalars in, scalar out.
  using ScalarBody = function_ref<Value(GraphEmitter &, ValueRange)>;

  // Scalars.
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(*this, value);
  }
  Value f32(double value) {
    return arith::ConstantOp::create(
        *this, getF32FloatAttr(static_cast<float>(value)));
  }
  Value negativeInfinity() {
    return arith::ConstantOp::create(
        *this, getFloatAttr(getF32Type(),
                            APFloat::getInf(APFloat::IEEEsingle(), true)));
  }
  Value add(Value a, Value b) {
    return isa<FloatType>(a.getType())
               ? Value(arith::AddFOp::create(*this, a, b))
               : Value(arith::AddIOp::create(*this, a, b));
  }
  Value sub(Value a, Value b) {
    return isa<FloatType>(a.getType())
               ? Value(arith::SubFOp::create(*this, a, b))
               : Value(arith::SubIOp::create(*this, a, b));
  }
  Value mul(Value a, Value b) {
    return isa<FloatType>(a.getType())
               ? Value(arith::MulFOp::create(*this, a, b))
               : Value(arith::MulIOp::create(*this, a, b));
  }
  Value div(Value a, Value b) { return arith::DivFOp::create(*this, a, b); }
  /// `value` as f32.
  Value widen(Value value) {
    if (value.getType().isF32())
      return value;
    return arith::ExtFOp::create(*this, getF32Type(), value);
  }
  /// 1 / (1 + exp(-x))
  Value sigmoid(Value x);

  // Tensors.
  OpFoldResult size(Value tensor, int64_t dim) {
    return tensor::getMixedSize(*this, getLoc(), tensor, dim);
  }
  Value empty(ArrayRef<OpFoldResult> sizes) {
    return tensor::EmptyOp::create(*this, sizes, getF32Type());
  }
  Value filled(ArrayRef<OpFoldResult> sizes, Value value) {
    return fill(empty(sizes), value);
  }
  Value fill(Value tensor, Value value) {
    return linalg::FillOp::create(*this, value, tensor).getResult(0);
  }

  /// init[...] = body(inputs, init) over the loops of `iterators`; one map per
  /// input, then that of `init`.
  Value generic(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                ArrayRef<utils::IteratorType> iterators, ScalarBody body);
  /// As above, all loops parallel.
  Value parallel(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                 ScalarBody body);
  /// body(inputs...) elementwise on equally shaped tensors, into `init`.
  Value elementwise(ValueRange inputs, Value init, ScalarBody body);

  /// x (T x K) times the transpose of weight (N x K), into init (T x N) after
  /// it was filled with zeros. A bias (N) is added when given.
  Value linear(Value x, Value weight, Value bias = {}, Value init = {});
  /// x / sqrt(mean(x^2) + eps) * weight along the last dimension, any rank.
  Value rmsNorm(Value x, Value weight, double eps);
  /// What that gate makes of two scalars.
  Value clampedGate(const ClampedGate &gate, Value g, Value u);
  /// down(act(gate(x), up(x))) with SiLU, or with the gate that clamps.
  Value gatedFeedForward(Value x, const FeedForward &weights,
                         const std::optional<ClampedGate> &clamped = {});
  /// x + factor * update, into the buffer of x.
  Value accumulate(Value x, Value update, double factor);
};

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_GRAPHEMITTER_H
