//===- Header.h - The header of one .safetensors file -----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_HEADER_H
#define MOE_RT_IO_HEADER_H

#include "core/DType.h"
#include "io/File.h"

#include <string_view>
#include <vector>

namespace moe::rt {

/// Largest header that the format allows, in bytes.
constexpr uint64_t maxHeaderBytes = 100'000'000;

/// Bytes before the header: its length, little-endian.
constexpr uint64_t headerPrefix = 8;

/// A tensor as the header describes it.
struct HeaderTensor {
  std::string name;
  const FileDType *type = nullptr;
  int32_t rank = 0;
  int64_t shape[MOE_MAX_RANK] = {};
  uint64_t begin = 0, end = 0; ///< bytes, from the start of the data
};

/// Parses the text of a header and checks everything that it says against
/// itself and against `dataBytes`, the size of the data that follow. `path` is
/// for messages. The tensors are in the order of their data.
int32_t parseHeader(std::string_view text, uint64_t dataBytes, const char *path,
                    std::vector<HeaderTensor> &tensors, moe_error *error);

/// Reads and parses the header of a file of `fileBytes` bytes. `dataBegin` is
/// where the data start in the file.
int32_t readHeader(const File &file, const std::string &path,
                   uint64_t fileBytes, std::vector<HeaderTensor> &tensors,
                   uint64_t &dataBegin, moe_error *error);

} // namespace moe::rt

#endif // MOE_RT_IO_HEADER_H
