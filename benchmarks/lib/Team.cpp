//===- Team.cpp - Threads pinned to processors ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Team.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <sched.h>
#include <system_error>

using namespace llvm;
using namespace moe::bench;

std::vector<int> moe::bench::getProcessors() {
  std::vector<int> processors;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set))
        processors.push_back(i);
  if (processors.empty())
    processors.push_back(0);
  return processors;
}

static bool pin(std::thread &thread, int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set) == 0;
}

Expected<std::unique_ptr<Team>> Team::create(int32_t size) {
  std::unique_ptr<Team> team(new Team);
  std::vector<int> processors = getProcessors();
  team->turns.resize(size);
  try {
    for (int32_t i = 0; i < size; ++i) {
      Team *self = team.get();
      team->threads.emplace_back([self, i] { self->work(i); });
      team->allPinned &=
          pin(team->threads.back(), processors[i % processors.size()]);
    }
  } catch (const std::system_error &failure) {
    return createStringError(inconvertibleErrorCode(),
                             "the system refused to start " + Twine(size) +
                                 " threads (" + failure.what() +
                                 "); use fewer [moe-bench-threads]");
  }
  return team;
}

Team::~Team() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  published.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

double Team::run(const std::function<void(int32_t)> &work) {
  std::unique_lock<std::mutex> lock(mutex);
  body = &work;
  arrived = 0;
  running = size();
  ++generation;
  published.notify_all();
  finished.wait(lock, [&] { return running == 0; });
  auto byStart = [](const Turn &a, const Turn &b) { return a.start < b.start; };
  auto byEnd = [](const Turn &a, const Turn &b) { return a.end < b.end; };
  auto first = std::min_element(turns.begin(), turns.end(), byStart);
  auto last = std::max_element(turns.begin(), turns.end(), byEnd);
  return std::chrono::duration<double>(last->end - first->start).count();
}

/// False: the team stops.
bool Team::waitForWork(uint64_t &seen) {
  std::unique_lock<std::mutex> lock(mutex);
  published.wait(lock, [&] { return stopping || generation != seen; });
  seen = generation;
  return !stopping;
}

void Team::work(int32_t index) {
  uint64_t seen = 0;
  while (waitForWork(seen)) {
    // Waking up takes longer than some measurements: start together.
    ++arrived;
    while (arrived < size())
      std::this_thread::yield();
    turns[index].start = Clock::now();
    (*body)(index);
    turns[index].end = Clock::now();
    std::lock_guard<std::mutex> lock(mutex);
    if (--running == 0)
      finished.notify_one();
  }
}
