//===- FailureTest.cpp - Errors that carry an exit code -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Failure.h"
#include "Support.h"

using namespace moe::run;

TEST(FailureTest, CarriesTheExitCode) {
  EXPECT_EQ(reportError(llvm::Error::success()), ExitCode::Success);
  EXPECT_EQ(reportError(invalidInput("a")), ExitCode::InvalidInput);
  EXPECT_EQ(reportError(failed("b")), ExitCode::Failed);
  EXPECT_EQ(reportError(llvm::createStringError("c")), ExitCode::Failed);
  EXPECT_EQ(reportError(withExitCode(failed("d"), ExitCode::InvalidInput)),
            ExitCode::InvalidInput);
  EXPECT_EQ(messageOf(withExitCode(llvm::Error::success(), ExitCode::Failed)),
            "");
}
