//===- DType.h - Element types in memory and in files -----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_DTYPE_H
#define MOE_RT_CORE_DTYPE_H

#include "moe_rt/safetensors.h"

#include <string_view>

namespace moe::rt {

/// An element type that a .safetensors file can name.
struct FileDType {
  const char *name;   ///< as written in the header, e.g. "BF16"
  int32_t dtype;      ///< moe_dtype; 0 when this runtime has no such type
  uint32_t bits;      ///< of one element
  uint32_t alignment; ///< of one element, in bytes
};

/// The file type of that name, or null.
const FileDType *findFileDType(std::string_view name);

/// The file type that holds `dtype`, or null when it is not a moe_dtype.
const FileDType *fileDTypeOf(int32_t dtype);

/// Integers of any width; no booleans.
inline bool isInteger(int32_t dtype) {
  int32_t kind = moe_dtype_class_of(dtype);
  return kind == MOE_CLASS_SIGNED || kind == MOE_CLASS_UNSIGNED;
}

inline bool isFloat(int32_t dtype) {
  return moe_dtype_class_of(dtype) == MOE_CLASS_FLOAT;
}

/// Calls `visit` with the elements as a pointer to integers of their width; not
/// at all when they are floats. Booleans are bytes.
template <typename Visit>
void visitIntegers(const moe_tensor &tensor, Visit &&visit) {
  auto as = [&](auto type) {
    visit(static_cast<const decltype(type) *>(tensor.data));
  };
  if (isFloat(tensor.dtype))
    return;
  bool isSigned = moe_dtype_class_of(tensor.dtype) == MOE_CLASS_SIGNED;
  switch (moe_dtype_size(tensor.dtype)) {
  case 1:
    return isSigned ? as(int8_t()) : as(uint8_t());
  case 2:
    return isSigned ? as(int16_t()) : as(uint16_t());
  case 4:
    return isSigned ? as(int32_t()) : as(uint32_t());
  case 8:
    return isSigned ? as(int64_t()) : as(uint64_t());
  }
}

} // namespace moe::rt

#endif // MOE_RT_CORE_DTYPE_H
