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
// from; where it depends on data, an operand of a minimum serves as a bound.
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Analysis/CallGraph.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/SCCIterator.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

namespace {

/// Every place in the workspace starts at a multiple of this many bytes.
constexpr int64_t kAlignment = 64;

/// Recomputes index values at the entry of a function, from its arguments.
class EntryValues {
public:
  /// `dim` gives the size of a dimension of a memref argument.
  using ArgumentSize = std::function<Value(BlockArgument, int64_t dim)>;
  /// `value` gives an index argument itself.
  using ArgumentValue = std::function<Value(BlockArgument)>;

  EntryValues(OpBuilder &builder, Block &entry, ArgumentSize argumentSize,
              ArgumentValue argumentValue)
      : builder(builder), entry(entry), argumentSize(std::move(argumentSize)),
        argumentValue(std::move(argumentValue)) {}

  /// `value`, or an upper bound of it; null if there is none on entry.
  Value compute(Value value) {
    auto [it, inserted] = known.try_emplace(value, Value());
    if (!inserted)
      return it->second;
    Value result = computeNew(value);
    known[value] = result;
    return result;
  }

  /// Size `dim` of `memref`, or an upper bound of it; null if there is none.
  Value computeSize(Value memref, int64_t dim) {
    auto type = cast<MemRefType>(memref.getType());
    if (!type.isDynamicDim(dim))
      return constant(type.getDimSize(dim));
    if (auto argument = dyn_cast<BlockArgument>(memref)) {
      if (argument.getOwner() == &entry)
        return argumentSize(argument, dim);
      auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
      if (loop && argument.getArgNumber() > 0)
        return computeSize(loop.getInitArgs()[argument.getArgNumber() - 1],
                           dim);
      return Value();
    }
    Operation *op = memref.getDefiningOp();
    if (auto alloc = dyn_cast<memref::AllocOp>(op))
      return compute(alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)]);
    if (auto cast = dyn_cast<memref::CastOp>(op))
      return computeSize(cast.getSource(), dim);
    if (auto subview = dyn_cast<memref::SubViewOp>(op))
      return computeSubviewSize(subview, dim);
    if (auto view = dyn_cast<memref::ReinterpretCastOp>(op))
      return compute(view.getSizes()[type.getDynamicDimIndex(dim)]);
    if (auto expand = dyn_cast<memref::ExpandShapeOp>(op))
      return compute(expand.getOutputShape()[type.getDynamicDimIndex(dim)]);
    if (auto collapse = dyn_cast<memref::CollapseShapeOp>(op)) {
      Value product;
      ReassociationIndices group = collapse.getReassociationIndices()[dim];
      for (int64_t source : group) {
        Value size = computeSize(collapse.getSrc(), source);
        if (!size)
          return Value();
        product = product ? arith::MulIOp::create(builder, loc(), product, size)
                                .getResult()
                          : size;
      }
      return product;
    }
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return computeSize(
          loop.getInitArgs()[cast<OpResult>(memref).getResultNumber()], dim);
    return Value();
  }

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc(), value);
  }

private:
  Location loc() { return entry.getParentOp()->getLoc(); }

  Value computeSubviewSize(memref::SubViewOp op, int64_t dim) {
    // A rank-reducing subview drops unit dimensions.
    llvm::SmallBitVector dropped = op.getDroppedDims();
    int64_t kept = -1;
    for (int64_t i = 0, e = op.getSourceType().getRank(); i < e; ++i) {
      if (dropped.test(i) || ++kept != dim)
        continue;
      OpFoldResult size = op.getMixedSizes()[i];
      if (auto value = dyn_cast<Value>(size))
        return compute(value);
      return constant(cast<IntegerAttr>(cast<Attribute>(size)).getInt());
    }
    return Value();
  }

  Value computeNew(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() == &entry)
        return argumentValue(argument);
      return Value();
    }
    Operation *op = value.getDefiningOp();
    if (auto dim = dyn_cast<memref::DimOp>(op)) {
      if (std::optional<int64_t> index = dim.getConstantIndex())
        return computeSize(dim.getSource(), *index);
      return Value();
    }
    // What may fail, such as a division, must not run where it would not have.
    if (!isPure(op) || op->getNumRegions() != 0 || op->getNumResults() != 1)
      return Value();

    IRMapping mapping;
    SmallVector<Value> computed;
    for (Value operand : op->getOperands()) {
      Value known = compute(operand);
      if (known) {
        mapping.map(operand, known);
        computed.push_back(known);
      }
    }
    if (computed.size() == op->getNumOperands())
      return builder.clone(*op, mapping)->getResult(0);
    // min(a, b) is at most a, whatever b is.
    if (isa<arith::MinSIOp, arith::MinUIOp>(op) && !computed.empty())
      return computed.front();
    return Value();
  }

  OpBuilder &builder;
  Block &entry;
  ArgumentSize argumentSize;
  ArgumentValue argumentValue;
  DenseMap<Value, Value> known;
};

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
    // Callees come first in the post order of the call graph.
    CallGraph graph(getOperation());
    for (auto scc = llvm::scc_begin(const_cast<const CallGraph *>(&graph));
         !scc.isAtEnd(); ++scc) {
      for (CallGraphNode *node : *scc) {
        if (node->isExternal())
          continue;
        auto function =
            dyn_cast<func::FuncOp>(node->getCallableRegion()->getParentOp());
        if (!function)
          continue;
        if (scc.hasCycle()) {
          function.emitError("expected no recursion, but got a function that "
                             "calls itself [moe-plan-memory-recursion]");
          return signalPassFailure();
        }
        if (failed(planFunction(function)))
          return signalPassFailure();
      }
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
    for (memref::AllocOp alloc : plan.allocs)
      if (failed(check(alloc)))
        return failure();
    if (!llvm::hasSingleElement(function.getBody()))
      return function.emitError("expected a function of one block "
                                "[moe-plan-memory-blocks]");
    if (failed(createSizeFunction(function, plan)))
      return failure();
    return rewrite(function, plan);
  }

  /// Allocations that have a place of their own: dense, of plain elements, and
  /// not handed from one iteration of a loop to the next.
  static LogicalResult check(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    if (!type.getLayout().isIdentity() ||
        !type.getElementType().isIntOrIndexOrFloat())
      return alloc.emitOpError("expected a dense buffer of integers or floats, "
                               "but got ")
             << type << " [moe-plan-memory-type]";
    if (alloc->getParentOfType<scf::ParallelOp>())
      return alloc.emitOpError(
          "expected no allocation in a parallel loop, whose "
          "iterations would share its place "
          "[moe-plan-memory-parallel]");
    for (Operation *user : alloc->getUsers())
      if (isa<scf::YieldOp>(user))
        return alloc.emitOpError("expected a buffer that does not leave its "
                                 "loop iteration or branch "
                                 "[moe-plan-memory-carried]");
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
    for (Value operand : call.getOperands()) {
      SmallVector<Value> needed;
      if (auto type = dyn_cast<MemRefType>(operand.getType())) {
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          if (type.isDynamicDim(dim))
            needed.push_back(values.computeSize(operand, dim));
      } else if (operand.getType().isIndex()) {
        needed.push_back(values.compute(operand));
      }
      for (Value value : needed) {
        if (!value) {
          call.emitOpError("expected the sizes of its operands to be bounded "
                           "on entry of the function, but those of a ")
              << operand.getType() << " depend on data "
              << "[moe-plan-memory-call]";
          return false;
        }
        sizes.push_back(value);
      }
    }
    return true;
  }

  /// func private @f.workspace(sizes...) -> index
  LogicalResult createSizeFunction(func::FuncOp function, FunctionPlan &plan) {
    MLIRContext *context = &getContext();
    Type index = IndexType::get(context);
    Block &body = function.getBody().front();
    DenseMap<std::pair<unsigned, int64_t>, unsigned> position;
    unsigned count = 0;
    for (BlockArgument argument : body.getArguments()) {
      if (auto type = dyn_cast<MemRefType>(argument.getType())) {
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          if (type.isDynamicDim(dim))
            position[{argument.getArgNumber(), dim}] = count++;
      } else if (argument.getType().isIndex()) {
        position[{argument.getArgNumber(), -1}] = count++;
      }
    }
    ImplicitLocOpBuilder builder(function.getLoc(), context);
    builder.setInsertionPoint(function);
    auto size = func::FuncOp::create(
        builder, (function.getName() + ".workspace").str(),
        FunctionType::get(context, SmallVector<Type>(count, index), index));
    size.setPrivate();
    symbols->insert(size);
    Block *entry = size.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    EntryValues values(
        builder, body,
        [&](BlockArgument argument, int64_t dim) -> Value {
          return entry->getArgument(
              position.at({argument.getArgNumber(), dim}));
        },
        [&](BlockArgument argument) -> Value {
          auto it = position.find({argument.getArgNumber(), -1});
          return it == position.end() ? Value()
                                      : Value(entry->getArgument(it->second));
        });
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
        builder, body,
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
