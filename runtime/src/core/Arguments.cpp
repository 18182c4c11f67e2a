//===- Arguments.cpp - Checks of the arguments of one call ----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Arguments.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <string>

using namespace moe::rt;

using LongLong = long long;

//===----------------------------------------------------------------------===//
// One tensor
//===----------------------------------------------------------------------===//

int32_t ArgumentCheck::checkCount(const char *kind, size_t found,
                                  size_t expected, const moe_tensor *list) {
  if (found != expected)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "'%s' was called with %zu %ss but has %zu; pass one "
                         "tensor for each [moe-arg-count]",
                         Shown(function.name).text, found, kind, expected);
  if (expected != 0 && !list)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the list of %ss of '%s' is null; pass %zu tensors "
                         "[moe-arg-null-list]",
                         kind, Shown(function.name).text, expected);
  return MOE_OK;
}

/// What can be said of a tensor without symbols.
int32_t ArgumentCheck::checkTensor(const char *kind,
                                   const moe_argument &argument,
                                   const moe_tensor &tensor) {
  if (tensor.dtype != argument.dtype)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%s '%s' has dtype %s (%d), expected %s; convert it "
                         "[moe-arg-dtype]",
                         kind, Shown(argument.name).text,
                         moe_dtype_name(tensor.dtype), tensor.dtype,
                         moe_dtype_name(argument.dtype));
  if (tensor.rank != argument.rank)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%s '%s' has rank %d, expected %d; reshape it "
                         "[moe-arg-rank]",
                         kind, Shown(argument.name).text, tensor.rank,
                         argument.rank);
  for (int32_t i = 0; i < tensor.rank; ++i)
    if (tensor.shape[i] < 0)
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "%s '%s' has extent %lld in dimension %d; pass "
                           "extents that are not negative "
                           "[moe-arg-negative-extent]",
                           kind, Shown(argument.name).text,
                           LongLong(tensor.shape[i]), i);
  return checkSize(kind, argument, tensor);
}

int32_t ArgumentCheck::checkSize(const char *kind, const moe_argument &argument,
                                 const moe_tensor &tensor) {
  size_t size = moe_dtype_size(tensor.dtype);
  int64_t elements, bytes;
  if (elementsOverflow(tensor.shape, tensor.rank, elements) ||
      bytesOverflow(elements, size, bytes))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%s '%s' has more bytes than a 64-bit number can "
                         "count; pass smaller extents [moe-arg-size-overflow]",
                         kind, Shown(argument.name).text);
  if (!tensor.data && elements != 0)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%s '%s' has %lld elements but null data; pass its "
                         "memory [moe-arg-null-data]",
                         kind, Shown(argument.name).text, LongLong(elements));
  uintptr_t misalignment = reinterpret_cast<uintptr_t>(tensor.data) % size;
  if (misalignment != 0)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%s '%s' lies %zu bytes past a multiple of its "
                         "element size %zu; align its memory "
                         "[moe-arg-misaligned]",
                         kind, Shown(argument.name).text, size_t(misalignment),
                         size);
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

int32_t ArgumentCheck::bindSymbol(int32_t symbol, int64_t value,
                                  const moe_argument &argument,
                                  int32_t dimension) {
  SymbolValue &known = symbols[static_cast<size_t>(symbol)];
  if (!known.isKnown()) {
    known = {value, &argument};
    return MOE_OK;
  }
  if (known.value == value)
    return MOE_OK;
  std::string what = dimension < 0 ? std::string("the value")
                                   : "dimension " + std::to_string(dimension);
  return moe_error_set(
      error, MOE_INVALID_ARGUMENT,
      "%s of input '%s' is %lld, but '%s' is %lld in input '%s'; pass equal "
      "sizes [moe-arg-symbol]",
      what.c_str(), Shown(argument.name).text, LongLong(value),
      Shown(function.symbols[symbol]).text, LongLong(known.value),
      Shown(known.setBy->name).text);
}

int32_t ArgumentCheck::bindSymbols(const moe_argument &argument,
                                   const moe_tensor &tensor) {
  for (int32_t i = 0; i < argument.rank; ++i)
    if (isLoneSymbol(argument.shape[i]))
      if (int32_t status = bindSymbol(argument.shape[i].symbols[0],
                                      tensor.shape[i], argument, i))
        return status;
  if (argument.rank == 0 && argument.value_symbol >= 0)
    return bindValue(argument, tensor);
  return MOE_OK;
}

int64_t moe::rt::readInteger(const moe_tensor &tensor, int64_t i) {
  switch (tensor.dtype) {
  case MOE_I64:
    return static_cast<const int64_t *>(tensor.data)[i];
  case MOE_I32:
    return static_cast<const int32_t *>(tensor.data)[i];
  case MOE_I16:
    return static_cast<const int16_t *>(tensor.data)[i];
  case MOE_I8:
    return static_cast<const int8_t *>(tensor.data)[i];
  case MOE_U8:
    return static_cast<const uint8_t *>(tensor.data)[i];
  }
  return 0;
}

template <typename T>
static bool store(const moe_tensor &tensor, int64_t value) {
  T narrow = static_cast<T>(value);
  if (narrow != value)
    return false;
  *static_cast<T *>(tensor.data) = narrow;
  return true;
}

bool moe::rt::writeInteger(const moe_tensor &tensor, int64_t value) {
  switch (tensor.dtype) {
  case MOE_I64:
    return store<int64_t>(tensor, value);
  case MOE_I32:
    return store<int32_t>(tensor, value);
  case MOE_I16:
    return store<int16_t>(tensor, value);
  case MOE_I8:
    return store<int8_t>(tensor, value);
  case MOE_U8:
    return store<uint8_t>(tensor, value);
  }
  return false;
}

int32_t ArgumentCheck::bindValue(const moe_argument &argument,
                                 const moe_tensor &tensor) {
  int64_t value = readInteger(tensor, 0);
  if (value < 0)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "input '%s' is %lld; pass a number that is not "
                         "negative [moe-arg-negative-value]",
                         Shown(argument.name).text, LongLong(value));
  return bindSymbol(argument.value_symbol, value, argument, -1);
}

int32_t ArgumentCheck::factor(const moe_argument &argument, int32_t symbol,
                              int64_t &value) {
  if (symbol < 0) {
    value = 1;
    return MOE_OK;
  }
  const SymbolValue &known = symbols[static_cast<size_t>(symbol)];
  value = known.value;
  if (known.isKnown())
    return MOE_OK;
  return moe_error_set(error, MOE_INTERNAL,
                       "no input of '%s' says how large '%s' is, which '%s' "
                       "needs; this is a defect of the compiler, report it "
                       "[moe-arg-symbol-unbound]",
                       Shown(function.name).text,
                       Shown(function.symbols[symbol]).text,
                       Shown(argument.name).text);
}

/// The extent that `dim` stands for in this call.
int32_t ArgumentCheck::evaluate(const moe_argument &argument,
                                const moe_dim &dim, int64_t &value) {
  int64_t first, second;
  if (int32_t status = factor(argument, dim.symbols[0], first))
    return status;
  if (int32_t status = factor(argument, dim.symbols[1], second))
    return status;
  if (mulOverflow(dim.extent, first, value) ||
      mulOverflow(value, second, value))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "an extent of '%s', %lld * %lld * %lld, does not fit "
                         "in 64 bits; pass smaller inputs "
                         "[moe-arg-extent-overflow]",
                         Shown(argument.name).text, LongLong(dim.extent),
                         LongLong(first), LongLong(second));
  return MOE_OK;
}

int32_t ArgumentCheck::checkShape(const char *kind,
                                  const moe_argument &argument,
                                  const moe_tensor &tensor) {
  for (int32_t i = 0; i < argument.rank; ++i) {
    int64_t expected;
    if (int32_t status = evaluate(argument, argument.shape[i], expected))
      return status;
    if (tensor.shape[i] != expected)
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "%s '%s' has extent %lld in dimension %d, expected "
                           "%lld; pass a tensor of that shape "
                           "[moe-arg-extent]",
                           kind, Shown(argument.name).text,
                           LongLong(tensor.shape[i]), i, LongLong(expected));
  }
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Index of the first element outside [lower, upper), or `n`.
template <typename T>
static int64_t findOutside(const void *data, int64_t n, int64_t lower,
                           int64_t upper) {
  const T *first = static_cast<const T *>(data);
  return std::find_if(first, first + n,
                      [=](T v) { return v < lower || v >= upper; }) -
         first;
}

static int64_t findOutside(const moe_tensor &tensor, int64_t n, int64_t lower,
                           int64_t upper) {
  switch (tensor.dtype) {
  case MOE_I64:
    return findOutside<int64_t>(tensor.data, n, lower, upper);
  case MOE_I32:
    return findOutside<int32_t>(tensor.data, n, lower, upper);
  case MOE_I16:
    return findOutside<int16_t>(tensor.data, n, lower, upper);
  case MOE_I8:
    return findOutside<int8_t>(tensor.data, n, lower, upper);
  case MOE_U8:
    return findOutside<uint8_t>(tensor.data, n, lower, upper);
  }
  return n;
}

int32_t ArgumentCheck::checkRange(const moe_argument &argument,
                                  const moe_tensor &tensor) {
  int64_t elements;
  // checkSize has refused shapes whose size overflows.
  if (!argument.has_range ||
      elementsOverflow(tensor.shape, tensor.rank, elements) || elements == 0)
    return MOE_OK;
  int64_t bad = findOutside(tensor, elements, argument.lower, argument.upper);
  if (bad == elements)
    return MOE_OK;
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "element %lld of input '%s' is %lld, expected a number "
                       "from %lld to %lld; "
                       "correct it [moe-arg-range]",
                       LongLong(bad), Shown(argument.name).text,
                       LongLong(readInteger(tensor, bad)),
                       LongLong(argument.lower), LongLong(argument.upper) - 1);
}

static std::string termText(const char *name, int64_t value) {
  return std::string(Shown(name).text) + " (" + std::to_string(value) + ")";
}

int32_t ArgumentCheck::checkLimit(const moe_limit &limit) {
  // Symbols are not negative, so a sum that overflows is above every bound.
  int64_t sum = 0, bound = limit.bound;
  bool isAbove = false;
  for (int32_t i = 0; i < limit.num_terms; ++i)
    isAbove |= addOverflow(
        sum, symbols[static_cast<size_t>(limit.terms[i])].value, sum);
  bool isBoundless =
      limit.bound_symbol >= 0 &&
      addOverflow(bound, symbols[static_cast<size_t>(limit.bound_symbol)].value,
                  bound);
  if (!isAbove && (isBoundless || sum <= bound))
    return MOE_OK;
  std::string terms, most;
  for (int32_t i = 0; i < limit.num_terms; ++i)
    terms += (i ? " + " : "") +
             termText(function.symbols[limit.terms[i]],
                      symbols[static_cast<size_t>(limit.terms[i])].value);
  if (limit.bound_symbol >= 0)
    most = termText(function.symbols[limit.bound_symbol],
                    symbols[static_cast<size_t>(limit.bound_symbol)].value);
  if (limit.bound_symbol < 0 || limit.bound != 0)
    most += (most.empty() ? "" : " + ") + std::to_string(limit.bound);
  return moe_error_set(
      error, MOE_INVALID_ARGUMENT,
      "%s %s %s; pass less or make room [moe-arg-limit]", terms.c_str(),
      limit.num_terms == 1 ? "exceeds" : "exceed", most.c_str());
}

//===----------------------------------------------------------------------===//
// The call
//===----------------------------------------------------------------------===//

int32_t ArgumentCheck::checkInputs(const moe_tensor *in, size_t count) {
  size_t expected = static_cast<size_t>(function.num_inputs);
  if (int32_t status = checkCount("input", count, expected, in))
    return status;
  symbols.assign(static_cast<size_t>(function.num_symbols), SymbolValue());
  for (size_t i = 0; i < count; ++i) {
    if (int32_t status = checkTensor("input", function.inputs[i], in[i]))
      return status;
    if (int32_t status = bindSymbols(function.inputs[i], in[i]))
      return status;
  }
  for (size_t i = 0; i < count; ++i) {
    if (int32_t status = checkShape("input", function.inputs[i], in[i]))
      return status;
    if (int32_t status = checkRange(function.inputs[i], in[i]))
      return status;
  }
  for (int64_t i = 0; i < function.num_limits; ++i)
    if (int32_t status = checkLimit(function.limits[i]))
      return status;
  return MOE_OK;
}

int32_t ArgumentCheck::checkOutputs(const moe_tensor *out, size_t count) {
  if (int32_t status =
          checkCount("output", count, countPassedOutputs(function), out))
    return status;
  for (int64_t i = 0; i < function.num_outputs; ++i) {
    const moe_argument &argument = function.outputs[i];
    if (!isPassed(argument))
      continue;
    if (int32_t status = checkTensor("output", argument, *out))
      return status;
    if (int32_t status = checkShape("output", argument, *out))
      return status;
    ++out;
  }
  return MOE_OK;
}

int32_t ArgumentCheck::fillOutputs(moe_tensor *out, size_t count) {
  if (int32_t status =
          checkCount("output", count, countPassedOutputs(function), out))
    return status;
  for (int64_t i = 0; i < function.num_outputs; ++i) {
    const moe_argument &argument = function.outputs[i];
    if (!isPassed(argument))
      continue;
    if (int32_t status = fillShape(argument, *out++))
      return status;
  }
  return MOE_OK;
}

int32_t ArgumentCheck::fillShape(const moe_argument &argument,
                                 moe_tensor &tensor) {
  tensor = moe_tensor();
  tensor.dtype = argument.dtype;
  tensor.rank = argument.rank;
  for (int32_t i = 0; i < argument.rank; ++i)
    if (int32_t status = evaluate(argument, argument.shape[i], tensor.shape[i]))
      return status;
  return MOE_OK;
}
