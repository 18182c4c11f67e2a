//===- File.h - Files and mappings that close themselves --------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_FILE_H
#define MOE_RT_IO_FILE_H

#include "moe_rt/error.h"

#include <string>
#include <utility>

namespace moe::rt {

/// An owned file descriptor.
class File {
public:
  File() = default;
  explicit File(int descriptor) : descriptor(descriptor) {}
  ~File();
  File(File &&other) noexcept { std::swap(descriptor, other.descriptor); }
  File &operator=(File &&other) noexcept {
    std::swap(descriptor, other.descriptor);
    return *this;
  }

  int get() const { return descriptor; }
  bool isOpen() const { return descriptor >= 0; }
  /// Gives up ownership.
  int release() { return std::exchange(descriptor, -1); }

private:
  int descriptor = -1;
};

/// A whole file, read-only in memory.
class Mapping {
public:
  Mapping() = default;
  Mapping(void *address, size_t bytes) : address(address), bytes(bytes) {}
  ~Mapping();
  Mapping(Mapping &&other) noexcept { swap(other); }
  Mapping &operator=(Mapping &&other) noexcept {
    swap(other);
    return *this;
  }

  const char *data() const { return static_cast<const char *>(address); }
  size_t size() const { return bytes; }

private:
  void swap(Mapping &other) noexcept {
    std::swap(address, other.address);
    std::swap(bytes, other.bytes);
  }

  void *address = nullptr;
  size_t bytes = 0;
};

/// The text of errno value `number`.
std::string errnoText(int number);

/// MOE_NOT_FOUND, MOE_OUT_OF_MEMORY or MOE_IO_ERROR.
int32_t statusOfErrno(int number);

/// Opens a regular file (links are followed) and says how large it is.
int32_t openForReading(const std::string &path, File &file, uint64_t &size,
                       moe_error *error);

/// Reads exactly `bytes` bytes from `offset` on.
int32_t readExactly(const File &file, const std::string &path, uint64_t offset,
                    void *into, size_t bytes, moe_error *error);

/// Maps the first `size` bytes of `file`; none if `size` is 0.
int32_t mapFile(const File &file, const std::string &path, uint64_t size,
                Mapping &mapping, moe_error *error);

/// Lets the system take back the memory of a part of a Mapping. It stays
/// readable: what is read again comes from the file again. Other memory would
/// lose its contents.
void releasePages(const void *data, size_t bytes);

} // namespace moe::rt

#endif // MOE_RT_IO_FILE_H
