//===- RouterVectors.h - Hand-checked routing of known models ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One token per vector: logits in, ids and weights out, as the reference
// implementation of the named model computes them. Data only, so that the same
// table can be run through any implementation of moe.router. Weights have six
// decimals.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REFERENCE_TEST_ROUTERVECTORS_H
#define MOE_REFERENCE_TEST_ROUTERVECTORS_H

#include "MoE/Runtime/Abi.h"

#include <ostream>

namespace moe::vectors {

/// Attributes of moe.router, written as a sentence. Starts as softmax over all
/// experts, the k largest, weights as they are.
class RouterAttrs {
public:
  constexpr explicit RouterAttrs(int64_t topK) {
    value.top_k = topK;
    value.normalize.p = 1.0;
    value.scale = 1.0;
  }

  constexpr operator moe_router_attrs() const { return value; }

  constexpr RouterAttrs score(moe_score score) const {
    RouterAttrs result = *this;
    result.value.score = score;
    return result;
  }
  constexpr RouterAttrs domain(moe_score_domain domain) const {
    RouterAttrs result = *this;
    result.value.score_domain = domain;
    return result;
  }
  constexpr RouterAttrs key(moe_key key) const {
    RouterAttrs result = *this;
    result.value.key = key;
    return result;
  }
  constexpr RouterAttrs selection(moe_selection selection) const {
    RouterAttrs result = *this;
    result.value.selection = selection;
    return result;
  }
  /// SparseMixer with the given epsilon.
  constexpr RouterAttrs sparseMixer(double epsilon) const {
    RouterAttrs result =
        domain(MOE_DOMAIN_THRESHOLD).selection(MOE_SELECT_SEQUENTIAL);
    result.value.threshold = 2 * epsilon;
    return result;
  }
  constexpr RouterAttrs logitNorm(moe_logit_norm norm, double number) const {
    RouterAttrs result = *this;
    result.value.logit_norm = norm;
    result.value.logit_norm_value = number;
    return result;
  }
  constexpr RouterAttrs groups(int64_t count, int64_t kept,
                               moe_group_score score, int64_t top,
                               moe_group_fill fill) const {
    RouterAttrs result = *this;
    result.value.num_groups = count;
    result.value.groups_kept = kept;
    result.value.group_score = score;
    result.value.group_top = top;
    result.value.group_fill = fill;
    return result;
  }
  constexpr RouterAttrs normalize(double p, moe_eps_mode mode = MOE_EPS_NONE,
                                  double eps = 0.0) const {
    RouterAttrs result = *this;
    result.value.normalize = {MOE_NORMALIZE_LP, mode, p, eps};
    return result;
  }
  constexpr RouterAttrs scale(double scale) const {
    RouterAttrs result = *this;
    result.value.scale = scale;
    return result;
  }

private:
  moe_router_attrs value = {};
};

struct RouterVector {
  const char *name;
  const double *logits;
  int64_t numExperts;
  moe_router_attrs attrs;
  bool needsBias; ///< pass `bias`
  int32_t ids[4]; ///< the first attrs.top_k
  double weights[4];
};

/// Names the vector in the output of a test.
inline std::ostream &operator<<(std::ostream &stream,
                                const RouterVector &vector) {
  return stream << vector.name;
}

/// Shared by all vectors with 8 experts.
inline constexpr double logits[8] = {1.2,  -0.4, 0.35, 2.05,
                                     -1.3, 0.9,  2.02, 0.1};
inline constexpr double bias[8] = {0.0, 0.3, -0.1, -0.6, 0.2, 0.05, 0.0, 0.1};

/// Yuan's router computes its logits by attention over the experts.
inline constexpr double yuanLogits[4] = {0.753082, 0.584544, 0.647675,
                                         0.697615};

/// A vector over the shared logits.
constexpr RouterVector plain(const char *name, const RouterAttrs &attrs,
                             const int32_t (&ids)[4],
                             const double (&weights)[4]) {
  return {name,
          logits,
          8,
          attrs,
          false,
          {ids[0], ids[1], ids[2], ids[3]},
          {weights[0], weights[1], weights[2], weights[3]}};
}

/// The same with the shared correction bias.
constexpr RouterVector biased(const char *name, const RouterAttrs &attrs,
                              const int32_t (&ids)[4],
                              const double (&weights)[4]) {
  RouterVector vector = plain(name, attrs, ids, weights);
  vector.needsBias = true;
  return vector;
}

constexpr RouterVector yuan(const char *name, const RouterAttrs &attrs,
                            const int32_t (&ids)[4],
                            const double (&weights)[4]) {
  RouterVector vector = plain(name, attrs, ids, weights);
  vector.logits = yuanLogits;
  vector.numExperts = 4;
  return vector;
}

inline constexpr RouterVector routerVectors[] = {
    plain("MixtralSoftmaxTop2Sum", RouterAttrs(2).normalize(1), {3, 6},
          {0.507499, 0.492501}),
    plain("JambaGrokSoftmaxTop2Raw", RouterAttrs(2), {3, 6},
          {0.316372, 0.307022}),
    plain("GptOssTop4ThenSoftmax",
          RouterAttrs(4).domain(MOE_DOMAIN_SELECTED).key(MOE_KEY_LOGIT),
          {3, 6, 0, 5}, {0.368392, 0.357505, 0.157456, 0.116647}),
    plain("DbrxSoftmaxTop4L2", RouterAttrs(4).normalize(2), {3, 6, 0, 5},
          {0.670446, 0.650631, 0.286558, 0.212288}),
    biased("DeepSeekV3SigmoidBiasTop2",
           RouterAttrs(2)
               .score(MOE_SCORE_SIGMOID)
               .normalize(1, MOE_EPS_ADD, 1e-20)
               .scale(2.5),
           {6, 0}, {1.33656, 1.16344}),
    biased("DeepSeekV3Groups",
           RouterAttrs(3)
               .score(MOE_SCORE_SIGMOID)
               .groups(4, 2, MOE_GROUP_SUM_TOP, 2, MOE_FILL_NEG_INF)
               .normalize(1, MOE_EPS_ADD, 1e-20),
           {6, 0, 1}, {0.430103, 0.374394, 0.195503}),
    plain(
        "DeepSeekV2GroupMax",
        RouterAttrs(3).groups(4, 2, MOE_GROUP_MAX, 1, MOE_FILL_ZERO).scale(16),
        {3, 6, 2}, {5.061957, 4.912354, 0.924736}),
    biased("ErnieSoftmaxBiasClamp",
           RouterAttrs(2).normalize(1, MOE_EPS_CLAMP, 1e-12), {1, 6},
           {0.08166, 0.91834}),
    plain("Llama4SigmoidTop1",
          RouterAttrs(1)
              .score(MOE_SCORE_SIGMOID)
              .domain(MOE_DOMAIN_SELECTED)
              .key(MOE_KEY_LOGIT),
          {3}, {0.885948}),
    plain("PhiSparseMixer", RouterAttrs(2).sparseMixer(0.01), {3, 6},
          {0.507499, 1.0}),
    plain("SkyworkZscoreTop2Raw",
          RouterAttrs(2).logitNorm(MOE_LOGIT_ZSCORE, 1.0), {3, 6},
          {0.302356, 0.294141}),
    biased("DeepSeekV4SqrtSoftplusBias",
           RouterAttrs(2)
               .score(MOE_SCORE_SQRT_SOFTPLUS)
               .normalize(1, MOE_EPS_ADD, 1e-20)
               .scale(1.5),
           {6, 0}, {0.821455, 0.678545}),
    yuan("YuanSoftmaxTop2Sum", RouterAttrs(2).normalize(1), {0, 3},
         {0.513863, 0.486137}),

    biased("Kolibri1LogitPlusBiasRaw",
           RouterAttrs(2).score(MOE_SCORE_SIGMOID).key(MOE_KEY_LOGIT), {6, 3},
           {0.882881, 0.885948}),
    biased(
        "Kolibri1LogitPlusBiasSum",
        RouterAttrs(2).score(MOE_SCORE_SIGMOID).key(MOE_KEY_LOGIT).normalize(1),
        {6, 3}, {0.499133, 0.500867}),
    biased("MuseSparkScaledLogits",
           RouterAttrs(2)
               .score(MOE_SCORE_SIGMOID)
               .logitNorm(MOE_LOGIT_SCALE, 0.1767767)
               .normalize(1, MOE_EPS_ADD, 1e-15),
           {1, 4}, {0.521365, 0.478635}),
    biased("Laguna", RouterAttrs(2).score(MOE_SCORE_SIGMOID).normalize(1),
           {6, 0}, {0.534624, 0.465376}),
    biased("LagunaSoftcap",
           RouterAttrs(2)
               .score(MOE_SCORE_SIGMOID)
               .logitNorm(MOE_LOGIT_SOFTCAP, 1.0)
               .normalize(1),
           {6, 5}, {0.518773, 0.481227}),
    biased(
        "Lfm2",
        RouterAttrs(2).score(MOE_SCORE_SIGMOID).normalize(1, MOE_EPS_ADD, 1e-6),
        {6, 0}, {0.534624, 0.465376}),
    plain("Cohere2Softmax",
          RouterAttrs(2).domain(MOE_DOMAIN_SELECTED).key(MOE_KEY_LOGIT), {3, 6},
          {0.507499, 0.492501}),
    plain("Cohere2Sigmoid",
          RouterAttrs(2)
              .score(MOE_SCORE_SIGMOID)
              .domain(MOE_DOMAIN_SELECTED)
              .key(MOE_KEY_LOGIT)
              .normalize(1),
          {3, 6}, {0.500867, 0.499133}),
    plain("Mistral4Groups",
          RouterAttrs(3)
              .groups(4, 2, MOE_GROUP_SUM_TOP, 2, MOE_FILL_ZERO)
              .normalize(1, MOE_EPS_ADD, 1e-20),
          {3, 6, 2}, {0.46444, 0.450714, 0.084846}),
};

} // namespace moe::vectors

#endif // MOE_REFERENCE_TEST_ROUTERVECTORS_H
