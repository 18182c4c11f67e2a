//===- MoEDialect.td - The moe dialect -*- tablegen -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_IR_MOEDIALECT
#define MOE_DIALECT_MOE_IR_MOEDIALECT

include "mlir/IR/OpBase.td"

def MoE_Dialect : Dialect {
  let name = "moe";
  let cppNamespace = "::mlir::moe";
  let summary = "Mixture-of-Experts layers with an executable meaning";
  let description = [{
    A Mixture-of-Experts layer is a chain of five ops on tensors: `moe.router`
    scores and picks experts for each token, `moe.plan` turns the picks into a
    layout of rows grouped by expert, `moe.dispatch` gathers the rows,
    `moe.experts` runs each group through its expert, `moe.combine` weighs and
    sums. `moe.aux_loss` judges the router. Everything that is not specific to
    routing (linear layers, noise, norms, dense branches) is ordinary `linalg`,
    `arith` and `math` around them.

    The weights of the experts are *banks*: values of type `!moe.bank` that
    stand for one matrix per expert and never become a tensor as a whole, so
    neither separate nor fused checkpoint tensors are ever copied.

    Ops exist in two forms. On tensors they are pure functions. Bufferization
    turns the routing ops into the form on memrefs, which writes to the buffers
    listed in `into(...)` and has no results; both forms mean the same.

    What each op means, with its constraints by label, is in `docs/spec/`.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

#endif // MOE_DIALECT_MOE_IR_MOEDIALECT
