//===- OwnedArguments.cpp - Tensors for the calls of an entry -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Arguments.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "core/Memory.h"
#include "moe_rt/arguments.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

using namespace moe::rt;

namespace {
struct Free {
  void operator()(void *memory) const { std::free(memory); }
};

/// Zeroed memory. Not a Block: the pages of a large cache need not be touched
/// before positions use them, and those of calloc are not.
class Zeros {
public:
  [[nodiscard]] bool allocate(int64_t bytes) {
    memory.reset(std::calloc(static_cast<size_t>(bytes) + blockAlignment, 1));
    return memory != nullptr;
  }
  void *data() const {
    uintptr_t start = reinterpret_cast<uintptr_t>(memory.get());
    return reinterpret_cast<void *>((start + blockAlignment - 1) /
                                    blockAlignment * blockAlignment);
  }

private:
  std::unique_ptr<void, Free> memory;
};

/// A tensor that is passed: its argument, how it was made, and its memory.
struct Slot {
  const moe_argument *argument = nullptr;
  moe_tensor tensor = {}; ///< `data` is in `memory`
  Zeros memory;
};

/// What a moe_arguments points into. `tensors` are what callers see and may
/// change.
struct OwnedArguments : moe_arguments {
  explicit OwnedArguments(const moe_function &from);

  std::vector<SymbolValue> symbols;
  std::vector<Slot> slots; ///< inputs, then outputs
  std::vector<moe_tensor> tensors;
};
} // namespace

OwnedArguments::OwnedArguments(const moe_function &from)
    : moe_arguments(), symbols(static_cast<size_t>(from.num_symbols)) {
  function = &from;
  n_in = static_cast<size_t>(from.num_inputs);
  n_out = countPassedOutputs(from);
  slots.resize(n_in + n_out);
  tensors.resize(n_in + n_out);
  in = tensors.data();
  out = tensors.data() + n_in;
  size_t next = 0;
  for (int64_t i = 0; i < from.num_inputs; ++i)
    slots[next++].argument = &from.inputs[i];
  for (int64_t i = 0; i < from.num_outputs; ++i)
    if (isPassed(from.outputs[i]))
      slots[next++].argument = &from.outputs[i];
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

namespace {
/// Gives arguments new sizes. Everything is made apart and put in place by the
/// last step, so that a failure changes nothing.
class Resizing {
public:
  Resizing(OwnedArguments &arguments, moe_error *error)
      : arguments(arguments), function(*arguments.function), error(error),
        symbols(arguments.symbols),
        isGiven(static_cast<size_t>(function.num_symbols)),
        fresh(arguments.slots.size()) {}

  int32_t run(const moe_size *sizes, size_t count);

private:
  int32_t readSizes(const moe_size *sizes, size_t count);
  int32_t readSize(const moe_size &size);
  int32_t checkValues();
  int32_t makeTensor(const Slot &old, Slot &slot);
  int32_t checkSymbols(const moe_argument &argument);
  int32_t allocate(Slot &slot);
  void commit();
  void writeValues();
  bool hasNewValue(const moe_argument &argument) const;

  OwnedArguments &arguments;
  const moe_function &function;
  moe_error *error;
  std::vector<SymbolValue> symbols; ///< as they will be
  std::vector<bool> isGiven;        ///< by symbol: its value is new
  std::vector<Slot> fresh;          ///< without data: the old tensor stays
};
} // namespace

static std::string symbolNames(const moe_function &function) {
  std::string names;
  for (int64_t i = 0; i < function.num_symbols; ++i)
    names += (i ? ", " : "") + std::string(Shown(function.symbols[i]).text);
  return names.empty() ? "none" : names;
}

int32_t Resizing::readSize(const moe_size &size) {
  if (size.value < 0)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the size of '%s' is %lld; give one that is not "
                         "negative [moe-size-negative]",
                         Shown(size.symbol).text,
                         static_cast<long long>(size.value));
  for (size_t i = 0; size.symbol && i < symbols.size(); ++i)
    if (std::strcmp(size.symbol, function.symbols[i]) == 0) {
      symbols[i].value = size.value;
      isGiven[i] = true;
      return MOE_OK;
    }
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "'%s' was given a size, but '%s' has the symbols %s; "
                       "name one of them [moe-size-symbol]",
                       Shown(size.symbol).text, Shown(function.name).text,
                       symbolNames(function).c_str());
}

int32_t Resizing::readSizes(const moe_size *sizes, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (int32_t status = readSize(sizes[i]))
      return status;
  return MOE_OK;
}

bool Resizing::hasNewValue(const moe_argument &argument) const {
  return argument.value_symbol >= 0 &&
         isGiven[static_cast<size_t>(argument.value_symbol)];
}

/// Whether inputs can hold the values of their symbols.
int32_t Resizing::checkValues() {
  for (size_t i = 0; i < arguments.n_in; ++i) {
    const moe_argument &input = *arguments.slots[i].argument;
    int64_t room;
    moe_tensor probe = {&room, input.dtype, 0, {}};
    if (!hasNewValue(input))
      continue;
    int64_t value = symbols[static_cast<size_t>(input.value_symbol)].value;
    if (!writeInteger(probe, value))
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "the size of '%s' is %lld, which input '%s' of "
                           "dtype %s cannot hold; give a smaller one "
                           "[moe-size-value]",
                           Shown(function.symbols[input.value_symbol]).text,
                           static_cast<long long>(value),
                           Shown(input.name).text, moe_dtype_name(input.dtype));
  }
  return MOE_OK;
}

int32_t Resizing::checkSymbols(const moe_argument &argument) {
  for (int32_t i = 0; i < argument.rank; ++i)
    for (int32_t symbol : argument.shape[i].symbols)
      if (symbol >= 0 && !symbols[static_cast<size_t>(symbol)].isKnown())
        return moe_error_set(error, MOE_INVALID_ARGUMENT,
                             "the shape of '%s' depends on '%s', whose size "
                             "was not given; give it [moe-size-missing]",
                             Shown(argument.name).text,
                             Shown(function.symbols[symbol]).text);
  return MOE_OK;
}

static bool isSameShape(const moe_tensor &a, const moe_tensor &b) {
  return a.rank == b.rank && std::equal(a.shape, a.shape + a.rank, b.shape);
}

int32_t Resizing::allocate(Slot &slot) {
  int64_t elements, bytes;
  if (elementsOverflow(slot.tensor.shape, slot.tensor.rank, elements) ||
      bytesOverflow(elements, moe_dtype_size(slot.tensor.dtype), bytes))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "'%s' would have more bytes than a 64-bit number can "
                         "count; give smaller sizes [moe-size-overflow]",
                         Shown(slot.argument->name).text);
  if (!slot.memory.allocate(bytes))
    return moe_error_set(error, MOE_OUT_OF_MEMORY,
                         "no memory for the %lld bytes of '%s'; give smaller "
                         "sizes or free memory [moe-size-memory]",
                         static_cast<long long>(bytes),
                         Shown(slot.argument->name).text);
  slot.tensor.data = slot.memory.data();
  return MOE_OK;
}

int32_t Resizing::makeTensor(const Slot &old, Slot &slot) {
  slot.argument = old.argument;
  if (int32_t status = checkSymbols(*slot.argument))
    return status;
  ArgumentCheck shapes(function, symbols, error);
  if (int32_t status = shapes.fillShape(*slot.argument, slot.tensor))
    return status;
  bool stays = old.tensor.data && isSameShape(old.tensor, slot.tensor);
  return stays ? int32_t(MOE_OK) : allocate(slot);
}

void Resizing::writeValues() {
  for (size_t i = 0; i < arguments.n_in; ++i) {
    const moe_argument &input = *arguments.slots[i].argument;
    if (hasNewValue(input))
      (void)writeInteger(
          arguments.in[i],
          symbols[static_cast<size_t>(input.value_symbol)].value);
  }
}

void Resizing::commit() {
  for (size_t i = 0; i < fresh.size(); ++i) {
    Slot &slot = arguments.slots[i];
    moe_tensor &tensor = arguments.tensors[i];
    void *kept = tensor.data;
    bool isNew = fresh[i].tensor.data != nullptr;
    if (isNew)
      slot = std::move(fresh[i]);
    tensor = slot.tensor;
    if (!isNew)
      tensor.data = kept;
  }
  writeValues();
  arguments.symbols.swap(symbols);
}

int32_t Resizing::run(const moe_size *sizes, size_t count) {
  if (int32_t status = readSizes(sizes, count))
    return status;
  if (int32_t status = checkValues())
    return status;
  for (size_t i = 0; i < fresh.size(); ++i)
    if (int32_t status = makeTensor(arguments.slots[i], fresh[i]))
      return status;
  commit();
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// C interface
//===----------------------------------------------------------------------===//

static int32_t failArgument(moe_error *error, const char *caller,
                            const char *what) {
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "%s was called without %s; pass them "
                       "[moe-arguments-null]",
                       caller, what);
}

int32_t moe_arguments_create(const moe_function *function,
                             const moe_size *sizes, size_t num_sizes,
                             moe_arguments **out, moe_error *error) {
  clearError(error);
  if (out)
    *out = nullptr;
  if (!function || !out || (!sizes && num_sizes != 0))
    return failArgument(error, "moe_arguments_create",
                        "a function, its sizes or a place for the arguments");
  return guarded(error, [&] {
    auto arguments = std::make_unique<OwnedArguments>(*function);
    int32_t status = Resizing(*arguments, error).run(sizes, num_sizes);
    if (status == MOE_OK)
      *out = arguments.release();
    return status;
  });
}

int32_t moe_arguments_resize(moe_arguments *arguments, const moe_size *sizes,
                             size_t num_sizes, moe_error *error) {
  clearError(error);
  if (!arguments || (!sizes && num_sizes != 0))
    return failArgument(error, "moe_arguments_resize", "arguments or sizes");
  return guarded(error, [&] {
    auto &owned = *static_cast<OwnedArguments *>(arguments);
    return Resizing(owned, error).run(sizes, num_sizes);
  });
}

void moe_arguments_destroy(moe_arguments *arguments) {
  delete static_cast<OwnedArguments *>(arguments);
}

static bool hasName(const moe_argument &argument, const char *name) {
  return std::strcmp(argument.name, name) == 0;
}

moe_tensor *moe_arguments_input(const moe_arguments *arguments,
                                const char *name) {
  for (size_t i = 0; arguments && name && i < arguments->n_in; ++i)
    if (hasName(arguments->function->inputs[i], name))
      return &arguments->in[i];
  return nullptr;
}

moe_tensor *moe_arguments_output(const moe_arguments *arguments,
                                 const char *name) {
  if (!arguments || !name)
    return nullptr;
  moe_tensor *passed = arguments->out;
  for (int64_t i = 0; i < arguments->function->num_outputs; ++i) {
    const moe_argument &output = arguments->function->outputs[i];
    if (hasName(output, name))
      return isPassed(output) ? passed : &arguments->in[output.tied_input];
    passed += isPassed(output);
  }
  return nullptr;
}
