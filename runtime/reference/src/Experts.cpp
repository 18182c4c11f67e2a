//===- Experts.cpp - Matrices and bodies of experts -----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "Tensor.h"
#include "moe_rt/reference.h"

#include <cmath>
#include <functional>
#include <vector>

using namespace moe::reference;

using Vector = std::vector<double>;

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

static double activate(int32_t activation, double x) {
  const double sqrt2 = std::sqrt(2.0);
  const double sqrt2OverPi = std::sqrt(2.0 / std::acos(-1.0));
  switch (activation) {
  case MOE_REF_SILU:
    return x / (1.0 + std::exp(-x));
  case MOE_REF_GELU_TANH:
    return 0.5 * x *
           (1.0 + std::tanh(sqrt2OverPi * (x + 0.044715 * x * x * x)));
  case MOE_REF_GELU:
    return 0.5 * x * (1.0 + std::erf(x / sqrt2));
  case MOE_REF_RELU:
    return x < 0.0 ? 0.0 : x;
  default: // Identity.
    return x;
  }
}

static Vector readRow(const moe_tensor &tensor, int64_t row) {
  Vector result;
  for (int64_t i = 0; i < tensor.shape[1]; ++i)
    result.push_back(real(tensor, row, i));
  return result;
}

static Vector multiply(const moe_tensor &matrix, const Vector &x) {
  Vector result(matrix.shape[0], 0.0);
  for (int64_t m = 0; m < matrix.shape[0]; ++m)
    for (int64_t j = 0; j < matrix.shape[1]; ++j)
      result[m] += real(matrix, m, j) * x[j];
  return result;
}

/// Calls body(expert, row) for every row that belongs to an expert.
static void forEachRow(const moe_tensor &offsets,
                       const std::function<void(int64_t, int64_t)> &body) {
  for (int64_t e = 0; e + 1 < offsets.shape[0]; ++e)
    for (int64_t r = integer(offsets, e); r < integer(offsets, e + 1); ++r)
      body(e, r);
}

/// Replaces each row of `out` that belongs to an expert by body(expert, x[r]).
static void
mapRows(const moe_tensor &x, const moe_tensor &offsets, moe_tensor &out,
        const std::function<Vector(int64_t, const Vector &)> &body) {
  forEachRow(offsets, [&](int64_t e, int64_t r) {
    Vector result = body(e, readRow(x, r));
    for (int64_t m = 0; m < out.shape[1]; ++m)
      setReal(out, r, m, result[m]);
  });
}

//===----------------------------------------------------------------------===//
// Grouped matmul
//===----------------------------------------------------------------------===//

extern "C" int32_t moe_ref_grouped_matmul(const moe_tensor *x,
                                          const moe_tensor *slices,
                                          int64_t num_slices,
                                          const moe_tensor *offsets,
                                          const moe_tensor *init,
                                          moe_tensor *out, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    check.tensorArray(slices, num_slices, "slices");
    if (!check.ok())
      return;
    Extent rows("N"), depth("K"), width("M");
    Extent ends("E + 1", num_slices + 1, "num_slices");
    check.tensor(x, "x", Elements::Real, {&rows, &depth});
    check.tensor(out, "out", Elements::Result, {&rows, &width});
    check.optionalTensor(init, "init", Elements::Real, {&rows, &width});
    for (int64_t e = 0; e < num_slices; ++e)
      check.tensor(&slices[e], "slices", Elements::Real, {&width, &depth});
    check.tensor(offsets, "offsets", Elements::Index, {&ends});
    if (check.ok())
      check.offsets(*offsets, rows.size);
    if (!check.ok())
      return;

    forEachRow(*offsets, [&](int64_t e, int64_t r) {
      Vector product = multiply(slices[e], readRow(*x, r));
      for (int64_t m = 0; m < width.size; ++m) {
        double start = init ? real(*init, r, m) : 0.0;
        setReal(*out, r, m, start + product[m]);
      }
    });
  });
}

//===----------------------------------------------------------------------===//
// Whole experts
//===----------------------------------------------------------------------===//

/// The arguments of an expert layer; `gate` is null when there is none.
struct ExpertLayer {
  const moe_tensor *x;
  const moe_tensor *gate, *up, *down;
  int64_t numExperts;
  const moe_tensor *offsets;
  int32_t activation;
  moe_tensor *out;
};

static void checkLayer(Checker &check, const ExpertLayer &layer) {
  check.enumerator(layer.activation, MOE_REF_IDENTITY + 1, "activation");
  check.tensorArray(layer.up, layer.numExperts, "up");
  check.tensorArray(layer.down, layer.numExperts, "down");
  if (!check.ok())
    return;
  Extent rows("N"), inputs("H"), outputs("M");
  Extent ends("E + 1", layer.numExperts + 1, "num_experts");
  check.tensor(layer.x, "x", Elements::Real, {&rows, &inputs});
  check.tensor(layer.out, "out", Elements::Result, {&rows, &outputs});
  for (int64_t e = 0; e < layer.numExperts; ++e) {
    Extent hidden("F"); // Experts may differ in their width.
    if (layer.gate)
      check.tensor(&layer.gate[e], "gate", Elements::Real, {&hidden, &inputs});
    check.tensor(&layer.up[e], "up", Elements::Real, {&hidden, &inputs});
    check.tensor(&layer.down[e], "down", Elements::Real, {&outputs, &hidden});
  }
  check.tensor(layer.offsets, "offsets", Elements::Index, {&ends});
  if (check.ok())
    check.offsets(*layer.offsets, rows.size);
}

static Vector applyExpert(const ExpertLayer &layer, int64_t e,
                          const Vector &x) {
  Vector hidden = multiply(layer.up[e], x);
  if (layer.gate) {
    Vector gate = multiply(layer.gate[e], x);
    for (size_t f = 0; f < hidden.size(); ++f)
      hidden[f] *= activate(layer.activation, gate[f]);
  } else {
    for (double &h : hidden)
      h = activate(layer.activation, h);
  }
  return multiply(layer.down[e], hidden);
}

static void runLayer(Checker &check, const ExpertLayer &layer) {
  checkLayer(check, layer);
  if (!check.ok())
    return;
  mapRows(*layer.x, *layer.offsets, *layer.out,
          [&](int64_t e, const Vector &x) { return applyExpert(layer, e, x); });
}

extern "C" int32_t
moe_ref_gated_ffn(const moe_tensor *x, const moe_tensor *gate,
                  const moe_tensor *up, const moe_tensor *down,
                  int64_t num_experts, const moe_tensor *offsets,
                  int32_t activation, moe_tensor *out, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    check.tensorArray(gate, num_experts, "gate");
    runLayer(check, {x, gate, up, down, num_experts, offsets, activation, out});
  });
}

extern "C" int32_t moe_ref_ffn(const moe_tensor *x, const moe_tensor *up,
                               const moe_tensor *down, int64_t num_experts,
                               const moe_tensor *offsets, int32_t activation,
                               moe_tensor *out, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    runLayer(check,
             {x, nullptr, up, down, num_experts, offsets, activation, out});
  });
}
