//===- Ordering.h - The order of keys and the norm of weights ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The two small rules that moe.router and moe.plan have in common.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REFERENCE_ORDERING_H
#define MOE_REFERENCE_ORDERING_H

#include "MoE/Runtime/Abi.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace moe::reference {

/// True when key `a` is selected before key `b`, whatever their indices are.
inline bool comesBefore(double a, double b) {
  if (std::isnan(a))
    return false;
  return std::isnan(b) || a > b;
}

/// The indices of `keys`, largest key first, equal keys by index.
inline std::vector<int64_t> descending(const std::vector<double> &keys) {
  std::vector<int64_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    if (comesBefore(keys[a], keys[b]))
      return true;
    return !comesBefore(keys[b], keys[a]) && a < b;
  });
  return order;
}

/// What the weights of one token are divided by.
inline double denominator(const moe_normalize_attrs &attrs,
                          const std::vector<double> &weights) {
  if (attrs.mode == MOE_NORMALIZE_NONE)
    return 1.0;
  double sum = 0.0;
  for (double weight : weights)
    sum += std::pow(std::fabs(weight), attrs.p);
  double norm = std::pow(sum, 1.0 / attrs.p);
  if (attrs.eps_mode == MOE_EPS_ADD)
    return norm + attrs.eps;
  if (attrs.eps_mode == MOE_EPS_CLAMP && norm < attrs.eps)
    return attrs.eps;
  return norm;
}

} // namespace moe::reference

#endif // MOE_REFERENCE_ORDERING_H
