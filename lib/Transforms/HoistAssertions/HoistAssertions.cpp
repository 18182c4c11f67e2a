//===- HoistAssertions.cpp - Assertions are checked on entry
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For each function f that asserts something, directly or in its callees,
// @f.checks(sizes of f's arguments) returns the number of the first message
// that applies, or 0. Messages are numbered from 1 in the module's
// `moe.messages`.
//
// What cannot be checked on entry is an error: an assertion that stays becomes
// a call of abort.
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/CalleesFirst.h"
#include "MoE/Transforms/Utils/EntryValues.h"
#include "MoE/Transforms/Utils/RoutingOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <set>

namespace mlir::moe {
#define GEN_PASS_DEF_HOISTASSERTIONSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using mlir::moe::EntryValues;

namespace {

/// The texts of `moe.messages`.
class Messages {
public:
  explicit Messages(ModuleOp module) : module(module) {
    if (auto attribute = module->getAttrOfType<ArrayAttr>(moe::attr::kMessages))
      for (Attribute text : attribute)
        add(text);
  }

  /// Every error ends in a tag, also those that were written without.
  int64_t getNumber(StringAttr text) {
    if (!hasTag(text.getValue()))
      text =
          StringAttr::get(text.getContext(), text.str() + " [moe-assertion]");
    return add(text);
  }

  void write() {
    if (!texts.empty())
      module->setAttr(moe::attr::kMessages,
                      ArrayAttr::get(module.getContext(), texts));
  }

private:
  static bool hasTag(StringRef text) {
    return text.ends_with("]") && text.contains("[moe-");
  }

  int64_t add(Attribute text) {
    auto [it, inserted] = numbers.try_emplace(text, texts.size() + 1);
    if (inserted)
      texts.push_back(text);
    return it->second;
  }

  ModuleOp module;
  SmallVector<Attribute> texts;
  DenseMap<Attribute, int64_t> numbers;
};

class HoistAssertionsPass
    : public moe::impl::HoistAssertionsPassBase<HoistAssertionsPass> {
public:
  void runOnOperation() override {
    if (failed(hoistAll()))
      signalPassFailure();
  }

private:
  LogicalResult hoistAll() {
    ModuleOp module = getOperation();
    SymbolTable table(module);
    SymbolTableCollection tables;
    SymbolUserMap users(tables, module);
    Messages texts(module);
    symbols = &table;
    messages = &texts;
    checks.clear();
    hoisted.clear();
    written.clear();
    for (auto [function, isRecursive] : moe::getCalleesFirst(module))
      if (function->getParentOp() == module &&
          failed(hoist(function, isRecursive)))
        return failure();
    for (func::FuncOp function : hoisted)
      if (failed(checkCallers(function, users.getUsers(function))))
        return failure();
    texts.write();
    return checkNoneLeft(module);
  }

  LogicalResult hoist(func::FuncOp function, bool isRecursive) {
    if (auto name =
            function->getAttrOfType<FlatSymbolRefAttr>(moe::attr::kChecks)) {
      written.insert(function); // as far as is known
      checks[function] = symbols->lookup<func::FuncOp>(name.getAttr());
      if (!checks[function])
        return function.emitError("expected a function ")
               << name << ", which '" << moe::attr::kChecks
               << "' names, but found none [moe-hoist-assertions-missing]";
      return success(); // hoisted before
    }
    SmallVector<Operation *> asserting = collect(function);
    if (asserting.empty())
      return success();
    if (isRecursive)
      return function.emitError("expected no recursion, but got a function "
                                "with assertions that calls itself "
                                "[moe-hoist-assertions-recursion]");
    if (llvm::any_of(asserting, [&](Operation *op) { return isWritten(op); }))
      written.insert(function);
    for (Operation *op : asserting)
      if (isWritten(op) && op->getBlock() != &function.getBody().front())
        return op->emitOpError("asserts in a loop or a branch, where it cannot "
                               "be checked on entry; move it to the body of "
                               "its function [moe-hoist-assertions-nested]");
    return createChecks(function, asserting);
  }

  /// Whether a module asserts something of its own in `op`, which holds where
  /// it stands. What the compiler asserts of sizes must hold wherever it is.
  bool isWritten(Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op))
      return written.contains(getCallee(call));
    return !moe::assertsSlots(cast<cf::AssertOp>(op));
  }

  /// The assertions of a function and its calls of functions that have some, in
  /// program order.
  SmallVector<Operation *> collect(func::FuncOp function) {
    SmallVector<Operation *> asserting;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      auto call = dyn_cast<func::CallOp>(op);
      if (isa<cf::AssertOp>(op) || (call && checks.contains(getCallee(call))))
        asserting.push_back(op);
    });
    return asserting;
  }

  func::FuncOp getCallee(func::CallOp call) {
    return symbols->lookup<func::FuncOp>(call.getCallee());
  }

  /// func private @f.checks(sizes...) -> index
  LogicalResult createChecks(func::FuncOp function,
                             ArrayRef<Operation *> asserting) {
    ImplicitLocOpBuilder b(function.getLoc(), &getContext());
    func::FuncOp created = moe::createSizesFunction(b, *symbols, function,
                                                    "checks", b.getIndexType());
    EntryValues values = moe::getValuesInSizesFunction(
        b, function, created, EntryValues::Mode::Exact);
    std::set<Check> seen;
    Value zero = values.constant(0);
    Value first = zero;
    for (Operation *op : asserting) {
      SmallVector<Value> operands;
      if (failed(computeOperands(op, values, operands)))
        return failure();
      // Layers that share a function ask it the same again and again.
      if (seen.insert(describe(op, operands)).second) {
        Value next = emitCheck(b, op, operands);
        Value passed =
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, first, zero);
        first = arith::SelectOp::create(b, passed, next, first);
      }
    }
    func::ReturnOp::create(b, first);
    for (Operation *op : asserting)
      if (isa<cf::AssertOp>(op)) {
        op->erase();
        ++numHoisted;
      }
    function->setAttr(moe::attr::kChecks, FlatSymbolRefAttr::get(created));
    checks[function] = created;
    hoisted.insert(function);
    return success();
  }

  /// What a check depends on, inside @f.checks.
  LogicalResult computeOperands(Operation *op, EntryValues &values,
                                SmallVectorImpl<Value> &operands) {
    if (auto assertion = dyn_cast<cf::AssertOp>(op)) {
      operands.push_back(values.compute(assertion.getArg()));
      if (operands.back())
        return success();
      return op->emitOpError("expected a condition on the sizes and index "
                             "values of the function's arguments, but it "
                             "depends on data; check that before the call "
                             "[moe-hoist-assertions-data]");
    }
    Value unknown = values.appendSizes(op->getOperands(), operands);
    if (!unknown)
      return success();
    return op->emitOpError("calls a function with assertions; expected the "
                           "sizes of its operands to be known on entry, but "
                           "those of a ")
           << unknown.getType()
           << " depend on data [moe-hoist-assertions-call]";
  }

  /// Equal checks have equal descriptions: the message or the callee, and what
  /// it depends on.
  using Check = std::pair<const void *, std::vector<const void *>>;
  Check describe(Operation *op, ArrayRef<Value> operands) {
    Check check;
    if (auto assertion = dyn_cast<cf::AssertOp>(op))
      check.first = assertion.getMsgAttr().getAsOpaquePointer();
    else
      check.first = getCallee(cast<func::CallOp>(op)).getOperation();
    for (Value operand : operands)
      check.second.push_back(operand.getAsOpaquePointer());
    return check;
  }

  /// The number of the message that applies, 0 if none does.
  Value emitCheck(ImplicitLocOpBuilder &b, Operation *op,
                  ArrayRef<Value> operands) {
    if (auto call = dyn_cast<func::CallOp>(op))
      return func::CallOp::create(b, checks.lookup(getCallee(call)), operands)
          .getResult(0);
    StringAttr text = cast<cf::AssertOp>(op).getMsgAttr();
    Value zero = arith::ConstantIndexOp::create(b, 0);
    Value number = arith::ConstantIndexOp::create(b, messages->getNumber(text));
    return arith::SelectOp::create(b, operands.front(), zero, number);
  }

  /// Somebody must evaluate the checks of a function before it runs: @g.checks
  /// of its callers g, or the C function of an entry.
  LogicalResult checkCallers(func::FuncOp function,
                             ArrayRef<Operation *> users) {
    for (Operation *user : users) {
      auto caller = user->getParentOfType<func::FuncOp>();
      if (!isa<func::CallOp>(user) || !hoisted.contains(caller))
        return user->emitOpError("refers to '")
               << function.getName()
               << "', which has assertions; expected only calls from "
                  "functions whose assertions are hoisted with it "
                  "[moe-hoist-assertions-use]";
    }
    if (function.isPublic() && !function->hasAttr(moe::attr::kEntry))
      return function.emitError(
          "expected a public function with assertions to be an entry, whose C "
          "function checks them; give it tensors or make it private "
          "[moe-hoist-assertions-public]");
    return success();
  }

  LogicalResult checkNoneLeft(ModuleOp module) {
    WalkResult result = module.walk([](cf::AssertOp op) {
      op.emitOpError("expected to be in a function of the outermost module "
                     "that was not hoisted before [moe-hoist-assertions-left]");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  SymbolTable *symbols = nullptr;
  Messages *messages = nullptr;
  DenseMap<func::FuncOp, func::FuncOp> checks; ///< f -> @f.checks
  llvm::SetVector<func::FuncOp> hoisted;       ///< in this run
  DenseSet<func::FuncOp> written; ///< have assertions that a module states
};

} // namespace
