//===- fuzz_index.cpp - Any bytes as the index of a checkpoint ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/Index.h"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  moe::rt::WeightMap map;
  moe_error error;
  std::string_view text(reinterpret_cast<const char *>(data), size);
  if (moe::rt::parseIndex(text, "index.json", map, &error) != MOE_OK)
    return 0;
  for (const auto &[tensor, shard] : map)
    if (shard.empty() || shard == ".." ||
        shard.find('/') != std::string::npos) {
      std::fprintf(stderr, "a shard outside the folder: %s\n", shard.c_str());
      std::abort();
    }
  return 0;
}
