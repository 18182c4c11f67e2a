//===- Rounds.h - Measurements that take turns ---------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_ROUNDS_H
#define MOE_BENCHMARKS_ROUNDS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <chrono>
#include <functional>
#include <vector>

namespace moe::bench {

/// Milliseconds since it was made.
class Stopwatch {
public:
  double getMilliseconds() const {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    return Milliseconds(Clock::now() - start).count();
  }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
};

/// Measures something once: a time, a rate.
using Step = std::function<llvm::Expected<double>()>;

/// Takes every step once per round, in their order, so that a drift of the
/// machine touches all alike. Returns samples[step][round].
llvm::Expected<std::vector<std::vector<double>>>
runRounds(int64_t rounds, llvm::ArrayRef<Step> steps);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_ROUNDS_H
