//===- Failure.h - Errors that carry an exit code ---------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_FAILURE_H
#define MOE_TOOLS_MOERUN_FAILURE_H

#include "llvm/Support/Error.h"

namespace moe::run {

/// What moe-run exits with; --help documents the values.
enum class ExitCode {
  Success = 0,
  Mismatch = 1,     ///< an expectation was not met
  InvalidInput = 2, ///< the command line or a file it names is wrong
  Failed = 3        ///< opening, compiling, running or writing failed
};

/// An error with the code that the process exits with.
class Failure : public llvm::ErrorInfo<Failure> {
public:
  static char ID;

  Failure(ExitCode code, std::string message)
      : code(code), text(std::move(message)) {}

  ExitCode getExitCode() const { return code; }
  void log(llvm::raw_ostream &os) const override { os << text; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }

private:
  ExitCode code;
  std::string text;
};

/// The user can correct this.
llvm::Error invalidInput(const llvm::Twine &message);
/// Something could not be carried out.
llvm::Error failed(const llvm::Twine &message);
/// The same message with another code; success stays success.
llvm::Error withExitCode(llvm::Error error, ExitCode code);

/// Prints every message of `error` to stderr and returns the code to exit with.
ExitCode reportError(llvm::Error error);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_FAILURE_H
