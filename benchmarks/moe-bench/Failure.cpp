//===- Failure.cpp - Errors that carry an exit code -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Failure.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace moe::bench;

char Failure::ID = 0;

Error moe::bench::mismatch(const Twine &message) {
  return make_error<Failure>(ExitCode::Mismatch, message.str());
}

Error moe::bench::invalidInput(const Twine &message) {
  return make_error<Failure>(ExitCode::InvalidInput, message.str());
}

Error moe::bench::failed(const Twine &message) {
  return make_error<Failure>(ExitCode::Failed, message.str());
}

ExitCode moe::bench::reportError(Error error) {
  ExitCode code = ExitCode::Success;
  auto print = [&](const ErrorInfoBase &info, ExitCode found) {
    errs() << "moe-bench: error: " << info.message() << '\n';
    code = found;
  };
  handleAllErrors(
      std::move(error),
      [&](const Failure &failure) { print(failure, failure.getExitCode()); },
      [&](const ErrorInfoBase &info) { print(info, ExitCode::Failed); });
  return code;
}
