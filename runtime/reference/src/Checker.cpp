//===- Checker.cpp - Validation of a call to the oracle -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "Tensor.h"

#include <cinttypes>
#include <cmath>
#include <cstdio>

namespace moe::reference {

Checker::Checker(moe_error *error) : error(error) {
  if (!error)
    return;
  error->status = MOE_OK;
  error->message[0] = '\0';
}

void Checker::report(int32_t status, const char *format, va_list arguments) {
  if (!ok())
    return;
  result = status;
  if (!error)
    return;
  error->status = status;
  std::vsnprintf(error->message, sizeof(error->message), format, arguments);
}

void Checker::fail(int32_t status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(status, format, arguments);
  va_end(arguments);
}

void Checker::require(bool condition, const char *format, ...) {
  if (condition)
    return;
  va_list arguments;
  va_start(arguments, format);
  report(MOE_INVALID_ARGUMENT, format, arguments);
  va_end(arguments);
}

void Checker::present(const void *argument, const char *name) {
  require(argument,
          "argument '%s' is null, but it is not optional; pass it "
          "[moe-ref-null]",
          name);
}

void Checker::enumerator(int32_t value, int32_t count, const char *name) {
  require(value >= 0 && value < count,
          "attribute '%s' is %" PRId32 ", expected one of the %" PRId32
          " values from 0 that Abi.h lists; use those names [moe-ref-enum]",
          name, value, count);
}

static bool isOneOf(int32_t dtype, std::initializer_list<int32_t> allowed) {
  for (int32_t candidate : allowed)
    if (dtype == candidate)
      return true;
  return false;
}

void Checker::elementType(const moe_tensor &tensor, const char *name,
                          Elements elements) {
  const char *expected = nullptr;
  bool allowed = false;
  switch (elements) {
  case Elements::Real:
    expected = "f64, f32, bf16 or f16";
    allowed = isOneOf(tensor.dtype, {MOE_F64, MOE_F32, MOE_BF16, MOE_F16});
    break;
  case Elements::Result:
    expected = "f64 or f32";
    allowed = isOneOf(tensor.dtype, {MOE_F64, MOE_F32});
    break;
  case Elements::Index:
    expected = "i32";
    allowed = tensor.dtype == MOE_I32;
    break;
  case Elements::Code:
    expected = "i8";
    allowed = tensor.dtype == MOE_I8;
    break;
  case Elements::Byte:
    expected = "u8";
    allowed = tensor.dtype == MOE_U8;
    break;
  }
  require(allowed,
          "argument '%s' has the moe_dtype %" PRId32
          ", expected %s; convert the tensor [moe-ref-dtype]",
          name, tensor.dtype, expected);
}

void Checker::byteSize(const moe_tensor &tensor, const char *name) {
  int64_t bytes = tensor.dtype == MOE_F64                      ? 8
                  : isOneOf(tensor.dtype, {MOE_BF16, MOE_F16}) ? 2
                  : isOneOf(tensor.dtype, {MOE_I8, MOE_U8})    ? 1
                                                               : 4;
  for (int32_t i = 0; i < tensor.rank; ++i)
    if (tensor.shape[i] < 0 ||
        __builtin_mul_overflow(bytes, tensor.shape[i], &bytes))
      return fail(MOE_INVALID_ARGUMENT,
                  "dimension %" PRId32 " of '%s' is %" PRId64
                  ", expected sizes from 0 whose bytes fit in 63 bits; correct "
                  "the shape [moe-ref-size]",
                  i, name, tensor.shape[i]);
  require(tensor.data || bytes == 0,
          "argument '%s' has elements but its data is null; point it at the "
          "elements "
          "[moe-ref-data]",
          name);
}

void Checker::dimension(const moe_tensor &tensor, const char *name,
                        int32_t index, Extent &extent) {
  if (!extent.definedBy) {
    extent.size = tensor.shape[index];
    extent.definedBy = name;
  }
  require(tensor.shape[index] == extent.size,
          "dimension %" PRId32 " of '%s' is %" PRId64 ", expected %s = %" PRId64
          " as '%s' has it; pass tensors that agree [moe-ref-shape]",
          index, name, tensor.shape[index], extent.name, extent.size,
          extent.definedBy);
}

void Checker::tensor(const moe_tensor *tensor, const char *name,
                     Elements elements, std::initializer_list<Extent *> shape) {
  present(tensor, name);
  if (!ok())
    return;
  int32_t rank = static_cast<int32_t>(shape.size());
  require(tensor->rank == rank,
          "argument '%s' has rank %" PRId32 ", expected %" PRId32
          "; reshape the tensor [moe-ref-rank]",
          name, tensor->rank, rank);
  if (!ok())
    return;
  elementType(*tensor, name, elements);
  byteSize(*tensor, name);
  int32_t index = 0;
  for (Extent *extent : shape)
    dimension(*tensor, name, index++, *extent);
}

void Checker::optionalTensor(const moe_tensor *tensor, const char *name,
                             Elements elements,
                             std::initializer_list<Extent *> shape) {
  if (tensor)
    this->tensor(tensor, name, elements, shape);
}

void Checker::tensorArray(const moe_tensor *tensors, int64_t count,
                          const char *name) {
  require(count >= 0 && count < INT32_MAX,
          "the number of '%s' is %" PRId64 ", expected 0 to 2^31 - 2; pass "
          "one tensor per expert [moe-ref-num-slices]",
          name, count);
  if (count > 0)
    present(tensors, name);
}

void Checker::offsets(const moe_tensor &offsets, int64_t rows) {
  if (!ok())
    return;
  int64_t previous = 0;
  for (int64_t e = 0; e < offsets.shape[0]; ++e) {
    int64_t offset = integer(offsets, e);
    bool inOrder = e == 0 ? offset == 0 : offset >= previous;
    require(inOrder && offset <= rows,
            "offsets[%" PRId64 "] is %" PRId64 " after %" PRId64
            ", expected values that start at 0, never decrease and end at or "
            "below N = %" PRId64 "; pass the offsets of the plan "
            "[moe-ref-offsets]",
            e, offset, previous, rows);
    previous = offset;
  }
}

void Checker::normalization(const moe_normalize_attrs &attrs,
                            const char *name) {
  enumerator(attrs.mode, MOE_NORMALIZE_LP + 1, name);
  if (attrs.mode == MOE_NORMALIZE_NONE)
    return;
  require(std::isfinite(attrs.p) && attrs.p > 0,
          "p of '%s' is %g, expected a finite number above 0; p = 1 is the sum "
          "[moe-ref-normalize-p]",
          name, attrs.p);
  enumerator(attrs.eps_mode, MOE_EPS_CLAMP + 1, "eps_mode");
  if (attrs.eps_mode == MOE_EPS_NONE)
    return;
  require(std::isfinite(attrs.eps) && attrs.eps >= 0,
          "eps of '%s' is %g, expected a finite number from 0; use eps_mode "
          "none to have no epsilon [moe-ref-normalize-eps]",
          name, attrs.eps);
}

} // namespace moe::reference
