//===- BlockContractions.cpp - Contractions with sums in registers
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For c[.., m, .., n] += a[.., m, .., k, ..] * b[.., k, .., n], where the
// columns n are contiguous in b and c:
//
//   for everything else:
//     for the rows m, in blocks:
//       for the columns n, in tiles:
//         sums = the block of c
//         for k:
//           sums += a[m, k] * b[k, columns], one fma per row and vector
//         the block of c = sums
//
// For c[.., m, .., n] += a[.., m, .., k] * b[.., n, .., k], where k is
// contiguous in b, and few: the scores of attention. A sum of the elements of a
// vector for each element of c would take longer than the products; so does
// reading the columns of b, if not many rows share them:
//
//   if there are enough rows:
//     for everything that b has too:
//       for the columns n, in tiles:
//         w[k, column] = b[column, k]
//         for the rows m, in blocks: as above, with w instead of b
//   else: as it was
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/CPUModel.h"
#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/LinalgLoops.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace mlir::moe {
#define GEN_PASS_DEF_BLOCKCONTRACTIONSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using mlir::moe::CPUModel;

namespace {

/// The loops of a contraction by what they are.
struct Roles {
  unsigned row, column, reduction;
  /// The others, in order: those that b has too, and those that it has not.
  SmallVector<unsigned> batch, moreRows;
  bool isTransposed; ///< the reduction is what is contiguous in b
};

/// Vectors of columns and rows whose sums are kept at a time.
struct Tile {
  int64_t vectors, rows;
};

/// With too few rows for each vector of b that is read, reading takes longer
/// than arithmetic.
constexpr int64_t kFewestRows = 4;

/// The widest tile that leaves registers for a row of b and an element of a.
Tile chooseTile(const CPUModel &model) {
  for (int64_t vectors : {4, 2}) {
    int64_t rows = (model.registers - vectors - 1) / vectors;
    if (rows >= kFewestRows)
      return {vectors, rows};
  }
  return {1, kFewestRows};
}

/// Columns of a transposed b are in a buffer of at most so many bytes, half of
/// a first-level cache.
constexpr int64_t kBufferBytes = 16 << 10;

/// Rows that make up for transposing b.
constexpr int64_t kFewestRowsOfTransposed = 8;

/// The loop that the last dimension of `map` follows.
std::optional<unsigned> getLastLoop(AffineMap map) {
  if (map.getNumResults() == 0)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(map.getResults().back());
  return dim ? std::optional<unsigned>(dim.getPosition()) : std::nullopt;
}

bool isContiguousF32(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return type && type.getElementType().isF32() && type.isLastDimUnitStride();
}

std::optional<Roles> findRoles(linalg::LinalgOp op) {
  auto maps = op.getIndexingMapsArray();
  if (!op.hasPureBufferSemantics() || !moe::isPlainContraction(op) ||
      !llvm::all_of(maps,
                    [](AffineMap m) { return m.isProjectedPermutation(); }))
    return std::nullopt;
  AffineMap a = maps[0], b = maps[1], c = maps[2];
  std::optional<unsigned> column = getLastLoop(c), last = getLastLoop(b);
  if (!column || !last || a.isFunctionOfDim(*column) ||
      !b.isFunctionOfDim(*column) || !isContiguousF32(op->getOperand(1)) ||
      !isContiguousF32(op->getOperand(2)) ||
      !getElementTypeOrSelf(op->getOperand(0).getType()).isF32())
    return std::nullopt;

  Roles roles;
  roles.column = *column;
  std::optional<unsigned> row, reduction;
  auto iterators = op.getIteratorTypesArray();
  for (unsigned loop = 0; loop < iterators.size(); ++loop) {
    if (loop == *column)
      continue;
    if (iterators[loop] == utils::IteratorType::reduction) {
      if (reduction)
        return std::nullopt;
      reduction = loop;
      continue;
    }
    if (!a.isFunctionOfDim(loop) || b.isFunctionOfDim(loop)) {
      roles.batch.push_back(loop);
      continue;
    }
    // Of several that could be rows, the innermost is.
    if (row)
      roles.moreRows.push_back(*row);
    row = loop;
  }
  if (!row || !reduction || !a.isFunctionOfDim(*reduction) ||
      !b.isFunctionOfDim(*reduction))
    return std::nullopt;
  roles.row = *row;
  roles.reduction = *reduction;
  roles.isTransposed = *last == *reduction;
  if (!roles.isTransposed && *last != *column)
    return std::nullopt;
  return roles;
}

/// Emits the loops of one contraction.
class BlockedLoops : moe::LinalgLoops {
public:
  BlockedLoops(ImplicitLocOpBuilder &b, linalg::LinalgOp op, const Roles &roles,
               const CPUModel &model)
      : LinalgLoops(b, op), roles(roles), lanes(model.lanes),
        tile(chooseTile(model)) {}

  void emit() {
    if (roles.isTransposed)
      return emitTransposed();
    forAll(roles.batch, [&] { forAll(roles.moreRows, [&] { emitRows(); }); });
  }

private:
  void emitRows() {
    Value rows = sizes[roles.row], size = constant(tile.rows);
    Value rest = arith::RemSIOp::create(b, rows, size);
    Value whole = arith::SubIOp::create(b, rows, rest);
    forEach(constant(0), whole, tile.rows,
            [&](Value row) { emitColumns(row, tile.rows); });
    forEach(whole, rows, 1, [&](Value row) { emitColumns(row, 1); });
  }

  void emitColumns(Value row, int64_t count) {
    if (buffer)
      return emitTile(row, count, indices[roles.column], tile.vectors * lanes);
    auto type = cast<MemRefType>(op->getOperand(2).getType());
    int64_t columns = type.getShape().back();
    for (int64_t first = 0; first < columns; first += tile.vectors * lanes)
      emitTile(row, count, constant(first),
               std::min(tile.vectors * lanes, columns - first));
  }

  //===--------------------------------------------------------------------===//
  // Transposed
  //===--------------------------------------------------------------------===//

  void emitTransposed() {
    auto type = cast<MemRefType>(op->getOperand(1).getType());
    int64_t depth = type.getShape().back();
    while (depth * tile.vectors * lanes * 4 > kBufferBytes)
      tile.vectors /= 2;
    Value rows = sizes[roles.row];
    for (unsigned loop : roles.moreRows)
      rows = arith::MulIOp::create(b, rows, sizes[loop]);
    Value areMany = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, rows,
                                          constant(kFewestRowsOfTransposed));
    buffer = allocateBuffer(depth);
    auto choose = scf::IfOp::create(b, areMany, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choose.elseBlock());
    b.clone(*op);
    b.setInsertionPointToStart(choose.thenBlock());
    forAll(roles.batch, [&] {
      forEach(constant(0), sizes[roles.column], tile.vectors * lanes,
              [&](Value column) { emitColumnsOfBuffer(column); });
    });
  }

  /// On the stack, once per thread or call: loops do not free what they get.
  Value allocateBuffer(int64_t depth) {
    OpBuilder::InsertionGuard guard(b);
    Operation *owner = op->getParentOfType<scf::ParallelOp>();
    if (!owner)
      owner = op->getParentOfType<FunctionOpInterface>();
    b.setInsertionPointToStart(&owner->getRegion(0).front());
    return memref::AllocaOp::create(
        b, MemRefType::get({depth, tile.vectors * lanes}, b.getF32Type()),
        b.getI64IntegerAttr(64));
  }

  void emitColumnsOfBuffer(Value column) {
    Value width = constant(tile.vectors * lanes);
    Value left = arith::SubIOp::create(b, sizes[roles.column], column);
    Value count = arith::MinSIOp::create(b, left, width);
    forEach(constant(0), count, 1, [&](Value i) {
      indices[roles.column] = arith::AddIOp::create(b, column, i);
      forEach(constant(0), sizes[roles.reduction], 1, [&](Value k) {
        indices[roles.reduction] = k;
        storeInBuffer(
            memref::LoadOp::create(b, op->getOperand(1), indicesOf(1)), k, i);
      });
    });
    // Columns that do not exist are zeros, of which nothing is stored.
    Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0));
    forEach(count, width, 1, [&](Value i) {
      forEach(constant(0), sizes[roles.reduction], 1,
              [&](Value k) { storeInBuffer(zero, k, i); });
    });
    mask = vector::CreateMaskOp::create(
        b, VectorType::get(tile.vectors * lanes, b.getI1Type()),
        ValueRange{count});
    indices[roles.column] = column;
    forAll(roles.moreRows, [&] { emitRows(); });
  }

  void storeInBuffer(Value value, Value k, Value column) {
    memref::StoreOp::create(b, value, buffer, ValueRange{k, column});
  }

  //===--------------------------------------------------------------------===//
  // Tiles
  //===--------------------------------------------------------------------===//

  void emitTile(Value firstRow, int64_t count, Value column, int64_t width) {
    auto type = VectorType::get(width, b.getF32Type());
    indices[roles.column] = column;
    SmallVector<Value> rows, sums;
    for (int64_t i = 0; i < count; ++i) {
      rows.push_back(arith::AddIOp::create(b, firstRow, constant(i)));
      indices[roles.row] = rows.back();
      sums.push_back(loadSums(type));
    }
    auto loop = scf::ForOp::create(b, constant(0), sizes[roles.reduction],
                                   constant(1), sums);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      indices[roles.reduction] = loop.getInductionVar();
      Value weights = loadWeights(type);
      SmallVector<Value> next;
      for (auto [row, sum] : llvm::zip_equal(rows, loop.getRegionIterArgs())) {
        indices[roles.row] = row;
        Value element =
            memref::LoadOp::create(b, op->getOperand(0), indicesOf(0));
        Value splat = vector::BroadcastOp::create(b, type, element);
        next.push_back(vector::FMAOp::create(b, splat, weights, sum));
      }
      scf::YieldOp::create(b, next);
    }
    for (auto [row, sum] : llvm::zip_equal(rows, loop.getResults())) {
      indices[roles.row] = row;
      storeSums(sum);
    }
  }

  Value loadWeights(VectorType type) {
    if (buffer)
      return vector::LoadOp::create(
          b, type, buffer, ValueRange{indices[roles.reduction], constant(0)});
    return vector::LoadOp::create(b, type, op->getOperand(1), indicesOf(1));
  }

  Value loadSums(VectorType type) {
    if (!mask)
      return vector::LoadOp::create(b, type, op->getOperand(2), indicesOf(2));
    Value nothing = arith::ConstantOp::create(b, b.getZeroAttr(type));
    return vector::MaskedLoadOp::create(b, type, op->getOperand(2),
                                        indicesOf(2), mask, nothing);
  }

  void storeSums(Value sums) {
    if (mask)
      vector::MaskedStoreOp::create(b, op->getOperand(2), indicesOf(2), mask,
                                    sums);
    else
      vector::StoreOp::create(b, sums, op->getOperand(2), indicesOf(2));
  }

  const Roles &roles;
  int64_t lanes;
  Tile tile;
  Value buffer; ///< reduction x columns of a tile, of a transposed b
  Value mask;   ///< the columns of the tile that exist; null: all
};

struct BlockContractionsPass
    : public moe::impl::BlockContractionsPassBase<BlockContractionsPass> {
  using BlockContractionsPassBase::BlockContractionsPassBase;

  void runOnOperation() override {
    CPUModel model = CPUModel::fromFeatures(targetFeatures);
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      std::optional<Roles> roles = findRoles(op);
      if (!roles || !(roles->isTransposed ? fitsBuffer(op, model)
                                          : hasWholeVectors(op, model)))
        continue;
      ImplicitLocOpBuilder b(op.getLoc(), op);
      BlockedLoops(b, op, *roles, model).emit();
      op->erase();
      ++numBlocked;
    }
  }

private:
  static bool hasWholeVectors(linalg::LinalgOp op, const CPUModel &model) {
    auto type = cast<MemRefType>(op->getOperand(2).getType());
    int64_t columns = type.getShape().back();
    return columns != ShapedType::kDynamic && columns % model.lanes == 0 &&
           columns <= kMostColumns;
  }

  static bool fitsBuffer(linalg::LinalgOp op, const CPUModel &model) {
    auto type = cast<MemRefType>(op->getOperand(1).getType());
    int64_t depth = type.getShape().back();
    return depth != ShapedType::kDynamic &&
           depth * model.lanes * 4 <= kBufferBytes;
  }

  /// What is wider is a matmul of its own, and repeats the code too often.
  static constexpr int64_t kMostColumns = 512;
};

} // namespace
