//===- AuxLoss.cpp - What routers are judged by ---------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "Tensor.h"
#include "moe_rt/reference.h"

#include <cinttypes>
#include <cmath>
#include <limits>
#include <vector>

using namespace moe::reference;

/// One value per expert.
using PerExpert = std::vector<double>;

static double mean(const PerExpert &values) {
  double sum = 0.0;
  for (double value : values)
    sum += value;
  return sum / static_cast<double>(values.size());
}

/// The sum of each column.
static PerExpert sumOverTokens(const moe_tensor &values) {
  PerExpert sums(values.shape[1], 0.0);
  for (int64_t t = 0; t < values.shape[0]; ++t)
    for (int64_t e = 0; e < values.shape[1]; ++e)
      sums[e] += real(values, t, e);
  return sums;
}

/// How many slots chose each expert.
static PerExpert countSlots(const moe_tensor &ids, int64_t experts) {
  PerExpert counts(experts, 0.0);
  for (int64_t t = 0; t < ids.shape[0]; ++t)
    for (int64_t slot = 0; slot < ids.shape[1]; ++slot) {
      int32_t id = integer(ids, t, slot);
      if (id >= 0)
        counts[id] += 1.0;
    }
  return counts;
}

//===----------------------------------------------------------------------===//
// The kinds
//===----------------------------------------------------------------------===//

static double fractionProbability(const moe_tensor &scores,
                                  const moe_tensor &ids, bool normalizeK) {
  double tokens = static_cast<double>(scores.shape[0]);
  double slots = normalizeK ? static_cast<double>(ids.shape[1]) : 1.0;
  PerExpert sums = sumOverTokens(scores);
  PerExpert counts = countSlots(ids, scores.shape[1]);
  double sum = 0.0;
  for (size_t e = 0; e < sums.size(); ++e) {
    double fraction = counts[e] / (tokens * slots);
    double probability = sums[e] / tokens;
    sum += fraction * probability;
  }
  return static_cast<double>(sums.size()) * sum;
}

static double logSumExp(const moe_tensor &logits, int64_t token) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t e = 0; e < logits.shape[1]; ++e)
    largest = std::fmax(largest, real(logits, token, e));
  if (std::isinf(largest))
    largest = 0.0; // inf - inf is NaN; exp(-inf) and exp(inf) are right.
  double sum = 0.0;
  for (int64_t e = 0; e < logits.shape[1]; ++e)
    sum += std::exp(real(logits, token, e) - largest);
  return largest + std::log(sum);
}

static double zLoss(const moe_tensor &logits) {
  double sum = 0.0;
  for (int64_t t = 0; t < logits.shape[0]; ++t) {
    double value = logSumExp(logits, t);
    sum += value * value;
  }
  return sum / static_cast<double>(logits.shape[0]);
}

static double importanceCv2(const moe_tensor &scores) {
  PerExpert importance = sumOverTokens(scores);
  double center = mean(importance);
  PerExpert squares;
  for (double value : importance)
    squares.push_back((value - center) * (value - center));
  return mean(squares) / (center * center);
}

static double lossOf(const moe_aux_loss_attrs &attrs, const moe_tensor &values,
                     const moe_tensor *ids) {
  if (values.shape[0] == 0)
    return 0.0;
  switch (attrs.kind) {
  case MOE_LOSS_FRACTION_PROBABILITY:
    return fractionProbability(values, *ids, attrs.normalize_k);
  case MOE_LOSS_Z:
    return zLoss(values);
  default: // Importance.
    return importanceCv2(values);
  }
}

//===----------------------------------------------------------------------===//
// Validation
//===----------------------------------------------------------------------===//

static void checkAttributes(Checker &check, const moe_aux_loss_attrs &attrs,
                            bool hasIds) {
  check.enumerator(attrs.kind, MOE_LOSS_IMPORTANCE_CV2 + 1, "kind");
  bool countsSlots = attrs.kind == MOE_LOSS_FRACTION_PROBABILITY;
  check.require(countsSlots == hasIds,
                "kind %" PRId32 " %s 'ids', expected the operand exactly with "
                "kind fraction probability; add or remove it "
                "[moe-ref-aux-loss-ids]",
                attrs.kind, hasIds ? "with" : "without");
  check.require(attrs.normalize_k == 0 ||
                    (attrs.normalize_k == 1 && countsSlots),
                "attribute 'normalize_k' is %" PRId32 " with kind %" PRId32
                ", expected 0, or 1 with kind fraction probability; correct "
                "it [moe-ref-aux-loss-normalize-k]",
                attrs.normalize_k, attrs.kind);
}

static void checkIds(Checker &check, const moe_tensor &ids, int64_t experts) {
  check.require(ids.shape[1] >= 1,
                "argument 'ids' has no slots, expected k of at least 1; pass "
                "the ids of the router [moe-ref-aux-loss-slots]");
  for (int64_t t = 0; t < ids.shape[0]; ++t)
    for (int64_t slot = 0; slot < ids.shape[1]; ++slot) {
      int32_t id = integer(ids, t, slot);
      check.require(id >= -1 && id < experts,
                    "ids[%" PRId64 ", %" PRId64 "] is %" PRId32
                    ", expected -1 or an expert below E = %" PRId64
                    "; correct the ids [moe-ref-aux-loss-id]",
                    t, slot, id, experts);
    }
}

//===----------------------------------------------------------------------===//
// Entry point
//===----------------------------------------------------------------------===//

extern "C" int32_t moe_ref_aux_loss(const moe_aux_loss_attrs *attrs,
                                    const moe_tensor *values,
                                    const moe_tensor *ids, moe_tensor *loss,
                                    moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent tokens("T"), experts("E"), slots("k");
    check.present(attrs, "attrs");
    check.tensor(values, "values", Elements::Real, {&tokens, &experts});
    check.optionalTensor(ids, "ids", Elements::Index, {&tokens, &slots});
    check.tensor(loss, "loss", Elements::Result, {});
    if (!check.ok())
      return;
    check.require(experts.size >= 1,
                  "argument 'values' has no experts, expected E of at least 1; "
                  "pass the scores of the router [moe-ref-aux-loss-experts]");
    checkAttributes(check, *attrs, ids);
    if (ids)
      checkIds(check, *ids, experts.size);
    if (check.ok())
      setReal(*loss, 0, lossOf(*attrs, *values, ids));
  });
}
