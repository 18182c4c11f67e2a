//===- error.h - How a fallible call reports -*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_ERROR_H
#define MOE_RT_ERROR_H

#include "MoE/Runtime/Abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What went wrong, in a fixed buffer that the caller owns (no allocation, so
/// that running out of memory can be reported too). The text is one sentence:
/// what was found, what was expected, what to do; it ends in "[moe-NAME]" from
/// the table of diagnostics. Always null-terminated; cut when too long.
typedef struct moe_error {
  int32_t status; ///< moe_status; MOE_OK when nothing went wrong
  char message[1020];
} moe_error;

/// Fills `error` (if not null) from a printf format and returns `status`.
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int32_t moe_error_set(moe_error *error, int32_t status, const char *format,
                      ...);

/// A short name such as "invalid-argument".
const char *moe_status_name(int32_t status);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_ERROR_H
