//===- StrictJsonTest.cpp - One test per rule of strict JSON --------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Support/StrictJson.h"

#include <gtest/gtest.h>

namespace {
/// Writes down what it is told, briefly.
class Recorder : public moe::JsonEvents {
public:
  std::string told;
  size_t position = 0;

  bool null() override { return tell("null"); }
  bool boolean(bool value) override { return tell(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return tell(std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return tell(std::to_string(value));
  }
  bool number_float(number_float_t, const string_t &text) override {
    return tell("float " + text);
  }
  bool string(string_t &value) override { return tell("'" + value + "'"); }
  bool start_object(size_t) override { return tell("{"); }
  bool key(string_t &value) override { return tell(value + ":"); }
  bool end_object() override { return tell("}"); }
  bool start_array(size_t) override { return tell("["); }
  bool end_array() override { return tell("]"); }
  bool refuseSyntax(size_t at, const std::string &, const char *) override {
    position = at;
    return !tell("syntax");
  }
  bool refuseDuplicate(const std::string &key) override {
    return !tell("duplicate " + key);
  }
  bool refuseNesting() override { return !tell("nesting"); }

private:
  bool tell(const std::string &what) {
    told += (told.empty() ? "" : " ") + what;
    return true;
  }
};

std::string read(std::string_view text) {
  Recorder recorder;
  moe::parseStrictJson(text, recorder);
  return recorder.told;
}

/// What the last event says.
std::string refusal(std::string_view text) {
  std::string told = read(text);
  return told.substr(told.find_last_of(' ') + 1);
}

std::string repeat(size_t count, const std::string &text) {
  std::string all;
  for (size_t i = 0; i < count; ++i)
    all += text;
  return all;
}
} // namespace

TEST(StrictJson, TellsWhatIsThere) {
  EXPECT_EQ(read(R"({"a": [1, -2, 2.5, null], "b": {"a": true, "c": "x"}})"),
            "{ a: [ 1 -2 float 2.5 null ] b: { a: true c: 'x' } }");
  EXPECT_EQ(read("7"), "7");
}

TEST(StrictJson, NoCompleteValue) {
  for (const char *text : {"", " ", "{", "[1,]", "{\"a\"}", "{} {}", "1 2",
                           "// comment\n1", "'a'", "\"\x01\""})
    EXPECT_EQ(refusal(text), "syntax") << text;
}

TEST(StrictJson, ANulByteIsNoEnd) {
  Recorder recorder;
  moe::parseStrictJson(std::string_view("{}\0{garbage", 11), recorder);
  EXPECT_EQ(recorder.told, "syntax");
  EXPECT_EQ(recorder.position, 2u);
  EXPECT_EQ(refusal(std::string_view("{}\0", 3)), "syntax");
  EXPECT_EQ(refusal(std::string_view("\0", 1)), "syntax");
  // One that is spelled out is a character like others.
  EXPECT_EQ(read("\"\\u0000\""), std::string("'\0'", 3));
}

TEST(StrictJson, TextThatIsNotUtf8) {
  for (const char *text :
       {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
        "\"\\ud800\"", "{\"\xe2\":1}"})
    EXPECT_EQ(refusal(text), "syntax") << text;
}

TEST(StrictJson, NumbersThatDoNotFit) {
  for (const char *text : {"NaN", "Infinity", "-Infinity", "1e999", "-1e999",
                           "01", "+1", ".5", "1.", "0x1"})
    EXPECT_EQ(refusal(text), "syntax") << text;
  EXPECT_EQ(read("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(read("18446744073709551616"), "float 18446744073709551616");
  EXPECT_EQ(read("-9223372036854775809"), "float -9223372036854775809");
}

TEST(StrictJson, KeysThatOccurTwice) {
  EXPECT_EQ(read(R"({"a": 1, "a": 1})"), "{ a: 1 duplicate a");
  EXPECT_EQ(read(R"({"a": 1, "\u0061": 1})"), "{ a: 1 duplicate a");
  EXPECT_EQ(read(R"([{"b": {"a": 1, "a": 2}}])"), "[ { b: { a: 1 duplicate a");
  // Also where an object with the same key has ended.
  EXPECT_EQ(read(R"({"b": {"b": 1}, "b": 2})"), "{ b: { b: 1 } duplicate b");
  EXPECT_EQ(read(R"([{"a": 1}, {"a": 1}])"), "[ { a: 1 } { a: 1 } ]");
}

TEST(StrictJson, Nesting) {
  size_t most = moe::maxJsonNesting;
  std::string lists = repeat(most, "[");
  EXPECT_EQ(refusal(lists + repeat(most, "]")), "]");
  EXPECT_EQ(refusal("[" + lists), "nesting");
  EXPECT_EQ(refusal("{\"a\":" + lists), "nesting");
  EXPECT_EQ(refusal(repeat(most + 1, "{\"a\":")), "nesting");
  // Side by side is not inside each other.
  EXPECT_EQ(refusal("[" + repeat(1000, "[],{},") + "1]"), "]");
}
