//===- CpuFeatures.h - Does this CPU have what a module needs ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CORE_CPUFEATURES_H
#define MOE_RT_CORE_CPUFEATURES_H

#include "moe_rt/error.h"

#include <string_view>

namespace moe::rt {

enum class FeatureState {
  Present, ///< of this CPU, or a matter of tuning that every CPU can run
  Missing,
  Unknown ///< no feature of that name that this build can check
};

/// Looks up a feature by the compiler's name of it, e.g. "avx512bf16".
FeatureState findCpuFeature(std::string_view name);

/// Checks a list "+avx2,-xop,+fma": every feature with '+' must be present.
/// An empty or null list is met by every CPU. `cpu` is for the message.
int32_t checkCpuFeatures(const char *features, const char *cpu,
                         moe_error *error);

} // namespace moe::rt

#endif // MOE_RT_CORE_CPUFEATURES_H
