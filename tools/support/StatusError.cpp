//===- StatusError.cpp - Errors that say of which kind they are
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "support/StatusError.h"
#include "llvm/ADT/Twine.h"

using namespace moe;

char StatusError::ID = 0;

llvm::Error moe::makeError(moe_status status, const llvm::Twine &message) {
  return llvm::make_error<StatusError>(status, message.str());
}

llvm::Error moe::makeError(const moe_error &error) {
  return makeError(static_cast<moe_status>(error.status), error.message);
}

moe_status moe::statusOf(std::error_code code) {
  if (code == std::errc::no_such_file_or_directory ||
      code == std::errc::not_a_directory)
    return MOE_NOT_FOUND;
  if (code == std::errc::not_enough_memory)
    return MOE_OUT_OF_MEMORY;
  return MOE_IO_ERROR;
}

static moe_status statusOf(const llvm::ErrorInfoBase &error) {
  if (error.isA<StatusError>())
    return static_cast<const StatusError &>(error).getStatus();
  return error.convertToErrorCode() == std::errc::not_enough_memory
             ? MOE_OUT_OF_MEMORY
             : MOE_INTERNAL;
}

Failure moe::takeFailure(llvm::Error error) {
  Failure failure;
  llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase &info) {
    if (failure.status == MOE_OK)
      failure.status = ::statusOf(info);
    failure.message += (failure.message.empty() ? "" : "\n") + info.message();
  });
  return failure;
}
