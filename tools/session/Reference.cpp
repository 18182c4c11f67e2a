//===- Reference.cpp - The oracle as compiled code calls it
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reference.h"
#include "moe_rt/reference.h"

/// Compiled code has no way to report a failure of the oracle: keep it here.
static thread_local moe_error failure = {};

moe_error moe::takeReferenceFailure() {
  moe_error taken = failure;
  failure = {};
  return taken;
}

/// Where the next call may report: nowhere if a failure is kept already.
static moe_error *errorSlot() {
  return failure.status == MOE_OK ? &failure : nullptr;
}

/// Results are passed as constant descriptions of memory that may be written.
static moe_tensor *result(const moe_tensor *tensor) {
  return const_cast<moe_tensor *>(tensor);
}

void moe_reference_router(const void *attrs, const moe_tensor *const *t,
                          int64_t) {
  moe_ref_router(static_cast<const moe_router_attrs *>(attrs), t[0], t[1], t[2],
                 t[3], result(t[4]), result(t[5]), result(t[6]), errorSlot());
}

void moe_reference_plan(const void *attrs, const moe_tensor *const *t,
                        int64_t capacity) {
  moe_ref_plan(static_cast<const moe_plan_attrs *>(attrs), t[0], t[1], t[2],
               capacity, t[3], result(t[4]), result(t[5]), result(t[6]),
               result(t[7]), result(t[8]), errorSlot());
}

void moe_reference_dispatch(const void *, const moe_tensor *const *t, int64_t) {
  moe_ref_dispatch(t[0], t[1], t[2], t[3], t[4], result(t[5]), errorSlot());
}

void moe_reference_combine(const void *, const moe_tensor *const *t, int64_t) {
  moe_ref_combine(t[0], t[1], t[2], t[3], result(t[4]), errorSlot());
}

void moe_reference_quantize_rows(const void *attrs, const moe_tensor *const *t,
                                 int64_t) {
  moe_ref_quantize_rows(static_cast<const moe_quantize_rows_attrs *>(attrs),
                        t[0], result(t[1]), result(t[2]), result(t[3]),
                        errorSlot());
}

void moe_reference_aux_loss(const void *attrs, const moe_tensor *const *t,
                            int64_t) {
  moe_ref_aux_loss(static_cast<const moe_aux_loss_attrs *>(attrs), t[0], t[1],
                   result(t[2]), errorSlot());
}
