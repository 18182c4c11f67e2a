//===- Arguments.h - Checks of the arguments of one call --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_ARGUMENTS_H
#define MOE_RT_CORE_ARGUMENTS_H

#include "core/Module.h"

#include <vector>

namespace moe::rt {

/// The value of a symbol in one call, and the input that it is taken from.
struct SymbolValue {
  int64_t value = -1; ///< negative: not known yet
  const moe_argument *setBy = nullptr;

  bool isKnown() const { return value >= 0; }
};

/// The i-th element of a tensor of integers; 0 for another dtype, which
/// checkModule refuses where it matters.
int64_t readInteger(const moe_tensor &tensor, int64_t i);

/// Sets the first element of a tensor of integers. False when `value` does not
/// fit into its dtype.
[[nodiscard]] bool writeInteger(const moe_tensor &tensor, int64_t value);

/// Checks one call of `function`. Used once; `symbols` is scratch that the
/// context keeps, so that a call allocates nothing.
class ArgumentCheck {
public:
  ArgumentCheck(const moe_function &function, std::vector<SymbolValue> &symbols,
                moe_error *error)
      : function(function), symbols(symbols), error(error) {}

  /// Everything about the inputs; afterwards the symbols are known.
  int32_t checkInputs(const moe_tensor *in, size_t count);
  /// Everything about the outputs. Needs checkInputs.
  int32_t checkOutputs(const moe_tensor *out, size_t count);
  /// The shapes that outputs must have. Needs checkInputs.
  int32_t fillOutputs(moe_tensor *out, size_t count);
  /// Dtype, rank and shape of an argument. Needs the symbols in its shape.
  int32_t fillShape(const moe_argument &argument, moe_tensor &tensor);

private:
  int32_t checkCount(const char *kind, size_t found, size_t expected,
                     const moe_tensor *list);
  int32_t checkTensor(const char *kind, const moe_argument &argument,
                      const moe_tensor &tensor);
  int32_t checkSize(const char *kind, const moe_argument &argument,
                    const moe_tensor &tensor);
  int32_t bindSymbols(const moe_argument &argument, const moe_tensor &tensor);
  /// `dimension` is the one that has this value; -1: it is the element.
  int32_t bindSymbol(int32_t symbol, int64_t value,
                     const moe_argument &argument, int32_t dimension);
  int32_t bindValue(const moe_argument &argument, const moe_tensor &tensor);
  int32_t checkShape(const char *kind, const moe_argument &argument,
                     const moe_tensor &tensor);
  int32_t checkRange(const moe_argument &argument, const moe_tensor &tensor);
  int32_t checkLimit(const moe_limit &limit);
  int32_t evaluate(const moe_argument &argument, const moe_dim &dim,
                   int64_t &value);
  int32_t factor(const moe_argument &argument, int32_t symbol, int64_t &value);

  const moe_function &function;
  std::vector<SymbolValue> &symbols;
  moe_error *error;
};

} // namespace moe::rt

#endif // MOE_RT_CORE_ARGUMENTS_H
