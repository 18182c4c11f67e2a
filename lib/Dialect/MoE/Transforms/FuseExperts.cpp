//===- FuseExperts.cpp - Equal bodies of experts become one
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::moe {
#define GEN_PASS_DEF_FUSEEXPERTSPASS
#include "MoE/Dialect/MoE/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Walks two bodies side by side. Values from outside that stand at the same
/// place are paired; everything else must be equal.
class BodyMatcher {
public:
  /// Null if `body` equals `first` up to values from outside; otherwise what
  /// differs.
  std::optional<std::string> match(Region &first, Region &body) {
    inner.clear();
    outer.clear();
    bodyB = &body;
    inner.map(first.getArguments(), body.getArguments());
    return matchBlock(first.front(), body.front());
  }

  /// For a value that `first` takes from outside, the value of `body`.
  Value lookup(Value value) const { return outer.lookup(value); }

private:
  std::optional<std::string> matchBlock(Block &a, Block &b) {
    inner.map(a.getArguments(), b.getArguments());
    auto itB = b.begin();
    for (Operation &opA : a) {
      if (itB == b.end())
        return "the bodies have different numbers of operations";
      if (auto difference = matchOp(opA, *itB++))
        return difference;
    }
    if (itB != b.end())
      return "the bodies have different numbers of operations";
    return std::nullopt;
  }

  std::optional<std::string> matchOp(Operation &a, Operation &b) {
    auto differ = [&](const Twine &what) {
      return ("'" + a.getName().getStringRef() + "' differs in " + what).str();
    };
    if (a.getName() != b.getName())
      return differ("being '" + b.getName().getStringRef() + "' elsewhere");
    if (a.getAttrDictionary() != b.getAttrDictionary())
      return differ("its attributes");
    // Blocks would have to be paired as values are; bodies have none to speak
    // of.
    if (a.getNumSuccessors() || b.getNumSuccessors())
      return differ("where it branches to");
    if (a.getResultTypes() != b.getResultTypes() ||
        a.getNumOperands() != b.getNumOperands() ||
        a.getNumRegions() != b.getNumRegions())
      return differ("its types");
    for (auto [operandA, operandB] :
         llvm::zip_equal(a.getOperands(), b.getOperands()))
      if (!matchValue(operandA, operandB))
        return differ("its operands");
    for (auto [regionA, regionB] :
         llvm::zip_equal(a.getRegions(), b.getRegions())) {
      if (regionA.getBlocks().size() != regionB.getBlocks().size())
        return differ("its regions");
      for (auto [blockA, blockB] : llvm::zip_equal(regionA, regionB)) {
        if (blockA.getArgumentTypes() != blockB.getArgumentTypes())
          return differ("its regions");
        if (auto difference = matchBlock(blockA, blockB))
          return difference;
      }
    }
    inner.map(a.getResults(), b.getResults());
    return std::nullopt;
  }

  bool matchValue(Value a, Value b) {
    if (Value mapped = inner.lookupOrNull(a))
      return mapped == b;
    // From outside here, so from outside there: a bank is made of such values.
    if (a.getType() != b.getType() || bodyB->isAncestor(b.getParentRegion()))
      return false;
    Value &paired = outer[a];
    if (!paired)
      paired = b;
    return paired == b;
  }

  Region *bodyB = nullptr; ///< the second body
  IRMapping inner;
  DenseMap<Value, Value> outer;
};

struct FuseExpertsPass
    : public moe::impl::FuseExpertsPassBase<FuseExpertsPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation()->walk([&](ExpertsOp op) {
      if (op.getBodies().size() > 1)
        fuse(rewriter, op);
    });
  }

private:
  void fuse(IRRewriter &rewriter, ExpertsOp op) {
    remark::RemarkOpts options =
        remark::RemarkOpts::name("FuseExperts").category("moe-fuse-experts");
    llvm::SetVector<Value> captured;
    Region &first = op.getBodies().front();
    getUsedValuesDefinedAbove(first, captured);

    // taken[v][e]: what expert e uses where the first body uses v.
    SmallVector<SmallVector<Value>> taken(captured.size());
    BodyMatcher matcher;
    for (auto [e, body] : llvm::enumerate(op.getBodies())) {
      if (auto difference = matcher.match(first, body)) {
        ++numMissed;
        remark::missed(op.getLoc(), options)
            << "experts 0 and " << std::to_string(e)
            << " are not fused: " << *difference;
        return;
      }
      for (auto [values, value] : llvm::zip_equal(taken, captured))
        values.push_back(matcher.lookup(value));
    }

    // Nothing is changed before all values are known to fit.
    SmallVector<Value> perExpert;
    SmallVector<ArrayRef<Value>> slices;
    for (auto [values, value] : llvm::zip_equal(taken, captured)) {
      if (llvm::all_equal(values))
        continue; // shared by all experts, stays a value from outside
      if (!canBeSlice(value.getType(), op.getNumExperts())) {
        ++numMissed;
        std::string type;
        llvm::raw_string_ostream(type) << value.getType();
        remark::missed(op.getLoc(), options)
            << "experts are not fused: a value of type " << type
            << " differs between them and cannot be a slice of a bank";
        return;
      }
      slices.push_back(values);
      perExpert.push_back(value);
    }
    rewriter.setInsertionPoint(op);
    SmallVector<Value> banks;
    for (ArrayRef<Value> values : slices)
      banks.push_back(makeBank(rewriter, op, values));
    replaceByUniform(rewriter, op, perExpert, banks);
    ++numFused;
    remark::passed(op.getLoc(), options)
        << std::to_string(op.getBodies().size()) << " bodies became one over "
        << std::to_string(banks.size()) << " banks";
    rewriter.eraseOp(op);
  }

  /// Whether a bank of `experts` values of this type exists.
  static bool canBeSlice(Type type, int64_t experts) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape() || tensor.getRank() < 1 ||
        tensor.getRank() >= MOE_MAX_RANK)
      return false;
    Type element = tensor.getElementType();
    if (!element.isF32() && !element.isBF16() && !element.isF16())
      return false;
    int64_t elements = experts;
    return llvm::all_of(tensor.getShape(), [&](int64_t size) {
      return size > 0 && !llvm::MulOverflow(elements, size, elements);
    });
  }

  static Value makeBank(OpBuilder &builder, ExpertsOp op,
                        ArrayRef<Value> slices) {
    auto slice = cast<RankedTensorType>(slices.front().getType());
    SmallVector<int64_t> shape = {op.getNumExperts()};
    llvm::append_range(shape, slice.getShape());
    return MakeBankOp::create(builder, op.getLoc(),
                              BankType::get(shape, slice.getElementType()),
                              slices);
  }

  /// The op with one body, in which `perExpert` values are slices of `banks`.
  void replaceByUniform(IRRewriter &rewriter, ExpertsOp op,
                        ArrayRef<Value> perExpert, ArrayRef<Value> banks) {
    auto fused = ExpertsOp::create(
        rewriter, op.getLoc(), op.getType(), op.getRows(), op.getOffsets(),
        banks, op.getIdentityAttr(), op.getZeroAttr(), /*bodiesCount=*/1);
    Region &first = op.getBodies().front();
    SmallVector<Type> types = {first.getArgument(0).getType(),
                               rewriter.getIndexType()};
    for (Value value : perExpert)
      types.push_back(value.getType());
    SmallVector<Location> locs(types.size(), op.getLoc());
    Block *block =
        rewriter.createBlock(&fused.getBodies().front(), {}, types, locs);
    IRMapping mapping;
    mapping.map(first.getArgument(0), block->getArgument(0));
    for (auto [value, argument] :
         llvm::zip_equal(perExpert, block->getArguments().drop_front(2)))
      mapping.map(value, argument);
    for (Operation &nested : first.front())
      rewriter.clone(nested, mapping);
    rewriter.replaceAllUsesWith(op.getResult(), fused.getResult());
  }
};

} // namespace
