//===- FailureTest.cpp - How libMoE reports
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "libmoe/Failure.h"
#include "Support.h"

using namespace moe::capi;
using namespace moe::test;

/// What report makes of a message.
static std::string reported(const std::string &message) {
  moe_error error;
  EXPECT_EQ(report(&error, MOE_INVALID_DATA, message), MOE_INVALID_DATA);
  EXPECT_EQ(error.status, MOE_INVALID_DATA);
  return error.message;
}

TEST(Failure, MessagesWithATagStay) {
  EXPECT_EQ(reported("expected a, but got b [moe-a]"),
            "expected a, but got b [moe-a]");
}

TEST(Failure, MessagesOfMlirGetATag) {
  EXPECT_EQ(reported("expected ')'"),
            "the model could not be opened: expected ')' [moe-model-open]");
  EXPECT_EQ(reported(""), "the model could not be opened:  [moe-model-open]");
  EXPECT_EQ(reported("[moe-a] is not last"),
            "the model could not be opened: [moe-a] is not last "
            "[moe-model-open]");
}

TEST(Failure, SourceLinesAndNotesAreLeftOut) {
  EXPECT_EQ(reported("m.mlir:1:2: error: expected x [moe-a]\n"
                     "  %0 = x\n  ^\n"
                     "m.mlir:1:2: note: see current operation\n"
                     "m.mlir:3:4: error: expected y [moe-b]\n"),
            "m.mlir:1:2: error: expected x [moe-a]; "
            "m.mlir:3:4: error: expected y [moe-b]");
}

TEST(Failure, LongMessagesKeepTheirTag) {
  for (size_t size : {1000u, 1011u, 1012u, 1013u, 5000u}) {
    std::string message = reported(std::string(size, 'x') + " [moe-a]");
    EXPECT_EQ(message.size(), std::min<size_t>(size + 8, 1019));
    EXPECT_EQ(message.substr(message.size() - 8), " [moe-a]");
  }
  // Characters of two bytes stay whole.
  std::string letters;
  for (int i = 0; i < 1000; ++i)
    letters += "\xc3\xa9";
  std::string cut = reported(letters + " [moe-a]");
  EXPECT_EQ(cut.find("...") % 2, 0u);
}

TEST(Failure, ALongTagIsCut) {
  std::string message = reported("[moe-" + std::string(5000, 'a') + "]");
  EXPECT_LE(message.size(), 1019u);
}

TEST(Failure, NoErrorIsWanted) {
  EXPECT_EQ(report(nullptr, MOE_NOT_FOUND, "x"), MOE_NOT_FOUND);
}
