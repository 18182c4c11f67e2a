//===- RandomValues.h - Reproducible values for weights ---------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_RANDOMVALUES_H
#define MOE_RT_CORE_RANDOMVALUES_H

#include "moe_rt/error.h"

namespace moe::rt {

/// Fills `out` with elements [first, first + count) of the tensor `name`, see
/// moe_checkpoint_random_values. The range is one of the tensor; its dtype is
/// checked.
int32_t fillRandom(const char *name, const moe_tensor &tensor, uint64_t seed,
                   int64_t first, int64_t count, void *out, moe_error *error);

} // namespace moe::rt

#endif // MOE_RT_CORE_RANDOMVALUES_H
