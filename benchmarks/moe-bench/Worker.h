//===- Worker.h - Measurements that another program asks for -- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_WORKER_H
#define MOE_BENCHMARKS_MOEBENCH_WORKER_H

#include "Rounds.h"
#include "llvm/Support/raw_ostream.h"
#include <istream>

namespace moe::bench {

/// Writes "ready" and `error`, then for each line "run" of `in` the result of
/// `measure`, in a line of its own. Ends at the line "quit" or the end of `in`;
/// any other line is an error.
llvm::Error serve(std::istream &in, llvm::raw_ostream &out, double error,
                  const Step &measure);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_WORKER_H
