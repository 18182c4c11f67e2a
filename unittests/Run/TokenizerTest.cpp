//===- TokenizerTest.cpp - Text to ids and back ---------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tokenizer.h"
#include "Philox.h"
#include "Support.h"
#include "TextStream.h"
#include "Utf8.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

using namespace moe::run;

TEST(Utf8Test, FindsIncompleteCharacters) {
  EXPECT_EQ(countIncompleteBytes(""), 0u);
  EXPECT_EQ(countIncompleteBytes("a"), 0u);
  EXPECT_EQ(countIncompleteBytes("\xC3"), 1u);
  EXPECT_EQ(countIncompleteBytes("\xC3\xA4"), 0u);
  EXPECT_EQ(countIncompleteBytes("a\xE2\x82"), 2u);
  EXPECT_EQ(countIncompleteBytes("a\xE2\x82\xAC"), 0u);
  EXPECT_EQ(countIncompleteBytes("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(countIncompleteBytes("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(countIncompleteBytes("\xF0\x9F\x98\x80\xF0"), 1u);
  // Never completed by anything.
  EXPECT_EQ(countIncompleteBytes("\x80\x80\x80"), 0u);
  EXPECT_EQ(countIncompleteBytes("\xFF"), 0u);
  EXPECT_EQ(countIncompleteBytes("\xC0"), 0u);
}

static Tokenizer loadExample() {
  return take(Tokenizer::load(MOE_TEST_MODEL_DIR));
}

static std::string stream(const Tokenizer &tokenizer,
                          llvm::ArrayRef<int64_t> ids) {
  TextStream stream(tokenizer);
  std::string text;
  for (int64_t id : ids) {
    text += stream.push(id);
    EXPECT_EQ(countIncompleteBytes(text), 0u);
  }
  return text + stream.finish();
}

TEST(TokenizerTest, EncodesAsTheReferenceDoes) {
  Tokenizer tokenizer = loadExample();
  std::string prompt = "In the beginning God created";
  std::vector<int64_t> ids = take(tokenizer.encode(prompt));
  EXPECT_EQ(ids.size(), 8u); // golden.safetensors: 9 with the first one
  EXPECT_EQ(tokenizer.decode(ids), prompt);
  EXPECT_EQ(tokenizer.getBeginOfText(), 1);
}

TEST(TokenizerTest, SpecialTokensThatAreWrittenOut) {
  Tokenizer tokenizer = loadExample();
  std::vector<int64_t> plain = take(tokenizer.encode("In the beginning"));
  std::vector<int64_t> begun = plain, ended = plain;
  begun.insert(begun.begin(), 1);
  ended.push_back(2);
  EXPECT_EQ(take(tokenizer.encode("<s>In the beginning")), begun);
  EXPECT_EQ(take(tokenizer.encode("In the beginning</s>")), ended);
  EXPECT_EQ(take(tokenizer.encode("</s>")), std::vector<int64_t>{2});
  EXPECT_EQ(take(tokenizer.encode("< s>")).front(),
            take(tokenizer.encode("<")).front());
}

/// A directory with the example's tokenizer and other files.
class TokenizerFiles : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("tokenizer", folder));
    ASSERT_FALSE(llvm::sys::fs::copy_file(std::string(MOE_TEST_MODEL_DIR) +
                                              "/tokenizer.model",
                                          (folder + "/tokenizer.model").str()));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }
  void write(const std::string &name, const std::string &text) {
    std::error_code error;
    llvm::raw_fd_ostream((folder + "/" + name).str(), error) << text;
    ASSERT_FALSE(error);
  }
  llvm::SmallString<128> folder;
};

TEST_F(TokenizerFiles, AddedTokens) {
  write("added_tokens.json", R"({"<|end|>": 2048, "<|end|>>": 2049})");
  Tokenizer tokenizer = take(Tokenizer::load(folder));
  std::vector<int64_t> ids = take(tokenizer.encode("And<|end|><|end|>>"));
  ASSERT_GE(ids.size(), 3u);
  EXPECT_EQ(ids[ids.size() - 2], 2048);
  EXPECT_EQ(ids.back(), 2049) << "the longest";
  EXPECT_EQ(tokenizer.decode({2048}), "<|end|>");
}

TEST_F(TokenizerFiles, NoBeginOfText) {
  EXPECT_TRUE(take(Tokenizer::load(folder)).addsBeginOfText());
  write("tokenizer_config.json", R"({"add_bos_token": false})");
  EXPECT_FALSE(take(Tokenizer::load(folder)).addsBeginOfText());
}

TEST_F(TokenizerFiles, DamagedFiles) {
  for (const char *text : {"", "[", "[]", R"({"a": -1})", R"({"a": "b"})"}) {
    write("added_tokens.json", text);
    EXPECT_TRUE(
        hasTag(messageOf(Tokenizer::load(folder)), "[moe-run-tokenizer-file]"))
        << text;
  }
}

TEST(TokenizerTest, UnknownIdsAreVisible) {
  Tokenizer tokenizer = loadExample();
  EXPECT_EQ(tokenizer.decode({tokenizer.size()}), "\uFFFD");
  EXPECT_EQ(tokenizer.decode({-1}), "\uFFFD");
  EXPECT_EQ(tokenizer.decode({INT64_MAX}), "\uFFFD");
}

TEST(TextStreamTest, EqualsTheWholeText) {
  Tokenizer tokenizer = loadExample();
  for (const char *text :
       {"And God said, Let there be light", "", "  two  spaces ",
        "caf\u00E9 \u20AC \U0001F600\U0001F600 end", "\U0001F600"}) {
    std::vector<int64_t> ids = take(tokenizer.encode(text));
    ids.insert(ids.begin(), 1);
    EXPECT_EQ(stream(tokenizer, ids), tokenizer.decode(ids)) << text;
  }
}

TEST(TextStreamTest, EqualsTheWholeTextOfAnyIds) {
  Tokenizer tokenizer = loadExample();
  for (uint32_t row = 0; row < 300; ++row) {
    std::vector<int64_t> ids;
    Philox random(row);
    for (uint32_t i = 0; i < 40; ++i) {
      Philox::Block block = random({i, 0, 0, 0});
      // Half of them control ids and bytes, which are the difficult ones.
      uint32_t range = block[0] % 2 ? 260 : uint32_t(tokenizer.size()) + 2;
      ids.push_back(block[1] % range);
    }
    EXPECT_EQ(stream(tokenizer, ids), tokenizer.decode(ids)) << row;
  }
}

TEST(TextStreamTest, HoldsOnlyIncompleteCharacters) {
  Tokenizer tokenizer = loadExample();
  // <0x00> is id 3.
  auto byteId = [](int byte) { return int64_t(byte + 3); };
  ASSERT_EQ(tokenizer.getByte(byteId(0xE2)), char(0xE2));
  TextStream stream(tokenizer);
  EXPECT_EQ(stream.push(byteId('a')), "a");
  EXPECT_EQ(stream.push(byteId(0xE2)), "");
  EXPECT_EQ(stream.push(byteId(0x82)), "");
  EXPECT_EQ(stream.push(byteId(0xAC)), "\u20AC");
  EXPECT_EQ(stream.push(byteId(0xE2)), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
}
