//===- OptionsTest.cpp - Callers and libraries of different age -----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "moe_rt/options.h"
#include "Support.h"

#include <cstring>

using namespace moe::rt::test;

namespace {
/// The options of three releases.
struct First {
  size_t size;
  int64_t a;
};
struct Second {
  size_t size;
  int64_t a, b;
};
struct Third {
  size_t size;
  int64_t a, b, c;
};

/// A library of the second release.
constexpr moe_options_type type = {"test_options", sizeof(Second),
                                   sizeof(First)};

/// Options in memory of exactly their size, so that a sanitizer sees every
/// byte that is read behind them.
class Caller {
public:
  template <typename T> explicit Caller(const T &options) {
    bytes = std::make_unique<char[]>(sizeof(T));
    std::memcpy(bytes.get(), &options, sizeof(T));
  }

  int32_t read() {
    std::memset(&found, 0x55, sizeof(found));
    return moe_options_read(&type, bytes.get(), &found, &error);
  }

  Second found;
  moe_error error = {};

private:
  std::unique_ptr<char[]> bytes;
};
} // namespace

TEST(Options, NoneAreDefaults) {
  Second found = {1, 2, 3};
  EXPECT_EQ(moe_options_read(&type, nullptr, &found, nullptr), MOE_OK);
  EXPECT_EQ(found.a, 0);
  EXPECT_EQ(found.b, 0);
}

TEST(Options, OfThisRelease) {
  Caller caller(Second{sizeof(Second), 7, 8});
  ASSERT_EQ(caller.read(), MOE_OK) << caller.error.message;
  EXPECT_EQ(caller.found.a, 7);
  EXPECT_EQ(caller.found.b, 8);
}

TEST(Options, OfAnOlderCaller) {
  Caller caller(First{sizeof(First), 7});
  ASSERT_EQ(caller.read(), MOE_OK) << caller.error.message;
  EXPECT_EQ(caller.found.a, 7);
  EXPECT_EQ(caller.found.b, 0); // The default.
}

TEST(Options, OfANewerCaller) {
  Caller modest(Third{sizeof(Third), 7, 8, 0});
  ASSERT_EQ(modest.read(), MOE_OK) << modest.error.message;
  EXPECT_EQ(modest.found.a, 7);
  EXPECT_EQ(modest.found.b, 8);
  Caller demanding(Third{sizeof(Third), 7, 8, int64_t(1) << 56});
  expectError(demanding.read(), demanding.error, MOE_UNSUPPORTED,
              "[moe-options-newer]");
}

TEST(Options, SmallerThanTheFirst) {
  for (size_t size : {size_t(0), sizeof(First) - 1}) {
    Caller caller(First{size, 7});
    expectError(caller.read(), caller.error, MOE_INVALID_ARGUMENT,
                "[moe-options-size]");
    EXPECT_NE(std::string(caller.error.message).find("sizeof(test_options)"),
              std::string::npos);
  }
}
