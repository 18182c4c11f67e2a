//===- Routing.cpp - Which experts the tokens go to -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Routing.h"
#include "Failure.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace moe::bench;

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

/// So large that chance never decides between two experts.
static constexpr double certain = 1e6;
static constexpr double largestExponent = 100;

Expected<Load> moe::bench::parseLoad(StringRef text) {
  if (text == "uniform")
    return Load{text.str(), 0};
  if (text == "one")
    return Load{text.str(), certain};
  StringRef number = text;
  double exponent;
  if (number.consume_front("zipf:") && !number.getAsDouble(exponent) &&
      exponent >= 0 && exponent <= largestExponent)
    return Load{text.str(), exponent};
  return invalidInput("--load is '" + text +
                      "', expected uniform, one or zipf:S with S from 0 to " +
                      Twine(int(largestExponent)) +
                      "; choose one of them [moe-bench-load]");
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

/// A sample of the Gumbel distribution. The k largest of log(weight) + sample
/// are a draw of k without repetition, whatever the weights.
static double drawGumbel(std::mt19937_64 &random) {
  std::uniform_real_distribution<double> uniform(
      std::numeric_limits<double>::min(), 1);
  return -std::log(-std::log(uniform(random)));
}

/// Appends k different experts to `experts`.
static void draw(const Sizes &sizes, const Load &load, std::mt19937_64 &random,
                 std::vector<int32_t> &experts) {
  std::vector<std::pair<double, int32_t>> keys;
  for (int64_t e = 0; e < sizes.experts; ++e)
    keys.emplace_back(-load.exponent * std::log(double(e + 1)) +
                          drawGumbel(random),
                      int32_t(e));
  std::partial_sort(keys.begin(), keys.begin() + sizes.topK, keys.end(),
                    std::greater<>());
  for (int64_t j = 0; j < sizes.topK; ++j)
    experts.push_back(keys[j].second);
}

Routing::Routing(const Sizes &sizes, const Load &load,
                 std::mt19937_64 &random) {
  for (int64_t t = 0; t < sizes.tokens; ++t)
    draw(sizes, load, random, ranks);
  std::vector<int32_t> rankOf(sizes.experts, -1);
  for (int32_t &slot : ranks) {
    if (rankOf[slot] < 0)
      rankOf[slot] = int32_t(numHit++);
    slot = rankOf[slot];
  }
  order.resize(sizes.experts);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
}

int64_t Routing::getExpert(int64_t window, int64_t slot) const {
  int64_t numExperts = int64_t(order.size());
  int64_t first = window % numExperts * numHit;
  return order[(first + ranks[slot]) % numExperts];
}

std::vector<int32_t> Routing::getCounts(int64_t window) const {
  std::vector<int32_t> counts(order.size());
  for (size_t slot = 0; slot < ranks.size(); ++slot)
    ++counts[getExpert(window, slot)];
  return counts;
}

Error moe::bench::checkCounts(ArrayRef<int32_t> found,
                              ArrayRef<int32_t> expected) {
  for (auto [expert, pair] : enumerate(zip_equal(found, expected))) {
    auto [count, wanted] = pair;
    if (count != wanted)
      return mismatch("expert " + Twine(expert) + " got " + Twine(count) +
                      " tokens, expected " + Twine(wanted) +
                      " by the drawn load; the router or the plan of this "
                      "build is wrong [moe-bench-counts]");
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

/// How far the logits of a token's experts are above all others: 16 deviations
/// of the noise, too far for noise to change who is selected. Not more than 4,
/// since f32 keeps fewer digits after the point of a large logit, and all of
/// them are the relative error of a softmax.
static constexpr float strength = 4, noiseDeviation = strength / 16;

/// target[0 .. width) += factor * source[0 .. width)
static void addScaled(double *target, double factor, const double *source,
                      int64_t width) {
  for (int64_t j = 0; j < width; ++j)
    target[j] += factor * source[j];
}

/// Vectors d_e with <router row f, d_e> = 1 for f = e, else 0. By Gram-Schmidt
/// the router is L Q with a lower triangle L and rows of Q at right angles; the
/// vectors are those of L^-T Q.
static std::vector<float> makeDirections(const Sizes &sizes,
                                         ArrayRef<float> router) {
  int64_t count = sizes.experts, width = sizes.hidden;
  std::vector<double> rows(router.begin(), router.end());
  std::vector<double> lower(count * count);
  auto rowAt = [&](int64_t e) { return rows.data() + e * width; };
  auto dot = [&](const double *a, const double *b) {
    return std::inner_product(a, a + width, b, 0.0);
  };
  for (int64_t e = 0; e < count; ++e) {
    for (int64_t f = 0; f < e; ++f) {
      double share = dot(rowAt(e), rowAt(f));
      lower[e * count + f] = share;
      addScaled(rowAt(e), -share, rowAt(f), width);
    }
    double length = std::sqrt(dot(rowAt(e), rowAt(e)));
    lower[e * count + e] = length;
    for (double &value : MutableArrayRef(rowAt(e), width))
      value /= length;
  }
  for (int64_t e = count; e-- > 0;) {
    for (int64_t f = e + 1; f < count; ++f)
      addScaled(rowAt(e), -lower[f * count + e], rowAt(f), width);
    for (double &value : MutableArrayRef(rowAt(e), width))
      value /= lower[e * count + e];
  }
  return std::vector<float>(rows.begin(), rows.end());
}

Tokens::Tokens(const Sizes &sizes, ArrayRef<float> router,
               std::mt19937_64 &random)
    : sizes(sizes), directions(makeDirections(sizes, router)),
      noise(sizes.tokens * sizes.hidden) {
  std::normal_distribution<float> normal(0, noiseDeviation);
  for (float &value : noise)
    value = normal(random);
}

void Tokens::write(const Routing &routing, int64_t window, float *x) const {
  int64_t width = sizes.hidden;
  copy(noise, x);
  for (int64_t slot = 0; slot < sizes.getSlots(); ++slot) {
    const float *row =
        directions.data() + routing.getExpert(window, slot) * width;
    float *token = x + slot / sizes.topK * width;
    for (int64_t j = 0; j < width; ++j)
      token[j] += strength * row[j];
  }
}
