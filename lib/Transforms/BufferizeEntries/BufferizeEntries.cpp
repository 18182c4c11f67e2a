//===- BufferizeEntries.cpp - Entry functions take buffers
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/FormatVariadic.h"

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

//===----------------------------------------------------------------------===//
// Ranges of expert ids
//===----------------------------------------------------------------------===//

/// Where the elements of `use` go on from there, unchanged; null if nowhere.
Value followElements(OpOperand &use, SymbolTable &symbols) {
  Operation *op = use.getOwner();
  if (isa<tensor::CastOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op) ||
      (isa<tensor::ExtractSliceOp>(op) && use.getOperandNumber() == 0))
    return op->getResult(0);
  auto router = dyn_cast<RouterOp>(op);
  if (router && use.get() == router.getTable())
    return router->getResult(1);
  auto call = dyn_cast<func::CallOp>(op);
  auto callee =
      call ? symbols.lookup<func::FuncOp>(call.getCallee()) : func::FuncOp();
  if (callee && !callee.isExternal())
    return callee.getArgument(use.getOperandNumber());
  return Value();
}

/// The number of experts if `use` takes their ids.
std::optional<int64_t> getNumExperts(OpOperand &use) {
  auto router = dyn_cast<RouterOp>(use.getOwner());
  if (router && use.get() == router.getTable())
    return router.getNumExperts();
  auto plan = dyn_cast<PlanOp>(use.getOwner());
  if (plan && use.get() == plan.getIds())
    return plan.getNumExperts();
  auto loss = dyn_cast<AuxLossOp>(use.getOwner());
  if (loss && use.get() == loss.getIds())
    return loss.getNumExperts();
  return std::nullopt;
}

/// The smallest number of experts that elements of `argument` are an id of.
std::optional<int64_t> findNumExperts(BlockArgument argument,
                                      SymbolTable &symbols) {
  std::optional<int64_t> least;
  llvm::SetVector<Value> values;
  values.insert(argument);
  for (size_t i = 0; i < values.size(); ++i)
    for (OpOperand &use : values[i].getUses()) {
      if (std::optional<int64_t> experts = getNumExperts(use))
        least = std::min(least.value_or(*experts), *experts);
      if (Value next = followElements(use, symbols))
        values.insert(next);
    }
  return least;
}

/// An argument that holds expert ids has the range of ids, -1 for none.
void limitToExperts(func::FuncOp function, SymbolTable &symbols) {
  Builder builder(function.getContext());
  for (BlockArgument argument : function.getArguments()) {
    std::optional<int64_t> experts = findNumExperts(argument, symbols);
    if (!experts)
      continue;
    int64_t lower = -1, upper = *experts;
    unsigned i = argument.getArgNumber();
    if (auto stated = function.getArgAttrOfType<ArrayAttr>(i, attr::kRange)) {
      lower = std::max(lower, cast<IntegerAttr>(stated[0]).getInt());
      upper = std::min(upper, cast<IntegerAttr>(stated[1]).getInt());
    }
    function.setArgAttr(i, attr::kRange,
                        builder.getI64ArrayAttr({lower, upper}));
  }
}

//===----------------------------------------------------------------------===//
// One entry
//===----------------------------------------------------------------------===//

/// Replaces the tensors in the signature of an entry by buffers.
class EntryLowering {
public:
  explicit EntryLowering(func::FuncOp function)
      : function(function), body(function.getBody().front()),
        builder(function.getLoc(), function) {}

  void run() {
    size_t numInputs = function.getNumArguments();
    lowerArguments();
    lowerResults();
    // Keep what the signature was, for the ABI.
    auto inputs = builder.getArrayAttr(
        ArrayRef<Attribute>(arguments).take_front(numInputs));
    function->setAttr(
        attr::kEntry,
        builder.getDictionaryAttr(
            {builder.getNamedAttr("inputs", inputs),
             builder.getNamedAttr("results", builder.getArrayAttr(results))}));
    function.removeResAttrsAttr();
    function.removeArgAttrsAttr();
    function.setType(
        FunctionType::get(function.getContext(), body.getArgumentTypes(), {}));
  }

private:
  /// Arguments: a memref, seen as a tensor inside.
  void lowerArguments() {
    builder.setInsertionPointToStart(&body);
    SmallVector<bool> written(function.getNumArguments(), false);
    for (unsigned i = 0, e = function.getNumResults(); i < e; ++i)
      if (auto tied = getTiedArgument(function, i))
        written[*tied] = true;
    for (BlockArgument argument : body.getArguments()) {
      unsigned i = argument.getArgNumber();
      DictionaryAttr attributes = function.getArgAttrDict(i);
      arguments.push_back(attributes ? attributes
                                     : builder.getDictionaryAttr({}));
      tensors.push_back(argument);
      auto tensor = dyn_cast<RankedTensorType>(argument.getType());
      if (!tensor)
        continue;
      argument.setType(toBuffer(tensor));
      auto value = bufferization::ToTensorOp::create(builder, tensor, argument,
                                                     /*restrict=*/true,
                                                     /*writable=*/written[i]);
      argument.replaceAllUsesExcept(value.getResult(), value);
      tensors[i] = value;
    }
  }

  /// Results: written to the tied argument or to a new one. One-shot
  /// bufferization does not see that a memref is written, so these writes come
  /// last; that a tied argument changes it sees as a copy to its tensor, which
  /// costs nothing where the result is computed in place.
  void lowerResults() {
    Operation *terminator = body.getTerminator();
    builder.setInsertionPoint(terminator);
    SmallVector<std::pair<unsigned, unsigned>> tiedResults;
    for (unsigned i = 0, e = function.getNumResults(); i < e; ++i) {
      Value result = terminator->getOperand(i);
      DictionaryAttr attributes = function.getResultAttrDict(i);
      if (std::optional<unsigned> tied = getTiedArgument(function, i)) {
        results.push_back(attributes);
        tiedResults.emplace_back(i, *tied);
        continue;
      }
      results.push_back(withoutTied(attributes, function.getContext()));
      Value buffer = body.addArgument(
          toBuffer(cast<RankedTensorType>(result.getType())), builder.getLoc());
      assertSizes(i, result, buffer);
      write(result, buffer);
    }
    for (auto [i, argument] : tiedResults)
      assertSizes(i, terminator->getOperand(i), body.getArgument(argument));
    for (auto [i, argument] : tiedResults)
      terminator->setOperand(
          i, linalg::CopyOp::create(builder, terminator->getOperand(i),
                                    tensors[argument])
                 .getResult(0));
    for (auto [i, argument] : tiedResults)
      write(terminator->getOperand(i), body.getArgument(argument));
    terminator->eraseOperands(0, terminator->getNumOperands());
  }

  /// Callers make a buffer of the size that the signature says; the result must
  /// have no other, or it would be written past the buffer's end.
  void assertSizes(unsigned index, Value result, Value buffer) {
    auto type = cast<RankedTensorType>(result.getType());
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (!type.isDynamicDim(dim))
        continue;
      Value size = tensor::DimOp::create(builder, result, dim);
      Value expected = memref::DimOp::create(builder, buffer, dim);
      Value isEqual = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq,
                                            size, expected);
      std::string message =
          llvm::formatv("the size of result {0} in dimension {1} is not what "
                        "its 'moe.shape' says; correct the shape "
                        "[moe-entry-result-size]",
                        index, dim);
      cf::AssertOp::create(builder, isEqual, message);
    }
  }

  void write(Value tensor, Value buffer) {
    bufferization::MaterializeInDestinationOp::create(
        builder, /*result=*/Type(), tensor, buffer, /*restrict=*/true,
        /*writable=*/true);
  }

  func::FuncOp function;
  Block &body;
  ImplicitLocOpBuilder builder;
  SmallVector<Value> tensors; ///< the arguments, as the body sees them
  SmallVector<Attribute> arguments, results; ///< their attributes
};

struct BufferizeEntriesPass
    : public moe::impl::BufferizeEntriesPassBase<BufferizeEntriesPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!function.isPublic() || function.isExternal() ||
          function->hasAttr(attr::kEntry) || !hasTensors(function))
        continue;
      if (failed(check(function)))
        return signalPassFailure();
      limitToExperts(function, symbols);
      EntryLowering(function).run();
    }
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
    return checkSizes(function);
  }

  /// Where two sizes are dynamic, the runtime must know which of them agree:
  /// the body may rely on it.
  static LogicalResult checkSizes(func::FuncOp function) {
    int64_t numDynamic = 0;
    for (Type type : function.getArgumentTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        numDynamic += tensor.getNumDynamicDims();
    if (numDynamic < 2)
      return success();
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (tensor && !tensor.hasStaticShape() &&
          !function.getArgAttr(i, attr::kShape))
        return function.emitError("expected 'moe.shape' on argument ")
               << i << " of type " << type << ", since the entry has "
               << numDynamic
               << " dynamic sizes; name them, equal ones alike "
                  "[moe-bufferize-entries-shape]";
    }
    return success();
  }
};

} // namespace
