//===- main.cpp - Compiles and runs Mixture-of-Experts models -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Run.h"
#include "support/OutOfMemory.h"
#include "support/Outputs.h"
#include "support/Process.h"

using namespace moe;
using namespace moe::run;

static llvm::Expected<ExitCode> runMain(int argc, char **argv) {
  llvm::Expected<std::optional<Options>> options = parseOptions(argc, argv);
  if (!options)
    return options.takeError();
  if (*options)
    return moe::run::run(**options);
  if (llvm::Error error = flushStdout())
    return std::move(error);
  return ExitCode::Success;
}

int main(int argc, char **argv) {
  Process process(argc, argv);
  exitWhenOutOfMemory("moe-run", int(getExitCode(MOE_OUT_OF_MEMORY)));
  llvm::Expected<ExitCode> code = runMain(argc, argv);
  if (code)
    return int(*code);
  ExitCode failure = reportError("moe-run", code.takeError());
  // What was printed before the failure; it is reported already.
  llvm::consumeError(flushStdout());
  return int(failure);
}
