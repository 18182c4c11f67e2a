//===- Failure.cpp - What moe-run exits with ------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Failure.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>

using namespace llvm;
using namespace moe;
using namespace moe::run;

namespace {
struct Row {
  ExitCode code;
  std::optional<moe_status> status; ///< nothing: not a failure
  StringLiteral meaning;
};
} // namespace

static constexpr Row rows[] = {
    {ExitCode::Success, MOE_OK, "success"},
    {ExitCode::Mismatch, std::nullopt, "a result is not as --expect says"},
    {ExitCode::InvalidArgument, MOE_INVALID_ARGUMENT,
     "the command line is wrong, or inputs do not fit the entry"},
    {ExitCode::InvalidData, MOE_INVALID_DATA,
     "a model, its weights or another file is damaged or contradicts itself"},
    {ExitCode::NotFound, MOE_NOT_FOUND, "a file, tensor or entry is not there"},
    {ExitCode::IoError, MOE_IO_ERROR, "a file cannot be read or written"},
    {ExitCode::OutOfMemory, MOE_OUT_OF_MEMORY, "memory is exhausted"},
    {ExitCode::Unsupported, MOE_UNSUPPORTED,
     "a model family, a format or a processor that is not supported"},
    {ExitCode::Internal, MOE_INTERNAL, "a defect of moe-mlir; report it"},
};

ExitCode moe::run::getExitCode(moe_status status) {
  const Row *found =
      find_if(rows, [=](const Row &row) { return row.status == status; });
  return found == std::end(rows) ? ExitCode::Internal : found->code;
}

std::string moe::run::describeExitCodes() {
  std::string text;
  raw_string_ostream os(text);
  os << "Exit codes:\n";
  for (const Row &row : rows)
    os << "  " << int(row.code) << "  " << row.meaning << '\n';
  return text;
}

Error moe::run::invalidInput(const Twine &message) {
  return makeError(MOE_INVALID_ARGUMENT, message);
}

ExitCode moe::run::reportError(Error error) {
  Failure failure = takeFailure(std::move(error));
  if (failure.status != MOE_OK)
    errs() << "moe-run: error: " << failure.message << '\n';
  return getExitCode(failure.status);
}
