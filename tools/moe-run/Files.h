//===- Files.h - What a run reads and writes --------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_FILES_H
#define MOE_TOOLS_MOERUN_FILES_H

#include "Options.h"

namespace moe::run {

/// Refuses outputs that cannot be written, or in whose place something that the
/// run reads or writes would be lost.
llvm::Error checkFiles(const Options &options);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_FILES_H
