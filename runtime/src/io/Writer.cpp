//===- Writer.cpp - Writing .safetensors files ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "io/Header.h"
#include "io/NewFile.h"
#include "moe_rt/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <unordered_set>

using namespace moe::rt;

/// The data begin at a multiple of this, so that mapped tensors are aligned.
static constexpr size_t dataAlignment = 64;

/// A file that is being written; it appears when all data are in.
struct moe_safetensors_writer {
  NewFile file;
  uint64_t missing = 0; ///< bytes still to be appended
  bool hasFailed = false;
};

using Writer = moe_safetensors_writer;

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

static int32_t checkName(const char *name,
                         std::unordered_set<std::string> &names,
                         moe_error *error) {
  if (!name || !*name || std::string_view(name) == "__metadata__")
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "a tensor cannot be written with the name '%s'; give "
                         "it one that is not empty or '__metadata__' "
                         "[moe-write-name]",
                         Shown(name).text);
  if (!names.insert(name).second)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "two tensors have the name '%s'; rename one "
                         "[moe-write-duplicate-name]",
                         Shown(name).text);
  return MOE_OK;
}

static int32_t checkShape(const char *name, const moe_tensor &tensor,
                          moe_error *error) {
  if (moe_dtype_size(tensor.dtype) == 0)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "tensor '%s' has dtype %d, expected a moe_dtype; "
                         "correct it [moe-write-dtype]",
                         Shown(name).text, tensor.dtype);
  if (tensor.rank < 0 || tensor.rank > MOE_MAX_RANK)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "tensor '%s' has rank %d, expected 0 to %d; reshape "
                         "it [moe-write-rank]",
                         Shown(name).text, tensor.rank, MOE_MAX_RANK);
  if (std::any_of(tensor.shape, tensor.shape + tensor.rank,
                  [](int64_t extent) { return extent < 0; }))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "tensor '%s' has a negative extent; correct its shape "
                         "[moe-write-negative-extent]",
                         Shown(name).text);
  return MOE_OK;
}

/// begin += size of `tensor`.
static int32_t addSize(const char *name, const moe_tensor &tensor,
                       int64_t &offset, moe_error *error) {
  int64_t elements, bytes;
  if (elementsOverflow(tensor.shape, tensor.rank, elements) ||
      bytesOverflow(elements, moe_dtype_size(tensor.dtype), bytes) ||
      addOverflow(offset, bytes, offset))
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "with tensor '%s' the file is larger than a 64-bit "
                         "number can count; write fewer or smaller tensors "
                         "[moe-write-size-overflow]",
                         Shown(name).text);
  return MOE_OK;
}

/// `name` as a JSON string. Only a string goes through the JSON library: the
/// destructor of its lists allocates, and ends the process when it cannot.
static int32_t quoteName(const char *name, std::string &quoted,
                         moe_error *error) {
  try {
    quoted = nlohmann::json(name).dump();
    return MOE_OK;
  } catch (const nlohmann::json::type_error &) {
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the tensor name '%s' is not UTF-8; rename it "
                         "[moe-write-name-encoding]",
                         Shown(name).text);
  }
}

/// `"NAME":{...}`.
static int32_t appendEntry(const char *name, const moe_tensor &tensor,
                           int64_t begin, int64_t end, std::string &header,
                           moe_error *error) {
  std::string quoted;
  if (int32_t status = quoteName(name, quoted, error))
    return status;
  header += quoted + ":{\"dtype\":\"" + fileDTypeOf(tensor.dtype)->name +
            "\",\"shape\":[";
  for (int32_t i = 0; i < tensor.rank; ++i)
    header += (i ? "," : "") + std::to_string(tensor.shape[i]);
  header += "],\"data_offsets\":[" + std::to_string(begin) + "," +
            std::to_string(end) + "]}";
  return MOE_OK;
}

/// The header's text, padded with spaces, and the size of the data after it.
static int32_t makeHeader(const char *const *names, const moe_tensor *tensors,
                          size_t count, std::string &header,
                          uint64_t &dataBytes, moe_error *error) {
  std::unordered_set<std::string> seen;
  int64_t end = 0;
  header = "{";
  for (size_t i = 0; i < count; ++i) {
    int64_t begin = end;
    if (int32_t status = checkName(names[i], seen, error))
      return status;
    if (int32_t status = checkShape(names[i], tensors[i], error))
      return status;
    if (int32_t status = addSize(names[i], tensors[i], end, error))
      return status;
    if (i != 0)
      header += ',';
    if (int32_t status =
            appendEntry(names[i], tensors[i], begin, end, header, error))
      return status;
  }
  header += '}';
  size_t excess = (headerPrefix + header.size()) % dataAlignment;
  header.append(excess == 0 ? 0 : dataAlignment - excess, ' ');
  dataBytes = static_cast<uint64_t>(end);
  if (header.size() > maxHeaderBytes)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "the header has %zu bytes, the format allows %llu; "
                         "write several files [moe-write-header-limit]",
                         header.size(),
                         static_cast<unsigned long long>(maxHeaderBytes));
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

static int32_t writeAll(Writer &writer, const void *data, size_t bytes,
                        moe_error *error) {
  int32_t status = writer.file.write(data, bytes, error);
  writer.hasFailed |= status != MOE_OK;
  return status;
}

static int32_t writeHeader(Writer &writer, const std::string &header,
                           moe_error *error) {
  unsigned char length[headerPrefix];
  for (size_t i = 0; i < sizeof(length); ++i)
    length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  if (int32_t status = writeAll(writer, length, sizeof(length), error))
    return status;
  return writeAll(writer, header.data(), header.size(), error);
}

static int32_t failArguments(moe_error *error) {
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "a .safetensors writer needs a path, and names and "
                       "shapes of its tensors; pass them "
                       "[moe-write-argument]");
}

static int32_t openWriter(const char *path, const char *const *names,
                          const moe_tensor *shapes, size_t count,
                          std::unique_ptr<Writer> &writer, moe_error *error) {
  if (!path || !*path || (count != 0 && (!names || !shapes)))
    return failArguments(error);
  std::string header;
  uint64_t dataBytes;
  if (int32_t status =
          makeHeader(names, shapes, count, header, dataBytes, error))
    return status;
  writer = std::make_unique<Writer>();
  writer->missing = dataBytes;
  if (int32_t status = writer->file.create(path, error))
    return status;
  return writeHeader(*writer, header, error);
}

static int32_t append(Writer &writer, const void *data, size_t bytes,
                      moe_error *error) {
  if (writer.hasFailed)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "an earlier write to '%s' failed; close the writer "
                         "[moe-write-after-failure]",
                         ShownPath(writer.file.getPath().c_str()).text);
  if (bytes > writer.missing || (!data && bytes != 0)) {
    writer.hasFailed = true;
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%zu bytes at %p were appended to '%s', which has "
                         "room for %llu; pass the declared data "
                         "[moe-write-too-much]",
                         bytes, data,
                         ShownPath(writer.file.getPath().c_str()).text,
                         static_cast<unsigned long long>(writer.missing));
  }
  writer.missing -= bytes;
  return writeAll(writer, data, bytes, error);
}

/// Gives the complete file its name.
static int32_t commit(Writer &writer, moe_error *error) {
  if (writer.missing != 0)
    return moe_error_set(error, MOE_INVALID_ARGUMENT,
                         "%llu bytes of '%s' were not appended; append all "
                         "tensors before closing [moe-write-incomplete]",
                         static_cast<unsigned long long>(writer.missing),
                         ShownPath(writer.file.getPath().c_str()).text);
  return writer.file.commit(error);
}

//===----------------------------------------------------------------------===//
// C interface
//===----------------------------------------------------------------------===//

int32_t moe_safetensors_writer_open(const char *path, const char *const *names,
                                    const moe_tensor *shapes, size_t count,
                                    moe_safetensors_writer **out,
                                    moe_error *error) {
  clearError(error);
  if (out)
    *out = nullptr;
  return guarded(error, [&] {
    if (!out)
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "moe_safetensors_writer_open was called without a "
                           "place for the writer; pass one "
                           "[moe-write-argument-out]");
    std::unique_ptr<Writer> writer;
    int32_t status = openWriter(path, names, shapes, count, writer, error);
    if (status == MOE_OK)
      *out = writer.release();
    return status;
  });
}

/// The error of a call without a writer.
static int32_t failNoWriter(moe_error *error) {
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "the writer is null; open one [moe-write-no-writer]");
}

int32_t moe_safetensors_writer_append(moe_safetensors_writer *writer,
                                      const void *data, size_t bytes,
                                      moe_error *error) {
  clearError(error);
  return guarded(error, [&] {
    return writer ? append(*writer, data, bytes, error) : failNoWriter(error);
  });
}

int32_t moe_safetensors_writer_close(moe_safetensors_writer *writer,
                                     moe_error *error) {
  clearError(error);
  std::unique_ptr<Writer> owner(writer);
  return guarded(error, [&] {
    if (!writer)
      return failNoWriter(error);
    // Says that an earlier append failed; what is written is removed.
    if (writer->hasFailed)
      return append(*writer, nullptr, 0, error);
    return commit(*writer, error);
  });
}

void moe_safetensors_writer_abandon(moe_safetensors_writer *writer) {
  delete writer;
}

static int32_t checkData(const char *name, const moe_tensor &tensor,
                         moe_error *error) {
  if (tensor.data)
    return MOE_OK;
  int64_t elements;
  if (!elementsOverflow(tensor.shape, tensor.rank, elements) && elements == 0)
    return MOE_OK;
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "tensor '%s' has elements but null data; pass its "
                       "memory [moe-write-null-data]",
                       Shown(name).text);
}

static int32_t appendTensor(Writer &writer, const char *name,
                            const moe_tensor &tensor, moe_error *error) {
  int64_t bytes = 0;
  if (int32_t status = checkData(name, tensor, error))
    return status;
  if (int32_t status = addSize(name, tensor, bytes, error))
    return status;
  return append(writer, tensor.data, static_cast<size_t>(bytes), error);
}

int32_t moe_safetensors_write(const char *path, const char *const *names,
                              const moe_tensor *tensors, size_t count,
                              moe_error *error) {
  clearError(error);
  return guarded(error, [&]() -> int32_t {
    std::unique_ptr<Writer> writer;
    if (int32_t status = openWriter(path, names, tensors, count, writer, error))
      return status;
    for (size_t i = 0; i < count; ++i)
      if (int32_t status = appendTensor(*writer, names[i], tensors[i], error))
        return status;
    return commit(*writer, error);
  });
}
