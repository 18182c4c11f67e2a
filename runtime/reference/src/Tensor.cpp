//===- Tensor.cpp - Elements of ABI tensors as f64 and i32 ----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensor.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace moe::reference {

template <typename T> static T load(const moe_tensor &tensor, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char *>(tensor.data) + i * sizeof(T),
              sizeof(T));
  return value;
}

template <typename T>
static void store(moe_tensor &tensor, int64_t i, T value) {
  std::memcpy(static_cast<char *>(tensor.data) + i * sizeof(T), &value,
              sizeof(T));
}

static int64_t flatten(const moe_tensor &tensor, int64_t row, int64_t column) {
  return row * tensor.shape[1] + column;
}

double decodeBF16(uint16_t bits) {
  // The upper half of an f32.
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

double decodeF16(uint16_t bits) {
  int exponent = (bits >> 10) & 0x1f;
  int mantissa = bits & 0x3ff;
  double magnitude;
  if (exponent == 0x1f)
    magnitude = mantissa ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    magnitude = std::ldexp(mantissa, -24);
  else
    magnitude = std::ldexp(0x400 + mantissa, exponent - 25);
  return (bits & 0x8000) ? -magnitude : magnitude;
}

double real(const moe_tensor &tensor, int64_t i) {
  switch (tensor.dtype) {
  case MOE_F64:
    return load<double>(tensor, i);
  case MOE_F32:
    return load<float>(tensor, i);
  case MOE_BF16:
    return decodeBF16(load<uint16_t>(tensor, i));
  case MOE_F16:
    return decodeF16(load<uint16_t>(tensor, i));
  default: // Refused by the checker.
    return std::numeric_limits<double>::quiet_NaN();
  }
}

double real(const moe_tensor &tensor, int64_t row, int64_t column) {
  return real(tensor, flatten(tensor, row, column));
}

int32_t integer(const moe_tensor &tensor, int64_t i) {
  if (tensor.dtype == MOE_I8)
    return load<int8_t>(tensor, i);
  if (tensor.dtype == MOE_U8)
    return load<uint8_t>(tensor, i);
  return load<int32_t>(tensor, i);
}

int32_t integer(const moe_tensor &tensor, int64_t row, int64_t column) {
  return integer(tensor, flatten(tensor, row, column));
}

void setReal(moe_tensor &tensor, int64_t i, double value) {
  if (tensor.dtype == MOE_F64)
    store<double>(tensor, i, value);
  else
    store<float>(tensor, i, static_cast<float>(value));
}

void setReal(moe_tensor &tensor, int64_t row, int64_t column, double value) {
  setReal(tensor, flatten(tensor, row, column), value);
}

void setInteger(moe_tensor &tensor, int64_t i, int64_t value) {
  if (tensor.dtype == MOE_I8)
    store<int8_t>(tensor, i, static_cast<int8_t>(value));
  else
    store<int32_t>(tensor, i, static_cast<int32_t>(value));
}

void setInteger(moe_tensor &tensor, int64_t row, int64_t column,
                int64_t value) {
  setInteger(tensor, flatten(tensor, row, column), value);
}

} // namespace moe::reference
