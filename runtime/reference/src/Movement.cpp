//===- Movement.cpp - Dispatch and combine --------------------------------===//
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
#include <vector>

using namespace moe::reference;

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

static void checkSource(Checker &check, const moe_tensor &source, int64_t rows,
                        int64_t tokens) {
  for (int64_t r = 0; r < rows; ++r) {
    int32_t token = integer(source, r);
    check.require(token >= 0 && token < tokens,
                  "source[%" PRId64 "] is %" PRId32
                  ", expected a token below T = %" PRId64
                  "; pass the source of the plan [moe-ref-source]",
                  r, token, tokens);
  }
}

static void checkPositions(Checker &check, const moe_tensor &position,
                           int64_t rows) {
  for (int64_t t = 0; t < position.shape[0]; ++t)
    for (int64_t slot = 0; slot < position.shape[1]; ++slot) {
      int32_t row = integer(position, t, slot);
      check.require(row >= -1 && row < rows,
                    "position[%" PRId64 ", %" PRId64 "] is %" PRId32
                    ", expected -1 or a row below %" PRId64
                    "; pass the positions of the plan [moe-ref-position]",
                    t, slot, row, rows);
    }
}

/// The weight of each row: that of its only slot. Reports rows that have no
/// slot, more than one, or one of another token.
static std::vector<double> rowWeights(Checker &check, const moe_tensor &source,
                                      const moe_tensor &position,
                                      const moe_tensor &weights, int64_t rows) {
  std::vector<double> result(rows, 0.0);
  std::vector<int64_t> slotsOfRow(rows, 0);
  for (int64_t t = 0; t < position.shape[0]; ++t)
    for (int64_t slot = 0; slot < position.shape[1]; ++slot) {
      int32_t row = integer(position, t, slot);
      if (row < 0)
        continue;
      result[row] = real(weights, t, slot);
      ++slotsOfRow[row];
      check.require(integer(source, row) == t,
                    "position[%" PRId64 ", %" PRId64 "] is row %" PRId32
                    " of token %" PRId32 ", expected a row of token %" PRId64
                    "; pass source and position of one plan "
                    "[moe-ref-dispatch-token]",
                    t, slot, row, integer(source, row), t);
    }
  for (int64_t r = 0; r < rows; ++r)
    check.require(slotsOfRow[r] == 1,
                  "row %" PRId64 " is the position of %" PRId64
                  " slots, expected exactly 1; pass source and position of "
                  "one plan [moe-ref-dispatch-slots]",
                  r, slotsOfRow[r]);
  return result;
}

extern "C" int32_t moe_ref_dispatch(const moe_tensor *x,
                                    const moe_tensor *source,
                                    const moe_tensor *offsets,
                                    const moe_tensor *weights,
                                    const moe_tensor *position, moe_tensor *out,
                                    moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent tokens("T"), width("H"), bound("N"), ends("E + 1"), slots("k");
    check.tensor(x, "x", Elements::Real, {&tokens, &width});
    check.tensor(source, "source", Elements::Index, {&bound});
    check.tensor(offsets, "offsets", Elements::Index, {&ends});
    check.optionalTensor(weights, "weights", Elements::Real, {&tokens, &slots});
    check.optionalTensor(position, "position", Elements::Index,
                         {&tokens, &slots});
    check.tensor(out, "out", Elements::Result, {&bound, &width});
    check.require(
        !weights == !position,
        "argument 'weights' is %s and 'position' is %s, expected both or "
        "neither; a weight belongs to the slot at a position "
        "[moe-ref-dispatch-weights]",
        weights ? "given" : "null", position ? "given" : "null");
    check.require(
        !check.ok() || ends.size >= 1,
        "argument 'offsets' is empty, expected E + 1 elements; pass the "
        "offsets of the plan [moe-ref-offsets-empty]");
    if (check.ok())
      check.offsets(*offsets, bound.size);
    if (!check.ok())
      return;

    int64_t rows = integer(*offsets, ends.size - 1);
    checkSource(check, *source, rows, tokens.size);
    std::vector<double> factors(rows, 1.0);
    if (check.ok() && weights) {
      checkPositions(check, *position, rows);
      if (check.ok())
        factors = rowWeights(check, *source, *position, *weights, rows);
    }
    if (!check.ok())
      return;

    for (int64_t r = 0; r < rows; ++r)
      for (int64_t h = 0; h < width.size; ++h)
        setReal(*out, r, h, factors[r] * real(*x, integer(*source, r), h));
  });
}

//===----------------------------------------------------------------------===//
// Combine
//===----------------------------------------------------------------------===//

extern "C" int32_t moe_ref_combine(const moe_tensor *rows,
                                   const moe_tensor *position,
                                   const moe_tensor *weights,
                                   const moe_tensor *passthrough,
                                   moe_tensor *out, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent bound("N"), width("H"), tokens("T"), slots("k");
    check.tensor(rows, "rows", Elements::Real, {&bound, &width});
    check.tensor(position, "position", Elements::Index, {&tokens, &slots});
    check.optionalTensor(weights, "weights", Elements::Real, {&tokens, &slots});
    check.optionalTensor(passthrough, "passthrough", Elements::Real,
                         {&tokens, &width});
    check.tensor(out, "out", Elements::Result, {&tokens, &width});
    check.require(
        weights || !passthrough,
        "argument 'passthrough' without 'weights', expected both, because "
        "only a weight tells a dropped slot from one that was never "
        "claimed; pass the weights [moe-ref-combine-passthrough]");
    if (!check.ok())
      return;
    checkPositions(check, *position, bound.size);
    if (!check.ok())
      return;

    for (int64_t t = 0; t < tokens.size; ++t)
      for (int64_t h = 0; h < width.size; ++h) {
        double sum = 0.0;
        for (int64_t slot = 0; slot < slots.size; ++slot) {
          int32_t row = integer(*position, t, slot);
          double weight = weights ? real(*weights, t, slot) : 1.0;
          if (row >= 0)
            sum += weight * real(*rows, row, h);
          else if (passthrough && weight != 0.0)
            sum += weight * real(*passthrough, t, h);
        }
        setReal(*out, t, h, sum);
      }
  });
}
