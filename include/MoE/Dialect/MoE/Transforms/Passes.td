//===- Passes.td - Passes inside the moe dialect -*- tablegen -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_TRANSFORMS_PASSES
#define MOE_DIALECT_MOE_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def FuseExpertsPass : Pass<"moe-fuse-experts"> {
  let summary = "turns equal bodies of experts into one body over banks";
  let description = [{
    A `moe.experts` with one region per expert becomes one with a single region
    when the bodies differ only in values of equal type that they take from
    outside: these become slices of a bank (`moe.make_bank`, nothing is copied).

    *Expects* the graph level. *Leaves alone* experts whose bodies differ, with a
    remark that says where. *Never fails.*
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
  let statistics = [
    Statistic<"numFused", "fused", "experts ops whose bodies became one">,
    Statistic<"numMissed", "missed", "experts ops whose bodies differ">];
}

def NormalizeProductsPass : Pass<"moe-normalize-products"> {
  let summary = "brings products and named operations to one form";
  let description = [{
    Whatever a stranger writes for the same function becomes the form that later
    passes know:

    * named linalg operations on tensors that are no matmuls become generic ones,
      and `linalg.softmax` its parts;
    * a transposition or a widening of the weight of a matmul becomes part of the
      matmul;
    * in the body of experts, a product of rows with a slice of a bank is a matmul
      with a weight [out, in] from zero: a slice [in, out] is one of the bank seen
      transposed (`moe.transpose_bank`), and what the sum started from is added
      after it.

    *Expects* the graph level, after `moe-fuse-experts`. *Leaves alone* what it
    does not know. *Fails when* a softmax cannot be taken apart.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::moe::MoEDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numNormalized", "normalized", "products that were written in "
              "another form">];
}

def PlanCapacityPass : Pass<"moe-plan-capacity"> {
  let summary = "turns capacity rules into values and bounds all row buffers";
  let description = [{
    A `capacity_rule` of `moe.plan` becomes index arithmetic on the number of
    tokens and the operand `capacity`; the operand `rows` becomes the proven
    bound min(T * k, E * capacity * segments). A plan without a capacity is
    dropless with the bound T * k.

    *Expects* the graph level, *produces* the planned level: every plan has a
    bound on its rows. *Never fails.*
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numDropless", "dropless", "plans that never drop">,
    Statistic<"numBounded", "bounded", "plans with a capacity">];
}

def GroupMatmulsPass : Pass<"moe-group-matmuls"> {
  let summary = "turns experts into grouped matmuls with bodies";
  let description = [{
    The body of `moe.experts` is cut at its matmuls: those that read the same rows
    become one `moe.grouped_matmul` over the rows of all experts, and what follows
    them element by element becomes its body. Matmuls of other rows or shapes that
    meet there become ops of their own, whose results are its `elements`. What is
    neither, but the same function of each row for all experts, such as a norm,
    is cloned on the rows of all experts. A `moe.dispatch` in front becomes its
    `source`, so that rows are gathered where they are read.

    *Expects* the planned level. Experts of other forms stay as they are, with a
    remark that says why.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::moe::MoEDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numGrouped", "grouped", "experts that became grouped matmuls">,
    Statistic<"numMissed", "missed", "experts that stayed as they are">];
}

def FuseCombinePass : Pass<"moe-fuse-combine"> {
  let summary = "sums the rows of a token where they are computed";
  let description = [{
    A `moe.combine` of rows that only a `moe.grouped_matmul` computes becomes part
    of it: its `targets` are the tokens of the rows, and its body multiplies by
    the weight of the row and adds to what the token has. The rows never reach
    memory. The terms of a token are then added in the order of the experts, not
    of the slots, whatever the number of threads.

    *Expects* schedules: a grouped matmul without one stays as it is. So does a
    combine that passes tokens through; a remark says why.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::moe::MoEDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numFused", "fused", "combines that became part of a matmul">,
    Statistic<"numMissed", "missed", "combines that stayed as they are">];
}

def NarrowRowsPass : Pass<"moe-narrow-rows"> {
  let summary = "gives rows the type of the narrow weights that they meet";
  let description = [{
    f32 rows of a `moe.grouped_matmul` with bf16 banks are rounded to bf16, as a
    model computes whose activations are bf16: rows of the graph once, whoever
    reads them; rows that another grouped matmul computes in its body, so that
    they are written as bf16. Sums stay f32.

    With `activations=int8`, rows that meet quantized banks also become codes of
    8 bits (`moe.quantize_rows`), once, whoever reads them, before they are
    gathered. The body multiplies each sum by the scale of its row. With
    `activations=int8-grouped`, rows have a scale for each run of columns that
    share one of the weights (`row_scales`).

    *Expects* the result of `moe-group-matmuls`, before schedules are chosen:
    instructions that multiply pairs or quads need both operands so.
  }];
  let options = [
    Option<"activations", "activations", "::mlir::moe::Activations",
           /*default=*/"::mlir::moe::Activations::BF16",
           "the narrowest type that rows get", [{::llvm::cl::values(
             clEnumValN(::mlir::moe::Activations::F32, "f32", "none is narrowed"),
             clEnumValN(::mlir::moe::Activations::BF16, "bf16",
                        "bf16 where they meet bf16"),
             clEnumValN(::mlir::moe::Activations::Int8, "int8",
                        "codes where they meet codes, else as bf16"),
             clEnumValN(::mlir::moe::Activations::Int8Grouped, "int8-grouped",
                        "as int8, with as many scales as the weights"))}]>
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::moe::MoEDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numNarrowed", "narrowed", "matmuls whose rows became narrow">];
}

def TileExpertsPass : Pass<"moe-tile-experts"> {
  let summary = "turns experts into loops over groups and row tiles";
  let description = [{
    `moe.experts` and `moe.grouped_matmul` become loops over the groups and, for
    bodies that treat each row by itself, over equal tiles of at most `row-tile`
    rows; the body is cloned once, not per expert. Other bodies get the rows of their expert
    whole, with a remark. The work follows the rows that exist: an expert
    without rows costs the reading of two offsets.

    *Expects* the planned level, *produces* the grouped level. *Fails when*
    `row-tile` is negative, or a grouped matmul with `targets` has no schedule.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::moe::MoEDialect",
                           "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"rowTile", "row-tile", "int64_t", /*default=*/"::mlir::moe::kDefaultRowTile",
           "most rows of a tile; 0 keeps the rows of an expert whole">];
  let statistics = [
    Statistic<"numTiled", "tiled", "experts tiled by rows">,
    Statistic<"numWhole", "whole", "experts whose rows stay together">];
}

#endif // MOE_DIALECT_MOE_TRANSFORMS_PASSES
