//===- LoopEmitter.h - Short forms for emitting loops -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_LOOPEMITTER_H
#define MOE_TRANSFORMS_UTILS_LOOPEMITTER_H

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::moe {

/// Emits scalar code and loops on memrefs. Names follow the source language the
/// emitted code would be written in.
class LoopEmitter : public ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  // Constants.
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(*this, value);
  }
  Value i32(int64_t value) {
    return arith::ConstantIntOp::create(*this, value, 32);
  }
  Value i64(int64_t value) {
    return arith::ConstantIntOp::create(*this, value, 64);
  }
  Value boolean(bool value) {
    return arith::ConstantIntOp::create(*this, value, 1);
  }
  Value f32(double value) {
    return arith::ConstantOp::create(
        *this, getF32FloatAttr(static_cast<float>(value)));
  }

  Value f64(double value) {
    return arith::ConstantOp::create(*this, getF64FloatAttr(value));
  }

  // Arithmetic; the operands' type decides between integers and floats.
  Value add(Value a, Value b) {
    return isFloat(a) ? Value(arith::AddFOp::create(*this, a, b))
                      : Value(arith::AddIOp::create(*this, a, b));
  }
  /// Of floats: the terms of a sum may be added in any order, which LLVM then
  /// vectorizes.
  Value addInAnyOrder(Value a, Value b) {
    return arith::AddFOp::create(*this, a, b, arith::FastMathFlags::reassoc);
  }
  Value sub(Value a, Value b) {
    return isFloat(a) ? Value(arith::SubFOp::create(*this, a, b))
                      : Value(arith::SubIOp::create(*this, a, b));
  }
  Value mul(Value a, Value b) {
    return isFloat(a) ? Value(arith::MulFOp::create(*this, a, b))
                      : Value(arith::MulIOp::create(*this, a, b));
  }
  Value div(Value a, Value b) { return arith::DivFOp::create(*this, a, b); }
  /// The larger one; NaN if either is.
  Value maximum(Value a, Value b) {
    return arith::MaximumFOp::create(*this, a, b);
  }
  Value maxSigned(Value a, Value b) {
    return arith::MaxSIOp::create(*this, a, b);
  }
  Value minSigned(Value a, Value b) {
    return arith::MinSIOp::create(*this, a, b);
  }
  Value exp(Value a) { return math::ExpOp::create(*this, a); }
  Value log(Value a) { return math::LogOp::create(*this, a); }
  Value abs(Value a) { return math::AbsFOp::create(*this, a); }
  Value toIndex(Value integer) {
    return arith::IndexCastOp::create(*this, getIndexType(), integer);
  }
  Value toI32(Value index) {
    return arith::IndexCastOp::create(*this, getI32Type(), index);
  }
  Value toF32(Value f64) {
    return arith::TruncFOp::create(*this, getF32Type(), f64);
  }
  /// The value of an f32 or an index.
  Value toF64(Value value) {
    if (isFloat(value))
      return arith::ExtFOp::create(*this, getF64Type(), value);
    Value i64 = arith::IndexCastOp::create(*this, getI64Type(), value);
    return arith::SIToFPOp::create(*this, getF64Type(), i64);
  }

  // Conditions.
  Value less(Value a, Value b) {
    return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, a, b);
  }
  Value atLeast(Value a, Value b) {
    return arith::CmpIOp::create(*this, arith::CmpIPredicate::sge, a, b);
  }
  /// True if 0 <= i < size: unsigned, a negative number is a large one. All
  /// data that memory is addressed with passes here, since callers may provide
  /// it.
  Value isInside(Value i, Value size) {
    return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, i, size);
  }
  Value equal(Value a, Value b) {
    return arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, a, b);
  }
  Value greater(Value a, Value b) {
    return arith::CmpFOp::create(*this, arith::CmpFPredicate::OGT, a, b);
  }
  Value equalF(Value a, Value b) {
    return arith::CmpFOp::create(*this, arith::CmpFPredicate::OEQ, a, b);
  }
  Value isNaN(Value a) {
    return arith::CmpFOp::create(*this, arith::CmpFPredicate::UNO, a, a);
  }
  Value both(Value a, Value b) { return arith::AndIOp::create(*this, a, b); }
  Value either(Value a, Value b) { return arith::OrIOp::create(*this, a, b); }
  Value negate(Value a) {
    return arith::XOrIOp::create(*this, a, boolean(true));
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(*this, condition, a, b);
  }
  /// True if key `a` ranks strictly before `b`: it is larger, or `b` is NaN and
  /// `a` is not (NaN ranks below -inf).
  Value ranksBefore(Value a, Value b) {
    return either(greater(a, b), both(isNaN(b), negate(isNaN(a))));
  }

  // Memory.
  Value alloc(ArrayRef<int64_t> shape, Type element, ValueRange sizes = {}) {
    return memref::AllocOp::create(*this, MemRefType::get(shape, element),
                                   sizes);
  }
  Value dim(Value memref, int64_t dimension) {
    return memref::DimOp::create(*this, memref, dimension);
  }
  /// Row `row` of a matrix.
  Value row(Value memref, Value row) {
    auto type = cast<MemRefType>(memref.getType());
    SmallVector<OpFoldResult> offsets = {row, getIndexAttr(0)};
    SmallVector<OpFoldResult> sizes = {getIndexAttr(1),
                                       getIndexAttr(type.getDimSize(1))};
    SmallVector<OpFoldResult> strides(2, getIndexAttr(1));
    auto reduced = memref::SubViewOp::inferRankReducedResultType(
        {type.getDimSize(1)}, type, offsets, sizes, strides);
    return memref::SubViewOp::create(*this, cast<MemRefType>(reduced), memref,
                                     offsets, sizes, strides);
  }
  Value load(Value memref, ValueRange indices) {
    return memref::LoadOp::create(*this, memref, indices);
  }
  void store(Value value, Value memref, ValueRange indices) {
    memref::StoreOp::create(*this, value, memref, indices);
  }

  // Control flow.
  void forEach(Value low, Value high, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(*this, low, high, index(1));
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }
  void forEach(int64_t count, function_ref<void(Value)> body) {
    forEach(index(0), index(count), body);
  }
  /// Part `i` of `count` parts of [0, size), as (first, end): their sizes
  /// differ by at most one.
  std::pair<Value, Value> cut(Value size, Value i, Value count) {
    auto boundary = [&](Value i) -> Value {
      return arith::DivUIOp::create(*this, mul(i, size), count);
    };
    return {boundary(i), boundary(add(i, index(1)))};
  }
  /// Threads share the iterations.
  scf::ParallelOp forParallel(Value count, function_ref<void(Value)> body) {
    auto loop = scf::ParallelOp::create(
        *this, ValueRange{index(0)}, ValueRange{count}, ValueRange{index(1)});
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVars().front());
    return loop;
  }
  /// A loop that carries values: `body` maps (i, carried) to the next ones.
  SmallVector<Value>
  fold(Value low, Value high, ValueRange initial,
       function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    auto loop = scf::ForOp::create(*this, low, high, index(1), initial);
    {
      OpBuilder::InsertionGuard guard(*this);
      setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(
          *this, body(loop.getInductionVar(), loop.getRegionIterArgs()));
    }
    return llvm::to_vector(ValueRange(loop.getResults()));
  }
  Value fold(int64_t count, Value initial,
             function_ref<Value(Value, Value)> body) {
    return fold(index(0), index(count), ValueRange{initial},
                [&](Value i, ValueRange carried) {
                  return SmallVector<Value>{body(i, carried[0])};
                })
        .front();
  }
  void ifThen(Value condition, function_ref<void()> then) {
    auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(op.thenBlock());
    then();
  }
  void ifThenElse(Value condition, function_ref<void()> then,
                  function_ref<void()> otherwise) {
    auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(op.thenBlock());
    then();
    setInsertionPointToStart(op.elseBlock());
    otherwise();
  }

private:
  static bool isFloat(Value value) {
    return isa<FloatType>(getElementTypeOrSelf(value));
  }
};

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_LOOPEMITTER_H
