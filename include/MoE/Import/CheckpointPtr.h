//===- CheckpointPtr.h - A checkpoint that closes itself --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_CHECKPOINTPTR_H
#define MOE_IMPORT_CHECKPOINTPTR_H

#include "moe_rt/safetensors.h"

#include <memory>

namespace mlir::moe::hf {

struct CloseCheckpoint {
  void operator()(moe_checkpoint *checkpoint) const {
    moe_checkpoint_close(checkpoint);
  }
};

/// Owns what moe_checkpoint_open made.
using CheckpointPtr = std::unique_ptr<moe_checkpoint, CloseCheckpoint>;

} // namespace mlir::moe::hf

#endif // MOE_IMPORT_CHECKPOINTPTR_H
