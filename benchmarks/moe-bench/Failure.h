//===- Failure.h - Errors that carry an exit code ------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_FAILURE_H
#define MOE_BENCHMARKS_MOEBENCH_FAILURE_H

#include "llvm/Support/Error.h"

namespace moe::bench {

/// What moe-bench exits with; --help documents the values.
enum class ExitCode {
  Success = 0,
  Mismatch = 1,     ///< the layer computes something else
  InvalidInput = 2, ///< the command line or a line to the worker is wrong
  Failed = 3        ///< compiling, running or writing failed
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

llvm::Error mismatch(const llvm::Twine &message);
llvm::Error invalidInput(const llvm::Twine &message);
llvm::Error failed(const llvm::Twine &message);

/// Prints every message of `error` to stderr and returns the code to exit with.
ExitCode reportError(llvm::Error error);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_FAILURE_H
