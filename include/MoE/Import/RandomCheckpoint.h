//===- RandomCheckpoint.h - Checkpoints with random weights -----*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_RANDOMCHECKPOINT_H
#define MOE_IMPORT_RANDOMCHECKPOINT_H

#include "MoE/Import/WeightMap.h"

#include <functional>

namespace mlir::moe::hf {

/// Told after each piece that was written.
using ProgressCallback =
    std::function<void(int64_t bytesWritten, int64_t bytesTotal)>;

/// Writes a .safetensors file with the tensors of `config` in the published
/// layout of its family and of config.dtype. Their values are those of
/// moe_checkpoint_random_values, as they are of a session with random weights.
/// Memory use is a few megabytes whatever the size. Returns the bytes of tensor
/// data written.
ImportResult<int64_t>
randomizeCheckpoint(const ModelConfig &config, uint64_t seed,
                    const std::string &path,
                    const ProgressCallback &progress = {});

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_RANDOMCHECKPOINT_H
