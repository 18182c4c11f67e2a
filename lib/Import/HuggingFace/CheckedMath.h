//===- CheckedMath.h - Arithmetic on sizes from files -----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUGGINGFACE_CHECKEDMATH_H
#define MOE_LIB_IMPORT_HUGGINGFACE_CHECKEDMATH_H

#include <cstdint>
#include <optional>
#include <vector>

namespace mlir::moe::hf {

inline std::optional<int64_t> checkedMul(int64_t lhs, int64_t rhs) {
  int64_t result;
  if (__builtin_mul_overflow(lhs, rhs, &result))
    return std::nullopt;
  return result;
}

inline std::optional<int64_t> checkedAdd(int64_t lhs, int64_t rhs) {
  int64_t result;
  if (__builtin_add_overflow(lhs, rhs, &result))
    return std::nullopt;
  return result;
}

inline std::optional<int64_t>
checkedProduct(const std::vector<int64_t> &factors) {
  std::optional<int64_t> result = 1;
  for (int64_t factor : factors)
    if (result)
      result = checkedMul(*result, factor);
  return result;
}

} // namespace mlir::moe::hf

#endif // MOE_LIB_IMPORT_HUGGINGFACE_CHECKEDMATH_H
