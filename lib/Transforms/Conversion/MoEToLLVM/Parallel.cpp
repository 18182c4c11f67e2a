//===- Parallel.cpp - Bodies of parallel loops become functions
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Entry.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::moe;

bool moe::canOutline(scf::ParallelOp op) {
  return op.getNumLoops() == 1 && op.getInitVals().empty() &&
         isConstantIntValue(op.getLowerBound().front(), 0) &&
         isConstantIntValue(op.getStep().front(), 1);
}

namespace {

/// What the body of a loop takes from its function, as a struct in memory.
class Environment {
public:
  explicit Environment(scf::ParallelOp op)
      : context(op.getContext()), pointer(LLVM::LLVMPointerType::get(context)) {
    llvm::SetVector<Value> used;
    getUsedValuesDefinedAbove(op.getRegion(), used);
    LLVMTypeConverter converter(context);
    SmallVector<Type> types;
    for (Value value : used) {
      if (matchPattern(value, m_Constant())) {
        constants.push_back(value);
        continue;
      }
      captured.push_back(value);
      types.push_back(converter.convertType(value.getType()));
    }
    record = LLVM::LLVMStructType::getLiteral(context, types);
  }

  /// Stores the values in a record on the stack; returns its address.
  Value store(ImplicitLocOpBuilder &b, func::FuncOp function) {
    OpBuilder atEntry = OpBuilder::atBlockBegin(&function.getBody().front());
    Value one = LLVM::ConstantOp::create(atEntry, b.getLoc(), b.getI64Type(),
                                         b.getI64IntegerAttr(1));
    Value address = LLVM::AllocaOp::create(atEntry, b.getLoc(), pointer, record,
                                           one, /*alignment=*/16);
    for (auto [i, value] : llvm::enumerate(captured))
      LLVM::StoreOp::create(b, cast(b, value, record.getBody()[i]),
                            field(b, address, i));
    return address;
  }

  /// Maps the values to those loaded from the record at `address`.
  void load(ImplicitLocOpBuilder &b, Value address, IRMapping &mapping) {
    for (Value constant : constants)
      mapping.map(constant, b.clone(*constant.getDefiningOp())->getResult(0));
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value loaded =
          LLVM::LoadOp::create(b, record.getBody()[i], field(b, address, i));
      mapping.map(value, cast(b, loaded, value.getType()));
    }
  }

private:
  Value field(ImplicitLocOpBuilder &b, Value address, size_t i) {
    return LLVM::GEPOp::create(
        b, pointer, record, address,
        ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
  }
  static Value cast(ImplicitLocOpBuilder &b, Value value, Type type) {
    if (value.getType() == type)
      return value;
    return UnrealizedConversionCastOp::create(b, type, value).getResult(0);
  }

  MLIRContext *context;
  Type pointer;
  LLVM::LLVMStructType record;
  SmallVector<Value> captured, constants;
};

} // namespace

/// A name that no function has yet.
static std::string uniqueName(ModuleOp module, StringRef function) {
  for (unsigned i = 0;; ++i) {
    std::string name = (function + ".parallel." + Twine(i)).str();
    if (!module.lookupSymbol(name))
      return name;
  }
}

void moe::outlineParallel(ModuleOp module, scf::ParallelOp op, Value context) {
  auto function = op->getParentOfType<func::FuncOp>();
  ImplicitLocOpBuilder b(op.getLoc(), function);
  Type pointer = LLVM::LLVMPointerType::get(op.getContext());
  Type nothing = LLVM::LLVMVoidType::get(op.getContext());
  Environment environment(op);

  // void body(void *environment, int64_t i)
  auto body = LLVM::LLVMFuncOp::create(
      b, uniqueName(module, function.getName()),
      LLVM::LLVMFunctionType::get(nothing, {pointer, b.getI64Type()}),
      LLVM::Linkage::Internal);
  Block *entry = body.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  IRMapping mapping;
  environment.load(b, entry->getArgument(0), mapping);
  mapping.map(
      op.getInductionVars().front(),
      arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(1)));
  for (Operation &nested : op.getBody()->without_terminator())
    b.clone(nested, mapping);
  LLVM::ReturnOp::create(b, ValueRange{});

  b.setInsertionPoint(op);
  Value count =
      arith::IndexCastOp::create(b, b.getI64Type(), op.getUpperBound().front());
  Value address = LLVM::AddressOfOp::create(b, pointer, body.getSymName());
  callRuntime(b, b.getLoc(), module, "moe_rt_parallel", nothing,
              {context, address, environment.store(b, function), count});
  op.erase();
}
