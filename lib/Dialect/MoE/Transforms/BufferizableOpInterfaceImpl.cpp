//===- BufferizableOpInterfaceImpl.cpp - Bufferization of moe ops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three kinds of ops: routing ops read their operands and return new buffers;
// reading a weight returns a buffer that must not be written; a grouped matmul
// is destination style.
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace mlir::moe;

namespace {

/// A routing op: tensors in, new tensors out.
template <typename OpTy>
struct RoutingModel
    : public BufferizableOpInterface::ExternalModel<RoutingModel<OpTy>, OpTy> {
  bool bufferizesToAllocation(Operation *, Value) const { return true; }
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }

  FailureOr<BufferLikeType> getBufferType(Operation *op, Value value,
                                          const BufferizationOptions &,
                                          const BufferizationState &,
                                          SmallVector<Value> &) const {
    auto type = cast<RankedTensorType>(value.getType());
    return cast<BufferLikeType>(
        MemRefType::get(type.getShape(), type.getElementType()));
  }

  LogicalResult bufferize(Operation *operation, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto op = cast<OpTy>(operation);
    if (!op.hasTensorSemantics())
      return success();
    ReifiedRankedShapedTypeDims shapes;
    rewriter.setInsertionPoint(op);
    if (failed(op.reifyResultShapes(rewriter, shapes)))
      return failure();

    SmallVector<Value> buffers;
    for (auto [result, shape] : llvm::zip_equal(op->getResults(), shapes)) {
      auto type = cast<RankedTensorType>(result.getType());
      auto buffer = MemRefType::get(type.getShape(), type.getElementType());
      SmallVector<Value> sizes;
      for (auto [dim, size] : llvm::enumerate(shape))
        if (type.isDynamicDim(dim))
          sizes.push_back(
              getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), size));
      FailureOr<Value> allocated =
          options.createAlloc(rewriter, op.getLoc(), buffer, sizes);
      if (failed(allocated))
        return failure();
      buffers.push_back(*allocated);
    }

    // The same op on the operands' buffers, with `into` instead of results.
    OperationState newState(op.getLoc(), op->getName());
    newState.addAttributes(llvm::to_vector(op->getDiscardableAttrs()));
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (isa<TensorType>(operand.getType())) {
        FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
        if (failed(buffer))
          return failure();
        operands.push_back(*buffer);
      } else {
        operands.push_back(operand);
      }
    }
    newState.addOperands(operands);
    newState.addOperands(buffers);
    typename OpTy::Properties properties = op.getProperties();
    if constexpr (OpTy::template hasTrait<OpTrait::AttrSizedOperandSegments>())
      properties.operandSegmentSizes.back() = buffers.size();
    newState.getOrAddProperties<typename OpTy::Properties>() = properties;
    rewriter.create(newState);
    replaceOpWithBufferizedValues(rewriter, op, buffers);
    return success();
  }
};

/// An op whose result is memory that exists already and is read-only.
template <typename OpTy>
struct ReadOnlyModel
    : public BufferizableOpInterface::ExternalModel<ReadOnlyModel<OpTy>, OpTy> {
  bool isWritable(Operation *, Value, const AnalysisState &) const {
    return false;
  }
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return false;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  FailureOr<BufferLikeType> getBufferType(Operation *op, Value value,
                                          const BufferizationOptions &,
                                          const BufferizationState &,
                                          SmallVector<Value> &) const {
    return cast<BufferLikeType>(bufferType(cast<OpTy>(op)));
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &,
                          BufferizationState &) const {
    if (isa<RankedTensorType>(op->getResult(0).getType()))
      replaceOpWithNewBufferizedOp<OpTy>(rewriter, op,
                                         bufferType(cast<OpTy>(op)),
                                         op->getOperands(), op->getAttrs());
    return success();
  }

private:
  static MemRefType bufferType(BankSliceOp op) {
    return op.getBank().getType().getSliceMemRefType();
  }
  static MemRefType bufferType(GetWeightOp op) {
    auto type = cast<RankedTensorType>(op.getType());
    return MemRefType::get(type.getShape(), type.getElementType());
  }
};

/// True if `op` has run before `other` runs, and does not run again until after
/// the values that `other` computes are gone.
bool runsBefore(Operation *op, Operation *other) {
  for (; other; other = other->getParentOp())
    if (Operation *ancestor = other->getBlock()->findAncestorOpInBlock(*op))
      return ancestor != other && ancestor->isBeforeInBlock(other);
  return false;
}

/// True if the buffer of `slice` may change while `bank`, which refers to it,
/// is in use. A bank does not leave the block that makes it.
bool mayChange(Value slice, MakeBankOp bank,
               const OneShotAnalysisState &state) {
  bool changes = false;
  state.applyOnAliases(slice, [&](Value alias) {
    for (OpOperand &use : alias.getUses())
      changes |= state.bufferizesToMemoryWrite(use) && state.isInPlace(use) &&
                 !runsBefore(use.getOwner(), bank);
  });
  return changes;
}

/// The slices of a bank are read through it later on, where the analysis, which
/// follows tensors, does not see it: the bank gets copies of those that change.
struct MakeBankModel
    : public BufferizableOpInterface::ExternalModel<MakeBankModel, MakeBankOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  LogicalResult resolveConflicts(Operation *op, RewriterBase &rewriter,
                                 const AnalysisState &analysis,
                                 const BufferizationState &state) const {
    auto *oneShot = dyn_cast<OneShotAnalysisState>(&analysis);
    for (OpOperand &slice : op->getOpOperands()) {
      if (!isa<TensorType>(slice.get().getType()) ||
          (oneShot && !mayChange(slice.get(), cast<MakeBankOp>(op), *oneShot)))
        continue;
      rewriter.setInsertionPoint(op);
      FailureOr<Value> copy = allocateTensorForShapedValue(
          rewriter, op->getLoc(), slice.get(), analysis.getOptions(), state);
      if (failed(copy))
        return failure();
      rewriter.modifyOpInPlace(op, [&] { slice.set(*copy); });
    }
    return success();
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto bank = cast<MakeBankOp>(op).getType();
    SmallVector<Value> slices;
    for (Value slice : op->getOperands()) {
      if (!isa<TensorType>(slice.getType()))
        return success();
      FailureOr<Value> buffer = getBuffer(rewriter, slice, options, state);
      if (failed(buffer))
        return failure();
      slices.push_back(*buffer);
    }
    BankType type = chooseType(cast<MakeBankOp>(op), slices);
    for (Value &slice : slices)
      if (!hasStrides(slice, getWeightStrides(type))) {
        FailureOr<Value> copy = copyDense(rewriter, op->getLoc(), slice,
                                          type.getSliceMemRefType(), options);
        if (failed(copy))
          return failure();
        slice = *copy;
      }
    auto made = MakeBankOp::create(rewriter, op->getLoc(), bank, slices);
    rewriter.replaceOp(op, made);
    setBankType(made.getBank(), type);
    return success();
  }

private:
  /// Whether the elements of `slice` lie as `strides` say, wherever it starts.
  static bool hasStrides(Value slice, ArrayRef<int64_t> strides) {
    auto type = cast<MemRefType>(slice.getType());
    SmallVector<int64_t> found;
    int64_t offset;
    if (failed(type.getStridesAndOffset(found, offset)))
      return false;
    for (auto [extent, mine, theirs] :
         llvm::zip_equal(type.getShape(), found, strides))
      if (extent != 1 && mine != theirs)
        return false;
    return true;
  }

  /// The type of the bank with the layout that all its slices have; dense if
  /// they differ or if functions, which state layouts, get the bank.
  static BankType chooseType(MakeBankOp op, ValueRange slices) {
    BankType dense = op.getType();
    SmallVector<int64_t> strides;
    int64_t offset;
    auto first = cast<MemRefType>(slices.front().getType());
    bool isStated = llvm::any_of(op->getUsers(), [](Operation *user) {
      return !isa<BankSliceOp, TransposeBankOp>(user);
    });
    if (isStated || failed(first.getStridesAndOffset(strides, offset)) ||
        llvm::any_of(strides, [](int64_t stride) { return stride < 1; }) ||
        strides == getWeightStrides(dense) ||
        !llvm::all_of(slices,
                      [&](Value slice) { return hasStrides(slice, strides); }))
      return dense;
    return dense.withLayout(
        StridedLayoutAttr::get(op.getContext(), 0, strides));
  }

  static void setBankType(Value bank, BankType type) {
    bank.setType(type);
    for (Operation *user : bank.getUsers())
      if (auto view = dyn_cast<TransposeBankOp>(user))
        setBankType(view.getResult(), type.getTransposed());
  }

  static FailureOr<Value> copyDense(RewriterBase &rewriter, Location loc,
                                    Value slice, MemRefType type,
                                    const BufferizationOptions &options) {
    FailureOr<Value> copy = options.createAlloc(rewriter, loc, type, {});
    if (failed(copy) ||
        failed(options.createMemCpy(rewriter, loc, slice, *copy)))
      return failure();
    return copy;
  }
};

struct GroupedMatmulModel
    : public DstBufferizableOpInterfaceExternalModel<GroupedMatmulModel,
                                                     GroupedMatmulOp> {
  LogicalResult bufferize(Operation *operation, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto op = cast<GroupedMatmulOp>(operation);
    if (op->getNumResults() == 0)
      return success();
    SmallVector<Value> buffers;
    for (Value operand : op->getOperands()) {
      if (!isa<TensorType>(operand.getType())) {
        buffers.push_back(operand); // a bank
        continue;
      }
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    OperationState onBuffers(op.getLoc(), op->getName(), buffers, TypeRange(),
                             op->getAttrs());
    onBuffers.addRegion()->takeBody(op.getBody());
    rewriter.create(onBuffers);
    replaceOpWithBufferizedValues(rewriter, op, buffers.back());
    return success();
  }
};

} // namespace

void moe::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, MoEDialect *) {
    RouterOp::attachInterface<RoutingModel<RouterOp>>(*context);
    PlanOp::attachInterface<RoutingModel<PlanOp>>(*context);
    DispatchOp::attachInterface<RoutingModel<DispatchOp>>(*context);
    CombineOp::attachInterface<RoutingModel<CombineOp>>(*context);
    AuxLossOp::attachInterface<RoutingModel<AuxLossOp>>(*context);
    QuantizeRowsOp::attachInterface<RoutingModel<QuantizeRowsOp>>(*context);
    BankSliceOp::attachInterface<ReadOnlyModel<BankSliceOp>>(*context);
    GetWeightOp::attachInterface<ReadOnlyModel<GetWeightOp>>(*context);
    MakeBankOp::attachInterface<MakeBankModel>(*context);
    GroupedMatmulOp::attachInterface<GroupedMatmulModel>(*context);
    context->loadDialect<bufferization::BufferizationDialect,
                         memref::MemRefDialect, arith::ArithDialect>();
  });
}
