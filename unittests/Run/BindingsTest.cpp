//===- BindingsTest.cpp - Values of options -------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Bindings.h"
#include "Support.h"

using namespace moe::run;

TEST(FileTensorTest, SplitsAfterTheExtension) {
  FileTensor source = take(parseFileTensor("a.safetensors:t", "evaluate"));
  EXPECT_EQ(source.file, "a.safetensors");
  EXPECT_EQ(source.tensor, "t");
}

TEST(FileTensorTest, PathAndTensorMayContainColons) {
  FileTensor source = take(parseFileTensor("x:y/a.safetensors:t:0", "o"));
  EXPECT_EQ(source.file, "x:y/a.safetensors");
  EXPECT_EQ(source.tensor, "t:0");
}

TEST(FileTensorTest, OtherPathsSplitAtTheLastColon) {
  FileTensor source = take(parseFileTensor("some:dir:t", "o"));
  EXPECT_EQ(source.file, "some:dir");
  EXPECT_EQ(source.tensor, "t");
}

TEST(FileTensorTest, RefusesMissingParts) {
  for (const char *text : {"", "a", ":", "a:", ":t", "a.safetensors:"})
    EXPECT_TRUE(
        hasTag(messageOf(parseFileTensor(text, "o")), "[moe-run-binding]"))
        << text;
}

TEST(TensorBindingTest, SplitsAtTheFirstEqualsSign) {
  TensorBinding binding =
      take(parseTensorBinding("n=d=e/a.safetensors:t", "o"));
  EXPECT_EQ(binding.name, "n");
  EXPECT_EQ(binding.source.file, "d=e/a.safetensors");
  EXPECT_EQ(binding.source.tensor, "t");
}

TEST(TensorBindingTest, RefusesMissingParts) {
  for (const char *text : {"", "n", "n=", "=a:t", "n=a", "n=:t", "n=a:"})
    EXPECT_TRUE(
        hasTag(messageOf(parseTensorBinding(text, "o")), "[moe-run-binding]"))
        << text;
}

TEST(InputBindingTest, NumberOrTensor) {
  EXPECT_TRUE(take(parseInputBinding("past=3", "input")).isNumber());
  EXPECT_EQ(take(parseInputBinding("past=3", "input")).number, "3");
  EXPECT_FALSE(take(parseInputBinding("x=a:3", "input")).isNumber());
  EXPECT_TRUE(hasTag(messageOf(parseInputBinding("past=", "input")),
                     "[moe-run-binding]"));
}

TEST(SymbolBindingTest, SizesAreNotNegative) {
  EXPECT_EQ(take(parseSymbolBinding("seq=16", "size")).size, 16);
  for (const char *text :
       {"seq", "=1", "seq=", "seq=-1", "seq=1.5", "seq=9223372036854775808"})
    EXPECT_TRUE(hasTag(messageOf(parseSymbolBinding(text, "size")),
                       "[moe-run-binding]"))
        << text;
}

TEST(IdsTest, ParsesAList) {
  EXPECT_EQ(take(parseIds("1,2, 30", "o")), (std::vector<int64_t>{1, 2, 30}));
  for (const char *text : {"", "1,", "1;2", "a", "1,,2"})
    EXPECT_TRUE(hasTag(messageOf(parseIds(text, "o")), "[moe-run-binding]"))
        << text;
}
