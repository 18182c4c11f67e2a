//===- Failure.cpp - Errors that carry an exit code -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Failure.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace moe::run;

char Failure::ID = 0;

Error moe::run::invalidInput(const Twine &message) {
  return make_error<Failure>(ExitCode::InvalidInput, message.str());
}

Error moe::run::failed(const Twine &message) {
  return make_error<Failure>(ExitCode::Failed, message.str());
}

Error moe::run::withExitCode(Error error, ExitCode code) {
  if (!error)
    return Error::success();
  return make_error<Failure>(code, toString(std::move(error)));
}

ExitCode moe::run::reportError(Error error) {
  ExitCode code = ExitCode::Success;
  auto print = [&](const ErrorInfoBase &info, ExitCode found) {
    errs() << "moe-run: error: " << info.message() << '\n';
    code = found;
  };
  handleAllErrors(
      std::move(error),
      [&](const Failure &failure) { print(failure, failure.getExitCode()); },
      [&](const ErrorInfoBase &info) { print(info, ExitCode::Failed); });
  return code;
}
