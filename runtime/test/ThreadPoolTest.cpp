//===- ThreadPoolTest.cpp - Threads that run the iterations of a loop -----===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "cpu/ThreadPool.h"
#include "Support.h"

#include <numeric>
#include <pthread.h>

using namespace moe::rt;
using namespace moe::rt::test;

static void increment(void *env, int64_t i) {
  ++static_cast<std::atomic<int> *>(env)[i];
}

TEST(ThreadPool, RunsEachIterationOnce) {
  for (int32_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (int64_t n : {0, 1, 2, 7, 100, 10000}) {
      std::vector<std::atomic<int>> counts(static_cast<size_t>(n) + 1);
      pool.run(increment, counts.data(), n);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(counts[static_cast<size_t>(i)], 1) << i << " of " << n;
      ASSERT_EQ(counts.back(), 0);
    }
  }
}

/// Threads that never look for work, and threads that had the time to sleep.
TEST(ThreadPool, SleepingThreadsWakeUp) {
  for (ThreadPool::Duration spin :
       {ThreadPool::Duration(-1), ThreadPool::Duration(0),
        ThreadPool::Duration(1)}) {
    ThreadPool pool(3, spin);
    for (int round = 0; round < 20; ++round) {
      std::vector<std::atomic<int>> counts(8);
      pool.run(increment, counts.data(), 8);
      for (const std::atomic<int> &count : counts)
        ASSERT_EQ(count, 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

/// Pinned threads run on different cores; too many are not pinned.
TEST(ThreadPool, PinnedThreads) {
  for (int32_t threads : {1, 2, countCores(), countCores() + 3}) {
    ThreadPool pool(threads, ThreadPool::defaultSpin, /*pin=*/true);
    std::vector<std::atomic<int>> counts(100);
    pool.run(increment, counts.data(), 100);
    for (const std::atomic<int> &count : counts)
      ASSERT_EQ(count, 1);
  }
}

TEST(ThreadPool, NegativeCountRunsNothing) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  pool.run(increment, &count, -5);
  EXPECT_EQ(count, 0);
}

/// What a body writes is seen by the caller, and by the next loop, without
/// synchronization of its own.
TEST(ThreadPool, LoopsHappenOneAfterAnother) {
  ThreadPool pool(4);
  std::vector<int64_t> values(512, 0);
  for (int round = 0; round < 500; ++round)
    pool.run(
        [](void *env, int64_t i) {
          auto &values = *static_cast<std::vector<int64_t> *>(env);
          values[static_cast<size_t>(i)] += i;
        },
        &values, static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(values[i], static_cast<int64_t>(500 * i));
}

namespace {
struct Nested {
  ThreadPool &pool;
  std::atomic<int64_t> sum{0};
};
} // namespace

TEST(ThreadPool, NestedLoopRunsOnTheSameThread) {
  ThreadPool pool(4);
  Nested nested{pool};
  pool.run(
      [](void *env, int64_t) {
        auto &nested = *static_cast<Nested *>(env);
        std::pair<Nested *, pthread_t> inner(&nested, pthread_self());
        nested.pool.run(
            [](void *env, int64_t i) {
              auto &[nested, thread] =
                  *static_cast<std::pair<Nested *, pthread_t> *>(env);
              EXPECT_TRUE(pthread_equal(thread, pthread_self()));
              nested->sum += i;
            },
            &inner, 10);
      },
      &nested, 50);
  EXPECT_EQ(nested.sum, 50 * 45);
}

TEST(ThreadPool, ASecondLoopAfterANestedOneIsParallelAgain) {
  ThreadPool pool(2);
  auto idle = [](void *, int64_t) {};
  for (int i = 0; i < 3; ++i) {
    pool.run(idle, nullptr, 4);
    // Two iterations that wait for each other need two threads.
    std::atomic<int> arrived{0};
    pool.run(
        [](void *env, int64_t) {
          auto &arrived = *static_cast<std::atomic<int> *>(env);
          ++arrived;
          while (arrived < 2)
            std::this_thread::yield();
        },
        &arrived, 2);
    EXPECT_EQ(arrived, 2);
  }
}

TEST(ThreadPool, SleepingWorkersWakeUp) {
  ThreadPool pool(3);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::vector<std::atomic<int>> counts(64);
    pool.run(increment, counts.data(), 64);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 64);
  }
}

TEST(ThreadPool, PoolsOfDifferentThreadsAreIndependent) {
  std::vector<std::thread> users;
  std::atomic<int> total{0};
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      ThreadPool pool(2);
      for (int round = 0; round < 50; ++round)
        pool.run(
            [](void *env, int64_t) { ++*static_cast<std::atomic<int> *>(env); },
            &total, 20);
    });
  for (std::thread &user : users)
    user.join();
  EXPECT_EQ(total, 4 * 50 * 20);
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int i = 0; i < 20; ++i)
    ThreadPool pool(4);
  EXPECT_GE(countCores(), 1);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST(ThreadPool, RefusedThreadsAreAnError) {
  // No machine has room for stacks of this size.
  pthread_attr_t before, huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t(1) << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  TestModule tables;
  Context context(tables.get());
  pthread_setattr_default_np(&before);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
  expectError(context.status, context.error, MOE_OUT_OF_MEMORY,
              "[moe-ctx-threads-refused]");
  EXPECT_EQ(context.handle, nullptr);
}
#endif
