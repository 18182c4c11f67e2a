//===- ArgumentsTest.cpp - One test per rule of a call's arguments --------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

using namespace moe::rt::test;

namespace {
/// forward(ids: i64[batch, seq], past: i64, cache: f32[batch, context, 2])
///   -> logits: f32[batch, 2 * seq, 3], scores: f32[batch * seq], cache
/// with past + seq <= context and ids in [0, 100).
class Arguments : public testing::Test {
protected:
  enum Symbol : int32_t { batch, seq, past, context };

  Arguments() {
    tables.symbols = {"batch", "sequence", "past", "context"};
    tables.inputs = {
        makeArgument("ids", MOE_I64, {symbolic(batch), symbolic(seq)}),
        makeArgument("past", MOE_I64, {}),
        makeArgument("cache", MOE_F32,
                     {symbolic(batch), symbolic(context), fixed(2)})};
    tables.inputs[0].has_range = 1;
    tables.inputs[0].upper = 100;
    tables.inputs[1].value_symbol = past;
    tables.outputs = {
        makeArgument("logits", MOE_F32,
                     {symbolic(batch), symbolic(seq, 2), fixed(3)}),
        makeArgument("scores", MOE_F32, {symbolic(batch, 1, seq)}),
        tables.inputs[2]};
    tables.outputs[2].tied_input = 2;
    moe_limit limit = {};
    limit.num_terms = 2;
    limit.terms[0] = past;
    limit.terms[1] = seq;
    limit.bound_symbol = context;
    tables.limits = {limit};
    in = {makeTensor(MOE_I64, {2, 5}, ids), makeTensor(MOE_I64, {}, &pastValue),
          makeTensor(MOE_F32, {2, 8, 2}, cache)};
    out = {makeTensor(MOE_F32, {2, 10, 3}, logits),
           makeTensor(MOE_F32, {10}, scores)};
  }

  void make() {
    ctx = std::make_unique<Context>(tables.get());
    ASSERT_EQ(ctx->status, MOE_OK) << ctx->error.message;
  }
  int32_t call() {
    if (!ctx)
      make();
    return moe_ctx_call(ctx->handle, &tables.function, in.data(), in.size(),
                        out.data(), out.size());
  }
  std::string message() const { return moe_ctx_message(ctx->handle); }
  void expectRefused(const char *tag, int32_t status = MOE_INVALID_ARGUMENT) {
    expectError(call(), ctx->handle, status, tag);
  }
  void expectMentions(const std::string &text) {
    EXPECT_NE(message().find(text), std::string::npos)
        << "'" << text << "' in: " << message();
  }

  TestModule tables;
  std::unique_ptr<Context> ctx;
  int64_t ids[10] = {0, 1, 2, 99, 4, 5, 6, 7, 8, 9};
  int64_t pastValue = 3;
  float cache[32] = {}, logits[60] = {}, scores[10] = {};
  std::vector<moe_tensor> in, out;
};
} // namespace

TEST_F(Arguments, GoodCall) {
  EXPECT_EQ(call(), MOE_OK) << message();
  EXPECT_EQ(moe_ctx_status(ctx->handle), MOE_OK);
}

TEST_F(Arguments, NumberOfInputs) {
  in.pop_back();
  expectRefused("[moe-arg-count]");
  expectMentions("2 inputs but has 3");
}

TEST_F(Arguments, NumberOfOutputs) {
  out.push_back(in[2]); // A tied output is not passed.
  expectRefused("[moe-arg-count]");
  expectMentions("3 outputs but has 2");
}

TEST_F(Arguments, NullLists) {
  make();
  int32_t status =
      moe_ctx_call(ctx->handle, &tables.function, nullptr, 3, out.data(), 2);
  expectError(status, ctx->handle, MOE_INVALID_ARGUMENT, "[moe-arg-null-list]");
  status =
      moe_ctx_call(ctx->handle, &tables.function, in.data(), 3, nullptr, 2);
  expectError(status, ctx->handle, MOE_INVALID_ARGUMENT, "[moe-arg-null-list]");
}

TEST_F(Arguments, DTypeOfAnInput) {
  in[0].dtype = MOE_I32;
  expectRefused("[moe-arg-dtype]");
  expectMentions("input 'ids' has dtype i32 (6), expected i64");
}

TEST_F(Arguments, DTypeOfAnOutput) {
  out[0].dtype = 1234;
  expectRefused("[moe-arg-dtype]");
  expectMentions("output 'logits' has dtype unknown (1234), expected f32");
}

TEST_F(Arguments, Rank) {
  in[0].rank = 1;
  expectRefused("[moe-arg-rank]");
  in[0].rank = 1000;
  expectRefused("[moe-arg-rank]");
  in[0].rank = -1;
  expectRefused("[moe-arg-rank]");
}

TEST_F(Arguments, RankOfAnOutput) {
  out[1].rank = 2;
  expectRefused("[moe-arg-rank]");
}

TEST_F(Arguments, NegativeExtent) {
  in[0].shape[1] = -5;
  expectRefused("[moe-arg-negative-extent]");
}

TEST_F(Arguments, SizeThatOverflows) {
  in[0].shape[0] = int64_t(1) << 32;
  in[0].shape[1] = int64_t(1) << 31;
  expectRefused("[moe-arg-size-overflow]");
  in[0].shape[1] = int64_t(1) << 29; // 2^61 elements of 8 bytes.
  expectRefused("[moe-arg-size-overflow]");
}

TEST_F(Arguments, NullData) {
  in[0].data = nullptr;
  expectRefused("[moe-arg-null-data]");
  in[0].data = ids;
  out[0].data = nullptr;
  expectRefused("[moe-arg-null-data]");
}

TEST_F(Arguments, NullDataWithoutElements) {
  in[0] = makeTensor(MOE_I64, {2, 0}, nullptr);
  out[0] = makeTensor(MOE_F32, {2, 0, 3}, nullptr);
  out[1] = makeTensor(MOE_F32, {0}, nullptr);
  EXPECT_EQ(call(), MOE_OK) << message();
}

TEST_F(Arguments, Misaligned) {
  out[0].data = reinterpret_cast<char *>(logits) + 2;
  expectRefused("[moe-arg-misaligned]");
}

TEST_F(Arguments, FixedExtent) {
  in[2].shape[2] = 3;
  in[2].shape[1] = 5;
  expectRefused("[moe-arg-extent]");
  expectMentions("extent 3 in dimension 2, expected 2");
}

TEST_F(Arguments, SymbolsMustAgree) {
  in[2].shape[0] = 1;
  expectRefused("[moe-arg-symbol]");
  expectMentions("dimension 0 of input 'cache' is 1, but 'batch' is 2 in input "
                 "'ids'");
}

TEST_F(Arguments, ValueMustAgreeWithItsSymbol) {
  tables.inputs[1].value_symbol = seq;
  tables.limits.clear(); // of a symbol that no input gives a value now
  expectRefused("[moe-arg-symbol]");
  expectMentions("the value of input 'past' is 3, but 'sequence' is 5");
}

TEST_F(Arguments, NegativeValue) {
  pastValue = -1;
  expectRefused("[moe-arg-negative-value]");
}

TEST_F(Arguments, ProductsOfSymbolsAreCheckedOnceKnown) {
  // The first input is a product of symbols that later inputs bind.
  tables.inputs.insert(tables.inputs.begin(),
                       makeArgument("mask", MOE_U8, {symbolic(batch, 3, seq)}));
  tables.outputs[2].tied_input = 3;
  uint8_t mask[30] = {};
  in.insert(in.begin(), makeTensor(MOE_U8, {30}, mask));
  EXPECT_EQ(call(), MOE_OK) << message();
  in[0].shape[0] = 29;
  expectRefused("[moe-arg-extent]");
  expectMentions("extent 29 in dimension 0, expected 30");
}

TEST_F(Arguments, ExtentThatOverflows) {
  tables.outputs[1].shape[0].extent = INT64_MAX / 2;
  expectRefused("[moe-arg-extent-overflow]");
}

TEST_F(Arguments, SymbolThatNothingBinds) {
  tables.symbols.push_back("ghost");
  tables.outputs[1].shape[0] = symbolic(4);
  expectRefused("[moe-arg-symbol-unbound]", MOE_INTERNAL);
}

TEST_F(Arguments, RangeNamesTheFirstBadElement) {
  ids[7] = 100;
  ids[9] = -1;
  expectRefused("[moe-arg-range]");
  expectMentions("element 7 of input 'ids' is 100, expected a number from 0 to "
                 "99");
  ids[7] = -1;
  expectRefused("[moe-arg-range]");
  ids[7] = INT64_MIN;
  expectRefused("[moe-arg-range]");
}

TEST_F(Arguments, RangeOfOtherIntegers) {
  const int32_t dtypes[] = {MOE_I32, MOE_I16, MOE_I8, MOE_U8};
  for (int32_t dtype : dtypes) {
    ctx.reset();
    tables.inputs[0].dtype = dtype;
    std::vector<char> zeros(80);
    in[0] = makeTensor(dtype, {2, 5}, zeros.data());
    EXPECT_EQ(call(), MOE_OK) << message();
    zeros[4 * moe_dtype_size(dtype)] = 101;
    expectRefused("[moe-arg-range]");
    expectMentions("element 4 of input 'ids' is 101");
  }
}

TEST_F(Arguments, LimitSaysTheNumbers) {
  pastValue = 4;
  expectRefused("[moe-arg-limit]");
  expectMentions("past (4) + sequence (5) exceed context (8)");
  pastValue = INT64_MAX;
  expectRefused("[moe-arg-limit]");
}

TEST_F(Arguments, LimitWithANumber) {
  tables.limits[0].num_terms = 1;
  tables.limits[0].bound_symbol = -1;
  tables.limits[0].bound = 2;
  expectRefused("[moe-arg-limit]");
  expectMentions("past (3) exceeds 2");
  ctx.reset();
  tables.limits[0].bound_symbol = batch;
  tables.limits[0].bound = 1;
  EXPECT_EQ(call(), MOE_OK) << message();
  pastValue = 4;
  expectRefused("[moe-arg-limit]");
  expectMentions("past (4) exceeds batch (2) + 1");
}

TEST_F(Arguments, BoundThatOverflowsIsNoBound) {
  tables.limits[0].bound = INT64_MAX;
  EXPECT_EQ(call(), MOE_OK) << message();
}

TEST_F(Arguments, ShapeOfAnOutput) {
  out[0].shape[1] = 5;
  expectRefused("[moe-arg-extent]");
  expectMentions("output 'logits' has extent 5 in dimension 1, expected 10");
  out[0].shape[1] = 10;
  out[1].shape[0] = 11;
  expectRefused("[moe-arg-extent]");
  expectMentions("output 'scores'");
}

//===----------------------------------------------------------------------===//
// Memory that is shared
//===----------------------------------------------------------------------===//

TEST_F(Arguments, AnOutputOverlapsAnInput) {
  out[1].data = ids; // 40 bytes of 80.
  expectRefused("[moe-arg-overlap]");
  expectMentions("output 'scores', which the call writes, shares 40 bytes with "
                 "input 'ids', expected none");
}

TEST_F(Arguments, AnOutputOverlapsAnUpdatedInput) {
  out[1].data = cache + 31; // The last element of the cache.
  expectRefused("[moe-arg-overlap]");
  expectMentions("shares 4 bytes");
}

TEST_F(Arguments, OutputsOverlap) {
  out[1].data = logits + 59;
  expectRefused("[moe-arg-overlap]");
  expectMentions("'logits'");
  expectMentions("'scores'");
  out[1].data = out[0].data;
  expectRefused("[moe-arg-overlap]");
  expectMentions("shares 40 bytes");
}

TEST_F(Arguments, AnUpdatedInputOverlapsAnotherInput) {
  in[2].data = ids;
  expectRefused("[moe-arg-overlap]");
  expectMentions("input 'cache', which the call writes, shares 80 bytes with "
                 "input 'ids'");
}

TEST_F(Arguments, InputsThatAreOnlyReadMayOverlap) {
  tables.inputs.push_back(
      makeArgument("again", MOE_I64, {symbolic(batch), symbolic(seq)}));
  in.push_back(in[0]);
  EXPECT_EQ(call(), MOE_OK) << message();
}

TEST_F(Arguments, AnOutputBehindInputsThatOverlap) {
  // The longest of the inputs reaches the output; the one that begins last
  // before it does not.
  tables.inputs.push_back(makeArgument("part", MOE_I64, {fixed(1)}));
  in.push_back(makeTensor(MOE_I64, {1}, ids + 1));
  out[1].data = ids + 4;
  expectRefused("[moe-arg-overlap]");
  expectMentions("input 'ids'");
}

TEST_F(Arguments, NeighboursDoNotOverlap) {
  float both[70];
  out[0].data = both;
  out[1].data = both + 60;
  EXPECT_EQ(call(), MOE_OK) << message();
}

TEST_F(Arguments, NoElementsOverlapNothing) {
  in[0] = makeTensor(MOE_I64, {2, 0}, cache + 4);
  out[0] = makeTensor(MOE_F32, {2, 0, 3}, cache);
  out[1] = makeTensor(MOE_F32, {0}, cache + 2);
  EXPECT_EQ(call(), MOE_OK) << message();
}

TEST_F(Arguments, MemoryBehindTheEndOfTheAddressSpace) {
  // A tensor that cannot exist; it is refused before anything reads it.
  out[1].data = reinterpret_cast<void *>(UINTPTR_MAX - 7);
  tables.inputs.push_back(makeArgument("last", MOE_U8, {fixed(1)}));
  in.push_back(
      makeTensor(MOE_U8, {1}, reinterpret_cast<void *>(UINTPTR_MAX - 1)));
  expectRefused("[moe-arg-overlap]");
}

TEST_F(Arguments, OutputShapes) {
  make();
  moe_tensor shapes[2];
  ASSERT_EQ(moe_ctx_output_shapes(ctx->handle, &tables.function, in.data(),
                                  in.size(), shapes, 2),
            MOE_OK)
      << message();
  EXPECT_EQ(shapes[0].rank, 3);
  EXPECT_EQ(shapes[0].dtype, MOE_F32);
  EXPECT_EQ(shapes[0].data, nullptr);
  EXPECT_EQ(shapes[0].shape[1], 10);
  EXPECT_EQ(shapes[1].shape[0], 10);
}

TEST_F(Arguments, OutputShapesChecksWhatItUses) {
  make();
  moe_tensor shapes[2];
  int32_t status = moe_ctx_output_shapes(ctx->handle, &tables.function,
                                         in.data(), in.size(), shapes, 1);
  expectError(status, ctx->handle, MOE_INVALID_ARGUMENT, "[moe-arg-count]");
  in[0].dtype = MOE_F32;
  status = moe_ctx_output_shapes(ctx->handle, &tables.function, in.data(),
                                 in.size(), shapes, 2);
  expectError(status, ctx->handle, MOE_INVALID_ARGUMENT, "[moe-arg-dtype]");
}
