//===- WriterTest.cpp - Writing .safetensors files ------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "moe_rt/file.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

using namespace moe::rt::test;

//===----------------------------------------------------------------------===//
// The C library's fsync
//===----------------------------------------------------------------------===//

namespace {
/// What is done to folders.
struct FolderSync {
  int failure = 0;            ///< errno; 0: none
  std::string file;           ///< expected in the folder
  bool cameAfterFile = false; ///< it was there when its folder was synced
  static FolderSync *current;
};
FolderSync *FolderSync::current = nullptr;
} // namespace

/// The library's calls come here.
extern "C" int fsync(int descriptor) {
  struct stat found;
  FolderSync *sync = FolderSync::current;
  if (!sync || fstat(descriptor, &found) != 0 || !S_ISDIR(found.st_mode))
    return static_cast<int>(syscall(SYS_fsync, descriptor));
  sync->cameAfterFile = access(sync->file.c_str(), F_OK) == 0;
  errno = sync->failure;
  return sync->failure == 0 ? 0 : -1;
}

namespace {
class Writer : public testing::Test {
protected:
  int32_t write(const std::string &path, std::vector<const char *> names,
                std::vector<moe_tensor> tensors) {
    return moe_safetensors_write(path.c_str(), names.data(), tensors.data(),
                                 names.size(), &error);
  }
  /// Expects that these tensors are refused and that no file appears.
  void expectRefused(std::vector<const char *> names,
                     std::vector<moe_tensor> tensors, const char *tag) {
    int32_t status = write(folder / "x", names, tensors);
    expectError(status, error, MOE_INVALID_ARGUMENT, tag);
    EXPECT_EQ(folder.countFiles(), 0u);
  }
  moe_safetensors_writer *open(std::vector<const char *> names,
                               std::vector<moe_tensor> tensors) {
    moe_safetensors_writer *writer = nullptr;
    int32_t status = moe_safetensors_writer_open((folder / "x").c_str(),
                                                 names.data(), tensors.data(),
                                                 names.size(), &writer, &error);
    EXPECT_EQ(status, MOE_OK) << error.message;
    return writer;
  }

  TemporaryFolder folder;
  moe_error error = {};
  float values[6] = {1, 2, 3, 4, 5, 6};
  moe_tensor six = makeTensor(MOE_F32, {2, 3}, values);
};
} // namespace

TEST_F(Writer, RoundTrip) {
  int8_t bytes[3] = {-1, 0, 1};
  moe_tensor three = makeTensor(MOE_I8, {3}, bytes);
  moe_tensor scalar = makeTensor(MOE_F32, {}, values);
  moe_tensor none = makeTensor(MOE_BF16, {0, 7}, nullptr);
  const char *odd = "odd \"name\" \\ \xc3\xa9\n";
  ASSERT_EQ(
      write(folder / "x", {"z", "a", odd, "none"}, {six, three, scalar, none}),
      MOE_OK)
      << error.message;
  EXPECT_EQ(folder.countFiles(), 1u);
  Checkpoint checkpoint(folder / "x");
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  ASSERT_EQ(moe_checkpoint_size(checkpoint.handle), 4u);
  const moe_file_tensor *z = moe_checkpoint_find(checkpoint.handle, "z");
  ASSERT_NE(z, nullptr);
  EXPECT_EQ(z->dtype, MOE_F32);
  EXPECT_EQ(z->shape[1], 3);
  EXPECT_EQ(std::memcmp(z->data, values, sizeof(values)), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(z->data) % 64, 0u);
  const moe_file_tensor *a = moe_checkpoint_find(checkpoint.handle, "a");
  EXPECT_EQ(std::memcmp(a->data, bytes, sizeof(bytes)), 0);
  ASSERT_NE(moe_checkpoint_find(checkpoint.handle, odd), nullptr);
  EXPECT_EQ(moe_checkpoint_find(checkpoint.handle, "none")->bytes, 0u);
  // The scalar follows three bytes.
  EXPECT_EQ(moe_checkpoint_num_copied(checkpoint.handle), 1u);
}

TEST_F(Writer, AllTypesRoundTrip) {
  uint64_t zeros[2] = {};
  for (int32_t dtype = MOE_F64; dtype <= MOE_BOOL; ++dtype) {
    ASSERT_EQ(write(folder / "x", {"t"}, {makeTensor(dtype, {2}, zeros)}),
              MOE_OK);
    Checkpoint checkpoint(folder / "x");
    ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
    EXPECT_EQ(moe_checkpoint_at(checkpoint.handle, 0)->dtype, dtype);
  }
}

TEST_F(Writer, NoTensorsRoundTrip) {
  ASSERT_EQ(moe_safetensors_write((folder / "x").c_str(), nullptr, nullptr, 0,
                                  &error),
            MOE_OK);
  EXPECT_EQ(Checkpoint(folder / "x").status, MOE_OK);
}

TEST_F(Writer, ReplacesAnOldFile) {
  folder.write("x", "old");
  ASSERT_EQ(write(folder / "x", {"a"}, {six}), MOE_OK);
  EXPECT_EQ(Checkpoint(folder / "x").status, MOE_OK);
  EXPECT_EQ(folder.countFiles(), 1u);
}

TEST_F(Writer, FileHasThePermissionsOfTheUmask) {
  mode_t before = umask(027);
  int32_t status = write(folder / "x", {"a"}, {six});
  umask(before);
  ASSERT_EQ(status, MOE_OK);
  struct stat information;
  ASSERT_EQ(stat((folder / "x").c_str(), &information), 0);
  EXPECT_EQ(information.st_mode & 0777, 0640u);
}

TEST_F(Writer, PiecesOfAnySize) {
  moe_safetensors_writer *writer = open({"a", "b"}, {six, six});
  const char *bytes = reinterpret_cast<const char *>(values);
  for (int copy = 0; copy < 2; ++copy)
    for (size_t at = 0, piece = 1; at < sizeof(values); at += piece++) {
      piece = std::min(piece, sizeof(values) - at);
      ASSERT_EQ(
          moe_safetensors_writer_append(writer, bytes + at, piece, &error),
          MOE_OK);
    }
  ASSERT_EQ(moe_safetensors_writer_append(writer, nullptr, 0, &error), MOE_OK);
  ASSERT_EQ(moe_safetensors_writer_close(writer, &error), MOE_OK);
  Checkpoint checkpoint(folder / "x");
  ASSERT_EQ(checkpoint.status, MOE_OK) << checkpoint.error.message;
  EXPECT_EQ(std::memcmp(moe_checkpoint_find(checkpoint.handle, "b")->data,
                        values, sizeof(values)),
            0);
}

TEST_F(Writer, AbandonLeavesNothing) {
  moe_safetensors_writer_abandon(open({"a"}, {six}));
  moe_safetensors_writer_abandon(nullptr);
  EXPECT_EQ(folder.countFiles(), 0u);
}

TEST_F(Writer, NullArguments) {
  const char *tag = "[moe-write-argument]";
  expectError(moe_safetensors_write(nullptr, nullptr, nullptr, 0, &error),
              error, MOE_INVALID_ARGUMENT, tag);
  expectError(moe_safetensors_write("", nullptr, nullptr, 0, &error), error,
              MOE_INVALID_ARGUMENT, tag);
  expectError(moe_safetensors_write("x", nullptr, nullptr, 1, &error), error,
              MOE_INVALID_ARGUMENT, tag);
  expectError(
      moe_safetensors_writer_open("x", nullptr, nullptr, 0, nullptr, &error),
      error, MOE_INVALID_ARGUMENT, "[moe-write-argument-out]");
  expectError(moe_safetensors_writer_append(nullptr, nullptr, 0, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-write-no-writer]");
  expectError(moe_safetensors_writer_close(nullptr, &error), error,
              MOE_INVALID_ARGUMENT, "[moe-write-no-writer]");
}

TEST_F(Writer, NamesThatCannotBeWritten) {
  const char *const names[] = {"", "__metadata__", nullptr};
  for (const char *name : names)
    expectRefused({name}, {six}, "[moe-write-name]");
}

TEST_F(Writer, NameThatOccursTwice) {
  expectRefused({"a", "b", "a"}, {six, six, six}, "[moe-write-duplicate-name]");
}

TEST_F(Writer, NameThatIsNotText) {
  expectRefused({"\xff"}, {six}, "[moe-write-name-encoding]");
}

TEST_F(Writer, UnknownDType) {
  expectRefused({"a"}, {makeTensor(0, {1}, values)}, "[moe-write-dtype]");
  expectRefused({"a"}, {makeTensor(77, {1}, values)}, "[moe-write-dtype]");
}

TEST_F(Writer, RankOutOfRange) {
  moe_tensor bad = six;
  for (int32_t rank : {-1, MOE_MAX_RANK + 1}) {
    bad.rank = rank;
    expectRefused({"a"}, {bad}, "[moe-write-rank]");
  }
}

TEST_F(Writer, NegativeExtent) {
  expectRefused({"a"}, {makeTensor(MOE_F32, {2, -1}, values)},
                "[moe-write-negative-extent]");
}

TEST_F(Writer, SizeThatOverflows) {
  const char *tag = "[moe-write-size-overflow]";
  int64_t big = int64_t(1) << 60;
  expectRefused({"a"}, {makeTensor(MOE_F64, {big}, values)}, tag);
  expectRefused({"a"}, {makeTensor(MOE_U8, {big, big}, values)}, tag);
  std::vector<moe_tensor> many(8, makeTensor(MOE_U8, {big}, values));
  expectRefused({"a", "b", "c", "d", "e", "f", "g", "h"}, many, tag);
}

TEST_F(Writer, HeaderAboveTheLimit) {
  std::string name(100'000'000, 'n');
  expectRefused({name.c_str()}, {six}, "[moe-write-header-limit]");
}

TEST_F(Writer, NullData) {
  expectRefused({"a"}, {makeTensor(MOE_F32, {2}, nullptr)},
                "[moe-write-null-data]");
}

TEST_F(Writer, FolderThatDoesNotExist) {
  int32_t status = write(folder / "no/x", {"a"}, {six});
  expectError(status, error, MOE_NOT_FOUND, "[moe-write-create]");
}

/// What is no file stays what it is.
TEST_F(Writer, TargetThatIsNoFile) {
  std::string name = folder / "x";
  auto expectKept = [&](const std::string &kind, mode_t type) {
    const char *tag = "[moe-write-target]";
    expectError(write(name, {"a"}, {six}), error, MOE_INVALID_ARGUMENT, tag);
    EXPECT_NE(std::string(error.message).find("is " + kind), std::string::npos);
    expectError(moe_file_check_target(name.c_str(), &error), error,
                MOE_INVALID_ARGUMENT, tag);
    struct stat found;
    ASSERT_EQ(lstat(name.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & S_IFMT, type);
    EXPECT_EQ(folder.countFiles(), 1u);
    std::filesystem::remove(name);
  };
  std::filesystem::create_directory(name);
  expectKept("a folder", S_IFDIR);
  ASSERT_EQ(mkfifo(name.c_str(), 0600), 0);
  expectKept("a pipe", S_IFIFO);
  std::filesystem::create_symlink("/dev/null", name);
  expectKept("a device", S_IFLNK);
  int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(name.size(), sizeof(address.sun_path));
  std::strcpy(address.sun_path, name.c_str());
  ASSERT_EQ(
      bind(descriptor, reinterpret_cast<sockaddr *>(&address), sizeof(address)),
      0);
  expectKept("a socket", S_IFSOCK);
  close(descriptor);
}

/// The file that a link leads to is written; the link stays.
TEST_F(Writer, LinksAreFollowed) {
  std::filesystem::create_directory(folder / "far");
  folder.write("far/old", "old");
  std::filesystem::create_symlink("far/old", folder / "near");
  std::filesystem::create_symlink(folder / "near", folder / "x");
  ASSERT_EQ(write(folder / "x", {"a"}, {six}), MOE_OK) << error.message;
  EXPECT_EQ(std::filesystem::read_symlink(folder / "x"), folder / "near");
  EXPECT_EQ(std::filesystem::read_symlink(folder / "near"), "far/old");
  EXPECT_EQ(Checkpoint(folder / "far/old").status, MOE_OK);
  EXPECT_EQ(folder.countFiles(), 3u);
}

TEST_F(Writer, TargetThatBecomesAFolder) {
  moe_safetensors_writer *writer = open({"a"}, {six});
  ASSERT_EQ(
      moe_safetensors_writer_append(writer, values, sizeof(values), &error),
      MOE_OK);
  std::filesystem::create_directory(folder / "x");
  int32_t status = moe_safetensors_writer_close(writer, &error);
  expectError(status, error, MOE_IO_ERROR, "[moe-write-rename]");
  EXPECT_EQ(folder.countFiles(), 1u);
}

/// Without a name a file is lost in a crash, whatever it holds.
TEST_F(Writer, TheFolderIsSyncedAfterTheRename) {
  FolderSync sync;
  sync.file = folder / "x";
  FolderSync::current = &sync;
  int32_t status = write(sync.file, {"a"}, {six});
  FolderSync::current = nullptr;
  EXPECT_EQ(status, MOE_OK) << error.message;
  EXPECT_TRUE(sync.cameAfterFile);
}

TEST_F(Writer, AFolderThatCannotBeSynced) {
  FolderSync sync;
  FolderSync::current = &sync;
  sync.failure = EIO;
  int32_t broken = write(folder / "x", {"a"}, {six});
  moe_error brokenError = error;
  sync.failure = EINVAL; // a file system that does not do this
  int32_t incapable = write(folder / "x", {"a"}, {six});
  FolderSync::current = nullptr;
  expectError(broken, brokenError, MOE_IO_ERROR, "[moe-write-sync]");
  EXPECT_EQ(incapable, MOE_OK) << error.message;
}

TEST_F(Writer, PathWithoutAFolder) {
  std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path);
  int32_t status = write("x", {"a"}, {six});
  std::filesystem::current_path(before);
  EXPECT_EQ(status, MOE_OK) << error.message;
  EXPECT_EQ(folder.countFiles(), 1u);
}

/// A limit on the size of files acts like a full disk.
TEST_F(Writer, FullDiskLeavesNoFile) {
  std::vector<char> large(1 << 16);
  moe_tensor tensor =
      makeTensor(MOE_U8, {static_cast<int64_t>(large.size())}, large.data());
  struct rlimit before, small;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 4096;
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  int32_t status = write(folder / "x", {"a"}, {tensor});
  moe_safetensors_writer *writer = open({"a"}, {tensor});
  moe_error appended, again, closed;
  int32_t appendStatus = moe_safetensors_writer_append(writer, large.data(),
                                                       large.size(), &appended);
  int32_t againStatus =
      moe_safetensors_writer_append(writer, large.data(), 1, &again);
  int32_t closeStatus = moe_safetensors_writer_close(writer, &closed);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  // `error` is that of open(), which worked.
  EXPECT_EQ(status, MOE_IO_ERROR);
  expectError(appendStatus, appended, MOE_IO_ERROR, "[moe-write-failed]");
  expectError(againStatus, again, MOE_INVALID_ARGUMENT,
              "[moe-write-after-failure]");
  expectError(closeStatus, closed, MOE_INVALID_ARGUMENT,
              "[moe-write-after-failure]");
  EXPECT_EQ(folder.countFiles(), 0u);
}

TEST_F(Writer, FailedWriteKeepsTheOldFile) {
  folder.write("x", "old");
  moe_safetensors_writer *writer = open({"a"}, {six});
  moe_safetensors_writer_abandon(writer);
  EXPECT_EQ(std::filesystem::file_size(folder / "x"), 3u);
}

TEST_F(Writer, MoreDataThanDeclared) {
  moe_safetensors_writer *writer = open({"a"}, {six});
  int32_t status =
      moe_safetensors_writer_append(writer, values, sizeof(values) + 1, &error);
  expectError(status, error, MOE_INVALID_ARGUMENT, "[moe-write-too-much]");
  EXPECT_NE(moe_safetensors_writer_close(writer, &error), MOE_OK);
  EXPECT_EQ(folder.countFiles(), 0u);
}

TEST_F(Writer, LessDataThanDeclared) {
  moe_safetensors_writer *writer = open({"a"}, {six});
  ASSERT_EQ(moe_safetensors_writer_append(writer, values, 4, &error), MOE_OK);
  int32_t status = moe_safetensors_writer_close(writer, &error);
  expectError(status, error, MOE_INVALID_ARGUMENT, "[moe-write-incomplete]");
  EXPECT_EQ(folder.countFiles(), 0u);
}
