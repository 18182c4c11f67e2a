//===- ModuleTest.cpp - Checks of what a module says of itself ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Module.h"
#include "Support.h"

#include <functional>

using namespace moe::rt;
using namespace moe::rt::test;

namespace {
/// A module in which every table has an entry.
struct FullModule : TestModule {
  moe_weight_source source = {};

  FullModule() {
    symbols = {"batch", "past"};
    inputs = {makeArgument("ids", MOE_I64, {symbolic(0)}),
              makeArgument("past", MOE_I64, {})};
    inputs[0].has_range = 1;
    inputs[0].upper = 10;
    inputs[1].value_symbol = 1;
    outputs = {makeArgument("logits", MOE_F32, {symbolic(0), fixed(3)}),
               makeArgument("ids", MOE_I64, {symbolic(0)})};
    outputs[1].tied_input = 0;
    moe_limit limit = {};
    limit.num_terms = 2;
    limit.terms[1] = 1;
    limit.bound_symbol = -1;
    limit.bound = 5;
    limits = {limit};
    source.tensor = "w.{e}";
    source.per_expert = 1;
    source.rank = 1;
    source.shape[0] = 4;
    moe_weight weight = {};
    weight.name = "w";
    weight.dtype = MOE_F32;
    weight.rank = 1;
    weight.experts = 2;
    weight.shape[0] = 4;
    weight.strides[0] = 1;
    weight.num_sources = 1;
    weight.sources = &source;
    weights = {weight};
  }
};
} // namespace

static void expectMalformed(const std::function<void(FullModule &)> &damage) {
  FullModule tables;
  damage(tables);
  moe_error error;
  int32_t status = checkModule(*tables.get(), &error);
  expectError(status, error, MOE_INVALID_DATA, "[moe-module-malformed]");
}

TEST(Module, GoodTables) {
  FullModule tables;
  moe_error error;
  EXPECT_EQ(checkModule(*tables.get(), &error), MOE_OK) << error.message;
  EXPECT_EQ(countPassedOutputs(tables.function), 1u);
}

TEST(Module, AnotherAbiVersion) {
  FullModule tables;
  tables.get();
  tables.module.abi_version = MOE_ABI_VERSION + 1;
  moe_error error;
  expectError(checkModule(tables.module, &error), error, MOE_UNSUPPORTED,
              "[moe-module-abi]");
}

TEST(Module, AnotherSize) {
  FullModule tables;
  tables.get();
  tables.module.struct_size -= 8;
  moe_error error;
  expectError(checkModule(tables.module, &error), error, MOE_UNSUPPORTED,
              "[moe-module-size]");
}

TEST(Module, DamagedTables) {
  FullModule tables;
  tables.get();
  tables.module.functions = nullptr;
  moe_error error;
  expectError(checkModule(tables.module, &error), error, MOE_INVALID_DATA,
              "[moe-module-malformed]");
  tables.get();
  tables.module.num_weights = -1;
  EXPECT_EQ(checkModule(tables.module, &error), MOE_INVALID_DATA);
  tables.get();
  tables.function.inputs = nullptr;
  EXPECT_EQ(checkModule(tables.module, &error), MOE_INVALID_DATA);
}

TEST(Module, DamagedFunction) {
  expectMalformed([](FullModule &m) { m.entry = nullptr; });
  expectMalformed([](FullModule &m) { m.symbols[0] = nullptr; });
  expectMalformed([](FullModule &m) { m.limits[0].num_terms = 5; });
  expectMalformed([](FullModule &m) { m.limits[0].num_terms = -1; });
  expectMalformed([](FullModule &m) { m.limits[0].terms[0] = 2; });
  expectMalformed([](FullModule &m) { m.limits[0].terms[0] = -1; });
  expectMalformed([](FullModule &m) { m.limits[0].bound_symbol = 2; });
}

TEST(Module, LimitOfAnUnknownSize) {
  expectMalformed([](FullModule &m) { m.inputs[1].value_symbol = -1; });
  // A product gives none of its factors a value.
  expectMalformed([](FullModule &m) { m.inputs[0].shape[0].symbols[1] = 1; });
  expectMalformed([](FullModule &m) {
    m.symbols.push_back("max");
    m.limits[0].bound_symbol = 2;
  });
}

TEST(Module, DamagedArgument) {
  expectMalformed([](FullModule &m) { m.inputs[0].name = nullptr; });
  expectMalformed([](FullModule &m) { m.inputs[0].dtype = 0; });
  expectMalformed([](FullModule &m) { m.inputs[0].rank = 9; });
  expectMalformed([](FullModule &m) { m.inputs[0].rank = -1; });
  expectMalformed([](FullModule &m) { m.inputs[0].shape[0].extent = -1; });
  expectMalformed([](FullModule &m) { m.inputs[0].shape[0].symbols[0] = 2; });
  expectMalformed([](FullModule &m) { m.outputs[0].shape[1].symbols[1] = 2; });
  expectMalformed([](FullModule &m) { m.outputs[1].tied_input = 2; });
  expectMalformed([](FullModule &m) { m.inputs[1].value_symbol = 2; });
  expectMalformed([](FullModule &m) { m.inputs[0].value_symbol = 1; });
  expectMalformed([](FullModule &m) { m.inputs[1].dtype = MOE_F32; });
  expectMalformed([](FullModule &m) { m.inputs[0].dtype = MOE_F32; });
}

TEST(Module, DamagedWeight) {
  expectMalformed([](FullModule &m) { m.weights[0].name = nullptr; });
  expectMalformed([](FullModule &m) { m.weights[0].dtype = 99; });
  expectMalformed([](FullModule &m) { m.weights[0].rank = 9; });
  expectMalformed([](FullModule &m) { m.weights[0].shape[0] = -1; });
  expectMalformed([](FullModule &m) { m.weights[0].experts = -1; });
  expectMalformed([](FullModule &m) { m.weights[0].experts = 0; });
  expectMalformed([](FullModule &m) { m.weights[0].num_sources = 3; });
  expectMalformed([](FullModule &m) { m.weights[0].num_sources = 0; });
  expectMalformed([](FullModule &m) { m.weights[0].sources = nullptr; });
  expectMalformed([](FullModule &m) { m.source.tensor = nullptr; });
  expectMalformed([](FullModule &m) { m.source.tensor = "w.0"; });
  expectMalformed([](FullModule &m) { m.source.rank = 9; });
  expectMalformed([](FullModule &m) { m.source.shape[0] = -1; });
}

/// A module with two packed weights, of which the second lies beside the first.
static void pack(FullModule &tables) {
  moe_weight &weight = tables.weights[0];
  weight.rank = tables.source.rank = 2;
  weight.shape[0] = weight.shape[1] = weight.strides[0] = 4;
  weight.strides[1] = 1;
  tables.source.shape[1] = 4;
  weight.packing.panel = 8;
  weight.packing.depth = 1;
  weight.packing.ways = 2;
  tables.weights.push_back(weight);
  tables.weights[1].packing.way = 1;
}

TEST(Module, PackedWeights) {
  FullModule tables;
  pack(tables);
  moe_error error;
  EXPECT_EQ(checkModule(*tables.get(), &error), MOE_OK) << error.message;
}

TEST(Module, DamagedQuantization) {
  auto quantize = [](FullModule &tables) {
    pack(tables);
    for (moe_weight &weight : tables.weights) {
      weight.dtype = MOE_F32;
      weight.packing.depth = 4;
      weight.quantization.bits = 8;
      weight.quantization.scale_dtype = MOE_BF16;
      weight.quantization.group = 4;
    }
  };
  FullModule good;
  quantize(good);
  moe_error error;
  EXPECT_EQ(checkModule(*good.get(), &error), MOE_OK) << error.message;
  auto expectBad = [&](auto damage) {
    expectMalformed([&](FullModule &tables) {
      quantize(tables);
      damage(tables.weights[0]);
    });
  };
  expectBad([](moe_weight &w) { w.quantization.bits = 0; });
  expectBad([](moe_weight &w) { w.quantization.bits = 5; });
  expectBad([](moe_weight &w) { w.quantization.bits = 4; });
  expectBad([](moe_weight &w) { w.quantization.group = 0; });
  expectBad([](moe_weight &w) { w.quantization.group = 3; });
  expectBad([](moe_weight &w) { w.quantization.group = 8; });
  expectBad([](moe_weight &w) { w.quantization.scale_dtype = MOE_I32; });
  expectBad([](moe_weight &w) { w.quantization.scale_dtype = MOE_F32; });
  expectBad([](moe_weight &w) { w.quantization.zero_points = 2; });
  expectBad([](moe_weight &w) { w.quantization.zero_points = 1; });
  expectBad([](moe_weight &w) { w.packing.depth = 8; });
  expectBad([](moe_weight &w) { w.dtype = MOE_I32; });
}

/// Weight 0 of three has the codes, 1 the scales, 2 is put together.
static void encode(FullModule &tables) {
  moe_weight codes = tables.weights[0];
  codes.dtype = MOE_I32;
  codes.experts = 1;
  codes.rank = 2;
  codes.shape[0] = 4;
  codes.shape[1] = 2;
  moe_weight scales = codes, weight = codes;
  scales.dtype = weight.dtype = MOE_F32;
  scales.shape[1] = 2;
  weight.shape[1] = 16;
  weight.num_sources = 0;
  weight.sources = nullptr;
  weight.quantization.bits = 4;
  weight.quantization.scale_dtype = MOE_F32;
  weight.quantization.group = 8;
  weight.encoding.is_encoded = 1;
  weight.encoding.codes = 0;
  weight.encoding.scales = 1;
  weight.encoding.zeros = weight.encoding.groups = -1;
  for (uint8_t i = 0; i < 8; ++i)
    weight.encoding.order[i] = i;
  tables.weights = {codes, scales, weight};
}

TEST(Module, DamagedEncoding) {
  FullModule good;
  encode(good);
  moe_error error;
  EXPECT_EQ(checkModule(*good.get(), &error), MOE_OK) << error.message;
  auto expectBad = [](auto damage) {
    expectMalformed([&](FullModule &tables) {
      encode(tables);
      damage(tables.weights[2], tables);
    });
  };
  expectBad([](auto &w, auto &) { w.encoding.is_encoded = 0; });
  expectBad([](auto &w, auto &) { w.encoding.is_encoded = 2; });
  expectBad([](auto &w, auto &) { w.encoding.codes = 2; });
  expectBad([](auto &w, auto &) { w.encoding.codes = -1; });
  expectBad([](auto &w, auto &) { w.encoding.scales = 0; });
  expectBad([](auto &w, auto &) { w.encoding.zeros = 3; });
  expectBad([](auto &w, auto &) { w.encoding.zeros = 1; });
  expectBad([](auto &w, auto &) { w.encoding.groups = 0; });
  expectBad([](auto &w, auto &) { w.encoding.groups = -2; });
  expectBad([](auto &w, auto &) { w.encoding.zero_offset = 2; });
  expectBad([](auto &w, auto &) { w.encoding.order[0] = 1; });
  expectBad([](auto &w, auto &) { w.encoding.order[7] = 255; });
  expectBad([](auto &w, auto &) { w.quantization.zero_points = 1; });
  expectBad([](auto &w, auto &) { w.quantization.codes = 2; });
  expectBad([](auto &w, auto &) { w.quantization.bits = 0; });
  expectBad([](auto &w, auto &) { w.num_sources = 1; });
  expectBad([](auto &w, auto &) { w.experts = 2; });
  expectBad([](auto &w, auto &) { w.shape[1] = 8; });
  expectBad([](auto &, auto &t) { t.weights[0].dtype = MOE_I8; });
  expectBad([](auto &, auto &t) { t.weights[0].rank = 1; });
  expectBad([](auto &, auto &t) { t.weights[1].shape[0] = 3; });
  // The other way round: e2m1 without an encoding.
  expectMalformed([](FullModule &tables) {
    encode(tables);
    moe_weight &weight = tables.weights[2];
    weight.quantization.codes = MOE_CODES_E2M1;
    weight.encoding = {};
    weight.num_sources = 1;
    weight.sources = &tables.source;
  });
}

TEST(Module, DamagedPacking) {
  auto expectBad = [](auto damage) {
    expectMalformed([&](FullModule &tables) {
      pack(tables);
      damage(tables.weights[0].packing, tables.weights[1].packing, tables);
    });
  };
  expectBad([](auto &first, auto &, auto &) { first.panel = -1; });
  expectBad([](auto &first, auto &, auto &) { first.panel = 0; });
  expectBad([](auto &first, auto &, auto &) { first.depth = 0; });
  expectBad([](auto &, auto &second, auto &) { second.way = 2; });
  expectBad([](auto &, auto &second, auto &) { second.way = -1; });
  expectBad([](auto &, auto &second, auto &) { second.owner = 1; });
  expectBad([](auto &, auto &second, auto &) { second.owner = -1; });
  expectBad([](auto &first, auto &, auto &) { first.owner = 1; });
  expectBad([](auto &, auto &second, auto &) { second.panel = 4; });
  expectBad([](auto &, auto &, auto &t) { t.weights[1].dtype = MOE_BF16; });
  expectBad([](auto &, auto &, auto &t) { t.weights[1].shape[0] = 2; });
  expectBad([](auto &, auto &, auto &t) { t.weights[1].experts = 1; });
  expectBad([](auto &, auto &, auto &t) {
    t.weights[0].shape[0] = t.weights[1].shape[0] = 0;
  });
}

TEST(Module, FindsFunctionsByName) {
  FullModule tables;
  const moe_module *module = tables.get();
  EXPECT_EQ(moe_module_find(module, "forward"), &tables.function);
  EXPECT_EQ(moe_module_find(module, "backward"), nullptr);
  EXPECT_EQ(moe_module_find(module, nullptr), nullptr);
  EXPECT_EQ(moe_module_find(nullptr, "forward"), nullptr);
}
