//===- TileExperts.cpp - Experts as loops over groups and row tiles
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "MoE/Dialect/MoE/Transforms/Rowwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

namespace mlir::moe {
#define GEN_PASS_DEF_TILEEXPERTSPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Computes one tile: given the rows of the tile and the expert, its result.
using TileBody =
    function_ref<Value(OpBuilder &, Value rows, Value init, Value expert)>;

/// Emits the loops over groups and row tiles.
class GroupLoops {
public:
  /// With `gathered`, the rows come from there, and there are none if it has
  /// none.
  GroupLoops(OpBuilder &builder, Location loc, Value rows, Value offsets,
             int64_t rowTile, Value gathered = Value())
      : builder(builder), loc(loc), rows(rows), offsets(offsets),
        gathered(gathered), rowTile(rowTile) {}

  /// for e in [first, last): the tiles of group e.
  Value forGroups(int64_t first, int64_t last, Value init, TileBody body) {
    Value one = index(1);
    auto loop = scf::ForOp::create(builder, loc, index(first), index(last), one,
                                   ValueRange{init});
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    Value e = loop.getInductionVar();
    Value next = arith::AddIOp::create(builder, loc, e, one);
    auto [low, high] = range(e, next);
    Value result = forTiles(low, high, e, loop.getRegionIterArg(0), body);
    scf::YieldOp::create(builder, loc, result);
    return loop.getResult(0);
  }

  /// The tiles of one group.
  Value forGroup(int64_t group, Value init, TileBody body) {
    auto [low, high] = range(index(group), index(group + 1));
    return forTiles(low, high, index(group), init, body);
  }

  /// The rows [offsets[first], offsets[last]) as one tile.
  Value forRange(int64_t first, int64_t last, Value init, TileBody body) {
    auto [low, high] = range(index(first), index(last));
    Value size = arith::SubIOp::create(builder, loc, high, low);
    return tile(low, size, Value(), init, body);
  }

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }

  /// The rows [offsets[first], offsets[last]). Offsets may be data of a caller:
  /// whatever they are, 0 <= low <= high <= number of rows.
  std::pair<Value, Value> range(Value first, Value last) {
    Value low = clamp(offset(first), index(0));
    return {low, clamp(offset(last), low)};
  }

  Value offset(Value group) {
    Value offset = tensor::ExtractOp::create(builder, loc, offsets, group);
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      offset);
  }

  /// `row`, but at least `low` and at most the number of rows.
  Value clamp(Value row, Value low) {
    Value most = arith::MinSIOp::create(builder, loc, row, countRows());
    return arith::MaxSIOp::create(builder, loc, most, low);
  }

  Value countRows() {
    Value count = tensor::DimOp::create(builder, loc, rows, 0);
    if (!gathered)
      return count;
    Value zero = index(0);
    Value available = tensor::DimOp::create(builder, loc, gathered, 0);
    Value isEmpty = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::eq, available, zero);
    return arith::SelectOp::create(builder, loc, isEmpty, zero, count);
  }

  Value forTiles(Value low, Value high, Value expert, Value init,
                 TileBody body) {
    if (rowTile == 0) {
      // The whole group; its size is bounded by the number of rows.
      Value size = arith::SubIOp::create(builder, loc, high, low);
      Value all = tensor::DimOp::create(builder, loc, rows, 0);
      Value bounded = arith::MinSIOp::create(builder, loc, size, all);
      return tile(low, bounded, expert, init, body);
    }
    Value step = chooseStep(low, high);
    auto loop =
        scf::ForOp::create(builder, loc, low, high, step, ValueRange{init});
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    Value row = loop.getInductionVar();
    Value left = arith::SubIOp::create(builder, loc, high, row);
    Value size = arith::MinSIOp::create(builder, loc, left, step);
    Value result = tile(row, size, expert, loop.getRegionIterArg(0), body);
    scf::YieldOp::create(builder, loc, result);
    return loop.getResult(0);
  }

  /// Rows of each tile of a group: as few tiles as possible, equally large, so
  /// that no tile pays for a row of weights with a row or two.
  Value chooseStep(Value low, Value high) {
    Value one = index(1), most = index(rowTile);
    Value rows = arith::SubIOp::create(builder, loc, high, low);
    Value tiles = arith::CeilDivSIOp::create(builder, loc, rows, most);
    Value count = arith::MaxSIOp::create(builder, loc, tiles, one);
    Value even = arith::CeilDivSIOp::create(builder, loc, rows, count);
    Value step = arith::MaxSIOp::create(builder, loc, even, one);
    // What bounds the memory of a tile: no group has more rows than there are.
    Value all = tensor::DimOp::create(builder, loc, this->rows, 0);
    Value some = arith::MaxSIOp::create(builder, loc, all, one);
    Value bound = arith::MinSIOp::create(builder, loc, some, most);
    return arith::MinSIOp::create(builder, loc, step, bound);
  }

  /// Rows [first, first + size): slice, compute, put back.
  Value tile(Value first, Value size, Value expert, Value init, TileBody body) {
    auto slice = [&](Value source) -> Value {
      OpFoldResult zero = builder.getIndexAttr(0),
                   one = builder.getIndexAttr(1);
      OpFoldResult width =
          tensor::getMixedSize(builder, loc, source, /*dim=*/1);
      return tensor::ExtractSliceOp::create(builder, loc, source,
                                            ArrayRef<OpFoldResult>{first, zero},
                                            ArrayRef<OpFoldResult>{size, width},
                                            ArrayRef<OpFoldResult>{one, one});
    };
    Value result = body(builder, slice(rows), slice(init), expert);
    OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
    OpFoldResult width = tensor::getMixedSize(builder, loc, init, /*dim=*/1);
    return tensor::InsertSliceOp::create(
        builder, loc, result, init, ArrayRef<OpFoldResult>{first, zero},
        ArrayRef<OpFoldResult>{size, width}, ArrayRef<OpFoldResult>{one, one});
  }

  OpBuilder &builder;
  Location loc;
  Value rows, offsets, gathered;
  int64_t rowTile;
};

/// A grouped matmul as loops over groups and row tiles: for each tile one
/// matmul per bank and one operation for the body.
class MatmulTiles {
public:
  MatmulTiles(OpBuilder &builder, GroupedMatmulOp op, int64_t rowTile)
      : builder(builder), loc(op.getLoc()), op(op), rowTile(rowTile) {}

  Value emit() {
    Value init = op.getInit();
    Value offsets = op.getOffsets() ? op.getOffsets() : wholeRange();
    // Rows that are gathered are not those of the tile.
    Value tiled = op.getSource() ? init : op.getRows();
    GroupLoops loops(builder, loc, tiled, offsets, rowTile,
                     op.getSource() ? op.getRows() : Value());
    return loops.forGroups(
        0, op.getNumGroups(), init,
        [&](OpBuilder &, Value rows, Value init, Value expert) {
          if (op.getSource())
            rows = read(op.getRows(), init);
          if (op.getRowScales())
            rows = scale(rows, read(op.getRowScales(), init));
          if (!op.hasBody())
            return matmul(rows, op.getBanks().front(), expert, init);
          return runBody(rows, init, expert);
        });
  }

private:
  /// Offsets of the one group that has all rows.
  Value wholeRange() {
    Value count = tensor::DimOp::create(builder, loc, op.getInit(), 0);
    Value last =
        arith::IndexCastOp::create(builder, loc, builder.getI32Type(), count);
    Value first =
        arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(0));
    return tensor::FromElementsOp::create(builder, loc,
                                          ValueRange{first, last});
  }

  /// What a tile of rows reads of `from` (N x K or N): the rows that `tile`, a
  /// slice of init, has, or those that their sources name.
  Value read(Value from, Value tile) {
    if (!op.getSource())
      return sliceRows(from, tile);
    auto type = cast<RankedTensorType>(from.getType());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, from);
    sizes.front() = tensor::getMixedSize(builder, loc, tile, 0);
    Value empty =
        tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
    int64_t rank = type.getRank();
    auto generic = linalg::GenericOp::create(
        builder, loc, empty.getType(), sliceRows(op.getSource(), tile), empty,
        ArrayRef<AffineMap>{
            AffineMap::get(rank, 0, builder.getAffineDimExpr(0)),
            builder.getMultiDimIdentityMap(rank)},
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &b, Location loc, ValueRange arguments) {
          SmallVector<Value> indices = {existing(b, arguments[0], from)};
          if (rank == 2)
            indices.push_back(linalg::IndexOp::create(b, loc, 1));
          Value element = tensor::ExtractOp::create(b, loc, from, indices);
          linalg::YieldOp::create(b, loc, element);
        });
    return generic.getResult(0);
  }

  /// What codes of rows stand for: f32, each run of columns times its scale.
  Value scale(Value rows, Value scales) {
    int64_t columns = op.getBankType().getSliceShape()[1];
    int64_t run = op.getBankType().getQuantized().getGroupSize(columns);
    Type f32 = builder.getF32Type();
    Value empty = tensor::EmptyOp::create(
        builder, loc, tensor::getMixedSizes(builder, loc, rows), f32);
    auto generic = linalg::GenericOp::create(
        builder, loc, empty.getType(), rows, empty,
        SmallVector<AffineMap>(2, builder.getMultiDimIdentityMap(2)),
        SmallVector<utils::IteratorType>(2, utils::IteratorType::parallel),
        [&](OpBuilder &b, Location loc, ValueRange arguments) {
          Value row = linalg::IndexOp::create(b, loc, 0);
          Value column = linalg::IndexOp::create(b, loc, 1);
          Value size = arith::ConstantIndexOp::create(b, loc, run);
          Value place = arith::DivUIOp::create(b, loc, column, size);
          Value factor =
              tensor::ExtractOp::create(b, loc, scales, ValueRange{row, place});
          Value code = arith::SIToFPOp::create(b, loc, f32, arguments[0]);
          Value scaled = arith::MulFOp::create(b, loc, code, factor);
          linalg::YieldOp::create(b, loc, scaled);
        });
    return generic.getResult(0);
  }

  /// `source` as an index of a row of `from`. Sources may be data of a caller:
  /// one that does not exist becomes the first row.
  Value existing(OpBuilder &b, Value source, Value from) {
    Value row = arith::IndexCastOp::create(b, loc, b.getIndexType(), source);
    Value count = tensor::DimOp::create(b, loc, from, 0);
    Value exists =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, row, count);
    Value first = arith::ConstantIndexOp::create(b, loc, 0);
    return arith::SelectOp::create(b, loc, exists, row, first);
  }

  Value slice(Value bank, Value expert) {
    return BankSliceOp::create(builder, loc,
                               cast<BankType>(bank.getType()).getSliceType(),
                               bank, expert);
  }

  Value matmul(Value rows, Value bank, Value expert, Value init) {
    return createRowsTimesWeight(builder, loc, rows, slice(bank, expert), init);
  }

  Value runBody(Value rows, Value init, Value expert) {
    MLIRContext *context = builder.getContext();
    AffineMap both = builder.getMultiDimIdentityMap(2);
    AffineMap row = AffineMap::get(2, 0, builder.getAffineDimExpr(0));
    AffineMap column = AffineMap::get(2, 0, builder.getAffineDimExpr(1));
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    auto add = [&](Value value, AffineMap map) {
      inputs.push_back(value);
      maps.push_back(map);
    };
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, init);
    Type f32 = Float32Type::get(context);
    for (Value bank : op.getBanks()) {
      Value empty = tensor::EmptyOp::create(builder, loc, sizes, f32);
      Value zero =
          arith::ConstantOp::create(builder, loc, builder.getZeroAttr(f32));
      Value sum =
          linalg::FillOp::create(builder, loc, zero, empty).getResult(0);
      add(matmul(rows, bank, expert, sum), both);
    }
    for (Value value : op.getPerRow())
      add(read(value, init), row);
    for (Value bank : op.getPerColumn())
      add(slice(bank, expert), column);
    for (Value value : op.getElements())
      add(sliceRows(value, init), both);
    maps.push_back(both);
    auto generic = linalg::GenericOp::create(
        builder, loc, init.getType(), inputs, init, maps,
        SmallVector<utils::IteratorType>(2, utils::IteratorType::parallel));
    Block *block = builder.createBlock(&generic.getRegion());
    // The arguments of the body are those of the operation, in order.
    IRMapping mapping;
    for (BlockArgument argument : op.getBody().getArguments())
      mapping.map(argument, block->addArgument(argument.getType(), loc));
    for (Operation &nested : op.getBody().front().without_terminator())
      builder.clone(nested, mapping);
    linalg::YieldOp::create(
        builder, loc,
        mapping.lookupOrDefault(
            op.getBody().front().getTerminator()->getOperand(0)));
    builder.setInsertionPointAfter(generic);
    return generic.getResult(0);
  }

  /// The rows of `value` (N x K or N) that `tile`, a slice of init, has.
  Value sliceRows(Value value, Value tile) {
    auto taken = tile.getDefiningOp<tensor::ExtractSliceOp>();
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(builder, loc, value);
    SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
    offsets.front() = taken.getMixedOffsets().front();
    sizes.front() = taken.getMixedSizes().front();
    return tensor::ExtractSliceOp::create(builder, loc, value, offsets, sizes,
                                          strides);
  }

  OpBuilder &builder;
  Location loc;
  GroupedMatmulOp op;
  int64_t rowTile;
};

/// Clones `body` in front of the builder and returns what it yields.
Value cloneBody(OpBuilder &builder, Region &body, ValueRange arguments) {
  IRMapping mapping;
  mapping.map(body.getArguments(), arguments);
  for (Operation &op : body.front().without_terminator())
    builder.clone(op, mapping);
  return mapping.lookupOrDefault(body.front().getTerminator()->getOperand(0));
}

struct TileExpertsPass
    : public moe::impl::TileExpertsPassBase<TileExpertsPass> {
  using TileExpertsPassBase::TileExpertsPassBase;

  void runOnOperation() override {
    if (rowTile < 0) {
      getOperation()->emitError(
          "expected row-tile to be 0 (whole) or more, but "
          "got ")
          << rowTile.getValue() << " [moe-tile-experts-row-tile]";
      return signalPassFailure();
    }
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      auto matmul = dyn_cast<GroupedMatmulOp>(op);
      // Those with a schedule have kernels of their own.
      if (isa<ExpertsOp>(op) ||
          (matmul && op->getNumResults() == 1 && !matmul.getSchedule()))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops) {
      if (auto matmul = dyn_cast<GroupedMatmulOp>(op);
          matmul && matmul.getTargets()) {
        op->emitOpError("expected a schedule with targets, which loops over "
                        "tiles cannot follow; use weights as its banks and run "
                        "moe-pack-weights first [moe-tile-experts-targets]");
        return signalPassFailure();
      }
      rewriter.setInsertionPoint(op);
      Value result = isa<ExpertsOp>(op)
                         ? lower(rewriter, cast<ExpertsOp>(op))
                         : lower(rewriter, cast<GroupedMatmulOp>(op));
      rewriter.replaceOp(op, result);
    }
  }

private:
  /// The row tile for these bodies: 0 if one of them mixes rows.
  int64_t chooseRowTile(ExpertsOp op) {
    std::string reason;
    bool rowwise = llvm::all_of(
        op.getBodies(), [&](Region &body) { return isRowwise(body, &reason); });
    remark::RemarkOpts options =
        remark::RemarkOpts::name("TileExperts").category("moe-tile-experts");
    if (rowwise && rowTile > 0) {
      ++numTiled;
      remark::passed(op.getLoc(), options)
          << "tiled by " << std::to_string(rowTile) << " rows";
      return rowTile;
    }
    ++numWhole;
    remark::missed(op.getLoc(), options)
        << "rows of an expert stay together: "
        << (rowwise ? "row-tile is 0" : reason);
    return 0;
  }

  Value emptyLike(OpBuilder &builder, ExpertsOp op) {
    auto type = op.getResult().getType();
    OpFoldResult size =
        tensor::getMixedSize(builder, op.getLoc(), op.getRows(), 0);
    return tensor::EmptyOp::create(
        builder, op.getLoc(),
        ArrayRef<OpFoldResult>{size, builder.getIndexAttr(type.getDimSize(1))},
        type.getElementType());
  }

  Value lower(OpBuilder &builder, ExpertsOp op) {
    Location loc = op.getLoc();
    Value result = emptyLike(builder, op);
    GroupLoops loops(builder, loc, op.getRows(), op.getOffsets(),
                     chooseRowTile(op));
    int64_t experts = op.getNumExperts();
    if (op.takesBanks()) {
      result = loops.forGroups(
          0, experts, result,
          [&](OpBuilder &b, Value rows, Value, Value expert) {
            SmallVector<Value> arguments = {rows, expert};
            for (Value bank : op.getBanks())
              arguments.push_back(BankSliceOp::create(
                  b, loc, cast<BankType>(bank.getType()).getSliceType(), bank,
                  expert));
            return cloneBody(b, op.getBodies().front(), arguments);
          });
    } else {
      for (int64_t e = 0; e < experts; ++e)
        result = loops.forGroup(e, result,
                                [&](OpBuilder &b, Value rows, Value, Value) {
                                  return cloneBody(b, op.getBodies()[e], rows);
                                });
    }
    int64_t zeros = op.getZero(), identities = op.getIdentity();
    if (zeros > 0)
      result = loops.forRange(
          experts, experts + zeros, result,
          [&](OpBuilder &b, Value, Value init, Value) -> Value {
            Value zero = arith::ConstantOp::create(
                b, loc, b.getZeroAttr(getElementTypeOrSelf(init.getType())));
            return linalg::FillOp::create(b, loc, zero, init).getResult(0);
          });
    if (identities > 0)
      result = loops.forRange(
          experts + zeros, experts + zeros + identities, result,
          [](OpBuilder &, Value rows, Value, Value) { return rows; });
    if (result.getType() != op.getType())
      result = tensor::CastOp::create(builder, loc, op.getType(), result);
    return result;
  }

  Value lower(OpBuilder &builder, GroupedMatmulOp op) {
    ++(rowTile ? numTiled : numWhole);
    remark::passed(op.getLoc(), remark::RemarkOpts::name("TileGroupedMatmul")
                                    .category("moe-tile-experts"))
        << (rowTile ? "tiled by " + std::to_string(rowTile) + " rows"
                    : std::string("rows of an expert stay together"));
    return MatmulTiles(builder, op, rowTile).emit();
  }
};

} // namespace
