//===- Routing.h - Which experts the tokens go to ------------- -*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCHMARKS_MOEBENCH_ROUTING_H
#define MOE_BENCHMARKS_MOEBENCH_ROUTING_H

#include "Sizes.h"
#include <random>
#include <vector>

namespace moe::bench {

/// How unevenly the experts are loaded: the e-th is drawn with a weight of
/// (e + 1)^-exponent.
struct Load {
  std::string text;
  double exponent;
};

/// Reads "uniform", "one" (every token to the same k experts) or "zipf:S".
llvm::Expected<Load> parseLoad(llvm::StringRef text);

/// k different experts for every token, drawn once. Windows are the same draw
/// with other experts: how many experts have how many tokens stays, but a
/// window has, while there are any, none of the experts of those before, so
/// that their weights come from memory.
class Routing {
public:
  Routing(const Sizes &sizes, const Load &load, std::mt19937_64 &random);

  /// How many experts get tokens.
  int64_t getNumHit() const { return numHit; }
  /// The expert of a slot, 0 to T * k - 1.
  int64_t getExpert(int64_t window, int64_t slot) const;
  /// Tokens of every expert.
  std::vector<int32_t> getCounts(int64_t window) const;

private:
  std::vector<int32_t> ranks; ///< of each slot's expert, among those hit
  std::vector<int32_t> order; ///< all experts, shuffled
  int64_t numHit = 0;
};

/// Tokens that a router sends where a Routing says.
class Tokens {
public:
  /// `router` is E x H, its rows linearly independent.
  Tokens(const Sizes &sizes, llvm::ArrayRef<float> router,
         std::mt19937_64 &random);

  /// Writes T x H: noise, and for each slot the direction of its expert.
  void write(const Routing &routing, int64_t window, float *x) const;

private:
  Sizes sizes;
  /// E x H: the logit of the expert is 1, those of all others are 0.
  std::vector<float> directions;
  std::vector<float> noise;
};

/// Fails when experts got other numbers of tokens than they should.
llvm::Error checkCounts(llvm::ArrayRef<int32_t> found,
                        llvm::ArrayRef<int32_t> expected);

} // namespace moe::bench

#endif // MOE_BENCHMARKS_MOEBENCH_ROUTING_H
