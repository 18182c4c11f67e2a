//===- MoEToReference.cpp - Routing ops become calls of the oracle
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Runtime/Abi.h"
#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/RoutingOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOREFERENCEPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Emits one call: `void NAME(const void *attrs, const moe_tensor *const
/// *tensors, int64_t capacity)`.
class CallEmitter {
public:
  CallEmitter(ModuleOp module, Operation *op)
      : b(op->getLoc(), op), module(module),
        function(op->getParentOfType<func::FuncOp>()),
        pointer(LLVM::LLVMPointerType::get(b.getContext())) {}

  /// `operands` may hold nulls, for those that are absent. A strided tensor
  /// goes through a dense copy, which is copied back to one of `results`.
  void emit(StringRef name, Value attrs, ArrayRef<Value> operands,
            ValueRange results, Value capacity) {
    SmallVector<Value> tensors, dense;
    for (Value operand : operands)
      tensors.push_back(operand ? makeDense(operand) : Value());
    for (Value result : results)
      dense.push_back(result ? makeDense(result) : Value());
    llvm::append_range(tensors, dense);
    call(name, attrs, tensors, capacity);
    for (auto [result, copy] : llvm::zip_equal(results, dense))
      if (result != copy)
        memref::CopyOp::create(b, copy, result);
  }

  /// The address of a constant copy of `attrs`.
  template <typename Attrs> Value constant(const Attrs &attrs) {
    StringRef bytes(reinterpret_cast<const char *>(&attrs), sizeof(attrs));
    std::string name = "moe.attrs." + std::to_string(countAttrs());
    OpBuilder atEnd = OpBuilder::atBlockEnd(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
    LLVM::GlobalOp::create(atEnd, b.getLoc(), type, /*isConstant=*/true,
                           LLVM::Linkage::Private, name, b.getStringAttr(bytes),
                           /*alignment=*/8);
    return LLVM::AddressOfOp::create(b, pointer, name);
  }

  Value integer(int64_t value) {
    return LLVM::ConstantOp::create(b, b.getI64Type(),
                                    b.getI64IntegerAttr(value));
  }
  Value toI64(Value index) {
    return arith::IndexCastOp::create(b, b.getI64Type(), index);
  }

private:
  void call(StringRef name, Value attrs, ArrayRef<Value> tensors,
            Value capacity) {
    Value array = reserve(LLVM::LLVMArrayType::get(pointer, tensors.size()));
    for (auto [i, tensor] : llvm::enumerate(tensors)) {
      Value address = tensor ? describe(tensor) : null();
      Value place =
          LLVM::GEPOp::create(b, pointer, pointer, array,
                              ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      LLVM::StoreOp::create(b, address, place);
    }
    LLVM::CallOp::create(b, declare(name),
                         ValueRange{attrs ? attrs : null(), array, capacity});
  }

  Value null() { return LLVM::ZeroOp::create(b, pointer); }

  int64_t countAttrs() {
    return llvm::count_if(module.getOps<LLVM::GlobalOp>(), [](auto global) {
      return global.getSymName().starts_with("moe.attrs.");
    });
  }

  LLVM::LLVMFuncOp declare(StringRef name) {
    if (auto declared = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
      return declared;
    OpBuilder atStart = OpBuilder::atBlockBegin(module.getBody());
    return LLVM::LLVMFuncOp::create(
        atStart, b.getLoc(), name,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                    {pointer, pointer, b.getI64Type()}));
  }

  /// Stack memory of the function, so that loops do not grow the stack.
  Value reserve(Type type) {
    OpBuilder atEntry = OpBuilder::atBlockBegin(&function.getBody().front());
    Value one = LLVM::ConstantOp::create(atEntry, b.getLoc(), b.getI64Type(),
                                         b.getI64IntegerAttr(1));
    return LLVM::AllocaOp::create(atEntry, b.getLoc(), pointer, type, one,
                                  /*alignment=*/8);
  }

  /// The address of a moe_tensor for `memref`.
  Value describe(Value memref) {
    auto type = cast<MemRefType>(memref.getType());
    Type i32 = b.getI32Type();
    Type record = LLVM::LLVMStructType::getLiteral(
        b.getContext(),
        {pointer, i32, i32,
         LLVM::LLVMArrayType::get(b.getI64Type(), MOE_MAX_RANK)});
    Value result = reserve(record);
    auto store = [&](Value value, ArrayRef<LLVM::GEPArg> path) {
      SmallVector<LLVM::GEPArg> indices = {0};
      llvm::append_range(indices, path);
      LLVM::StoreOp::create(
          b, value, LLVM::GEPOp::create(b, pointer, record, result, indices));
    };
    Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, memref);
    store(LLVM::IntToPtrOp::create(b, pointer, toI64(address)), {0});
    auto i32Constant = [&](int64_t value) {
      return LLVM::ConstantOp::create(b, i32, b.getI32IntegerAttr(value));
    };
    store(i32Constant(getDType(type.getElementType())), {1});
    store(i32Constant(type.getRank()), {2});
    for (int32_t dim = 0; dim < type.getRank(); ++dim)
      store(toI64(memref::DimOp::create(b, memref, dim)), {3, dim});
    return result;
  }

  /// `memref`, or a dense copy of it if it is strided.
  Value makeDense(Value memref) {
    auto type = cast<MemRefType>(memref.getType());
    if (type.getLayout().isIdentity())
      return memref;
    SmallVector<Value> sizes;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        sizes.push_back(memref::DimOp::create(b, memref, dim));
    Value dense = memref::AllocOp::create(
        b, MemRefType::get(type.getShape(), type.getElementType()), sizes);
    memref::CopyOp::create(b, memref, dense);
    return dense;
  }

  ImplicitLocOpBuilder b;
  ModuleOp module;
  func::FuncOp function;
  Type pointer;
};

struct ConvertMoEToReferencePass
    : public moe::impl::ConvertMoEToReferencePassBase<
          ConvertMoEToReferencePass> {
  void runOnOperation() override {
    if (failed(
            lowerRoutingOps(getOperation(), [&](Operation *op) { lower(op); })))
      signalPassFailure();
  }

private:
  void lower(Operation *op) {
    CallEmitter call(getOperation(), op);
    Value none = call.integer(-1);
    if (auto router = dyn_cast<RouterOp>(op)) {
      SmallVector<Value> into = llvm::to_vector(router.getInto());
      into.resize(3); // without scores the last one is null
      call.emit("moe_reference_router", call.constant(router.getAbiAttrs()),
                {router.getLogits(), router.getBias(), router.getExpertScale(),
                 router.getTable()},
                into, none);
    } else if (auto plan = dyn_cast<PlanOp>(op)) {
      call.emit("moe_reference_plan", call.constant(plan.getAbiAttrs()),
                {plan.getWeights(), plan.getIds(), plan.getSegmentOffsets(),
                 plan.getPriorityScores()},
                plan.getInto(),
                plan.getCapacity() ? call.toI64(plan.getCapacity()) : none);
    } else if (auto dispatch = dyn_cast<DispatchOp>(op)) {
      call.emit("moe_reference_dispatch", Value(),
                {dispatch.getX(), dispatch.getSource(), dispatch.getOffsets(),
                 dispatch.getWeights(), dispatch.getPosition()},
                dispatch.getInto(), none);
    } else if (auto combine = dyn_cast<CombineOp>(op)) {
      call.emit("moe_reference_combine", Value(),
                {combine.getRows(), combine.getPosition(), combine.getWeights(),
                 combine.getPassthrough()},
                combine.getInto(), none);
    } else if (auto loss = dyn_cast<AuxLossOp>(op)) {
      call.emit("moe_reference_aux_loss", call.constant(loss.getAbiAttrs()),
                {loss.getValues(), loss.getIds()}, loss.getInto(), none);
    } else if (auto quantize = dyn_cast<QuantizeRowsOp>(op)) {
      moe_quantize_rows_attrs attrs = {
          static_cast<int64_t>(quantize.getGroup()), quantize.getRunScales(),
          /*reserved=*/0};
      call.emit("moe_reference_quantize_rows", call.constant(attrs),
                {quantize.getX()}, quantize.getInto(), none);
    }
  }
};

} // namespace
