//===- Export.cpp - A case as a file --------------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Export.h"
#include "Failure.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"

using namespace llvm;
using namespace moe;
using namespace moe::bench;

/// Without data: what the writer is told first.
static moe_tensor declare(int32_t dtype, ArrayRef<int64_t> shape) {
  return Pages().asTensor(dtype, shape);
}

/// Writing replaces the file, which must not happen to a device or a pipe.
static Error checkPath(const std::string &path) {
  sys::fs::file_status status;
  if (sys::fs::status(path, status) || sys::fs::is_regular_file(status))
    return Error::success();
  return invalidInput("--export names '" + Twine(path) +
                      "', which is a folder, device or pipe, expected a file; "
                      "name another [moe-bench-export-file]");
}

Expected<Export> Export::open(const Options &options) {
  if (Error error = checkPath(options.exportFile))
    return std::move(error);
  const auto &[E, k, H, F, T] = options.sizes;
  int32_t weight = options.dtype->element;
  const char *const names[] = {"x", "router", "gate", "up", "down", "y"};
  const moe_tensor shapes[] = {
      declare(MOE_F32, {T, H}),   declare(MOE_F32, {E, H}),
      declare(weight, {E, F, H}), declare(weight, {E, F, H}),
      declare(weight, {E, H, F}), declare(MOE_F32, {T, H})};
  moe_safetensors_writer *opened = nullptr;
  moe_error error = {};
  if (moe_safetensors_writer_open(options.exportFile.c_str(), names, shapes,
                                  std::size(names), &opened, &error) != MOE_OK)
    return failed(error.message);
  Export made;
  made.writer.reset(opened);
  made.sliceBytes = H * F * options.dtype->getStoredBytes();
  return made;
}

Error Export::append(const void *data, int64_t bytes) {
  moe_error error = {};
  if (moe_safetensors_writer_append(writer.get(), data, size_t(bytes),
                                    &error) != MOE_OK)
    return failed(error.message);
  return Error::success();
}

/// The made-up values of a weight of the first copy, expert by expert: what
/// compiled code holds may be packed.
Error Export::appendWeight(StringRef role, const moe_tensor &tensor,
                           uint64_t seed) {
  std::string name = (role + ".0").str();
  int64_t elements = tensor.shape[1] * tensor.shape[2];
  std::vector<char> slice(static_cast<size_t>(sliceBytes));
  for (int64_t expert = 0; expert < tensor.shape[0]; ++expert) {
    moe_error error = {};
    if (moe_checkpoint_random_values(name.c_str(), &tensor, seed,
                                     expert * elements, elements, slice.data(),
                                     &error) != MOE_OK)
      return failed(error.message);
    if (Error error = append(slice.data(), sliceBytes))
      return error;
  }
  return Error::success();
}

Error Export::write(const Case &data, const Options &options,
                    const test::Tensor &y) {
  const auto &[E, k, H, F, T] = options.sizes;
  int64_t tokenBytes = T * H * 4;
  int32_t dtype = options.dtype->element;
  if (Error error = append(data.getX().data, tokenBytes))
    return error;
  if (Error error =
          append(data.getRouter().data, options.sizes.getRouterBytes()))
    return error;
  const std::pair<StringRef, moe_tensor> weights[] = {
      {"gate", declare(dtype, {E, F, H})},
      {"up", declare(dtype, {E, F, H})},
      {"down", declare(dtype, {E, H, F})}};
  for (const auto &[role, tensor] : weights)
    if (Error error = appendWeight(role, tensor, options.seed))
      return error;
  if (Error error = append(y.abi().data, tokenBytes))
    return error;
  moe_error error = {};
  if (moe_safetensors_writer_close(writer.release(), &error) != MOE_OK)
    return failed(error.message);
  return Error::success();
}
