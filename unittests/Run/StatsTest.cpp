//===- StatsTest.cpp - What a run cost ------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stats.h"
#include "Support.h"
#include "support/Outputs.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <nlohmann/json.hpp>

using namespace moe;
using namespace moe::run;

TEST(StatsTest, ReportsDropsWhereTheSlotsAreKnown) {
  Tensor counts = take(Tensor::create("counts", MOE_I32, {3}));
  llvm::copy(std::vector<int32_t>{4, 0, 5}, counts.elements<int32_t>().begin());
  Stats stats;
  stats.experts.add({{"expert_counts.2", &counts.get()},
                     {"logits", &counts.get()},
                     {"expert_counts.x", &counts.get()}},
                    5);
  stats.getTopK = [](int64_t layer) { return layer == 2 ? 2 : 0; };
  stats.calls.prefillSeconds = 2;
  stats.calls.prefillTokens = 5;
  auto json = nlohmann::json::parse(toJson(stats), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["experts"].size(), 1u);
  EXPECT_EQ(json["experts"][0]["layer"], 2);
  EXPECT_EQ(json["experts"][0]["tokens_per_expert"],
            (std::vector<int>{4, 0, 5}));
  EXPECT_EQ(json["experts"][0]["slots"], 10);
  EXPECT_EQ(json["experts"][0]["dropped"], 1);
  EXPECT_EQ(json["prefill"]["tokens_per_second"], 2.5);
  EXPECT_EQ(json["decode"]["tokens_per_second"], 0.0);
  EXPECT_GT(json["peak_resident_bytes"], 0);
}

TEST(WriteTextTest, ReplacesTheFileOrLeavesNothing) {
  llvm::SmallString<128> directory;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("moe-run", directory));
  std::string path = (directory + "/stats.json").str();
  EXPECT_EQ(messageOf(writeText(path, "old")), "");
  EXPECT_EQ(messageOf(writeText(path, "new")), "");
  EXPECT_EQ((*llvm::MemoryBuffer::getFile(path))->getBuffer(), "new");
  EXPECT_TRUE(hasTag(messageOf(writeText((directory + "/no/x").str(), "x")),
                     "[moe-write-create]"));
  EXPECT_TRUE(
      hasTag(messageOf(writeText(directory, "x")), "[moe-write-target]"));
  EXPECT_TRUE(
      hasTag(messageOf(writeText("/dev/full", "x")), "[moe-output-write]"));
  EXPECT_TRUE(llvm::sys::fs::exists("/dev/full"));
  std::error_code code;
  int numFiles = 0;
  for (llvm::sys::fs::directory_iterator it(directory, code), end;
       it != end && !code; it.increment(code))
    ++numFiles;
  EXPECT_EQ(numFiles, 1);
  llvm::sys::fs::remove_directories(directory);
}
