//===- MoEToLLVM.cpp - Weights and entries in the LLVM dialect
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Entry.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOLLVMPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

Value moe::createMemRef(OpBuilder &builder, Location loc, MemRefType type,
                        Value pointer, ValueRange sizes) {
  LLVMTypeConverter converter(builder.getContext());
  Value descriptor;
  if (type.hasStaticShape()) {
    descriptor = MemRefDescriptor::fromStaticShape(builder, loc, converter,
                                                   type, pointer);
  } else {
    auto d =
        MemRefDescriptor::poison(builder, loc, converter.convertType(type));
    d.setAllocatedPtr(builder, loc, pointer);
    d.setAlignedPtr(builder, loc, pointer);
    d.setConstantOffset(builder, loc, 0);
    auto constant = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                      builder.getI64IntegerAttr(value));
    };
    Value stride = constant(1);
    for (int64_t i = type.getRank() - 1; i >= 0; --i) {
      Value size = type.isDynamicDim(i) ? sizes[type.getDynamicDimIndex(i)]
                                        : constant(type.getDimSize(i));
      d.setSize(builder, loc, i, size);
      d.setStride(builder, loc, i, stride);
      stride = LLVM::MulOp::create(builder, loc, stride, size);
    }
    descriptor = d;
  }
  return UnrealizedConversionCastOp::create(builder, loc, type, descriptor)
      .getResult(0);
}

namespace {

class ConvertMoEToLLVMPass
    : public moe::impl::ConvertMoEToLLVMPassBase<ConvertMoEToLLVMPass> {
public:
  using ConvertMoEToLLVMPassBase::ConvertMoEToLLVMPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto [i, weight] : llvm::enumerate(module.getOps<WeightOp>())) {
      indices[weight.getSymNameAttr()] = i;
      weights.push_back(weight);
    }
    findUsers(module);
    if (failed(checkOps(module)))
      return signalPassFailure();
    convertBankTypes(module);
    addContextArguments(module);
    // While the bodies of parallel loops still lie in the functions that have
    // the context.
    lowerOps(module);
    for (scf::ParallelOp loop : loopsToOutline(module))
      outlineParallel(module, loop, contextOf(loop));
    TargetStamp stamp = {targetCPU, targetFeatures};
    if (failed(emitEntries(module, weights, stamp,
                           [&](func::FuncOp f) { return users.contains(f); })))
      return signalPassFailure();
    for (WeightOp weight : weights)
      weight.erase();
  }

private:
  /// Functions that need the context, directly or in what they call: they read
  /// weights or run parallel loops.
  void findUsers(ModuleOp module) {
    SymbolTable symbols(module);
    bool changed = true;
    while (changed) {
      changed = false;
      module.walk([&](Operation *op) {
        auto function = op->getParentOfType<func::FuncOp>();
        auto call = dyn_cast<func::CallOp>(op);
        bool uses =
            isa<GetWeightOp, NumThreadsOp, scf::ParallelOp>(op) ||
            (call &&
             users.contains(symbols.lookup<func::FuncOp>(call.getCallee())));
        if (uses && function)
          changed |= users.insert(function);
      });
    }
  }

  LogicalResult checkOps(ModuleOp module) {
    WalkResult result = module.walk([&](Operation *op) {
      // An assertion would become a call of abort.
      if (!isa_and_nonnull<MoEDialect>(op->getDialect()) &&
          !isa<cf::AssertOp>(op))
        return WalkResult::advance();
      if (op->getParentOfType<ModuleOp>() != module) {
        op->emitOpError("expected to be in the outermost module, which has the "
                        "table of weights [moe-to-llvm-nested]");
        return WalkResult::interrupt();
      }
      if (isa<GetWeightOp, BankSliceOp, MakeBankOp, TransposeBankOp,
              NumThreadsOp>(op) &&
          !op->getParentOfType<func::FuncOp>()) {
        op->emitOpError("expected to be inside a function "
                        "[moe-to-llvm-outside]");
        return WalkResult::interrupt();
      }
      if (isa<WeightOp, GetWeightOp, BankSliceOp, MakeBankOp, TransposeBankOp,
              NumThreadsOp>(op))
        return WalkResult::advance();
      op->emitOpError("expected to be lowered before "
                      "[moe-to-llvm-unlowered]");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  /// !moe.bank becomes a pointer to the table of its slices.
  void convertBankTypes(ModuleOp module) {
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    auto convert = [&](Type type) -> Type {
      return isa<BankType>(type) ? pointer : type;
    };
    module.walk([&](Operation *op) {
      if (auto slice = dyn_cast<BankSliceOp>(op))
        sliceTypes[slice] = cast<MemRefType>(slice.getSlice().getType());
      if (auto function = dyn_cast<func::FuncOp>(op)) {
        FunctionType type = function.getFunctionType();
        function.setType(FunctionType::get(
            &getContext(), llvm::map_to_vector(type.getInputs(), convert),
            llvm::map_to_vector(type.getResults(), convert)));
      }
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            argument.setType(convert(argument.getType()));
      for (OpResult result : op->getResults())
        result.setType(convert(result.getType()));
    });
  }

  /// These functions get the context as their last argument.
  void addContextArguments(ModuleOp module) {
    SymbolTable symbols(module);
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    for (func::FuncOp function : users)
      (void)function.insertArgument(function.getNumArguments(), pointer,
                                    DictionaryAttr(), function.getLoc());
    module.walk([&](func::CallOp call) {
      if (users.contains(symbols.lookup<func::FuncOp>(call.getCallee())))
        call.getOperandsMutable().append(contextOf(call));
    });
  }

  void lowerOps(ModuleOp module) {
    module.walk([&](Operation *op) {
      OpBuilder builder(op);
      TypeSwitch<Operation *>(op)
          .Case<GetWeightOp, BankSliceOp, MakeBankOp, TransposeBankOp,
                NumThreadsOp>([&](auto op) { lower(builder, op); });
    });
  }

  static SmallVector<scf::ParallelOp> loopsToOutline(ModuleOp module) {
    SmallVector<scf::ParallelOp> loops;
    module.walk<WalkOrder::PreOrder>([&](scf::ParallelOp op) {
      if (canOutline(op))
        loops.push_back(op);
      return WalkResult::skip(); // inner loops run in order
    });
    return loops;
  }

  /// Where the stack memory of `op` is reserved, so that loops do not grow the
  /// stack: the entry of its function, or of the one that the body of the
  /// parallel loop around it becomes.
  static Block *getFrame(Operation *op) {
    auto function = op->getParentOfType<func::FuncOp>();
    scf::ParallelOp outermost;
    while ((op = op->getParentOfType<scf::ParallelOp>()))
      outermost = cast<scf::ParallelOp>(op);
    return outermost && canOutline(outermost) ? outermost.getBody()
                                              : &function.getBody().front();
  }

  Value contextOf(Operation *op) {
    auto function = op->getParentOfType<func::FuncOp>();
    return function.getArgument(function.getNumArguments() - 1);
  }

  /// The pointer in element `index` of a table of pointers.
  Value loadPointer(OpBuilder &builder, Location loc, Value table,
                    LLVM::GEPArg index) {
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    Value address = LLVM::GEPOp::create(builder, loc, pointer, pointer, table,
                                        ArrayRef<LLVM::GEPArg>{index});
    return LLVM::LoadOp::create(builder, loc, pointer, address);
  }

  void lower(OpBuilder &builder, GetWeightOp op) {
    int32_t index = indices.lookup(op.getWeightAttr().getAttr());
    Value table =
        callRuntime(builder, op.getLoc(), getOperation(), "moe_rt_weights",
                    LLVM::LLVMPointerType::get(&getContext()), contextOf(op));
    Value pointer = loadPointer(builder, op.getLoc(), table, index);
    if (auto type = dyn_cast<MemRefType>(op.getType()))
      pointer = createMemRef(builder, op.getLoc(), type, pointer);
    op.getResult().replaceAllUsesWith(pointer);
    op.erase();
  }

  void lower(OpBuilder &builder, NumThreadsOp op) {
    Value count =
        callRuntime(builder, op.getLoc(), getOperation(), "moe_rt_num_threads",
                    builder.getI64Type(), contextOf(op));
    Value index = arith::IndexCastOp::create(builder, op.getLoc(),
                                             builder.getIndexType(), count);
    op.getResult().replaceAllUsesWith(index);
    op.erase();
  }

  void lower(OpBuilder &builder, BankSliceOp op) {
    Location loc = op.getLoc();
    Value expert = arith::IndexCastOp::create(
        builder, loc, builder.getI64Type(), op->getOperand(1));
    Value pointer = loadPointer(builder, loc, op->getOperand(0), expert);
    op.getSlice().replaceAllUsesWith(
        createMemRef(builder, loc, sliceTypes.lookup(op), pointer));
    op.erase();
  }

  /// The first element of `slice`, whose buffer starts at `base`.
  Value addOffset(OpBuilder &builder, Location loc, Value base, Value slice) {
    auto parts = memref::ExtractStridedMetadataOp::create(builder, loc, slice);
    Value offset = arith::IndexCastOp::create(
        builder, loc, builder.getI64Type(), parts.getOffset());
    return LLVM::GEPOp::create(
        builder, loc, base.getType(),
        cast<MemRefType>(slice.getType()).getElementType(), base,
        ArrayRef<LLVM::GEPArg>{offset});
  }

  /// The same pointers: the layout is in the types of the slices.
  void lower(OpBuilder &, TransposeBankOp op) {
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op.erase();
  }

  void lower(OpBuilder &builder, MakeBankOp op) {
    Location loc = op.getLoc();
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    OpBuilder atEntry = OpBuilder::atBlockBegin(getFrame(op));
    Value count = LLVM::ConstantOp::create(
        atEntry, loc, builder.getI64Type(),
        builder.getI64IntegerAttr(op->getNumOperands()));
    Value table = LLVM::AllocaOp::create(atEntry, loc, pointer, pointer, count);
    for (auto [e, slice] : llvm::enumerate(op->getOperands())) {
      Value address =
          memref::ExtractAlignedPointerAsIndexOp::create(builder, loc, slice);
      Value integer = arith::IndexCastOp::create(builder, loc,
                                                 builder.getI64Type(), address);
      Value base = LLVM::IntToPtrOp::create(builder, loc, pointer, integer);
      // A view starts at an offset from its buffer.
      if (!cast<MemRefType>(slice.getType()).getLayout().isIdentity())
        base = addOffset(builder, loc, base, slice);
      Value place =
          LLVM::GEPOp::create(builder, loc, pointer, pointer, table,
                              ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(e)});
      LLVM::StoreOp::create(builder, loc, base, place);
    }
    op->getResult(0).replaceAllUsesWith(table);
    op.erase();
  }

  SmallVector<WeightOp> weights;
  DenseMap<StringAttr, int32_t> indices;
  llvm::SetVector<func::FuncOp> users;
  DenseMap<Operation *, MemRefType> sliceTypes;
};

} // namespace
