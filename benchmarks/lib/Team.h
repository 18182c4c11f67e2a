//===- Team.h - Threads pinned to processors ------------------ -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_TEAM_H
#define MOE_BENCHMARKS_TEAM_H

#include "llvm/Support/Error.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace moe::bench {

/// The processors that this process may run on; at least one.
std::vector<int> getProcessors();

/// Threads that start a piece of work at the same moment, the i-th on the i-th
/// of getProcessors() (from the first again when there are more threads).
class Team {
public:
  static llvm::Expected<std::unique_ptr<Team>> create(int32_t size);
  ~Team();

  int32_t size() const { return int32_t(turns.size()); }
  /// False where the system refused to pin a thread.
  bool isPinned() const { return allPinned; }
  /// Runs body(i) on the i-th thread, for all. Seconds from the first start to
  /// the last end.
  double run(const std::function<void(int32_t)> &body);

private:
  using Clock = std::chrono::steady_clock;
  struct Turn {
    Clock::time_point start, end;
  };

  Team() = default;
  void work(int32_t index);
  bool waitForWork(uint64_t &seen);

  std::vector<std::thread> threads;
  std::vector<Turn> turns;
  const std::function<void(int32_t)> *body = nullptr;
  std::mutex mutex;
  std::condition_variable published, finished;
  uint64_t generation = 0;
  int32_t running = 0;
  bool stopping = false, allPinned = true;
  std::atomic<int32_t> arrived{0};
};

} // namespace moe::bench

#endif // MOE_BENCHMARKS_TEAM_H
