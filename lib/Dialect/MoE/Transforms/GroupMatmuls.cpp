//===- GroupMatmuls.cpp - Experts as grouped matmuls with bodies
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The body of an expert is cut where a matmul needs all columns of its rows.
// What is between two cuts becomes one moe.grouped_matmul over all rows of all
// experts: the matmuls that read the same rows, and as its body everything
// elementwise that follows them. SwiGLU becomes two:
//
//   h = grouped_matmul rows banks(gate, up)  { silu(gate) * up }
//   y = grouped_matmul h    banks(down)      { down }
//
// Matmuls of other rows or shapes that meet there have ops of their own, whose
// results are read as elements. An expert with a low-rank addition becomes:
//
//   a = grouped_matmul rows banks(A)               { a }
//   b = grouped_matmul a    banks(B)               { b }
//   y = grouped_matmul rows banks(W) elements(b)   { w + b }
//
// What is neither, but computes each row from the same row, is the same for all
// rows of all experts, and is cloned on them. An expert that normalises its
// rows becomes:
//
//   s = sums of the squares of rows                  (linalg, on all rows)
//   n = rows * rsqrt(s)                              (linalg, on all rows)
//   y = grouped_matmul n banks(W)                    { w }
//
// There are more rows than those of experts, from offsets[E] on, whose elements
// are undefined: only what can be computed of anything is cloned.
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Matmul.h"
#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "MoE/Dialect/MoE/Transforms/Rowwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::moe {
#define GEN_PASS_DEF_GROUPMATMULSPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Whether `op` may be computed of any operands, and one by one of the elements
/// of vectors. Upstream calls more ops pure, such as reading an element of a
/// tensor at an index that may be outside of it.
bool isElementwiseOfAnything(Operation &op) {
  return op.hasTrait<OpTrait::ConstantLike>() ||
         (OpTrait::hasElementwiseMappableTraits(&op) && isSpeculatable(&op) &&
          isMemoryEffectFree(&op));
}

/// The operands whose elements `op` reads.
SmallVector<OpOperand *> getReadOperands(linalg::LinalgOp op) {
  SmallVector<OpOperand *> operands;
  for (OpOperand &operand : op->getOpOperands())
    if (op.payloadUsesValueFromOperand(&operand))
      operands.push_back(&operand);
  return operands;
}

/// What a grouped matmul takes of an operand of an elementwise operation.
enum class Operand {
  Elements, ///< at the same row and column
  PerRow,   ///< at the row
  Column,   ///< at the column
  Scalar
};

/// How `op`, over rows and columns, reads `operand`; none if in another way.
std::optional<Operand> classify(linalg::LinalgOp op, OpOperand *operand) {
  AffineMap map = op.getMatchingIndexingMap(operand);
  auto isLoop = [&](unsigned result, unsigned loop) {
    return map.getResult(result) == getAffineDimExpr(loop, op.getContext());
  };
  switch (map.getNumResults()) {
  case 0:
    return Operand::Scalar;
  case 1:
    if (isLoop(0, 0))
      return Operand::PerRow;
    if (isLoop(0, 1))
      return Operand::Column;
    return std::nullopt;
  case 2:
    if (isLoop(0, 0) && isLoop(1, 1))
      return Operand::Elements;
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

bool isFloat(Type type) {
  return type.isF32() || type.isBF16() || type.isF16();
}

/// What becomes one grouped matmul: elementwise operations that end in `root`,
/// and what they are computed from.
struct Cluster {
  SmallVector<linalg::LinalgOp> sums; ///< of the same rows, of one shape
  llvm::SetVector<Operation *> ops;   ///< elementwise, in any order
  llvm::SetVector<Value> elements;    ///< matrices, read at row and column
  llvm::SetVector<Value> perRow;      ///< vectors, read at the row
  llvm::SetVector<Value> columns;     ///< vectors, read at the column
};

/// Turns one expert's body into grouped matmuls.
class BodyGrouper {
public:
  BodyGrouper(OpBuilder &builder, ExpertsOp op)
      : builder(builder), op(op), region(op.getBodies().front()),
        body(region.front()), rowwise(region) {}

  /// The result of `op`, or null and why it stays as it is.
  Value run(std::string &reason) {
    this->reason = &reason;
    if (op.getIdentity() || op.getZero()) {
      reason = "identity and zero experts have no matmul";
      return Value();
    }
    Value result = body.getTerminator()->getOperand(0);
    findElementwise();
    if (!plan(result))
      return Value();
    onRows.map(body.getArgument(0),
               castTo(op.getRows(),
                      cast<RankedTensorType>(body.getArgument(0).getType())));
    // In the order of the body, so that all that one needs is there.
    for (Operation &nested : body)
      for (Value value : nested.getResults())
        if (roots.contains(value))
          materialize(value);
    return onRows.lookup(result);
  }

private:
  bool reject(const Twine &why) {
    *reason = why.str();
    return false;
  }

  //===--------------------------------------------------------------------===//
  // What values are
  //===--------------------------------------------------------------------===//

  bool isSlice(Value value, int64_t rank) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == &body &&
           argument.getArgNumber() >= 2 &&
           cast<RankedTensorType>(value.getType()).getRank() == rank;
  }
  Value bankOf(Value slice) {
    return op.getBanks()[cast<BlockArgument>(slice).getArgNumber() - 2];
  }

  bool isOutside(Value value) {
    return !region.isAncestor(value.getParentRegion());
  }
  /// The same value whatever the expert, which needs nothing of the body.
  bool isConstantOrOutside(Value value) {
    Operation *definition = value.getDefiningOp();
    return isOutside(value) ||
           (definition && definition->hasTrait<OpTrait::ConstantLike>());
  }

  linalg::LinalgOp getSum(Value value) {
    auto linalgOp = value.getDefiningOp<linalg::LinalgOp>();
    return linalgOp && linalgOp->getBlock() == &body &&
                   isRowsTimesWeight(linalgOp) &&
                   isSlice(linalgOp.getDpsInputs()[1], 2)
               ? linalgOp
               : linalg::LinalgOp();
  }

  static Value rowsOf(linalg::LinalgOp sum) { return sum.getDpsInputs()[0]; }
  static int64_t depthOf(linalg::LinalgOp sum) {
    return cast<ShapedType>(rowsOf(sum).getType()).getShape().back();
  }

  /// Rows of a constant that is known outside.
  bool isFilled(Operation *definition) {
    auto fill = dyn_cast_or_null<linalg::FillOp>(definition);
    return fill && isConstantOrOutside(fill.getInputs()[0]);
  }

  /// Looks at each operation once: a body may be long.
  void findElementwise() {
    for (Operation &nested : body) {
      auto generic = dyn_cast<linalg::GenericOp>(nested);
      bool isReached = false;
      if (generic && canBeElement(generic)) {
        elementwise.insert(generic);
        isReached =
            llvm::any_of(getReadOperands(generic), [&](OpOperand *operand) {
              return classify(generic, operand) == Operand::Elements &&
                     fromSums.contains(operand->get());
            });
      }
      for (Value result : nested.getResults())
        if (isReached || getSum(result))
          fromSums.insert(result);
    }
  }

  bool isElementwise(Operation *definition) {
    return definition && elementwise.contains(definition);
  }

  /// One result, computed element by element from operands that a grouped
  /// matmul takes.
  bool canBeElement(linalg::GenericOp generic) {
    if (generic.getNumLoops() != 2 || generic.getNumParallelLoops() != 2 ||
        generic->getNumResults() != 1 ||
        !rowwise.areRows(generic->getResult(0)))
      return false;
    OpOperand *init = generic.getDpsInitOperand(0);
    if (classify(generic, init) != Operand::Elements)
      return false;
    for (OpOperand *operand : getReadOperands(generic)) {
      std::optional<Operand> kind = classify(generic, operand);
      if (!kind || !canTake(*kind, operand->get()))
        return false;
    }
    return llvm::all_of(
        generic.getBody()->getOperations(), [&](Operation &nested) {
          bool isEnd = nested.hasTrait<OpTrait::IsTerminator>();
          return (isEnd || isElementwiseOfAnything(nested)) &&
                 llvm::all_of(nested.getOperands(), [&](Value value) {
                   return isConstantOrOutside(value) ||
                          generic.getRegion().isAncestor(
                              value.getParentRegion());
                 });
        });
  }

  bool canTake(Operand kind, Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    switch (kind) {
    case Operand::Elements:
    case Operand::PerRow:
      return rowwise.areRows(value);
    case Operand::Column:
      return type && type.hasStaticShape() && isFloat(type.getElementType()) &&
             (isSlice(value, 1) || isConstantOrOutside(value));
    case Operand::Scalar:
      return isConstantOrOutside(value);
    }
    llvm_unreachable("all kinds are handled");
  }

  /// Whether the operation can be cloned on all rows. What it needs besides
  /// rows is the same for all experts.
  bool isCommon(Operation *definition) {
    auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(definition);
    if (!linalgOp || linalgOp->getBlock() != &body ||
        llvm::any_of(definition->getResults(),
                     [&](Value v) { return !rowwise.areRows(v); }))
      return false;
    if (!llvm::all_of(linalgOp.getBlock()->without_terminator(),
                      isElementwiseOfAnything))
      return false;
    llvm::SetVector<Operation *> needed;
    return collectIndependent(definition, needed);
  }

  /// What `user` needs besides rows, directly or not; false if some of it
  /// cannot be computed outside.
  bool collectIndependent(Operation *user,
                          llvm::SetVector<Operation *> &needed) {
    SmallVector<Operation *> work = {user};
    DenseSet<Operation *> seen;
    while (!work.empty()) {
      Operation *next = work.pop_back_val();
      bool isPossible = true;
      next->walk([&](Operation *nested) {
        for (Value value : nested->getOperands()) {
          bool isInside = value.getParentRegion() != &region;
          if (isInside || isOutside(value))
            continue;
          Operation *definition = value.getDefiningOp();
          if (rowwise.areRows(value) &&
              !isa_and_present<tensor::EmptyOp>(definition))
            continue; // rows of their own
          bool isBuilt =
              isa_and_present<tensor::EmptyOp, tensor::DimOp>(definition) ||
              (definition && definition->getNumRegions() == 0 &&
               isElementwiseOfAnything(*definition));
          if (!isBuilt) {
            isPossible = false;
            return;
          }
          if (seen.insert(definition).second) {
            needed.insert(definition);
            work.push_back(definition);
          }
        }
      });
      if (!isPossible)
        return false;
    }
    return true;
  }

  //===--------------------------------------------------------------------===//
  // Planning
  //===--------------------------------------------------------------------===//

  /// Finds all values that are computed for all rows of all experts.
  bool plan(Value result) {
    // What is there for all rows is read, not computed again: roots that are
    // found late, and sums that several clusters would compute, end clusters
    // when all are looked at again.
    size_t numKnown;
    do {
      numKnown = known.size();
      roots.clear();
      clusters.clear();
      readers.clear();
      roots.insert(result);
      for (size_t i = 0; i < roots.size(); ++i)
        if (!planRoot(roots[i]))
          return false;
      known.insert(roots.begin(), roots.end());
    } while (known.size() != numKnown);
    return true;
  }

  bool planRoot(Value root) {
    if (root == body.getArgument(0))
      return true;
    Operation *definition = root.getDefiningOp();
    if (fromSums.contains(root)) {
      Cluster cluster = collect(root);
      if (!cluster.sums.empty())
        return planCluster(root, std::move(cluster));
    }
    if (!isCommon(definition)) {
      std::string name =
          definition ? ("'" + definition->getName().getStringRef() + "'").str()
                     : std::string("the value that is yielded");
      return reject(name + " is neither a matmul with a bank, nor elementwise, "
                           "nor the same function of each row for all experts");
    }
    for (Value operand : definition->getOperands())
      if (rowwise.areRows(operand) && !operand.getDefiningOp<tensor::EmptyOp>())
        roots.insert(operand);
    return true;
  }

  bool planCluster(Value root, Cluster cluster) {
    auto isF32 = [](Value value) {
      return getElementTypeOrSelf(value.getType()).isF32();
    };
    if (!isFloat(getElementTypeOrSelf(root.getType())))
      return reject("what follows a matmul is no float");
    for (Value value : cluster.elements)
      if (!isF32(value))
        return reject("a value that is not f32 meets a matmul");
    for (Value value : cluster.perRow)
      if (!isF32(value))
        return reject("a value that is not f32 meets a matmul");
    roots.insert(rowsOf(cluster.sums.front()));
    roots.insert_range(cluster.elements);
    roots.insert_range(cluster.perRow);
    for (linalg::LinalgOp sum : cluster.sums)
      if (++readers[sum] == 2)
        known.insert(sum->getResult(0));
    clusters[root] = std::move(cluster);
    return true;
  }

  /// What `root` is computed from element by element.
  Cluster collect(Value root) {
    Cluster cluster;
    llvm::SetVector<Value> values;
    SmallVector<linalg::LinalgOp> sums;
    values.insert(root);
    for (size_t i = 0; i < values.size(); ++i) {
      Value value = values[i];
      bool isKnown = value != root && known.contains(value);
      linalg::LinalgOp sum = getSum(value);
      if (value != root && isFilled(value.getDefiningOp()))
        continue;
      if (sum && !isKnown)
        sums.push_back(sum);
      else if (!isKnown && isElementwise(value.getDefiningOp()))
        collectOperands(cast<linalg::LinalgOp>(value.getDefiningOp()), cluster,
                        values);
      else
        cluster.elements.insert(value);
    }
    if (sums.empty())
      return cluster;
    // One op computes the sums of the same rows and shape as the one with most
    // columns of rows.
    linalg::LinalgOp first =
        *llvm::max_element(sums, [](linalg::LinalgOp a, linalg::LinalgOp b) {
          return depthOf(a) < depthOf(b);
        });
    for (linalg::LinalgOp sum : sums) {
      bool isSame = rowsOf(sum) == rowsOf(first) &&
                    bankOf(sum.getDpsInputs()[1]).getType() ==
                        bankOf(first.getDpsInputs()[1]).getType();
      if (isSame)
        cluster.sums.push_back(sum);
      else
        cluster.elements.insert(sum->getResult(0));
    }
    return cluster;
  }

  void collectOperands(linalg::LinalgOp elementwise, Cluster &cluster,
                       llvm::SetVector<Value> &values) {
    cluster.ops.insert(elementwise);
    for (OpOperand *operand : getReadOperands(elementwise))
      switch (*classify(elementwise, operand)) {
      case Operand::Elements:
        values.insert(operand->get());
        break;
      case Operand::PerRow:
        cluster.perRow.insert(operand->get());
        break;
      case Operand::Column:
        cluster.columns.insert(operand->get());
        break;
      case Operand::Scalar:
        break;
      }
  }

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  Value castTo(Value value, RankedTensorType type) {
    if (value.getType() == type)
      return value;
    return tensor::CastOp::create(builder, op.getLoc(), type, value);
  }

  /// `value` of the body for all rows of all experts.
  void materialize(Value value) {
    auto it = clusters.find(value);
    if (it != clusters.end())
      onRows.map(value, emitGrouped(value, it->second));
    else
      cloneOnRows(value.getDefiningOp());
  }

  Value emitGrouped(Value root, Cluster &cluster) {
    Location loc = root.getLoc();
    Value rows = rowsOf(cluster.sums.front()), source;
    auto dispatch = op.getRows().getDefiningOp<DispatchOp>();
    // Rows that are gathered anyway are gathered where they are read; what is
    // read per row would have to be gathered too.
    if (rows == body.getArgument(0) && dispatch && !dispatch.getWeights() &&
        cluster.perRow.empty()) {
      rows = dispatch.getX();
      source = dispatch.getSource();
    } else {
      rows = onRows.lookup(rows);
    }
    SmallVector<Value> banks, perColumn, perRow, elements;
    for (linalg::LinalgOp sum : cluster.sums)
      banks.push_back(bankOf(sum.getDpsInputs()[1]));
    for (Value vector : cluster.columns)
      perColumn.push_back(isSlice(vector, 1) ? bankOf(vector)
                                             : makeBank(vector));
    for (Value value : cluster.perRow)
      perRow.push_back(onRows.lookup(value));
    for (Value value : cluster.elements)
      elements.push_back(onRows.lookup(value));

    auto type = cast<RankedTensorType>(root.getType());
    OpFoldResult count = tensor::getMixedSize(builder, loc, getCounted(), 0);
    Value init = tensor::EmptyOp::create(
        builder, loc,
        ArrayRef<OpFoldResult>{count, builder.getIndexAttr(type.getDimSize(1))},
        type.getElementType());
    IRMapping scalars;
    for (Operation *elementwise : cluster.ops)
      mapScalars(cast<linalg::GenericOp>(elementwise), scalars);
    auto grouped = GroupedMatmulOp::create(
        builder, loc, init.getType(), rows, source, /*row_sums=*/Value(),
        /*row_scales=*/Value(), banks, op.getOffsets(), /*targets=*/Value(),
        perRow, perColumn, elements, init, CPUScheduleAttr());
    emitBody(grouped, root, cluster, scalars);
    return castTo(grouped.getResult(0), type);
  }

  /// A bank that has `vector`, which is none of the body, for every expert.
  Value makeBank(Value vector) {
    Value outside = valueOutside(vector);
    auto type = cast<RankedTensorType>(outside.getType());
    SmallVector<int64_t> shape = {op.getNumExperts()};
    llvm::append_range(shape, type.getShape());
    return MakeBankOp::create(builder, op.getLoc(),
                              BankType::get(shape, type.getElementType()),
                              SmallVector<Value>(op.getNumExperts(), outside));
  }

  Value valueOutside(Value value) {
    return isOutside(value)
               ? value
               : builder.clone(*value.getDefiningOp())->getResult(0);
  }

  void emitBody(GroupedMatmulOp grouped, Value root, Cluster &cluster,
                IRMapping &scalars) {
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(&grouped.getBody());
    auto add = [&](Value tensor) {
      Type element = getElementTypeOrSelf(tensor.getType());
      scalars.map(tensor, block->addArgument(element, op.getLoc()));
    };
    for (linalg::LinalgOp sum : cluster.sums)
      add(sum->getResult(0));
    llvm::for_each(cluster.perRow, add);
    llvm::for_each(cluster.columns, add);
    llvm::for_each(cluster.elements, add);
    block->addArgument(getElementTypeOrSelf(root.getType()), op.getLoc());
    for (Operation *elementwise : inOrder(cluster.ops))
      emitElement(cast<linalg::GenericOp>(elementwise), scalars);
    YieldOp::create(builder, op.getLoc(), scalars.lookup(root));
  }

  static SmallVector<Operation *>
  inOrder(const llvm::SetVector<Operation *> &set) {
    SmallVector<Operation *> ops(set.begin(), set.end());
    llvm::sort(
        ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return ops;
  }

  /// Scalars from outside; elements of tensors without dimensions are read
  /// there.
  void mapScalars(linalg::GenericOp generic, IRMapping &scalars) {
    for (OpOperand *operand : getReadOperands(generic)) {
      if (classify(generic, operand) != Operand::Scalar ||
          scalars.contains(operand->get()))
        continue;
      Value value = valueOutside(operand->get());
      if (isa<RankedTensorType>(value.getType()))
        value = tensor::ExtractOp::create(builder, op.getLoc(), value);
      scalars.map(operand->get(), value);
    }
  }

  /// The element of the result of `generic` at the row and column of the body.
  void emitElement(linalg::GenericOp generic, IRMapping &scalars) {
    IRMapping inside;
    for (OpOperand *operand : getReadOperands(generic))
      inside.map(generic.getMatchingBlockArgument(operand),
                 elementOf(operand->get(), scalars));
    auto use = [&](Value value) {
      if (!inside.contains(value) && !isOutside(value) &&
          value.getParentRegion() == &region)
        inside.map(value, valueOutside(value));
    };
    for (Operation &nested : *generic.getBody()) {
      llvm::for_each(nested.getOperands(), use);
      if (!nested.hasTrait<OpTrait::IsTerminator>())
        builder.clone(nested, inside);
    }
    scalars.map(generic->getResult(0),
                inside.lookupOrDefault(
                    generic.getBody()->getTerminator()->getOperand(0)));
  }

  Value elementOf(Value value, IRMapping &scalars) {
    if (Value known = scalars.lookupOrNull(value))
      return known;
    // Filled with a constant.
    Value constant = valueOutside(
        cast<linalg::FillOp>(value.getDefiningOp()).getInputs()[0]);
    scalars.map(value, constant);
    return constant;
  }

  void cloneOnRows(Operation *definition) {
    llvm::SetVector<Operation *> needed;
    (void)collectIndependent(definition, needed);
    for (Operation *next : inOrder(needed)) {
      if (onRows.contains(next->getResult(0)))
        continue; // for an operation before
      // The number of rows, whichever rows it was taken of.
      if (auto dim = dyn_cast<tensor::DimOp>(next); dim && rowwise.isCount(dim))
        onRows.map(dim.getResult(), countRows());
      else
        builder.clone(*next, onRows);
    }
    builder.clone(*definition, onRows);
  }

  /// What has as many rows as experts have together: not what dispatch yields,
  /// so that nothing of it is left.
  Value getCounted() {
    auto dispatch = op.getRows().getDefiningOp<DispatchOp>();
    return dispatch ? dispatch.getSource() : Value(op.getRows());
  }

  Value countRows() {
    if (!numRows)
      numRows = tensor::DimOp::create(builder, op.getLoc(), getCounted(), 0);
    return numRows;
  }

  OpBuilder &builder;
  ExpertsOp op;
  Region &region;
  Block &body;
  RowwiseAnalysis rowwise;
  std::string *reason = nullptr;

  llvm::SetVector<Value> roots;      ///< computed for all rows of all experts
  DenseMap<Value, Cluster> clusters; ///< of the roots that are matmuls
  DenseMap<Operation *, unsigned> readers; ///< clusters that a sum is in
  DenseSet<Value> known; ///< roots, and sums with several readers

  DenseSet<Operation *> elementwise; ///< operations
  DenseSet<Value> fromSums;          ///< sums, and what is elementwise of some

  IRMapping onRows; ///< values of the body for all rows of all experts
  Value numRows;
};

struct GroupMatmulsPass
    : public moe::impl::GroupMatmulsPassBase<GroupMatmulsPass> {
  void runOnOperation() override {
    SmallVector<ExpertsOp> ops;
    getOperation()->walk([&](ExpertsOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (ExpertsOp op : ops)
      group(rewriter, op);
  }

private:
  void group(IRRewriter &rewriter, ExpertsOp op) {
    remark::RemarkOpts options =
        remark::RemarkOpts::name("GroupMatmuls").category("moe-group-matmuls");
    std::string reason = "each expert has a body of its own";
    rewriter.setInsertionPoint(op);
    Value result;
    if (op.getBodies().size() == 1)
      result = BodyGrouper(rewriter, op).run(reason);
    if (!result) {
      ++numMissed;
      remark::missed(op.getLoc(), options)
          << "experts stay as they are: " << reason;
      return;
    }
    if (result.getType() != op.getType())
      result =
          tensor::CastOp::create(rewriter, op.getLoc(), op.getType(), result);
    auto dispatch = op.getRows().getDefiningOp<DispatchOp>();
    Location loc = op.getLoc();
    rewriter.replaceOp(op, result);
    eraseUnused(rewriter, dispatch);
    ++numGrouped;
    remark::passed(loc, options) << "the body became grouped matmuls";
  }

  /// Rows that are gathered where they are read need not be dispatched.
  static void eraseUnused(IRRewriter &rewriter, DispatchOp dispatch) {
    if (!dispatch)
      return;
    for (Operation *user :
         llvm::make_early_inc_range(dispatch.getResult(0).getUsers()))
      if (isa<tensor::CastOp>(user) && user->use_empty())
        rewriter.eraseOp(user);
    if (dispatch->use_empty())
      rewriter.eraseOp(dispatch);
  }
};

} // namespace
