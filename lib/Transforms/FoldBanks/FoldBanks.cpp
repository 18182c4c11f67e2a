//===- FoldBanks.cpp - Views of weights become windows of checkpoints
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a module does to weights without computing anything is left to the
// loader, which can read any window of a file tensor:
//
//   * a bank that is made of weights, or of slices of one stacked weight,
//     becomes a weight of its own;
//   * a bank that is only read transposed is declared transposed; of one that
//   is
//     read both ways, the other way becomes a second weight.
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/WeightFlow.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_FOLDBANKSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// A window of a file tensor: dimension i of a weight is dimension
/// `permutation[i]` of the file, from `offsets` on in steps of `strides`, both
/// by dimension of the file.
struct Window {
  StringAttr tensor;
  SmallVector<int64_t> shape, offsets, strides, permutation;

  /// `extents` is what the weight has; a whole source does not state it.
  static Window of(SourceAttr source, ArrayRef<int64_t> extents) {
    Window window;
    window.tensor = source.getTensor();
    window.shape =
        llvm::to_vector(source.isWhole() ? extents : source.getShape());
    size_t rank = window.shape.size();
    auto orElse = [&](ArrayRef<int64_t> list, int64_t value) {
      return list.empty() ? SmallVector<int64_t>(rank, value)
                          : llvm::to_vector(list);
    };
    window.offsets = orElse(source.getOffsets(), 0);
    window.strides = orElse(source.getStrides(), 1);
    window.permutation = llvm::to_vector(source.getPermutation());
    if (window.permutation.empty())
      llvm::append_range(window.permutation, llvm::seq<int64_t>(0, rank));
    return window;
  }

  SourceAttr toAttribute() const {
    return SourceAttr::get(tensor.getContext(), tensor, shape, offsets, strides,
                           permutation);
  }

  /// Elements from one to the next in each dimension of the weight.
  SmallVector<int64_t> elementStrides() const {
    SmallVector<int64_t> ofFile(shape.size(), 1);
    for (size_t i = shape.size(); i-- > 1;)
      ofFile[i - 1] = ofFile[i] * shape[i];
    return llvm::map_to_vector(
        permutation, [&](int64_t dim) { return strides[dim] * ofFile[dim]; });
  }

  /// The part of the window that `slice` takes; false if that is not known, or
  /// too large to say. Offsets and strides are inside of the weight.
  bool take(tensor::ExtractSliceOp slice) {
    for (auto [i, dim] : llvm::enumerate(permutation)) {
      int64_t offset = slice.getStaticOffsets()[i];
      int64_t stride = slice.getStaticStrides()[i], start;
      if (ShapedType::isDynamic(offset) || ShapedType::isDynamic(stride) ||
          ShapedType::isDynamic(slice.getStaticSizes()[i]) || stride < 1 ||
          llvm::MulOverflow(offset, strides[dim], start) ||
          llvm::AddOverflow(offsets[dim], start, offsets[dim]) ||
          llvm::MulOverflow(strides[dim], stride, strides[dim]))
        return false;
    }
    return true;
  }
};

/// What one operand of a bank is.
struct Piece {
  WeightOp weight;
  Window window;
  /// Dimension of the weight of which the operand is one place; none: it has
  /// all dimensions of the weight.
  std::optional<unsigned> dropped;
};

/// Makes the weight that a bank of pieces of weights is.
class BankBuilder {
public:
  BankBuilder(MakeBankOp op, SymbolTable &symbols) : op(op), symbols(symbols) {}

  /// The weight that the bank is, in front of the first of its pieces; null if
  /// it is none.
  WeightOp run() {
    for (Value slice : op.getSlices()) {
      std::optional<Piece> piece = trace(slice);
      if (!piece)
        return {};
      pieces.push_back(std::move(*piece));
    }
    std::optional<SmallVector<Attribute>> sources =
        pieces.front().dropped ? stackedSource() : separateSources();
    if (!sources)
      return {};
    BankType type = chooseType();
    if (!type)
      return {};
    WeightOp first = pieces.front().weight;
    OpBuilder builder(first);
    auto weight =
        WeightOp::create(builder, op.getLoc(),
                         builder.getStringAttr(first.getSymName() + ".bank"),
                         type, builder.getArrayAttr(*sources));
    symbols.insert(weight);
    return weight;
  }

private:
  std::optional<Piece> trace(Value value) {
    auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
    auto get = (slice ? slice.getSource() : value).getDefiningOp<GetWeightOp>();
    if (!get)
      return std::nullopt;
    auto weight = symbols.lookup<WeightOp>(get.getWeight());
    auto type = dyn_cast<RankedTensorType>(get.getType());
    if (!weight || !type || weight.getSources().size() != 1)
      return std::nullopt;
    Piece piece;
    piece.weight = weight;
    piece.window =
        Window::of(cast<SourceAttr>(weight.getSources()[0]), type.getShape());
    if (!slice)
      return piece;
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    if (!piece.window.take(slice) || dropped.count() > 1)
      return std::nullopt;
    if (dropped.any())
      piece.dropped = dropped.find_first();
    return piece;
  }

  /// One source per expert.
  std::optional<SmallVector<Attribute>> separateSources() {
    SmallVector<Attribute> sources;
    for (Piece &piece : pieces) {
      if (piece.dropped)
        return std::nullopt;
      sources.push_back(piece.window.toAttribute());
    }
    strides = pieces.front().window.elementStrides();
    bool areAlike = llvm::all_of(pieces, [&](Piece &piece) {
      return piece.window.elementStrides() == strides;
    });
    return areAlike ? std::optional(sources) : std::nullopt;
  }

  /// One source, whose first dimension is the one that the experts have one
  /// place each of, with equal distances.
  std::optional<SmallVector<Attribute>> stackedSource() {
    Window window = pieces.front().window;
    unsigned stacked = *pieces.front().dropped;
    int64_t dim = window.permutation[stacked];
    auto placeOf = [&](const Piece &piece) {
      return piece.window.offsets[dim];
    };
    int64_t step =
        pieces.size() > 1 ? placeOf(pieces[1]) - placeOf(pieces[0]) : 1;
    if (step < 1)
      return std::nullopt;
    int64_t expected = placeOf(pieces.front());
    for (Piece &piece : pieces) {
      Window aligned = piece.window;
      aligned.offsets[dim] = window.offsets[dim];
      if (piece.dropped != stacked || placeOf(piece) != expected ||
          piece.window.tensor != window.tensor ||
          aligned.toAttribute() != window.toAttribute())
        return std::nullopt;
      expected += step;
    }
    window.strides[dim] = step;
    window.permutation.erase(window.permutation.begin() + stacked);
    window.permutation.insert(window.permutation.begin(), dim);
    strides = window.elementStrides();
    strides.erase(strides.begin());
    return SmallVector<Attribute>{window.toAttribute()};
  }

  /// The type of the bank, with the layout that its elements have; null if it
  /// must not have one.
  BankType chooseType() {
    BankType dense = op.getType();
    if (SmallVector<int64_t>(strides) == getWeightStrides(dense))
      return dense;
    // Functions state the layout of their arguments.
    for (Operation *user : op->getUsers())
      if (!isa<ExpertsOp, BankSliceOp, TransposeBankOp>(user))
        return {};
    return dense.withLayout(
        StridedLayoutAttr::get(op.getContext(), 0, strides));
  }

  MakeBankOp op;
  SymbolTable &symbols;
  std::vector<Piece> pieces;
  SmallVector<int64_t> strides; ///< of a slice
};

/// Gives a bank another layout, and those that are it, seen transposed.
void setBankType(Value bank, BankType type) {
  bank.setType(type);
  for (Operation *user : bank.getUsers())
    if (auto view = dyn_cast<TransposeBankOp>(user))
      setBankType(view.getResult(), type.getTransposed());
}

struct FoldBanksPass : public moe::impl::FoldBanksPassBase<FoldBanksPass> {
  void runOnOperation() override {
    SymbolTable table(getOperation());
    symbols = &table;
    foldMadeBanks();
    foldTransposedFlows();
    splitTransposedWeights();
  }

private:
  //===--------------------------------------------------------------------===//
  // Banks of weights
  //===--------------------------------------------------------------------===//

  void foldMadeBanks() {
    SmallVector<MakeBankOp> ops;
    getOperation()->walk([&](MakeBankOp op) {
      if (isa<RankedTensorType>(op.getSlices().front().getType()))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    llvm::SetVector<WeightOp> replaced;
    for (MakeBankOp op : ops) {
      WeightOp weight = BankBuilder(op, *symbols).run();
      if (!weight) {
        ++numMade;
        continue;
      }
      ++numFolded;
      SmallVector<Value> slices(op.getSlices());
      rewriter.setInsertionPoint(op);
      auto type = cast<BankType>(weight.getType());
      auto get = GetWeightOp::create(rewriter, op.getLoc(), op.getType(),
                                     weight.getSymName());
      rewriter.replaceOp(op, get);
      setBankType(get.getResult(), type);
      for (Value slice : slices)
        eraseUnused(rewriter, slice, replaced);
    }
    for (WeightOp weight : replaced)
      if (SymbolTable::symbolKnownUseEmpty(weight, getOperation()))
        symbols->erase(weight);
  }

  /// A value that was a slice of a bank; weights that lost a reader are added
  /// to `replaced`.
  void eraseUnused(IRRewriter &rewriter, Value value,
                   llvm::SetVector<WeightOp> &replaced) {
    Operation *op = value.getDefiningOp();
    while (op && op->use_empty() &&
           isa<tensor::ExtractSliceOp, GetWeightOp>(op)) {
      Operation *next = nullptr;
      if (auto get = dyn_cast<GetWeightOp>(op))
        replaced.insert(symbols->lookup<WeightOp>(get.getWeight()));
      else
        next = cast<tensor::ExtractSliceOp>(op).getSource().getDefiningOp();
      rewriter.eraseOp(op);
      op = next;
    }
  }

  //===--------------------------------------------------------------------===//
  // Transposed banks
  //===--------------------------------------------------------------------===//

  static bool isTransposed(OpOperand *use) {
    return isa<TransposeBankOp>(use->getOwner());
  }

  /// The sources of a weight of type `type`, for the transposed one.
  static ArrayAttr transposeSources(WeightOp weight, BankType type) {
    bool isStacked = weight.getSources().size() == 1 &&
                     !cast<SourceAttr>(weight.getSources()[0]).isPerExpert();
    SmallVector<Attribute> sources;
    for (auto source : weight.getSources().getAsRange<SourceAttr>()) {
      Window window = Window::of(source, isStacked ? type.getShape()
                                                   : type.getSliceShape());
      std::swap(window.permutation.back(),
                window.permutation[window.permutation.size() - 2]);
      sources.push_back(window.toAttribute());
    }
    return ArrayAttr::get(weight.getContext(), sources);
  }

  void foldTransposedFlows() {
    WeightFlows flows(getOperation());
    IRRewriter rewriter(&getContext());
    for (auto &[leader, flow] : flows) {
      if (flow.escapes || flow.reads.empty() ||
          !llvm::all_of(flow.reads, isTransposed))
        continue;
      auto type = cast<BankType>(flow.getType());
      SmallVector<OpOperand *> reads(flow.reads);
      for (WeightOp weight : flow.weights)
        weight.setSourcesAttr(transposeSources(weight, type));
      flow.setType(type.getTransposed());
      for (OpOperand *read : reads)
        rewriter.replaceOp(read->getOwner(), read->get());
      ++numTransposed;
    }
  }

  /// A weight that is also read as it is becomes two.
  void splitTransposedWeights() {
    SmallVector<TransposeBankOp> views;
    getOperation()->walk([&](TransposeBankOp op) {
      if (op.getBank().getDefiningOp<GetWeightOp>())
        views.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    DenseMap<WeightOp, WeightOp> others;
    for (TransposeBankOp op : views) {
      auto get = op.getBank().getDefiningOp<GetWeightOp>();
      auto weight = symbols->lookup<WeightOp>(get.getWeight());
      WeightOp &other = others[weight];
      if (!other) {
        auto type = cast<BankType>(weight.getType());
        rewriter.setInsertionPointAfter(weight);
        other = WeightOp::create(
            rewriter, weight.getLoc(),
            rewriter.getStringAttr(weight.getSymName() + ".transposed"),
            type.getTransposed(), transposeSources(weight, type));
        symbols->insert(other);
        ++numTransposed;
      }
      rewriter.setInsertionPoint(op);
      rewriter.replaceOpWithNewOp<GetWeightOp>(op, op.getType(),
                                               other.getSymName());
    }
  }

  SymbolTable *symbols = nullptr;
};

} // namespace
