//===- ImportOptionsTest.cpp - What an imported module returns ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestInputs.h"

#include "MoE/Import/ImportOptions.h"

using namespace mlir::moe::hf;
using namespace moe_test;

TEST(ImportOptions, NamesOfOutputs) {
  ImportResult<ImportOptions> none = parseOutputs({"logits"});
  ASSERT_TRUE(none) << none.message();
  EXPECT_FALSE(none->routerLogits);
  EXPECT_FALSE(none->expertCounts);
  ImportResult<ImportOptions> both =
      parseOutputs({"expert_counts", "router_logits", "expert_counts"});
  ASSERT_TRUE(both) << both.message();
  EXPECT_TRUE(both->routerLogits);
  EXPECT_TRUE(both->expertCounts);
}

TEST(ImportOptions, LastLogitsTakeThePlaceOfLogits) {
  EXPECT_FALSE(parseOutputs({})->lastLogits);
  EXPECT_TRUE(parseOutputs({"last_logits"})->lastLogits);
  expectError(parseOutputs({"last_logits", "logits"}), "[moe-import-output]");
}

TEST(ImportOptions, RefusesOtherNames) {
  for (const char *name : {"", "hidden", "Logits", "\x1b[31m"})
    expectError(parseOutputs({"logits", name}), "[moe-import-output]");
}
