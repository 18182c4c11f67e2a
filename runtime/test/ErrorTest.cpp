//===- ErrorTest.cpp - Messages and exceptions ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "core/Boundary.h"

#include <cstring>

using namespace moe::rt;
using namespace moe::rt::test;

TEST(Error, FillsAndReturnsTheStatus) {
  moe_error error;
  EXPECT_EQ(moe_error_set(&error, MOE_IO_ERROR, "found %d [moe-x]", 3),
            MOE_IO_ERROR);
  EXPECT_EQ(error.status, MOE_IO_ERROR);
  EXPECT_STREQ(error.message, "found 3 [moe-x]");
}

TEST(Error, AcceptsNoBuffer) {
  EXPECT_EQ(moe_error_set(nullptr, MOE_INTERNAL, "x"), MOE_INTERNAL);
}

TEST(Error, LongMessageKeepsItsTag) {
  moe_error error;
  std::string name(5000, 'n');
  moe_error_set(&error, MOE_INTERNAL, "tensor '%s' is bad [moe-x]",
                name.c_str());
  EXPECT_TRUE(endsWith(error.message, "... [moe-x]")) << error.message;
  EXPECT_LT(std::strlen(error.message), sizeof(error.message));
}

TEST(Error, CutDoesNotSplitACharacter) {
  // Two bytes each: whatever the parity of the cut, one of the two offsets
  // would split a character.
  for (std::string start : {"", "a"}) {
    moe_error error;
    std::string name = start;
    for (int i = 0; i < 3000; ++i)
      name += "\xc3\xa9";
    moe_error_set(&error, MOE_INTERNAL, "%s [moe-x]", name.c_str());
    std::string text(error.message);
    size_t dots = text.find("... [moe-x]");
    ASSERT_NE(dots, std::string::npos);
    EXPECT_EQ((dots - start.size()) % 2, 0u);
  }
}

TEST(Error, HostileNamesDoNotReachTheTerminal) {
  moe_error error;
  moe_error_set(&error, MOE_INTERNAL, "tensor '%s' [moe-x]", "\x1b[2J\n");
  EXPECT_STREQ(error.message, "tensor '?[2J?' [moe-x]");
}

TEST(Error, ShownKeepsTheBeginningAndPathsTheEnd) {
  std::string name = "begin" + std::string(500, 'x') + "end";
  EXPECT_EQ(std::string(Shown(name.c_str()).text).find("begin"), 0u);
  EXPECT_TRUE(endsWith(Shown(name.c_str()).text, "..."));
  EXPECT_EQ(std::string(ShownPath(name.c_str()).text).find("..."), 0u);
  EXPECT_TRUE(endsWith(ShownPath(name.c_str()).text, "end"));
  EXPECT_STREQ(Shown(nullptr).text, "(null)");
  EXPECT_STREQ(ShownPath(nullptr).text, "(null)");
}

TEST(Error, StatusNames) {
  EXPECT_STREQ(moe_status_name(MOE_OK), "ok");
  EXPECT_STREQ(moe_status_name(MOE_INVALID_ARGUMENT), "invalid-argument");
  EXPECT_STREQ(moe_status_name(MOE_INVALID_DATA), "invalid-data");
  EXPECT_STREQ(moe_status_name(MOE_NOT_FOUND), "not-found");
  EXPECT_STREQ(moe_status_name(MOE_IO_ERROR), "io-error");
  EXPECT_STREQ(moe_status_name(MOE_OUT_OF_MEMORY), "out-of-memory");
  EXPECT_STREQ(moe_status_name(MOE_UNSUPPORTED), "unsupported");
  EXPECT_STREQ(moe_status_name(MOE_INTERNAL), "internal");
  EXPECT_STREQ(moe_status_name(99), "unknown");
}

TEST(Boundary, BadAllocIsOutOfMemory) {
  moe_error error;
  int32_t status = guarded(&error, []() -> int32_t { throw std::bad_alloc(); });
  expectError(status, error, MOE_OUT_OF_MEMORY, "[moe-out-of-memory]");
}

TEST(Boundary, LengthErrorIsOutOfMemory) {
  moe_error error;
  int32_t status = guarded(&error, []() -> int32_t {
    std::vector<char>().reserve(SIZE_MAX);
    return MOE_OK;
  });
  expectError(status, error, MOE_OUT_OF_MEMORY, "[moe-table-too-large]");
}

TEST(Boundary, OtherExceptionsAreDefects) {
  moe_error error;
  int32_t status =
      guarded(&error, []() -> int32_t { throw std::runtime_error("why"); });
  expectError(status, error, MOE_INTERNAL, "[moe-internal]");
  EXPECT_NE(std::string(error.message).find("why"), std::string::npos);
  status = guarded(&error, []() -> int32_t { throw 3; });
  expectError(status, error, MOE_INTERNAL, "[moe-internal-unknown]");
}
