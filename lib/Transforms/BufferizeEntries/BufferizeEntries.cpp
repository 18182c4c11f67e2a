//===- BufferizeEntries.cpp - Entry functions take buffers
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"

namespace mlir::moe {
#define GEN_PASS_DEF_BUFFERIZEENTRIESPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

MemRefType toBuffer(RankedTensorType type) {
  return MemRefType::get(type.getShape(), type.getElementType());
}

/// The argument that holds result `index`, or none.
std::optional<unsigned> getTiedArgument(func::FuncOp function, unsigned index) {
  auto tied = function.getResultAttrOfType<IntegerAttr>(index, attr::kTied);
  if (!tied)
    return std::nullopt;
  return tied.getInt();
}

/// Attributes of a result, as those of the argument that replaces it.
DictionaryAttr withoutTied(DictionaryAttr attributes, MLIRContext *context) {
  if (!attributes)
    return DictionaryAttr::get(context);
  NamedAttrList list(attributes);
  list.erase(attr::kTied);
  return list.getDictionary(context);
}

struct BufferizeEntriesPass
    : public moe::impl::BufferizeEntriesPassBase<BufferizeEntriesPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.isPublic() && !function.isExternal() &&
          !function->hasAttr(attr::kEntry) && hasTensors(function) &&
          failed(lower(function)))
        return signalPassFailure();
  }

private:
  static bool hasTensors(func::FuncOp function) {
    return llvm::any_of(function.getArgumentTypes(),
                        llvm::IsaPred<TensorType>) ||
           llvm::any_of(function.getResultTypes(), llvm::IsaPred<TensorType>);
  }

  LogicalResult check(func::FuncOp function) {
    auto uses = SymbolTable::getSymbolUses(function, getOperation());
    if (!uses || !uses->empty())
      return function.emitError("expected a public function to be an entry "
                                "that nothing calls; make it private "
                                "[moe-bufferize-entries-called]");
    for (Type type : function.getArgumentTypes())
      if (!isa<RankedTensorType>(type) && !type.isIndex())
        return function.emitError("expected the arguments of an entry to be "
                                  "ranked tensors or indices, but got ")
               << type << " [moe-bufferize-entries-argument]";
    for (Type type : function.getResultTypes())
      if (!isa<RankedTensorType>(type))
        return function.emitError("expected the results of an entry to be "
                                  "ranked tensors, but got ")
               << type << " [moe-bufferize-entries-result]";
    if (!llvm::hasSingleElement(function.getBody()))
      return function.emitError("expected an entry of one block "
                                "[moe-bufferize-entries-blocks]");
    return success();
  }

  LogicalResult lower(func::FuncOp function) {
    if (failed(check(function)))
      return failure();
    MLIRContext *context = &getContext();
    Block &body = function.getBody().front();
    Operation *terminator = body.getTerminator();
    OpBuilder builder(context);
    Location loc = function.getLoc();
    unsigned numArguments = function.getNumArguments();

    SmallVector<bool> written(numArguments, false);
    for (unsigned i = 0, e = function.getNumResults(); i < e; ++i)
      if (auto tied = getTiedArgument(function, i))
        written[*tied] = true;

    // Arguments: a memref, seen as a tensor inside.
    builder.setInsertionPointToStart(&body);
    SmallVector<Type> types;
    for (unsigned i = 0; i < numArguments; ++i) {
      BlockArgument argument = body.getArgument(i);
      auto tensor = dyn_cast<RankedTensorType>(argument.getType());
      if (!tensor) {
        types.push_back(argument.getType());
        continue;
      }
      argument.setType(toBuffer(tensor));
      types.push_back(argument.getType());
      auto value = bufferization::ToTensorOp::create(
          builder, loc, tensor, argument, /*restrict=*/true,
          /*writable=*/written[i]);
      argument.replaceAllUsesExcept(value.getResult(), value);
    }

    // Results: written to the tied argument or to a new one.
    SmallVector<Attribute> arguments;
    for (unsigned i = 0; i < numArguments; ++i) {
      DictionaryAttr attributes = function.getArgAttrDict(i);
      arguments.push_back(attributes ? attributes
                                     : DictionaryAttr::get(context));
    }
    SmallVector<Attribute> results;
    builder.setInsertionPoint(terminator);
    for (unsigned i = 0, e = function.getNumResults(); i < e; ++i) {
      auto tensor = cast<RankedTensorType>(function.getResultTypes()[i]);
      std::optional<unsigned> tied = getTiedArgument(function, i);
      DictionaryAttr attributes = function.getResultAttrDict(i);
      Value destination;
      if (tied) {
        destination = body.getArgument(*tied);
        results.push_back(attributes);
      } else {
        destination = body.addArgument(toBuffer(tensor), loc);
        types.push_back(destination.getType());
        results.push_back(withoutTied(attributes, context));
        arguments.push_back(DictionaryAttr::get(context));
      }
      bufferization::MaterializeInDestinationOp::create(
          builder, loc, /*result=*/Type(), terminator->getOperand(i),
          destination, /*restrict=*/true, /*writable=*/true);
    }
    terminator->eraseOperands(0, terminator->getNumOperands());

    // Keep what the signature was, for the ABI.
    function->setAttr(
        attr::kEntry,
        builder.getDictionaryAttr(
            {builder.getNamedAttr(
                 "inputs", builder.getArrayAttr(
                               ArrayRef(arguments).take_front(numArguments))),
             builder.getNamedAttr("results", builder.getArrayAttr(results))}));
    function.removeResAttrsAttr();
    function.removeArgAttrsAttr();
    function.setType(FunctionType::get(context, types, {}));
    return success();
  }
};

} // namespace
