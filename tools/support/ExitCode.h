//===- ExitCode.h - What the tools exit with --------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SUPPORT_EXITCODE_H
#define MOE_TOOLS_SUPPORT_EXITCODE_H

#include "support/StatusError.h"

namespace moe {

/// What moe-run and moe-translate exit with; describeExitCodes says what each
/// means.
enum class ExitCode {
  Success = 0,
  Mismatch = 1,
  InvalidArgument = 2,
  InvalidData = 3,
  NotFound = 4,
  IoError = 5,
  OutOfMemory = 6,
  Unsupported = 7,
  Internal = 8
};

/// The code of a failure of that kind.
ExitCode getExitCode(int32_t status);

/// The exit codes as a table for --help. Only a tool that compares results has
/// ExitCode::Mismatch.
std::string describeExitCodes(bool comparesResults);

/// The command line asks for what cannot be.
llvm::Error invalidInput(const llvm::Twine &message);

/// Prints what `error` says to stderr, after the name of the tool, and returns
/// the code to exit with.
ExitCode reportError(llvm::StringRef tool, llvm::Error error);

} // namespace moe

#endif // MOE_TOOLS_SUPPORT_EXITCODE_H
