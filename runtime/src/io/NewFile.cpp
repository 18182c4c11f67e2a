//===- NewFile.cpp - A file that appears when it is complete --------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/NewFile.h"
#include "core/Boundary.h"
#include "moe_rt/file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace moe::rt;

//===----------------------------------------------------------------------===//
// Files that a signal must remove
//===----------------------------------------------------------------------===//

namespace {
/// The name of one file. A handler may use neither locks nor the heap: whoever
/// moves the state away from Free or Named owns the place.
struct Place {
  enum State { Free, Owned, Named };
  std::atomic<State> state{Free};
  char name[PATH_MAX];
};
} // namespace

/// With more files at a time than places, the rest stay behind when a signal
/// ends the process.
static Place unfinished[16];
static_assert(std::atomic<Place::State>::is_always_lock_free);

static bool take(Place &place, Place::State from) {
  return place.state.compare_exchange_strong(from, Place::Owned);
}

/// The number of the place that keeps `name`, -1 if none does.
static int rememberUnfinished(const std::string &name) {
  if (name.size() >= sizeof(Place::name))
    return -1;
  for (Place &place : unfinished)
    if (take(place, Place::Free)) {
      std::memcpy(place.name, name.c_str(), name.size() + 1);
      place.state = Place::Named;
      return static_cast<int>(&place - unfinished);
    }
  return -1;
}

static void forgetUnfinished(int place) {
  // What a handler took in the meantime is its own; the process is ending.
  if (place >= 0 && take(unfinished[place], Place::Named))
    unfinished[place].state = Place::Free;
}

void moe_file_remove_unfinished() {
  for (Place &place : unfinished)
    if (take(place, Place::Named))
      unlink(place.name);
}

//===----------------------------------------------------------------------===//
// Where a file may be written
//===----------------------------------------------------------------------===//

/// What a path names besides a regular file.
static const char *kindOf(mode_t mode) {
  struct Kind {
    mode_t type;
    const char *name;
  };
  static constexpr Kind kinds[] = {{S_IFDIR, "a folder"},
                                   {S_IFIFO, "a pipe"},
                                   {S_IFCHR, "a device"},
                                   {S_IFBLK, "a device"},
                                   {S_IFSOCK, "a socket"}};
  for (const Kind &kind : kinds)
    if ((mode & S_IFMT) == kind.type)
      return kind.name;
  return "not a file";
}

/// The folder of `path`, with the slash at its end.
static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

/// What a link holds, as a path; empty if `path` is not a link.
static std::string readLink(const std::string &path) {
  char text[PATH_MAX];
  ssize_t length = readlink(path.c_str(), text, sizeof(text));
  if (length <= 0 || static_cast<size_t>(length) == sizeof(text))
    return "";
  std::string link(text, static_cast<size_t>(length));
  return link[0] == '/' ? link : folderOf(path) + link;
}

/// Follows the links that `path` is: renaming would replace the first of them.
static std::string followLinks(const std::string &path) {
  constexpr int mostLinks = 40; // as the kernel
  std::string target = path;
  for (int i = 0; i < mostLinks; ++i) {
    std::string next = readLink(target);
    if (next.empty())
      break;
    target = std::move(next);
  }
  return target;
}

static bool isSameFile(const struct stat &a, const struct stat &b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// A link in /proc may lead to a file whose name is gone, and links may lead to
/// each other: a file of that name would not be where the path leads.
static bool leadsToAName(const char *path, const std::string &target) {
  struct stat found, named;
  if (stat(path, &found) != 0)
    return errno != ELOOP;
  return lstat(target.c_str(), &named) == 0 && isSameFile(found, named);
}

static int32_t failCreate(const char *path, int number, moe_error *error) {
  return moe_error_set(error, statusOfErrno(number),
                       "cannot create a file beside '%s': %s; check the folder "
                       "and its permissions [moe-write-create]",
                       ShownPath(path).text, errnoText(number).c_str());
}

/// Renaming would put a file in the place of whatever is there, also where
/// others expect a device or a pipe. What cannot be looked at is left to the
/// creation of the file.
static int32_t checkTarget(const char *path, std::string &target,
                           moe_error *error) {
  if (!path || !*path)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "a file was to be written without a path; pass one "
                         "[moe-write-path]");
  struct stat found;
  if (stat(path, &found) == 0 && !S_ISREG(found.st_mode))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "'%s' is %s, expected a file to replace or a new "
                         "name; choose another name [moe-write-target]",
                         ShownPath(path).text, kindOf(found.st_mode));
  target = followLinks(path);
  if (!leadsToAName(path, target))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "'%s' is a link that leads to no name, expected a "
                         "file to replace or a new name; choose another name "
                         "[moe-write-link]",
                         ShownPath(path).text);
  if (access(folderOf(target).c_str(), W_OK | X_OK) != 0)
    return failCreate(path, errno, error);
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

NewFile::~NewFile() {
  if (temporary.empty())
    return;
  unlink(temporary.c_str());
  forgetUnfinished(place);
}

int32_t NewFile::create(const char *where, moe_error *error) {
  if (int32_t status = checkTarget(where, target, error))
    return status;
  path = where;
  return createTemporary(error);
}

/// Not mkstemp: the file gets the permissions that the caller's umask gives to
/// new files.
int32_t NewFile::createTemporary(moe_error *error) {
  static std::atomic<unsigned> serial{0};
  constexpr int attempts = 100;
  int failure = EEXIST;
  for (int i = 0; i < attempts && failure == EEXIST; ++i) {
    std::string name = target + ".tmp-" + std::to_string(getpid()) + "-" +
                       std::to_string(serial.fetch_add(1));
    // First, since a signal may come as soon as the file is there.
    place = rememberUnfinished(name);
    file =
        File(open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    failure = errno;
    if (file.isOpen()) {
      temporary = std::move(name);
      return MOE_OK;
    }
    forgetUnfinished(place);
  }
  return failCreate(path.c_str(), failure, error);
}

int32_t NewFile::failWrite(int number, moe_error *error) const {
  return moe_error_set(error, MOE_IO_ERROR,
                       "cannot write '%s': %s; free space or choose another "
                       "place, nothing was left behind [moe-write-failed]",
                       ShownPath(path.c_str()).text, errnoText(number).c_str());
}

int32_t NewFile::write(const void *data, size_t bytes, moe_error *error) {
  constexpr size_t largestWrite = 1u << 30;
  const char *next = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t put = ::write(file.get(), next, std::min(bytes, largestWrite));
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return failWrite(put == 0 ? ENOSPC : errno, error);
    next += put;
    bytes -= static_cast<size_t>(put);
  }
  return MOE_OK;
}

/// Makes the new name durable. fsync of a file keeps its contents; its name is
/// in the folder, and until that is on the disk too, a crash may bring back the
/// file that was there before, or none. A folder that may not be read or a file
/// system that does not sync folders leaves this to chance, as without it.
int32_t NewFile::syncFolder(const File &folder, moe_error *error) const {
  if (!folder.isOpen() || fsync(folder.get()) == 0 || errno == EINVAL)
    return MOE_OK;
  return moe_error_set(error, MOE_IO_ERROR,
                       "'%s' is complete, but may be gone after a crash, "
                       "because its folder cannot be synced: %s; check the "
                       "disk and write the file again [moe-write-sync]",
                       ShownPath(path.c_str()).text, errnoText(errno).c_str());
}

int32_t NewFile::commit(moe_error *error) {
  // Opened first: what allocates fails before the file has its name.
  File folder(
      open(folderOf(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fsync(file.get()) != 0 || close(file.release()) != 0)
    return failWrite(errno, error);
  if (rename(temporary.c_str(), target.c_str()) != 0)
    return moe_error_set(error, MOE_IO_ERROR,
                         "cannot rename the finished file to '%s': %s; choose "
                         "another name [moe-write-rename]",
                         ShownPath(path.c_str()).text,
                         errnoText(errno).c_str());
  forgetUnfinished(place);
  temporary.clear();
  return syncFolder(folder, error);
}

//===----------------------------------------------------------------------===//
// C interface
//===----------------------------------------------------------------------===//

int32_t moe_file_check_target(const char *path, moe_error *error) {
  clearError(error);
  return guarded(error, [&] {
    std::string target;
    return checkTarget(path, target, error);
  });
}

/// Whether two names of which nothing is there yet are one.
static bool isSameName(const std::string &a, const std::string &b) {
  std::string folder = folderOf(a), other = folderOf(b);
  struct stat found, otherFound;
  return stat(folder.c_str(), &found) == 0 &&
         stat(other.c_str(), &otherFound) == 0 &&
         isSameFile(found, otherFound) &&
         a.substr(a.rfind('/') + 1) == b.substr(b.rfind('/') + 1);
}

static bool isSame(const char *path, const char *other) {
  struct stat found, otherFound;
  bool exists = stat(path, &found) == 0;
  if (exists != (stat(other, &otherFound) == 0))
    return false;
  if (!exists)
    return isSameName(followLinks(path), followLinks(other));
  bool isDevice = S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode);
  return !isDevice && isSameFile(found, otherFound);
}

int32_t moe_file_is_same(const char *path, const char *other) {
  bool same = false;
  guarded(nullptr, [&] {
    same = path && other && isSame(path, other);
    return MOE_OK;
  });
  return same;
}

int32_t moe_file_write(const char *path, const void *data, size_t bytes,
                       moe_error *error) {
  clearError(error);
  return guarded(error, [&]() -> int32_t {
    NewFile file;
    if (int32_t status = file.create(path, error))
      return status;
    if (int32_t status = file.write(data, bytes, error))
      return status;
    return file.commit(error);
  });
}
