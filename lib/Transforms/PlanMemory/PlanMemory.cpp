//===- PlanMemory.cpp - One workspace per call
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For each function f that allocates, directly or in its callees:
//   * f gets a last argument, the workspace (memref<?xi8>);
//   * each allocation becomes a view of it at an offset computed on entry;
//   * calls pass the part of the workspace behind f's own allocations;
//   * @f.workspace(sizes of f's arguments) says how many bytes f needs.
// Sizes are made available on entry by cloning the index arithmetic they come
// from; where it depends on data, an operand of a minimum serves as a bound. An
// allocation in a loop has one place, which every iteration uses.
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/CalleesFirst.h"
#include "MoE/Transforms/Utils/EntryValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using mlir::moe::EntryValues;

namespace {

/// Every place in the workspace starts at a multiple of this many bytes.
constexpr int64_t kAlignment = 64;

/// Memory of one function.
struct FunctionPlan {
  SmallVector<memref::AllocOp> allocs;
  SmallVector<func::CallOp> calls; ///< to functions that need a workspace
  func::FuncOp sizeFunction;       ///< null if no workspace is needed
};

class PlanMemoryPass : public moe::impl::PlanMemoryPassBase<PlanMemoryPass> {
public:
  void runOnOperation() override {
    SymbolTable table(getOperation());
    symbols = &table;
    plans.clear();
    for (auto [function, isRecursive] : moe::getCalleesFirst(getOperation())) {
      if (isRecursive) {
        function.emitError("expected no recursion, but got a function that "
                           "calls itself [moe-plan-memory-recursion]");
        return signalPassFailure();
      }
      if (failed(planFunction(function)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult planFunction(func::FuncOp function) {
    FunctionPlan &plan = plans[function];
    if (function->hasAttr(moe::attr::kWorkspace))
      return success(); // planned already
    if (llvm::any_of(function.getResultTypes(), llvm::IsaPred<MemRefType>))
      return function.emitError(
                 "expected functions without buffers as results, but got ")
             << function.getFunctionType()
             << "; pass the destination as an argument that the result is "
                "written to, or inline the function "
                "[moe-plan-memory-result]";
    collect(function, plan);
    if (plan.allocs.empty() && plan.calls.empty())
      return success();
    if (failed(check(function, plan)) || failed(eraseDeallocations(function)))
      return failure();
    if (!llvm::hasSingleElement(function.getBody()))
      return function.emitError("expected a function of one block "
                                "[moe-plan-memory-blocks]");
    if (failed(createSizeFunction(function, plan)))
      return failure();
    return rewrite(function, plan);
  }

  /// Whether every allocation can have one place for the whole call.
  static LogicalResult check(func::FuncOp function, const FunctionPlan &plan) {
    BufferViewFlowAnalysis views(function);
    for (memref::AllocOp alloc : plan.allocs)
      if (failed(checkType(alloc)) || failed(checkParallel(alloc)) ||
          failed(checkCarried(alloc, views)))
        return failure();
    for (func::CallOp call : plan.calls)
      if (failed(checkParallel(call)))
        return failure();
    return success();
  }

  /// Dense, of plain elements, aligned like every place.
  static LogicalResult checkType(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    if (!type.getLayout().isIdentity() ||
        !type.getElementType().isIntOrIndexOrFloat())
      return alloc.emitOpError("expected a dense buffer of integers or floats, "
                               "but got ")
             << type << " [moe-plan-memory-type]";
    if (alloc.getAlignment().value_or(1) > kAlignment)
      return alloc.emitOpError("expected an alignment of at most ")
             << kAlignment << " bytes, but got " << *alloc.getAlignment()
             << " [moe-plan-memory-alignment]";
    return success();
  }

  static LogicalResult checkParallel(Operation *op) {
    if (!op->getParentOfType<scf::ParallelOp>() &&
        !op->getParentOfType<scf::ForallOp>())
      return success();
    return op->emitOpError("expected no memory to be needed in a parallel "
                           "loop, whose iterations would share its place; "
                           "allocate it before the loop "
                           "[moe-plan-memory-parallel]");
  }

  /// The next iteration uses the same place. What the last one left there must
  /// not be read any more.
  static LogicalResult checkCarried(memref::AllocOp alloc,
                                    const BufferViewFlowAnalysis &views) {
    for (Value view : views.resolve(alloc.getResult()))
      for (Operation *user : view.getUsers()) {
        bool leaves = user->hasTrait<OpTrait::IsTerminator>() &&
                      isa<LoopLikeOpInterface>(user->getParentOp()) &&
                      user->getParentOp()->isProperAncestor(alloc);
        if (leaves)
          return alloc.emitOpError("expected a buffer that is not handed from "
                                   "one iteration of a loop to the next; "
                                   "allocate it before the loop "
                                   "[moe-plan-memory-carried]");
      }
    return success();
  }

  /// Places are not given back one by one.
  static LogicalResult eraseDeallocations(func::FuncOp function) {
    SmallVector<memref::DeallocOp> deallocations;
    function.walk([&](memref::DeallocOp op) { deallocations.push_back(op); });
    for (memref::DeallocOp op : deallocations) {
      auto alloc = op.getMemref().getDefiningOp<memref::AllocOp>();
      if (!alloc)
        return op.emitOpError("expected to release a buffer that was allocated "
                              "in the same function; remove it, memory is "
                              "released after the call "
                              "[moe-plan-memory-dealloc]");
      op.erase();
    }
    return success();
  }

  void collect(func::FuncOp function, FunctionPlan &plan) {
    function.walk([&](Operation *op) {
      if (auto alloc = dyn_cast<memref::AllocOp>(op))
        plan.allocs.push_back(alloc);
      auto call = dyn_cast<func::CallOp>(op);
      if (!call)
        return;
      auto callee = symbols->lookup<func::FuncOp>(call.getCallee());
      if (callee && plans.lookup(callee).sizeFunction)
        plan.calls.push_back(call);
    });
  }

  /// a * b and a + b as unsigned numbers that stop at the largest one, which no
  /// allocator has: sizes come from callers.
  static Value multiply(ImplicitLocOpBuilder &b, Value a, Value c) {
    auto product = arith::MulUIExtendedOp::create(b, a, c);
    Value zero = arith::ConstantIndexOp::create(b, 0);
    Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                       product.getHigh(), zero);
    return arith::SelectOp::create(b, fits, product.getLow(),
                                   arith::ConstantIndexOp::create(b, -1));
  }
  static Value sum(ImplicitLocOpBuilder &b, Value a, Value c) {
    Value total = arith::AddIOp::create(b, a, c);
    Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, total, a);
    return arith::SelectOp::create(b, fits, total,
                                   arith::ConstantIndexOp::create(b, -1));
  }

  /// Bytes of an allocation, rounded up to the alignment; null on failure.
  Value computeBytes(ImplicitLocOpBuilder &builder, EntryValues &values,
                     memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    int64_t elementBytes = llvm::divideCeil(
        type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth(),
        8);
    Value bytes = values.constant(elementBytes);
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      Value size = values.computeSize(alloc.getResult(), dim);
      if (!size) {
        alloc.emitOpError("expected a size that is bounded on entry of the "
                          "function, but dimension ")
            << dim << " of " << type
            << " depends on data; bound it by a minimum "
               "[moe-plan-memory-unbounded]";
        return Value();
      }
      bytes = multiply(builder, bytes, size);
    }
    Value padded = sum(builder, bytes, values.constant(kAlignment - 1));
    Value rest =
        arith::RemUIOp::create(builder, padded, values.constant(kAlignment));
    return arith::SubIOp::create(builder, padded, rest);
  }

  /// The sizes and index values of a call's operands that @callee.workspace
  /// takes; false (with an error) if one is not known on entry.
  bool computeCallSizes(EntryValues &values, func::CallOp call,
                        SmallVectorImpl<Value> &sizes) {
    Value unknown = values.appendSizes(call.getOperands(), sizes);
    if (unknown)
      call.emitOpError("expected the sizes of its operands to be bounded on "
                       "entry of the function, but those of a ")
          << unknown.getType() << " depend on data "
          << "[moe-plan-memory-call]";
    return !unknown;
  }

  /// func private @f.workspace(sizes...) -> index
  LogicalResult createSizeFunction(func::FuncOp function, FunctionPlan &plan) {
    ImplicitLocOpBuilder builder(function.getLoc(), &getContext());
    func::FuncOp size = moe::createSizesFunction(
        builder, *symbols, function, "workspace", builder.getIndexType());
    EntryValues values = moe::getValuesInSizesFunction(
        builder, function, size, EntryValues::Mode::UpperBound);
    Value total = values.constant(0);
    for (memref::AllocOp alloc : plan.allocs) {
      Value bytes = computeBytes(builder, values, alloc);
      if (!bytes)
        return failure();
      total = sum(builder, total, bytes);
    }
    Value largest = values.constant(0);
    for (func::CallOp call : plan.calls) {
      SmallVector<Value> sizes;
      if (!computeCallSizes(values, call, sizes))
        return failure();
      auto callee = symbols->lookup<func::FuncOp>(call.getCallee());
      Value needed = func::CallOp::create(
                         builder, plans.lookup(callee).sizeFunction, sizes)
                         .getResult(0);
      largest = arith::MaxUIOp::create(builder, largest, needed);
    }
    total = sum(builder, total, largest);
    func::ReturnOp::create(builder, total);
    plan.sizeFunction = size;
    return success();
  }

  LogicalResult rewrite(func::FuncOp function, FunctionPlan &plan) {
    auto bytesType = MemRefType::get({ShapedType::kDynamic},
                                     IntegerType::get(&getContext(), 8));
    unsigned index = function.getNumArguments();
    if (failed(function.insertArgument(index, bytesType,
                                       DictionaryAttr::get(&getContext()),
                                       function.getLoc())))
      return failure();
    Value workspace = function.getArgument(index);
    Block &body = function.getBody().front();
    ImplicitLocOpBuilder builder(function.getLoc(), &getContext());
    builder.setInsertionPointToStart(&body);
    EntryValues values(
        builder, body, EntryValues::Mode::UpperBound,
        [&](BlockArgument argument, int64_t dim) -> Value {
          return memref::DimOp::create(builder, argument, dim);
        },
        [](BlockArgument argument) -> Value {
          return argument.getType().isIndex() ? argument : Value();
        });
    Value offset = values.constant(0);
    SmallVector<Value> offsets;
    for (memref::AllocOp alloc : plan.allocs) {
      offsets.push_back(offset);
      offset = arith::AddIOp::create(builder, offset,
                                     computeBytes(builder, values, alloc));
    }
    Value rest;
    if (!plan.calls.empty()) {
      Value size = memref::DimOp::create(builder, workspace, 0);
      Value left = arith::SubIOp::create(builder, size, offset);
      rest = memref::ViewOp::create(builder, bytesType, workspace, offset,
                                    ValueRange{left});
    }
    for (auto [alloc, place] : llvm::zip_equal(plan.allocs, offsets)) {
      builder.setInsertionPoint(alloc);
      auto view =
          memref::ViewOp::create(builder, alloc.getLoc(), alloc.getType(),
                                 workspace, place, alloc.getDynamicSizes());
      alloc.replaceAllUsesWith(view.getResult());
      alloc.erase();
      ++numPlaced;
    }
    for (func::CallOp call : plan.calls)
      call.getOperandsMutable().append(rest);
    function->setAttr(moe::attr::kWorkspace,
                      FlatSymbolRefAttr::get(plan.sizeFunction));
    return success();
  }

  SymbolTable *symbols = nullptr;
  DenseMap<func::FuncOp, FunctionPlan> plans;
};

} // namespace
