//===- main.cpp - Compiles and runs Mixture-of-Experts models -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Run.h"
#include "support/OutOfMemory.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/PrettyStackTrace.h"

using namespace moe::run;

static llvm::Expected<ExitCode> runMain(int argc, char **argv) {
  llvm::Expected<std::optional<Options>> options = parseOptions(argc, argv);
  if (!options)
    return options.takeError();
  if (*options)
    return run(**options);
  if (llvm::Error error = flushOutput())
    return std::move(error);
  return ExitCode::Success;
}

int main(int argc, char **argv) {
  llvm::setBugReportMsg("PLEASE report this defect of moe-mlir, with the input "
                        "and the command line.\n");
  moe::exitWhenOutOfMemory("moe-run", int(getExitCode(MOE_OUT_OF_MEMORY)));
  llvm::InitLLVM init(argc, argv);
  llvm::Expected<ExitCode> code = runMain(argc, argv);
  if (code)
    return int(*code);
  ExitCode failure = reportError(code.takeError());
  // What was printed before the failure; it is reported already.
  llvm::consumeError(flushOutput());
  return int(failure);
}
