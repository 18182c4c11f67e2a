//===- Tensor.h - Elements of ABI tensors as f64 and i32 --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Element access for tensors that a Checker has accepted; nothing is checked
// again. Data need not be aligned.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REFERENCE_TENSOR_H
#define MOE_REFERENCE_TENSOR_H

#include "MoE/Runtime/Abi.h"

#include <cstdint>

namespace moe::reference {

/// The value of a bf16 or f16 bit pattern.
double decodeBF16(uint16_t bits);
double decodeF16(uint16_t bits);

/// Element `i` of a rank 1 tensor, or `row`, `column` of a rank 2 tensor.
double real(const moe_tensor &tensor, int64_t i);
double real(const moe_tensor &tensor, int64_t row, int64_t column);
int32_t integer(const moe_tensor &tensor, int64_t i);
int32_t integer(const moe_tensor &tensor, int64_t row, int64_t column);

/// Stores an element, rounded to the tensor's type (f64 or f32).
void setReal(moe_tensor &tensor, int64_t i, double value);
void setReal(moe_tensor &tensor, int64_t row, int64_t column, double value);
void setInteger(moe_tensor &tensor, int64_t i, int64_t value);
void setInteger(moe_tensor &tensor, int64_t row, int64_t column, int64_t value);

} // namespace moe::reference

#endif // MOE_REFERENCE_TENSOR_H
