//===- PeakProbe.h - How much a processor can compute --------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_PEAKPROBE_H
#define MOE_BENCHMARKS_PEAKPROBE_H

#include "Team.h"
#include "llvm/ADT/ArrayRef.h"

namespace moe::bench {

/// What a multiplication is done in.
enum class Arithmetic { F32, BF16, Int8 };

/// A loop on registers alone that does nothing but multiply and add.
struct PeakKernel {
  Arithmetic arithmetic;
  const char *instruction;
  bool (*isSupported)();
  double operationsPerIteration; ///< multiplications and additions
  void (*run)(int64_t iterations);
};

/// All loops, the fastest first for each arithmetic. The last one runs
/// anywhere.
llvm::ArrayRef<PeakKernel> getPeakKernels();

/// The fastest loop for `arithmetic` that this processor has. Without an
/// instruction of its own, an arithmetic is done in f32.
const PeakKernel &findPeakKernel(Arithmetic arithmetic);

/// Runs such a loop on all threads of a team.
class PeakProbe {
public:
  PeakProbe(Team &team, const PeakKernel &kernel);
  /// 10^9 operations per second, of all threads together.
  double measure();

private:
  double run() const;

  Team &team;
  const PeakKernel &kernel;
  int64_t iterations = 1 << 10;
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_PEAKPROBE_H
