//===- FileTest.cpp - Files and mappings ----------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/File.h"
#include "Support.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

using namespace moe::rt;
using namespace moe::rt::test;

TEST(File, ReadsAndMaps) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "0123456789");
  File file;
  uint64_t size = 0;
  moe_error error;
  ASSERT_EQ(openForReading(path, file, size, &error), MOE_OK);
  EXPECT_EQ(size, 10u);
  char bytes[4];
  ASSERT_EQ(readExactly(file, path, 3, bytes, 4, &error), MOE_OK);
  EXPECT_EQ(std::string(bytes, 4), "3456");
  Mapping mapping;
  ASSERT_EQ(mapFile(file, path, size, mapping, &error), MOE_OK);
  EXPECT_EQ(std::string(mapping.data(), 10), "0123456789");
  Mapping none;
  ASSERT_EQ(mapFile(file, path, 0, none, &error), MOE_OK);
  EXPECT_EQ(none.data(), nullptr);
}

TEST(File, AbsentFileIsNotFound) {
  File file;
  uint64_t size;
  moe_error error;
  int32_t status = openForReading("/nonexistent/x", file, size, &error);
  expectError(status, error, MOE_NOT_FOUND, "[moe-file-open]");
  EXPECT_NE(std::string(error.message).find("/nonexistent/x"),
            std::string::npos);
}

TEST(File, FolderAndPipeAreNotRegularFiles) {
  TemporaryFolder folder;
  std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  // Nobody writes to the pipe: opening it must not wait.
  for (const std::string &path : {folder.path, pipe}) {
    File file;
    uint64_t size;
    moe_error error;
    int32_t status = openForReading(path, file, size, &error);
    expectError(status, error, MOE_INVALID_ARGUMENT, "[moe-file-not-regular]");
  }
}

TEST(File, ReadingPastTheEndIsAnError) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "0123456789");
  File file;
  uint64_t size;
  moe_error error;
  ASSERT_EQ(openForReading(path, file, size, &error), MOE_OK);
  char bytes[8];
  int32_t status = readExactly(file, path, 5, bytes, 8, &error);
  expectError(status, error, MOE_IO_ERROR, "[moe-file-read]");
}

TEST(File, RefusedMappingIsAnError) {
  TemporaryFolder folder;
  File file(open(folder.path.c_str(), O_RDONLY | O_CLOEXEC));
  Mapping mapping;
  moe_error error;
  int32_t status = mapFile(file, folder.path, 4096, mapping, &error);
  expectError(status, error, MOE_IO_ERROR, "[moe-file-map]");
  EXPECT_EQ(mapping.data(), nullptr);
}

TEST(File, StatusOfErrno) {
  EXPECT_EQ(statusOfErrno(ENOENT), MOE_NOT_FOUND);
  EXPECT_EQ(statusOfErrno(ENOTDIR), MOE_NOT_FOUND);
  EXPECT_EQ(statusOfErrno(ENOMEM), MOE_OUT_OF_MEMORY);
  EXPECT_EQ(statusOfErrno(EACCES), MOE_IO_ERROR);
}
