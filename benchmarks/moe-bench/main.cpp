//===- main.cpp - Measures one Mixture-of-Experts layer -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Bench.h"
#include "Failure.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/PrettyStackTrace.h"

using namespace moe::bench;

static llvm::Error runMain(int argc, char **argv) {
  llvm::Expected<std::optional<Options>> options = parseOptions(argc, argv);
  if (!options)
    return options.takeError();
  return *options ? run(**options) : flushOutput();
}

int main(int argc, char **argv) {
  llvm::setBugReportMsg("PLEASE report this defect of moe-mlir, with the "
                        "command line.\n");
  llvm::InitLLVM init(argc, argv);
  return int(reportError(runMain(argc, argv)));
}
