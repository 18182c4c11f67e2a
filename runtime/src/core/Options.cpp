//===- Options.cpp - Structs of options that may grow ---------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "moe_rt/options.h"

#include <algorithm>
#include <cstring>

int32_t moe_options_read(const moe_options_type *type, const void *options,
                         void *read, moe_error *error) {
  std::memset(read, 0, type->size);
  if (!options)
    return MOE_OK;
  size_t size;
  std::memcpy(&size, options, sizeof(size));
  if (size < type->first_size)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the options have size %zu, expected at least %zu; "
                         "set 'size' to sizeof(%s) [moe-options-size]",
                         size, type->first_size, type->name);
  const char *bytes = static_cast<const char *>(options);
  const char *known = bytes + std::min(size, type->size);
  if (std::any_of(known, bytes + size, [](char byte) { return byte != 0; }))
    return moe_error_set(error, MOE_UNSUPPORTED,
                         "the %s of size %zu set fields that this library "
                         "(size %zu) does not know; set them to 0 or use a "
                         "newer library [moe-options-newer]",
                         type->name, size, type->size);
  std::copy(bytes, known, static_cast<char *>(read));
  return MOE_OK;
}
