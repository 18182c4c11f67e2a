//===- fuzz_safetensors.cpp - Any bytes as a .safetensors file ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "moe_rt/safetensors.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

/// Ends the run: the library broke a promise of its header.
static void require(bool condition, const char *promise) {
  if (condition)
    return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// Reads every byte, so that the sanitizer sees each one.
static uint64_t sumBytes(const moe_file_tensor &tensor) {
  uint64_t sum = 0;
  const unsigned char *bytes = static_cast<const unsigned char *>(tensor.data);
  for (uint64_t i = 0; bytes && i < tensor.bytes; ++i)
    sum += bytes[i];
  return sum;
}

static void checkTensor(const moe_checkpoint *checkpoint, size_t i,
                        bool headersOnly) {
  static volatile uint64_t sink;
  const moe_file_tensor *tensor = moe_checkpoint_at(checkpoint, i);
  require(tensor && tensor->name && *tensor->name, "a tensor has a name");
  require(moe_checkpoint_find(checkpoint, tensor->name) == tensor,
          "a tensor is found by its name");
  require(tensor->rank >= 0 && tensor->rank <= MOE_MAX_RANK,
          "a rank is in range");
  require(!headersOnly || !tensor->data, "headers_only maps no data");
  require(headersOnly || !tensor->data == (tensor->bytes == 0),
          "a tensor with elements has data");
  uint64_t elements = 1;
  for (int32_t d = 0; d < tensor->rank; ++d)
    elements *= static_cast<uint64_t>(tensor->shape[d]);
  size_t size = moe_dtype_size(tensor->dtype);
  require(size == 0 || elements * size == tensor->bytes,
          "bytes follow from shape and dtype");
  require(size == 0 || reinterpret_cast<uintptr_t>(tensor->data) % size == 0,
          "data are aligned");
  sink = sink + sumBytes(*tensor);
}

static int32_t openAndRead(const char *path, bool headersOnly) {
  moe_checkpoint *checkpoint = nullptr;
  moe_error error;
  int32_t status = moe_checkpoint_open(path, headersOnly, &checkpoint, &error);
  require((status == MOE_OK) == (checkpoint != nullptr),
          "a checkpoint exactly on success");
  require(status == error.status, "the error holds the status");
  size_t length = std::strlen(error.message);
  require(status == MOE_OK || (std::strstr(error.message, " [moe-") &&
                               error.message[length - 1] == ']'),
          "a message ends in a tag");
  for (size_t i = 0; i < moe_checkpoint_size(checkpoint); ++i)
    checkTensor(checkpoint, i, headersOnly);
  moe_checkpoint_close(checkpoint);
  return status;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int file = memfd_create("fuzz", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
    return 0;
  int32_t full = openAndRead(path.c_str(), false);
  require(full == openAndRead(path.c_str(), true),
          "headers_only refuses the same files");
  return 0;
}
