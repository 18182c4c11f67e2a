//===- Outputs.h - Files that the tools write -------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SUPPORT_OUTPUTS_H
#define MOE_TOOLS_SUPPORT_OUTPUTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace moe {

/// A file that an option asks for.
struct Output {
  llvm::StringRef option; ///< "--output"
  std::string path;       ///< empty or "-": no file
  bool isText = false;    ///< text can go to a device or a pipe, too
};

/// Refuses outputs before anything is computed: those that cannot be written,
/// and those in whose place a file of `inputs`, a standard stream or another
/// output would be lost.
llvm::Error checkOutputs(llvm::ArrayRef<Output> outputs,
                         llvm::ArrayRef<std::string> inputs);

/// Writes `text` to `path`, completely or not at all; devices and pipes are
/// written to as they are.
llvm::Error writeText(llvm::StringRef path, llvm::StringRef text);

/// The same; "-" is stdout.
llvm::Error writeTextOrStdout(llvm::StringRef path, llvm::StringRef text);

/// Empties the buffer of stdout; fails when something could not be written.
llvm::Error flushStdout();

/// The files that a checkpoint is read from, a .safetensors file or a
/// directory. None if it cannot be opened: its reader will say why.
std::vector<std::string> listCheckpointFiles(llvm::StringRef path);

} // namespace moe

#endif // MOE_TOOLS_SUPPORT_OUTPUTS_H
