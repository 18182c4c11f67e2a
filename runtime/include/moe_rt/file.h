//===- file.h - Files that are replaced as a whole -*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the project writes goes to a temporary file beside the path, which is
// renamed when it is complete: the path names the old file or the whole new
// one, also after a crash. A path that is a symbolic link stays one; the file
// that it leads to is replaced.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_FILE_H
#define MOE_RT_FILE_H

#include "moe_rt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Whether a file may be written to `path`: MOE_OK where there is nothing or a
/// regular file, in a folder that may be written; MOE_INVALID_ARGUMENT for a
/// folder, device, pipe or socket, or a link that leads to no name. The
/// functions that write check it themselves; a program that computes for long
/// before it writes asks early.
int32_t moe_file_check_target(const char *path, moe_error *error);

/// Whether writing to one path would replace the file, or take the place of the
/// new file, that the other names. Devices can be shared, so they never are the
/// same. 1 or 0; 0 when it cannot be known.
int32_t moe_file_is_same(const char *path, const char *other);

/// Writes `bytes` bytes as the whole of a file.
int32_t moe_file_write(const char *path, const void *data, size_t bytes,
                       moe_error *error);

/// Removes the temporary files of everything that this process is writing.
/// Async-signal-safe: for handlers of signals that end the process.
void moe_file_remove_unfinished(void);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_FILE_H
