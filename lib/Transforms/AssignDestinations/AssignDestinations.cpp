//===- AssignDestinations.cpp - Tensors that leave branches and loops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One-shot bufferization wants every branch to yield the same buffer, and every
// iteration of a loop to leave what it carries where it found it. Here that
// becomes so, by copies to one place, which cost nothing where the value is
// computed in place:
//
//   %d = tensor.empty(%n)
//   %r = scf.if %c { ... yield copy(%a, %d) } else { ... yield copy(%b, %d) }
//
//   %r = scf.for ... iter_args(%x = %init) { ... yield copy(%next, %x) }
//
// The place has one size, so that all of these must have it: sizes that differ,
// or cannot be compared, are refused.
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::moe {
#define GEN_PASS_DEF_ASSIGNDESTINATIONSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

namespace {

/// A size that is the same wherever it is taken: a number, a value, or a
/// dimension of a value.
struct Size {
  Value value; ///< null: a number
  int64_t number = 0;
  int64_t dim = -1; ///< -1: the value itself
  bool operator==(const Size &other) const {
    return value == other.value && number == other.number && dim == other.dim;
  }
};

/// Where sizes come from: seen through operations that keep them.
class Sizes {
public:
  explicit Sizes(MLIRContext *context) : builder(context) {}

  Size of(OpFoldResult size) {
    if (std::optional<int64_t> number = getConstantIntValue(size))
      return {Value(), *number};
    Value value = cast<Value>(size);
    if (auto dim = value.getDefiningOp<tensor::DimOp>())
      if (std::optional<int64_t> index = dim.getConstantIndex();
          index && *index >= 0)
        return of(dim.getSource(), *index);
    return {value};
  }

  Size of(Value tensor, int64_t dim) {
    for (unsigned steps = 0; steps < kMostSteps; ++steps) {
      auto type = dyn_cast<RankedTensorType>(tensor.getType());
      if (!type || dim >= type.getRank())
        break;
      if (!type.isDynamicDim(dim))
        return {Value(), type.getDimSize(dim)};
      if (std::optional<Size> known = findKnown(tensor, dim))
        return *known;
      Value source = findSource(tensor);
      if (!source)
        return ofSymbol(tensor, dim);
      tensor = source;
    }
    return {tensor, 0, dim};
  }

private:
  /// Arguments of an entry whose sizes are named alike agree: the first of them
  /// stands for all.
  static Size ofSymbol(Value tensor, int64_t dim) {
    Value source = tensor;
    if (auto view = tensor.getDefiningOp<bufferization::ToTensorOp>())
      source = view.getBuffer();
    auto argument = dyn_cast<BlockArgument>(source);
    auto function =
        argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
                 : func::FuncOp();
    if (!function || !function.isPublic())
      return {tensor, 0, dim};
    auto nameOf = [&](unsigned index, int64_t dim) {
      ArrayAttr shape = getShapeOf(function, index);
      return shape && dim < int64_t(shape.size())
                 ? dyn_cast<StringAttr>(shape[dim])
                 : StringAttr();
    };
    StringAttr name = nameOf(argument.getArgNumber(), dim);
    for (BlockArgument other : function.getArguments())
      if (auto type = dyn_cast<ShapedType>(other.getType()))
        for (int64_t i = 0; name && i < type.getRank(); ++i)
          if (nameOf(other.getArgNumber(), i) == name)
            return {other, 0, i};
    return {tensor, 0, dim};
  }

  /// The sizes that argument `index` states: an entry that takes buffers keeps
  /// what its signature was.
  static ArrayAttr getShapeOf(func::FuncOp function, unsigned index) {
    auto entry = function->getAttrOfType<DictionaryAttr>(moe::attr::kEntry);
    if (!entry)
      return function.getArgAttrOfType<ArrayAttr>(index, moe::attr::kShape);
    auto inputs = entry.getAs<ArrayAttr>("inputs");
    auto attributes = inputs && index < inputs.size()
                          ? dyn_cast<DictionaryAttr>(inputs[index])
                          : DictionaryAttr();
    return attributes ? attributes.getAs<ArrayAttr>(moe::attr::kShape)
                      : ArrayAttr();
  }

  /// A size that an operation states.
  std::optional<Size> findKnown(Value tensor, int64_t dim) {
    Operation *op = tensor.getDefiningOp();
    if (auto empty = dyn_cast_or_null<tensor::EmptyOp>(op))
      return of(empty.getMixedSizes()[dim]);
    if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
        slice && slice.getType().getRank() == slice.getSourceType().getRank())
      return of(slice.getMixedSizes()[dim]);
    if (isa_and_present<ReifyRankedShapedTypeOpInterface>(op) &&
        !isa<DestinationStyleOpInterface>(op))
      return compute(op, cast<OpResult>(tensor).getResultNumber(), dim);
    return std::nullopt;
  }

  /// A size that an operation computes from its operands.
  std::optional<Size> compute(Operation *op, unsigned result, int64_t dim) {
    auto [it, isNew] = computed.try_emplace(op);
    if (isNew) {
      builder.setInsertionPointAfter(op);
      (void)reifyResultShapes(builder, op, it->second);
    }
    ReifiedRankedShapedTypeDims &shapes = computed[op];
    if (result >= shapes.size() || dim >= int64_t(shapes[result].size()))
      return std::nullopt;
    return of(shapes[result][dim]);
  }

  /// A tensor of the same sizes.
  static Value findSource(Value tensor) {
    if (auto argument = dyn_cast<BlockArgument>(tensor)) {
      // What is carried keeps its size: that is what this pass makes sure of.
      Operation *loop = argument.getOwner()->getParentOp();
      unsigned first = isa<scf::ForOp>(loop) ? 1 : 0;
      return argument.getArgNumber() < first
                 ? Value()
                 : getInit(loop, argument.getArgNumber() - first);
    }
    auto result = cast<OpResult>(tensor);
    Operation *op = result.getOwner();
    if (auto cast = dyn_cast<tensor::CastOp>(op))
      return cast.getSource();
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
      return insert.getDest();
    if (auto branch = dyn_cast<scf::IfOp>(op))
      return branch.thenYield().getOperand(result.getResultNumber());
    if (Value init = getInit(op, result.getResultNumber()))
      return init;
    if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
      return destination.getTiedOpOperand(result)->get();
    if (OpTrait::hasElementwiseMappableTraits(op))
      for (Value operand : op->getOperands())
        if (isa<RankedTensorType>(operand.getType()))
          return operand;
    return Value();
  }

  /// What `loop` carries at `index` at first, if it is a loop that does.
  static Value getInit(Operation *loop, unsigned index) {
    if (auto counted = dyn_cast<scf::ForOp>(loop))
      return counted.getInitArgs()[index];
    if (auto open = dyn_cast<scf::WhileOp>(loop);
        open && open.getInits().getTypes() == open->getResultTypes())
      return open.getInits()[index];
    return Value();
  }

  static constexpr unsigned kMostSteps = 100000;

  OpBuilder builder;
  DenseMap<Operation *, ReifiedRankedShapedTypeDims> computed;
};

struct AssignDestinationsPass
    : public moe::impl::AssignDestinationsPassBase<AssignDestinationsPass> {
  void runOnOperation() override {
    // Inner ones first: sizes of outer ones follow from theirs.
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<scf::IfOp, scf::ForOp, scf::WhileOp, scf::IndexSwitchOp>(op) &&
          hasTensors(op))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops)
      if (failed(assign(rewriter, op)))
        return signalPassFailure();
  }

private:
  static bool hasTensors(Operation *op) {
    return llvm::any_of(op->getResultTypes(), llvm::IsaPred<TensorType>);
  }

  LogicalResult assign(IRRewriter &rewriter, Operation *op) {
    for (Type type : op->getResultTypes())
      if (isa<TensorType>(type) && !isa<RankedTensorType>(type))
        return op->emitOpError("results in a tensor of unknown rank; expected "
                               "ranked tensors [moe-assign-destinations-rank]");
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return assignLoop(rewriter, loop);
    if (auto loop = dyn_cast<scf::WhileOp>(op))
      return assignWhile(rewriter, loop);
    return assignBranches(rewriter, op);
  }

  //===--------------------------------------------------------------------===//
  // Branches
  //===--------------------------------------------------------------------===//

  LogicalResult assignBranches(IRRewriter &rewriter, Operation *op) {
    for (OpResult result : op->getResults()) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type)
        continue;
      rewriter.setInsertionPoint(op);
      SmallVector<OpFoldResult> sizes;
      for (int64_t dim = 0; dim < type.getRank(); ++dim) {
        OpFoldResult size = computeSize(rewriter, op, result, dim);
        if (!size)
          return op->emitOpError("yields tensors of sizes that differ between "
                                 "its branches or are only known inside, in "
                                 "dimension ")
                 << dim << " of result " << result.getResultNumber()
                 << ", which memory is reserved for before; compute the size "
                    "before the branch and use it in all "
                    "[moe-assign-destinations-branch]";
        sizes.push_back(size);
      }
      Value place = tensor::EmptyOp::create(rewriter, op->getLoc(), sizes,
                                            type.getElementType());
      if (place.getType() != type)
        place = tensor::CastOp::create(rewriter, op->getLoc(), type, place);
      for (Region &region : op->getRegions()) {
        Operation *yield = region.front().getTerminator();
        copyTo(rewriter, yield->getOpOperand(result.getResultNumber()), place);
      }
      replaceSizes(rewriter, result, sizes);
    }
    return success();
  }

  /// The size that `result` has whichever branch is taken, in front of `op`;
  /// null if there is none.
  OpFoldResult computeSize(IRRewriter &rewriter, Operation *op, OpResult result,
                           int64_t dim) {
    Sizes sizes(op->getContext());
    std::optional<Size> common;
    for (Region &region : op->getRegions()) {
      Value yielded =
          region.front().getTerminator()->getOperand(result.getResultNumber());
      Size size = sizes.of(yielded, dim);
      if (common && !(*common == size))
        return {};
      common = size;
    }
    if (!common->value)
      return rewriter.getIndexAttr(common->number);
    Value outside = moveOutside(rewriter, op, common->value);
    if (!outside)
      return {};
    if (common->dim < 0)
      return outside;
    Value dimension =
        arith::ConstantIndexOp::create(rewriter, op->getLoc(), common->dim);
    if (isa<MemRefType>(outside.getType()))
      return memref::DimOp::create(rewriter, op->getLoc(), outside, dimension)
          .getResult();
    return tensor::DimOp::create(rewriter, op->getLoc(), outside, dimension)
        .getResult();
  }

  /// The sizes of `result` are known before it is.
  static void replaceSizes(IRRewriter &rewriter, OpResult result,
                           ArrayRef<OpFoldResult> sizes) {
    for (Operation *user : llvm::make_early_inc_range(result.getUsers())) {
      auto dim = dyn_cast<tensor::DimOp>(user);
      std::optional<int64_t> index;
      if (dim)
        index = dim.getConstantIndex();
      if (!index || *index < 0 || *index >= int64_t(sizes.size()))
        continue;
      rewriter.setInsertionPoint(dim);
      rewriter.replaceOp(dim, getValueOrCreateConstantIndexOp(
                                  rewriter, dim.getLoc(), sizes[*index]));
    }
  }

  /// `value` in front of `op`; arithmetic of what is there already is cloned.
  static Value moveOutside(IRRewriter &rewriter, Operation *op, Value value) {
    if (!op->isAncestor(value.getParentRegion()->getParentOp()))
      return value;
    IRMapping mapping;
    SmallVector<Operation *> needed;
    SmallVector<Value> work = {value};
    DenseSet<Operation *> seen;
    while (!work.empty()) {
      Value next = work.pop_back_val();
      if (!op->isAncestor(next.getParentRegion()->getParentOp()))
        continue;
      Operation *definition = next.getDefiningOp();
      if (!definition || definition->getNumRegions() || !isPure(definition) ||
          isa<TensorType>(next.getType()))
        return Value();
      if (seen.insert(definition).second) {
        needed.push_back(definition);
        llvm::append_range(work, definition->getOperands());
      }
    }
    // Each after what it needs.
    DenseSet<Operation *> done;
    while (done.size() < needed.size())
      for (Operation *next : needed) {
        bool isReady = llvm::all_of(next->getOperands(), [&](Value operand) {
          Operation *definition = operand.getDefiningOp();
          return !definition || !seen.contains(definition) ||
                 done.contains(definition);
        });
        if (isReady && done.insert(next).second)
          rewriter.clone(*next, mapping);
      }
    return mapping.lookup(value);
  }

  //===--------------------------------------------------------------------===//
  // Loops
  //===--------------------------------------------------------------------===//

  LogicalResult assignLoop(IRRewriter &rewriter, scf::ForOp loop) {
    return handOn(rewriter, loop, loop.getRegionIterArgs(),
                  loop.getBody()->getTerminator()->getOpOperands());
  }

  /// What the condition hands on is where it was before, and so is what the
  /// body yields.
  LogicalResult assignWhile(IRRewriter &rewriter, scf::WhileOp loop) {
    if (loop.getInits().getTypes() != loop->getResultTypes())
      return loop.emitOpError(
          "carries tensors that its condition does not hand on, each at its "
          "place; expected arguments of the same types in both regions "
          "[moe-assign-destinations-while]");
    if (failed(handOn(rewriter, loop, loop.getBeforeArguments(),
                      loop.getConditionOp()->getOpOperands().drop_front())))
      return failure();
    return handOn(rewriter, loop, loop.getAfterArguments(),
                  loop.getYieldOp()->getOpOperands());
  }

  /// Copies `operands` of a terminator to the arguments of its block.
  LogicalResult handOn(IRRewriter &rewriter, Operation *loop,
                       Block::BlockArgListType arguments,
                       MutableArrayRef<OpOperand> operands) {
    for (auto [index, pair] :
         llvm::enumerate(llvm::zip_equal(arguments, operands))) {
      BlockArgument carried = std::get<0>(pair);
      OpOperand &next = std::get<1>(pair);
      auto type = dyn_cast<RankedTensorType>(carried.getType());
      if (!type || isUpdateOf(next.get(), carried))
        continue;
      Sizes sizes(loop->getContext());
      for (int64_t dim = 0; dim < type.getRank(); ++dim)
        if (type.isDynamicDim(dim) &&
            !(sizes.of(next.get(), dim) == sizes.of(carried, dim)))
          return loop->emitOpError(
                     "carries a tensor whose size may change from "
                     "one iteration to the next, in dimension ")
                 << dim << " of iteration argument " << index
                 << ", but it has one place; yield a tensor of the size that "
                    "it had, such as one computed into it "
                    "[moe-assign-destinations-loop]";
      copyTo(rewriter, next, carried);
    }
    return success();
  }

  /// Whether `value` is `carried` with some elements replaced, as bufferization
  /// sees it: those are in place already.
  static bool isUpdateOf(Value value, BlockArgument carried) {
    while (value != carried) {
      auto result = dyn_cast<OpResult>(value);
      if (!result)
        return false;
      Operation *op = result.getOwner();
      if (auto cast = dyn_cast<tensor::CastOp>(op))
        value = cast.getSource();
      else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
        value = insert.getDest();
      else if (auto element = dyn_cast<tensor::InsertOp>(op))
        value = element.getDest();
      else if (auto loop = dyn_cast<scf::ForOp>(op))
        value = loop.getInitArgs()[result.getResultNumber()];
      else if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
        value = linalgOp.getDpsInits()[result.getResultNumber()];
      else
        return false;
      if (isReadAfter(op, value))
        return false;
    }
    return true;
  }

  /// Whether something needs `value` after `op` has overwritten it.
  static bool isReadAfter(Operation *op, Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      Operation *ancestor = op->getBlock()->findAncestorOpInBlock(*user);
      return !ancestor || (ancestor != op && !ancestor->isBeforeInBlock(op));
    });
  }

  static void copyTo(IRRewriter &rewriter, OpOperand &yielded, Value place) {
    Operation *yield = yielded.getOwner();
    rewriter.setInsertionPoint(yield);
    Value copy =
        linalg::CopyOp::create(rewriter, yield->getLoc(), yielded.get(), place)
            .getResult(0);
    rewriter.modifyOpInPlace(yield, [&] { yielded.set(copy); });
  }
};

} // namespace
