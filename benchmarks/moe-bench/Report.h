//===- Report.h - What was measured, for people and programs -- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_REPORT_H
#define MOE_BENCHMARKS_MOEBENCH_REPORT_H

#include "Case.h"
#include "Session.h"
#include "llvm/Support/raw_ostream.h"

namespace moe::bench {

/// What the rounds measured with one number of threads.
struct Measurement {
  int32_t threads = 0;
  bool isPinned = true; ///< the threads of the probes
  const char *peakInstruction = "";
  SessionTimes times;
  std::vector<double> readGbps, milliseconds, peakGops; ///< one per round
};

/// Everything that is reported.
struct Report {
  const Options &options;
  const Case &data;
  double maxError;
  std::vector<Measurement> measurements; ///< all threads; with --scaling, one
};

void printTable(llvm::raw_ostream &os, const Report &report);
void printJson(llvm::raw_ostream &os, const Report &report);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_REPORT_H
