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
#include <type_traits>

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

/// Calls `visit` with the data of `tensor` if its elements are `Integer`s.
template <typename Integer, typename Visit>
void visitIf(const moe_tensor &tensor, const Visit &visit) {
  bool isSigned = moe_dtype_class_of(tensor.dtype) == MOE_CLASS_SIGNED;
  if (moe_dtype_size(tensor.dtype) == sizeof(Integer) &&
      isSigned == std::is_signed_v<Integer>)
    visit(static_cast<const Integer *>(tensor.data));
}

/// Calls `visit` with the elements as a pointer to integers of their width; not
/// at all when they are floats. Booleans are bytes.
template <typename Visit>
void visitIntegers(const moe_tensor &tensor, const Visit &visit) {
  if (isFloat(tensor.dtype))
    return;
  visitIf<int8_t>(tensor, visit);
  visitIf<uint8_t>(tensor, visit);
  visitIf<int16_t>(tensor, visit);
  visitIf<uint16_t>(tensor, visit);
  visitIf<int32_t>(tensor, visit);
  visitIf<uint32_t>(tensor, visit);
  visitIf<int64_t>(tensor, visit);
  visitIf<uint64_t>(tensor, visit);
}

} // namespace moe::rt

#endif // MOE_RT_CORE_DTYPE_H
