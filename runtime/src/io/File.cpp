//===- File.cpp - Files and mappings that close themselves ----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/File.h"
#include "core/Boundary.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

using namespace moe::rt;

File::~File() {
  if (isOpen())
    close(descriptor);
}

Mapping::~Mapping() {
  if (address)
    munmap(address, bytes);
}

std::string moe::rt::errnoText(int number) {
  return std::generic_category().message(number);
}

int32_t moe::rt::statusOfErrno(int number) {
  if (number == ENOENT || number == ENOTDIR)
    return MOE_NOT_FOUND;
  if (number == ENOMEM)
    return MOE_OUT_OF_MEMORY;
  return MOE_IO_ERROR;
}

int32_t moe::rt::openForReading(const std::string &path, File &file,
                                uint64_t &size, moe_error *error) {
  // O_NONBLOCK: opening a pipe must be refused below, not wait for a writer.
  file = File(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat information;
  if (!file.isOpen() || fstat(file.get(), &information) != 0) {
    int failure = errno;
    return moe_error_set(error, statusOfErrno(failure),
                         "cannot open '%s': %s; check the path and its "
                         "permissions [moe-file-open]",
                         ShownPath(path.c_str()).text,
                         errnoText(failure).c_str());
  }
  if (!S_ISREG(information.st_mode))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "'%s' is not a regular file; pass a file "
                         "[moe-file-not-regular]",
                         ShownPath(path.c_str()).text);
  size = static_cast<uint64_t>(information.st_size);
  return MOE_OK;
}

int32_t moe::rt::readExactly(const File &file, const std::string &path,
                             uint64_t offset, void *into, size_t bytes,
                             moe_error *error) {
  constexpr size_t largestRead = 1u << 30;
  char *next = static_cast<char *>(into);
  while (bytes > 0) {
    ssize_t got = pread(file.get(), next, std::min(bytes, largestRead),
                        static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      std::string why = got == 0 ? "the file ended" : errnoText(errno);
      return moe_error_set(error, MOE_IO_ERROR,
                           "cannot read %zu bytes at offset %llu of '%s': %s; "
                           "check the disk, and that nobody writes to the file "
                           "[moe-file-read]",
                           bytes, static_cast<unsigned long long>(offset),
                           ShownPath(path.c_str()).text, why.c_str());
    }
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return MOE_OK;
}

int32_t moe::rt::mapFile(const File &file, const std::string &path,
                         uint64_t size, Mapping &mapping, moe_error *error) {
  if (size == 0)
    return MOE_OK;
  void *address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) {
    int failure = errno;
    return moe_error_set(error, statusOfErrno(failure),
                         "cannot map the %llu bytes of '%s' into memory: %s; "
                         "check the limit of the address space (ulimit -v) "
                         "[moe-file-map]",
                         static_cast<unsigned long long>(size),
                         ShownPath(path.c_str()).text,
                         errnoText(failure).c_str());
  }
  mapping = Mapping(address, size);
  return MOE_OK;
}

void moe::rt::releasePages(const void *data, size_t bytes) {
  uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  uintptr_t first = (begin + page - 1) / page * page;
  uintptr_t last = (begin + bytes) / page * page;
  // Advice: if it is refused, the memory stays in use and nothing else changes.
  if (first < last)
    (void)madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
}
