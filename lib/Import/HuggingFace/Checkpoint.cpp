//===- Checkpoint.cpp - Names and shapes of an open checkpoint ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/WeightMap.h"

#include "moe_rt/safetensors.h"

using namespace mlir::moe::hf;

TensorListing mlir::moe::hf::listTensors(const moe_checkpoint *checkpoint) {
  TensorListing listing;
  for (size_t i = 0, count = moe_checkpoint_size(checkpoint); i != count; ++i) {
    const moe_file_tensor *tensor = moe_checkpoint_at(checkpoint, i);
    listing[tensor->name] = {
        tensor->dtype_name,
        std::vector<int64_t>(tensor->shape, tensor->shape + tensor->rank)};
  }
  return listing;
}
