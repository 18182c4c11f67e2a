//===- HoistResults.cpp - Callers provide the buffers of results
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A buffer that a private function returns is one of three:
//   * an argument: callers have it already, the result goes;
//   * an allocation of the function: callers make it, at a size that they
//     compute from the arguments as the function would have done;
//   * anything else, such as a weight or a part of an argument: callers make a
//     buffer and the function copies the result there. That bufferization takes
//     call results for new memory, which it may write to, is then true.
// Callees come before their callers, so that what they hand up goes on from
// there.
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/CalleesFirst.h"
#include "MoE/Transforms/Utils/EntryValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_HOISTRESULTSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

Value getBuffer(Value value);

/// True if every iteration of `loop` hands on what it carries at `index`.
bool keeps(scf::ForOp loop, unsigned index) {
  return getBuffer(loop.getYieldedValues()[index]) ==
         loop.getRegionIterArg(index);
}

/// The buffer that `value` is, seen through casts and loops that keep it.
Value getBuffer(Value value) {
  while (auto result = dyn_cast<OpResult>(value)) {
    auto view = dyn_cast<memref::CastOp>(result.getOwner());
    auto loop = dyn_cast<scf::ForOp>(result.getOwner());
    if (view)
      value = view.getSource();
    else if (loop && keeps(loop, result.getResultNumber()))
      value = loop.getInitArgs()[result.getResultNumber()];
    else
      break;
  }
  return value;
}

/// The results of one function and what becomes of them.
class FunctionResults {
public:
  FunctionResults(func::FuncOp function, ArrayRef<func::CallOp> calls)
      : function(function), body(function.getBody().front()),
        terminator(body.getTerminator()), calls(calls) {
    numArguments = body.getNumArguments();
    for (Value operand : terminator->getOperands())
      buffers.push_back(isa<MemRefType>(operand.getType()) ? getBuffer(operand)
                                                           : Value());
  }

  LogicalResult run(llvm::Statistic &numDropped, llvm::Statistic &numHoisted) {
    for (func::CallOp call : calls)
      if (failed(rewriteCall(call)))
        return failure();
    llvm::BitVector removed(buffers.size());
    for (size_t i = 0; i < buffers.size(); ++i) {
      removed[i] = static_cast<bool>(buffers[i]);
      if (!buffers[i])
        continue;
      ++(isArgument(i) ? numDropped : numHoisted);
      if (!isArgument(i) && failed(write(i)))
        return failure();
    }
    terminator->eraseOperands(removed);
    for (memref::AllocOp alloc : replaced)
      alloc.erase();
    return function.eraseResults(removed);
  }

private:
  /// True if result `i` is a buffer that the callers passed.
  bool isArgument(size_t i) const {
    auto argument = dyn_cast<BlockArgument>(buffers[i]);
    return argument && argument.getOwner() == &body &&
           argument.getArgNumber() < numArguments;
  }

  LogicalResult rewriteCall(func::CallOp call) {
    ImplicitLocOpBuilder b(call.getLoc(), call);
    // Values of the function, computed in front of the call.
    EntryValues values(
        b, body, EntryValues::Mode::Exact,
        [&](BlockArgument argument, int64_t dim) -> Value {
          Value operand = call.getOperand(argument.getArgNumber());
          return memref::DimOp::create(b, operand, dim);
        },
        [&](BlockArgument argument) -> Value {
          return call.getOperand(argument.getArgNumber());
        });
    SmallVector<Value> operands(call.getOperands()), replacements;
    SmallVector<Type> types;
    for (size_t i = 0; i < buffers.size(); ++i) {
      Type type = call.getResult(i).getType();
      if (!buffers[i]) {
        types.push_back(type);
        replacements.push_back(Value());
      } else if (isArgument(i)) {
        auto argument = cast<BlockArgument>(buffers[i]);
        replacements.push_back(
            castTo(b, call.getOperand(argument.getArgNumber()), type));
      } else {
        Value buffer = allocate(b, values, i);
        if (!buffer)
          return failure();
        operands.push_back(buffer);
        replacements.push_back(buffer);
      }
    }
    auto changed = func::CallOp::create(b, call.getCallee(), types, operands);
    changed->setDiscardableAttrs(call->getDiscardableAttrDictionary());
    unsigned next = 0;
    for (auto [result, replacement] :
         llvm::zip_equal(call.getResults(), replacements))
      result.replaceAllUsesWith(replacement ? replacement
                                            : changed.getResult(next++));
    call.erase();
    return success();
  }

  /// A buffer for result `i` in front of a call; null on failure.
  Value allocate(ImplicitLocOpBuilder &b, EntryValues &values, size_t i) {
    auto type = cast<MemRefType>(terminator->getOperand(i).getType());
    SmallVector<Value> dynamic;
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (!type.isDynamicDim(dim))
        continue;
      dynamic.push_back(values.computeSize(buffers[i], dim));
      if (!dynamic.back()) {
        function.emitError("expected sizes of results that follow from the "
                           "arguments, but dimension ")
            << dim << " of result " << i << ", " << type
            << ", depends on data; bound it, or pass the destination as an "
               "argument that the result is written to "
               "[moe-hoist-results-size]";
        return Value();
      }
    }
    auto alloc = buffers[i].getDefiningOp<memref::AllocOp>();
    return memref::AllocOp::create(
        b, type, dynamic, alloc ? alloc.getAlignmentAttr() : IntegerAttr());
  }

  /// Has result `i` computed in, or copied to, a new argument.
  LogicalResult write(size_t i) {
    unsigned index = function.getNumArguments();
    if (failed(function.insertArgument(
            index, terminator->getOperand(i).getType(),
            DictionaryAttr::get(function.getContext()), function.getLoc())))
      return failure();
    Value place = function.getArgument(index);
    ImplicitLocOpBuilder b(function.getLoc(), terminator);
    auto alloc = buffers[i].getDefiningOp<memref::AllocOp>();
    if (!alloc || alloc->getBlock() != &body || !replaced.insert(alloc)) {
      memref::CopyOp::create(b, terminator->getOperand(i), place);
      return success();
    }
    b.setInsertionPoint(alloc);
    alloc.getResult().replaceAllUsesWith(castTo(b, place, alloc.getType()));
    return success();
  }

  static Value castTo(ImplicitLocOpBuilder &b, Value buffer, Type type) {
    if (buffer.getType() == type)
      return buffer;
    return memref::CastOp::create(b, type, buffer);
  }

  func::FuncOp function;
  Block &body;
  Operation *terminator;
  ArrayRef<func::CallOp> calls;
  unsigned numArguments;
  /// For each result the buffer that it is; null where it is none.
  SmallVector<Value> buffers;
  /// Allocations in whose place there is an argument.
  llvm::SetVector<memref::AllocOp> replaced;
};

struct HoistResultsPass
    : public moe::impl::HoistResultsPassBase<HoistResultsPass> {
  void runOnOperation() override {
    for (auto [function, isRecursive] : getCalleesFirst(getOperation()))
      if (!isRecursive && failed(hoist(function)))
        return signalPassFailure();
  }

private:
  LogicalResult hoist(func::FuncOp function) {
    auto isDense = [](Type type) {
      auto memref = dyn_cast<MemRefType>(type);
      return !memref || memref.getLayout().isIdentity();
    };
    if (!function.isPrivate() || !llvm::hasSingleElement(function.getBody()) ||
        llvm::none_of(function.getResultTypes(), llvm::IsaPred<MemRefType>) ||
        !llvm::all_of(function.getResultTypes(), isDense))
      return success();
    auto uses = SymbolTable::getSymbolUses(function, getOperation());
    if (!uses)
      return success();
    SmallVector<func::CallOp> calls;
    for (SymbolTable::SymbolUse use : *uses) {
      auto call = dyn_cast<func::CallOp>(use.getUser());
      if (!call)
        return success();
      calls.push_back(call);
    }
    return FunctionResults(function, calls).run(numDropped, numHoisted);
  }
};

} // namespace
