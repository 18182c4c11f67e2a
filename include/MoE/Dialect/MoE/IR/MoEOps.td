//===- MoEOps.td - Operations of the moe dialect -*- tablegen -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each op is specified in docs/spec/; the labels of its constraints (such as
// moe-router-c1) appear there, in the verifier, in its diagnostic and in tests.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_IR_MOEOPS
#define MOE_DIALECT_MOE_IR_MOEOPS

include "MoE/Dialect/MoE/IR/MoEAttrs.td"
include "MoE/Dialect/MoE/IR/MoETypes.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Type constraints and base classes
//===----------------------------------------------------------------------===//

class MoE_Shaped<list<Type> elements, int rank, string description>
    : AnyTypeOf<[TensorRankOf<elements, [rank]>, MemRefRankOf<elements, [rank]>],
                description, "::mlir::ShapedType">;

def MoE_FloatMatrix : MoE_Shaped<[F32], 2, "2-d tensor or memref of f32">;
def MoE_Matrix : MoE_Shaped<[F32, BF16, F16], 2,
                            "2-d tensor or memref of f32, bf16 or f16">;
def MoE_Rows : MoE_Shaped<[F32, BF16, F16, I8], 2,
                          "2-d tensor or memref of f32, bf16, f16 or i8">;
def MoE_FloatVector : MoE_Shaped<[F32], 1, "1-d tensor or memref of f32">;
def MoE_IntMatrix : MoE_Shaped<[I32], 2, "2-d tensor or memref of i32">;
def MoE_IntVector : MoE_Shaped<[I32], 1, "1-d tensor or memref of i32">;
def MoE_FloatTensor2 : TensorRankOf<[F32], [2]>;
def MoE_Tensor2 : TensorRankOf<[F32, BF16, F16], [2]>;

class MoE_Op<string mnemonic, list<Trait> traits = []>
    : Op<MoE_Dialect, mnemonic, traits>;

/// A pure function of tensors, or, after bufferization, the same on memrefs with
/// its results in `into`.
class MoE_TwoFormOp<string mnemonic, list<Trait> traits = []>
    : MoE_Op<mnemonic, !listconcat([
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
                                  ["reifyResultShapes"]>], traits)> {
  let hasVerifier = 1;
  code routingOpMethods = [{
    /// Type of the i-th result, in either form.
    ::mlir::ShapedType getResultShape(unsigned i) {
      return ::llvm::cast<::mlir::ShapedType>(
          getNumResults() ? getResult(i).getType() : getInto()[i].getType());
    }
    bool hasTensorSemantics() { return getInto().empty(); }
  }];
}

/// An op of the routing chain, whose operands are in groups.
class MoE_RoutingOp<string mnemonic, list<Trait> traits = []>
    : MoE_TwoFormOp<mnemonic,
                    !listconcat([AttrSizedOperandSegments], traits)>;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def MoE_WeightOp : MoE_Op<"weight",
    [Symbol, HasParent<"::mlir::ModuleOp">,
     DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "declares a weight by its name in a checkpoint";
  let description = [{
    The only form of a weight. A plain weight is a tensor, a bank one slice per
    expert. Which file the elements come from is said when the module is run;
    IR holds names of checkpoint tensors, never file paths.

    A weight has one source, or, for a bank, one source per expert, unless it is
    `encoded`.

    ```mlir
    moe.weight @norm : tensor<192xbf16> from ["model.norm.weight"]
    moe.weight @up : !moe.bank<8x256x192xbf16>
      from ["model.layers.0.block_sparse_moe.experts.{e}.w3.weight"]
    ```

    A packed bank is a copy that is made when the module is loaded. Banks whose
    layout has several ways share memory: the first one owns it, and the others
    come after it and say `beside` which one that is and `way` which place of
    each step is theirs.

    A quantized bank is made from tensors of floats when the module is loaded;
    `stored` is the type that they have in the checkpoint, f32 if it is not given.

    ```mlir
    moe.weight @gate : !moe.bank<8x256x192xf32, #moe.quantized<bits = 8, scale = f32>>
      from ["experts.{e}.gate.weight"] {stored = bf16}
    ```

    If the checkpoint has codes already, `encoded` names the weights that hold
    them, their scales and zeros, instead of a source.

    ```mlir
    moe.weight @up.codes : !moe.bank<8x256x24xi32, strided<[1, 256]>>
      from [#moe.source<"experts.{e}.up.qweight", shape = [24, 256], permutation = [1, 0]>]
    moe.weight @up.scales : !moe.bank<8x256x3xf16, strided<[1, 256]>>
      from [#moe.source<"experts.{e}.up.scales", shape = [3, 256], permutation = [1, 0]>]
    moe.weight @up : !moe.bank<8x256x192xf32, #moe.quantized<bits = 4, group = 64, scale = f16>>
      from [] {encoded = #moe.encoded<codes = @up.codes, scales = @up.scales>}
    ```
  }];
  let extraClassDeclaration = [{
    /// Type of the elements in the checkpoint.
    ::mlir::Type getStoredType();
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type,
                       TypedArrayAttrBase<MoE_SourceAttr,
                         "array of checkpoint sources">:$sources,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<TypeAttr>:$stored,
                       OptionalAttr<MoE_EncodedAttr>:$encoded,
                       OptionalAttr<FlatSymbolRefAttr>:$beside,
                       DefaultValuedAttr<I64Attr, "0">:$way);
  let builders = [
    OpBuilder<(ins "::mlir::StringAttr":$name, "::mlir::Type":$type,
                   "::mlir::ArrayAttr":$sources), [{
      build($_builder, $_state, name, ::mlir::TypeAttr::get(type), sources,
            /*sym_visibility=*/::mlir::StringAttr(),
            /*stored=*/::mlir::TypeAttr(), /*encoded=*/EncodedAttr(),
            /*beside=*/::mlir::FlatSymbolRefAttr(),
            $_builder.getI64IntegerAttr(0));
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def MoE_GetWeightOp : MoE_Op<"get_weight",
    [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a declared weight";
  let description = [{
    Reading a weight costs nothing: no element is copied. The result must not be
    written to, in the form on memrefs either.

    ```mlir
    moe.weight @up : !moe.bank<8x256x192xbf16> from ["experts.{e}.up.weight"]
    %up = moe.get_weight @up : !moe.bank<8x256x192xbf16>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyTypeOf<[AnyRankedTensor, AnyMemRef, MoE_BankType]>:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def MoE_MakeBankOp : MoE_Op<"make_bank",
    [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "a bank of separate tensors, without copying them";
  let description = [{
    Slice e of the result is operand e. The elements stay where they are. The
    bank lives as long as the block that makes it: it is not returned or yielded.

    ```mlir
    %bank = moe.make_bank %w0, %w1 : tensor<4x6xf32> -> !moe.bank<2x4x6xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyTypeOf<[AnyRankedTensor, AnyMemRef]>>:$slices);
  let results = (outs MoE_BankType:$bank);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def MoE_BankSliceOp : MoE_Op<"bank_slice", [Pure]> {
  let summary = "the weight of one expert";
  let description = [{
    The expert index must be in [0, number of experts); otherwise the behaviour
    is undefined. Nothing is copied; the result must not be written to.

    ```mlir
    %w = moe.bank_slice %bank[%e] : !moe.bank<8x256x192xbf16> -> tensor<256x192xbf16>
    ```
  }];
  let arguments = (ins MoE_BankType:$bank, Index:$expert);
  let results = (outs AnyTypeOf<[AnyRankedTensor, AnyMemRef]>:$slice);
  let assemblyFormat = [{
    $bank `[` $expert `]` attr-dict `:` qualified(type($bank)) `->` type($slice)
  }];
  let hasVerifier = 1;
}

def MoE_TransposeBankOp : MoE_Op<"transpose_bank", [Pure]> {
  let summary = "a bank of matrices, seen transposed";
  let description = [{
    Slice e of the result is the transposed slice e of the operand. Nothing is
    copied: the layout of the result says where its elements lie.

    ```mlir
    %t = moe.transpose_bank %bank
      : !moe.bank<8x192x256xbf16> -> !moe.bank<8x256x192xbf16, strided<[1, 256]>>
    ```
  }];
  let arguments = (ins MoE_BankType:$bank);
  let results = (outs MoE_BankType:$result);
  let assemblyFormat = [{
    $bank attr-dict `:` qualified(type($bank)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

def MoE_RouterOp : MoE_RoutingOp<"router"> {
  let summary = "scores experts and selects some for each token";
  let description = [{
    For each row z of the `logits` (T x E):

    1. z is normalised by `logit_norm`.
    2. s = score(z): softmax over the row, or a pointwise function.
    3. The key of an expert is s or z (`key`), plus `bias`. When the score is
       monotone and there is neither bias nor group limit, keys compare on z.
    4. `group_limit` replaces the keys of experts outside the best groups.
    5. `top_k` experts are selected: larger key first, ties to the lower index;
       a NaN ranks below -inf. With `selection = table` the ids are the operand
       `table`; -1 selects nothing and has weight 0.
    6. The weight of a selected expert is its s (`domain = all`), the score over
       the selected logits only (`selected`), or the softmax over the logits
       within `threshold` of the maximum (`threshold`; SparseMixer, with
       `selection = sequential`). A bias never enters a weight.
    7. Weights are divided by their norm (`normalize`), multiplied by `scale`
       and by `expert_scale` of the expert.

    Results: weights (T x k, f32), ids (T x k, i32) in order of selection, and
    optionally the scores s (T x E, f32). T may be 0. NaN propagates to weights.

    ```mlir
    %w, %ids = moe.router %logits {top_k = 2 : i64, score = #moe.score<softmax>,
                                   normalize = #moe.normalize}
      : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
    ```
  }];
  let arguments = (ins
    MoE_FloatMatrix:$logits,
    Optional<MoE_FloatVector>:$bias,
    Optional<MoE_FloatVector>:$expert_scale,
    Optional<MoE_IntMatrix>:$table,
    Variadic<AnyMemRef>:$into,
    I64Attr:$top_k,
    MoE_ScoreAttr:$score,
    DefaultValuedAttr<MoE_ScoreDomainAttr, "ScoreDomain::All">:$domain,
    DefaultValuedAttr<MoE_KeyAttr, "Key::Score">:$key,
    DefaultValuedAttr<MoE_SelectionAttr, "Selection::TopK">:$selection,
    OptionalAttr<MoE_LogitNormAttr>:$logit_norm,
    OptionalAttr<MoE_GroupLimitAttr>:$group_limit,
    OptionalAttr<F64Attr>:$threshold,
    OptionalAttr<MoE_NormalizeAttr>:$normalize,
    OptionalAttr<F64Attr>:$scale);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $logits (`bias` `(` $bias^ `)`)? (`expert_scale` `(` $expert_scale^ `)`)?
    (`table` `(` $table^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = routingOpMethods # [{
    int64_t getNumExperts() { return getLogits().getType().getDimSize(1); }
    ::mlir::Value getWeights() { return getResult(0); }
    ::mlir::Value getIds() { return getResult(1); }
    bool returnsScores() { return getNumResults() + getInto().size() == 3; }
    /// The attributes as the runtime knows them (MoE/Runtime/Abi.h).
    ::moe_router_attrs getAbiAttrs();
    /// True if keys may be compared on logits: the score is monotone and
    /// neither a bias nor a group limit is applied to it.
    bool comparesLogits();
  }];
}

def MoE_PlanOp : MoE_RoutingOp<"plan"> {
  let summary = "lays out the rows of the experts, and decides who is dropped";
  let description = [{
    Turns the ids (T x k) of a router into a layout of N rows, grouped by expert
    and in token order inside a group. Results, all plain tensors:

    * counts (E, i32): kept slots of each expert;
    * offsets (E + 1, i32): group e is rows [offsets[e], offsets[e + 1]);
    * source (N, i32): the token of each row; elements from offsets[E] on are
      undefined and never read;
    * position (T x k, i32): the row of each slot, -1 if it has none;
    * weights (T x k, f32): the weights to combine with.

    An id of -1 takes no room and gets weight 0. Ids are in [-1, E).

    Without a capacity nothing is dropped and N may be any bound >= T * k. With
    one, an expert takes at most `capacity` slots of each segment; `priority`
    says who is served first: `positional` serves all first choices in token
    order, then all second choices, and so on; `batch` orders the tokens by
    their largest weight (or `priority_scores`) first, ties by token. Segments
    are consecutive runs of tokens given by `segment_offsets` (S + 1, i32).

    The capacity is a rule on the number of tokens (`capacity_rule`), or, after
    capacity planning, the index operand `capacity`.

    A dropped slot has position -1. Its weight becomes 0 (`overflow = zero`) or
    stays (`residual`), for `moe.combine` to apply to the token itself.
    `renormalize` divides the weights of the kept slots of a token by their norm
    after dropping; a norm of 0 leaves zeros.

    T * k < 2^31 is required.
  }];
  let arguments = (ins
    MoE_FloatMatrix:$weights,
    MoE_IntMatrix:$ids,
    Optional<Index>:$capacity,
    Optional<MoE_IntVector>:$segment_offsets,
    Optional<MoE_FloatVector>:$priority_scores,
    Optional<Index>:$rows,
    Variadic<AnyMemRef>:$into,
    OptionalAttr<MoE_CapacityAttr>:$capacity_rule,
    DefaultValuedAttr<MoE_PriorityAttr, "Priority::Positional">:$priority,
    DefaultValuedAttr<MoE_OverflowAttr, "Overflow::None">:$overflow,
    OptionalAttr<MoE_NormalizeAttr>:$renormalize);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $weights `,` $ids (`capacity` `(` $capacity^ `)`)?
    (`segments` `(` $segment_offsets^ `)`)?
    (`priority_scores` `(` $priority_scores^ `)`)?
    (`rows` `(` $rows^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = routingOpMethods # [{
    int64_t getNumExperts() { return getResultShape(0).getDimSize(0); }
    int64_t getTopK() { return getIds().getType().getDimSize(1); }
    ::mlir::Value getCounts() { return getResult(0); }
    ::mlir::Value getOffsets() { return getResult(1); }
    ::mlir::Value getSource() { return getResult(2); }
    ::mlir::Value getPosition() { return getResult(3); }
    ::mlir::Value getPlannedWeights() { return getResult(4); }
    /// True if nothing can be dropped.
    bool isDropless() { return !getCapacity() && !getCapacityRule(); }
    ::moe_plan_attrs getAbiAttrs();
  }];
}

def MoE_DispatchOp : MoE_RoutingOp<"dispatch"> {
  let summary = "gathers the rows of the experts from the tokens";
  let description = [{
    rows[r] = x[source[r]] for r < offsets[E]; later rows are undefined. With
    `weights` and `position`, row position[t, j] is also multiplied by
    weights[t, j]: the weight is applied at the input (Llama 4).

    ```mlir
    %rows = moe.dispatch %x, %source, %offsets
      : (tensor<?x192xf32>, tensor<?xi32>, tensor<9xi32>) -> tensor<?x192xf32>
    ```
  }];
  let arguments = (ins
    MoE_FloatMatrix:$x,
    MoE_IntVector:$source,
    MoE_IntVector:$offsets,
    Optional<MoE_FloatMatrix>:$weights,
    Optional<MoE_IntMatrix>:$position,
    Variadic<AnyMemRef>:$into);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $x `,` $source `,` $offsets (`weights` `(` $weights^ `)`)?
    (`position` `(` $position^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = routingOpMethods;
}

def MoE_CombineOp : MoE_RoutingOp<"combine"> {
  let summary = "weighs and sums the rows of each token";
  let description = [{
    y[t] = sum over the slots j, in order, of weights[t, j] * rows[position[t, j]];
    without `weights` the rows are summed as they are. A slot at position -1
    adds nothing, or, when `passthrough` (T x H) is given and its weight is not
    0, weights[t, j] * passthrough[t]. A token without any slot gets 0.

    ```mlir
    %y = moe.combine %rows, %position weights(%w)
      : (tensor<?x192xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x192xf32>
    ```
  }];
  let arguments = (ins
    MoE_FloatMatrix:$rows,
    MoE_IntMatrix:$position,
    Optional<MoE_FloatMatrix>:$weights,
    Optional<MoE_FloatMatrix>:$passthrough,
    Variadic<AnyMemRef>:$into);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $rows `,` $position (`weights` `(` $weights^ `)`)?
    (`passthrough` `(` $passthrough^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = routingOpMethods;
}

def MoE_AuxLossOp : MoE_RoutingOp<"aux_loss"> {
  let summary = "measures a router: its balance, or the size of its logits";
  let description = [{
    A loss that routers are trained with, computed in the forward pass and
    without its coefficient. `values` (T x E) are scores, or logits for `z`:

    * `fraction_probability`: E * sum over e of f[e] * P[e], with f[e] the number
      of slots that chose e (`ids`, T x k), divided by T, or by T * k with
      `normalize_k`, and P[e] the mean score of e (Switch Transformer);
    * `z`: the mean over the tokens of the squared log-sum-exp of their logits
      (ST-MoE);
    * `importance_cv2`: the population variance over the experts of their summed
      scores, divided by the squared mean (Shazeer et al., 2017).

    An id of -1 is not counted. T may be 0: the loss is then 0.

    ```mlir
    %loss = moe.aux_loss %scores ids(%ids) {kind = #moe.loss<fraction_probability>}
      : (tensor<?x8xf32>, tensor<?x2xi32>) -> tensor<f32>
    ```
  }];
  let arguments = (ins
    MoE_FloatMatrix:$values,
    Optional<MoE_IntMatrix>:$ids,
    Variadic<AnyMemRef>:$into,
    MoE_LossAttr:$kind,
    UnitAttr:$normalize_k);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $values (`ids` `(` $ids^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = routingOpMethods # [{
    int64_t getNumExperts() { return getValues().getType().getDimSize(1); }
    /// True if the kind counts who was chosen, which takes ids.
    bool countsSlots();
    ::moe_aux_loss_attrs getAbiAttrs();
  }];
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

def MoE_ExpertsOp : MoE_Op<"experts", [
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
                                  ["reifyResultShapes"]>,
    RecursiveMemoryEffects,
    SingleBlockImplicitTerminator<"::mlir::moe::YieldOp">]> {
  let summary = "runs each group of rows through its expert";
  let description = [{
    Group e is rows [offsets[e], offsets[e + 1]), in token order. Rows from the
    last offset on are not read, and undefined in the result.

    With *one* region, every expert runs the same body with its own slice of
    each bank: block arguments are the rows of the group (r x H), the expert
    index, and one slice per bank. With E regions, region e is the body of
    expert e and has one argument, the rows (heterogeneous experts; weights are
    values of the surrounding function). The body yields r rows.

    The last `identity` groups return their rows unchanged and the `zero` groups
    before them return zeros; they have no body (zero-computation experts).

    ```mlir
    %y = moe.experts %rows, %offsets banks(%w)
      : (tensor<?x192xf32>, tensor<9xi32>, !moe.bank<8x192x192xf32>) -> tensor<?x192xf32> {
    ^bb0(%r: tensor<?x192xf32>, %e: index, %we: tensor<192x192xf32>):
      %h = linalg.add ins(%r, %r : tensor<?x192xf32>, tensor<?x192xf32>)
                      outs(%r : tensor<?x192xf32>) -> tensor<?x192xf32>
      moe.yield %h : tensor<?x192xf32>
    }
    ```
  }];
  let arguments = (ins
    MoE_FloatTensor2:$rows,
    TensorRankOf<[I32], [1]>:$offsets,
    Variadic<MoE_BankType>:$banks,
    DefaultValuedAttr<I64Attr, "0">:$identity,
    DefaultValuedAttr<I64Attr, "0">:$zero);
  let results = (outs MoE_FloatTensor2:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $rows `,` $offsets (`banks` `(` $banks^ `)`)? attr-dict `:`
    functional-type(operands, results) $bodies
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// Groups of the plan, those without a body too.
    int64_t getNumGroups() {
      return getOffsets().getType().getDimSize(0) - 1;
    }
    /// Groups that have a body.
    int64_t getNumExperts() {
      return getNumGroups() - getIdentity() - getZero();
    }
    /// True if the single region has the (rows, index, slices...) form.
    bool takesBanks() { return getBodies()[0].getNumArguments() >= 2; }
  }];
}

def MoE_QuantizeRowsOp : MoE_TwoFormOp<"quantize_rows"> {
  let summary = "rounds rows to 8-bit integers times a scale of their own";
  let description = [{
    x[r, k] is about scales[r] * codes[r, k], with codes from -127 to 127:

        m = the largest |x[r, k]|     scales[r] = m / 127
        codes[r, k] = x[r, k] * (127 / m), rounded to nearest, ties to even
        sums[r, g]  = sum of codes[r, k] over the g-th run of `group` columns

    with all arithmetic in f32. Where 127 / m is infinite, as for a row of zeros,
    scale and codes are 0. Where the row holds an infinity or a NaN, the scale is
    NaN and the codes are 0. The last run may be shorter; `group` = 0 is one run.
    With `run_scales`, all this holds for each run of a row on its own, and
    scales[r, g] is that of run g.

    ```mlir
    %codes, %scales, %sums = moe.quantize_rows %x {group = 32}
      : (tensor<?x192xf32>) -> (tensor<?x192xi8>, tensor<?xf32>, tensor<?x6xi32>)
    ```
  }];
  let arguments = (ins MoE_Matrix:$x, Variadic<AnyMemRef>:$into,
                       DefaultValuedAttr<I64Attr, "0">:$group,
                       UnitAttr:$run_scales);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $x (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = routingOpMethods # [{
    ::mlir::Value getCodes() { return getResult(0); }
    ::mlir::Value getScales() { return getResult(1); }
    ::mlir::Value getSums() { return getResult(2); }
    int64_t getNumColumns() { return getX().getType().getDimSize(1); }
    /// Columns of a run, and how many runs there are.
    int64_t getGroupSize();
    int64_t getNumGroups();
  }];
}

def MoE_GroupedMatmulOp : MoE_Op<"grouped_matmul", [
    AttrSizedOperandSegments, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
                                  ["reifyResultShapes"]>]> {
  let summary = "rows times the transposed matrices of their group";
  let description = [{
    For each row r of group e (offsets[e] <= r < offsets[e + 1]) and column n:

        sum_b = sum over k of rows[r, k] * bank_b[e][n, k]
        result[r, n] = body(sum_0, ..., per_row[r], ..., per_column[e][n], ...,
                            elements[r, n], ..., init[r, n])

    A bank holds matrices as checkpoints do, [out, in]. Without a body there is
    one bank, and the result is init + sum. Without offsets all rows are group 0.
    With `source`, the row that is read is source[r] instead of r, of `rows` and
    of `per_row`. With `targets`, the row of result, init and `elements` is
    targets[r] instead of r: rows are taken in their order, and init is what the
    ones before have left, so that a body that adds to it sums the rows of a
    target; the targets of a group ascend, else it is not specified which of its
    rows count. Products and sums are f32; the order of summation is not
    specified. Rows may be codes (i8) where the banks are quantized; `row_sums`
    then holds their sums over the columns of each scale of a bank, as
    `moe.quantize_rows` computes them, and `row_scales`, where given, what the
    codes of the same columns are multiplied with. Rows of the result that no
    row of a group computes keep the value of `init`. Banks whose layout has
    several ways come in the order of the ways.

    ```mlir
    %y = moe.grouped_matmul %rows banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<?x192xf32>, !moe.bank<8x256x192xbf16>, tensor<9xi32>,
         tensor<?x256xf32>) -> tensor<?x256xf32>

    %h = moe.grouped_matmul %x[%source] banks(%gate, %up) offsets(%offsets)
      outs(%init) : (tensor<?x192xf32>, tensor<?xi32>,
         !moe.bank<8x256x192xbf16>, !moe.bank<8x256x192xbf16>, tensor<9xi32>,
         tensor<?x256xf32>) -> tensor<?x256xf32> {
    ^bb0(%g: f32, %u: f32, %old: f32):
      %p = arith.mulf %g, %u : f32
      moe.yield %p : f32
    }

    %z = moe.grouped_matmul %h banks(%down) offsets(%offsets) targets(%source)
      per_row(%weights) outs(%zeros) : (tensor<?x256xf32>,
         !moe.bank<8x192x256xbf16>, tensor<9xi32>, tensor<?xi32>, tensor<?xf32>,
         tensor<?x192xf32>) -> tensor<?x192xf32> {
    ^bb0(%d: f32, %w: f32, %old: f32):
      %p = arith.mulf %d, %w : f32
      %s = arith.addf %old, %p : f32
      moe.yield %s : f32
    }
    ```
  }];
  let arguments = (ins MoE_Rows:$rows, Optional<MoE_IntVector>:$source,
                       Optional<MoE_IntMatrix>:$row_sums,
                       Optional<MoE_FloatMatrix>:$row_scales,
                       Variadic<MoE_BankType>:$banks,
                       Optional<MoE_IntVector>:$offsets,
                       Optional<MoE_IntVector>:$targets,
                       Variadic<MoE_FloatVector>:$per_row,
                       Variadic<MoE_BankType>:$per_column,
                       Variadic<MoE_FloatMatrix>:$elements,
                       MoE_Matrix:$init,
                       OptionalAttr<MoE_CPUScheduleAttr>:$schedule);
  let results = (outs Variadic<MoE_Tensor2>:$results);
  let regions = (region MaxSizedRegion<1>:$body);
  let assemblyFormat = [{
    $rows (`[` $source^ `]`)? (`row_sums` `(` $row_sums^ `)`)?
    (`row_scales` `(` $row_scales^ `)`)? `banks` `(` $banks `)`
    (`offsets` `(` $offsets^ `)`)? (`targets` `(` $targets^ `)`)?
    (`per_row` `(` $per_row^ `)`)? (`per_column` `(` $per_column^ `)`)?
    (`elements` `(` $elements^ `)`)? `outs` `(` $init `)` attr-dict `:` functional-type(operands, results)
    ($body^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
    bool hasBody() { return !getBody().empty(); }
    int64_t getNumGroups() { return getBankType().getNumExperts(); }
    /// All rows, in their order, meet the one matrix of each bank.
    bool isDense() {
      return getNumGroups() == 1 && !getOffsets() && !getSource() &&
             !getTargets();
    }
    /// Type of the banks; all have the same shape.
    BankType getBankType() {
      return ::llvm::cast<BankType>(getBanks().front().getType());
    }
    /// What the body computes from init[r, n] is part of the result.
    bool readsInit();
    /// Without a body: gives it the one that says the same, init + sum.
    void createDefaultBody(::mlir::OpBuilder &builder);
    /// Adds an operand to those per row; returns what the body gets of it.
    ::mlir::BlockArgument addPerRow(::mlir::Value operand);
  }];
}

def MoE_NumThreadsOp : MoE_Op<"num_threads", [Pure]> {
  let summary = "how many threads share the iterations of a parallel loop";
  let description = [{
    At least 1, and the same throughout a call. What is computed must not depend
    on it: it is for cutting work into as many pieces.

    ```mlir
    %threads = moe.num_threads : index
    ```
  }];
  let results = (outs Index:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def MoE_YieldOp : MoE_Op<"yield", [Pure, ReturnLike, Terminator,
                                   ParentOneOf<["ExpertsOp",
                                                "GroupedMatmulOp"]>]> {
  let summary = "ends a body";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let builders = [OpBuilder<(ins), [{ }]>];
}

#endif // MOE_DIALECT_MOE_IR_MOEOPS
