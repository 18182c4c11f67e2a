//===- ContextTest.cpp - Contexts, calls, workspace and threads -----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

#include <cstring>
#include <sched.h>

using namespace moe::rt::test;

namespace {
moe_ctx_options makeOptions() {
  moe_ctx_options options = {};
  options.size = sizeof(options);
  options.num_threads = 2;
  return options;
}

void expectNotCreated(const moe_ctx_options &options, int32_t status,
                      const char *tag) {
  TestModule tables;
  Context context(tables.get(), &options);
  expectError(context.status, context.error, status, tag);
  EXPECT_EQ(context.handle, nullptr);
}
} // namespace

TEST(Context, CreatesWithDefaults) {
  TestModule tables;
  moe_ctx *ctx = nullptr;
  moe_error error;
  ASSERT_EQ(moe_ctx_create(tables.get(), nullptr, &ctx, &error), MOE_OK)
      << error.message;
  EXPECT_STREQ(error.message, "");
  EXPECT_STREQ(moe_ctx_message(ctx), "");
  EXPECT_EQ(moe_ctx_status(ctx), MOE_OK);
  moe_ctx_destroy(ctx);
  moe_ctx_destroy(nullptr);
}

TEST(Context, NullArguments) {
  TestModule tables;
  moe_ctx *ctx;
  moe_error error;
  expectError(moe_ctx_create(nullptr, nullptr, &ctx, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-ctx-argument]");
  expectError(moe_ctx_create(tables.get(), nullptr, nullptr, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-ctx-argument]");
}

TEST(Context, NoContextIsAnError) {
  moe_tensor *none = nullptr;
  EXPECT_EQ(moe_ctx_call(nullptr, nullptr, none, 0, none, 0),
            MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_ctx_output_shapes(nullptr, nullptr, none, 0, none, 0),
            MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_rt_enter(nullptr, nullptr, none, 0, none, 0),
            MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_ctx_bind_random(nullptr, 0), MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_ctx_bind_checkpoint(nullptr, nullptr), MOE_INVALID_ARGUMENT);
  EXPECT_EQ(moe_ctx_status(nullptr), MOE_INVALID_ARGUMENT);
  EXPECT_STREQ(moe_ctx_message(nullptr), "there is no context");
  EXPECT_EQ(moe_rt_workspace(nullptr, 1), nullptr);
  EXPECT_EQ(moe_rt_weights(nullptr), nullptr);
  EXPECT_EQ(moe_ctx_peak_workspace(nullptr), 0u);
  EXPECT_EQ(moe_ctx_num_threads(nullptr), 0);
}

TEST(Context, OptionsOfAnotherSize) {
  moe_ctx_options options = makeOptions();
  // The first release ended before spin_us.
  size_t first = offsetof(moe_ctx_options, spin_us);
  for (size_t size : {size_t(0), first - 1}) {
    options.size = size;
    expectNotCreated(options, MOE_INVALID_ARGUMENT, "[moe-options-size]");
  }
  options.size = first;
  TestModule tables;
  EXPECT_EQ(Context(tables.get(), &options).status, MOE_OK);
}

TEST(Context, OptionsOfANewerCaller) {
  struct {
    moe_ctx_options known;
    int64_t added;
  } options = {makeOptions(), 0};
  options.known.size = sizeof(options);
  TestModule tables;
  EXPECT_EQ(Context(tables.get(), &options.known).status, MOE_OK);
  options.added = 1;
  expectNotCreated(options.known, MOE_UNSUPPORTED, "[moe-options-newer]");
}

TEST(Context, HalfAnAllocator) {
  moe_ctx_options options = makeOptions();
  options.allocate = [](void *, size_t, size_t) -> void * { return nullptr; };
  expectNotCreated(options, MOE_INVALID_ARGUMENT,
                   "[moe-ctx-options-allocator]");
}

TEST(Context, NumberOfThreads) {
  moe_ctx_options options = makeOptions();
  for (int32_t threads : {-1, 5000}) {
    options.num_threads = threads;
    expectNotCreated(options, MOE_INVALID_ARGUMENT, "[moe-ctx-threads]");
  }
}

TEST(Context, ModuleOfAnotherVersion) {
  TestModule tables;
  tables.get();
  tables.module.abi_version = 0;
  Context context(&tables.module);
  expectError(context.status, context.error, MOE_UNSUPPORTED,
              "[moe-module-abi]");
}

TEST(Context, ModuleForAnotherCpu) {
  TestModule tables;
  tables.features = "+warp-drive";
  Context context(tables.get());
  expectError(context.status, context.error, MOE_UNSUPPORTED,
              "[moe-cpu-feature-unknown]");
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

static int32_t call(moe_ctx *ctx, const moe_function *function) {
  return moe_ctx_call(ctx, function, nullptr, 0, nullptr, 0);
}

TEST(Context, FunctionOfAnotherModule) {
  TestModule tables, others;
  others.get();
  Context context(tables.get());
  const moe_function *const strangers[] = {nullptr, &others.function};
  for (const moe_function *function : strangers) {
    expectError(call(context.handle, function), context.handle,
                MOE_INVALID_ARGUMENT, "[moe-ctx-function]");
    expectError(moe_rt_enter(context.handle, function, nullptr, 0, nullptr, 0),
                context.handle, MOE_INVALID_ARGUMENT, "[moe-ctx-function]");
    expectError(
        moe_ctx_output_shapes(context.handle, function, nullptr, 0, nullptr, 0),
        context.handle, MOE_INVALID_ARGUMENT, "[moe-ctx-function]");
  }
}

TEST(Context, CallBeforeWeightsAreBound) {
  TestModule tables;
  moe_weight_source source = {};
  source.tensor = "w";
  moe_weight weight = {};
  weight.name = "w";
  weight.dtype = MOE_F32;
  weight.num_sources = 1;
  weight.sources = &source;
  tables.weights = {weight};
  Context context(tables.get());
  ASSERT_EQ(context.status, MOE_OK) << context.error.message;
  expectError(call(context.handle, &tables.function), context.handle,
              MOE_INVALID_ARGUMENT, "[moe-ctx-weights-unbound]");
  // Calling the entry itself is no way around it.
  expectError(tables.entry(context.handle, nullptr, 0, nullptr, 0),
              context.handle, MOE_INVALID_ARGUMENT,
              "[moe-ctx-weights-unbound]");
  ASSERT_EQ(moe_ctx_bind_random(context.handle, 1), MOE_OK);
  EXPECT_EQ(call(context.handle, &tables.function), MOE_OK);
}

TEST(Context, EntryThatFailsWithoutAMessage) {
  TestModule tables;
  tables.entry = [](moe_ctx *, const moe_tensor *, size_t, moe_tensor *,
                    size_t) -> int32_t { return MOE_UNSUPPORTED; };
  Context context(tables.get());
  expectError(call(context.handle, &tables.function), context.handle,
              MOE_UNSUPPORTED, "[moe-ctx-entry]");
}

TEST(Context, MessageSurvivesACallThatSucceeds) {
  TestModule tables;
  Context context(tables.get());
  call(context.handle, nullptr);
  ASSERT_EQ(call(context.handle, &tables.function), MOE_OK);
  EXPECT_EQ(moe_ctx_status(context.handle), MOE_INVALID_ARGUMENT);
  EXPECT_TRUE(endsWith(moe_ctx_message(context.handle), "[moe-ctx-function]"));
}

TEST(Context, RefusedCall) {
  TestModule tables;
  tables.entry = [](moe_ctx *ctx, const moe_tensor *, size_t, moe_tensor *,
                    size_t) -> int32_t {
    moe_function function = {};
    function.name = "forward";
    return moe_rt_refuse(ctx, &function, "100%s rows [moe-test]");
  };
  Context context(tables.get());
  expectError(call(context.handle, &tables.function), context.handle,
              MOE_INVALID_ARGUMENT, "[moe-test]");
  EXPECT_STREQ(moe_ctx_message(context.handle),
               "'forward': 100%s rows [moe-test]");
}

//===----------------------------------------------------------------------===//
// Workspace and threads
//===----------------------------------------------------------------------===//

TEST(Context, WorkspaceIsKeptAndGrows) {
  TestModule tables;
  Context context(tables.get());
  void *small = moe_rt_workspace(context.handle, 1000);
  ASSERT_NE(small, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(small) % 64, 0u);
  EXPECT_EQ(moe_rt_workspace(context.handle, 1000), small);
  EXPECT_EQ(moe_rt_workspace(context.handle, 10), small);
  size_t bytes = size_t(9) << 20; // Large enough for huge pages.
  void *large = moe_rt_workspace(context.handle, bytes);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large) % 64, 0u);
  std::memset(large, 1, bytes);
  EXPECT_EQ(moe_rt_workspace(context.handle, 1000), large);
  EXPECT_EQ(moe_ctx_peak_workspace(context.handle), bytes);
}

TEST(Context, WorkspaceOfNoBytesIsNotNull) {
  TestModule tables;
  Context context(tables.get());
  EXPECT_NE(moe_rt_workspace(context.handle, 0), nullptr);
}

TEST(Context, WorkspaceThatDoesNotFit) {
  TestModule tables;
  Context context(tables.get());
  ASSERT_NE(moe_rt_workspace(context.handle, 100), nullptr);
  for (uint64_t bytes : {UINT64_MAX, UINT64_MAX / 2, UINT64_MAX / 2 + 1}) {
    EXPECT_EQ(moe_rt_workspace(context.handle, bytes), nullptr);
    expectError(moe_ctx_status(context.handle), context.handle,
                MOE_OUT_OF_MEMORY, "[moe-workspace]");
  }
  EXPECT_NE(moe_rt_workspace(context.handle, 100), nullptr);
  // What was refused was never used.
  EXPECT_EQ(moe_ctx_peak_workspace(context.handle), 100u);
}

TEST(Context, OneThreadPerCoreThatMayBeUsed) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &all))
      CPU_SET(core, &one);
  TestModule tables;
  moe_ctx_options options = makeOptions();
  options.num_threads = 0;
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  Context confined(tables.get(), &options);
  ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
  Context whole(tables.get(), &options);
  EXPECT_EQ(moe_ctx_num_threads(confined.handle), 1);
  EXPECT_EQ(moe_ctx_num_threads(whole.handle), CPU_COUNT(&all));
  options.num_threads = 3;
  Context asked(tables.get(), &options);
  EXPECT_EQ(moe_ctx_num_threads(asked.handle), 3);
}

TEST(Context, Parallel) {
  TestModule tables;
  Context context(tables.get());
  std::vector<int> counts(1000);
  moe_rt_parallel(
      context.handle,
      [](void *env, int64_t i) { ++static_cast<int *>(env)[i]; }, counts.data(),
      1000);
  EXPECT_EQ(counts, std::vector<int>(1000, 1));
}
