//===- SafetensorsHeaderTest.cpp - One test per rule of the format --------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "io/Header.h"

#include <cstring>

using namespace moe::rt;
using namespace moe::rt::test;

namespace {
class SafetensorsHeader : public testing::Test {
protected:
  /// Writes `bytes` and expects that opening them fails, with and without data.
  void expectRefused(const std::string &bytes, const char *tag,
                     int32_t expected = MOE_INVALID_DATA) {
    std::string path = folder.write("model.safetensors", bytes);
    for (bool headersOnly : {false, true}) {
      Checkpoint checkpoint(path, headersOnly);
      expectError(checkpoint.status, checkpoint.error, expected, tag);
      EXPECT_EQ(checkpoint.handle, nullptr);
    }
  }
  /// The same for a header without data.
  void expectHeaderRefused(const std::string &header, const char *tag) {
    expectRefused(fileBytes(header), tag);
  }

  TemporaryFolder folder;
};
} // namespace

//===----------------------------------------------------------------------===//
// Good files
//===----------------------------------------------------------------------===//

TEST_F(SafetensorsHeader, ReadsTensorsInOrderOfName) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," +
                       entry("b", "F32", "2,1", 0, 8) + "," +
                       entry("a", "I16", "2", 8, 12) + "}   ";
  float values[] = {1.5f, -2.0f};
  std::string data(reinterpret_cast<char *>(values), sizeof(values));
  std::string path =
      folder.write("x.safetensors", fileBytes(header, data + "abcd"));
  Checkpoint checkpoint(path);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  ASSERT_EQ(moe_checkpoint_size(checkpoint.handle), 2u);
  const moe_file_tensor *a = moe_checkpoint_at(checkpoint.handle, 0);
  const moe_file_tensor *b = moe_checkpoint_at(checkpoint.handle, 1);
  EXPECT_STREQ(a->name, "a");
  EXPECT_EQ(a->dtype, MOE_I16);
  EXPECT_EQ(a->bytes, 4u);
  EXPECT_EQ(std::memcmp(a->data, "abcd", 4), 0);
  EXPECT_STREQ(b->name, "b");
  EXPECT_STREQ(b->dtype_name, "F32");
  EXPECT_EQ(b->rank, 2);
  EXPECT_EQ(b->shape[0], 2);
  EXPECT_EQ(b->shape[1], 1);
  EXPECT_EQ(static_cast<const float *>(b->data)[1], -2.0f);
  EXPECT_STREQ(b->file, path.c_str());
  EXPECT_EQ(moe_checkpoint_at(checkpoint.handle, 2), nullptr);
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "b"), b);
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "c"), nullptr);
}

TEST_F(SafetensorsHeader, HeadersOnlyMapsNoData) {
  std::string path = folder.write("x.safetensors", oneTensorFile("a", 4));
  Checkpoint checkpoint(path, /*headersOnly=*/true);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  const moe_file_tensor *a = moe_checkpoint_find(checkpoint.handle, "a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->bytes, 16u);
  EXPECT_EQ(a->data, nullptr);
}

TEST_F(SafetensorsHeader, MisalignedTensorIsCopiedOnce) {
  std::string header = "{" + entry("byte", "U8", "1", 0, 1) + "," +
                       entry("float", "F32", "1", 1, 5) + "}";
  header.append(16 - header.size() % 8, ' ');
  float value = 2.5f;
  std::string data(reinterpret_cast<char *>(&value), sizeof(value));
  std::string path =
      folder.write("x.safetensors", fileBytes(header, "b" + data));
  Checkpoint checkpoint(path);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  EXPECT_EQ(moe_checkpoint_num_copied(checkpoint.handle), 1u);
  const moe_file_tensor *copied =
      moe_checkpoint_find(checkpoint.handle, "float");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copied->data) % alignof(float), 0u);
  EXPECT_EQ(*static_cast<const float *>(copied->data), value);
}

TEST_F(SafetensorsHeader, EmptyFilesTensorsAndScalars) {
  std::string path = folder.write("x.safetensors", fileBytes("{}"));
  EXPECT_EQ(Checkpoint(path).status, MOE_OK);
  std::string header = "{" + entry("scalar", "F32", "", 0, 4) + "," +
                       entry("none", "F64", "3,0", 0, 0) + "," +
                       entry("last", "F64", "0", 4, 4) + "}";
  path = folder.write("y.safetensors", fileBytes(header, "1234"));
  Checkpoint checkpoint(path);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "none")->data, nullptr);
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "scalar")->rank, 0);
}

TEST_F(SafetensorsHeader, TypesWithoutSupportAreKept) {
  std::string header = "{" + entry("a", "F8_E4M3", "3", 0, 3) + "," +
                       entry("b", "F4", "2", 3, 4) + "," +
                       entry("c", "U32", "1", 4, 8) + "}";
  std::string path =
      folder.write("x.safetensors", fileBytes(header, "12345678"));
  Checkpoint checkpoint(path);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  const moe_file_tensor *a = moe_checkpoint_find(checkpoint.handle, "a");
  EXPECT_EQ(a->dtype, 0);
  EXPECT_STREQ(a->dtype_name, "F8_E4M3");
  EXPECT_EQ(a->bytes, 3u);
}

//===----------------------------------------------------------------------===//
// The frame
//===----------------------------------------------------------------------===//

TEST_F(SafetensorsHeader, FileWithoutLength) {
  expectRefused("", "[moe-safetensors-too-short]");
  expectRefused("1234567", "[moe-safetensors-too-short]");
}

TEST_F(SafetensorsHeader, HeaderAboveTheLimit) {
  expectRefused(lengthPrefix(maxHeaderBytes + 1),
                "[moe-safetensors-header-limit]");
  expectRefused(lengthPrefix(UINT64_MAX), "[moe-safetensors-header-limit]");
}

TEST_F(SafetensorsHeader, HeaderPastTheEndOfTheFile) {
  expectRefused(lengthPrefix(3) + "{}", "[moe-safetensors-header-length]");
  expectRefused(lengthPrefix(maxHeaderBytes),
                "[moe-safetensors-header-length]");
}

TEST_F(SafetensorsHeader, HeaderThatBeginsOtherwise) {
  expectHeaderRefused(" {}", "[moe-safetensors-header-start]");
  expectHeaderRefused("", "[moe-safetensors-header-start]");
  expectHeaderRefused("[]", "[moe-safetensors-header-start]");
}

TEST_F(SafetensorsHeader, HeaderThatIsNotJson) {
  expectHeaderRefused("{", "[moe-safetensors-json]");
  expectHeaderRefused("{\"a\":}", "[moe-safetensors-json]");
  expectHeaderRefused("{} x", "[moe-safetensors-json]");
  expectHeaderRefused(std::string("{}\0 hidden", 10), "[moe-safetensors-json]");
  expectHeaderRefused("{\"\xff\":{}}", "[moe-safetensors-json]");
  expectHeaderRefused("{\"a\":" + std::string(100000, '['),
                      "[moe-safetensors-structure]");
}

//===----------------------------------------------------------------------===//
// The structure
//===----------------------------------------------------------------------===//

TEST_F(SafetensorsHeader, ValuesOfAnotherKind) {
  const char *tag = "[moe-safetensors-structure]";
  for (const char *value : {"3", "-3", "3.5", "null", "true", "\"x\"", "[]"})
    expectHeaderRefused("{\"a\":" + std::string(value) + "}", tag);
  expectHeaderRefused("{\"a\":{\"dtype\":3}}", tag);
  expectHeaderRefused("{\"a\":{\"dtype\":{}}}", tag);
  expectHeaderRefused("{\"a\":{\"dtype\":[]}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":\"3\"}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":3}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":{}}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":[[1]]}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":[{}]}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":[\"1\"]}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":[null]}}", tag);
  expectHeaderRefused("{\"a\":{\"data_offsets\":0}}", tag);
}

TEST_F(SafetensorsHeader, MetadataThatIsNotText) {
  const char *tag = "[moe-safetensors-metadata]";
  for (const char *value : {"3", "null", "true", "{}", "[]"})
    expectHeaderRefused("{\"__metadata__\":{\"k\":" + std::string(value) + "}}",
                        tag);
  expectHeaderRefused("{\"__metadata__\":\"x\"}", tag);
  expectHeaderRefused("{\"__metadata__\":[]}", tag);
}

TEST_F(SafetensorsHeader, KeyThatOccursTwice) {
  const char *tag = "[moe-safetensors-duplicate-key]";
  std::string a = entry("a", "F32", "0", 0, 0);
  expectHeaderRefused("{" + a + "," + a + "}", tag);
  expectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", tag);
  expectHeaderRefused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", tag);
  expectHeaderRefused("{\"__metadata__\":{},\"__metadata__\":{}}", tag);
  // The same name, spelled in two ways.
  expectHeaderRefused("{" + a + "," + entry("\\u0061", "F32", "0", 0, 0) + "}",
                      tag);
}

TEST_F(SafetensorsHeader, NameThatCannotBeAsked) {
  expectHeaderRefused("{" + entry("", "F32", "0", 0, 0) + "}",
                      "[moe-safetensors-bad-name]");
  expectHeaderRefused("{" + entry("a\\u0000b", "F32", "0", 0, 0) + "}",
                      "[moe-safetensors-bad-name]");
}

TEST_F(SafetensorsHeader, FieldThatTheFormatLacks) {
  expectHeaderRefused("{\"a\":{\"stride\":[1]}}",
                      "[moe-safetensors-unknown-field]");
}

TEST_F(SafetensorsHeader, FieldThatIsMissing) {
  const char *tag = "[moe-safetensors-missing-field]";
  expectHeaderRefused("{\"a\":{}}", tag);
  expectHeaderRefused("{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}", tag);
  expectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}",
                      tag);
  expectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", tag);
}

TEST_F(SafetensorsHeader, DTypeThatTheFormatLacks) {
  expectHeaderRefused("{" + entry("a", "F31", "0", 0, 0) + "}",
                      "[moe-safetensors-unknown-dtype]");
}

TEST_F(SafetensorsHeader, RankAboveTheLimit) {
  std::string eight = "1,1,1,1,1,1,1,1";
  std::string path = folder.write(
      "x", fileBytes("{" + entry("a", "U8", eight, 0, 1) + "}", "1"));
  EXPECT_EQ(Checkpoint(path).status, MOE_OK);
  expectRefused(
      fileBytes("{" + entry("a", "U8", eight + ",1", 0, 1) + "}", "1"),
      "[moe-safetensors-rank]");
}

TEST_F(SafetensorsHeader, NumbersThatAreNoSizes) {
  const char *tag = "[moe-safetensors-number]";
  for (const char *number :
       {"-1", "1.0", "1e3", "9223372036854775808", "99999999999999999999"}) {
    expectHeaderRefused("{" + entry("a", "F32", number, 0, 0) + "}", tag);
    expectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],"
                        "\"data_offsets\":[0," +
                            std::string(number) + "]}}",
                        tag);
  }
}

TEST_F(SafetensorsHeader, OffsetsThatAreNotTwo) {
  for (const char *offsets : {"", "0", "0,0,0", "0,0,0,0,0"})
    expectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],"
                        "\"data_offsets\":[" +
                            std::string(offsets) + "]}}",
                        "[moe-safetensors-offset-count]");
}

//===----------------------------------------------------------------------===//
// The data
//===----------------------------------------------------------------------===//

TEST_F(SafetensorsHeader, BeginAfterEnd) {
  expectRefused(fileBytes("{" + entry("a", "U8", "0", 4, 0) + "}", "1234"),
                "[moe-safetensors-offset-order]");
}

TEST_F(SafetensorsHeader, EndPastTheData) {
  expectRefused(fileBytes("{" + entry("a", "U8", "5", 0, 5) + "}", "1234"),
                "[moe-safetensors-offset-range]");
  expectRefused(
      fileBytes("{" + entry("a", "U8", "5", INT64_MAX - 5, INT64_MAX) + "}"),
      "[moe-safetensors-offset-range]");
}

TEST_F(SafetensorsHeader, SizeThatOverflows) {
  const char *tag = "[moe-safetensors-size-overflow]";
  for (const char *shape :
       {"4294967296,4294967296", "9223372036854775807,2", "9223372036854775807",
        "2305843009213693952", "0,4294967296,4294967296",
        "4294967296,4294967296,0"})
    expectHeaderRefused("{" + entry("a", "F32", shape, 0, 0) + "}", tag);
}

TEST_F(SafetensorsHeader, SizeThatDiffersFromTheShape) {
  const char *tag = "[moe-safetensors-size-mismatch]";
  expectRefused(fileBytes("{" + entry("a", "F32", "2", 0, 4) + "}", "1234"),
                tag);
  expectRefused(fileBytes("{" + entry("a", "F32", "0", 0, 4) + "}", "1234"),
                tag);
  // A type that the runtime lacks must still be of its size, in whole bytes.
  expectRefused(fileBytes("{" + entry("a", "F8_E5M2", "3", 0, 4) + "}", "1234"),
                tag);
  expectRefused(fileBytes("{" + entry("a", "F4", "7", 0, 4) + "}", "1234"),
                tag);
}

TEST_F(SafetensorsHeader, TensorsThatOverlap) {
  expectRefused(fileBytes("{" + entry("a", "U8", "3", 0, 3) + "," +
                              entry("b", "U8", "2", 2, 4) + "}",
                          "1234"),
                "[moe-safetensors-overlap]");
  expectRefused(fileBytes("{" + entry("a", "U8", "4", 0, 4) + "," +
                              entry("b", "U8", "4", 0, 4) + "}",
                          "1234"),
                "[moe-safetensors-overlap]");
}

TEST_F(SafetensorsHeader, BytesThatBelongToNoTensor) {
  expectRefused(fileBytes("{" + entry("a", "U8", "1", 0, 1) + "," +
                              entry("b", "U8", "2", 2, 4) + "}",
                          "1234"),
                "[moe-safetensors-hole]");
  expectRefused(fileBytes("{" + entry("a", "U8", "3", 1, 4) + "}", "1234"),
                "[moe-safetensors-hole]");
}

TEST_F(SafetensorsHeader, BytesAfterTheLastTensor) {
  expectRefused(fileBytes("{" + entry("a", "U8", "3", 0, 3) + "}", "1234"),
                "[moe-safetensors-trailing-bytes]");
  expectRefused(fileBytes("{}", "1"), "[moe-safetensors-trailing-bytes]");
}

TEST_F(SafetensorsHeader, EveryTruncationIsRefused) {
  std::string whole = oneTensorFile("a", 4);
  for (size_t length = 0; length < whole.size(); ++length) {
    std::string path = folder.write("x", whole.substr(0, length));
    Checkpoint checkpoint(path);
    EXPECT_EQ(checkpoint.status, MOE_INVALID_DATA) << length;
    EXPECT_EQ(checkpoint.handle, nullptr);
  }
}
