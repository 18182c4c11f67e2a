//===- Plan.cpp - Which slots are kept, and where their rows are ----------===//
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
#include <limits>
#include <vector>

using namespace moe::reference;

namespace {

/// A table with one entry per token and slot.
template <typename T> class SlotTable {
public:
  SlotTable(int64_t tokens, int64_t slots, T initial)
      : slots(slots), entries(tokens * slots, initial) {}
  T &at(int64_t token, int64_t slot) { return entries[token * slots + slot]; }
  T at(int64_t token, int64_t slot) const {
    return entries[token * slots + slot];
  }

private:
  int64_t slots;
  std::vector<T> entries;
};

/// The tokens [begin, end).
struct Segment {
  int64_t begin, end;
};

/// The operands that decide what is kept.
struct Claims {
  const moe_tensor &ids;
  const moe_tensor &weights;
  const moe_tensor *priorityScores;
  int64_t slots() const { return ids.shape[1]; }
};

using Positions = SlotTable<int64_t>;

/// Values of a position.
constexpr int64_t dropped = -1;
constexpr int64_t kept = 0; // Until rows are numbered.

} // namespace

//===----------------------------------------------------------------------===//
// Priority
//===----------------------------------------------------------------------===//

/// What batch priority sorts a token by.
static double priorityOf(const Claims &claims, int64_t token) {
  if (claims.priorityScores)
    return real(*claims.priorityScores, token);
  double largest = std::numeric_limits<double>::quiet_NaN();
  for (int64_t slot = 0; slot < claims.slots(); ++slot) {
    double weight = real(claims.weights, token, slot);
    bool claiming = integer(claims.ids, token, slot) >= 0;
    if (claiming && comesBefore(weight, largest))
      largest = weight;
  }
  return largest;
}

/// The tokens of a segment in the order in which they claim.
static std::vector<int64_t> claimOrder(int32_t priority, const Claims &claims,
                                       Segment segment) {
  std::vector<int64_t> order;
  if (priority == MOE_PRIORITY_POSITIONAL) {
    for (int64_t t = segment.begin; t < segment.end; ++t)
      order.push_back(t);
    return order;
  }
  std::vector<double> keys;
  for (int64_t t = segment.begin; t < segment.end; ++t)
    keys.push_back(priorityOf(claims, t));
  for (int64_t i : descending(keys))
    order.push_back(segment.begin + i);
  return order;
}

//===----------------------------------------------------------------------===//
// Keeping
//===----------------------------------------------------------------------===//

/// Marks the slots of a segment that are kept. Claims beyond the capacity
/// advance the counter too, which changes nothing for a fixed capacity.
static void keepClaims(const moe_plan_attrs &attrs, const Claims &claims,
                       Segment segment, int64_t capacity,
                       Positions &positions) {
  std::vector<int64_t> order = claimOrder(attrs.priority, claims, segment);
  std::vector<int64_t> claimed(attrs.num_experts, 0);
  for (int64_t slot = 0; slot < claims.slots(); ++slot)
    for (int64_t t : order) {
      int32_t id = integer(claims.ids, t, slot);
      if (id < 0)
        continue;
      int64_t claim = claimed[id]++;
      if (capacity < 0 || claim < capacity)
        positions.at(t, slot) = kept;
    }
}

static std::vector<Segment> segmentsOf(const moe_tensor *offsets,
                                       int64_t tokens) {
  if (!offsets)
    return {{0, tokens}};
  std::vector<Segment> segments;
  for (int64_t s = 0; s + 1 < offsets->shape[0]; ++s)
    segments.push_back({integer(*offsets, s), integer(*offsets, s + 1)});
  return segments;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// The number of kept slots of each expert.
static std::vector<int64_t> countRows(int64_t experts, const Claims &claims,
                                      int64_t tokens,
                                      const Positions &positions) {
  std::vector<int64_t> counts(experts, 0);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t slot = 0; slot < claims.slots(); ++slot)
      if (positions.at(t, slot) != dropped)
        ++counts[integer(claims.ids, t, slot)];
  return counts;
}

/// The running sum of the counts, from 0.
static std::vector<int64_t> offsetsOf(const std::vector<int64_t> &counts) {
  std::vector<int64_t> offsets = {0};
  for (int64_t count : counts)
    offsets.push_back(offsets.back() + count);
  return offsets;
}

/// Numbers the kept slots by expert, then token, then slot.
static void numberRows(std::vector<int64_t> nextRow, const Claims &claims,
                       int64_t tokens, Positions &positions) {
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t slot = 0; slot < claims.slots(); ++slot)
      if (positions.at(t, slot) != dropped)
        positions.at(t, slot) = nextRow[integer(claims.ids, t, slot)]++;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

static double normDivisor(const moe_plan_attrs &attrs, const Claims &claims,
                          const Positions &positions, int64_t token) {
  std::vector<double> keptWeights;
  for (int64_t slot = 0; slot < claims.slots(); ++slot)
    if (positions.at(token, slot) != dropped)
      keptWeights.push_back(real(claims.weights, token, slot));
  return denominator(attrs.renormalize, keptWeights);
}

static double weightAfterDrop(const moe_plan_attrs &attrs, bool isKept,
                              bool isNone, double weight, double divisor) {
  if (isNone)
    return 0.0;
  if (isKept)
    return divisor == 0.0 ? 0.0 : weight / divisor; // The zero guard.
  return attrs.overflow == MOE_OVERFLOW_RESIDUAL ? weight : 0.0;
}

//===----------------------------------------------------------------------===//
// Validation
//===----------------------------------------------------------------------===//

static void checkAttributes(Checker &check, const moe_plan_attrs &attrs,
                            int64_t capacity, bool hasPriorityScores) {
  check.require(attrs.num_experts >= 1 && attrs.num_experts < INT32_MAX,
                "attribute 'num_experts' is %" PRId64
                ", expected 1 to 2^31 - 2; correct it "
                "[moe-ref-plan-experts]",
                attrs.num_experts);
  check.enumerator(attrs.priority, MOE_PRIORITY_BATCH + 1, "priority");
  check.enumerator(attrs.overflow, MOE_OVERFLOW_RESIDUAL + 1, "overflow");
  check.normalization(attrs.renormalize, "renormalize");
  check.require(capacity < 0 || attrs.overflow != MOE_OVERFLOW_NONE,
                "capacity %" PRId64 " with overflow none, expected overflow "
                "zero or residual because a capacity can drop; leave one of "
                "them out [moe-ref-plan-overflow]",
                capacity);
  check.require(!hasPriorityScores || attrs.priority == MOE_PRIORITY_BATCH,
                "argument 'priority_scores' with priority %" PRId32
                ", expected priority batch, which reads them; remove the "
                "operand [moe-ref-plan-priority-scores]",
                attrs.priority);
}

static void checkIds(Checker &check, const moe_tensor &ids, int64_t experts) {
  int64_t slots = 0;
  bool fits = !__builtin_mul_overflow(ids.shape[0], ids.shape[1], &slots) &&
              slots <= INT32_MAX;
  check.require(fits,
                "the number of slots T * k is %" PRId64 " * %" PRId64
                ", expected less than 2^31 because rows are i32; split the "
                "batch [moe-ref-plan-slots]",
                ids.shape[0], ids.shape[1]);
  if (!check.ok())
    return;
  for (int64_t t = 0; t < ids.shape[0]; ++t)
    for (int64_t slot = 0; slot < ids.shape[1]; ++slot) {
      int32_t id = integer(ids, t, slot);
      check.require(id >= -1 && id < experts,
                    "ids[%" PRId64 ", %" PRId64 "] is %" PRId32
                    ", expected -1 or an expert below num_experts = %" PRId64
                    "; correct the ids [moe-ref-plan-id]",
                    t, slot, id, experts);
    }
}

static void checkSegments(Checker &check, const moe_tensor *offsets,
                          int64_t tokens) {
  if (!check.ok() || !offsets)
    return;
  int64_t last = offsets->shape[0] - 1;
  bool valid = last >= 0 && integer(*offsets, 0) == 0 &&
               integer(*offsets, last) == tokens;
  for (int64_t s = 0; valid && s < last; ++s)
    valid = integer(*offsets, s) <= integer(*offsets, s + 1);
  check.require(valid,
                "argument 'segment_offsets' with %" PRId64
                " elements does not divide the tokens, expected values that "
                "start at 0, never decrease and end at T = %" PRId64
                "; correct them [moe-ref-plan-segments]",
                offsets->shape[0], tokens);
}

//===----------------------------------------------------------------------===//
// Entry point
//===----------------------------------------------------------------------===//

extern "C" int32_t
moe_ref_plan(const moe_plan_attrs *attrs, const moe_tensor *weights,
             const moe_tensor *ids, const moe_tensor *segment_offsets,
             int64_t capacity, const moe_tensor *priority_scores,
             moe_tensor *counts, moe_tensor *offsets, moe_tensor *source,
             moe_tensor *position, moe_tensor *out_weights, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    check.present(attrs, "attrs");
    if (!check.ok())
      return;
    checkAttributes(check, *attrs, capacity, priority_scores);
    if (!check.ok())
      return;

    Extent tokens("T"), slots("k"), bounds("S + 1"), rows("N");
    Extent experts("E", attrs->num_experts, "num_experts");
    Extent ends("E + 1", attrs->num_experts + 1, "num_experts");
    check.tensor(ids, "ids", Elements::Index, {&tokens, &slots});
    check.tensor(weights, "weights", Elements::Real, {&tokens, &slots});
    check.optionalTensor(segment_offsets, "segment_offsets", Elements::Index,
                         {&bounds});
    check.optionalTensor(priority_scores, "priority_scores", Elements::Real,
                         {&tokens});
    check.tensor(counts, "counts", Elements::Index, {&experts});
    check.tensor(offsets, "offsets", Elements::Index, {&ends});
    check.tensor(source, "source", Elements::Index, {&rows});
    check.tensor(position, "position", Elements::Index, {&tokens, &slots});
    check.tensor(out_weights, "out_weights", Elements::Result,
                 {&tokens, &slots});
    if (!check.ok())
      return;
    checkIds(check, *ids, experts.size);
    checkSegments(check, segment_offsets, tokens.size);
    if (!check.ok())
      return;

    Claims claims = {*ids, *weights, priority_scores};
    Positions positions(tokens.size, slots.size, dropped);
    for (Segment segment : segmentsOf(segment_offsets, tokens.size))
      keepClaims(*attrs, claims, segment, capacity, positions);

    std::vector<int64_t> rowCounts =
        countRows(experts.size, claims, tokens.size, positions);
    std::vector<int64_t> rowOffsets = offsetsOf(rowCounts);
    check.require(rowOffsets.back() <= rows.size,
                  "argument 'source' has N = %" PRId64
                  " elements, expected at least the %" PRId64
                  " rows that are kept; T * k always suffices "
                  "[moe-ref-plan-rows]",
                  rows.size, rowOffsets.back());
    if (!check.ok())
      return;
    numberRows(rowOffsets, claims, tokens.size, positions);

    for (int64_t e = 0; e < experts.size; ++e)
      setInteger(*counts, e, rowCounts[e]);
    for (int64_t e = 0; e <= experts.size; ++e)
      setInteger(*offsets, e, rowOffsets[e]);
    for (int64_t t = 0; t < tokens.size; ++t) {
      double divisor = normDivisor(*attrs, claims, positions, t);
      for (int64_t slot = 0; slot < slots.size; ++slot) {
        int64_t row = positions.at(t, slot);
        bool isKept = row != dropped;
        bool isNone = integer(*ids, t, slot) < 0;
        setInteger(*position, t, slot, row);
        setReal(*out_weights, t, slot,
                weightAfterDrop(*attrs, isKept, isNone, real(*weights, t, slot),
                                divisor));
        if (isKept)
          setInteger(*source, row, t);
      }
    }
  });
}
