//===- ThreadPool.cpp - Threads that run the iterations of a loop ---------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "cpu/ThreadPool.h"

#include <algorithm>
#include <pthread.h>
#include <sched.h>

using namespace moe::rt;

/// How often a thread looks for work between two looks at the clock.
static constexpr int looksPerTime = 16;

/// Parts per thread of the iterations that are left, of which a thread takes
/// one: enough to even out iterations of different cost.
static constexpr uint64_t partsPerThread = 2;

/// Whether this thread is inside a loop of any pool.
static thread_local bool isInsideLoop = false;

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Looks for at most `limit` whether `isDone` holds.
template <typename Condition>
static void spinUntil(ThreadPool::Duration limit, Condition isDone) {
  using Clock = std::chrono::steady_clock;
  if (limit <= ThreadPool::Duration::zero())
    return;
  Clock::time_point end = Clock::now() + limit;
  do {
    for (int i = 0; i < looksPerTime; ++i) {
      if (isDone())
        return;
      relax();
    }
  } while (Clock::now() < end);
}

static void runInline(ThreadPool::Body body, void *env, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    body(env, i);
}

void ThreadPool::Loop::takePart() {
  isInsideLoop = true;
  uint64_t begin = next.load(std::memory_order_relaxed);
  while (begin < n) {
    uint64_t end = begin + std::max<uint64_t>(1, (n - begin) / partsOfRest);
    if (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed))
      continue;
    for (uint64_t i = begin; i < end; ++i)
      body(env, static_cast<int64_t>(i));
    begin = next.load(std::memory_order_relaxed);
  }
  isInsideLoop = false;
}

/// The cores that this process may run on, from that of this thread on; none if
/// the system does not say.
static std::vector<int> listCores() {
  cpu_set_t set;
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set))
      cores.push_back(core);
  auto here = std::find(cores.begin(), cores.end(), sched_getcpu());
  if (here != cores.end())
    std::rotate(cores.begin(), here, cores.end());
  return cores;
}

/// Advice: a system that refuses it runs the thread anywhere.
static void pinTo(std::thread &thread, int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  (void)pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
}

ThreadPool::ThreadPool(int32_t numThreads, Duration spin, bool pin)
    : spin(spin) {
  workers.reserve(static_cast<size_t>(std::max(numThreads, 1)) - 1);
  try {
    for (int32_t i = 1; i < numThreads; ++i)
      workers.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
  if (!pin)
    return;
  std::vector<int> cores = listCores();
  if (cores.size() <= workers.size())
    return;
  home = cores.front();
  for (size_t i = 0; i < workers.size(); ++i) {
    pinTo(workers[i], cores[i + 1]);
    workerCores.push_back(cores[i + 1]);
  }
}

/// A caller on the core of a worker would keep it from working, and the system
/// takes milliseconds to see it: the caller moves.
void ThreadPool::leaveCoreOfWorker() const {
  if (std::find(workerCores.begin(), workerCores.end(), sched_getcpu()) ==
      workerCores.end())
    return;
  cpu_set_t allowed, one;
  CPU_ZERO(&one);
  CPU_SET(home, &one);
  // A caller that may not run there has reasons of its own.
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 ||
      !CPU_ISSET(home, &allowed) ||
      sched_setaffinity(0, sizeof(one), &one) != 0)
    return;
  (void)sched_setaffinity(0, sizeof(allowed), &allowed);
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  published.notify_all();
  for (std::thread &worker : workers)
    worker.join();
}

void ThreadPool::run(Body body, void *env, int64_t n) {
  if (n <= 1 || workers.empty() || isInsideLoop)
    return runInline(body, env, n);
  uint64_t count = static_cast<uint64_t>(n);
  Loop loop{body, env, count, static_cast<uint64_t>(size()) * partsPerThread};
  leaveCoreOfWorker();
  publish(loop);
  loop.takePart();
  retract();
}

/// Lets workers join `loop`.
void ThreadPool::publish(Loop &loop) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    current = &loop;
    epoch.fetch_add(1, std::memory_order_release);
  }
  published.notify_all();
}

/// Lets no more workers join and waits for those that did: `Loop` lives on the
/// stack of run(). A worker that wakes up later finds nothing to join.
void ThreadPool::retract() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    current = nullptr;
  }
  spinUntil(spin, [&] { return joined.load(std::memory_order_acquire) == 0; });
  std::unique_lock<std::mutex> lock(mutex);
  finished.wait(lock,
                [&] { return joined.load(std::memory_order_acquire) == 0; });
}

/// Waits for a loop that this worker has not seen. False: the pool stops.
bool ThreadPool::waitForLoop(uint64_t &seen) {
  auto isNew = [&] { return epoch.load(std::memory_order_acquire) != seen; };
  spinUntil(spin, isNew);
  std::unique_lock<std::mutex> lock(mutex);
  published.wait(lock, [&] { return stopping || isNew(); });
  seen = epoch.load(std::memory_order_acquire);
  return !stopping;
}

void ThreadPool::work() {
  uint64_t seen = 0;
  while (waitForLoop(seen)) {
    Loop *loop;
    {
      std::lock_guard<std::mutex> lock(mutex);
      loop = current;
      if (!loop)
        continue;
      joined.fetch_add(1, std::memory_order_relaxed);
    }
    loop->takePart();
    std::lock_guard<std::mutex> lock(mutex);
    if (joined.fetch_sub(1, std::memory_order_acq_rel) == 1)
      finished.notify_one();
  }
}

int32_t moe::rt::countCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(CPU_COUNT(&set), 1);
  return std::max(static_cast<int32_t>(std::thread::hardware_concurrency()), 1);
}
