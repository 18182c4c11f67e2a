//===- Symbols.cpp - Sizes of an entry known at run time ------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Symbols.h"
#include "moe_rt/safetensors.h"
#include "support/ExitCode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace moe;
using namespace moe::run;

//===----------------------------------------------------------------------===//
// Values of symbols
//===----------------------------------------------------------------------===//

Error SymbolTable::set(const SymbolBinding &binding) {
  ArrayRef<const char *> symbols(function.symbols, function.num_symbols);
  for (auto [value, symbol] : zip_equal(values, symbols))
    if (binding.symbol == symbol) {
      value = binding.size;
      return Error::success();
    }
  std::string known;
  raw_string_ostream os(known);
  interleaveComma(symbols, os);
  return invalidInput("--size names '" + Twine(binding.symbol) + "', but '" +
                      function.name + "' has the symbols " +
                      (known.empty() ? "(none)" : known) +
                      "; name one of them [moe-run-symbol-name]");
}

static bool isLoneSymbol(const moe_dim &dim) {
  return dim.extent == 1 && dim.symbols[0] >= 0 && dim.symbols[1] < 0;
}

void SymbolTable::learn(const moe_dim &dim, int64_t size) {
  if (isLoneSymbol(dim) && !values[dim.symbols[0]])
    values[dim.symbols[0]] = size;
}

void SymbolTable::learn(const moe_argument &input, const moe_tensor &tensor) {
  if (input.rank != tensor.rank)
    return;
  for (int32_t i = 0; i < input.rank; ++i)
    learn(input.shape[i], tensor.shape[i]);
  if (input.rank == 0 && input.value_symbol >= 0 && isInteger(tensor.dtype) &&
      !values[input.value_symbol])
    values[input.value_symbol] = readInteger(tensor, 0);
}

std::optional<int64_t> SymbolTable::get(int32_t symbol) const {
  return symbol < 0 ? std::nullopt : values[symbol];
}

Expected<int64_t> SymbolTable::evaluate(const moe_argument &input,
                                        const moe_dim &dim) const {
  int64_t extent = dim.extent;
  for (int32_t symbol : dim.symbols) {
    if (symbol < 0)
      continue;
    if (!values[symbol])
      return invalidInput(
          "the shape of input " + describeArgument(function, input) +
          " is not known; pass --size " + function.symbols[symbol] +
          "=N or the input itself [moe-run-symbol-unknown]");
    if (__builtin_mul_overflow(extent, *values[symbol], &extent))
      return invalidInput("an extent of input " +
                          describeArgument(function, input) +
                          " does not fit in 64 bits; use smaller sizes "
                          "[moe-run-extent-overflow]");
  }
  return extent;
}

Expected<SymbolTable::Shape>
SymbolTable::evaluate(const moe_argument &input) const {
  Shape shape;
  for (const moe_dim &dim : getDims(input)) {
    Expected<int64_t> extent = evaluate(input, dim);
    if (!extent)
      return extent.takeError();
    shape.push_back(*extent);
  }
  return shape;
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

ArrayRef<moe_argument> moe::run::getInputs(const moe_function &function) {
  return ArrayRef(function.inputs, function.num_inputs);
}

ArrayRef<moe_argument> moe::run::getOutputs(const moe_function &function) {
  return ArrayRef(function.outputs, function.num_outputs);
}

ArrayRef<moe_dim> moe::run::getDims(const moe_argument &argument) {
  return ArrayRef(argument.shape, argument.rank);
}

static std::optional<size_t> findArgument(ArrayRef<moe_argument> arguments,
                                          StringRef name) {
  for (auto [i, argument] : enumerate(arguments))
    if (name == argument.name)
      return i;
  return std::nullopt;
}

std::optional<size_t> moe::run::findInput(const moe_function &function,
                                          StringRef name) {
  return findArgument(getInputs(function), name);
}

std::optional<size_t> moe::run::findOutput(const moe_function &function,
                                           StringRef name) {
  return findArgument(getOutputs(function), name);
}

bool moe::run::isState(const moe_function &function, size_t input) {
  return any_of(getOutputs(function), [=](const moe_argument &output) {
    return output.tied_input >= 0 && size_t(output.tied_input) == input;
  });
}

std::optional<int64_t> moe::run::findSize(const moe_function &function,
                                          const moe_argument &input,
                                          const moe_tensor &tensor,
                                          StringRef symbol) {
  if (input.rank != tensor.rank)
    return std::nullopt;
  for (int32_t i = 0; i < input.rank; ++i)
    if (isLoneSymbol(input.shape[i]) &&
        symbol == function.symbols[input.shape[i].symbols[0]])
      return tensor.shape[i];
  if (input.rank == 0 && input.value_symbol >= 0 &&
      symbol == function.symbols[input.value_symbol])
    return readInteger(tensor, 0);
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// "4*batch*seq".
static void describeDim(raw_ostream &os, const moe_function &function,
                        const moe_dim &dim) {
  bool isConstant = dim.symbols[0] < 0 && dim.symbols[1] < 0;
  ListSeparator times("*");
  if (isConstant || dim.extent != 1)
    os << times << dim.extent;
  for (int32_t symbol : dim.symbols)
    if (symbol >= 0)
      os << times << function.symbols[symbol];
}

std::string moe::run::describeShape(const moe_function &function,
                                    const moe_argument &argument) {
  std::string text;
  raw_string_ostream os(text);
  os << '[';
  interleaveComma(getDims(argument), os,
                  [&](const moe_dim &dim) { describeDim(os, function, dim); });
  os << ']';
  return text;
}

std::string moe::run::describeArgument(const moe_function &function,
                                       const moe_argument &argument) {
  std::string text;
  raw_string_ostream os(text);
  os << "'" << argument.name << "': " << moe_dtype_name(argument.dtype) << ' '
     << describeShape(function, argument);
  if (argument.has_range)
    os << " from " << argument.lower << " to " << argument.upper - 1;
  return text;
}

std::string moe::run::describeInputs(const moe_function &function) {
  if (function.num_inputs == 0)
    return "none";
  std::string text;
  raw_string_ostream os(text);
  interleave(
      getInputs(function), os,
      [&](const moe_argument &input) {
        os << describeArgument(function, input);
      },
      "; ");
  return text;
}
