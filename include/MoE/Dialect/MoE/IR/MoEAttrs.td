//===- MoEAttrs.td - Attributes of the moe dialect -*- tablegen -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The enum values equal those of MoE/Runtime/Abi.h; MoEAttrs.cpp checks it.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_IR_MOEATTRS
#define MOE_DIALECT_MOE_IR_MOEATTRS

include "MoE/Dialect/MoE/IR/MoEDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class MoE_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::mlir::moe";
  let genSpecializedAttr = 0;
}

class MoE_EnumAttr<EnumAttrInfo info, string mnemonic>
    : EnumAttr<MoE_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}

class MoE_Attr<string name, string attrMnemonic> : AttrDef<MoE_Dialect, name> {
  let mnemonic = attrMnemonic;
}

//===----------------------------------------------------------------------===//
// Router
//===----------------------------------------------------------------------===//

def MoE_Score : MoE_Enum<"Score", "how a logit becomes a score", [
  I32EnumAttrCase<"Softmax", 0, "softmax">,
  I32EnumAttrCase<"Sigmoid", 1, "sigmoid">,
  I32EnumAttrCase<"SqrtSoftplus", 2, "sqrt_softplus">,
  I32EnumAttrCase<"Identity", 3, "identity">]>;
def MoE_ScoreAttr : MoE_EnumAttr<MoE_Score, "score">;

def MoE_ScoreDomain : MoE_Enum<"ScoreDomain",
    "which logits take part in the score of a selected expert", [
  I32EnumAttrCase<"All", 0, "all">,
  I32EnumAttrCase<"Selected", 1, "selected">,
  I32EnumAttrCase<"Threshold", 2, "threshold">]>;
def MoE_ScoreDomainAttr : MoE_EnumAttr<MoE_ScoreDomain, "domain">;

def MoE_Key : MoE_Enum<"Key", "what is compared to select experts", [
  I32EnumAttrCase<"Score", 0, "score">,
  I32EnumAttrCase<"Logit", 1, "logit">]>;
def MoE_KeyAttr : MoE_EnumAttr<MoE_Key, "key">;

def MoE_Selection : MoE_Enum<"Selection", "how experts are selected", [
  I32EnumAttrCase<"TopK", 0, "topk">,
  I32EnumAttrCase<"Sequential", 1, "sequential">,
  I32EnumAttrCase<"Table", 2, "table">]>;
def MoE_SelectionAttr : MoE_EnumAttr<MoE_Selection, "selection">;

def MoE_GroupScore : MoE_Enum<"GroupScore", "how a group of experts is scored", [
  I32EnumAttrCase<"Max", 0, "max">,
  I32EnumAttrCase<"SumTop", 1, "sum_top">]>;

def MoE_GroupFill : MoE_Enum<"GroupFill",
    "the key of experts outside the kept groups", [
  I32EnumAttrCase<"NegInf", 0, "neg_inf">,
  I32EnumAttrCase<"Zero", 1, "zero">]>;

def MoE_LogitNorm : MoE_Enum<"LogitNorm", "normalisation of the logits", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"ZScore", 1, "zscore">,
  I32EnumAttrCase<"SoftCap", 2, "softcap">,
  I32EnumAttrCase<"Scale", 3, "scale">]>;

def MoE_EpsMode : MoE_Enum<"EpsMode", "how a norm is kept from zero", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Add", 1, "add">,
  I32EnumAttrCase<"Clamp", 2, "clamp">]>;

def MoE_GroupLimitAttr : MoE_Attr<"GroupLimit", "group_limit"> {
  let summary = "selection limited to the best groups of experts";
  let description = [{
    Experts form `groups` equal runs of consecutive indices. A group's score is
    its largest key (`max`), or the sum of its `top` largest keys (`sum_top`).
    The `keep` best groups stay (ties: the lower group); the keys of all other
    experts become -inf or 0 (`fill`). DeepSeek-V2 and V3.
  }];
  let parameters = (ins "int64_t":$groups, "int64_t":$keep,
    DefaultValuedParameter<"GroupScore", "GroupScore::Max">:$score,
    DefaultValuedParameter<"int64_t", "1">:$top,
    DefaultValuedParameter<"GroupFill", "GroupFill::NegInf">:$fill);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def MoE_LogitNormAttr : MoE_Attr<"LogitNormalization", "logit_norm"> {
  let summary = "normalisation of a token's logits before the score";
  let description = [{
    `zscore`: value * (z - mean) / std over the experts, biased std (Skywork).
    `softcap`: value * tanh(z / value). `scale`: value * z.
  }];
  let parameters = (ins "LogitNorm":$kind, APFloatParameter<"">:$value);
  let assemblyFormat = "`<` $kind `,` $value `>`";
  let genVerifyDecl = 1;
}

def MoE_NormalizeAttr : MoE_Attr<"Normalize", "normalize"> {
  let summary = "division of a token's weights by their p-norm";
  let description = [{
    Each weight is divided by n = (sum |w|^p)^(1/p), by n + eps (`add`), or by
    max(n, eps) (`clamp`). p = 1 is the sum that most models use.
  }];
  let parameters = (ins
    DefaultValuedParameter<"::llvm::APFloat", "::llvm::APFloat(1.0)">:$p,
    DefaultValuedParameter<"EpsMode", "EpsMode::None">:$eps_mode,
    DefaultValuedParameter<"::llvm::APFloat", "::llvm::APFloat(0.0)">:$eps);
  let assemblyFormat = "(`<` struct(params)^ `>`)?";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

def MoE_Priority : MoE_Enum<"Priority", "who is served first", [
  I32EnumAttrCase<"Positional", 0, "positional">,
  I32EnumAttrCase<"Batch", 1, "batch">]>;
def MoE_PriorityAttr : MoE_EnumAttr<MoE_Priority, "priority">;

def MoE_Overflow : MoE_Enum<"Overflow", "what becomes of a dropped slot", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Zero", 1, "zero">,
  I32EnumAttrCase<"Residual", 2, "residual">]>;
def MoE_OverflowAttr : MoE_EnumAttr<MoE_Overflow, "overflow">;

def MoE_CapacityBasis : MoE_Enum<"CapacityBasis",
    "what a capacity factor multiplies", [
  I32EnumAttrCase<"Fixed", 0, "fixed">,
  I32EnumAttrCase<"TokensPerExpert", 1, "tokens_per_expert">,
  I32EnumAttrCase<"SlotsPerExpert", 2, "slots_per_expert">,
  I32EnumAttrCase<"Tokens", 3, "tokens">]>;

def MoE_Rounding : MoE_Enum<"Rounding", "how a capacity becomes whole", [
  I32EnumAttrCase<"Ceil", 0, "ceil">,
  I32EnumAttrCase<"Floor", 1, "floor">,
  I32EnumAttrCase<"NearestEven", 2, "nearest_even">]>;

def MoE_CapacityAttr : MoE_Attr<"Capacity", "capacity"> {
  let summary = "rows an expert takes, as a rule on the number of tokens";
  let description = [{
    capacity = max(at_least, round_up(round(factor * basis), multiple_of)) with
    basis 1 (`fixed`), T/E, k*T/E or T. T is the number of tokens of a segment
    (of the batch when there are no segments).
  }];
  let parameters = (ins "CapacityBasis":$basis, APFloatParameter<"">:$factor,
    DefaultValuedParameter<"Rounding", "Rounding::Ceil">:$rounding,
    DefaultValuedParameter<"int64_t", "1">:$multiple_of,
    DefaultValuedParameter<"int64_t", "0">:$at_least);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Auxiliary loss
//===----------------------------------------------------------------------===//

def MoE_Loss : MoE_Enum<"Loss", "what a loss measures of a router", [
  I32EnumAttrCase<"FractionProbability", 0, "fraction_probability">,
  I32EnumAttrCase<"Z", 1, "z">,
  I32EnumAttrCase<"ImportanceCv2", 2, "importance_cv2">]>;
def MoE_LossAttr : MoE_EnumAttr<MoE_Loss, "loss">;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def MoE_SourceAttr : MoE_Attr<"Source", "source"> {
  let summary = "a window of one checkpoint tensor";
  let description = [{
    `tensor` names a tensor of the checkpoint; in the single source of a bank,
    "{e}" stands for the expert index and each expert has a tensor of its own.

    Without a window the whole tensor is meant. Otherwise `shape` is the shape
    of the file tensor, the window starts at `offsets`, takes every
    `strides`-th element (default 1), and `permutation` says which file
    dimension each dimension of the weight is (default: the same order). In a
    bank without "{e}", dimension 0 of the permuted window is the expert.

    ```mlir
    #moe.source<"h.3.mlp.experts.gate_up_proj", shape = [8, 512, 192],
                offsets = [0, 256, 0]>
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$tensor,
    OptionalArrayRefParameter<"int64_t">:$shape,
    OptionalArrayRefParameter<"int64_t">:$offsets,
    OptionalArrayRefParameter<"int64_t">:$strides,
    OptionalArrayRefParameter<"int64_t">:$permutation);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// True if the name holds "{e}": one file tensor per expert.
    bool isPerExpert() const;
    /// True if the source is the whole file tensor.
    bool isWhole() const { return getShape().empty(); }
  }];
}

def MoE_Codes : MoE_Enum<"Codes", "what codes of a quantized bank are", [
  I32EnumAttrCase<"Integer", 0, "integer">,
  I32EnumAttrCase<"E2M1", 1, "e2m1">]>;
def MoE_CodesAttr : MoE_EnumAttr<MoE_Codes, "codes">;

def MoE_QuantizedAttr : MoE_Attr<"Quantized", "quantized"> {
  let summary = "how the matrices of a bank are stored as small integers";
  let description = [{
    Element (n, k) of a matrix is scale * (code - zero). Its code has `bits`
    bits; scale and zero belong to row n and to the run of `group` columns that
    k is in, or to all of row n where `group` is 0. The scale has the type
    `scale`. The zero is 2^(bits - 1), or, with `zero_points`, a number of its own
    for each scale. Codes that are `e2m1` are floats of 4 bits, and element (n, k)
    is scale * code.

    ```mlir
    func.func private @f(!moe.bank<8x256x192xf32, #moe.quantized<bits = 4, group = 32, scale = bf16>>)
    ```
  }];
  let parameters = (ins "int64_t":$bits,
                        DefaultValuedParameter<"int64_t", "0">:$group,
                        "::mlir::Type":$scale,
                        DefaultValuedParameter<"bool", "false">:$zero_points,
                        DefaultValuedParameter<"::mlir::moe::Codes",
                                               "Codes::Integer">:$codes);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Columns that share a scale in a row of `columns`.
    int64_t getGroupSize(int64_t columns) const {
      return getGroup() == 0 ? columns : std::min(getGroup(), columns);
    }
    /// Scales of a row of `columns`.
    int64_t getNumGroups(int64_t columns) const {
      return ::llvm::divideCeil(columns, getGroupSize(columns));
    }
    /// What is subtracted from codes where it is the same everywhere. Codes that
    /// are e2m1 are taken twice, plus this.
    int64_t getFixedZero() const {
      return getCodes() == Codes::E2M1 ? 12 : int64_t(1) << (getBits() - 1);
    }
    /// Codes that 4 bytes hold: the depth of a packed layout.
    int64_t getCodesPerWord() const { return 32 / getBits(); }
  }];
}

def MoE_EncodedAttr : MoE_Attr<"Encoded", "encoded"> {
  let summary = "where a checkpoint has the codes of a quantized bank";
  let description = [{
    Names the weights that hold the codes of another one, their scales and, if
    they are stored, their zeros: banks of as many slices. Codes and zeros come in
    words, elements of i32 or ui8 that hold several each, the first one in the
    lowest bits, or in the order that `order` lists; an element of i8 holds one,
    less 2^(bits - 1). `zero_offset` is what is added to stored zeros. `groups`
    names the run that each column is said to be in.

    ```
    #moe.encoded<codes = @up.codes, scales = @up.scales, zeros = @up.zeros,
                 zero_offset = 1>
    ```
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$codes,
                        "::mlir::FlatSymbolRefAttr":$scales,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$zeros,
                        DefaultValuedParameter<"int64_t", "0">:$zero_offset,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$groups,
                        OptionalParameter<"::mlir::DenseI64ArrayAttr">:$order);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def MoE_PackedAttr : MoE_Attr<"Packed", "packed"> {
  let summary = "a layout of matrices in panels that a kernel streams";
  let description = [{
    The layout of a slice of N x K: panels of `panel` rows; inside a panel the
    elements of `depth` consecutive columns lie together, first those of the
    first row, then those of the next. Missing rows of the last panel and missing
    columns of the last step are zeros.

        address(n, k) = (n / panel) * steps * step + (k / depth) * step
                        + (n % panel) * depth + k % depth
        steps = ceil(K / depth)      step = ways * panel * depth

    With `ways` above 1, the steps of as many banks of one shape alternate in
    memory, so that a kernel that needs them together reads one stream.

    In a quantized bank the elements are codes, of which `depth` fill 4 bytes:
    byte i holds code i, or, of 4 bits, code i in its low and code i + 4 in its
    high half. Behind the steps of each run of columns that share a scale lie the
    scales of all rows of the panel, way by way, and then their zeros, in the type
    of the scales. A run begins with a step of its own.

    ```mlir
    func.func private @f(!moe.bank<8x256x192xbf16, #moe.packed<panel = 32, depth = 2>>)
    ```
  }];
  let parameters = (ins "int64_t":$panel, "int64_t":$depth,
                        DefaultValuedParameter<"int64_t", "1">:$ways);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

def MoE_Dot : MoE_Enum<"Dot", "the instruction that multiplies and adds", [
  I32EnumAttrCase<"FMA", 0, "fma">,
  I32EnumAttrCase<"BF16Pairs", 1, "bf16_pairs">,
  I32EnumAttrCase<"I8Quads", 2, "i8_quads">]>;
def MoE_DotAttr : MoE_EnumAttr<MoE_Dot, "dot">;

def MoE_WorkOrder : MoE_Enum<"WorkOrder", "what threads share of a matmul", [
  I32EnumAttrCase<"Panels", 0, "panels">,
  I32EnumAttrCase<"Rows", 1, "rows">]>;

def MoE_CPUScheduleAttr : MoE_Attr<"CPUSchedule", "cpu_schedule"> {
  let summary = "how a grouped matmul runs on a CPU";
  let description = [{
    The kernel keeps `row_block` rows times one panel of each bank in registers
    of `lanes` f32 elements, and adds products with the instruction `dot`. Rows
    of a group are split evenly into blocks of at most `row_block`.

    Threads share the panels, or, with `order = rows`, the rows, if there are
    enough of them, all panels for some rows at a time: what follows can then
    read these rows at once. That is for one group whose bank stays in a cache.

    ```
    #moe.cpu_schedule<row_block = 6, lanes = 16, dot = fma>
    ```
  }];
  let parameters = (ins "int64_t":$row_block, "int64_t":$lanes,
                        "::mlir::moe::Dot":$dot,
                        DefaultValuedParameter<"::mlir::moe::WorkOrder",
                            "::mlir::moe::WorkOrder::Panels">:$order);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // MOE_DIALECT_MOE_IR_MOEATTRS
