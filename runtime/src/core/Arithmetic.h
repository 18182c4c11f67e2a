//===- Arithmetic.h - Sizes that cannot wrap around -------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes come from files, flags and callers. Every product and sum of them goes
// through these functions; a raw `*` on such a number is a defect.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_ARITHMETIC_H
#define MOE_RT_CORE_ARITHMETIC_H

#include <algorithm>
#include <cstdint>

namespace moe::rt {

/// out = a * b. True when that does not fit into T.
template <typename T> [[nodiscard]] inline bool mulOverflow(T a, T b, T &out) {
  return __builtin_mul_overflow(a, b, &out);
}

/// out = a + b. True when that does not fit into T.
template <typename T> [[nodiscard]] inline bool addOverflow(T a, T b, T &out) {
  return __builtin_add_overflow(a, b, &out);
}

/// Number of elements of a shape without negative extents. True on overflow,
/// in whatever order the extents are multiplied: {0, 2^62, 2^62} overflows too,
/// so that strides computed from an accepted shape fit as well.
[[nodiscard]] inline bool elementsOverflow(const int64_t *shape, int32_t rank,
                                           int64_t &elements) {
  int64_t product = 1;
  bool isEmpty = false;
  for (int32_t i = 0; i < rank; ++i) {
    isEmpty |= shape[i] == 0;
    if (mulOverflow<int64_t>(product, std::max<int64_t>(shape[i], 1), product))
      return true;
  }
  elements = isEmpty ? 0 : product;
  return false;
}

/// Bytes of `elements` elements of `elementSize` bytes; must fit into int64_t,
/// because compiled code computes addresses with signed 64-bit numbers.
[[nodiscard]] inline bool bytesOverflow(int64_t elements, uint64_t elementSize,
                                        int64_t &bytes) {
  return mulOverflow(elements, static_cast<int64_t>(elementSize), bytes);
}

} // namespace moe::rt

#endif // MOE_RT_CORE_ARITHMETIC_H
