//===- OptionsTest.cpp - The command line ---------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "Support.h"

using namespace moe::run;

static llvm::Expected<std::optional<Options>>
parse(std::vector<const char *> arguments) {
  arguments.insert(arguments.begin(), "moe-run");
  return parseOptions(int(arguments.size()), arguments.data());
}

static std::string refuse(std::vector<const char *> arguments) {
  return messageOf(parse(std::move(arguments)));
}

TEST(OptionsTest, ReadsEverything) {
  Options options = *take(
      parse({"m.mlir", "--input", "x=a.safetensors:x", "--input=past=3",
             "--size=seq=4", "--random-inputs=7", "--expect=y=b.safetensors:y",
             "--rtol=1e-3", "--print=2", "--stats=s.json", "--outputs=a,b"}));
  EXPECT_EQ(options.path, "m.mlir");
  EXPECT_EQ(options.inputs.size(), 2u);
  EXPECT_EQ(options.sizes.front().size, 4);
  EXPECT_EQ(options.randomInputs, 7u);
  EXPECT_EQ(options.expectations.front().name, "y");
  EXPECT_EQ(options.tolerance.relative, 1e-3);
  EXPECT_EQ(options.print, 2);
  EXPECT_TRUE(options.wantsStats);
  EXPECT_EQ(options.statsFile, "s.json");
  EXPECT_EQ(options.session.outputs, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(options.maxNewTokens);
}

TEST(OptionsTest, NothingIsLeftOfTheLastCommandLine) {
  take(parse({"m", "--print", "--prompt=a", "--max-new-tokens=3"}));
  Options options = *take(parse({"m"}));
  EXPECT_FALSE(options.print);
  EXPECT_TRUE(options.prompts.empty());
  EXPECT_FALSE(options.maxNewTokens);
}

TEST(OptionsTest, RefusesUnknownOptions) {
  EXPECT_TRUE(hasTag(refuse({"m", "--bogus"}), "[moe-run-usage]"));
  EXPECT_TRUE(hasTag(refuse({"m", "--threads=x"}), "[moe-run-usage]"));
  EXPECT_TRUE(hasTag(refuse({"m", "n"}), "[moe-run-usage]"));
  // An option of LLVM.
  EXPECT_TRUE(hasTag(refuse({"m", "--print-after-all"}), "[moe-run-usage]"));
}

TEST(OptionsTest, RefusesValuesOutOfRange) {
  EXPECT_TRUE(hasTag(refuse({}), "[moe-run-no-path]"));
  for (const char *option :
       {"--threads=-1", "--threads=5000", "--row-tile=-1", "--row-tile=100000",
        "--batch=0", "--context=0", "--max-new-tokens=0", "--rtol=nan",
        "--atol=-1", "--rtol=inf", "--print=0", "--print=x",
        "--entry=", "--weights=", "--target-cpu=", "--output=", "--output=-",
        "--evaluate=", "--packed-cache="})
    EXPECT_TRUE(hasTag(refuse({"m", option}), "[moe-run-option-value]"))
        << option;
  EXPECT_TRUE(hasTag(refuse({"m", "--max-new-tokens=1", "--temperature=-1"}),
                     "[moe-run-option-value]"));
}

TEST(OptionsTest, RefusesSizesGivenTwice) {
  EXPECT_TRUE(hasTag(refuse({"m", "--size=seq=2", "--size", "seq=3"}),
                     "[moe-run-option-value]"));
}

TEST(OptionsTest, AValueThatMayBeLeftOutIsNotEmpty) {
  for (const char *option : {"--print=", "--stats="})
    EXPECT_TRUE(hasTag(refuse({"m", option}), "[moe-run-usage]")) << option;
  Options options = *take(parse({"m", "--print", "--stats"}));
  EXPECT_EQ(options.print, 8);
  EXPECT_TRUE(options.wantsStats);
  EXPECT_EQ(options.statsFile, "");
  options = *take(parse({"m", "--stats=-"}));
  EXPECT_TRUE(options.wantsStats);
  EXPECT_EQ(options.statsFile, "");
}

TEST(OptionsTest, WholeGroupsAreATile) {
  EXPECT_EQ(take(parse({"m", "--row-tile=0"}))->session.rowTile, 0);
}

TEST(OptionsTest, RefusesContradictions) {
  using Arguments = std::vector<const char *>;
  for (const Arguments &arguments :
       {Arguments{"m", "--weights=w", "--random-weights=1"},
        Arguments{"m", "--prompt=a", "--prompt-ids=1"},
        Arguments{"m", "--evaluate=f:t", "--prompt=a"},
        Arguments{"m", "--agreement=f:t"},
        Arguments{"m", "--packed-cache=f", "--random-weights=1"},
        Arguments{"m", "--evaluate=f:t", "--max-new-tokens=1"},
        Arguments{"m", "--max-new-tokens=1", "--random-inputs=1"},
        Arguments{"m", "--temperature=1"}, Arguments{"m", "--no-cache"},
        Arguments{"m", "--print-ids"}})
    EXPECT_TRUE(hasTag(refuse(arguments), "[moe-run-option-conflict]"))
        << arguments[1];
}
