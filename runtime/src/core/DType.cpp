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
  const char *name;
};
} // namespace

static constexpr MemoryDType memoryDTypes[] = {
    {MOE_F64, 8, "f64"},   {MOE_F32, 4, "f32"}, {MOE_F16, 2, "f16"},
    {MOE_BF16, 2, "bf16"}, {MOE_I64, 8, "i64"}, {MOE_I32, 4, "i32"},
    {MOE_I16, 2, "i16"},   {MOE_I8, 1, "i8"},   {MOE_U8, 1, "u8"},
    {MOE_BOOL, 1, "bool"},
};

/// All types of the format. Those without a moe_dtype are listed, so that a
/// checkpoint that holds some of them can be opened for its other tensors.
static constexpr FileDType fileDTypes[] = {
    {"F64", MOE_F64, 64, 8},  {"F32", MOE_F32, 32, 4},
    {"F16", MOE_F16, 16, 2},  {"BF16", MOE_BF16, 16, 2},
    {"I64", MOE_I64, 64, 8},  {"I32", MOE_I32, 32, 4},
    {"I16", MOE_I16, 16, 2},  {"I8", MOE_I8, 8, 1},
    {"U8", MOE_U8, 8, 1},     {"BOOL", MOE_BOOL, 8, 1},
    {"U64", 0, 64, 8},        {"U32", 0, 32, 4},
    {"U16", 0, 16, 2},        {"C64", 0, 64, 4},
    {"F8_E4M3", 0, 8, 1},     {"F8_E5M2", 0, 8, 1},
    {"F8_E4M3FNUZ", 0, 8, 1}, {"F8_E5M2FNUZ", 0, 8, 1},
    {"F8_E8M0", 0, 8, 1},     {"F6_E2M3", 0, 6, 1},
    {"F6_E3M2", 0, 6, 1},     {"F4", 0, 4, 1},
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
