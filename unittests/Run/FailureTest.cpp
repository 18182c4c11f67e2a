//===- FailureTest.cpp - Kinds of failures and what moe-run exits with ----===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "support/ExitCode.h"

using namespace moe;
using namespace moe::run;

TEST(FailureTest, EveryStatusHasItsExitCode) {
  EXPECT_EQ(getExitCode(MOE_OK), ExitCode::Success);
  EXPECT_EQ(getExitCode(MOE_INVALID_ARGUMENT), ExitCode::InvalidArgument);
  EXPECT_EQ(getExitCode(MOE_INVALID_DATA), ExitCode::InvalidData);
  EXPECT_EQ(getExitCode(MOE_NOT_FOUND), ExitCode::NotFound);
  EXPECT_EQ(getExitCode(MOE_IO_ERROR), ExitCode::IoError);
  EXPECT_EQ(getExitCode(MOE_OUT_OF_MEMORY), ExitCode::OutOfMemory);
  EXPECT_EQ(getExitCode(MOE_UNSUPPORTED), ExitCode::Unsupported);
  EXPECT_EQ(getExitCode(MOE_INTERNAL), ExitCode::Internal);
  EXPECT_EQ(getExitCode(99), ExitCode::Internal);
}

TEST(FailureTest, HelpListsEveryExitCode) {
  std::string text = describeExitCodes(/*comparesResults=*/true);
  for (int code = 0; code <= int(ExitCode::Internal); ++code)
    EXPECT_NE(text.find("\n  " + std::to_string(code) + "  "),
              std::string::npos)
        << code;
}

TEST(FailureTest, ErrorsCarryTheirStatus) {
  EXPECT_EQ(reportError("test", llvm::Error::success()), ExitCode::Success);
  EXPECT_EQ(reportError("test", invalidInput("a")), ExitCode::InvalidArgument);
  EXPECT_EQ(reportError("test", makeError(MOE_IO_ERROR, "b")),
            ExitCode::IoError);
  EXPECT_EQ(reportError("test", makeError(moe_error{MOE_NOT_FOUND, "c"})),
            ExitCode::NotFound);
}

TEST(FailureTest, ErrorsOfLlvm) {
  Failure failure = takeFailure(llvm::createStringError("a"));
  EXPECT_EQ(failure.status, MOE_INTERNAL);
  EXPECT_EQ(failure.message, "a");
  failure = takeFailure(llvm::errorCodeToError(
      std::make_error_code(std::errc::not_enough_memory)));
  EXPECT_EQ(failure.status, MOE_OUT_OF_MEMORY);
}

TEST(FailureTest, SeveralErrorsHaveTheStatusOfTheFirst) {
  Failure failure = takeFailure(llvm::joinErrors(
      makeError(MOE_UNSUPPORTED, "a"), makeError(MOE_IO_ERROR, "b")));
  EXPECT_EQ(failure.status, MOE_UNSUPPORTED);
  EXPECT_EQ(failure.message, "a\nb");
  EXPECT_EQ(takeFailure(llvm::Error::success()).status, MOE_OK);
}

TEST(FailureTest, StatusOfSystemErrors) {
  auto of = [](std::errc code) { return statusOf(std::make_error_code(code)); };
  EXPECT_EQ(of(std::errc::no_such_file_or_directory), MOE_NOT_FOUND);
  EXPECT_EQ(of(std::errc::not_a_directory), MOE_NOT_FOUND);
  EXPECT_EQ(of(std::errc::not_enough_memory), MOE_OUT_OF_MEMORY);
  EXPECT_EQ(of(std::errc::permission_denied), MOE_IO_ERROR);
}
