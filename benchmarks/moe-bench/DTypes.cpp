//===- DTypes.cpp - Types of weights --------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DTypes.h"
#include "Failure.h"
#include "moe_rt/safetensors.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace moe::bench;
using mlir::moe::Activations;
using mlir::moe::ExpertFormat;

// No processor of today multiplies f16 faster than f32 in the way bf16 is.
static const DType dtypes[] = {
    {"f32", MOE_F32, {}, Arithmetic::F32, Activations::F32, 3e-5},
    {"bf16", MOE_BF16, {}, Arithmetic::BF16, Activations::BF16, 2e-2},
    {"f16", MOE_F16, {}, Arithmetic::F32, Activations::F32, 2e-3},
    {"int8",
     MOE_F32,
     {ExpertFormat::Int8},
     Arithmetic::Int8,
     Activations::Int8,
     5e-2},
    {"int8-grouped",
     MOE_F32,
     {ExpertFormat::Int8, /*group=*/32},
     Arithmetic::Int8,
     Activations::Int8Grouped,
     5e-2},
    {"int4",
     MOE_F32,
     {ExpertFormat::Int4},
     Arithmetic::Int8,
     Activations::Int8,
     3e-1},
};

int64_t DType::getStoredBytes() const {
  return int64_t(moe_dtype_size(element));
}

int64_t DType::getRowBytes(int64_t columns) const {
  if (quantization.format == ExpertFormat::Stored)
    return columns * getStoredBytes();
  int64_t codes = divideCeil(columns * quantization.getBits(), 8);
  int64_t group = quantization.getGroup();
  // One f32, or one bf16 per group.
  return codes + (group == 0 ? 4 : divideCeil(columns, group) * 2);
}

Error DType::checkError(double error) const {
  if (error <= errorBound)
    return Error::success();
  std::string found = formatv("{0:e2}", error);
  std::string bound = formatv("{0:e2}", errorBound);
  return mismatch("the largest error against the oracle is " + Twine(found) +
                  ", expected at most " + bound + " with " + name +
                  "; the code of this build is wrong [moe-bench-error]");
}

Expected<const DType *> moe::bench::findDType(StringRef name) {
  const auto *found =
      find_if(dtypes, [&](const DType &dtype) { return dtype.name == name; });
  if (found == std::end(dtypes))
    return invalidInput(
        "--dtype is '" + name + "', expected one of " +
        join(map_range(dtypes, [](const DType &d) { return d.name; }), ", ") +
        " [moe-bench-dtype]");
  return found;
}
