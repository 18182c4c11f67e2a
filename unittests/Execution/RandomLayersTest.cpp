//===- RandomLayersTest.cpp - Compiled layers against the oracle
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each layer is compiled once and run with several numbers of tokens and kinds
// of load. The oracle gets the same logits; ids must be equal wherever the keys
// differ by more than rounding, counts and positions always (given the ids),
// floats to 1e-5 of the row's largest magnitude.
//
// MOE_TEST_SEED=N runs a single layer again, MOE_TEST_LAYERS=N fewer layers
// (sanitizers take their time).
//
//===----------------------------------------------------------------------===//

#include "Layer.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <cinttypes>
#include <cmath>
#include <functional>
#include <numeric>

using namespace moe;
using mlir::moe::Activations;
using mlir::moe::ExpertFormat;
using mlir::moe::ExpertQuantization;
using namespace moe::test;

namespace {

constexpr double kTolerance = 1e-5;
/// Of results when the rows that experts get are rounded to bf16, which has 8
/// bits, twice.
constexpr double kRoundedTolerance = 2e-2;
/// Of rows rounded to 8-bit codes twice: each element is off by up to 1/254 of
/// the largest of its row, and results near 0 are differences of such sums.
constexpr double kQuantizedTolerance = 1.5e-1;
constexpr uint64_t kLayers = 130; ///< compiled layers
constexpr int kRunsPerLayer = 4;  ///< calls of each

moe_normalize_attrs normalize(double p, int32_t mode = MOE_EPS_NONE,
                              double eps = 0) {
  return {MOE_NORMALIZE_LP, mode, p, eps};
}

/// The policies of published models; random ones follow.
using Preset = void (*)(LayerSpec &);
const Preset presets[] = {
    [](LayerSpec &s) { s.router.normalize = normalize(1); }, // Mixtral
    [](LayerSpec &) {},                                      // OLMoE, Jamba
    [](LayerSpec &s) { s.router.normalize = normalize(2); }, // DBRX's form
    [](LayerSpec &s) {                                       // gpt-oss
      s.router.score_domain = MOE_DOMAIN_SELECTED;
      s.router.key = MOE_KEY_LOGIT;
    },
    [](LayerSpec &s) { // DeepSeek-V3
      s.experts = 8, s.topK = 3, s.bias = true;
      s.router.score = MOE_SCORE_SIGMOID;
      s.router.num_groups = 4, s.router.groups_kept = 2;
      s.router.group_score = MOE_GROUP_SUM_TOP, s.router.group_top = 2;
      s.router.normalize = normalize(1, MOE_EPS_ADD, 1e-20);
      s.router.scale = 2.5;
    },
    [](LayerSpec &s) { // DeepSeek-V2
      s.experts = 60, s.topK = 6;
      s.router.num_groups = 10, s.router.groups_kept = 3;
      s.router.group_top = 1;
      s.router.group_fill = MOE_FILL_ZERO, s.router.scale = 16;
    },
    [](LayerSpec &s) { // ERNIE-4.5
      s.bias = true;
      s.router.normalize = normalize(1, MOE_EPS_CLAMP, 1e-12);
    },
    [](LayerSpec &s) { // Llama 4
      s.topK = 1, s.weightAtInput = true;
      s.router.score = MOE_SCORE_SIGMOID, s.router.key = MOE_KEY_LOGIT;
    },
    [](LayerSpec &s) { // Phi-3.5: SparseMixer
      s.topK = 2;
      s.router.score_domain = MOE_DOMAIN_THRESHOLD;
      s.router.selection = MOE_SELECT_SEQUENTIAL;
      s.router.key = MOE_KEY_LOGIT, s.router.threshold = 0.02;
    },
    [](LayerSpec &s) { // Skywork
      s.router.logit_norm = MOE_LOGIT_ZSCORE, s.router.logit_norm_value = 1;
    },
    [](LayerSpec &s) { // DeepSeek-V4
      s.bias = true;
      s.router.score = MOE_SCORE_SQRT_SOFTPLUS;
      s.router.normalize = normalize(1, MOE_EPS_ADD, 1e-20);
      s.router.scale = 1.5;
    },
    [](LayerSpec &s) { // hash routing
      s.router.selection = MOE_SELECT_TABLE;
      s.router.normalize = normalize(1, MOE_EPS_ADD, 1e-20);
    },
    [](LayerSpec &s) { // LongCat: zero-computation experts
      s.experts = 60, s.topK = 8, s.identity = 20, s.bias = true;
      s.router.scale = 6;
    },
    [](LayerSpec &s) { s.experts = 8, s.zero = 1, s.bias = true; },
    [](LayerSpec &s) { // Gemma 4: a factor per expert
      s.expertScale = true, s.router.normalize = normalize(1);
    },
    [](LayerSpec &s) { // GShard
      s.router.normalize = normalize(1, MOE_EPS_ADD, 1e-9);
      s.hasCapacity = true, s.overflow = MOE_OVERFLOW_ZERO;
      s.capacity = {MOE_CAPACITY_TOKENS_PER_EXPERT, MOE_ROUND_CEIL, 1.25, 4, 0};
    },
    [](LayerSpec &s) { // Switch
      s.topK = 1, s.hasCapacity = true, s.overflow = MOE_OVERFLOW_ZERO;
      s.capacity = {MOE_CAPACITY_TOKENS_PER_EXPERT, MOE_ROUND_NEAREST_EVEN, 1,
                    1, 4};
    },
    [](LayerSpec &s) { // Switch with the residual policy
      s.topK = 1, s.hasCapacity = true, s.overflow = MOE_OVERFLOW_RESIDUAL;
      s.capacity = {MOE_CAPACITY_FIXED, MOE_ROUND_CEIL, 3, 1, 0};
    },
    [](LayerSpec &s) { // NLLB
      s.hasCapacity = true, s.overflow = MOE_OVERFLOW_ZERO;
      s.priority = MOE_PRIORITY_BATCH;
      s.capacity = {MOE_CAPACITY_TOKENS, MOE_ROUND_CEIL, 0.2, 1, 0};
      s.renormalize = normalize(1, MOE_EPS_CLAMP, 1.1920929e-7);
    },
    [](LayerSpec &s) { // V-MoE
      s.hasCapacity = true, s.overflow = MOE_OVERFLOW_ZERO;
      s.priority = MOE_PRIORITY_BATCH;
      s.capacity = {MOE_CAPACITY_SLOTS_PER_EXPERT, MOE_ROUND_CEIL, 1.05, 4, 0};
    },
    [](LayerSpec &s) { // OpenMoE
      s.hasCapacity = true, s.overflow = MOE_OVERFLOW_ZERO;
      s.capacity = {MOE_CAPACITY_SLOTS_PER_EXPERT, MOE_ROUND_FLOOR, 0.5, 2, 4};
    },
    [](LayerSpec &s) { // a capacity per sequence
      s.hasCapacity = true, s.overflow = MOE_OVERFLOW_ZERO, s.segments = true;
      s.priority = MOE_PRIORITY_BATCH;
      s.capacity = {MOE_CAPACITY_FIXED, MOE_ROUND_CEIL, 2, 1, 0};
    },
    [](LayerSpec &s) { // dense
      s.experts = s.topK = 3;
    },
};
constexpr size_t kPresets = sizeof(presets) / sizeof(presets[0]);

/// A policy of any valid combination.
void randomPolicy(LayerSpec &s, std::mt19937_64 &random) {
  auto chance = [&](double p) {
    return std::uniform_real_distribution<>(0, 1)(random) < p;
  };
  auto below = [&](int64_t n) { return static_cast<int64_t>(random() % n); };
  moe_router_attrs &r = s.router;
  r.score = below(4);
  r.score_domain = below(2);
  r.key = below(2);
  if (chance(0.2))
    r.selection = MOE_SELECT_SEQUENTIAL;
  if (chance(0.3)) {
    r.logit_norm = 1 + below(3);
    r.logit_norm_value = 0.5 + 0.5 * below(4);
  }
  s.bias = chance(0.4);
  s.expertScale = chance(0.2);
  if (chance(0.3))
    for (int64_t groups : {4, 3, 2})
      if (s.experts % groups == 0) {
        r.num_groups = groups;
        r.groups_kept = 1 + below(groups);
        r.group_score = below(2);
        r.group_fill = below(2);
        r.group_top = r.group_score == MOE_GROUP_SUM_TOP
                          ? 1 + below(s.experts / groups)
                          : 1;
        break;
      }
  // Identity scores may be negative or cancel: a norm of them says little.
  if (r.score != MOE_SCORE_IDENTITY && chance(0.5))
    r.normalize = normalize(1 + below(3), below(3), 1e-9);
  if (r.normalize.eps_mode == MOE_EPS_NONE)
    r.normalize.eps = 0;
  if (chance(0.3))
    r.scale = 0.5 + below(4);
  if (chance(0.6)) {
    s.hasCapacity = true;
    // Weights of both signs on the same token cancel: no residual with them.
    s.overflow =
        r.score == MOE_SCORE_IDENTITY ? MOE_OVERFLOW_ZERO : 1 + below(2);
    s.priority = below(2);
    s.segments = chance(0.3);
    s.capacity.basis = below(4);
    const double factors[] = {2.0 + below(6), 0.5 + 0.25 * below(6),
                              0.5 + 0.25 * below(6), 0.1 + 0.1 * below(5)};
    s.capacity.factor = factors[s.capacity.basis];
    s.capacity.rounding = below(3);
    s.capacity.multiple_of = 1 + below(4);
    s.capacity.at_least = below(5);
    if (r.score != MOE_SCORE_IDENTITY && chance(0.3))
      s.renormalize = normalize(1, MOE_EPS_ADD, 1e-9);
  }
  s.weightAtInput = !s.hasCapacity && chance(0.2);
}

LayerSpec makeSpec(uint64_t seed, std::mt19937_64 &random) {
  auto below = [&](int64_t n) { return static_cast<int64_t>(random() % n); };
  LayerSpec spec;
  spec.router.scale = 1;
  const int64_t experts[] = {1, 3, 8, 60, 128};
  // Wide enough for one cancelled sum not to decide the whole row.
  spec.hidden = 9 + below(40);
  spec.width = 9 + below(50);
  const int32_t dtypes[] = {MOE_F32, MOE_BF16, MOE_F16};
  spec.dtype = dtypes[below(3)];
  spec.weightsPerExpert = below(2);
  if (seed < kPresets) {
    presets[seed](spec);
    return spec;
  }
  spec.experts = experts[below(5)];
  spec.topK = 1 + below(std::min<int64_t>(spec.experts, below(4) ? 8 : 128));
  randomPolicy(spec, random);
  if (spec.experts >= 8 && spec.router.score != MOE_SCORE_IDENTITY &&
      below(5) == 0)
    spec.identity = 1 + below(3), spec.zero = below(3);
  return spec;
}

enum class Load { Uniform, Skewed, AllToOne, SomeEmpty };

void fillInputs(const LayerSpec &spec, LayerInputs &inputs, Load load,
                std::mt19937_64 &random) {
  std::normal_distribution<float> normal;
  auto fill = [&](Tensor &tensor, float mean, float deviation) {
    for (int64_t i = 0, n = tensor.size(); i < n; ++i)
      tensor.f32()[i] = mean + deviation * normal(random);
  };
  fill(inputs.x, 0, 1);
  fill(inputs.logits, 0, 1.5f);
  fill(inputs.bias, 0, 0.3f);
  fill(inputs.expertScale, 1, 0.2f);
  int64_t tokens = inputs.logits.dim(0);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t e = 0; e < spec.experts; ++e) {
      float &z = inputs.logits.f32()[t * spec.experts + e];
      if (load == Load::Skewed)
        z -= 2 * std::log(1.0f + e);
      if (load == Load::AllToOne && e == spec.experts / 2)
        z += 20;
      if (load == Load::SomeEmpty && e % 2 == 0)
        z -= 20;
    }
  for (int64_t i = 0, n = inputs.table.size(); i < n; ++i)
    inputs.table.i32()[i] =
        static_cast<int32_t>(random() % (spec.experts + 1)) - 1;
}

/// The keys of one token, in f64: what docs/spec/router.md compares. Group
/// limits are left out.
std::vector<double> computeKeys(const LayerSpec &spec,
                                const LayerInputs &inputs, int64_t token) {
  const moe_router_attrs &r = spec.router;
  int64_t experts = spec.experts;
  const float *logits = inputs.logits.f32() + token * experts;
  std::vector<double> z(logits, logits + experts);
  double mean = 0, variance = 0;
  for (double value : z)
    mean += value / experts;
  for (double value : z)
    variance += (value - mean) * (value - mean) / experts;
  for (double &value : z) {
    if (r.logit_norm == MOE_LOGIT_ZSCORE)
      value = r.logit_norm_value * (value - mean) / std::sqrt(variance);
    if (r.logit_norm == MOE_LOGIT_SOFTCAP)
      value = r.logit_norm_value * std::tanh(value / r.logit_norm_value);
    if (r.logit_norm == MOE_LOGIT_SCALE)
      value *= r.logit_norm_value;
  }
  if (r.key == MOE_KEY_SCORE && (spec.bias || r.num_groups)) {
    double sum = 0;
    for (double value : z)
      sum += std::exp(value);
    for (double &value : z) {
      if (r.score == MOE_SCORE_SOFTMAX)
        value = std::exp(value) / sum;
      else if (r.score == MOE_SCORE_SIGMOID)
        value = 1 / (1 + std::exp(-value));
      else if (r.score == MOE_SCORE_SQRT_SOFTPLUS)
        value = std::sqrt(std::log1p(std::exp(value)));
    }
  }
  if (spec.bias)
    for (int64_t e = 0; e < experts; ++e)
      z[e] += inputs.bias.f32()[e];
  return z;
}

/// Keys, or sums of some, that are closer than f32 can tell.
bool areClose(double a, double b, double largest) {
  return std::fabs(a - b) <= 1e-6 * largest;
}

/// Whether it is open which groups are kept: the last of them and the first of
/// the others have scores that are close.
bool areGroupsClose(const LayerSpec &spec, const std::vector<double> &keys,
                    double largest) {
  const moe_router_attrs &r = spec.router;
  if (r.num_groups == 0 || r.groups_kept == r.num_groups)
    return false;
  int64_t size = spec.experts / r.num_groups;
  int64_t top = r.group_score == MOE_GROUP_MAX ? 1 : r.group_top;
  std::vector<double> scores;
  for (auto first = keys.begin(); first != keys.end(); first += size) {
    std::vector<double> group(first, first + size);
    llvm::sort(group, std::greater<>());
    scores.push_back(std::accumulate(group.begin(), group.begin() + top, 0.0));
  }
  llvm::sort(scores, std::greater<>());
  return areClose(scores[r.groups_kept - 1], scores[r.groups_kept],
                  largest * double(top));
}

/// Rows in which the ids differ. Each must be explained: the keys of the two
/// experts at the same place are close, or the scores of groups.
std::vector<int64_t> compareIds(const LayerSpec &spec,
                                const LayerInputs &inputs,
                                const LayerOutputs &got,
                                const LayerOutputs &want) {
  std::vector<int64_t> differing;
  int64_t unexplained = 0;
  for (int64_t t = 0, n = got.ids.dim(0); t < n; ++t) {
    const int32_t *mine = got.ids.i32() + t * spec.topK;
    const int32_t *theirs = want.ids.i32() + t * spec.topK;
    if (std::equal(mine, mine + spec.topK, theirs))
      continue;
    differing.push_back(t);
    std::vector<double> keys = computeKeys(spec, inputs, t);
    double largest = 0;
    for (double key : keys)
      largest = std::fmax(largest, std::fabs(key));
    bool areKeysClose = true;
    for (int64_t j = 0; j < spec.topK; ++j)
      areKeysClose &= areClose(keys[mine[j]], keys[theirs[j]], largest);
    if (!areKeysClose && !areGroupsClose(spec, keys, largest))
      ++unexplained;
  }
  EXPECT_EQ(unexplained, 0) << "rows with other ids";
  return differing;
}

double getTolerance(Activations activations) {
  switch (activations) {
  case Activations::F32:
    return kTolerance;
  case Activations::BF16:
    return kRoundedTolerance;
  case Activations::Int8:
  case Activations::Int8Grouped:
    return kQuantizedTolerance;
  }
  llvm_unreachable("all types are handled");
}

/// Runs one layer with several inputs; returns how many calls were compared.
int runLayer(uint64_t seed, const SessionOptions &options) {
  std::mt19937_64 random(seed * 7919 + 17);
  LayerSpec spec = makeSpec(seed, random);
  if (options.activations == Activations::BF16)
    spec.dtype = MOE_BF16;
  SCOPED_TRACE("MOE_TEST_SEED=" + std::to_string(seed) + ": " +
               spec.describe());
  ExpertWeights weights(spec, random);
  std::string error;
  auto layer = CompiledLayer::compile(spec, weights, options, error);
  if (options.quantization.format != ExpertFormat::Stored)
    weights = weights.quantize(options.quantization);
  if (!layer) {
    ADD_FAILURE() << error;
    return 0;
  }
  for (int run = 0; run < kRunsPerLayer; ++run) {
    const int64_t sizes[] = {0, 1, static_cast<int64_t>(2 + random() % 40),
                             static_cast<int64_t>(41 + random() % 260)};
    int64_t tokens = sizes[run];
    Load load = static_cast<Load>((seed + run) % 4);
    SCOPED_TRACE("T = " + std::to_string(tokens) +
                 ", load = " + std::to_string(static_cast<int>(load)));
    LayerInputs inputs(spec, tokens);
    fillInputs(spec, inputs, load, random);
    LayerOutputs got(spec, tokens), want(spec, tokens);
    EXPECT_EQ(layer->run(inputs, got), "");
    EXPECT_EQ(referenceRouter(spec, inputs, want), "");
    std::vector<int64_t> differing = compareIds(spec, inputs, got, want);
    if (!differing.empty())
      std::printf("seed %llu: %zu of %lld rows have other ids\n",
                  static_cast<unsigned long long>(seed), differing.size(),
                  static_cast<long long>(tokens));
    // The weights of other ids say nothing; those of all other rows count.
    for (int64_t t : differing)
      std::memcpy(want.weights.f32() + t * spec.topK,
                  got.weights.f32() + t * spec.topK, 4 * spec.topK);
    EXPECT_LE(rowError(got.weights, want.weights), kTolerance) << "weights";
    // From here on the oracle follows the compiled router.
    std::memcpy(want.ids.data(), got.ids.data(), 4 * got.ids.size());
    std::memcpy(want.weights.data(), got.weights.data(),
                4 * got.weights.size());
    EXPECT_EQ(referenceLayer(spec, weights, inputs, want), "");
    auto same = [](const Tensor &a, const Tensor &b) {
      return a.size() == 0 || std::memcmp(a.i32(), b.i32(), 4 * a.size()) == 0;
    };
    EXPECT_TRUE(same(got.counts, want.counts)) << "counts";
    EXPECT_TRUE(same(got.offsets, want.offsets)) << "offsets";
    EXPECT_TRUE(same(got.position, want.position)) << "position";
    EXPECT_LE(rowError(got.planned, want.planned), kTolerance) << "planned";
    EXPECT_LE(rowError(got.y, want.y), getTolerance(options.activations))
        << "y";
  }
  return kRunsPerLayer;
}

void runLayers(const SessionOptions &options, uint64_t firstSeed,
               uint64_t layers = kLayers) {
  if (const char *seed = std::getenv("MOE_TEST_SEED")) {
    runLayer(std::strtoull(seed, nullptr, 10), options);
    return;
  }
  if (const char *count = std::getenv("MOE_TEST_LAYERS"))
    layers = std::max<uint64_t>(kPresets, std::strtoull(count, nullptr, 10));
  int cases = 0;
  for (uint64_t i = 0; i < layers; ++i) {
    // The presets run in any case.
    cases += runLayer(i < kPresets ? i : firstSeed + i, options);
    if (testing::Test::HasFailure())
      break; // the others would fail for the same reason
  }
  std::printf("%d cases, seeds 0..%zu and %" PRIu64 "..%" PRIu64 "\n", cases,
              kPresets - 1, firstSeed + kPresets, firstSeed + layers - 1);
}

TEST(RandomLayers, EqualTheOracle) { runLayers({}, 0); }

TEST(RandomLayers, EqualTheOracleForHaswell) {
  SessionOptions options;
  options.targetCPU = "haswell";
  runLayers(options, 1000);
}

TEST(RandomLayers, RowsRoundedToBF16) {
  SessionOptions options;
  options.activations = Activations::BF16;
  runLayers(options, 2000, 40);
}

TEST(RandomLayers, RowsRoundedToBF16ForHaswell) {
  SessionOptions options;
  options.activations = Activations::BF16;
  options.targetCPU = "haswell";
  runLayers(options, 3000, 40);
}

constexpr int kQuantizedLayers = 3; ///< per kind of codes

/// Codes, with and without zeros, of rows of all sorts of lengths.
const ExpertQuantization quantizations[] = {{ExpertFormat::Int8},
                                            {ExpertFormat::Int8, 8, true},
                                            {ExpertFormat::Int4},
                                            {ExpertFormat::Int4, 0},
                                            {ExpertFormat::Int4, 8, true}};

void runQuantizedLayers(SessionOptions options, uint64_t firstSeed) {
  for (const ExpertQuantization &quantization : quantizations) {
    SCOPED_TRACE(std::to_string(quantization.getBits()) + " bits, group " +
                 std::to_string(quantization.getGroup()) +
                 (quantization.zeroPoints ? ", zero points" : ""));
    options.quantization = quantization;
    for (int i = 0; i < kQuantizedLayers && !testing::Test::HasFailure(); ++i)
      runLayer(firstSeed++, options);
  }
}

TEST(RandomLayers, QuantizedWeights) { runQuantizedLayers({}, 4000); }

TEST(RandomLayers, QuantizedWeightsForHaswell) {
  SessionOptions options;
  options.targetCPU = "haswell";
  runQuantizedLayers(options, 5000);
}

TEST(RandomLayers, QuantizedWeightsByTheReferencePath) {
  SessionOptions options;
  options.reference = true;
  runQuantizedLayers(options, 6000);
}

/// Rows with a scale each, and with one for each run of columns.
void runQuantizedRows(SessionOptions options, uint64_t firstSeed) {
  for (Activations rows : {Activations::Int8, Activations::Int8Grouped}) {
    SCOPED_TRACE(rows == Activations::Int8 ? "rows" : "runs of rows");
    options.activations = rows;
    runQuantizedLayers(options, firstSeed);
    firstSeed += 500;
  }
}

TEST(RandomLayers, QuantizedWeightsAndRows) { runQuantizedRows({}, 7000); }

TEST(RandomLayers, QuantizedWeightsAndRowsForHaswell) {
  SessionOptions options;
  options.targetCPU = "haswell";
  runQuantizedRows(options, 8000);
}

TEST(RandomLayers, TheReferencePathAgrees) {
  SessionOptions options;
  options.reference = true;
  for (uint64_t seed = 0; seed < kPresets; ++seed)
    runLayer(seed, options);
}

} // namespace
