//===- MemoryTest.cpp - Allocations of libMoE that fail
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include <atomic>
#include <cstdlib>
#include <new>

using namespace moe::test;

/// Allocations of at least this size fail.
static std::atomic<size_t> refused{SIZE_MAX};

// The library takes these from the program. Both kinds, so that a sanitizer
// sees each freed as it was allocated.
void *operator new(size_t size, const std::nothrow_t &) noexcept {
  return size < refused ? std::malloc(size ? size : 1) : nullptr;
}
void *operator new(size_t size) {
  void *memory = operator new(size, std::nothrow);
  if (!memory)
    throw std::bad_alloc();
  return memory;
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

/// LLVM cannot go on, see Model.h: the process ends instead of going on with
/// locks held. Slabs of its allocators have this size and more.
TEST(MemoryDeathTest, OfLlvmThatIsExhaustedEndsTheProcess) {
  TextFile file(statefulModule);
  moe_model *model = nullptr;
  EXPECT_DEATH(
      {
        refused = 4096;
        moe_model_open(file.path(), nullptr, &model, nullptr);
      },
      "bad_alloc|out of memory");
}

TEST(Memory, ThatIsExhaustedIsAnError) {
  std::string path(1 << 20, 'x');
  moe_model *model = nullptr;
  moe_error error;
  refused = path.size();
  int32_t status = moe_model_open(path.c_str(), nullptr, &model, &error);
  refused = SIZE_MAX;
  EXPECT_EQ(status, MOE_OUT_OF_MEMORY);
  EXPECT_EQ(model, nullptr);
  expectError(error, MOE_OUT_OF_MEMORY, "[moe-out-of-memory]");
}
