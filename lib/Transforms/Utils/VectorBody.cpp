//===- VectorBody.cpp - Scalar bodies on vectors
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Utils/VectorBody.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpDefinition.h"

using namespace mlir;
using namespace mlir::moe;

Operation *moe::findNotVectorizable(Region &body) {
  for (Operation &op : body.front().without_terminator())
    if (!OpTrait::hasElementwiseMappableTraits(&op) &&
        !op.hasTrait<OpTrait::ConstantLike>())
      return &op;
  return nullptr;
}

Value moe::cloneOnVectors(OpBuilder &builder, Region &body,
                          ValueRange arguments, int64_t lanes) {
  IRMapping mapping;
  mapping.map(body.getArguments(), arguments);
  // The vector of a value: a clone's, or a value from outside in all lanes.
  auto lookup = [&](Value value) -> Value {
    if (Value mapped = mapping.lookupOrNull(value))
      return mapped;
    Value splat = vector::BroadcastOp::create(
        builder, value.getLoc(), VectorType::get(lanes, value.getType()),
        value);
    mapping.map(value, splat);
    return splat;
  };
  for (Operation &op : body.front().without_terminator()) {
    if (op.hasTrait<OpTrait::ConstantLike>()) {
      Value scalar = builder.clone(op)->getResult(0);
      mapping.map(op.getResult(0),
                  vector::BroadcastOp::create(
                      builder, op.getLoc(),
                      VectorType::get(lanes, scalar.getType()), scalar));
      continue;
    }
    OperationState state(op.getLoc(), op.getName(),
                         llvm::map_to_vector(op.getOperands(), lookup), {},
                         op.getAttrs());
    for (Type type : op.getResultTypes())
      state.addTypes(VectorType::get(lanes, type));
    mapping.map(op.getResults(), builder.create(state)->getResults());
  }
  return lookup(body.front().getTerminator()->getOperand(0));
}
