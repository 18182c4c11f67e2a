//===- Inputs.h - The inputs of one call ------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_INPUTS_H
#define MOE_TOOLS_MOERUN_INPUTS_H

#include "Symbols.h"
#include "Tensors.h"
#include <optional>
#include <utility>
#include <vector>

namespace moe::run {

/// Where the inputs of a call come from.
struct InputRequest {
  /// By name; moved into the inputs.
  std::vector<std::pair<std::string, Tensor>> tensors;
  /// NAME=NUMBER.
  std::vector<std::pair<std::string, std::string>> numbers;
  std::vector<SymbolBinding> sizes;
  /// Fills what is left with random values.
  std::optional<uint64_t> randomSeed;
  /// The entry is a language model: the first position is 0, and then state
  /// that is not given starts as zeros, with room for `context` positions (by
  /// default as many as there are after the call). State of positions before
  /// the first must be given, or made up like other inputs.
  bool isLanguageModel = false;
  std::optional<int64_t> context;
};

/// One tensor per input of `function`, in its order.
llvm::Expected<std::vector<Tensor>> makeInputs(const moe_function &function,
                                               InputRequest request);

/// A tensor of zeros for the state `input`. Symbols of its shape that are not
/// known become `context`.
llvm::Expected<Tensor> makeState(const moe_argument &input,
                                 SymbolTable &symbols, int64_t context);

/// Fills `tensor` with values that depend on `seed`, `stream` and the index of
/// an element alone: floats uniform in [-1, 1); integers uniform in the range
/// of `input`, without one in [-8, 8), [0, 16) for u8 and {0, 1} for bool.
void fillRandom(const moe_argument &input, const moe_tensor &tensor,
                uint64_t seed, uint32_t stream);

/// The number `text` as a tensor of rank 0 for `input`.
llvm::Expected<Tensor> makeNumber(const moe_argument &input,
                                  llvm::StringRef text);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_INPUTS_H
