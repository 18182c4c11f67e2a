//===- BindTest.cpp - Binding weights to checkpoints ----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "core/Weights.h"

#include <cstring>

using namespace moe::rt;
using namespace moe::rt::test;

namespace {
/// A checkpoint with
///   plain: f32[2, 3]      = 0 1 2 3 4 5
///   fused: f32[2, 4, 3]   = 0 .. 23
///   expert.0, expert.1: f32[2, 3] = 100 .. and 200 ..
class Bind : public testing::Test {
protected:
  Bind() {
    std::vector<float> plain = count(0, 6), fused = count(0, 24),
                       first = count(100, 6), second = count(200, 6);
    const char *names[] = {"plain", "fused", "expert.0", "expert.1"};
    moe_tensor tensors[] = {makeTensor(MOE_F32, {2, 3}, plain.data()),
                            makeTensor(MOE_F32, {2, 4, 3}, fused.data()),
                            makeTensor(MOE_F32, {2, 3}, first.data()),
                            makeTensor(MOE_F32, {2, 3}, second.data())};
    moe_error error;
    EXPECT_EQ(moe_safetensors_write((folder / "x").c_str(), names, tensors, 4,
                                    &error),
              MOE_OK)
        << error.message;
    sources.resize(2);
    setSource(0, "plain", {2, 3});
    weight.name = "w";
    weight.dtype = MOE_F32;
    setShape({2, 3}, {3, 1});
    weight.num_sources = 1;
  }

  static std::vector<float> count(int from, int n) {
    std::vector<float> values;
    for (int i = 0; i < n; ++i)
      values.push_back(static_cast<float>(from + i));
    return values;
  }
  void setSource(size_t i, const char *tensor, std::vector<int64_t> shape,
                 int64_t offset = 0, int64_t expertStride = 0,
                 bool perExpert = false) {
    sources[i] = {};
    sources[i].tensor = tensor;
    sources[i].rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), sources[i].shape);
    sources[i].offset = offset;
    sources[i].expert_stride = expertStride;
    sources[i].per_expert = perExpert;
  }
  void setShape(std::vector<int64_t> shape, std::vector<int64_t> strides) {
    weight.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), weight.shape);
    std::copy(strides.begin(), strides.end(), weight.strides);
  }
  int32_t bind(bool headersOnly = false) {
    weight.sources = sources.data();
    tables.weights = {weight};
    context = std::make_unique<Context>(tables.get());
    EXPECT_EQ(context->status, MOE_OK) << context->error.message;
    checkpoint = std::make_unique<Checkpoint>(folder / "x", headersOnly);
    return moe_ctx_bind_checkpoint(context->handle, checkpoint->handle);
  }
  void expectRefused(const char *tag, int32_t status = MOE_INVALID_DATA) {
    expectError(bind(), context->handle, status, tag);
    EXPECT_EQ(moe_rt_weights(context->handle), nullptr);
  }
  const float *plain() {
    return static_cast<const float *>(moe_rt_weights(context->handle)[0]);
  }
  const float *slice(size_t expert) {
    return static_cast<float *const *>(
        moe_rt_weights(context->handle)[0])[expert];
  }

  TemporaryFolder folder;
  TestModule tables;
  std::vector<moe_weight_source> sources;
  moe_weight weight = {};
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Context> context;
};
} // namespace

TEST_F(Bind, PlainWeightIsNotCopied) {
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(plain(), moe_checkpoint_find(checkpoint->handle, "plain")->data);
}

TEST_F(Bind, WindowOfATensor) {
  setSource(0, "fused", {2, 4, 3}, 6);
  setShape({2, 3}, {3, 1});
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(plain()[0], 6.0f);
}

TEST_F(Bind, OneTensorPerExpert) {
  weight.experts = 2;
  setSource(0, "expert.{e}", {2, 3}, 0, 0, true);
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(slice(0)[5], 105.0f);
  EXPECT_EQ(slice(1)[5], 205.0f);
}

TEST_F(Bind, SlicesOfOneTensor) {
  weight.experts = 2;
  setSource(0, "fused", {2, 4, 3}, 6, 12);
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(slice(0)[0], 6.0f);
  EXPECT_EQ(slice(1)[0], 18.0f);
}

TEST_F(Bind, OneSourcePerExpert) {
  weight.experts = weight.num_sources = 2;
  setSource(0, "expert.1", {2, 3});
  setSource(1, "plain", {2, 3});
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(slice(0)[0], 200.0f);
  EXPECT_EQ(slice(1)[0], 0.0f);
}

TEST_F(Bind, BankThatIsStoredTransposed) {
  weight.experts = 2;
  setSource(0, "fused", {2, 4, 3}, 0, 12);
  setShape({3, 4}, {1, 3});
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  EXPECT_EQ(slice(1)[2 * 1 + 3 * 3], 23.0f);
}

/// The layout of 2 x 3 matrices in one panel of 4 rows, with 2 steps of 2
/// columns: of row n and column k, element (k / 2 * 4 + n) * 2 + k % 2.
static moe_packing panelsOfFour(int32_t ways = 1, int32_t way = 0) {
  moe_packing packing = {};
  packing.panel = 4;
  packing.depth = 2;
  packing.ways = ways;
  packing.way = way;
  return packing;
}

TEST_F(Bind, PackedBank) {
  weight.experts = 2;
  weight.packing = panelsOfFour();
  setSource(0, "expert.{e}", {2, 3}, 0, 0, true);
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  for (int e = 0; e < 2; ++e)
    EXPECT_EQ(
        std::vector<float>(slice(e), slice(e) + 16),
        std::vector<float>({100.f + 100 * e, 101.f + 100 * e, 103.f + 100 * e,
                            104.f + 100 * e, 0, 0, 0, 0, 102.f + 100 * e, 0,
                            105.f + 100 * e, 0, 0, 0, 0, 0}));
  // The file is still there to be read.
  EXPECT_EQ(static_cast<const float *>(
                moe_checkpoint_find(checkpoint->handle, "expert.1")->data)[5],
            205.0f);
}

TEST_F(Bind, PackedTransposedBank) {
  weight.experts = 2;
  weight.packing = panelsOfFour();
  setSource(0, "fused", {2, 4, 3}, 0, 12);
  setShape({3, 4}, {1, 3});
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  // Row 1 of slice 1 is column 1 of the matrix in the file: 13, 16, 19, 22.
  EXPECT_EQ(slice(1)[2], 13.0f);
  EXPECT_EQ(slice(1)[3], 16.0f);
  EXPECT_EQ(slice(1)[8 + 2], 19.0f);
  EXPECT_EQ(slice(1)[8 + 3], 22.0f);
}

TEST_F(Bind, PackedBanksSideBySide) {
  weight.experts = 2;
  weight.packing = panelsOfFour(2);
  setSource(0, "expert.{e}", {2, 3}, 0, 0, true);
  setSource(1, "fused", {2, 4, 3}, 0, 12);
  moe_weight second = weight;
  second.packing = panelsOfFour(2, 1);
  second.sources = &sources[1];
  tables.weights = {weight, second};
  tables.weights[0].sources = &sources[0];
  Context pair(tables.get());
  ASSERT_EQ(pair.status, MOE_OK) << pair.error.message;
  Checkpoint file(folder / "x", false);
  ASSERT_EQ(moe_ctx_bind_checkpoint(pair.handle, file.handle), MOE_OK)
      << moe_ctx_message(pair.handle);
  void *const *roots = moe_rt_weights(pair.handle);
  const float *left = static_cast<float *const *>(roots[0])[1];
  const float *right = static_cast<float *const *>(roots[1])[1];
  EXPECT_EQ(right, left + 8);
  EXPECT_EQ(left[0], 200.0f);
  EXPECT_EQ(right[0], 12.0f);
  // The second step lies behind both first ones.
  EXPECT_EQ(left[16], 202.0f);
  EXPECT_EQ(right[16], 14.0f);
}

static moe_quantization codesOf(int32_t bits, int32_t scale, int64_t group,
                                int32_t zeroPoints = 0) {
  moe_quantization format = {};
  format.bits = bits;
  format.scale_dtype = scale;
  format.group = group;
  format.zero_points = zeroPoints;
  return format;
}

/// Of 8 bits in panels of 4 rows: one step, then the scales.
TEST_F(Bind, PackedCodes) {
  weight.experts = 2;
  weight.packing = panelsOfFour();
  weight.packing.depth = 4;
  weight.quantization = codesOf(8, MOE_F32, 3);
  setSource(0, "expert.{e}", {2, 3}, 0, 0, true);
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  const auto *bytes = reinterpret_cast<const uint8_t *>(slice(0));
  // 100, 101 and 102 times 127 / 102; 103, 104 and 105 times 127 / 105.
  EXPECT_EQ(std::vector<int>(bytes, bytes + 16),
            std::vector<int>({128 + 125, 128 + 126, 255, 0, 128 + 125,
                              128 + 126, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(std::vector<float>(slice(0) + 4, slice(0) + 8),
            std::vector<float>({102.0f / 127, 105.0f / 127, 0, 0}));
  EXPECT_EQ(slice(1), slice(0) + 8);
}

/// Of 4 bits: code i in the low half of byte i, code i + 4 in its high half.
TEST_F(Bind, PackedCodesOfFourBits) {
  std::vector<float> values;
  for (int k = 0; k < 10; ++k) // of which 8 have the scale -16 / -8
    values.push_back(k < 8 ? static_cast<float>(2 * k - 16) : 3.0f);
  std::string data(reinterpret_cast<const char *>(values.data()), 40);
  std::string path = folder.write(
      "codes", fileBytes("{" + entry("t", "F32", "1,1,10", 0, 40) + "}", data));
  weight.experts = 1;
  weight.packing = panelsOfFour();
  weight.packing.panel = 1;
  weight.packing.depth = 8;
  weight.quantization = codesOf(4, MOE_BF16, 8);
  setSource(0, "t", {1, 1, 10}, 0, 10);
  setShape({1, 10}, {10, 1});
  weight.sources = sources.data();
  tables.weights = {weight};
  Context made(tables.get());
  ASSERT_EQ(made.status, MOE_OK) << made.error.message;
  Checkpoint file(path, false);
  ASSERT_EQ(moe_ctx_bind_checkpoint(made.handle, file.handle), MOE_OK)
      << moe_ctx_message(made.handle);
  const auto *bytes =
      static_cast<uint8_t *const *>(moe_rt_weights(made.handle)[0])[0];
  // Codes 0 to 7; 2.0 as bf16. Then 3 = -8 * -0.375, which is bf16 0xbec0.
  EXPECT_EQ(std::vector<int>(bytes, bytes + 12),
            std::vector<int>({0x40, 0x51, 0x62, 0x73, 0x00, 0x40, 0x00, 0x00,
                              0x00, 0x00, 0xc0, 0xbe}));
}

/// Behind the scales of both ways lie the zeros of both.
TEST_F(Bind, PackedCodesSideBySide) {
  weight.experts = 2;
  weight.packing = panelsOfFour(2);
  weight.packing.panel = 2;
  weight.packing.depth = 4;
  weight.quantization = codesOf(8, MOE_F32, 3, 1);
  setSource(0, "expert.{e}", {2, 3}, 0, 0, true);
  setSource(1, "fused", {2, 4, 3}, 0, 12);
  moe_weight second = weight;
  second.packing.way = 1;
  second.sources = &sources[1];
  tables.weights = {weight, second};
  tables.weights[0].sources = &sources[0];
  Context pair(tables.get());
  ASSERT_EQ(pair.status, MOE_OK) << pair.error.message;
  Checkpoint file(folder / "x", false);
  ASSERT_EQ(moe_ctx_bind_checkpoint(pair.handle, file.handle), MOE_OK)
      << moe_ctx_message(pair.handle);
  void *const *roots = moe_rt_weights(pair.handle);
  const float *left = static_cast<float *const *>(roots[0])[0];
  const float *right = static_cast<float *const *>(roots[1])[0];
  EXPECT_EQ(right, left + 2);
  // Four words of codes, then scales of [0, 102], [0, 105], [0, 2], [0, 5].
  EXPECT_EQ(std::vector<float>(left + 4, left + 12),
            std::vector<float>({102.0f / 255, 105.0f / 255, 2.0f / 255,
                                5.0f / 255, 0, 0, 0, 0}));
}

/// What is not packed is what the codes stand for.
TEST_F(Bind, CodesThatAreNotPacked) {
  weight.experts = 2;
  weight.quantization = codesOf(4, MOE_F32, 3);
  setSource(0, "fused", {2, 4, 3}, 3, 12);
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
  // 3, 4 and 5 have the scale 5 / -8, and 6, 7 and 8 the scale -1.
  EXPECT_EQ(std::vector<float>(slice(0), slice(0) + 6),
            std::vector<float>({3.125f, 3.75f, 5, 6, 7, 8}));
}

TEST_F(Bind, RandomCodesAreThoseOfTheValues) {
  weight.experts = 2;
  setSource(0, "fused", {2, 4, 3}, 0, 12);
  setShape({4, 3}, {3, 1});
  weight.sources = sources.data();
  tables.weights = {weight, weight};
  tables.weights[1].quantization = codesOf(8, MOE_F32, 3);
  Context made(tables.get());
  ASSERT_EQ(made.status, MOE_OK) << made.error.message;
  ASSERT_EQ(moe_ctx_bind_random(made.handle, 5), MOE_OK);
  void *const *roots = moe_rt_weights(made.handle);
  for (int e = 0; e < 2; ++e)
    for (int i = 0; i < 12; ++i)
      EXPECT_NEAR(static_cast<float *const *>(roots[0])[e][i],
                  static_cast<float *const *>(roots[1])[e][i], 1.0 / 127);
}

/// The memory of a tensor is given back once it is packed; one that was copied
/// because it is misaligned must keep its values for the next weight.
TEST_F(Bind, PackingKeepsTheTensor) {
  for (const char *padding : {"", " ", "  ", "   "}) {
    SCOPED_TRACE(testing::Message() << "padding " << std::strlen(padding));
    std::vector<float> values = count(1, 64 * 256);
    std::string data(reinterpret_cast<const char *>(values.data()),
                     4 * values.size());
    std::string header =
        "{" + entry("big", "F32", "1,64,256", 0, data.size()) + "}" + padding;
    std::string path = folder.write("big", fileBytes(header, data));
    weight.experts = 1;
    weight.packing = panelsOfFour();
    setSource(0, "big", {1, 64, 256}, 0, int64_t(64) * 256);
    setShape({64, 256}, {256, 1});
    weight.sources = sources.data();
    moe_weight second = weight;
    second.packing.owner = 1;
    tables.weights = {weight, second};
    Context pair(tables.get());
    ASSERT_EQ(pair.status, MOE_OK) << pair.error.message;
    Checkpoint file(path, false);
    ASSERT_EQ(moe_ctx_bind_checkpoint(pair.handle, file.handle), MOE_OK)
        << moe_ctx_message(pair.handle);
    void *const *roots = moe_rt_weights(pair.handle);
    const float *first = static_cast<float *const *>(roots[0])[0];
    const float *again = static_cast<float *const *>(roots[1])[0];
    EXPECT_TRUE(std::equal(first, first + values.size(), again));
    EXPECT_EQ(first[values.size() - 1], values.back());
    EXPECT_EQ(std::memcmp(moe_checkpoint_find(file.handle, "big")->data,
                          data.data(), data.size()),
              0);
  }
}

TEST_F(Bind, NoCheckpoint) {
  ASSERT_EQ(bind(), MOE_OK);
  expectError(moe_ctx_bind_checkpoint(context->handle, nullptr),
              context->handle, MOE_INVALID_ARGUMENT, "[moe-bind-argument]");
  // What was bound before stays bound.
  EXPECT_NE(moe_rt_weights(context->handle), nullptr);
}

TEST_F(Bind, TensorThatIsAbsent) {
  setSource(0, "plane", {2, 3});
  expectRefused("[moe-bind-missing-tensor]", MOE_NOT_FOUND);
  weight.experts = 3;
  setSource(0, "expert.{e}", {2, 3}, 0, 0, true);
  expectRefused("[moe-bind-missing-tensor]", MOE_NOT_FOUND);
  EXPECT_NE(std::string(moe_ctx_message(context->handle)).find("'expert.2'"),
            std::string::npos);
}

TEST_F(Bind, DTypeThatDiffers) {
  weight.dtype = MOE_BF16;
  expectRefused("[moe-bind-dtype]");
}

TEST_F(Bind, ShapeThatDiffers) {
  setSource(0, "plain", {3, 2});
  expectRefused("[moe-bind-shape]");
  EXPECT_NE(std::string(moe_ctx_message(context->handle)).find("2x3"),
            std::string::npos);
  setSource(0, "plain", {6});
  expectRefused("[moe-bind-shape]");
}

TEST_F(Bind, WindowOutsideTheTensor) {
  const char *tag = "[moe-bind-window]";
  setSource(0, "plain", {2, 3}, 1);
  expectRefused(tag);
  setSource(0, "plain", {2, 3}, -1);
  expectRefused(tag);
  setSource(0, "plain", {2, 3});
  setShape({2, 3}, {3, -1});
  expectRefused(tag);
  setShape({2, 3}, {INT64_MAX, INT64_MAX});
  expectRefused(tag);
  setShape({2, 3}, {3, 1});
  weight.experts = 3;
  setSource(0, "fused", {2, 4, 3}, 0, 12);
  expectRefused(tag);
  setSource(0, "fused", {2, 4, 3}, 0, INT64_MAX);
  expectRefused(tag);
}

TEST_F(Bind, EmptyWeightNeedsNoData) {
  setShape({0, 3}, {3, 1});
  ASSERT_EQ(bind(), MOE_OK) << moe_ctx_message(context->handle);
}

TEST_F(Bind, CheckpointWithoutData) {
  expectError(bind(/*headersOnly=*/true), context->handle, MOE_INVALID_ARGUMENT,
              "[moe-bind-headers-only]");
}

TEST_F(Bind, FailureKeepsWhatWasBound) {
  ASSERT_EQ(bind(), MOE_OK);
  const float *before = plain();
  TemporaryFolder other;
  other.write("y", oneTensorFile("z", 1));
  Checkpoint wrong(other / "y");
  EXPECT_EQ(moe_ctx_bind_checkpoint(context->handle, wrong.handle),
            MOE_NOT_FOUND);
  EXPECT_EQ(plain(), before);
}

TEST(Window, ReachesOfStrides) {
  moe_weight weight = {};
  weight.rank = 2;
  weight.shape[0] = 3;
  weight.shape[1] = 4;
  weight.strides[0] = -5;
  weight.strides[1] = 2;
  Window window;
  ASSERT_FALSE(windowOverflow(weight, window));
  EXPECT_EQ(window.lowest, -10);
  EXPECT_EQ(window.highest, 6);
  EXPECT_EQ(window.elements, 12);
  weight.shape[1] = 0;
  ASSERT_FALSE(windowOverflow(weight, window));
  EXPECT_EQ(window.elements, 0);
}
