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

// No processor of today multiplies f16 faster than f32 in the way bf16 is.
static const DType dtypes[] = {
    {"f32", MOE_F32, Arithmetic::F32, Activations::F32, 3e-5},
    {"bf16", MOE_BF16, Arithmetic::BF16, Activations::BF16, 2e-2},
    {"f16", MOE_F16, Arithmetic::F32, Activations::F32, 2e-3},
    {"int8", 0, Arithmetic::Int8, Activations::F32, 5e-2},
    {"int4", 0, Arithmetic::Int8, Activations::F32, 2e-1},
};

int64_t DType::getBytes() const { return int64_t(moe_dtype_size(element)); }

Error DType::checkError(double error) const {
  if (error <= errorBound)
    return Error::success();
  std::string found = formatv("{0:e2}", error);
  std::string bound = formatv("{0:e2}", errorBound);
  return mismatch("the largest error against the oracle is " + Twine(found) +
                  ", expected at most " + bound + " with " + name +
                  "; the code of this build is wrong [moe-bench-error]");
}

static std::string listSupported() {
  auto supported = make_filter_range(
      dtypes, [](const DType &dtype) { return dtype.element != 0; });
  return join(map_range(supported, [](const DType &d) { return d.name; }),
              ", ");
}

Expected<const DType *> moe::bench::findDType(StringRef name) {
  const auto *found =
      find_if(dtypes, [&](const DType &dtype) { return dtype.name == name; });
  if (found == std::end(dtypes))
    return invalidInput("--dtype is '" + name + "', expected one of " +
                        listSupported() + " [moe-bench-dtype]");
  if (found->element == 0)
    return invalidInput("--dtype is " + name +
                        ", which no layer can be compiled for yet, expected "
                        "one of " +
                        listSupported() +
                        "; choose one of them [moe-bench-dtype-unsupported]");
  return found;
}
