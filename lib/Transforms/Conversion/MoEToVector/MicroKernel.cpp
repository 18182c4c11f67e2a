//===- MicroKernel.cpp - Some rows times one panel, in registers
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MicroKernel.h"
#include "MoE/Transforms/Utils/VectorBody.h"
#include "Sums.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

class MicroKernel {
public:
  MicroKernel(LoopEmitter &emit, GroupedMatmulOp op, KernelTask task)
      : emit(emit), op(op), task(std::move(task)), schedule(*op.getSchedule()),
        packed(op.getBankType().getPacked()), lanes(schedule.getLanes()),
        vectors(packed.getPanel() / lanes),
        columns(op.getBankType().getSliceShape()[0]) {}

  void run() {
    for (int64_t i = 0; i < task.numRows; ++i) {
      Value row =
          i == 0 ? task.firstRow : emit.add(task.firstRow, emit.index(i));
      task.sources.push_back(
          op.getSource() ? rowAt(op.getSource(), row, op.getRows()) : row);
      rows.push_back(op.getTargets() ? rowAt(op.getTargets(), row, op.getInit())
                                     : row);
    }
    if (op.getTargets())
      fetchTargets();
    finish(op.getBankType().getQuantized() ? emitQuantizedSums(emit, op, task)
                                           : emitFloatSums(emit, op, task));
  }

private:
  /// The row of `matrix` that `numbers` has for `row`. They may be data of a
  /// caller: whatever they are, it is one of those that there are.
  Value rowAt(Value numbers, Value row, Value matrix) {
    Value number = emit.toIndex(emit.load(numbers, {row}));
    Value exists = emit.isInside(number, emit.dim(matrix, 0));
    return emit.select(exists, number, emit.index(0));
  }

  /// What is added to comes into the second-level cache while the sums are
  /// computed: it is anywhere, and nothing else would ask for it early. In the
  /// first one, rows a multiple of a page apart would push out each other and
  /// the panel.
  void fetchTargets() {
    Value firstColumn = emit.mul(task.panel, emit.index(packed.getPanel()));
    for (Value row : rows)
      for (int64_t v = 0; v < vectors; ++v)
        memref::PrefetchOp::create(
            emit, op.getInit(),
            ValueRange{row, emit.add(firstColumn, emit.index(v * lanes))},
            /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
  }

  VectorType vectorOf(Type element) { return VectorType::get(lanes, element); }

  /// Index of the sum of a bank, row and vector among all sums.
  size_t at(size_t bank, size_t row, size_t vector) {
    return (bank * task.numRows + row) * vectors + vector;
  }

  //===--------------------------------------------------------------------===//
  // Body
  //===--------------------------------------------------------------------===//

  void finish(ArrayRef<Value> sums) {
    Value firstColumn = emit.mul(task.panel, emit.index(packed.getPanel()));
    for (int64_t v = 0; v < vectors; ++v) {
      Value column =
          v == 0 ? firstColumn : emit.add(firstColumn, emit.index(v * lanes));
      maskColumns(column);
      SmallVector<Value> perColumn;
      for (Value operand : task.perColumn)
        perColumn.push_back(
            cast<MemRefType>(operand.getType()).isLastDimUnitStride()
                ? loadColumns(operand, column)
                : gatherColumns(operand, column));
      for (int64_t i = 0; i < task.numRows; ++i) {
        SmallVector<Value> arguments;
        for (size_t b = 0; b < task.banks.size(); ++b)
          arguments.push_back(sums[at(b, i, v)]);
        for (Value operand : op.getPerRow()) {
          Value element = emit.load(operand, {task.sources[i]});
          arguments.push_back(vector::BroadcastOp::create(
              emit, vectorOf(element.getType()), element));
        }
        llvm::append_range(arguments, perColumn);
        for (Value operand : op.getElements())
          arguments.push_back(loadColumns(operand, rows[i], column));
        storeResult(arguments, rows[i], column);
      }
    }
  }

  /// Applies the body to its arguments but the last, and stores the result.
  void storeResult(SmallVectorImpl<Value> &arguments, Value row, Value column) {
    Value init = op.getInit();
    Type element = op.getInit().getType().getElementType();
    Value old = op.readsInit()
                    ? loadColumns(init, row, column)
                    : Value(arith::ConstantOp::create(
                          emit, emit.getZeroAttr(vectorOf(element))));
    if (!op.hasBody()) {
      storeColumns(arith::AddFOp::create(emit, old, arguments.front()), row,
                   column);
      return;
    }
    arguments.push_back(old);
    storeColumns(cloneOnVectors(emit, op.getBody(), arguments, lanes), row,
                 column);
  }

  /// `mask` says which of the columns from `column` on exist; null: all do.
  void maskColumns(Value column) {
    if (columns % packed.getPanel() == 0)
      return;
    Value left = emit.sub(emit.index(columns), column);
    mask = vector::CreateMaskOp::create(emit, vectorOf(emit.getI1Type()),
                                        ValueRange{left});
  }

  template <typename... Indices>
  Value loadColumns(Value from, Indices... indices) {
    VectorType type =
        vectorOf(cast<MemRefType>(from.getType()).getElementType());
    if (!mask)
      return vector::LoadOp::create(emit, type, from, ValueRange{indices...});
    Value nothing = arith::ConstantOp::create(emit, emit.getZeroAttr(type));
    return vector::MaskedLoadOp::create(emit, type, from,
                                        ValueRange{indices...}, mask, nothing);
  }

  /// Columns of a vector whose elements do not lie side by side, one by one.
  Value gatherColumns(Value from, Value column) {
    auto type = cast<MemRefType>(from.getType());
    SmallVector<Value> elements;
    for (int64_t i = 0; i < lanes; ++i) {
      Value at = emit.add(column, emit.index(i));
      // Columns that do not exist are the last one.
      if (mask)
        at = emit.minSigned(at, emit.index(columns - 1));
      elements.push_back(emit.load(from, {at}));
    }
    return vector::FromElementsOp::create(emit, vectorOf(type.getElementType()),
                                          elements);
  }

  void storeColumns(Value value, Value row, Value column) {
    SmallVector<Value> at = {row, column};
    if (mask)
      vector::MaskedStoreOp::create(emit, op.getInit(), at, mask, value);
    else
      vector::StoreOp::create(emit, value, op.getInit(), at);
  }

  LoopEmitter &emit;
  GroupedMatmulOp op;
  KernelTask task;
  CPUScheduleAttr schedule;
  PackedAttr packed;
  int64_t lanes, vectors, columns;
  SmallVector<Value> rows; ///< of the result
  Value mask;
};

} // namespace

void moe::emitMicroKernel(LoopEmitter &emit, GroupedMatmulOp op,
                          const KernelTask &task) {
  MicroKernel(emit, op, task).run();
}
