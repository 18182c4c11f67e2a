//===- VectorizeReductions.cpp - Rows reduced in vectors
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For r[..] = combine(f(a[.., k], ..), r[..]), where k is contiguous in every
// operand that it is a dimension of:
//
//   for everything else:
//     totals = some vectors of what changes nothing
//     for k in steps of all these vectors:
//       totals[i] = combine(f(a[.., k + i vectors], ..), totals[i])
//     for k in steps of one vector:
//       totals[0] = combine(f(a[.., k], ..), totals[0])
//     r[..] = combine of r[..] and all elements of totals
//     for the k that are left:
//       r[..] = combine(f(a[.., k], ..), r[..])
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/CPUModel.h"
#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/LinalgLoops.h"
#include "MoE/Transforms/Utils/VectorBody.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::moe {
#define GEN_PASS_DEF_VECTORIZEREDUCTIONSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using mlir::moe::CPUModel;

namespace {

/// Vectors of partial results: as many as additions take cycles, so that none
/// waits for the one before.
constexpr int64_t kNumTotals = 4;

/// What combines two results, and what changes none.
struct Combiner {
  vector::CombiningKind kind;
  double neutral;
};

std::optional<Combiner> getCombiner(Operation *op) {
  if (isa<arith::AddFOp>(op))
    return Combiner{vector::CombiningKind::ADD, 0};
  if (isa<arith::MaximumFOp>(op))
    return Combiner{vector::CombiningKind::MAXIMUMF,
                    -std::numeric_limits<double>::infinity()};
  return std::nullopt;
}

/// The combiner of a body that yields combine(f(inputs), result so far).
std::optional<Combiner> findCombiner(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  BlockArgument result = body->getArguments().back();
  Operation *last = body->getTerminator()->getOperand(0).getDefiningOp();
  if (!last || last->getBlock() != body || !result.hasOneUse() ||
      *result.user_begin() != last || !result.getType().isF32())
    return std::nullopt;
  return getCombiner(last);
}

/// The only loop that reduces, if there is one.
std::optional<unsigned> findReduction(linalg::LinalgOp op) {
  SmallVector<unsigned> loops;
  op.getReductionDims(loops);
  return loops.size() == 1 ? std::optional<unsigned>(loops.front())
                           : std::nullopt;
}

/// Whether neighbours along `loop` are neighbours in memory, or all one
/// element.
bool isContiguousAlong(unsigned loop, AffineMap map, Value memref) {
  if (!map.isProjectedPermutation())
    return false;
  if (!map.isFunctionOfDim(loop))
    return true;
  auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
  return last && last.getPosition() == loop &&
         cast<MemRefType>(memref.getType()).isLastDimUnitStride();
}

bool isReductionOfRows(linalg::LinalgOp op) {
  if (!op.hasPureBufferSemantics() || op.getNumDpsInits() != 1 ||
      linalg::isaContractionOpInterface(op))
    return false;
  std::optional<unsigned> loop = findReduction(op);
  return loop && findCombiner(op) &&
         !moe::findNotVectorizable(op->getRegion(0)) &&
         llvm::all_of(op->getOpOperands(), [&](OpOperand &operand) {
           return isa<MemRefType>(operand.get().getType()) &&
                  isContiguousAlong(*loop, op.getMatchingIndexingMap(&operand),
                                    operand.get());
         });
}

/// Emits the loops of one reduction.
class ReductionLoops : moe::LinalgLoops {
public:
  ReductionLoops(ImplicitLocOpBuilder &b, linalg::LinalgOp op, int64_t lanes)
      : LinalgLoops(b, op), lanes(lanes), loop(*findReduction(op)),
        combiner(*findCombiner(op)) {}

  void emit() {
    SmallVector<unsigned> others;
    for (unsigned i = 0; i < op.getNumLoops(); ++i)
      if (i != loop)
        others.push_back(i);
    forAll(others, [&] { emitRow(); });
  }

private:
  void emitRow() {
    Value size = sizes[loop];
    Value neutral = arith::ConstantOp::create(
        b, b.getF32FloatAttr(static_cast<float>(combiner.neutral)));
    SmallVector<Value> totals(
        kNumTotals,
        vector::BroadcastOp::create(b, vectorOf(b.getF32Type()), neutral));
    Value ofAll = multipleBelow(size, kNumTotals * lanes);
    Value ofOne = multipleBelow(size, lanes);
    totals = reduce(constant(0), ofAll, kNumTotals * lanes, totals);
    totals.front() = reduce(ofAll, ofOne, lanes, totals.front()).front();

    Value old = memref::LoadOp::create(b, op.getDpsInits()[0], indicesOfInit());
    Value total = reduce(ofOne, size, 1, combine(totals, old)).front();
    memref::StoreOp::create(b, total, op.getDpsInits()[0], indicesOfInit());
  }

  Value multipleBelow(Value size, int64_t factor) {
    Value rest = arith::RemUIOp::create(b, size, constant(factor));
    return arith::SubIOp::create(b, size, rest);
  }

  /// `totals` combined with elements [from, to) of the row; one element at a
  /// time if `totals` are no vectors.
  SmallVector<Value> reduce(Value from, Value to, int64_t step,
                            ValueRange totals) {
    auto row = scf::ForOp::create(b, from, to, constant(step), totals);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(row.getBody());
    SmallVector<Value> next;
    for (auto [i, total] : llvm::enumerate(row.getRegionIterArgs())) {
      indices[loop] = arith::AddIOp::create(
          b, row.getInductionVar(), constant(static_cast<int64_t>(i) * lanes));
      next.push_back(isa<VectorType>(total.getType()) ? combineVector(total)
                                                      : combineElement(total));
    }
    scf::YieldOp::create(b, next);
    return llvm::to_vector(ValueRange(row.getResults()));
  }

  Value combineVector(Value total) {
    SmallVector<Value> arguments;
    for (OpOperand *input : op.getDpsInputOperands()) {
      VectorType type = vectorOf(getElementTypeOrSelf(input->get().getType()));
      SmallVector<Value> at = indicesOf(input->getOperandNumber());
      if (op.getMatchingIndexingMap(input).isFunctionOfDim(loop))
        arguments.push_back(vector::LoadOp::create(b, type, input->get(), at));
      else
        arguments.push_back(vector::BroadcastOp::create(
            b, type, memref::LoadOp::create(b, input->get(), at)));
    }
    arguments.push_back(total);
    return moe::cloneOnVectors(b, op->getRegion(0), arguments, lanes);
  }

  Value combineElement(Value total) {
    IRMapping mapping;
    Block *body = op.getBlock();
    for (auto [argument, input] :
         llvm::zip(body->getArguments(), op.getDpsInputOperands()))
      mapping.map(argument,
                  memref::LoadOp::create(b, input->get(),
                                         indicesOf(input->getOperandNumber()))
                      .getResult());
    mapping.map(body->getArguments().back(), total);
    for (Operation &nested : body->without_terminator())
      b.clone(nested, mapping);
    return mapping.lookupOrDefault(body->getTerminator()->getOperand(0));
  }

  /// `old` combined with all elements of `totals`.
  Value combine(ArrayRef<Value> totals, Value old) {
    Value total = totals.front();
    for (Value other : totals.drop_front())
      total = vector::makeArithReduction(b, op.getLoc(), combiner.kind, total,
                                         other);
    return vector::ReductionOp::create(b, combiner.kind, total, old,
                                       arith::FastMathFlags::reassoc);
  }

  VectorType vectorOf(Type element) { return VectorType::get(lanes, element); }

  SmallVector<Value> indicesOfInit() {
    return indicesOf(op.getDpsInitOperand(0)->getOperandNumber());
  }

  int64_t lanes;
  unsigned loop; ///< that reduces
  Combiner combiner;
};

struct VectorizeReductionsPass
    : public moe::impl::VectorizeReductionsPassBase<VectorizeReductionsPass> {
  using VectorizeReductionsPassBase::VectorizeReductionsPassBase;

  void runOnOperation() override {
    CPUModel model = CPUModel::fromFeatures(targetFeatures);
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (isReductionOfRows(op))
        ops.push_back(op);
    });
    for (linalg::LinalgOp op : ops) {
      ImplicitLocOpBuilder b(op.getLoc(), op);
      ReductionLoops(b, op, model.lanes).emit();
      op->erase();
      ++numVectorized;
    }
  }
};

} // namespace
