//===- Inputs.cpp - The inputs of one call --------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "LanguageModel.h"
#include "Philox.h"
#include "support/ExitCode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <cmath>

using namespace llvm;
using namespace moe;
using namespace moe::run;

//===----------------------------------------------------------------------===//
// Single tensors
//===----------------------------------------------------------------------===//

/// A tensor of zeros that has the shape of `input`.
static Expected<Tensor> makeZeros(const moe_argument &input,
                                  const SymbolTable &symbols) {
  Expected<SymbolTable::Shape> shape = symbols.evaluate(input);
  if (!shape)
    return shape.takeError();
  return Tensor::create(input.name, input.dtype, *shape);
}

Expected<Tensor> moe::run::makeState(const moe_argument &input,
                                     SymbolTable &symbols, int64_t context) {
  for (const moe_dim &dim : getDims(input))
    symbols.learn(dim, context);
  return makeZeros(input, symbols);
}

static IntegerRange getRandomRange(const moe_argument &input) {
  if (input.has_range)
    return {input.lower, input.upper - 1};
  if (input.dtype == MOE_BOOL)
    return {0, 1};
  if (input.dtype == MOE_U8)
    return {0, 15};
  return {-8, 7};
}

void moe::run::fillRandom(const moe_argument &input, const moe_tensor &tensor,
                          uint64_t seed, uint32_t stream) {
  Philox random(seed);
  IntegerRange range = getRandomRange(input);
  // Exact for every range that an index can have (below 2^53).
  double span = double(range.upper) - double(range.lower) + 1;
  for (int64_t i = 0, e = countElements(tensor); i < e; ++i) {
    double uniform = Philox::toUniform(
        random({uint32_t(i), uint32_t(uint64_t(i) >> 32), stream, 0}));
    if (isFloat(input.dtype))
      writeNumber(tensor, i, uniform * 2 - 1);
    else
      writeNumber(tensor, i, double(range.lower) + std::floor(uniform * span));
  }
}

static Error notANumber(const moe_argument &input, StringRef text,
                        const Twine &expected) {
  return invalidInput("input '" + Twine(input.name) + "' was given '" + text +
                      "', expected " + expected + " [moe-run-input-number]");
}

Expected<Tensor> moe::run::makeNumber(const moe_argument &input,
                                      StringRef text) {
  if (input.rank != 0)
    return notANumber(input, text,
                      "FILE:TENSOR, because it has rank " + Twine(input.rank));
  Expected<Tensor> tensor = Tensor::create(input.name, input.dtype, {});
  if (!tensor)
    return tensor.takeError();
  if (isFloat(input.dtype)) {
    double value;
    if (text.getAsDouble(value))
      return notANumber(input, text, "a number");
    writeNumber(tensor->get(), 0, value);
    return tensor;
  }
  int64_t value;
  IntegerRange range = getRange(input.dtype);
  if (text.getAsInteger(10, value) || value < range.lower ||
      value > range.upper)
    return notANumber(input, text,
                      "an integer from " + Twine(range.lower) + " to " +
                          Twine(range.upper));
  writeInteger(tensor->get(), 0, value);
  return tensor;
}

//===----------------------------------------------------------------------===//
// All inputs
//===----------------------------------------------------------------------===//

namespace {
/// Builds the inputs in order of what is known first: given tensors and
/// numbers, then state and random values, whose shapes follow from the others.
class InputBuilder {
public:
  InputBuilder(const moe_function &function, InputRequest &request)
      : function(function), request(request), symbols(function),
        inputs(size_t(function.num_inputs)) {}

  Expected<std::vector<Tensor>> build();

private:
  Error bindSizes();
  Error bindGiven();
  Error bindNumbers();
  Error bindValues();
  /// Whether there is state from before the call.
  bool hasPast() const;
  Error bindState();
  Error bindRandom();
  Error checkComplete();
  Error checkSizes();

  Error bind(StringRef name, Tensor tensor);
  /// The index of an input that may still be set.
  Expected<size_t> findUnset(StringRef name) const;
  /// As many positions as there are after the call, if that is known.
  std::optional<int64_t> getContext() const;
  Error set(size_t index, Expected<Tensor> tensor);
  bool isSet(size_t index) const { return inputs[index].has_value(); }

  const moe_function &function;
  InputRequest &request;
  SymbolTable symbols;
  std::vector<std::optional<Tensor>> inputs;
};
} // namespace

Expected<size_t> InputBuilder::findUnset(StringRef name) const {
  std::optional<size_t> index = findInput(function, name);
  if (!index)
    return invalidInput("'" + Twine(function.name) + "' has no input '" + name +
                        "'; it takes " + describeInputs(function) +
                        " [moe-run-input-name]");
  if (isSet(*index))
    return invalidInput("input '" + name +
                        "' was given twice; give it once "
                        "[moe-run-input-twice]");
  return *index;
}

Error InputBuilder::set(size_t index, Expected<Tensor> tensor) {
  if (!tensor)
    return tensor.takeError();
  symbols.learn(function.inputs[index], tensor->get());
  inputs[index] = std::move(*tensor);
  return Error::success();
}

Error InputBuilder::bindSizes() {
  for (const SymbolBinding &size : request.sizes)
    if (Error error = symbols.set(size))
      return error;
  return Error::success();
}

Error InputBuilder::bind(StringRef name, Tensor tensor) {
  Expected<size_t> index = findUnset(name);
  if (!index)
    return index.takeError();
  const moe_argument &input = function.inputs[*index];
  if (tensor.get().rank != input.rank)
    return invalidInput("input '" + name + "' has rank " +
                        Twine(tensor.get().rank) + ", expected " +
                        describeShape(function, input) +
                        "; reshape it [moe-run-input-rank]");
  int32_t dtype = input.dtype;
  if (tensor.get().dtype == dtype)
    return set(*index, std::move(tensor));
  return set(*index, widen(name, tensor, dtype));
}

Error InputBuilder::bindGiven() {
  for (auto &[name, tensor] : request.tensors)
    if (Error error = bind(name, std::move(tensor)))
      return error;
  return Error::success();
}

Error InputBuilder::bindNumbers() {
  for (auto &[name, text] : request.numbers) {
    Expected<size_t> index = findUnset(name);
    if (!index)
      return index.takeError();
    if (Error error = set(*index, makeNumber(function.inputs[*index], text)))
      return error;
  }
  return Error::success();
}

/// Inputs that are the value of a symbol follow --size; the first position of a
/// language model is 0.
Error InputBuilder::bindValues() {
  for (auto [i, input] : enumerate(getInputs(function))) {
    if (isSet(i) || input.rank != 0)
      continue;
    std::optional<int64_t> value = symbols.get(input.value_symbol);
    if (!value && request.isLanguageModel && input.name == names::past)
      value = 0;
    if (!value)
      continue;
    if (Error error = set(i, makeNumber(input, std::to_string(*value))))
      return error;
  }
  return Error::success();
}

std::optional<int64_t> InputBuilder::getContext() const {
  if (request.context)
    return request.context;
  std::optional<size_t> ids = findInput(function, names::inputIds);
  std::optional<size_t> past = findInput(function, names::past);
  if (!ids || !past || !isSet(*past))
    return std::nullopt;
  Expected<SymbolTable::Shape> shape = symbols.evaluate(function.inputs[*ids]);
  if (!shape) {
    consumeError(shape.takeError());
    return std::nullopt;
  }
  int64_t context;
  if (__builtin_add_overflow(shape->back(),
                             readInteger(inputs[*past]->get(), 0), &context))
    return std::nullopt;
  return context;
}

bool InputBuilder::hasPast() const {
  std::optional<size_t> past = findInput(function, names::past);
  return past && isSet(*past) && readInteger(inputs[*past]->get(), 0) != 0;
}

/// State of positions before the call cannot be assumed.
Error InputBuilder::bindState() {
  if (!request.isLanguageModel || (hasPast() && !request.randomSeed))
    return Error::success();
  std::optional<int64_t> context = getContext();
  if (!context) // what is missing is said by a later step
    return Error::success();
  for (auto [i, input] : enumerate(getInputs(function))) {
    if (isSet(i) || !isState(function, i))
      continue;
    if (Error error = set(i, makeState(input, symbols, *context)))
      return error;
    if (hasPast())
      fillRandom(input, inputs[i]->get(), *request.randomSeed, uint32_t(i));
  }
  return Error::success();
}

Error InputBuilder::bindRandom() {
  if (!request.randomSeed)
    return Error::success();
  for (auto [i, input] : enumerate(getInputs(function))) {
    if (isSet(i))
      continue;
    if (Error error = set(i, makeZeros(input, symbols)))
      return error;
    fillRandom(input, inputs[i]->get(), *request.randomSeed, uint32_t(i));
  }
  return Error::success();
}

Error InputBuilder::checkComplete() {
  for (auto [i, input] : enumerate(getInputs(function)))
    if (!isSet(i))
      return invalidInput(
          "input '" + Twine(input.name) + "' of '" + function.name +
          "' is missing; give it with --input or use "
          "--random-inputs. The entry takes " +
          describeInputs(function) + " [moe-run-input-missing]");
  return Error::success();
}

/// A given tensor may contradict --size; other contradictions are found by the
/// runtime.
Error InputBuilder::checkSizes() {
  for (const SymbolBinding &size : request.sizes)
    for (auto [i, input] : enumerate(getInputs(function))) {
      std::optional<int64_t> found =
          findSize(function, input, inputs[i]->get(), size.symbol);
      if (found && *found != size.size)
        return invalidInput("--size " + Twine(size.symbol) + "=" +
                            Twine(size.size) + " contradicts input '" +
                            input.name + "', where it is " + Twine(*found) +
                            "; leave one of them out [moe-run-size-conflict]");
    }
  return Error::success();
}

Expected<std::vector<Tensor>> InputBuilder::build() {
  for (auto step : {&InputBuilder::bindSizes, &InputBuilder::bindGiven,
                    &InputBuilder::bindNumbers, &InputBuilder::bindValues,
                    &InputBuilder::bindState, &InputBuilder::bindRandom,
                    &InputBuilder::checkComplete, &InputBuilder::checkSizes})
    if (Error error = (this->*step)())
      return std::move(error);
  std::vector<Tensor> complete;
  for (std::optional<Tensor> &input : inputs)
    complete.push_back(std::move(*input));
  return complete;
}

Expected<std::vector<Tensor>> moe::run::makeInputs(const moe_function &function,
                                                   InputRequest request) {
  return InputBuilder(function, request).build();
}
