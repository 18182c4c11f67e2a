//===- wake-up.cpp - How long a loop waits for its threads
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled code calls moe_rt_parallel some times per layer. Here each iteration
// of a loop waits for all the others, so that the loop takes as long as it
// takes to get every thread to work, and to notice that all are done.
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "moe_rt/context.h"
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

using namespace moe::bench;
using Clock = std::chrono::steady_clock;

namespace {
constexpr int kRounds = 501;

/// All iterations of a loop, each of which needs a thread of its own.
struct Meeting {
  std::atomic<int32_t> arrived{0};
  int32_t expected;

  static void attend(void *env, int64_t) {
    Meeting &meeting = *static_cast<Meeting *>(env);
    meeting.arrived.fetch_add(1);
    while (meeting.arrived.load() < meeting.expected)
      std::this_thread::yield();
  }
};

/// Microseconds of one loop on all threads, after they did nothing for `pause`.
double measure(moe_ctx *context, std::chrono::microseconds pause) {
  Meeting meeting;
  meeting.expected = moe_ctx_num_threads(context);
  Clock::time_point ready = Clock::now() + pause;
  while (Clock::now() < ready) {
  }
  Clock::time_point start = Clock::now();
  moe_rt_parallel(context, Meeting::attend, &meeting, meeting.expected);
  return std::chrono::duration<double, std::micro>(Clock::now() - start)
      .count();
}

int report(const char *what, int32_t spin, std::chrono::microseconds pause) {
  moe_module module = {};
  module.abi_version = MOE_ABI_VERSION;
  module.struct_size = sizeof(module);
  module.target_cpu = module.target_features = "";
  moe_ctx_options options = {};
  options.size = sizeof(options);
  options.spin_us = spin;
  moe_ctx *context = nullptr;
  moe_error error = {};
  if (moe_ctx_create(&module, &options, &context, &error) != MOE_OK) {
    std::fprintf(stderr, "wake-up: %s\n", error.message);
    return 3;
  }
  std::vector<double> samples;
  for (int i = 0; i < kRounds; ++i)
    samples.push_back(measure(context, pause));
  Summary summary(samples);
  std::printf("%-28s %7.2f us (quartiles %.2f to %.2f, %d loops, %d threads)\n",
              what, summary.median, summary.lowerQuartile,
              summary.upperQuartile, kRounds, moe_ctx_num_threads(context));
  moe_ctx_destroy(context);
  return 0;
}
} // namespace

int main() {
  using std::chrono::microseconds;
  int status = report("right after another loop", 0, microseconds(0));
  if (status == 0)
    status = report("after 200 us, still awake", 0, microseconds(200));
  if (status == 0)
    status = report("after 2 ms, asleep", 0, microseconds(2000));
  return status;
}
