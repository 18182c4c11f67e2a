//===- Router.cpp - Token choice: logits to weights and ids ---------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "Ordering.h"
#include "Tensor.h"
#include "moe_rt/reference.h"

#include <cinttypes>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

using namespace moe::reference;

namespace {

/// One value per expert, or one per slot.
using Row = std::vector<double>;

/// What one token is given: one id and one weight per slot. The id -1 is
/// "none".
struct Choice {
  std::vector<int64_t> ids;
  Row weights;
};

} // namespace

//===----------------------------------------------------------------------===//
// Step 1: logits
//===----------------------------------------------------------------------===//

static Row zscore(const Row &logits, double lambda) {
  double count = static_cast<double>(logits.size());
  double mean = 0.0;
  for (double z : logits)
    mean += z;
  mean /= count;
  double variance = 0.0;
  for (double z : logits)
    variance += (z - mean) * (z - mean);
  double deviation = std::sqrt(variance / count);

  Row result;
  for (double z : logits)
    result.push_back(lambda * (z - mean) / deviation);
  return result;
}

static Row normalizedLogits(const moe_router_attrs &attrs, Row logits) {
  double c = attrs.logit_norm_value;
  switch (attrs.logit_norm) {
  case MOE_LOGIT_ZSCORE:
    return zscore(logits, c);
  case MOE_LOGIT_SOFTCAP:
    for (double &z : logits)
      z = c * std::tanh(z / c);
    return logits;
  case MOE_LOGIT_SCALE:
    for (double &z : logits)
      z = c * z;
    return logits;
  default:
    return logits;
  }
}

//===----------------------------------------------------------------------===//
// Step 2: scores
//===----------------------------------------------------------------------===//

static Row softmax(const Row &logits) {
  double largest = -std::numeric_limits<double>::infinity();
  for (double z : logits)
    largest = std::fmax(largest, z); // NaN shows up in the sum below.
  double sum = 0.0;
  for (double z : logits)
    sum += std::exp(z - largest);

  Row result;
  for (double z : logits)
    result.push_back(std::exp(z - largest) / sum);
  return result;
}

/// 1 / (1 + exp(-z)), without overflow.
static double sigmoid(double z) {
  double e = std::exp(-std::fabs(z));
  return z < 0 ? e / (1.0 + e) : 1.0 / (1.0 + e);
}

/// sqrt(log(1 + exp(z))), without overflow.
static double sqrtSoftplus(double z) {
  double positive = z < 0 ? 0.0 : z;
  return std::sqrt(positive + std::log1p(std::exp(-std::fabs(z))));
}

static Row scoresOf(int32_t score, Row logits) {
  switch (score) {
  case MOE_SCORE_SOFTMAX:
    return softmax(logits);
  case MOE_SCORE_SIGMOID:
    for (double &z : logits)
      z = sigmoid(z);
    return logits;
  case MOE_SCORE_SQRT_SOFTPLUS:
    for (double &z : logits)
      z = sqrtSoftplus(z);
    return logits;
  default: // Identity.
    return logits;
  }
}

//===----------------------------------------------------------------------===//
// Steps 3 and 4: keys and the group limit
//===----------------------------------------------------------------------===//

/// A limit that keeps all groups still compares scores.
static bool hasGroupLimit(const moe_router_attrs &attrs) {
  return attrs.num_groups > 0;
}

static Row keysOf(const moe_router_attrs &attrs, const Row &logits,
                  const Row &scores, const moe_tensor *bias) {
  // Every score is monotone: unless something is added or masked, comparing
  // logits selects the same experts, and saturated scores make no ties.
  bool compareLogits =
      attrs.key == MOE_KEY_LOGIT || (!bias && !hasGroupLimit(attrs));
  Row keys = compareLogits ? logits : scores;
  if (bias)
    for (size_t e = 0; e < keys.size(); ++e)
      keys[e] += real(*bias, e);
  return keys;
}

static double groupScore(const moe_router_attrs &attrs, const Row &keys) {
  std::vector<int64_t> order = descending(keys);
  int64_t summed = attrs.group_score == MOE_GROUP_MAX ? 1 : attrs.group_top;
  double score = 0.0;
  for (int64_t i = 0; i < summed; ++i)
    score += keys[order[i]];
  return score;
}

/// Overwrites the keys of all groups but the best `groups_kept`.
static void limitGroups(const moe_router_attrs &attrs, Row &keys) {
  int64_t size = static_cast<int64_t>(keys.size()) / attrs.num_groups;
  Row groupScores;
  for (int64_t g = 0; g < attrs.num_groups; ++g) {
    auto first = keys.begin() + g * size;
    groupScores.push_back(groupScore(attrs, Row(first, first + size)));
  }

  double fill = attrs.group_fill == MOE_FILL_ZERO
                    ? 0.0
                    : -std::numeric_limits<double>::infinity();
  std::vector<int64_t> order = descending(groupScores);
  for (int64_t i = attrs.groups_kept; i < attrs.num_groups; ++i) {
    auto first = keys.begin() + order[i] * size;
    std::fill(first, first + size, fill);
  }
}

//===----------------------------------------------------------------------===//
// Steps 5 and 6: selection and weights
//===----------------------------------------------------------------------===//

static std::vector<int64_t> selectLargest(const Row &keys, int64_t count) {
  std::vector<int64_t> ids = descending(keys);
  ids.resize(count);
  return ids;
}

static std::vector<int64_t> selectFromTable(const moe_tensor &table,
                                            int64_t token) {
  std::vector<int64_t> ids;
  for (int64_t slot = 0; slot < table.shape[1]; ++slot)
    ids.push_back(integer(table, token, slot));
  return ids;
}

/// Domain all: the scores of the selected experts.
static Row gatherScores(const Row &scores, const std::vector<int64_t> &ids) {
  Row weights;
  for (int64_t id : ids)
    weights.push_back(id < 0 ? 0.0 : scores[id]);
  return weights;
}

/// Domain selected: the score over the logits of the selected experts alone.
static Row scoreSelected(int32_t score, const Row &logits,
                         const std::vector<int64_t> &ids) {
  Row selected;
  for (int64_t id : ids)
    if (id >= 0)
      selected.push_back(logits[id]);
  selected = scoresOf(score, std::move(selected));

  Row weights;
  auto next = selected.begin();
  for (int64_t id : ids)
    weights.push_back(id < 0 ? 0.0 : *next++);
  return weights;
}

/// True when SparseMixer leaves a logit out of the set around the maximum. The
/// negated form of "at most": a distance of 0 / 0 stays in.
static bool isFarBelow(double maximum, double z, double threshold) {
  return (maximum - z) / std::fmax(std::fabs(z), maximum) > threshold;
}

/// Domain threshold: `count` times the argmax of what is left, weighted by the
/// softmax over what is left and near it.
static Choice sparseMixer(const Row &logits, int64_t count, double threshold) {
  Choice choice;
  std::vector<int64_t> left = descending(logits);
  for (int64_t slot = 0; slot < count; ++slot) {
    double maximum = logits[left.front()];
    Row near;
    for (int64_t e : left)
      if (!isFarBelow(maximum, logits[e], threshold))
        near.push_back(logits[e]);
    choice.ids.push_back(left.front());
    choice.weights.push_back(softmax(near).front());
    left.erase(left.begin());
  }
  return choice;
}

static Choice choose(const moe_router_attrs &attrs, const Row &logits,
                     const Row &scores, const moe_tensor *bias,
                     const moe_tensor *table, int64_t token) {
  if (attrs.score_domain == MOE_DOMAIN_THRESHOLD)
    return sparseMixer(logits, attrs.top_k, attrs.threshold);

  Choice choice;
  if (attrs.selection == MOE_SELECT_TABLE) {
    choice.ids = selectFromTable(*table, token);
  } else {
    Row keys = keysOf(attrs, logits, scores, bias);
    if (hasGroupLimit(attrs))
      limitGroups(attrs, keys);
    choice.ids = selectLargest(keys, attrs.top_k);
  }
  choice.weights = attrs.score_domain == MOE_DOMAIN_SELECTED
                       ? scoreSelected(attrs.score, logits, choice.ids)
                       : gatherScores(scores, choice.ids);
  return choice;
}

//===----------------------------------------------------------------------===//
// Steps 7 and 8: normalization and factors
//===----------------------------------------------------------------------===//

static void finishWeights(const moe_router_attrs &attrs,
                          const moe_tensor *perExpertScale, Choice &choice) {
  double divisor = denominator(attrs.normalize, choice.weights);
  for (size_t slot = 0; slot < choice.ids.size(); ++slot) {
    int64_t id = choice.ids[slot];
    if (id < 0)
      continue; // The weight of "none" stays 0, even over 0 or times NaN.
    double weight = choice.weights[slot] / divisor * attrs.scale;
    if (perExpertScale)
      weight *= real(*perExpertScale, id);
    choice.weights[slot] = weight;
  }
}

//===----------------------------------------------------------------------===//
// Validation
//===----------------------------------------------------------------------===//

static void checkGroups(Checker &check, const moe_router_attrs &attrs,
                        int64_t experts) {
  check.require(attrs.num_groups >= 0 && attrs.num_groups <= experts &&
                    (attrs.num_groups == 0 || experts % attrs.num_groups == 0),
                "attribute 'num_groups' is %" PRId64
                ", expected a divisor of E = %" PRId64
                "; use 0 for no group limit [moe-ref-num-groups]",
                attrs.num_groups, experts);
  if (!check.ok() || attrs.num_groups == 0)
    return;
  check.require(attrs.groups_kept >= 1 && attrs.groups_kept <= attrs.num_groups,
                "attribute 'groups_kept' is %" PRId64
                ", expected 1 to num_groups = %" PRId64
                "; keep at least one group [moe-ref-groups-kept]",
                attrs.groups_kept, attrs.num_groups);
  check.enumerator(attrs.group_score, MOE_GROUP_SUM_TOP + 1, "group_score");
  check.enumerator(attrs.group_fill, MOE_FILL_ZERO + 1, "group_fill");
  int64_t size = experts / attrs.num_groups;
  bool sums = attrs.group_score == MOE_GROUP_SUM_TOP;
  check.require(!sums || (attrs.group_top >= 1 && attrs.group_top <= size),
                "attribute 'group_top' is %" PRId64
                ", expected 1 to the %" PRId64
                " experts of a group; sum fewer keys [moe-ref-group-top]",
                attrs.group_top, size);
}

static void checkLogitNorm(Checker &check, const moe_router_attrs &attrs) {
  check.enumerator(attrs.logit_norm, MOE_LOGIT_SCALE + 1, "logit_norm");
  if (attrs.logit_norm == MOE_LOGIT_NONE)
    return;
  double value = attrs.logit_norm_value;
  bool isCap = attrs.logit_norm == MOE_LOGIT_SOFTCAP;
  check.require(std::isfinite(value) && (!isCap || value > 0),
                "attribute 'logit_norm_value' is %g, expected a finite number"
                "%s; use logit_norm none to leave the logits as they are "
                "[moe-ref-logit-norm-value]",
                value, isCap ? " above 0" : "");
}

static void checkThreshold(Checker &check, const moe_router_attrs &attrs,
                           const moe_tensor *bias) {
  if (attrs.score_domain != MOE_DOMAIN_THRESHOLD)
    return;
  check.require(std::isfinite(attrs.threshold) && attrs.threshold >= 0,
                "attribute 'threshold' is %g, expected a finite number from 0; "
                "use twice the epsilon of the model [moe-ref-threshold]",
                attrs.threshold);
  check.require(attrs.score == MOE_SCORE_SOFTMAX &&
                    attrs.selection == MOE_SELECT_SEQUENTIAL && !bias &&
                    attrs.num_groups == 0,
                "score_domain threshold with score %" PRId32
                ", selection %" PRId32 ", %s bias and %" PRId64
                " groups, expected score softmax, selection sequential, no "
                "bias and no groups; use another domain "
                "[moe-ref-threshold-form]",
                attrs.score, attrs.selection, bias ? "a" : "no",
                attrs.num_groups);
}

static void checkTable(Checker &check, const moe_router_attrs &attrs,
                       const moe_tensor *bias, const moe_tensor *table,
                       int64_t experts) {
  bool fromTable = attrs.selection == MOE_SELECT_TABLE;
  check.require(fromTable == (table != nullptr),
                "selection %" PRId32 " %s 'table_ids', expected the operand "
                "exactly with selection table; add or remove it "
                "[moe-ref-table-operand]",
                attrs.selection, table ? "with" : "without");
  check.require(!fromTable || (!bias && attrs.num_groups == 0),
                "selection table with %s bias and %" PRId64
                " groups, expected neither because no keys are compared; "
                "remove them [moe-ref-table-keys]",
                bias ? "a" : "no", attrs.num_groups);
  if (!check.ok() || !fromTable)
    return;
  for (int64_t t = 0; t < table->shape[0]; ++t)
    for (int64_t slot = 0; slot < table->shape[1]; ++slot) {
      int32_t id = integer(*table, t, slot);
      check.require(id >= -1 && id < experts,
                    "table_ids[%" PRId64 ", %" PRId64 "] is %" PRId32
                    ", expected -1 or an expert below E = %" PRId64
                    "; correct the table [moe-ref-table-id]",
                    t, slot, id, experts);
    }
}

static void checkAttributes(Checker &check, const moe_router_attrs &attrs,
                            int64_t experts) {
  check.require(attrs.top_k >= 1 && attrs.top_k <= experts,
                "attribute 'top_k' is %" PRId64 ", expected 1 to E = %" PRId64
                "; choose fewer experts [moe-ref-top-k]",
                attrs.top_k, experts);
  check.require(experts <= INT32_MAX,
                "the number of experts E is %" PRId64
                ", expected at most 2^31 - 1 because ids are "
                "i32; use fewer experts [moe-ref-experts]",
                experts);
  check.enumerator(attrs.score, MOE_SCORE_IDENTITY + 1, "score");
  check.enumerator(attrs.score_domain, MOE_DOMAIN_THRESHOLD + 1,
                   "score_domain");
  check.enumerator(attrs.key, MOE_KEY_LOGIT + 1, "key");
  check.enumerator(attrs.selection, MOE_SELECT_TABLE + 1, "selection");
  check.require(std::isfinite(attrs.scale),
                "attribute 'scale' is %g, expected a finite number; use 1 for "
                "no factor [moe-ref-scale]",
                attrs.scale);
  checkLogitNorm(check, attrs);
  checkGroups(check, attrs, experts);
  check.normalization(attrs.normalize, "normalize");
}

//===----------------------------------------------------------------------===//
// Entry point
//===----------------------------------------------------------------------===//

extern "C" int32_t
moe_ref_router(const moe_router_attrs *attrs, const moe_tensor *logits,
               const moe_tensor *bias, const moe_tensor *per_expert_scale,
               const moe_tensor *table_ids, moe_tensor *weights,
               moe_tensor *ids, moe_tensor *scores, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent tokens("T"), experts("E");
    check.present(attrs, "attrs");
    check.tensor(logits, "logits", Elements::Real, {&tokens, &experts});
    if (!check.ok())
      return;
    checkAttributes(check, *attrs, experts.size);

    Extent slots("k", attrs->top_k, "top_k");
    check.optionalTensor(bias, "bias", Elements::Real, {&experts});
    check.optionalTensor(per_expert_scale, "per_expert_scale", Elements::Real,
                         {&experts});
    check.optionalTensor(table_ids, "table_ids", Elements::Index,
                         {&tokens, &slots});
    check.tensor(weights, "weights", Elements::Result, {&tokens, &slots});
    check.tensor(ids, "ids", Elements::Index, {&tokens, &slots});
    check.optionalTensor(scores, "scores", Elements::Result,
                         {&tokens, &experts});
    checkThreshold(check, *attrs, bias);
    checkTable(check, *attrs, bias, table_ids, experts.size);
    if (!check.ok())
      return;

    for (int64_t t = 0; t < tokens.size; ++t) {
      Row row;
      for (int64_t e = 0; e < experts.size; ++e)
        row.push_back(real(*logits, t, e));
      row = normalizedLogits(*attrs, std::move(row));
      Row allScores = scoresOf(attrs->score, row);
      Choice choice = choose(*attrs, row, allScores, bias, table_ids, t);
      finishWeights(*attrs, per_expert_scale, choice);

      for (int64_t slot = 0; slot < slots.size; ++slot) {
        setInteger(*ids, t, slot, choice.ids[slot]);
        setReal(*weights, t, slot, choice.weights[slot]);
      }
      if (scores)
        for (int64_t e = 0; e < experts.size; ++e)
          setReal(*scores, t, e, allScores[e]);
    }
  });
}
