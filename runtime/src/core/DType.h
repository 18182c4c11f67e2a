//===- DType.h - Element types in memory and in files -----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_DTYPE_H
#define MOE_RT_CORE_DTYPE_H

#include "MoE/Runtime/Abi.h"

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

} // namespace moe::rt

#endif // MOE_RT_CORE_DTYPE_H
