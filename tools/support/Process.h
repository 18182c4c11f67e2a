//===- Process.h - How a tool begins and ends -------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SUPPORT_PROCESS_H
#define MOE_TOOLS_SUPPORT_PROCESS_H

#include "llvm/Support/InitLLVM.h"

namespace moe {

/// The first object of a tool's main:
///   * a signal that ends the tool removes the files that it has not finished,
///     and ends it as if there were no handler;
///   * a limit on the size of files is an error of the write, not a signal;
///   * a crash says whose defect it is.
class Process {
public:
  Process(int &argc, char **&argv);

private:
  /// LLVM's handlers restore those that they find and raise the signal again,
  /// so these must be there first.
  struct Interrupts {
    Interrupts();
  };
  Interrupts interrupts;
  llvm::InitLLVM init;
};

} // namespace moe

#endif // MOE_TOOLS_SUPPORT_PROCESS_H
