//===- options.h - Structs of options that may grow -------------*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A struct of options begins with `size_t size`, its own size where the caller
// was compiled. Fields are only ever appended, and zero means the default, so a
// caller and a library of different age understand each other:
//   an older caller lacks fields; they have the default;
//   a newer caller may have more, as long as those are zero.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_OPTIONS_H
#define MOE_RT_OPTIONS_H

#include "moe_rt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A struct of options as this library knows it.
typedef struct moe_options_type {
  const char *name; ///< such as "moe_ctx_options"
  size_t size;      ///< its size today
  /// Its size in the first release; never changes, so that the oldest binary
  /// keeps working when fields are appended.
  size_t first_size;
} moe_options_type;

/// Copies `options` (null: all defaults) to `read`, which has `type->size`
/// bytes; fields that the caller does not have are zero.
int32_t moe_options_read(const moe_options_type *type, const void *options,
                         void *read, moe_error *error);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_OPTIONS_H
