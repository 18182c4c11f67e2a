//===- ThreadPool.h - Threads that run iterations of a loop ----*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_CPU_THREADPOOL_H
#define MOE_RT_CPU_THREADPOOL_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace moe::rt {

/// Threads that live as long as the pool and run one loop at a time. The thread
/// that asks for a loop takes part in it.
class ThreadPool {
public:
  using Body = void (*)(void *env, int64_t i);
  using Duration = std::chrono::microseconds;

  /// Longer than the time between two calls of a loop that generates text.
  static constexpr Duration defaultSpin{1000};

  /// A pool of `numThreads` threads, the caller's included. A thread that waits
  /// looks for work for `spin` before it sleeps: waking it then takes tens of
  /// microseconds, where one that looks needs about one. With `pin`, each
  /// thread but the caller's stays on a core of its own, if there are enough.
  /// Throws std::system_error when the machine has no more threads to give.
  explicit ThreadPool(int32_t numThreads, Duration spin = defaultSpin,
                      bool pin = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// Runs body(env, i) for each i in [0, n); returns when all have run. Inside
  /// a body it runs the loop on the calling thread.
  void run(Body body, void *env, int64_t n);

  int32_t size() const { return static_cast<int32_t>(workers.size()) + 1; }

private:
  /// One loop. Threads take parts of the iterations that are left, until none
  /// is: long ones first, in which a thread walks through memory, and short
  /// ones at the end, so that all finish together.
  struct Loop {
    Body body;
    void *env;
    uint64_t n;
    uint64_t partsOfRest;
    std::atomic<uint64_t> next{0};

    void takePart();
  };

  void work();
  bool waitForLoop(uint64_t &seen);
  void publish(Loop &loop);
  void retract();
  void stop();
  void leaveCoreOfWorker() const;

  const Duration spin;
  std::mutex mutex;
  std::condition_variable published, finished;
  /// The loop that workers may join; guarded by `mutex`.
  Loop *current = nullptr;
  bool stopping = false;
  /// Workers inside `current`. Changed under `mutex`, read without it too.
  std::atomic<int32_t> joined{0};
  /// Number of loops published. Changed under `mutex`, read without it too.
  std::atomic<uint64_t> epoch{0};
  std::vector<std::thread> workers;
  /// Where pinned workers are, and a core without one; none if they are not.
  std::vector<int> workerCores;
  int home = 0;
};

/// Cores that this process may run on.
int32_t countCores();

} // namespace moe::rt

#endif // MOE_RT_CPU_THREADPOOL_H
