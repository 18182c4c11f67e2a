//===- Checkpoint.h - What the runtime does with open files -----*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_CHECKPOINT_H
#define MOE_RT_IO_CHECKPOINT_H

#include "moe_rt/safetensors.h"

#include <string>
#include <vector>

namespace moe::rt {

/// Lets the system take back the memory of `bytes` bytes at `data`, a part of a
/// tensor, if they are mapped from a file: they stay readable. Does nothing for
/// tensors that were copied because they are misaligned.
void releaseTensorData(const moe_checkpoint &checkpoint, const void *data,
                       size_t bytes);

/// A file of a checkpoint as it was when it was opened.
struct FileVersion {
  std::string name; ///< without the folder
  uint64_t bytes = 0;
  int64_t changedSeconds = 0, changedNanoseconds = 0; ///< when it was written
};

/// The files of a checkpoint, in order of name.
std::vector<FileVersion> listFiles(const moe_checkpoint &checkpoint);

} // namespace moe::rt

#endif // MOE_RT_IO_CHECKPOINT_H
