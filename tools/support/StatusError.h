//===- StatusError.h - Errors that say of which kind they are -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SUPPORT_STATUSERROR_H
#define MOE_TOOLS_SUPPORT_STATUSERROR_H

#include "moe_rt/error.h"
#include "llvm/Support/Error.h"
#include <string>

namespace moe {

/// A failure with its moe_status: what a C interface returns and a tool chooses
/// its exit code by.
class StatusError : public llvm::ErrorInfo<StatusError> {
public:
  static char ID;

  StatusError(moe_status status, std::string message)
      : status(status), text(std::move(message)) {}

  moe_status getStatus() const { return status; }
  void log(llvm::raw_ostream &os) const override { os << text; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }

private:
  moe_status status;
  std::string text;
};

llvm::Error makeError(moe_status status, const llvm::Twine &message);
/// What a failed call of the runtime reported.
llvm::Error makeError(const moe_error &error);

/// MOE_NOT_FOUND, MOE_OUT_OF_MEMORY or MOE_IO_ERROR: why a file was refused.
moe_status statusOf(std::error_code code);

/// An error, taken apart.
struct Failure {
  moe_status status = MOE_OK; ///< of the first, if there are several
  std::string message;        ///< of all, one per line
};

/// What `error` says. Errors of LLVM's own are MOE_OUT_OF_MEMORY if they are
/// that, else MOE_INTERNAL; success is MOE_OK.
Failure takeFailure(llvm::Error error);

} // namespace moe

#endif // MOE_TOOLS_SUPPORT_STATUSERROR_H
