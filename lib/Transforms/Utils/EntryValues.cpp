//===- EntryValues.cpp - Values that are known on entry
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Utils/EntryValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::moe;

//===----------------------------------------------------------------------===//
// The order of computation
//===----------------------------------------------------------------------===//

namespace {
/// A question whose needs are being answered.
struct OpenQuestion {
  std::pair<Value, int64_t> question;
  SmallVector<std::pair<Value, int64_t>> needs;
  size_t next = 0; ///< the first need that was not asked yet
};
} // namespace

/// Depth first, without recursion: a chain of ops can be longer than the stack
/// is deep.
EntryValues::Answer EntryValues::answer(Question question) {
  SmallVector<OpenQuestion> open;
  auto ask = [&](Question asked) {
    // What is still open when it is asked again depends on itself (in a block
    // that nothing reaches) and stays unknown.
    if (known.try_emplace(asked).second)
      open.push_back({asked, getNeeds(asked)});
  };
  ask(question);
  while (!open.empty()) {
    OpenQuestion &top = open.back();
    if (top.next < top.needs.size()) {
      ask(top.needs[top.next++]);
      continue;
    }
    auto answers = llvm::map_to_vector(
        top.needs, [&](Question need) { return known.lookup(need); });
    known[top.question] = combine(top.question, answers);
    open.pop_back();
  }
  return known.lookup(question);
}

SmallVector<EntryValues::Question> EntryValues::getNeeds(Question question) {
  auto [value, dim] = question;
  if (getEntryArgument(value))
    return {};
  return dim == kItself ? getNeedsOfValue(value) : getNeedsOfSize(value, dim);
}

EntryValues::Answer EntryValues::combine(Question question,
                                         ArrayRef<Answer> answers) {
  auto [value, dim] = question;
  return dim == kItself ? combineValue(value, answers)
                        : combineSize(value, dim, answers);
}

BlockArgument EntryValues::getEntryArgument(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument && argument.getOwner() == &entry ? argument : BlockArgument();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Arithmetic on scalars. What may fail, such as a division, must not run where
/// it would not have.
static bool canClone(Operation *op) {
  return op->getNumResults() == 1 && op->getNumRegions() == 0 &&
         op->getResult(0).getType().isIntOrIndexOrFloat() && isPure(op);
}

SmallVector<EntryValues::Question> EntryValues::getNeedsOfValue(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> index = dim.getConstantIndex();
    // A negative dimension has no meaning, least of all that of kItself.
    if (!index || *index < 0)
      return {};
    return {{dim.getSource(), *index}};
  }
  SmallVector<Question> needs;
  if (canClone(op))
    for (Value operand : op->getOperands())
      needs.push_back({operand, kItself});
  return needs;
}

/// Whether `value` is never negative: a constant, or the size of something.
static bool isNonNegative(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.isNonNegative();
  return value.getDefiningOp<memref::DimOp>() != nullptr;
}

/// Whether `op` does not fall when the operands that are not exact grow: its
/// result of their upper bounds is then an upper bound.
static bool growsWithBounds(Operation *op, ArrayRef<bool> isExact) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<arith::AddIOp, arith::MinSIOp, arith::MinUIOp, arith::MaxSIOp,
            arith::MaxUIOp, arith::IndexCastOp>([](auto) { return true; })
      .Case([&](arith::SubIOp) { return isExact[1]; })
      .Case([&](arith::MulIOp mul) {
        return (isExact[0] || isNonNegative(mul.getRhs())) &&
               (isExact[1] || isNonNegative(mul.getLhs()));
      })
      .Case<arith::DivSIOp, arith::DivUIOp, arith::CeilDivSIOp,
            arith::CeilDivUIOp>(
          [&](auto div) { return isExact[1] && isNonNegative(div.getRhs()); })
      .Default(false);
}

EntryValues::Answer EntryValues::combineValue(Value value,
                                              ArrayRef<Answer> answers) {
  if (BlockArgument argument = getEntryArgument(value))
    return {argumentValue(argument)};
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (isa<memref::DimOp>(op))
    return answers.empty() ? Answer() : answers.front();
  if (!canClone(op))
    return {};
  auto isExact = llvm::map_to_vector(
      answers, [](Answer answer) { return answer.isExact; });
  bool allExact = llvm::all_of(isExact, [](bool exact) { return exact; });
  if (llvm::all_of(answers, [](Answer answer) { return answer.value; }) &&
      (allExact || growsWithBounds(op, isExact))) {
    IRMapping mapping;
    for (auto [operand, answer] : llvm::zip_equal(op->getOperands(), answers))
      mapping.map(operand, answer.value);
    return {builder.clone(*op, mapping)->getResult(0), allExact};
  }
  // min(a, b) is at most a, whatever b is.
  if (mode == Mode::UpperBound && isa<arith::MinSIOp, arith::MinUIOp>(op))
    return {answers[0].value ? answers[0].value : answers[1].value, false};
  return {};
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// The size of dimension `dim` of a subview; a rank-reducing one drops unit
/// dimensions.
static OpFoldResult getSubviewSize(memref::SubViewOp op, int64_t dim) {
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<OpFoldResult> sizes = op.getMixedSizes();
  for (auto [i, size] : llvm::enumerate(sizes))
    if (!dropped.test(i) && dim-- == 0)
      return size;
  return OpFoldResult();
}

/// True for sizes that a type with dimension `dim` leaves open.
static bool isDynamicSize(Value memref, int64_t dim) {
  auto type = dyn_cast<MemRefType>(memref.getType());
  return type && dim < type.getRank() && type.isDynamicDim(dim);
}

SmallVector<EntryValues::Question> EntryValues::getNeedsOfSize(Value memref,
                                                               int64_t dim) {
  using Questions = SmallVector<Question>;
  if (!isDynamicSize(memref, dim))
    return {};
  unsigned index = cast<MemRefType>(memref.getType()).getDynamicDimIndex(dim);
  // A loop may hand on buffers of any size.
  if (isa<BlockArgument>(memref))
    return {};
  return llvm::TypeSwitch<Operation *, Questions>(memref.getDefiningOp())
      .Case([&](memref::AllocOp op) -> Questions {
        return {{op.getDynamicSizes()[index], kItself}};
      })
      .Case([&](memref::ReinterpretCastOp op) -> Questions {
        return {{op.getSizes()[index], kItself}};
      })
      .Case([&](memref::ExpandShapeOp op) -> Questions {
        return {{op.getOutputShape()[index], kItself}};
      })
      .Case([&](memref::SubViewOp op) -> Questions {
        auto size = dyn_cast_or_null<Value>(getSubviewSize(op, dim));
        return size ? Questions{{size, kItself}} : Questions{};
      })
      .Case([&](memref::CastOp op) -> Questions {
        return {{op.getSource(), dim}};
      })
      .Case([&](arith::SelectOp op) -> Questions {
        return {{op.getTrueValue(), dim}, {op.getFalseValue(), dim}};
      })
      .Case([&](memref::CollapseShapeOp op) {
        Questions needs;
        SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
        for (int64_t source : groups[dim])
          needs.push_back({op.getSrc(), source});
        return needs;
      })
      .Default(Questions{});
}

/// The product of the answers; only a collapsed dimension needs several.
EntryValues::Answer EntryValues::combineSize(Value memref, int64_t dim,
                                             ArrayRef<Answer> answers) {
  auto type = dyn_cast<MemRefType>(memref.getType());
  if (!type || dim >= type.getRank())
    return {};
  if (!type.isDynamicDim(dim))
    return {constant(type.getDimSize(dim))};
  if (BlockArgument argument = getEntryArgument(memref))
    return {argumentSize(argument, dim)};
  if (memref.getDefiningOp<arith::SelectOp>())
    return combineChoice(answers);
  Answer product;
  for (Answer answer : answers) {
    if (!answer.value)
      return {};
    product.isExact &= answer.isExact;
    product.value =
        product.value
            ? arith::MulIOp::create(builder, loc(), product.value, answer.value)
                  .getResult()
            : answer.value;
  }
  return product;
}

/// The size of one of two buffers: whichever, if they are equal.
EntryValues::Answer EntryValues::combineChoice(ArrayRef<Answer> answers) {
  auto [first, second] = std::pair(answers[0], answers[1]);
  if (!first.value || !second.value)
    return {};
  if (first.value == second.value)
    return {first.value, first.isExact && second.isExact};
  if (mode == Mode::Exact)
    return {};
  return {arith::MaxUIOp::create(builder, loc(), first.value, second.value),
          false};
}

Value EntryValues::constant(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc(), value);
}

//===----------------------------------------------------------------------===//
// Functions of sizes
//===----------------------------------------------------------------------===//

/// Calls `visit` with what a sizes function takes for a value of `type`: each
/// dynamic dimension of a memref, -1 for an index.
static void forEachSize(Type type, function_ref<void(int64_t)> visit) {
  if (type.isIndex())
    visit(-1);
  auto memref = dyn_cast<MemRefType>(type);
  for (int64_t dim = 0, rank = memref ? memref.getRank() : 0; dim < rank; ++dim)
    if (memref.isDynamicDim(dim))
      visit(dim);
}

Value EntryValues::appendSizes(ValueRange operands,
                               SmallVectorImpl<Value> &sizes) {
  Value unknown;
  for (Value operand : operands)
    forEachSize(operand.getType(), [&](int64_t dim) {
      sizes.push_back(answer({operand, dim}).value);
      if (!sizes.back() && !unknown)
        unknown = operand;
    });
  return unknown;
}

func::FuncOp moe::createSizesFunction(OpBuilder &builder, SymbolTable &symbols,
                                      func::FuncOp function, StringRef suffix,
                                      Type result) {
  SmallVector<Type> sizes;
  for (Type type : function.getArgumentTypes())
    forEachSize(type,
                [&](int64_t) { sizes.push_back(builder.getIndexType()); });
  builder.setInsertionPoint(function);
  auto created = func::FuncOp::create(builder, function.getLoc(),
                                      (function.getName() + "." + suffix).str(),
                                      builder.getFunctionType(sizes, result));
  created.setPrivate();
  symbols.insert(created);
  builder.setInsertionPointToStart(created.addEntryBlock());
  return created;
}

EntryValues moe::getValuesInSizesFunction(OpBuilder &builder,
                                          func::FuncOp function,
                                          func::FuncOp sizes,
                                          EntryValues::Mode mode) {
  DenseMap<std::pair<Value, int64_t>, Value> arguments;
  unsigned count = 0;
  Block &entry = function.getBody().front();
  for (BlockArgument argument : entry.getArguments())
    forEachSize(argument.getType(), [&](int64_t dim) {
      arguments[{argument, dim}] = sizes.getArgument(count++);
    });
  return EntryValues(
      builder, entry, mode,
      [=](BlockArgument argument, int64_t dim) {
        return arguments.at({argument, dim});
      },
      [=](BlockArgument argument) { return arguments.lookup({argument, -1}); });
}
