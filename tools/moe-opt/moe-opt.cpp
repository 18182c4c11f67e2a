//===- moe-opt.cpp - Runs passes on modules with moe ops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/InitAllDialects.h"
#include "MoE/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "support/OutOfMemory.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/PrettyStackTrace.h"
#include <cstdlib>

int main(int argc, char **argv) {
  moe::exitWhenOutOfMemory("moe-opt", EXIT_FAILURE);
  llvm::setBugReportMsg("PLEASE report this defect of moe-mlir, with the input "
                        "and the command line.\n");
  llvm::cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "moe-opt " MOE_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
  });
  mlir::DialectRegistry registry;
  mlir::moe::registerAllDialects(registry);
  mlir::moe::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "moe-opt: compiler for Mixture-of-Experts models\n",
      registry));
}
