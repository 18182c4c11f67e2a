//===- Failure.h - How libMoE reports -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_LIBMOE_FAILURE_H
#define MOE_TOOLS_LIBMOE_FAILURE_H

#include "moe_rt/error.h"
#include <exception>
#include <new>
#include <string>

namespace moe::capi {

/// Nothing went wrong so far.
void clearError(moe_error *error);

/// Reports what compiler or runtime said. Diagnostics of MLIR lose their source
/// lines and notes; a text that is too long loses its middle, never its tag; a
/// text of MLIR's own, without a tag, gets one.
int32_t report(moe_error *error, int32_t status, const std::string &message);

/// Runs `body` and turns every exception into a status: none crosses the ABI.
template <typename Body>
int32_t guarded(moe_error *error, Body &&body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return moe_error_set(error, MOE_OUT_OF_MEMORY,
                         "there is no memory to compile the model; free memory "
                         "or use a smaller model [moe-model-memory]");
  } catch (const std::exception &exception) {
    return moe_error_set(error, MOE_INTERNAL,
                         "unexpected exception '%s'; this is a defect of the "
                         "library, report it [moe-model-exception]",
                         exception.what());
  } catch (...) {
    return moe_error_set(error, MOE_INTERNAL,
                         "unexpected exception of unknown type; this is a "
                         "defect of the library, report it "
                         "[moe-model-exception-unknown]");
  }
}

} // namespace moe::capi

#endif // MOE_TOOLS_LIBMOE_FAILURE_H
