//===- WeightFlow.cpp - Which values are which weights
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/WeightFlow.h"

using namespace mlir;
using namespace mlir::moe;

void WeightFlow::setType(Type type) {
  for (Value value : values) {
    value.setType(type);
    auto argument = dyn_cast<BlockArgument>(value);
    if (!argument)
      continue;
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    SmallVector<Type> inputs(function.getArgumentTypes());
    inputs[argument.getArgNumber()] = type;
    function.setType(FunctionType::get(type.getContext(), inputs,
                                       function.getResultTypes()));
  }
  for (WeightOp weight : weights)
    weight.setType(type);
}

WeightFlows::WeightFlows(ModuleOp module) : module(module), table(module) {
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
      collect((*it)->getData());
}

WeightFlow *WeightFlows::lookup(Value value) {
  auto *it = flows.find(leaderOf(value));
  return it == flows.end() ? nullptr : &it->second;
}

std::optional<SmallVector<SmallVector<WeightOp>>>
WeightFlows::trace(ValueRange values) {
  SmallVector<SmallVector<WeightOp>> tuples;
  if (!traceInto(values, tuples))
    return std::nullopt;
  return tuples;
}

const void *WeightFlows::leaderOf(Value value) {
  auto it = classes.findLeader(value.getAsOpaquePointer());
  return it == classes.member_end() ? nullptr : *it;
}

func::FuncOp WeightFlows::calleeOf(func::CallOp call) {
  auto callee = table.lookup<func::FuncOp>(call.getCallee());
  return callee && callee.isPrivate() && !callee.isExternal() ? callee
                                                              : nullptr;
}

/// Joins `value` with the arguments that it is passed as.
void WeightFlows::follow(Value value) {
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

void WeightFlows::collect(const void *leader) {
  WeightFlow &flow = flows[leader];
  for (const void *member : classes.members(leader)) {
    Value value = Value::getFromOpaquePointer(member);
    flow.values.push_back(value);
    if (auto get = value.getDefiningOp<GetWeightOp>())
      flow.weights.push_back(byName.lookup(get.getWeightAttr().getAttr()));
    else
      flow.escapes |= !isFedByFlow(cast<BlockArgument>(value), leader);
    for (OpOperand &use : value.getUses()) {
      auto call = dyn_cast<func::CallOp>(use.getOwner());
      if (!call)
        flow.reads.push_back(&use);
      else
        flow.escapes |= !calleeOf(call);
    }
  }
  llvm::sort(flow.weights,
             [](WeightOp a, WeightOp b) { return a->isBeforeInBlock(b); });
  flow.weights.erase(llvm::unique(flow.weights), flow.weights.end());
}

/// Whether every call passes a value of the same class as this argument.
bool WeightFlows::isFedByFlow(BlockArgument argument, const void *leader) {
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto uses = SymbolTable::getSymbolUses(function, module);
  return uses && llvm::all_of(*uses, [&](SymbolTable::SymbolUse use) {
           auto call = dyn_cast<func::CallOp>(use.getUser());
           return call &&
                  leaderOf(call.getOperand(argument.getArgNumber())) == leader;
         });
}

bool WeightFlows::traceInto(ValueRange values,
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
           return traceInto(
               llvm::map_to_vector(values,
                                   [&](Value v) {
                                     return call.getOperand(
                                         cast<BlockArgument>(v).getArgNumber());
                                   }),
               tuples);
         });
}
