//===- boundary.h - What every function of a C interface does ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For those who implement a C interface in C++: the runtime, and libMoE around
// it. Callers do not need it, so it is not installed.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_BOUNDARY_H
#define MOE_RT_BOUNDARY_H

#include "moe_rt/error.h"

#include <exception>
#include <new>
#include <stdexcept>

namespace moe::rt {

/// Runs `body` and turns every exception into a status: none crosses the ABI.
template <typename Body>
int32_t guarded(moe_error *error, Body &&body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return moe_error_set(error, MOE_OUT_OF_MEMORY,
                         "memory is exhausted; use a smaller model or batch, "
                         "or free memory [moe-out-of-memory]");
  } catch (const std::length_error &) {
    return moe_error_set(error, MOE_OUT_OF_MEMORY,
                         "a table is larger than this machine's address "
                         "space; use a smaller model [moe-table-too-large]");
  } catch (const std::exception &exception) {
    return moe_error_set(error, MOE_INTERNAL,
                         "unexpected exception '%s'; this is a defect of "
                         "moe-mlir, report it [moe-internal]",
                         exception.what());
  } catch (...) {
    return moe_error_set(error, MOE_INTERNAL,
                         "unexpected exception of unknown type; this is a "
                         "defect of moe-mlir, report it "
                         "[moe-internal-unknown]");
  }
}

/// Nothing went wrong so far.
inline void clearError(moe_error *error) {
  if (!error)
    return;
  error->status = MOE_OK;
  error->message[0] = '\0';
}

} // namespace moe::rt

#endif // MOE_RT_BOUNDARY_H
