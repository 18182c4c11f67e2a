//===- InlineFreshResults.cpp - Functions that return new buffers
//----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Transforms/Inliner.h"
#include "mlir/Transforms/InliningUtils.h"

namespace mlir::moe {
#define GEN_PASS_DEF_INLINEFRESHRESULTSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

namespace {

/// The value whose buffer `value` takes over, one step back; null if `value`
/// is a new buffer, or this is not known.
Value getDestination(Value value) {
  auto result = dyn_cast<OpResult>(value);
  if (!result)
    return Value();
  Operation *op = result.getOwner();
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return destination.getTiedOpOperand(result)->get();
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return cast.getSource();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return loop.getInitArgs()[result.getResultNumber()];
  return Value();
}

/// True if `value` ends up in the buffer of an argument of its function.
bool isInArgument(Value value, Block &entry) {
  while (value && !isa<BlockArgument>(value))
    value = getDestination(value);
  return value && cast<BlockArgument>(value).getOwner() == &entry;
}

/// True if some result of `function` is a tensor in a buffer of its own.
bool returnsFreshBuffer(func::FuncOp function) {
  if (function.isExternal() || !llvm::hasSingleElement(function.getBody()))
    return false;
  Block &body = function.getBody().front();
  return llvm::any_of(body.getTerminator()->getOperands(), [&](Value value) {
    return isa<TensorType>(value.getType()) && !isInArgument(value, body);
  });
}

struct InlineFreshResultsPass
    : public moe::impl::InlineFreshResultsPassBase<InlineFreshResultsPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    InlinerInterface interface(&getContext());
    // Inlining brings in the calls of the callee: repeat until none is left. A
    // function that calls itself is left to memory planning, which says so.
    SmallPtrSet<Operation *, 8> inlined;
    bool changed = true;
    while (changed) {
      changed = false;
      SmallVector<func::CallOp> calls;
      getOperation()->walk([&](func::CallOp call) { calls.push_back(call); });
      for (func::CallOp call : calls) {
        auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
        auto caller = call->getParentOfType<func::FuncOp>();
        if (!callee || !callee.isPrivate() || callee == caller ||
            !returnsFreshBuffer(callee) || callsItself(callee, symbols))
          continue;
        if (failed(inlineCall(interface, InlinerConfig().getCloneCallback(),
                              call, callee, &callee.getBody())))
          continue;
        call.erase();
        inlined.insert(callee);
        ++numInlined;
        changed = true;
      }
    }
    for (Operation *function : inlined)
      if (SymbolTable::symbolKnownUseEmpty(function, getOperation()))
        symbols.erase(function);
  }

private:
  /// True if a chain of calls leads from `function` back to it.
  static bool callsItself(func::FuncOp function, SymbolTable &symbols) {
    SmallVector<func::FuncOp> pending = {function};
    SmallPtrSet<Operation *, 8> seen;
    while (!pending.empty()) {
      WalkResult result = pending.pop_back_val().walk([&](func::CallOp call) {
        auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
        if (callee == function)
          return WalkResult::interrupt();
        if (callee && seen.insert(callee).second)
          pending.push_back(callee);
        return WalkResult::advance();
      });
      if (result.wasInterrupted())
        return true;
    }
    return false;
  }
};

} // namespace
