//===- reference.h - What the ops of the moe dialect mean ---------*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The executable specification: one function per op, in plain serial C++ that
// computes in f64 and rounds once, when a result is stored. Compiled code is
// compared with it; it shares nothing with compiled code but Abi.h.
//
// Letters: T tokens, E experts, k slots per token, H width of a token, N rows,
// S segments.
//
// Tensors are dense and row-major. Real inputs are f64, f32, bf16 or f16; real
// results are f64 or f32; ids, counts, offsets and positions are i32. An
// argument marked "or null" may be left out. Results must not overlap inputs,
// except where noted. On an error the status is returned and `error` (or null)
// holds a sentence that ends in a tag; unless memory ran out, nothing has been
// written.
//
// "Larger" always means this order: larger number first, NaN after -inf; equal
// keys (also two NaN, also 0.0 and -0.0) keep their order, lower index first.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_REFERENCE_H
#define MOE_RT_REFERENCE_H

#include "MoE/Runtime/Abi.h"
#include "moe_rt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// moe.router
//===----------------------------------------------------------------------===//

/// Token choice: k experts and their weights for every token. Row by row:
///
///  1. z = logit_norm(logits). zscore is lambda * (z - mean) / std over the E
///     logits, with the biased std; softcap is c * tanh(z / c), c > 0; scale is
///     c * z. IEEE division: equal logits have the z-scores 0 / 0 = NaN.
///  2. s = score(z) for all E experts, whatever the domain is. softmax is
///     exp(z - max) / sum; one NaN or +inf logit makes all of it NaN.
///  3. key = z when `key` is logit, else s; plus `bias` when there is one.
///     All scores are monotone, so with neither a bias nor a group limit the
///     key is z in any case: a saturated score makes no ties.
///  4. Group limit, when num_groups > 0 (also when it keeps all groups): the
///     groups are runs of E / num_groups consecutive experts. A group's score
///     is its largest key, or the sum of its `group_top` largest keys. The
///     `groups_kept` largest groups stay; keys of the others become -inf or
///     0.0 (`group_fill`).
///  5. Selection. topk: the k largest keys, in that order. When fewer than k
///     keys are finite, the filled (-inf) experts follow, then those whose key
///     is NaN: always k different experts. sequential: one argmax after
///     another, which selects the same. table: the ids of `table_ids`, where
///     -1 is "none" (weight 0) and an id may repeat.
///  6. Weight. Domain all: s of the expert; domain selected: score over the k
///     selected z alone ("none" slots are not among them). The bias never
///     enters a weight. Domain threshold: see below.
///  7. normalize, over the slots that are not "none": divided by
///     (sum |w|^p)^(1/p), made safe by eps_mode. IEEE division: without an eps
///     the norm 0 gives NaN.
///  8. Times `scale`, then times per_expert_scale[id].
///
/// NaN propagates into the weights; a "none" slot has the weight 0 regardless.
///
/// Domain threshold is SparseMixer's evaluation. It needs score softmax,
/// selection sequential, and neither bias nor groups. Slot by slot: i = argmax
/// of the z not yet taken, m = z_i; an expert j not yet taken leaves the set
/// when (m - z_j) / max(|z_j|, m) > threshold; the weight is the softmax over
/// the set, at i. (A distance of 0 / 0 does not leave.)
///
/// logits <T x E>; bias <E> or null; per_expert_scale <E> or null; table_ids
/// <T x k> exactly when selection is table, else null (then neither bias nor
/// groups, which nothing would read); weights <T x k>, ids <T x k>; scores
/// <T x E> or null: receives s.
int32_t moe_ref_router(const moe_router_attrs *attrs, const moe_tensor *logits,
                       const moe_tensor *bias,
                       const moe_tensor *per_expert_scale,
                       const moe_tensor *table_ids, moe_tensor *weights,
                       moe_tensor *ids, moe_tensor *scores, moe_error *error);

//===----------------------------------------------------------------------===//
// moe.capacity
//===----------------------------------------------------------------------===//

/// Slots per expert. `factor` times the basis - 1, tokens / experts,
/// tokens * top_k / experts, or tokens - with the products taken before the
/// division, rounded, then rounded up to a multiple of `multiple_of`, then
/// raised to `at_least`. Not limited by `tokens`: a capacity above it drops
/// nothing.
int32_t moe_ref_capacity(const moe_capacity_attrs *attrs, int64_t tokens,
                         int64_t experts, int64_t top_k, int64_t *capacity,
                         moe_error *error);

//===----------------------------------------------------------------------===//
// moe.plan
//===----------------------------------------------------------------------===//

/// Decides which slots are kept and gives every kept slot a row.
///
/// A slot whose id is -1 claims nothing: its position is -1, its weight 0.
///
/// Keeping. The tokens [segment_offsets[i], segment_offsets[i + 1]) are segment
/// i; without the operand all tokens are one segment. Inside a segment tokens
/// are ordered by `priority`: positional is their order; batch is largest
/// first by priority_scores[t], or, without that operand, by the largest weight
/// among the token's claims. All first slots claim in that order, then all
/// second slots, and so on. The c-th claim (from 0) on an expert inside a
/// segment is kept when capacity < 0 (none) or c < capacity. Claims that are
/// not kept are counted too.
///
/// Rows. Kept slots are sorted by expert, then token, then slot, across all
/// segments; their rows are numbered in that order.
///
/// Weights. Kept slots: `renormalize` over the kept slots of the token. A
/// denominator of 0 gives weights 0, not NaN (the zero guard). Dropped slots:
/// overflow zero sets 0; residual leaves the weight as it was. Overflow none
/// promises that nothing drops, so it cannot have a capacity.
///
/// weights, ids <T x k> with ids in [-1, E) and T * k < 2^31; segment_offsets
/// <S+1> or null, from 0 to T, not decreasing; priority_scores <T> or null,
/// with priority batch only. counts <E> kept rows per expert; offsets <E+1>
/// their running sum from 0; source <N>, N at least the rows kept: the token of
/// each row, elements from offsets[E] on are left as they are; position
/// <T x k> the row of each slot, -1 when it has none; out_weights <T x k>.
int32_t moe_ref_plan(const moe_plan_attrs *attrs, const moe_tensor *weights,
                     const moe_tensor *ids, const moe_tensor *segment_offsets,
                     int64_t capacity, const moe_tensor *priority_scores,
                     moe_tensor *counts, moe_tensor *offsets,
                     moe_tensor *source, moe_tensor *position,
                     moe_tensor *out_weights, moe_error *error);

//===----------------------------------------------------------------------===//
// moe.dispatch and moe.combine
//===----------------------------------------------------------------------===//

/// out[r] = x[source[r]] for the rows r < offsets[E]; with `weights`, times the
/// weight of the slot whose position is r. Rows from offsets[E] on are left as
/// they are.
///
/// x <T x H>; source <N>; offsets <E+1>; weights and position <T x k>, both or
/// neither: every row then has exactly one slot, and it is one of the row's
/// token. out <N x H>.
int32_t moe_ref_dispatch(const moe_tensor *x, const moe_tensor *source,
                         const moe_tensor *offsets, const moe_tensor *weights,
                         const moe_tensor *position, moe_tensor *out,
                         moe_error *error);

/// out[t] = sum over the slots j of token t, in slot order, of
///   weights[t,j] * rows[position[t,j]]  when position[t,j] >= 0,
///   weights[t,j] * passthrough[t]       when position[t,j] is -1, the weight
///                                       is not 0 and passthrough is given,
///   nothing                             otherwise.
/// A row whose weight is 0 is still multiplied: 0 * inf is NaN.
///
/// rows <N x H>; position <T x k>; weights <T x k> or null (all 1); passthrough
/// <T x H> or null, only with weights; out <T x H>.
int32_t moe_ref_combine(const moe_tensor *rows, const moe_tensor *position,
                        const moe_tensor *weights,
                        const moe_tensor *passthrough, moe_tensor *out,
                        moe_error *error);

//===----------------------------------------------------------------------===//
// moe.aux_loss
//===----------------------------------------------------------------------===//

/// What a router is judged by. 0 without tokens; otherwise, by kind:
///
///  * fraction probability: E * sum over e of f_e * P_e. f_e is the number of
///    slots that chose e, divided by T, and by k with `normalize_k`; P_e is the
///    mean over the tokens of the score of e. A slot with id -1 is not counted.
///  * z: the mean over the tokens of (log sum over e of exp(logit))^2. It is
///    +inf if a token has a +inf logit, or none above -inf.
///  * importance cv2: variance / mean^2 over the experts of the sum over the
///    tokens of their scores; the variance is divided by E. IEEE division: a
///    mean of 0 gives NaN or inf.
///
/// A NaN in `values` makes every kind NaN.
///
/// values <T x E>: logits for z, else scores; ids <T x k> with ids in [-1, E),
/// exactly for fraction probability, else null; loss <>, of rank 0.
int32_t moe_ref_aux_loss(const moe_aux_loss_attrs *attrs,
                         const moe_tensor *values, const moe_tensor *ids,
                         moe_tensor *loss, moe_error *error);

//===----------------------------------------------------------------------===//
// moe.quantize_rows and quantized banks
//===----------------------------------------------------------------------===//

/// x[r, k] is about scales[r] * codes[r, k]. In f32, with m the largest
/// magnitude of a row: scale m / 127, codes x * (127 / m) rounded to nearest,
/// ties to even. If 127 / m is infinite, scale and codes are 0; if the row
/// holds an infinity or a NaN, the scale is NaN and the codes are 0. sums[r, g]
/// is the sum of the codes of the g-th run of `group` columns, all if `group`
/// is 0. With `run_scales`, each run is rounded as if it was a row.
///
/// x <N x K>, K >= 1; codes <N x K>, i8; sums <N x ceil(K / group)>; scales
/// <N>, with `run_scales` as sums.
int32_t moe_ref_quantize_rows(const moe_quantize_rows_attrs *attrs,
                              const moe_tensor *x, moe_tensor *codes,
                              moe_tensor *scales, moe_tensor *sums,
                              moe_error *error);

/// One matrix of a quantized bank, by the rule of moe_quantization, but with
/// any group from 1 on. `values` is what the codes stand for.
///
/// w <N x K>, K >= 1; codes <N x K>, i32; scales, zeros <N x ceil(K / group)>;
/// values <N x K>.
int32_t moe_ref_quantize(const moe_quantization *format, const moe_tensor *w,
                         moe_tensor *codes, moe_tensor *scales,
                         moe_tensor *zeros, moe_tensor *values,
                         moe_error *error);

//===----------------------------------------------------------------------===//
// Codes of checkpoints
//===----------------------------------------------------------------------===//

/// What a matrix in a quantized checkpoint stands for, as the tools that write
/// such files define it. `values` is <N x K>; the run of column k is k / group.
/// Words are i32. The n-th of the 8 (of 4 bits) or 4 (of 8 bits) integers of a
/// word is in its bits from n * bits on.

/// GPTQ. values[n, k] = scales[run, n] * (q[k, n] - (z[run, n] + zero_offset)).
/// `zero_offset` is 1 in files of format "gptq", and 0 in those of "gptq_v2".
///
/// qweight <K / codes in a word x N>, words along K; qzeros <runs x N / codes
/// in a word>, words along N; scales <runs x N>.
int32_t moe_ref_decode_gptq(int32_t bits, int64_t group, int32_t zero_offset,
                            const moe_tensor *qweight, const moe_tensor *qzeros,
                            const moe_tensor *scales, moe_tensor *values,
                            moe_error *error);

/// AWQ, 4 bits. values[n, k] = scales[run, n] * (q[k, n] - z[run, n]). The
/// integers of a word belong to the columns 0, 2, 4, 6, 1, 3, 5, 7 of its 8.
///
/// qweight <K x N / 8>; qzeros <runs x N / 8>; scales <runs x N>.
int32_t moe_ref_decode_awq(int64_t group, const moe_tensor *qweight,
                           const moe_tensor *qzeros, const moe_tensor *scales,
                           moe_tensor *values, moe_error *error);

/// compressed-tensors, "pack-quantized". values[n, k] =
/// scales[n, run] * (q[n, k] - z[n, run]). Without zeros, z is 2^(bits - 1).
///
/// packed <N x ceil(K / codes in a word)>, words along K; scales <N x runs>;
/// zeros <ceil(N / codes in a word) x runs>, words along N, or null.
int32_t moe_ref_decode_packed(int32_t bits, int64_t group,
                              const moe_tensor *packed,
                              const moe_tensor *scales, const moe_tensor *zeros,
                              moe_tensor *values, moe_error *error);

/// compressed-tensors, "int-quantized", 8 bits. values[n, k] = scales[n, run] *
/// (weight[n, k] - zeros[n, run]). Without zeros they are 0.
///
/// weight <N x K>, i8; scales <N x runs>; zeros <N x runs>, i8, or null.
int32_t moe_ref_decode_int8(int64_t group, const moe_tensor *weight,
                            const moe_tensor *scales, const moe_tensor *zeros,
                            moe_tensor *values, moe_error *error);

/// MXFP4 of the Open Compute Project. values[n, k] = 2^(scales[n, k / 32] -
/// 127)
/// * e2m1, NaN for a scale of 255. The byte of columns 2i and 2i + 1 has the
/// first in its low half; e2m1 is sign, exponent with bias 1, mantissa bit.
///
/// blocks <N x K / 2>, u8; scales <N x K / 32>, u8.
int32_t moe_ref_decode_mxfp4(const moe_tensor *blocks, const moe_tensor *scales,
                             moe_tensor *values, moe_error *error);

//===----------------------------------------------------------------------===//
// moe.grouped_matmul and moe.experts
//===----------------------------------------------------------------------===//

/// The rows [offsets[e], offsets[e + 1]) belong to expert e, here and below;
/// rows of `out` from offsets[E] on are left as they are.

/// out[r,m] = init[r,m] + sum over j of x[r,j] * slices[e][m,j].
///
/// x <N x K>; slices: num_slices = E tensors <M x K>; offsets <E+1>; init
/// <N x M> or null (0), may be `out` itself; out <N x M>.
int32_t moe_ref_grouped_matmul(const moe_tensor *x, const moe_tensor *slices,
                               int64_t num_slices, const moe_tensor *offsets,
                               const moe_tensor *init, moe_tensor *out,
                               moe_error *error);

/// What an expert applies between its matrices.
typedef enum moe_ref_activation {
  MOE_REF_SILU = 0,      ///< x / (1 + exp(-x))
  MOE_REF_GELU_TANH = 1, ///< x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  MOE_REF_GELU = 2,      ///< x/2 (1 + erf(x / sqrt(2)))
  MOE_REF_RELU = 3,      ///< max(x, 0), NaN stays NaN
  MOE_REF_IDENTITY = 4
} moe_ref_activation;

/// out[r] = down[e] (act(gate[e] x[r]) * (up[e] x[r])), all in f64.
///
/// x <N x H>; gate, up: E tensors <F x H>; down: E tensors <M x F>, where F may
/// differ between experts; offsets <E+1>; out <N x M>.
int32_t moe_ref_gated_ffn(const moe_tensor *x, const moe_tensor *gate,
                          const moe_tensor *up, const moe_tensor *down,
                          int64_t num_experts, const moe_tensor *offsets,
                          int32_t activation, moe_tensor *out,
                          moe_error *error);

/// out[r] = down[e] act(up[e] x[r]), all in f64. Shapes as above.
int32_t moe_ref_ffn(const moe_tensor *x, const moe_tensor *up,
                    const moe_tensor *down, int64_t num_experts,
                    const moe_tensor *offsets, int32_t activation,
                    moe_tensor *out, moe_error *error);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_REFERENCE_H
