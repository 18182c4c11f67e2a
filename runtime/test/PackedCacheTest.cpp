//===- PackedCacheTest.cpp - Packed weights that are kept in a file -------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

#include <chrono>
#include <cstring>

using namespace moe::rt::test;
namespace fs = std::filesystem;

namespace {

/// What a caller is told while it waits.
struct Steps {
  std::vector<std::string> names; ///< each once
  uint64_t done = 0, total = 0;   ///< of the last one

  static void add(void *user, const char *step, uint64_t done, uint64_t total) {
    Steps &steps = *static_cast<Steps *>(user);
    if (steps.names.empty() || steps.names.back() != step)
      steps.names.emplace_back(step);
    EXPECT_LE(done, total);
    steps.done = done;
    steps.total = total;
  }
};

/// Two banks side by side and one of codes, of some megabytes, so that no size
/// is a multiple of what is copied at a time, and a plain weight.
class PackedCache : public testing::Test {
protected:
  static constexpr int64_t rows = 1201, columns = 1103;

  PackedCache() {
    writeCheckpoint(1);
    for (size_t i = 0; i < 3; ++i) {
      sources[i].tensor = i == 1 ? "up.{e}" : "gate.{e}";
      sources[i].rank = 2;
      sources[i].per_expert = 1;
      sources[i].shape[0] = rows;
      sources[i].shape[1] = columns;
    }
    sources[3].tensor = "gate.1";
    sources[3].rank = 2;
    std::copy_n(sources[0].shape, 2, sources[3].shape);
    moe_weight weight = {};
    weight.dtype = MOE_F32;
    weight.rank = 2;
    std::copy_n(sources[0].shape, 2, weight.shape);
    weight.strides[0] = columns;
    weight.strides[1] = weight.num_sources = 1;
    tables.weights.assign(4, weight);
    const char *names[] = {"gate", "up", "codes", "plain"};
    for (size_t i = 0; i < 4; ++i) {
      tables.weights[i].name = names[i];
      tables.weights[i].sources = &sources[i];
      tables.weights[i].experts = i == 3 ? 0 : 2;
    }
    for (int i = 0; i < 2; ++i)
      tables.weights[i].packing = {8, 1, 2, i, 0};
    tables.weights[2].packing = {8, 4, 1, 0, 2};
    tables.weights[2].quantization = {8, MOE_F32, columns, 0, 0};
  }

  void writeCheckpoint(float scale) {
    std::vector<float> values(rows * columns);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = scale * static_cast<float>(i % 1009);
    const char *names[] = {"gate.0", "gate.1", "up.0", "up.1"};
    std::vector<moe_tensor> tensors(
        4, makeTensor(MOE_F32, {rows, columns}, values.data()));
    moe_error error;
    ASSERT_EQ(
        moe_safetensors_write(source.c_str(), names, tensors.data(), 4, &error),
        MOE_OK)
        << error.message;
    // As in the image of a container.
    fs::last_write_time(source, fs::file_time_type());
  }

  int32_t bind(const std::string &path) {
    moe_ctx_options options = {};
    options.size = sizeof(options);
    options.num_threads = 2;
    options.packed_cache = path.empty() ? nullptr : path.c_str();
    steps = {};
    options.progress = Steps::add;
    options.user = &steps;
    context = std::make_unique<Context>(tables.get(), &options);
    EXPECT_EQ(context->status, MOE_OK) << context->error.message;
    checkpoint = std::make_unique<Checkpoint>(source);
    return moe_ctx_bind_checkpoint(context->handle, checkpoint->handle);
  }

  /// All packed memory: two ways of 151 panels of 8 rows, then codes with a
  /// scale for each row.
  std::string bytes() {
    constexpr size_t panels = (rows + 7) / 8, steps = (columns + 3) / 4;
    void *const *roots = moe_rt_weights(context->handle);
    auto first = [&](size_t weight) {
      return static_cast<const char *>(
          static_cast<void *const *>(roots[weight])[0]);
    };
    constexpr size_t paired = panels * columns * 16 * sizeof(float) * 2,
                     coded = panels * (steps * 8 * 4 + 8 * sizeof(float)) * 2;
    return std::string(first(0), paired) + std::string(first(2), coded);
  }
  std::string bytesWithout() {
    EXPECT_EQ(bind(""), MOE_OK) << moe_ctx_message(context->handle);
    return bytes();
  }
  /// The weights are bound, after these steps, to what packing makes of them.
  void expectBound(std::vector<std::string> expected) {
    std::string packed = bytesWithout();
    ASSERT_EQ(bind(cache), MOE_OK) << moe_ctx_message(context->handle);
    EXPECT_EQ(steps.names, expected);
    EXPECT_EQ(steps.done, steps.total);
    EXPECT_TRUE(bytes() == packed);
  }
  void expectRefused(const char *tag, int32_t status = MOE_INVALID_DATA) {
    expectError(bind(cache), context->handle, status, tag);
    EXPECT_EQ(moe_rt_weights(context->handle), nullptr);
  }
  std::string readCache() {
    std::ifstream file(cache, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::vector<std::string> packs = {"packing weights",
                                          "writing packed weights"},
                                 reads = {"reading packed weights"};
  TemporaryFolder folder;
  std::string source = folder / "x.safetensors", cache = folder / "cache";
  TestModule tables;
  moe_weight_source sources[4] = {};
  Steps steps;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Context> context;
};
} // namespace

TEST_F(PackedCache, IsWrittenThenRead) {
  expectBound(packs);
  std::string written = readCache();
  expectBound(reads);
  EXPECT_TRUE(readCache() == written);
  EXPECT_EQ(folder.countFiles(), 2u);
}

TEST_F(PackedCache, WithoutOneNothingIsWritten) {
  ASSERT_EQ(bind(""), MOE_OK);
  EXPECT_EQ(steps.names, std::vector<std::string>({"packing weights"}));
  EXPECT_EQ(steps.done, steps.total);
  EXPECT_EQ(folder.countFiles(), 1u);
}

TEST_F(PackedCache, OfAnotherCheckpointIsReplaced) {
  expectBound(packs);
  writeCheckpoint(2);
  expectBound(packs);
  expectBound(reads);
}

TEST_F(PackedCache, OfAnotherTimeIsReplaced) {
  expectBound(packs);
  fs::last_write_time(source, fs::file_time_type() + std::chrono::seconds(1));
  expectBound(packs);
}

TEST_F(PackedCache, OfAnotherLayoutIsReplaced) {
  expectBound(packs);
  moe_weight &codes = tables.weights[2];
  codes.quantization.codes = MOE_CODES_INTEGER;
  codes.quantization.zero_points = 1;
  // Zeros lie behind the scales, where bytes() does not look.
  expectBound(packs);
  expectBound(reads);
}

TEST_F(PackedCache, WithoutPackedWeights) {
  tables.weights = {tables.weights[3]};
  ASSERT_EQ(bind(cache), MOE_OK) << moe_ctx_message(context->handle);
  ASSERT_EQ(bind(cache), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(steps.names, std::vector<std::string>());
  EXPECT_TRUE(fs::exists(cache));
}

TEST_F(PackedCache, AFolderIsNoCache) {
  cache = folder.path;
  EXPECT_NE(bind(cache), MOE_OK);
  EXPECT_EQ(moe_rt_weights(context->handle), nullptr);
}

TEST_F(PackedCache, ForeignFilesAreKept) {
  for (const std::string &bytes :
       {std::string("my notes"), std::string(), oneTensorFile("x", 3)}) {
    folder.write("cache", bytes);
    expectRefused("[moe-packed-cache-foreign]");
    EXPECT_EQ(readCache(), bytes);
  }
  // Of another shape.
  folder.write(
      "cache",
      fileBytes("{" + entry("moe.packed_cache", "I64", "2", 0, 16) + "}",
                std::string(16, '\0')));
  expectRefused("[moe-packed-cache-foreign]");
}

TEST_F(PackedCache, ACheckpointIsKept) {
  cache = source;
  expectRefused("[moe-packed-cache-foreign]");
  EXPECT_EQ(bind(""), MOE_OK);
}

TEST_F(PackedCache, DamageIsFound) {
  ASSERT_EQ(bind(cache), MOE_OK);
  const std::string written = readCache();
  size_t data = 8 + static_cast<uint8_t>(written[0]) +
                256 * static_cast<uint8_t>(written[1]);
  // In the identity, in the first weight, at the end of the last one, and in
  // the digests.
  for (size_t at :
       {data + 3, data + 100, written.size() - 20, written.size() - 1}) {
    std::string damaged = written;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    folder.write("cache", damaged);
    expectRefused("[moe-packed-cache-damaged]");
  }
  folder.write("cache", written.substr(0, written.size() - 1));
  expectRefused("[moe-packed-cache-foreign]");
  folder.write("cache", written);
  expectBound(reads);
}

TEST_F(PackedCache, MissingTensorsAreFound) {
  ASSERT_EQ(bind(cache), MOE_OK);
  std::string whole = folder / "whole";
  fs::rename(cache, whole);
  for (const char *missing : {"0.gate", "2.codes", "moe.digests"}) {
    Checkpoint file(whole);
    std::vector<const char *> names;
    std::vector<moe_tensor> tensors;
    for (size_t i = 0; i < moe_checkpoint_size(file.handle); ++i) {
      const moe_file_tensor &tensor = *moe_checkpoint_at(file.handle, i);
      if (std::strcmp(tensor.name, missing) == 0)
        continue;
      names.push_back(tensor.name);
      tensors.push_back(makeTensor(tensor.dtype, {tensor.shape[0]},
                                   const_cast<void *>(tensor.data)));
    }
    ASSERT_EQ(names.size(), 3u);
    moe_error error;
    ASSERT_EQ(moe_safetensors_write(cache.c_str(), names.data(), tensors.data(),
                                    names.size(), &error),
              MOE_OK);
    expectRefused("[moe-packed-cache-damaged]");
  }
}

TEST_F(PackedCache, PlaceThatCannotBeWritten) {
  cache = folder / "none/cache";
  EXPECT_EQ(bind(cache), MOE_NOT_FOUND) << moe_ctx_message(context->handle);
  EXPECT_EQ(steps.names, std::vector<std::string>()); // nothing was packed
  EXPECT_EQ(moe_rt_weights(context->handle), nullptr);
}
