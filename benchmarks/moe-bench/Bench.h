//===- Bench.h - Carries out a command line ------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_BENCH_H
#define MOE_BENCHMARKS_MOEBENCH_BENCH_H

#include "Options.h"

namespace moe::bench {

/// Does what the command line asks for.
llvm::Error run(const Options &options);

/// Writes out what was printed; an error when stdout does not take it.
llvm::Error flushOutput();

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_BENCH_H
