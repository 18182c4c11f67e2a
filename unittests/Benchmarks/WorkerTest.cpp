//===- WorkerTest.cpp - The worker's protocol -----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Worker.h"
#include "Failure.h"
#include "gtest/gtest.h"
#include <sstream>

using namespace moe::bench;

namespace {

/// What a worker that measures 1.5 ms answers; the error at the end, if any.
struct Served {
  std::string output, error;
  explicit Served(const std::string &input) {
    std::istringstream in(input);
    llvm::raw_string_ostream out(output);
    error = llvm::toString(
        serve(in, out, 2.5e-6, []() -> llvm::Expected<double> { return 1.5; }));
  }
};

TEST(Worker, RunsUntilQuit) {
  Served served("run\nrun\nquit\nrun\n");
  EXPECT_EQ(served.output, "ready 2.500e-06\n1.500000\n1.500000\n");
  EXPECT_EQ(served.error, "");
}

TEST(Worker, EndsWithItsInput) {
  EXPECT_EQ(Served("").output, "ready 2.500e-06\n");
  EXPECT_EQ(Served("run").output, "ready 2.500e-06\n1.500000\n");
  EXPECT_EQ(Served("run\nquit").error, "");
}

TEST(Worker, RefusesOtherLines) {
  using namespace std::string_literals;
  for (const std::string &line :
       {"\n"s, "Run\n"s, "run \n"s, " run\n"s, "run\r\n"s, "ru"s, "run\0\n"s,
        "runrun\n"s, std::string(1 << 20, 'r'),
        std::string(1 << 20, 'r') + "\n",
        "run" + std::string(100, ' ') + "\n"}) {
    Served served("run\n" + line + "run\n");
    EXPECT_EQ(served.output, "ready 2.500e-06\n1.500000\n");
    EXPECT_NE(served.error.find("[moe-bench-worker-line]"), std::string::npos);
    EXPECT_LT(served.error.size(), 400u);
  }
}

TEST(Worker, ShowsNoControlCharacters) {
  EXPECT_NE(Served("a\x1b[2Jb\n").error.find("'a\\1B[2Jb'"), std::string::npos);
}

TEST(Worker, EndsAtAFailure) {
  std::istringstream in("run\nrun\n");
  std::string output;
  llvm::raw_string_ostream out(output);
  llvm::Error error = serve(in, out, 2.5e-6, []() -> llvm::Expected<double> {
    return mismatch("wrong");
  });
  EXPECT_EQ(llvm::toString(std::move(error)), "wrong");
  EXPECT_EQ(output, "ready 2.500e-06\n");
}

} // namespace
