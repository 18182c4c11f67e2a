//===- PackWeights.cpp - Weights in the layout of their kernels
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/CPUModel.h"
#include "MoE/Analysis/WeightFlow.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

class PackWeightsPass : public moe::impl::PackWeightsPassBase<PackWeightsPass> {
public:
  using PackWeightsPassBase::PackWeightsPassBase;

  void runOnOperation() override {
    CPUModel model =
        CPUModel::fromFeatures(targetFeatures).withCaches(l1Ways, l2Bytes);
    WeightFlows flows(getOperation());
    for (auto &[leader, flow] : flows)
      if (flow.escapes || !llvm::all_of(flow.reads, isReadByMatmul))
        stays.insert(&flow);
    SmallVector<GroupedMatmulOp> ops;
    getOperation()->walk([&](GroupedMatmulOp op) {
      if (!op.getBankType().getPacked())
        ops.push_back(op);
    });
    while (choose(model, flows, ops))
      ;
    for (GroupedMatmulOp op : ops)
      report(op);
    for (auto &[leader, flow] : flows)
      if (PackedAttr layout = layouts.lookup(&flow))
        pack(flow, layout);
  }

private:
  /// Whether the operand is a bank that is multiplied.
  static bool isReadByMatmul(OpOperand *use) {
    auto matmul = dyn_cast<GroupedMatmulOp>(use->getOwner());
    return matmul && llvm::is_contained(matmul.getBanks(), use->get()) &&
           !llvm::is_contained(matmul.getPerColumn(), use->get());
  }

  /// Chooses schedules and layouts. True if an op lost its schedule, because a
  /// bank of its cannot be packed: then flows that it reads must be looked at
  /// again.
  bool choose(const CPUModel &model, WeightFlows &flows,
              ArrayRef<GroupedMatmulOp> ops) {
    layouts.clear();
    bool changed = false;
    for (GroupedMatmulOp op : ops) {
      if (refused.contains(op))
        continue;
      if (!assign(model, flows, op)) {
        refused.insert(op);
        op.removeScheduleAttr();
        for (Value bank : op.getBanks())
          if (WeightFlow *flow = flows.lookup(bank))
            stays.insert(flow);
        changed = true;
      }
    }
    return changed;
  }

  /// Gives `op` a schedule and its banks a layout; false if that cannot be.
  bool assign(const CPUModel &model, WeightFlows &flows, GroupedMatmulOp op) {
    BankType type = op.getBankType();
    MatmulShape shape;
    shape.columns = type.getSliceShape()[0];
    shape.depth = type.getSliceShape()[1];
    shape.banks = op.getBanks().size();
    shape.rowElement = op.getRows().getType().getElementType();
    shape.bankElement = type.getElementType();
    shape.quantized = type.getQuantized();
    shape.isReadByRows = isReadByRouter(op);
    MatmulSchedule schedule = chooseSchedule(model, shape);
    int64_t ways = areSideBySide(flows, op) ? shape.banks : 1;
    auto layout = PackedAttr::getChecked([&]() { return op.emitOpError(); },
                                         &getContext(), schedule.panel,
                                         schedule.depth, ways);
    for (Value bank : op.getBanks()) {
      WeightFlow *flow = flows.lookup(bank);
      if (!flow || stays.contains(flow) ||
          layouts.try_emplace(flow, layout).first->second != layout)
        return false;
    }
    op.setScheduleAttr(CPUScheduleAttr::get(&getContext(), schedule.rowBlock,
                                            schedule.lanes, schedule.dot,
                                            schedule.order));
    return true;
  }

  /// Whether all rows meet one matrix, and a router reads what comes of it.
  static bool isReadByRouter(GroupedMatmulOp op) {
    return op.isDense() &&
           llvm::any_of(op->getUsers(), llvm::IsaPred<RouterOp>);
  }

  /// Whether the weights that reach the banks of `op` can share memory: always
  /// the same ones together, each at one place.
  bool areSideBySide(WeightFlows &flows, GroupedMatmulOp op) {
    if (op.getBanks().size() < 2)
      return false;
    auto tuples = flows.trace(op.getBanks());
    if (!tuples)
      return false;
    for (ArrayRef<WeightOp> tuple : *tuples)
      for (auto [way, weight] : llvm::enumerate(tuple)) {
        Place place = {tuple.front(), static_cast<int64_t>(way)};
        if (places.try_emplace(weight, place).first->second != place)
          return false;
      }
    return true;
  }

  void pack(WeightFlow &flow, PackedAttr layout) {
    auto old = cast<BankType>(flow.getType());
    flow.setType(old.withLayout(layout));
    for (WeightOp weight : flow.weights) {
      ++numPacked;
      if (layout.getWays() == 1)
        continue;
      auto [owner, way] = places.lookup(weight);
      if (way == 0)
        continue;
      weight.setBesideAttr(FlatSymbolRefAttr::get(owner.getSymNameAttr()));
      weight.setWay(way);
      if (weight->isBeforeInBlock(owner))
        weight->moveAfter(owner);
    }
  }

  void report(GroupedMatmulOp op) {
    remark::RemarkOpts options =
        remark::RemarkOpts::name("PackWeights").category("moe-pack-weights");
    if (refused.contains(op)) {
      ++numMissed;
      remark::missed(op.getLoc(), options)
          << "not packed: a bank is no weight, or something else reads it too";
      return;
    }
    std::string schedule;
    llvm::raw_string_ostream(schedule) << op.getScheduleAttr();
    remark::passed(op.getLoc(), options) << "packed for " << schedule;
  }

  /// The weight that owns the memory, and the place in each of its steps.
  using Place = std::pair<WeightOp, int64_t>;

  DenseSet<Operation *> refused;              ///< ops without a schedule
  DenseSet<WeightFlow *> stays;               ///< flows that are not packed
  DenseMap<WeightFlow *, PackedAttr> layouts; ///< of the others
  DenseMap<Operation *, Place> places;
};

} // namespace
