//===- Symbols.h - Sizes of an entry known at run time ----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_SYMBOLS_H
#define MOE_TOOLS_MOERUN_SYMBOLS_H

#include "MoE/Runtime/Abi.h"
#include "Tensors.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace moe::run {

/// What is known of the symbols of one entry.
class SymbolTable {
public:
  explicit SymbolTable(const moe_function &function)
      : function(function), values(size_t(function.num_symbols)) {}

  /// The user says how large a symbol is.
  llvm::Error set(const SymbolBinding &binding);
  /// Learns from the shape of the tensor bound to `input`. Contradictions are
  /// left to the checks of the runtime.
  void learn(const moe_argument &input, const moe_tensor &tensor);
  /// Learns that `dim`, if it is a symbol that is not known, is `size`.
  void learn(const moe_dim &dim, int64_t size);
  /// The value of a symbol by index, if it is known.
  std::optional<int64_t> get(int32_t symbol) const;

  using Shape = llvm::SmallVector<int64_t, MOE_MAX_RANK>;
  /// The shape of `input`; fails when a symbol is not known.
  llvm::Expected<Shape> evaluate(const moe_argument &input) const;

private:
  llvm::Expected<int64_t> evaluate(const moe_argument &input,
                                   const moe_dim &dim) const;

  const moe_function &function;
  std::vector<std::optional<int64_t>> values;
};

llvm::ArrayRef<moe_argument> getInputs(const moe_function &function);
llvm::ArrayRef<moe_argument> getOutputs(const moe_function &function);
llvm::ArrayRef<moe_dim> getDims(const moe_argument &argument);

/// The index of the input or output of that name, or nothing.
std::optional<size_t> findInput(const moe_function &function,
                                llvm::StringRef name);
std::optional<size_t> findOutput(const moe_function &function,
                                 llvm::StringRef name);
/// Whether an output is held by the input of this index, updated in place.
bool isState(const moe_function &function, size_t input);

/// The size that `tensor`, bound to `input`, gives to a symbol, if it does.
std::optional<int64_t> findSize(const moe_function &function,
                                const moe_argument &input,
                                const moe_tensor &tensor,
                                llvm::StringRef symbol);

/// "[batch, seq]".
std::string describeShape(const moe_function &function,
                          const moe_argument &argument);
/// "'input_ids': i64 [batch, seq] from 0 to 2047".
std::string describeArgument(const moe_function &function,
                             const moe_argument &argument);
/// All inputs of `function`, one after another.
std::string describeInputs(const moe_function &function);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_SYMBOLS_H
