//===- DType.cpp - Element types in memory and in files -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/DType.h"
#include "moe_rt/safetensors.h"

using namespace moe::rt;

namespace {
struct MemoryDType {
  int32_t dtype;
  uint32_t size;
  int32_t kind;
  const char *name;
};
} // namespace

static constexpr MemoryDType memoryDTypes[] = {
#define MEMORY_DTYPE(NAME, VALUE, BITS, CLASS, TEXT, FILE_TEXT, MLIR_TEXT)     \
  {MOE_##NAME, BITS / 8, MOE_CLASS_##CLASS, TEXT},
    MOE_FOR_EACH_DTYPE(MEMORY_DTYPE)
#undef MEMORY_DTYPE
};

#define WHOLE_BYTES(NAME, VALUE, BITS, CLASS, TEXT, FILE_TEXT, MLIR_TEXT)      \
  static_assert(BITS % 8 == 0, "moe_dtype_size counts whole bytes");
MOE_FOR_EACH_DTYPE(WHOLE_BYTES)
#undef WHOLE_BYTES

/// All types of the format. Those without a moe_dtype are listed, so that a
/// checkpoint that holds some of them can be opened for its other tensors.
static constexpr FileDType fileDTypes[] = {
#define FILE_DTYPE(NAME, VALUE, BITS, CLASS, TEXT, FILE_TEXT, MLIR_TEXT)       \
  {FILE_TEXT, MOE_##NAME, BITS, BITS / 8},
    MOE_FOR_EACH_DTYPE(FILE_DTYPE)
#undef FILE_DTYPE
    // clang-format off
    {"U64", 0, 64, 8},        {"U32", 0, 32, 4},
    {"U16", 0, 16, 2},        {"C64", 0, 64, 4},
    {"F8_E4M3", 0, 8, 1},     {"F8_E5M2", 0, 8, 1},
    {"F8_E4M3FNUZ", 0, 8, 1}, {"F8_E5M2FNUZ", 0, 8, 1},
    {"F8_E8M0", 0, 8, 1},     {"F6_E2M3", 0, 6, 1},
    {"F6_E3M2", 0, 6, 1},     {"F4", 0, 4, 1},
    // clang-format on
};

const FileDType *moe::rt::findFileDType(std::string_view name) {
  for (const FileDType &candidate : fileDTypes)
    if (name == candidate.name)
      return &candidate;
  return nullptr;
}

const FileDType *moe::rt::fileDTypeOf(int32_t dtype) {
  for (const FileDType &candidate : fileDTypes)
    if (dtype != 0 && dtype == candidate.dtype)
      return &candidate;
  return nullptr;
}

static const MemoryDType *findMemoryDType(int32_t dtype) {
  for (const MemoryDType &candidate : memoryDTypes)
    if (dtype == candidate.dtype)
      return &candidate;
  return nullptr;
}

size_t moe_dtype_size(int32_t dtype) {
  const MemoryDType *found = findMemoryDType(dtype);
  return found ? found->size : 0;
}

const char *moe_dtype_name(int32_t dtype) {
  const MemoryDType *found = findMemoryDType(dtype);
  return found ? found->name : "unknown";
}

const char *moe_dtype_file_name(int32_t dtype) {
  const FileDType *found = fileDTypeOf(dtype);
  return found ? found->name : "unknown";
}

int32_t moe_dtype_class_of(int32_t dtype) {
  const MemoryDType *found = findMemoryDType(dtype);
  return found ? found->kind : int32_t(MOE_CLASS_NONE);
}

int64_t moe_tensor_integer(const moe_tensor *tensor, int64_t index) {
  int64_t value = 0;
  visitIntegers(*tensor, [&](auto *elements) {
    value = static_cast<int64_t>(elements[index]);
  });
  return value;
}
