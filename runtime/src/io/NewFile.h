//===- NewFile.h - A file that appears when it is complete ------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_NEWFILE_H
#define MOE_RT_IO_NEWFILE_H

#include "io/File.h"

namespace moe::rt {

/// A file that is being written. Its name is temporary until `commit`; without
/// it, nothing is left behind.
class NewFile {
public:
  NewFile() = default;
  ~NewFile();
  NewFile(const NewFile &) = delete;
  NewFile &operator=(const NewFile &) = delete;

  /// Opens a temporary file beside what `path` names.
  int32_t create(const char *path, moe_error *error);
  int32_t write(const void *data, size_t bytes, moe_error *error);
  /// Makes the file durable and gives it its name.
  int32_t commit(moe_error *error);

  /// As it was given, for messages.
  const std::string &getPath() const { return path; }

private:
  int32_t createTemporary(moe_error *error);
  int32_t failWrite(int number, moe_error *error) const;
  int32_t syncFolder(const File &folder, moe_error *error) const;

  std::string path;
  std::string target;    ///< what `path` names once links are followed
  std::string temporary; ///< empty once the file has its name
  int place = -1; ///< of `temporary` in the table that a signal handler reads
  File file;
};

} // namespace moe::rt

#endif // MOE_RT_IO_NEWFILE_H
