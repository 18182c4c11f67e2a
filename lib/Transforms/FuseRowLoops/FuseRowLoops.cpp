//===- FuseRowLoops.cpp - Loops over the same rows run as one
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Passes.h"
#include "MoE/Transforms/Utils/RowLoop.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace mlir::moe {
#define GEN_PASS_DEF_FUSEROWLOOPSPASS
#include "MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// The buffer that a memref is a view of.
Value bufferOf(Value memref) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>())
    memref = view.getViewSource();
  return memref;
}

/// What a loop takes from outside where it accesses `memref`, whatever parts of
/// it its iterations see.
Value viewOf(Value memref, Operation *loop) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>()) {
    if (!loop->isAncestor(view) && !isa<memref::CastOp>(view))
      break;
    memref = view.getViewSource();
  }
  return memref;
}

/// Memory that is accessed: the buffer, and what is seen of it.
struct Access {
  Value buffer, view;
  bool operator==(const Access &other) const {
    return buffer == other.buffer && view == other.view;
  }
};

/// Whether two buffers may share memory: an allocation is its own.
bool mayOverlap(Value a, Value b) {
  auto isAllocation = [](Value buffer) {
    return buffer.getDefiningOp<memref::AllocOp>() != nullptr;
  };
  // What else yields a memref may yield one that was allocated here.
  auto isFromOutside = [](Value buffer) {
    auto argument = dyn_cast<BlockArgument>(buffer);
    return argument &&
           isa<FunctionOpInterface>(argument.getOwner()->getParentOp());
  };
  if (a == b)
    return true;
  if (isAllocation(a))
    return !isAllocation(b) && !isFromOutside(b);
  return !isAllocation(b) || !isFromOutside(a);
}

/// The buffers that an operation, with those inside of it, reads and writes.
class Accesses {
public:
  explicit Accesses(Operation *op) : root(op) { isKnown = collect(op); }

  /// Whether the order of two operations can be seen in memory, apart from
  /// what both see of the same buffer alike and `isExempt` holds for.
  bool conflictWith(const Accesses &other,
                    function_ref<bool(Value)> isExempt) const {
    auto meet = [&](const Accesses &one, const Accesses &two) {
      return llvm::any_of(one.writes, [&](const Access &written) {
        auto meets = [&](const Access &access) {
          return mayOverlap(written.buffer, access.buffer) &&
                 !(written == access && isExempt(access.view));
        };
        return llvm::any_of(two.writes, meets) ||
               llvm::any_of(two.reads, meets);
      });
    };
    return !isKnown || !other.isKnown || meet(*this, other) ||
           meet(other, *this);
  }

private:
  /// False if something may touch memory that it does not name.
  bool collect(Operation *op) {
    return !op->walk([&](Operation *inner) {
                return collectOwn(inner) ? WalkResult::advance()
                                         : WalkResult::interrupt();
              }).wasInterrupted();
  }

  bool collectOwn(Operation *op) {
    // Asking for memory changes none.
    if (isMemoryEffectFree(op) ||
        op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
        isa<LLVM::Prefetch, memref::PrefetchOp>(op))
      return true;
    auto effects = dyn_cast<MemoryEffectOpInterface>(op);
    if (!effects)
      return false;
    SmallVector<MemoryEffects::EffectInstance> instances;
    effects.getEffects(instances);
    return llvm::all_of(instances, [&](const auto &instance) {
      if (isa<MemoryEffects::Allocate>(instance.getEffect()))
        return true;
      if (!instance.getValue())
        return false;
      Value buffer = bufferOf(instance.getValue());
      if (isa_and_present<BankSliceOp, GetWeightOp>(buffer.getDefiningOp()))
        return true; // weights are never written
      bool isRead = isa<MemoryEffects::Read>(instance.getEffect());
      Access access = {buffer, viewOf(instance.getValue(), root)};
      SmallVector<Access> &accesses = isRead ? reads : writes;
      if (!llvm::is_contained(accesses, access))
        accesses.push_back(access);
      return true;
    });
  }

  Operation *root;
  SmallVector<Access> reads, writes;
  bool isKnown;
};

/// A size: a number, a dimension of a memref (its index is the number), or any
/// value.
using Size = std::pair<Value, int64_t>;

/// What `value` is the size of. That of an allocation is an operand of it.
Size sizeOf(Value value) {
  auto dim = value.getDefiningOp<memref::DimOp>();
  std::optional<int64_t> index;
  if (dim)
    index = dim.getConstantIndex();
  auto type = dim ? dyn_cast<MemRefType>(dim.getSource().getType()) : nullptr;
  if (!type || !index || *index < 0 || *index >= type.getRank())
    return {value, -1};
  if (!type.isDynamicDim(*index))
    return {Value(), type.getDimSize(*index)};
  if (auto allocation = dim.getSource().getDefiningOp<memref::AllocOp>())
    return sizeOf(
        allocation.getDynamicSizes()[type.getDynamicDimIndex(*index)]);
  return {dim.getSource(), *index};
}

class FuseRowLoopsPass
    : public moe::impl::FuseRowLoopsPassBase<FuseRowLoopsPass> {
  void runOnOperation() override {
    for (Region &region : getOperation()->getRegions())
      for (Block &block : region)
        fuseIn(block);
  }

  void fuseIn(Block &block) {
    std::optional<RowLoop> previous;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      std::optional<RowLoop> loop = RowLoop::match(&op);
      if (!loop)
        continue;
      if (previous && canFuse(*previous, *loop)) {
        loop = fuse(*previous, *loop);
        ++numFused;
      }
      previous = loop;
    }
  }

  /// The first loop moves down to the second.
  static bool canFuse(RowLoop first, RowLoop second) {
    if (sizeOf(first.rows) != sizeOf(second.rows))
      return false;
    Accesses accesses(first.op);
    auto none = [](Value) { return false; };
    for (Operation *op = first.op->getNextNode(); op != second.op;
         op = op->getNextNode())
      if (accesses.conflictWith(Accesses(op), none))
        return false;
    // Of a matrix, a range of the loop touches the rows of the range alone. A
    // vector may be something else than a number for each row.
    auto isMatrix = [](Value view) {
      auto type = dyn_cast<MemRefType>(view.getType());
      return type && type.getRank() >= 2;
    };
    return !accesses.conflictWith(Accesses(second.op), isMatrix);
  }

  /// One loop whose iterations do the first's range of rows, then the second's.
  static RowLoop fuse(RowLoop first, RowLoop second) {
    LoopEmitter emit(second.op.getLoc(), second.op);
    IRRewriter rewriter(emit);
    RowCost cost = first.cost + second.cost;
    scf::ParallelOp fused;
    auto emitBodies = [&](Value range, Value, Value) {
      Block *block = emit.getInsertionBlock();
      fused = cast<scf::ParallelOp>(block->getParentOp());
      Value ranges = fused.getUpperBound().front();
      for (scf::ParallelOp loop : {first.op, second.op}) {
        rewriter.replaceUsesWithIf(
            loop.getUpperBound().front(), ranges, [&](OpOperand &use) {
              return loop->isProperAncestor(use.getOwner());
            });
        rewriter.eraseOp(loop.getBody()->getTerminator());
        rewriter.inlineBlockBefore(loop.getBody(), block,
                                   emit.getInsertionPoint(), range);
        rewriter.eraseOp(loop);
      }
    };
    RowLoop::create(emit, first.rows, cost, emitBodies);
    return {fused, first.rows, cost};
  }
};

} // namespace
