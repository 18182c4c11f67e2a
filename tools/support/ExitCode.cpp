//===- ExitCode.cpp - What the tools exit with ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "support/ExitCode.h"
#include "support/SourceText.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>

using namespace llvm;
using namespace moe;

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

ExitCode moe::getExitCode(int32_t status) {
  const Row *found =
      find_if(rows, [=](const Row &row) { return row.status == status; });
  return found == std::end(rows) ? ExitCode::Internal : found->code;
}

std::string moe::describeExitCodes(bool comparesResults) {
  std::string text;
  raw_string_ostream os(text);
  os << "Exit codes:\n";
  for (const Row &row : rows)
    if (comparesResults || row.code != ExitCode::Mismatch)
      os << "  " << int(row.code) << "  " << row.meaning << '\n';
  return text;
}

Error moe::invalidInput(const Twine &message) {
  return makeError(MOE_INVALID_ARGUMENT, message);
}

ExitCode moe::reportError(StringRef tool, Error error) {
  Failure failure = takeFailure(std::move(error));
  if (failure.status != MOE_OK)
    errs() << tool << ": error: " << maskControls(failure.message) << '\n';
  return getExitCode(failure.status);
}
