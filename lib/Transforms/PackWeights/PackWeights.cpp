//===- PackWeights.cpp - Weights in the layout of their kernels
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A weight reaches the ops that read it through moe.get_weight and arguments of
// private functions, which several layers share. All values that one weight may
// reach, with all weights that may reach them, are one flow: it has one type,
// and is packed as a whole or not at all.
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/CPUModel.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/EquivalenceClasses.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Weights and the values that they reach.
struct Flow {
  SmallVector<WeightOp> weights;
  SmallVector<Value> values;
  SmallVector<GroupedMatmulOp> readers;
  bool escapes = false; ///< read by something else
  PackedAttr layout;    ///< what the readers want
};

/// The flows of a module.
class Flows {
public:
  explicit Flows(ModuleOp module) : module(module), table(module) {
    for (auto weight : module.getOps<WeightOp>())
      byName[weight.getSymNameAttr()] = weight;
    DenseMap<StringAttr, Value> firstUse;
    module.walk([&](GetWeightOp op) {
      follow(op.getResult());
      // A weight has one type, wherever it is read.
      Value first =
          firstUse.try_emplace(op.getWeightAttr().getAttr(), op.getResult())
              .first->second;
      classes.unionSets(first.getAsOpaquePointer(),
                        op.getResult().getAsOpaquePointer());
    });
    for (auto it = classes.begin(), end = classes.end(); it != end; ++it)
      if ((*it)->isLeader())
        collect(**it);
  }

  /// The flow of a value; null if no weight reaches it.
  Flow *lookup(Value value) {
    auto it = flows.find(leaderOf(value));
    return it == flows.end() ? nullptr : &it->second;
  }
  auto begin() { return flows.begin(); }
  auto end() { return flows.end(); }

  /// Tuples of weights that reach `values` together, one per way to get there;
  /// none if they cannot be told.
  std::optional<SmallVector<SmallVector<WeightOp>>> trace(ValueRange values) {
    SmallVector<SmallVector<WeightOp>> tuples;
    if (!traceInto(values, tuples))
      return std::nullopt;
    return tuples;
  }

private:
  const void *leaderOf(Value value) {
    auto it = classes.findLeader(value.getAsOpaquePointer());
    return it == classes.member_end() ? nullptr : *it;
  }

  func::FuncOp calleeOf(func::CallOp call) {
    auto callee = table.lookup<func::FuncOp>(call.getCallee());
    return callee && callee.isPrivate() && !callee.isExternal() ? callee
                                                                : nullptr;
  }

  /// Joins `value` with the arguments that it is passed as.
  void follow(Value value) {
    SmallVector<Value> work = {value};
    DenseSet<Value> seen;
    while (!work.empty()) {
      Value next = work.pop_back_val();
      classes.insert(next.getAsOpaquePointer());
      for (OpOperand &use : next.getUses()) {
        auto call = dyn_cast<func::CallOp>(use.getOwner());
        func::FuncOp callee = call ? calleeOf(call) : nullptr;
        if (!callee)
          continue;
        Value argument = callee.getArgument(use.getOperandNumber());
        classes.unionSets(next.getAsOpaquePointer(),
                          argument.getAsOpaquePointer());
        if (seen.insert(argument).second)
          work.push_back(argument);
      }
    }
  }

  template <typename Class> void collect(const Class &leader) {
    Flow &flow = flows[leader.getData()];
    for (auto it = classes.member_begin(leader); it != classes.member_end();
         ++it) {
      Value value = Value::getFromOpaquePointer(*it);
      flow.values.push_back(value);
      if (auto get = value.getDefiningOp<GetWeightOp>())
        flow.weights.push_back(byName.lookup(get.getWeightAttr().getAttr()));
      else
        flow.escapes |= !isFedByFlow(cast<BlockArgument>(value), leader);
      for (OpOperand &use : value.getUses())
        addUse(flow, use);
    }
    llvm::sort(flow.weights,
               [](WeightOp a, WeightOp b) { return a->isBeforeInBlock(b); });
    flow.weights.erase(llvm::unique(flow.weights), flow.weights.end());
  }

  /// Whether every call passes a value of the same class as this argument.
  template <typename Class>
  bool isFedByFlow(BlockArgument argument, const Class &leader) {
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto uses = SymbolTable::getSymbolUses(function, module);
    return uses && llvm::all_of(*uses, [&](SymbolTable::SymbolUse use) {
             auto call = dyn_cast<func::CallOp>(use.getUser());
             return call &&
                    leaderOf(call.getOperand(argument.getArgNumber())) ==
                        leader.getData();
           });
  }

  void addUse(Flow &flow, OpOperand &use) {
    if (auto matmul = dyn_cast<GroupedMatmulOp>(use.getOwner());
        matmul && llvm::is_contained(matmul.getBanks(), use.get()) &&
        !llvm::is_contained(matmul.getPerColumn(), use.get())) {
      if (!llvm::is_contained(flow.readers, matmul))
        flow.readers.push_back(matmul);
      return;
    }
    auto call = dyn_cast<func::CallOp>(use.getOwner());
    flow.escapes |= !call || !calleeOf(call);
  }

  bool traceInto(ValueRange values,
                 SmallVectorImpl<SmallVector<WeightOp>> &tuples) {
    SmallVector<WeightOp> tuple;
    for (Value value : values)
      if (auto get = value.getDefiningOp<GetWeightOp>())
        tuple.push_back(byName.lookup(get.getWeightAttr().getAttr()));
    if (tuple.size() == values.size()) {
      tuples.push_back(tuple);
      return true;
    }
    if (!tuple.empty() || !isa<BlockArgument>(values[0]))
      return false;
    Block *block = cast<BlockArgument>(values[0]).getOwner();
    auto function = dyn_cast<func::FuncOp>(block->getParentOp());
    if (!function || !llvm::all_of(values, [&](Value v) {
          return isa<BlockArgument>(v) &&
                 cast<BlockArgument>(v).getOwner() == block;
        }))
      return false;
    auto uses = SymbolTable::getSymbolUses(function, module);
    return uses && llvm::all_of(*uses, [&](SymbolTable::SymbolUse use) {
             auto call = dyn_cast<func::CallOp>(use.getUser());
             if (!call)
               return false;
             return traceInto(llvm::map_to_vector(
                                  values,
                                  [&](Value v) {
                                    return call.getOperand(
                                        cast<BlockArgument>(v).getArgNumber());
                                  }),
                              tuples);
           });
  }

  ModuleOp module;
  SymbolTable table;
  DenseMap<StringAttr, WeightOp> byName;
  llvm::EquivalenceClasses<const void *> classes;
  llvm::MapVector<const void *, Flow> flows;
};

class PackWeightsPass : public moe::impl::PackWeightsPassBase<PackWeightsPass> {
public:
  using PackWeightsPassBase::PackWeightsPassBase;

  void runOnOperation() override {
    CPUModel model = CPUModel::fromFeatures(targetFeatures);
    Flows flows(getOperation());
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
      if (flow.layout)
        retype(flow);
  }

private:
  /// Chooses schedules and layouts. True if an op lost its schedule, because a
  /// bank of its cannot be packed: then flows that it reads must be looked at
  /// again.
  bool choose(const CPUModel &model, Flows &flows,
              ArrayRef<GroupedMatmulOp> ops) {
    for (auto &[leader, flow] : flows)
      flow.layout = PackedAttr();
    bool changed = false;
    for (GroupedMatmulOp op : ops) {
      if (refused.contains(op))
        continue;
      if (!assign(model, flows, op)) {
        refused.insert(op);
        op.removeScheduleAttr();
        for (Value bank : op.getBanks())
          if (Flow *flow = flows.lookup(bank))
            flow->escapes = true;
        changed = true;
      }
    }
    return changed;
  }

  /// Gives `op` a schedule and its banks a layout; false if that cannot be.
  bool assign(const CPUModel &model, Flows &flows, GroupedMatmulOp op) {
    BankType type = op.getBankType();
    MatmulShape shape;
    shape.columns = type.getSliceShape()[0];
    shape.depth = type.getSliceShape()[1];
    shape.banks = op.getBanks().size();
    shape.rowElement = op.getRows().getType().getElementType();
    shape.bankElement = type.getElementType();
    MatmulSchedule schedule = chooseSchedule(model, shape);
    int64_t ways = areSideBySide(flows, op) ? shape.banks : 1;
    auto layout = PackedAttr::getChecked([&]() { return op.emitOpError(); },
                                         &getContext(), schedule.panel,
                                         schedule.depth, ways);
    for (Value bank : op.getBanks()) {
      Flow *flow = flows.lookup(bank);
      if (!flow || flow->escapes || (flow->layout && flow->layout != layout))
        return false;
      flow->layout = layout;
    }
    op.setScheduleAttr(CPUScheduleAttr::get(&getContext(), schedule.rowBlock,
                                            schedule.lanes, schedule.dot));
    return true;
  }

  /// Whether the weights that reach the banks of `op` can share memory: always
  /// the same ones together, each at one place.
  bool areSideBySide(Flows &flows, GroupedMatmulOp op) {
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

  void retype(Flow &flow) {
    auto old = cast<BankType>(flow.values.front().getType());
    auto type = BankType::get(&getContext(), old.getShape(),
                              old.getElementType(), flow.layout);
    for (Value value : flow.values) {
      value.setType(type);
      if (auto argument = dyn_cast<BlockArgument>(value)) {
        auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
        SmallVector<Type> inputs(function.getArgumentTypes());
        inputs[argument.getArgNumber()] = type;
        function.setType(FunctionType::get(&getContext(), inputs,
                                           function.getResultTypes()));
      }
    }
    for (WeightOp weight : flow.weights) {
      weight.setType(type);
      ++numPacked;
      if (flow.layout.getWays() == 1)
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

  DenseSet<Operation *> refused;
  DenseMap<Operation *, Place> places;
};

} // namespace
