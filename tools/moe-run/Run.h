//===- Run.h - Carries out a command line -----------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_RUN_H
#define MOE_TOOLS_MOERUN_RUN_H

#include "Options.h"
#include "support/ExitCode.h"

namespace moe::run {

/// Opens the model, calls it as `options` say and reports what came out.
llvm::Expected<ExitCode> run(const Options &options);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_RUN_H
