//===- RoutingOps.cpp - What all lowerings of routing ops do
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Utils/RoutingOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace mlir::moe;

static LogicalResult checkReady(Operation *op) {
  if (op->getNumResults() != 0)
    return op->emitOpError("expected the form on memrefs; bufferize first "
                           "[moe-lower-routing-tensor]");
  auto plan = dyn_cast<PlanOp>(op);
  if (plan && plan.getCapacityRule())
    return op->emitOpError("expected a capacity as a value; run "
                           "moe-plan-capacity first "
                           "[moe-lower-routing-capacity-rule]");
  return success();
}

/// Rows are i32, so there must be fewer than 2^31 slots: moe-plan-c9 where the
/// number of tokens is static.
static void assertSlotsFit(PlanOp op) {
  if (!op.getIds().getType().isDynamicDim(0))
    return;
  int64_t k = op.getTopK();
  int64_t most = std::numeric_limits<int32_t>::max() / k;
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Value tokens = memref::DimOp::create(b, op.getIds(), 0);
  Value limit = arith::ConstantIndexOp::create(b, most);
  Value fit =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ule, tokens, limit);
  std::string message =
      ("moe.plan of k = " + Twine(k) + " got more than " + Twine(most) +
       " tokens, expected T * k < 2^31 because rows are i32; split the batch "
       "[moe-plan-slots]")
          .str();
  cf::AssertOp::create(b, fit, message);
}

bool moe::assertsSlots(cf::AssertOp op) {
  return op.getMsg().starts_with("moe.plan of k = ");
}

LogicalResult moe::lowerRoutingOps(Operation *root,
                                   function_ref<void(Operation *)> lower) {
  SmallVector<Operation *> ops;
  root->walk([&](Operation *op) {
    if (isa<RouterOp, PlanOp, DispatchOp, CombineOp, AuxLossOp, QuantizeRowsOp>(
            op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    if (failed(checkReady(op)))
      return failure();
    if (auto plan = dyn_cast<PlanOp>(op))
      assertSlotsFit(plan);
    lower(op);
    op->erase();
  }
  return success();
}
