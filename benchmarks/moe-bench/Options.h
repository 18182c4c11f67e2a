//===- Options.h - The command line of moe-bench -------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_OPTIONS_H
#define MOE_BENCHMARKS_MOEBENCH_OPTIONS_H

#include "Routing.h"
#include <optional>

namespace moe::bench {

/// A checked command line.
struct Options {
  Sizes sizes;
  const DType *dtype;
  Load load;
  uint64_t seed;
  int32_t threads;
  int64_t rounds;
  int64_t rotateBytes;   ///< of weights, before any is used again
  std::string targetCPU; ///< empty: this one
  bool scaling;          ///< also measure one thread
  bool json;
  bool worker;
  std::string exportFile; ///< empty: none
  std::string caseFile;   ///< of a worker; empty: data are made up
  int64_t copies;         ///< of the weights of the case
};

/// Parses and checks the command line. Nothing when --help or --version was
/// asked for and answered.
llvm::Expected<std::optional<Options>> parseOptions(int argc,
                                                    const char *const *argv);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_OPTIONS_H
