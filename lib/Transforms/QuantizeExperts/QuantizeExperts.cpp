//===- QuantizeExperts.cpp - Matrices of experts as small integers
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/WeightFlow.h"
#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

namespace mlir::moe {
#define GEN_PASS_DEF_QUANTIZEEXPERTSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

/// The slice of a bank in the body of experts; null if `use` is something else,
/// or if there is a body per expert.
static BlockArgument getSlice(OpOperand &use) {
  auto experts = dyn_cast<ExpertsOp>(use.getOwner());
  if (!experts || !experts.takesBanks())
    return BlockArgument();
  unsigned first = experts.getBanks().getBeginOperandIndex();
  unsigned index = use.getOperandNumber();
  if (index < first || index >= first + experts.getBanks().size())
    return BlockArgument();
  return experts.getBodies()[0].getArgument(2 + index - first);
}

/// Whether `use` is the weight of a matmul that takes its elements as f32.
static bool isWeightInF32(OpOperand &use) {
  auto op = dyn_cast<linalg::LinalgOp>(use.getOwner());
  if (!op || !isRowsTimesWeight(op) || use.get() == op.getDpsInputs()[0])
    return false;
  BlockArgument element = op.getMatchingBlockArgument(&use);
  return element.getType().isF32() ||
         llvm::all_of(element.getUsers(), [](Operation *user) {
           return isa<arith::ExtFOp>(user) &&
                  user->getResult(0).getType().isF32();
         });
}

/// Gives a slice, and the elements that matmuls read of it, the type f32.
static void readAsF32(IRRewriter &rewriter, BlockArgument slice,
                      RankedTensorType type) {
  slice.setType(type);
  for (OpOperand &use : slice.getUses()) {
    auto op = cast<linalg::LinalgOp>(use.getOwner());
    BlockArgument element = op.getMatchingBlockArgument(&use);
    if (element.getType().isF32())
      continue;
    element.setType(type.getElementType());
    for (Operation *extension : llvm::make_early_inc_range(element.getUsers()))
      rewriter.replaceOp(extension, element);
  }
}

namespace {

struct QuantizeExpertsPass
    : public moe::impl::QuantizeExpertsPassBase<QuantizeExpertsPass> {
  using QuantizeExpertsPassBase::QuantizeExpertsPassBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    // One scale for a row is read once; those of groups are part of the stream.
    Type scale = group == 0 ? Type(Float32Type::get(context))
                            : Type(BFloat16Type::get(context));
    auto format = QuantizedAttr::getChecked(
        [&]() { return getOperation()->emitError(); }, context, bits.getValue(),
        group.getValue(), scale, zeroPoints.getValue(), Codes::Integer);
    if (!format)
      return signalPassFailure();
    WeightFlows flows(getOperation());
    for (auto &[leader, flow] : flows) {
      if (!llvm::any_of(flow.reads,
                        [](OpOperand *use) { return getSlice(*use); }))
        continue;
      std::string reason = whyNot(flow, format);
      if (reason.empty())
        quantize(flow, format);
      report(flow, reason);
    }
  }

private:
  /// Why the weights of experts stay as they are; empty if they do not.
  static std::string whyNot(WeightFlow &flow, QuantizedAttr format) {
    auto bank = dyn_cast<BankType>(flow.getType());
    if (!bank || bank.getSliceShape().size() != 2)
      return "they are no matrices";
    if (bank.getQuantized())
      return "they are quantized already";
    if (bank.getPacked())
      return "they are packed already";
    if (format.getGroupSize(bank.getSliceShape()[1]) > kMostColumnsPerScale)
      return "their rows are too long for one scale; choose a group";
    bool areRead = llvm::all_of(flow.reads, [](OpOperand *use) {
      BlockArgument slice = getSlice(*use);
      return slice && llvm::all_of(slice.getUses(), isWeightInF32);
    });
    if (flow.escapes || !areRead)
      return "something other than matmuls of experts in f32 reads them";
    return "";
  }

  void quantize(WeightFlow &flow, QuantizedAttr format) {
    auto old = cast<BankType>(flow.getType());
    BankType type = old.withLayout(Attribute()).withQuantization(format);
    if (!old.getElementType().isF32())
      for (WeightOp weight : flow.weights)
        weight.setStoredAttr(TypeAttr::get(old.getElementType()));
    flow.setType(type);
    IRRewriter rewriter(&getContext());
    for (OpOperand *use : flow.reads)
      readAsF32(rewriter, getSlice(*use), type.getSliceType());
  }

  void report(WeightFlow &flow, StringRef reason) {
    remark::RemarkOpts options = remark::RemarkOpts::name("QuantizeExperts")
                                     .category("moe-quantize-experts");
    for (WeightOp weight : flow.weights) {
      std::string text;
      llvm::raw_string_ostream os(text);
      os << '@' << weight.getSymName();
      if (reason.empty()) {
        ++numQuantized;
        os << " became " << weight.getType();
        remark::passed(weight.getLoc(), options) << text;
      } else {
        ++numMissed;
        os << " of type " << weight.getType()
           << " is not quantized: " << reason;
        remark::missed(weight.getLoc(), options) << text;
      }
    }
  }
};

} // namespace
