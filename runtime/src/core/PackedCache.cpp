//===- PackedCache.cpp - Packed weights that are kept in a file -----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/PackedCache.h"
#include "core/Boundary.h"
#include "core/Packing.h"
#include "cpu/ThreadPool.h"
#include "io/Checkpoint.h"
#include "moe_rt/file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <unistd.h>

using namespace moe::rt;

//===----------------------------------------------------------------------===//
// Digests
//===----------------------------------------------------------------------===//

static int64_t digestOf(const void *data, size_t bytes) {
  return static_cast<int64_t>(XXH3_64bits(data, bytes));
}

namespace {

/// Numbers and strings in a form that differs where they differ.
class Description {
public:
  Description &operator<<(int64_t number) {
    text += std::to_string(number) + ' ';
    return *this;
  }
  Description &operator<<(const std::string &string) {
    *this << static_cast<int64_t>(string.size());
    text += string + ' ';
    return *this;
  }
  int64_t digest() const { return digestOf(text.data(), text.size()); }

private:
  std::string text;
};

/// What a thread takes at a time.
constexpr uint64_t chunkBytes = 4 << 20;
/// What is digested while it is still in the second-level cache.
constexpr uint64_t pieceBytes = 128 << 10;
/// Chunks of a thread between two reports of progress.
constexpr uint64_t chunksPerThread = 4;
/// What is looked at of each tensor of a checkpoint to tell it from others.
constexpr uint64_t sampleBytes = 256;

/// Digests of the chunks of `data`, which is copied from `source` if there is
/// one.
struct ChunkJob {
  char *data;
  const char *source;
  uint64_t bytes;
  int64_t *digests;
};

} // namespace

static void digestChunk(void *env, int64_t i) {
  const ChunkJob &job = *static_cast<const ChunkJob *>(env);
  uint64_t first = static_cast<uint64_t>(i) * chunkBytes;
  uint64_t end = first + std::min(chunkBytes, job.bytes - first);
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (uint64_t at = first; at < end; at += pieceBytes) {
    uint64_t bytes = std::min(pieceBytes, end - at);
    if (job.source)
      std::memcpy(job.data + at, job.source + at, bytes);
    // Of the copy: what is computed with is what was checked.
    XXH3_64bits_update(&state, job.data + at, bytes);
  }
  job.digests[i] = static_cast<int64_t>(XXH3_64bits_digest(&state));
}

static int64_t countChunks(uint64_t bytes) {
  return static_cast<int64_t>((bytes + chunkBytes - 1) / chunkBytes);
}

/// How the kernels of `module` want the weight.
static void describe(const moe_weight &weight, Description &to) {
  to << std::string(weight.name) << weight.dtype << weight.rank
     << weight.experts;
  for (int32_t i = 0; i < weight.rank; ++i)
    to << weight.shape[i] << weight.strides[i];
  const moe_packing &packing = weight.packing;
  to << packing.panel << packing.depth << packing.ways << packing.way
     << packing.owner;
  const moe_quantization &format = weight.quantization;
  to << format.bits << format.scale_dtype << format.group << format.zero_points
     << format.codes;
  const moe_encoding &encoding = weight.encoding;
  to << encoding.is_encoded << encoding.zero_offset << encoding.codes
     << encoding.scales << encoding.zeros << encoding.groups;
  for (uint8_t place : encoding.order)
    to << place;
  to << weight.num_sources;
  for (int64_t i = 0; i < weight.num_sources; ++i) {
    const moe_weight_source &source = weight.sources[i];
    to << std::string(source.tensor) << source.per_expert << source.rank;
    for (int32_t dim = 0; dim < source.rank; ++dim)
      to << source.shape[dim];
    to << source.offset << source.expert_stride;
  }
}

static int64_t digestOfLayouts(const moe_module &module) {
  Description description;
  description << std::string(MOE_VERSION) << MOE_ABI_VERSION
              << module.num_weights;
  for (int64_t i = 0; i < module.num_weights; ++i)
    describe(module.weights[i], description);
  return description.digest();
}

static int64_t digestOfSource(const moe_checkpoint &checkpoint) {
  Description description;
  for (const FileVersion &file : listFiles(checkpoint))
    description << file.name << static_cast<int64_t>(file.bytes)
                << file.changedSeconds << file.changedNanoseconds;
  // Times can be equal: images of containers set all of them to one.
  for (size_t i = 0; i < moe_checkpoint_size(&checkpoint); ++i) {
    const moe_file_tensor &tensor = *moe_checkpoint_at(&checkpoint, i);
    description << std::string(tensor.name) << tensor.dtype << tensor.rank;
    for (int32_t dim = 0; dim < tensor.rank; ++dim)
      description << tensor.shape[dim];
    uint64_t bytes = tensor.data ? std::min(tensor.bytes, sampleBytes) : 0;
    const char *data = static_cast<const char *>(tensor.data);
    description << digestOf(data + (tensor.bytes - bytes) / 2, bytes);
  }
  return description.digest();
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

/// Increments with the format that the header describes, and when the bytes
/// that packing writes change within one version of the project.
static constexpr int64_t formatVersion = 1;
static const char *const identityName = "moe.packed_cache";
static const char *const digestsName = "moe.digests";

PackedCache::PackedCache(const char *path, const moe_module &module,
                         const moe_checkpoint &checkpoint)
    : path(path), module(module),
      identity({formatVersion, digestOfLayouts(module),
                digestOfSource(checkpoint)}) {
  identity.push_back(digestOf(identity.data(), sizeof(int64_t) * 3));
  for (int64_t i = 0; i < module.num_weights; ++i)
    if (ownsPackedMemory(module.weights[i]))
      owners.push_back(i);
}

std::string PackedCache::nameOf(int64_t weight) const {
  return std::to_string(weight) + "." + module.weights[weight].name;
}

bool PackedCache::exists() const { return access(path.c_str(), F_OK) == 0; }

const moe_file_tensor *PackedCache::find(const moe_checkpoint &opened,
                                         const std::string &name, int32_t dtype,
                                         int64_t extent) const {
  const moe_file_tensor *tensor = moe_checkpoint_find(&opened, name.c_str());
  bool isLikeIt = tensor && tensor->dtype == dtype && tensor->rank == 1 &&
                  tensor->shape[0] == extent;
  return isLikeIt ? tensor : nullptr;
}

int32_t PackedCache::refuseForeign(const char *why, moe_error *error) const {
  return moe_error_set(error, MOE_INVALID_DATA,
                       "'%s' is not a cache of packed weights (%s), and is not "
                       "overwritten; name another file, or remove it "
                       "[moe-packed-cache-foreign]",
                       ShownPath(path.c_str()).text, why);
}

int32_t PackedCache::refuseDamaged(const std::string &tensor,
                                   moe_error *error) const {
  return moe_error_set(error, MOE_INVALID_DATA,
                       "tensor '%s' of '%s', a cache of packed weights, is "
                       "not what was written; remove the file, and check the "
                       "disk [moe-packed-cache-damaged]",
                       Shown(tensor.c_str()).text,
                       ShownPath(path.c_str()).text);
}

int32_t PackedCache::open(moe_error *error) {
  if (exists())
    if (int32_t status = openFile(error))
      return status;
  // Before everything is packed.
  return isFilled() ? int32_t(MOE_OK)
                    : moe_file_check_target(path.c_str(), error);
}

int32_t PackedCache::openFile(moe_error *error) {
  moe_checkpoint *raw = nullptr;
  moe_error why = {};
  int32_t status =
      moe_checkpoint_open(path.c_str(), /*headers_only=*/0, &raw, &why);
  std::unique_ptr<moe_checkpoint, Close> opened(raw);
  if (status == MOE_INVALID_DATA || status == MOE_INVALID_ARGUMENT)
    return refuseForeign(why.message, error);
  if (status != MOE_OK) // of the system, with a tag of its own
    return moe_error_set(error, status, "%s", why.message);
  auto extent = static_cast<int64_t>(identity.size());
  const moe_file_tensor *found = find(*opened, identityName, MOE_I64, extent);
  if (!found)
    return refuseForeign("it has no tensor 'moe.packed_cache'", error);
  const auto *numbers = static_cast<const int64_t *>(found->data);
  if (numbers[3] != digestOf(numbers, sizeof(int64_t) * 3))
    return refuseDamaged(identityName, error);
  if (std::memcmp(numbers, identity.data(), found->bytes) != 0)
    return MOE_OK;
  extent = static_cast<int64_t>(owners.size());
  if (!find(*opened, digestsName, MOE_I64, extent))
    return refuseDamaged(digestsName, error);
  file = std::move(opened);
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// Reading and writing
//===----------------------------------------------------------------------===//

/// Digests `job.data` on all threads, some chunks at a time, each of which
/// `finish` gets afterwards; its status ends the work if it is not MOE_OK.
template <typename Finish>
static int32_t digestAll(ChunkJob job, ThreadPool &pool, Progress &progress,
                         int64_t &digest, const Finish &finish) {
  std::vector<int64_t> digests(static_cast<size_t>(countChunks(job.bytes)));
  job.digests = digests.data();
  uint64_t roundBytes =
      static_cast<uint64_t>(pool.size()) * chunksPerThread * chunkBytes;
  while (job.bytes > 0) {
    ChunkJob round = job;
    round.bytes = std::min(job.bytes, roundBytes);
    pool.run(digestChunk, &round, countChunks(round.bytes));
    if (int32_t status = finish(round))
      return status;
    progress.advance(round.bytes);
    job.data += round.bytes;
    job.source += job.source ? round.bytes : 0;
    job.bytes -= round.bytes;
    job.digests += countChunks(round.bytes);
  }
  digest = digestOf(digests.data(), digests.size() * sizeof(int64_t));
  return MOE_OK;
}

int32_t PackedCache::read(const PackedMemory &memory, ThreadPool &pool,
                          Progress &progress, moe_error *error) const {
  std::string name = nameOf(memory.weight);
  const moe_file_tensor *tensor =
      find(*file, name, MOE_U8, static_cast<int64_t>(memory.bytes));
  if (!tensor)
    return refuseDamaged(name, error);
  ChunkJob job = {memory.data, static_cast<const char *>(tensor->data),
                  memory.bytes, nullptr};
  int64_t digest = 0;
  auto release = [&](const ChunkJob &round) {
    releaseTensorData(*file, round.source, round.bytes);
    return int32_t(MOE_OK);
  };
  if (int32_t status = digestAll(job, pool, progress, digest, release))
    return status;
  // `open` has found it, with a number for each owner.
  auto place = std::lower_bound(owners.begin(), owners.end(), memory.weight);
  const moe_file_tensor *digests = moe_checkpoint_find(file.get(), digestsName);
  const auto *written = static_cast<const int64_t *>(digests->data);
  if (written[place - owners.begin()] != digest)
    return refuseDamaged(name, error);
  return MOE_OK;
}

namespace {
/// Removes what was written unless the file is closed.
struct Abandon {
  void operator()(moe_safetensors_writer *writer) const {
    moe_safetensors_writer_abandon(writer);
  }
};
} // namespace

static moe_tensor makeShape(int32_t dtype, int64_t extent) {
  moe_tensor tensor = {};
  tensor.dtype = dtype;
  tensor.rank = 1;
  tensor.shape[0] = extent;
  return tensor;
}

int32_t PackedCache::write(const std::vector<PackedMemory> &memories,
                           ThreadPool &pool, const ProgressCallback &callback,
                           moe_error *error) const {
  std::vector<std::string> weights;
  std::vector<const char *> names = {identityName};
  std::vector<moe_tensor> shapes = {
      makeShape(MOE_I64, static_cast<int64_t>(identity.size()))};
  uint64_t total = 0;
  for (const PackedMemory &memory : memories) {
    weights.push_back(nameOf(memory.weight));
    shapes.push_back(makeShape(MOE_U8, static_cast<int64_t>(memory.bytes)));
    total += memory.bytes;
  }
  for (const std::string &name : weights)
    names.push_back(name.c_str());
  names.push_back(digestsName);
  shapes.push_back(makeShape(MOE_I64, static_cast<int64_t>(memories.size())));

  moe_safetensors_writer *raw = nullptr;
  if (int32_t status = moe_safetensors_writer_open(
          path.c_str(), names.data(), shapes.data(), names.size(), &raw, error))
    return status;
  std::unique_ptr<moe_safetensors_writer, Abandon> writer(raw);
  auto append = [&](const void *data, size_t bytes) {
    return moe_safetensors_writer_append(writer.get(), data, bytes, error);
  };
  if (int32_t status =
          append(identity.data(), identity.size() * sizeof(int64_t)))
    return status;
  Progress progress(callback, "writing packed weights", total);
  std::vector<int64_t> digests;
  for (const PackedMemory &memory : memories) {
    ChunkJob job = {memory.data, nullptr, memory.bytes, nullptr};
    int64_t &digest = digests.emplace_back();
    auto write = [&](const ChunkJob &round) {
      return append(round.data, round.bytes);
    };
    if (int32_t status = digestAll(job, pool, progress, digest, write))
      return status;
  }
  if (int32_t status = append(digests.data(), digests.size() * sizeof(int64_t)))
    return status;
  return moe_safetensors_writer_close(writer.release(), error);
}
