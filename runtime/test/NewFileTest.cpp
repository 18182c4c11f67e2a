//===- NewFileTest.cpp - Files that are replaced as a whole ---------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/NewFile.h"
#include "Support.h"
#include "moe_rt/file.h"

#include <fcntl.h>
#include <unistd.h>

using namespace moe::rt;
using namespace moe::rt::test;

namespace {
class NewFiles : public testing::Test {
protected:
  int32_t check(const std::string &path) {
    return moe_file_check_target(path.c_str(), &error);
  }
  void link(const std::string &to, const std::string &name) {
    std::filesystem::create_symlink(to, folder / name);
  }
  bool isSame(const std::string &name, const std::string &other) {
    std::string path = folder / name, otherPath = folder / other;
    bool same = moe_file_is_same(path.c_str(), otherPath.c_str());
    EXPECT_EQ(same, moe_file_is_same(otherPath.c_str(), path.c_str()));
    return same;
  }

  TemporaryFolder folder;
  moe_error error = {};
};
} // namespace

TEST_F(NewFiles, AreWrittenAsAWhole) {
  std::string path = folder / "x";
  ASSERT_EQ(moe_file_write(path.c_str(), "a longer text", 13, &error), MOE_OK);
  ASSERT_EQ(moe_file_write(path.c_str(), "text", 4, &error), MOE_OK);
  EXPECT_EQ(std::filesystem::file_size(path), 4u);
  ASSERT_EQ(moe_file_write(path.c_str(), nullptr, 0, &error), MOE_OK);
  EXPECT_EQ(std::filesystem::file_size(path), 0u);
  EXPECT_EQ(folder.countFiles(), 1u);
}

TEST_F(NewFiles, TargetsThatCanBeWritten) {
  EXPECT_EQ(check(folder / "new"), MOE_OK) << error.message;
  folder.write("old", "old");
  EXPECT_EQ(check(folder / "old"), MOE_OK) << error.message;
  link("nothing there", "dangling");
  EXPECT_EQ(check(folder / "dangling"), MOE_OK) << error.message;
}

TEST_F(NewFiles, TargetWithoutAPath) {
  expectError(check(""), error, MOE_INVALID_ARGUMENT, "[moe-write-path]");
  expectError(moe_file_check_target(nullptr, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-write-path]");
}

TEST_F(NewFiles, TargetInAFolderThatIsNotThere) {
  expectError(check(folder / "no/x"), error, MOE_NOT_FOUND,
              "[moe-write-create]");
  folder.write("file", "");
  expectError(check(folder / "file/x"), error, MOE_NOT_FOUND,
              "[moe-write-create]");
}

TEST_F(NewFiles, LinksThatLeadToEachOther) {
  link("b", "a");
  link("a", "b");
  expectError(check(folder / "a"), error, MOE_INVALID_ARGUMENT,
              "[moe-write-link]");
}

/// What /proc says of an open file without a name is not a path.
TEST_F(NewFiles, LinkToAFileWithoutAName) {
  int descriptor = open((folder / "gone").c_str(), O_RDWR | O_CREAT, 0600);
  link("/proc/self/fd/" + std::to_string(descriptor), "x");
  EXPECT_EQ(check(folder / "x"), MOE_OK) << error.message;
  std::filesystem::remove(folder / "gone");
  expectError(check(folder / "x"), error, MOE_INVALID_ARGUMENT,
              "[moe-write-link]");
  close(descriptor);
}

TEST_F(NewFiles, DanglingLinksAreFollowed) {
  link("target", "x");
  ASSERT_EQ(moe_file_write((folder / "x").c_str(), "a", 1, &error), MOE_OK);
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "x"));
  EXPECT_EQ(std::filesystem::file_size(folder / "target"), 1u);
}

TEST_F(NewFiles, AreTheSame) {
  folder.write("a", "");
  link("a", "link");
  std::filesystem::create_hard_link(folder / "a", folder / "hard");
  EXPECT_TRUE(isSame("a", "a"));
  EXPECT_TRUE(isSame("a", "./a"));
  EXPECT_TRUE(isSame("a", "link"));
  EXPECT_TRUE(isSame("a", "hard"));
  link("new", "dangling");
  EXPECT_TRUE(isSame("new", "./new"));
  EXPECT_TRUE(isSame("new", "dangling"));
}

TEST_F(NewFiles, AreNotTheSame) {
  folder.write("a", "");
  folder.write("b", "");
  std::filesystem::create_directory(folder / "folder");
  EXPECT_FALSE(isSame("a", "b"));
  EXPECT_FALSE(isSame("a", "new"));
  EXPECT_FALSE(isSame("new", "newer"));
  EXPECT_FALSE(isSame("new", "folder/new"));
  EXPECT_FALSE(isSame("no/new", "no/new"));
  EXPECT_FALSE(moe_file_is_same("/dev/null", "/dev/null"));
  EXPECT_FALSE(moe_file_is_same(nullptr, nullptr));
}

TEST_F(NewFiles, UnfinishedOnesCanBeRemoved) {
  for (int i = 0; i < 40; ++i) { // places are used again
    NewFile kept;
    ASSERT_EQ(kept.create((folder / "kept").c_str(), &error), MOE_OK);
    ASSERT_EQ(kept.commit(&error), MOE_OK);
  }
  NewFile a, b;
  ASSERT_EQ(a.create((folder / "a").c_str(), &error), MOE_OK);
  ASSERT_EQ(b.create((folder / "b").c_str(), &error), MOE_OK);
  EXPECT_EQ(folder.countFiles(), 3u);
  moe_file_remove_unfinished();
  moe_file_remove_unfinished();
  EXPECT_EQ(folder.countFiles(), 1u);
}

TEST_F(NewFiles, ManyAtATime) {
  NewFile files[20]; // more than there are places
  for (NewFile &file : files)
    ASSERT_EQ(file.create((folder / "x").c_str(), &error), MOE_OK);
  EXPECT_EQ(folder.countFiles(), 20u);
  for (NewFile &file : files)
    ASSERT_EQ(file.commit(&error), MOE_OK);
  EXPECT_EQ(folder.countFiles(), 1u);
}
