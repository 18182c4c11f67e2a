//===- CheckpointTest.cpp - Folders, shards and their index ---------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "io/Index.h"

#include <unistd.h>

using namespace moe::rt;
using namespace moe::rt::test;

static const char *const indexName = "model.safetensors.index.json";

namespace {
class CheckpointFolder : public testing::Test {
protected:
  /// Two shards with a tensor each, and this weight map.
  void writeShards(const std::string &map) {
    folder.write("one.safetensors", oneTensorFile("a", 2));
    folder.write("two.safetensors", oneTensorFile("b", 3));
    folder.write(indexName, "{\"metadata\":{\"total_size\":20.0,\"x\":[{}]},"
                            "\"weight_map\":{" +
                                map + "}}");
  }
  void expectRefused(const char *tag, int32_t expected = MOE_INVALID_DATA) {
    Checkpoint checkpoint(folder.path);
    expectError(checkpoint.status, checkpoint.error, expected, tag);
    EXPECT_EQ(checkpoint.handle, nullptr);
  }
  void expectIndexRefused(const std::string &text, const char *tag) {
    folder.write(indexName, text);
    expectRefused(tag);
  }

  TemporaryFolder folder;
};
} // namespace

TEST_F(CheckpointFolder, NullArguments) {
  moe_error error;
  moe_checkpoint *checkpoint = nullptr;
  expectError(moe_checkpoint_open(nullptr, 0, &checkpoint, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-checkpoint-argument]");
  expectError(moe_checkpoint_open("x", 0, nullptr, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-checkpoint-argument]");
  EXPECT_EQ(moe_checkpoint_size(nullptr), 0u);
  EXPECT_EQ(moe_checkpoint_at(nullptr, 0), nullptr);
  EXPECT_EQ(moe_checkpoint_find(nullptr, "a"), nullptr);
  EXPECT_EQ(moe_checkpoint_num_copied(nullptr), 0u);
  moe_checkpoint_close(nullptr);
}

TEST_F(CheckpointFolder, AbsentPath) {
  Checkpoint checkpoint(folder / "nothing");
  expectError(checkpoint.status, checkpoint.error, MOE_NOT_FOUND,
              "[moe-file-open]");
}

TEST_F(CheckpointFolder, FolderWithoutModel) {
  expectRefused("[moe-checkpoint-not-found]", MOE_NOT_FOUND);
}

TEST_F(CheckpointFolder, SingleFile) {
  folder.write("model.safetensors", oneTensorFile("a", 2));
  Checkpoint checkpoint(folder.path);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  EXPECT_EQ(moe_checkpoint_size(checkpoint.handle), 1u);
}

TEST_F(CheckpointFolder, Shards) {
  writeShards("\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"");
  Checkpoint checkpoint(folder.path);
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  ASSERT_EQ(moe_checkpoint_size(checkpoint.handle), 2u);
  EXPECT_STREQ(moe_checkpoint_at(checkpoint.handle, 0)->name, "a");
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "b")->bytes, 12u);
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "b")->file,
            folder / "two.safetensors");
}

TEST_F(CheckpointFolder, LinksOfTheUserAreFollowed) {
  TemporaryFolder store;
  std::string blob = store.write("blob", oneTensorFile("a", 2));
  ASSERT_EQ(symlink(blob.c_str(), (folder / "model.safetensors").c_str()), 0);
  EXPECT_EQ(Checkpoint(folder.path).status, MOE_OK);
}

TEST_F(CheckpointFolder, IndexThatIsNotJson) {
  expectIndexRefused("", "[moe-index-json]");
  expectIndexRefused("{\"weight_map\":{", "[moe-index-json]");
  expectIndexRefused(std::string("{\"weight_map\":{}}\0{", 19),
                     "[moe-index-json]");
  expectIndexRefused("{\"weight_map\":{},\"metadata\":1e999}",
                     "[moe-index-json]");
}

TEST_F(CheckpointFolder, IndexIsStrictWhereItIsSkipped) {
  expectIndexRefused("{\"metadata\":{\"a\":1,\"a\":2},\"weight_map\":{}}",
                     "[moe-index-duplicate-key]");
  expectIndexRefused("{\"metadata\":" + std::string(100000, '['),
                     "[moe-index-structure]");
}

TEST_F(CheckpointFolder, IndexOfAnotherStructure) {
  const char *tag = "[moe-index-structure]";
  for (const char *text :
       {"[]", "3", "-3", "3.5", "\"x\"", "null", "true", "{\"weight_map\":[]}",
        "{\"weight_map\":\"x\"}", "{\"weight_map\":{\"a\":3}}",
        "{\"weight_map\":{\"a\":{}}}", "{\"weight_map\":{\"a\":[]}}"})
    expectIndexRefused(text, tag);
}

TEST_F(CheckpointFolder, IndexWithoutMap) {
  expectIndexRefused("{}", "[moe-index-no-map]");
  expectIndexRefused("{\"metadata\":{\"weight_map\":{}}}",
                     "[moe-index-no-map]");
}

TEST_F(CheckpointFolder, IndexWithAKeyTwice) {
  const char *tag = "[moe-index-duplicate-key]";
  expectIndexRefused("{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}", tag);
  expectIndexRefused("{\"weight_map\":{},\"weight_map\":{}}", tag);
}

TEST_F(CheckpointFolder, ShardOutsideTheFolder) {
  for (const char *name :
       {"", ".", "..", "../x", "/etc/passwd", "a/b", "x\\u0000y"})
    expectIndexRefused("{\"weight_map\":{\"a\":\"" + std::string(name) + "\"}}",
                       "[moe-index-shard-name]");
}

TEST_F(CheckpointFolder, IndexAboveTheLimit) {
  std::string path = folder.write(indexName, "{");
  std::filesystem::resize_file(path, 100'000'001);
  expectRefused("[moe-index-limit]");
}

TEST_F(CheckpointFolder, ShardThatIsAbsent) {
  writeShards("\"a\":\"one.safetensors\",\"b\":\"three.safetensors\"");
  expectRefused("[moe-file-open]", MOE_NOT_FOUND);
}

TEST_F(CheckpointFolder, ShardThatIsDamaged) {
  writeShards("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"");
  folder.write("two.safetensors", "short");
  expectRefused("[moe-safetensors-too-short]");
}

TEST_F(CheckpointFolder, TensorThatItsShardLacks) {
  writeShards("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\","
              "\"c\":\"two.safetensors\"");
  expectRefused("[moe-checkpoint-missing-tensor]");
}

TEST_F(CheckpointFolder, TensorThatTheIndexLacks) {
  writeShards("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"");
  std::string both = "{" + entry("b", "U8", "1", 0, 1) + "," +
                     entry("d", "U8", "1", 1, 2) + "}";
  folder.write("two.safetensors", fileBytes(both, "12"));
  expectRefused("[moe-checkpoint-unlisted-tensor]");
}

TEST_F(CheckpointFolder, TensorInAnotherShard) {
  writeShards("\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"");
  expectRefused("[moe-checkpoint-wrong-shard]");
}

TEST_F(CheckpointFolder, TensorInTwoShards) {
  writeShards("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"");
  std::string both = "{" + entry("a", "U8", "1", 0, 1) + "," +
                     entry("b", "U8", "1", 1, 2) + "}";
  folder.write("two.safetensors", fileBytes(both, "12"));
  expectRefused("[moe-checkpoint-duplicate-tensor]");
}

TEST_F(CheckpointFolder, LongNamesLeaveTheTagInTheMessage) {
  std::string name(3000, 'n');
  writeShards("\"" + name + "\":\"" + name + "\"");
  Checkpoint checkpoint(folder.path);
  EXPECT_TRUE(endsWith(checkpoint.error.message, "[moe-file-open]"))
      << checkpoint.error.message;
}
