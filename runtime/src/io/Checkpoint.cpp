//===- Checkpoint.cpp - All tensors of a model, by name -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/Checkpoint.h"
#include "core/Boundary.h"
#include "io/Header.h"
#include "io/Index.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using namespace moe::rt;

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data are little-endian and are used in place"
#endif

namespace {
struct FreeDeleter {
  void operator()(void *pointer) const { std::free(pointer); }
};
using Copy = std::unique_ptr<void, FreeDeleter>;

/// A file of the checkpoint.
struct Shard {
  std::string path;
  FileVersion version;
  Mapping mapping;
};

/// A tensor and the strings that its public form points to.
struct Record {
  std::string name;
  const Shard *shard = nullptr;
  moe_file_tensor tensor = {};
};
} // namespace

struct moe_checkpoint {
  /// Pointers: records refer to shards.
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<Record> records; ///< in order of name
  std::vector<Copy> copies;    ///< of misaligned tensors
};

//===----------------------------------------------------------------------===//
// One file
//===----------------------------------------------------------------------===//

static Record makeRecord(HeaderTensor &&from, const Shard &shard) {
  Record record;
  record.name = std::move(from.name);
  record.shard = &shard;
  record.tensor.dtype = from.type->dtype;
  record.tensor.rank = from.rank;
  std::copy(from.shape, from.shape + from.rank, record.tensor.shape);
  record.tensor.bytes = from.end - from.begin;
  record.tensor.dtype_name = from.type->name;
  return record;
}

/// A copy of `bytes` bytes that is aligned for every element type.
static void *copyAligned(const void *data, uint64_t bytes,
                         std::vector<Copy> &copies) {
  Copy copy(std::malloc(bytes));
  if (!copy)
    throw std::bad_alloc();
  std::memcpy(copy.get(), data, bytes);
  copies.push_back(std::move(copy));
  return copies.back().get();
}

/// Where the elements of `tensor` are in memory.
static const void *locateData(const HeaderTensor &tensor, const Shard &shard,
                              uint64_t dataBegin, moe_checkpoint &checkpoint) {
  uint64_t bytes = tensor.end - tensor.begin;
  if (!shard.mapping.data() || bytes == 0)
    return nullptr;
  const char *data = shard.mapping.data() + dataBegin + tensor.begin;
  if (reinterpret_cast<uintptr_t>(data) % tensor.type->alignment == 0)
    return data;
  return copyAligned(data, bytes, checkpoint.copies);
}

static FileVersion versionOf(const File &file, const std::string &path,
                             uint64_t size) {
  FileVersion version;
  version.name = path.substr(path.rfind('/') + 1);
  version.bytes = size;
  struct stat information = {};
  (void)fstat(file.get(), &information); // it has just succeeded for the size
  version.changedSeconds = information.st_mtim.tv_sec;
  version.changedNanoseconds = information.st_mtim.tv_nsec;
  return version;
}

static int32_t addShard(const std::string &path, bool headersOnly,
                        moe_checkpoint &checkpoint, moe_error *error) {
  File file;
  uint64_t size, dataBegin;
  std::vector<HeaderTensor> tensors;
  if (int32_t status = openForReading(path, file, size, error))
    return status;
  if (int32_t status = readHeader(file, path, size, tensors, dataBegin, error))
    return status;
  auto shard = std::make_unique<Shard>();
  shard->path = path;
  shard->version = versionOf(file, path, size);
  if (!headersOnly)
    if (int32_t status = mapFile(file, path, size, shard->mapping, error))
      return status;
  for (HeaderTensor &tensor : tensors) {
    const void *data = locateData(tensor, *shard, dataBegin, checkpoint);
    checkpoint.records.push_back(makeRecord(std::move(tensor), *shard));
    checkpoint.records.back().tensor.data = data;
  }
  checkpoint.shards.push_back(std::move(shard));
  return MOE_OK;
}

/// Sorts the tensors by name and lets their public forms point to the strings,
/// which do not move from here on.
static int32_t finish(moe_checkpoint &checkpoint, moe_error *error) {
  std::vector<Record> &records = checkpoint.records;
  std::sort(records.begin(), records.end(),
            [](const Record &a, const Record &b) { return a.name < b.name; });
  auto twice = std::adjacent_find(
      records.begin(), records.end(),
      [](const Record &a, const Record &b) { return a.name == b.name; });
  if (twice != records.end())
    return moe_error_set(error, MOE_INVALID_DATA,
                         "tensor '%s' is in '%s' and in '%s'; remove one "
                         "[moe-checkpoint-duplicate-tensor]",
                         Shown(twice->name.c_str()).text,
                         ShownPath(twice->shard->path.c_str()).text,
                         ShownPath((twice + 1)->shard->path.c_str()).text);
  for (Record &record : records) {
    record.tensor.name = record.name.c_str();
    record.tensor.file = record.shard->path.c_str();
  }
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// A folder
//===----------------------------------------------------------------------===//

static int32_t checkListed(const moe_checkpoint &checkpoint,
                           const std::string &indexPath, const WeightMap &map,
                           moe_error *error) {
  for (const Record &record : checkpoint.records) {
    auto listed = map.find(record.name);
    if (listed == map.end())
      return moe_error_set(error, MOE_INVALID_DATA,
                           "tensor '%s' of '%s' is not in the index '%s'; "
                           "fetch both again [moe-checkpoint-unlisted-tensor]",
                           Shown(record.name.c_str()).text,
                           ShownPath(record.shard->path.c_str()).text,
                           ShownPath(indexPath.c_str()).text);
    if (listed->second != record.shard->version.name)
      return moe_error_set(error, MOE_INVALID_DATA,
                           "tensor '%s' is in '%s', but the index '%s' says "
                           "'%s'; fetch both again "
                           "[moe-checkpoint-wrong-shard]",
                           Shown(record.name.c_str()).text,
                           Shown(record.shard->version.name.c_str()).text,
                           ShownPath(indexPath.c_str()).text,
                           Shown(listed->second.c_str()).text);
  }
  return MOE_OK;
}

/// Every tensor of the index must exist. Names are unique on both sides and
/// all that exist are listed, so only a smaller number needs a search.
static int32_t checkComplete(const moe_checkpoint &checkpoint,
                             const std::string &indexPath, const WeightMap &map,
                             moe_error *error) {
  if (map.size() == checkpoint.records.size())
    return MOE_OK;
  for (const auto &[tensor, shard] : map)
    if (!moe_checkpoint_find(&checkpoint, tensor.c_str()))
      return moe_error_set(error, MOE_INVALID_DATA,
                           "the index '%s' says that tensor '%s' is in '%s', "
                           "which does not have it; fetch both again "
                           "[moe-checkpoint-missing-tensor]",
                           ShownPath(indexPath.c_str()).text,
                           Shown(tensor.c_str()).text,
                           Shown(shard.c_str()).text);
  return MOE_OK;
}

static int32_t openIndexed(const std::string &folder,
                           const std::string &indexPath, bool headersOnly,
                           moe_checkpoint &checkpoint, moe_error *error) {
  WeightMap map;
  if (int32_t status = readIndex(indexPath, map, error))
    return status;
  std::set<std::string> shards;
  for (const auto &[tensor, shard] : map)
    shards.insert(shard);
  for (const std::string &shard : shards)
    if (int32_t status =
            addShard(folder + "/" + shard, headersOnly, checkpoint, error))
      return status;
  if (int32_t status = finish(checkpoint, error))
    return status;
  if (int32_t status = checkListed(checkpoint, indexPath, map, error))
    return status;
  return checkComplete(checkpoint, indexPath, map, error);
}

static bool exists(const std::string &path) {
  return access(path.c_str(), F_OK) == 0;
}

static int32_t openFile(const std::string &path, bool headersOnly,
                        moe_checkpoint &checkpoint, moe_error *error) {
  if (int32_t status = addShard(path, headersOnly, checkpoint, error))
    return status;
  return finish(checkpoint, error);
}

/// One file wins over an index beside it, as in the tools that write them.
static int32_t openFolder(const std::string &folder, bool headersOnly,
                          moe_checkpoint &checkpoint, moe_error *error) {
  std::string single = folder + "/model.safetensors";
  std::string index = single + ".index.json";
  if (exists(single))
    return openFile(single, headersOnly, checkpoint, error);
  if (exists(index))
    return openIndexed(folder, index, headersOnly, checkpoint, error);
  return moe_error_set(error, MOE_NOT_FOUND,
                       "'%s' has neither model.safetensors nor "
                       "model.safetensors.index.json; pass a folder with one "
                       "of them, or a .safetensors file "
                       "[moe-checkpoint-not-found]",
                       ShownPath(folder.c_str()).text);
}

static bool isFolder(const std::string &path) {
  struct stat information;
  return stat(path.c_str(), &information) == 0 && S_ISDIR(information.st_mode);
}

//===----------------------------------------------------------------------===//
// C interface
//===----------------------------------------------------------------------===//

int32_t moe_checkpoint_open(const char *path, int headers_only,
                            moe_checkpoint **out, moe_error *error) {
  clearError(error);
  if (out)
    *out = nullptr;
  return guarded(error, [&]() -> int32_t {
    if (!path || !out)
      return moe_error_set(error, MOE_INVALID_ARGUMENT,
                           "moe_checkpoint_open was called without %s; pass "
                           "one [moe-checkpoint-argument]",
                           path ? "a place for the checkpoint" : "a path");
    auto checkpoint = std::make_unique<moe_checkpoint>();
    bool headersOnly = headers_only != 0;
    int32_t status = isFolder(path)
                         ? openFolder(path, headersOnly, *checkpoint, error)
                         : openFile(path, headersOnly, *checkpoint, error);
    if (status == MOE_OK)
      *out = checkpoint.release();
    return status;
  });
}

void moe_checkpoint_close(moe_checkpoint *checkpoint) { delete checkpoint; }

size_t moe_checkpoint_size(const moe_checkpoint *checkpoint) {
  return checkpoint ? checkpoint->records.size() : 0;
}

const moe_file_tensor *moe_checkpoint_at(const moe_checkpoint *checkpoint,
                                         size_t i) {
  return i < moe_checkpoint_size(checkpoint) ? &checkpoint->records[i].tensor
                                             : nullptr;
}

const moe_file_tensor *moe_checkpoint_find(const moe_checkpoint *checkpoint,
                                           const char *name) {
  if (!checkpoint || !name)
    return nullptr;
  const std::vector<Record> &records = checkpoint->records;
  auto found = std::lower_bound(
      records.begin(), records.end(), name,
      [](const Record &record, const char *n) { return record.name < n; });
  return found != records.end() && found->name == name ? &found->tensor
                                                       : nullptr;
}

void moe::rt::releaseTensorData(const moe_checkpoint &checkpoint,
                                const void *data, size_t bytes) {
  uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  for (const std::unique_ptr<Shard> &shard : checkpoint.shards) {
    uintptr_t first = reinterpret_cast<uintptr_t>(shard->mapping.data());
    if (begin >= first && begin - first <= shard->mapping.size() &&
        bytes <= shard->mapping.size() - (begin - first))
      return releasePages(data, bytes);
  }
}

std::vector<FileVersion> moe::rt::listFiles(const moe_checkpoint &checkpoint) {
  std::vector<FileVersion> files;
  for (const std::unique_ptr<Shard> &shard : checkpoint.shards)
    files.push_back(shard->version);
  return files;
}

size_t moe_checkpoint_num_copied(const moe_checkpoint *checkpoint) {
  return checkpoint ? checkpoint->copies.size() : 0;
}
