//===- Engine.h - The layer, compiled ------------------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_ENGINE_H
#define MOE_BENCHMARKS_MOEBENCH_ENGINE_H

#include "Case.h"
#include "Layer.h"
#include "ReadProbe.h"
#include "Session.h"
#include <chrono>

namespace moe::bench {

/// Calls the copies of a compiled layer in turn.
class Engine {
public:
  /// For which its threads look for work before they sleep.
  static constexpr std::chrono::microseconds spin{100};

  static llvm::Expected<std::unique_ptr<Engine>>
  open(Case &data, const Options &options, int32_t threads);

  int32_t getThreads() const { return threads; }
  const SessionTimes &getTimes() const { return session->getTimes(); }
  /// Milliseconds of the next call: the next copy, and a new window after the
  /// last copy. Fails when the experts got other tokens than drawn.
  llvm::Expected<double> run();
  /// The packed weights of the experts, of one copy after the other.
  std::vector<Span> getWeightMemory() const;

private:
  Engine(Case &data, int32_t threads) : data(data), threads(threads) {}
  llvm::Error find();

  Case &data;
  int32_t threads;
  std::unique_ptr<Session> session;
  std::vector<const moe_function *> entries; ///< one per copy
  int64_t numCalls = 0;
};

/// What the oracle computes for some rows of the tokens that are in x. Its
/// weights are those of the first copy.
llvm::Expected<test::Tensor> computeByOracle(const Case &data,
                                             const Options &options,
                                             llvm::ArrayRef<int64_t> rows);

/// `count` rows of all, evenly spread.
std::vector<int64_t> sampleRows(int64_t all, int64_t count);

/// Copies rows of a matrix of f32.
test::Tensor gatherRows(const moe_tensor &matrix, llvm::ArrayRef<int64_t> rows);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_ENGINE_H
