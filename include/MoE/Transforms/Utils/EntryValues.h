//===- EntryValues.h - Values that are known on entry -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TRANSFORMS_UTILS_ENTRYVALUES_H
#define MOE_TRANSFORMS_UTILS_ENTRYVALUES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::moe {

/// Recomputes values at the entry of a function, from the sizes and the index
/// values of its arguments, by cloning the arithmetic that they come from.
class EntryValues {
public:
  enum class Mode {
    Exact,      ///< the value itself
    UpperBound, ///< or more: where it depends on data, an operand of a minimum,
                ///< and what grows with it
  };
  /// `dim` gives the size of a dimension of a memref argument.
  using ArgumentSize = std::function<Value(BlockArgument, int64_t dim)>;
  /// `value` gives an index argument itself; null if it is not known.
  using ArgumentValue = std::function<Value(BlockArgument)>;

  EntryValues(OpBuilder &builder, Block &entry, Mode mode,
              ArgumentSize argumentSize, ArgumentValue argumentValue)
      : builder(builder), entry(entry), mode(mode),
        argumentSize(std::move(argumentSize)),
        argumentValue(std::move(argumentValue)) {}

  /// An integer, index or float; null if it is not known on entry.
  Value compute(Value value) { return answer({value, kItself}).value; }

  /// Size `dim` of `memref`; null if it is not known on entry.
  Value computeSize(Value memref, int64_t dim) {
    return answer({memref, dim}).value;
  }

  /// Appends the dynamic sizes and index values of a call's operands, as a
  /// sizes function of the callee takes them. Returns the first operand of
  /// which one is not known on entry, null if there is none.
  Value appendSizes(ValueRange operands, SmallVectorImpl<Value> &sizes);

  Value constant(int64_t value);

private:
  /// A value and one of its dimensions, or kItself.
  using Question = std::pair<Value, int64_t>;
  static constexpr int64_t kItself = -1;
  /// What is known on entry: nothing, an upper bound, or the value itself.
  struct Answer {
    Value value;
    bool isExact = true;
  };

  Answer answer(Question question);
  SmallVector<Question> getNeeds(Question question);
  SmallVector<Question> getNeedsOfValue(Value value);
  SmallVector<Question> getNeedsOfSize(Value memref, int64_t dim);
  Answer combine(Question question, ArrayRef<Answer> answers);
  Answer combineValue(Value value, ArrayRef<Answer> answers);
  Answer combineSize(Value memref, int64_t dim, ArrayRef<Answer> answers);
  Answer combineChoice(ArrayRef<Answer> answers);
  BlockArgument getEntryArgument(Value value);
  Location loc() { return entry.getParentOp()->getLoc(); }

  OpBuilder &builder;
  Block &entry;
  Mode mode;
  ArgumentSize argumentSize;
  ArgumentValue argumentValue;
  DenseMap<Question, Answer> known;
};

/// Declares @f.SUFFIX, a private function of the dynamic sizes and the index
/// values of the arguments of f, in order, with one result. `builder` is left
/// in its body, which has no terminator yet.
func::FuncOp createSizesFunction(OpBuilder &builder, SymbolTable &symbols,
                                 func::FuncOp function, StringRef suffix,
                                 Type result);

/// The values of `function` inside `sizes`, a function of its sizes.
EntryValues getValuesInSizesFunction(OpBuilder &builder, func::FuncOp function,
                                     func::FuncOp sizes,
                                     EntryValues::Mode mode);

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_UTILS_ENTRYVALUES_H
