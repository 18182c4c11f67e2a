//===- WeightFlow.h - Which values are which weights -*- C++ -*-
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
// and changes it as a whole or not at all.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_ANALYSIS_WEIGHTFLOW_H
#define MOE_ANALYSIS_WEIGHTFLOW_H

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include <optional>

namespace mlir::moe {

/// Weights and the values that they reach.
struct WeightFlow {
  SmallVector<WeightOp> weights;  ///< in the order of the module
  SmallVector<Value> values;      ///< all of one type
  SmallVector<OpOperand *> reads; ///< by ops that are no calls
  bool escapes = false; ///< known to functions that may have other callers

  Type getType() const { return values.front().getType(); }
  /// Gives all values, the arguments among them and the weights `type`.
  void setType(Type type);
};

/// The flows of a module.
class WeightFlows {
public:
  explicit WeightFlows(ModuleOp module);

  /// The flow of a value; null if no weight reaches it.
  WeightFlow *lookup(Value value);
  auto begin() { return flows.begin(); }
  auto end() { return flows.end(); }

  /// Tuples of weights that reach `values` together, one per way to get there;
  /// none if they cannot be told.
  std::optional<SmallVector<SmallVector<WeightOp>>> trace(ValueRange values);

private:
  const void *leaderOf(Value value);
  func::FuncOp calleeOf(func::CallOp call);
  void follow(Value value);
  void collect(const void *leader);
  bool isFedByFlow(BlockArgument argument, const void *leader);
  bool traceInto(ValueRange values,
                 SmallVectorImpl<SmallVector<WeightOp>> &tuples);

  ModuleOp module;
  SymbolTable table;
  DenseMap<StringAttr, WeightOp> byName;
  llvm::EquivalenceClasses<const void *> classes;
  llvm::MapVector<const void *, WeightFlow> flows;
};

} // namespace mlir::moe

#endif // MOE_ANALYSIS_WEIGHTFLOW_H
