//===- Clock.h - Time that passes -------------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_CLOCK_H
#define MOE_TOOLS_MOERUN_CLOCK_H

#include <chrono>

namespace moe::run {

/// Seconds since some moment in the past; never goes back.
inline double getSeconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_CLOCK_H
