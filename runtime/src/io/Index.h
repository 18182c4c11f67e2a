//===- Index.h - The index of a sharded checkpoint --------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_INDEX_H
#define MOE_RT_IO_INDEX_H

#include "moe_rt/error.h"

#include <string>
#include <string_view>
#include <unordered_map>

namespace moe::rt {

/// In which shard (a file name without folder) each tensor is.
using WeightMap = std::unordered_map<std::string, std::string>;

/// Parses {"weight_map": {"TENSOR": "SHARD", ...}, ...}; other top-level keys
/// hold nothing that is needed. `path` is for messages.
int32_t parseIndex(std::string_view text, const char *path, WeightMap &map,
                   moe_error *error);

/// Reads and parses an index file.
int32_t readIndex(const std::string &path, WeightMap &map, moe_error *error);

} // namespace moe::rt

#endif // MOE_RT_IO_INDEX_H
