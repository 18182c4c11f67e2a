//===- OutOfMemoryTest.cpp - The k-th allocation fails, for every k -------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "moe_rt/arguments.h"

#include <new>

using namespace moe::rt::test;

//===----------------------------------------------------------------------===//
// The C++ library's allocations
//===----------------------------------------------------------------------===//

// ThreadSanitizer brings its own operator new, which cannot be replaced.
#if !defined(__SANITIZE_THREAD__)

/// Allocations of this thread until one fails; negative: none fails.
static thread_local int allocationsLeft = -1;

void *operator new(size_t bytes) {
  if (allocationsLeft == 0)
    throw std::bad_alloc();
  if (allocationsLeft > 0)
    --allocationsLeft;
  if (void *pointer = std::malloc(bytes ? bytes : 1))
    return pointer;
  throw std::bad_alloc();
}
void operator delete(void *pointer) noexcept { std::free(pointer); }
void operator delete(void *pointer, size_t) noexcept { std::free(pointer); }

/// Runs `attempt` (status and message) with k = 0, 1, ... allocations allowed
/// until it succeeds. Every failure must be reported as out of memory.
template <typename Attempt>
static void failEachAllocation(const char *tag, Attempt attempt) {
  constexpr int most = 10000;
  for (int k = 0; k < most; ++k) {
    moe_error error = {};
    allocationsLeft = k;
    int32_t status = attempt(error);
    allocationsLeft = -1;
    if (status == MOE_OK)
      return;
    ASSERT_EQ(status, MOE_OUT_OF_MEMORY) << k << ": " << error.message;
    ASSERT_TRUE(endsWith(error.message, tag)) << error.message;
  }
  FAIL() << "still failing after " << most << " allocations";
}

TEST(OutOfMemory, OpeningACheckpoint) {
  TemporaryFolder folder;
  folder.write("one.safetensors", oneTensorFile("a", 2));
  folder.write("two.safetensors", oneTensorFile("b", 2));
  folder.write("model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"one.safetensors\","
               "\"b\":\"two.safetensors\"}}");
  failEachAllocation("[moe-out-of-memory]", [&](moe_error &error) {
    moe_checkpoint *checkpoint = nullptr;
    int32_t status =
        moe_checkpoint_open(folder.path.c_str(), 0, &checkpoint, &error);
    EXPECT_EQ(checkpoint != nullptr, status == MOE_OK);
    moe_checkpoint_close(checkpoint);
    return status;
  });
}

TEST(OutOfMemory, RefusingACheckpoint) {
  TemporaryFolder folder;
  std::string path =
      folder.write("x", fileBytes("{\"a\":{\"dtype\":\"F31\"}}"));
  for (int k = 0; k < 100; ++k) {
    moe_error error = {};
    moe_checkpoint *checkpoint = nullptr;
    allocationsLeft = k;
    int32_t status = moe_checkpoint_open(path.c_str(), 0, &checkpoint, &error);
    allocationsLeft = -1;
    ASSERT_TRUE(status == MOE_OUT_OF_MEMORY || status == MOE_INVALID_DATA);
  }
}

TEST(OutOfMemory, WritingACheckpoint) {
  TemporaryFolder folder;
  std::string path = folder / "x";
  float values[4] = {};
  moe_tensor tensor = makeTensor(MOE_F32, {4}, values);
  const char *name = "a";
  failEachAllocation("[moe-out-of-memory]", [&](moe_error &error) {
    int32_t status =
        moe_safetensors_write(path.c_str(), &name, &tensor, 1, &error);
    int before = std::exchange(allocationsLeft, -1);
    EXPECT_EQ(folder.countFiles(), status == MOE_OK ? 1u : 0u);
    allocationsLeft = before;
    return status;
  });
}

TEST(OutOfMemory, CreatingAContext) {
  TestModule tables;
  const moe_module *module = tables.get();
  failEachAllocation("[moe-out-of-memory]", [&](moe_error &error) {
    moe_ctx_options options = {};
    options.size = sizeof(options);
    options.num_threads = 3;
    moe_ctx *ctx = nullptr;
    int32_t status = moe_ctx_create(module, &options, &ctx, &error);
    EXPECT_EQ(ctx != nullptr, status == MOE_OK);
    moe_ctx_destroy(ctx);
    return status;
  });
}

TEST(OutOfMemory, MakingArguments) {
  TestModule tables;
  tables.symbols = {"a symbol whose name is not short"};
  tables.inputs = {makeArgument("x", MOE_F32, {symbolic(0)})};
  tables.outputs = {makeArgument("y", MOE_F32, {symbolic(0)})};
  const moe_function *function = tables.get()->functions;
  moe_size size = {tables.symbols[0], 4};
  failEachAllocation("[moe-out-of-memory]", [&](moe_error &error) {
    moe_arguments *arguments = nullptr;
    int32_t status =
        moe_arguments_create(function, &size, 1, &arguments, &error);
    EXPECT_EQ(arguments != nullptr, status == MOE_OK);
    moe_arguments_destroy(arguments);
    return status;
  });
}

#endif // __SANITIZE_THREAD__

//===----------------------------------------------------------------------===//
// The allocator of a context
//===----------------------------------------------------------------------===//

namespace {
/// Counts what lives, and refuses once `left` is used up.
struct CountingAllocator {
  int left = -1, live = 0;
  bool isAligned = true;

  moe_ctx_options options() {
    moe_ctx_options options = {};
    options.size = sizeof(options);
    options.num_threads = 1;
    options.allocate = [](void *user, size_t bytes, size_t alignment) {
      return static_cast<CountingAllocator *>(user)->allocate(bytes, alignment);
    };
    options.deallocate = [](void *user, void *pointer) {
      --static_cast<CountingAllocator *>(user)->live;
      std::free(pointer);
    };
    options.user = this;
    return options;
  }

  void *allocate(size_t bytes, size_t alignment) {
    isAligned &= alignment >= 16 && (alignment & (alignment - 1)) == 0;
    if (left == 0)
      return nullptr;
    if (left > 0)
      --left;
    ++live;
    return std::aligned_alloc(alignment,
                              (bytes + alignment - 1) / alignment * alignment);
  }
};

/// A bank of two experts that are tensors of their own.
struct BankModule : TestModule {
  moe_weight_source source = {};

  BankModule() {
    source.tensor = "w.{e}";
    source.per_expert = 1;
    source.rank = 1;
    source.shape[0] = 2;
    moe_weight weight = {};
    weight.name = "w";
    weight.dtype = MOE_F32;
    weight.rank = 1;
    weight.experts = 2;
    weight.shape[0] = 2;
    weight.strides[0] = 1;
    weight.num_sources = 1;
    weight.sources = &source;
    weights = {weight, weight};
  }
};
} // namespace

/// Lets each allocation of `bind` fail and expects that all memory comes back.
template <typename Bind>
static void failEachBind(const char *tag, Bind bind, BankModule tables = {}) {
  CountingAllocator allocator;
  moe_ctx_options options = allocator.options();
  for (int k = 0;; ++k) {
    ASSERT_LT(k, 100);
    Context context(tables.get(), &options);
    ASSERT_EQ(context.status, MOE_OK) << context.error.message;
    allocator.left = k;
    int32_t status = bind(context.handle);
    allocator.left = -1;
    if (status == MOE_OK)
      break;
    EXPECT_EQ(status, MOE_OUT_OF_MEMORY);
    std::string message = moe_ctx_message(context.handle);
    EXPECT_TRUE(endsWith(message, tag) || endsWith(message, "[moe-bind-table]"))
        << message;
    EXPECT_EQ(allocator.live, 0);
    EXPECT_EQ(moe_rt_weights(context.handle), nullptr);
  }
  EXPECT_EQ(allocator.live, 0);
  EXPECT_TRUE(allocator.isAligned);
}

TEST(OutOfMemory, BindingACheckpoint) {
  TemporaryFolder folder;
  std::string header = "{" + entry("w.0", "F32", "2", 0, 8) + "," +
                       entry("w.1", "F32", "2", 8, 16) + "}";
  Checkpoint checkpoint(
      folder.write("x", fileBytes(header, std::string(16, '\0'))));
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  failEachBind("[moe-bind-table]", [&](moe_ctx *ctx) {
    return moe_ctx_bind_checkpoint(ctx, checkpoint.handle);
  });
}

TEST(OutOfMemory, BindingRandomValues) {
  failEachBind("[moe-bind-random-memory]",
               [](moe_ctx *ctx) { return moe_ctx_bind_random(ctx, 1); });
}

/// Two banks of a 1 x 2 matrix that are copied when they are bound.
static void failEachCopy(const char *tag, bool packed) {
  TemporaryFolder folder;
  std::string header = "{" + entry("w.0", "F32", "1,2", 0, 8) + "," +
                       entry("w.1", "F32", "1,2", 8, 16) + "}";
  Checkpoint checkpoint(
      folder.write("x", fileBytes(header, std::string(16, '\0'))));
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  BankModule tables;
  tables.source.rank = 2;
  tables.source.shape[0] = 1;
  tables.source.shape[1] = 2;
  for (moe_weight &weight : tables.weights) {
    weight.rank = 2;
    weight.shape[0] = 1;
    weight.shape[1] = weight.strides[0] = 2;
    weight.strides[1] = 1;
    weight.sources = &tables.source;
    if (packed) {
      weight.packing.panel = 8;
      weight.packing.depth = weight.packing.ways = 1;
    } else {
      weight.quantization.bits = 8;
      weight.quantization.scale_dtype = MOE_F32;
      weight.quantization.group = 2;
    }
  }
  tables.weights[1].packing.owner = packed ? 1 : 0;
  failEachBind(
      tag,
      [&](moe_ctx *ctx) {
        return moe_ctx_bind_checkpoint(ctx, checkpoint.handle);
      },
      tables);
}

TEST(OutOfMemory, Packing) { failEachCopy("[moe-bind-packed-memory]", true); }

TEST(OutOfMemory, Dequantizing) {
  failEachCopy("[moe-bind-dequantized-memory]", false);
}

TEST(OutOfMemory, Workspace) {
  TestModule tables;
  CountingAllocator allocator;
  moe_ctx_options options = allocator.options();
  {
    Context context(tables.get(), &options);
    ASSERT_NE(moe_rt_workspace(context.handle, 100), nullptr);
    EXPECT_EQ(allocator.live, 1);
    allocator.left = 0;
    EXPECT_EQ(moe_rt_workspace(context.handle, 1000), nullptr);
    expectError(moe_ctx_status(context.handle), context.handle,
                MOE_OUT_OF_MEMORY, "[moe-workspace]");
    EXPECT_EQ(allocator.live, 0);
    allocator.left = -1;
    ASSERT_NE(moe_rt_workspace(context.handle, 1000), nullptr);
  }
  EXPECT_EQ(allocator.live, 0);
}
