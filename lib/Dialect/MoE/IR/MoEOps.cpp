//===- MoEOps.cpp - Routing and expert ops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <limits>

using namespace mlir;
using namespace mlir::moe;

#define GET_OP_CLASSES
#include "MoE/Dialect/MoE/IR/MoEOps.cpp.inc"

//===----------------------------------------------------------------------===//
// What the routing ops have in common
//===----------------------------------------------------------------------===//

namespace {
/// One result of a routing op, as the verifier expects it.
struct ExpectedResult {
  StringRef name;
  SmallVector<int64_t, 2> shape; ///< kDynamic matches anything
  Type elementType;
};
} // namespace

static bool compatible(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

/// Shape and element type in the notation of types: "?x2xf32".
static std::string describe(const ExpectedResult &result) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (int64_t size : result.shape) {
    if (ShapedType::isDynamic(size))
      os << "?x";
    else
      os << size << 'x';
  }
  os << result.elementType;
  return text;
}

/// Checks form (tensors and results, or memrefs and `into`) and result types.
template <typename OpTy>
static LogicalResult verifyRoutingOp(OpTy op, StringRef tag,
                                     ArrayRef<ExpectedResult> expected,
                                     size_t numOptional = 0) {
  bool onTensors = op.hasTensorSemantics();
  for (Value operand : op->getOperands()) {
    if (!isa<ShapedType>(operand.getType()))
      continue;
    if (isa<RankedTensorType>(operand.getType()) != onTensors)
      return op->emitOpError("expected either tensors and results, or memrefs "
                             "and 'into', but got both [moe-")
             << tag << "-c1]";
  }
  size_t numResults = op->getNumResults() + op.getInto().size();
  if ((op->getNumResults() && !op.getInto().empty()) ||
      numResults > expected.size() ||
      numResults + numOptional < expected.size())
    return op->emitOpError("expected ")
           << expected.size() - numOptional << (numOptional ? " or more" : "")
           << " results, but got " << numResults << " [moe-" << tag << "-c1]";
  for (size_t i = 0; i < numResults; ++i) {
    ShapedType type = op.getResultShape(i);
    const ExpectedResult &want = expected[i];
    if (type.getElementType() == want.elementType && type.hasRank() &&
        type.getRank() == static_cast<int64_t>(want.shape.size()) &&
        llvm::all_of(llvm::zip(type.getShape(), want.shape), [](auto pair) {
          return compatible(std::get<0>(pair), std::get<1>(pair));
        }))
      continue;
    return op->emitOpError("expected ")
           << want.name << " of type " << describe(want) << ", but got " << type
           << " [moe-" << tag << "-c2]";
  }
  return success();
}

/// Operands are read, `into` is written; on tensors there are no effects.
template <typename OpTy>
static void getRoutingEffects(
    OpTy op, SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
                 &effects) {
  for (OpOperand &operand : op->getOpOperands())
    if (isa<MemRefType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
  for (OpOperand &operand : op.getIntoMutable())
    effects.emplace_back(MemoryEffects::Write::get(), &operand,
                         SideEffects::DefaultResource::get());
}

/// Size `dim` of `value` as an attribute when static, else as a value.
static OpFoldResult sizeOf(OpBuilder &builder, Location loc, Value value,
                           int64_t dim) {
  auto type = cast<ShapedType>(value.getType());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  if (isa<MemRefType>(type))
    return memref::DimOp::create(builder, loc, value, dim).getResult();
  return tensor::DimOp::create(builder, loc, value, dim).getResult();
}

//===----------------------------------------------------------------------===//
// RouterOp
//===----------------------------------------------------------------------===//

static moe_normalize_attrs getAbiNormalize(std::optional<NormalizeAttr> attr) {
  if (!attr)
    return {MOE_NORMALIZE_NONE, MOE_EPS_NONE, 1.0, 0.0};
  return {MOE_NORMALIZE_LP, static_cast<int32_t>(attr->getEpsMode()),
          attr->getP().convertToDouble(), attr->getEps().convertToDouble()};
}

moe_router_attrs RouterOp::getAbiAttrs() {
  moe_router_attrs attrs = {};
  attrs.top_k = getTopK();
  attrs.score = static_cast<int32_t>(getScore());
  attrs.score_domain = static_cast<int32_t>(getDomain());
  attrs.key = static_cast<int32_t>(getKey());
  attrs.selection = static_cast<int32_t>(getSelection());
  if (auto norm = getLogitNorm()) {
    attrs.logit_norm = static_cast<int32_t>(norm->getKind());
    attrs.logit_norm_value = norm->getValue().convertToDouble();
  }
  if (auto limit = getGroupLimit()) {
    attrs.num_groups = limit->getGroups();
    attrs.groups_kept = limit->getKeep();
    attrs.group_top = limit->getTop();
    attrs.group_score = static_cast<int32_t>(limit->getScore());
    attrs.group_fill = static_cast<int32_t>(limit->getFill());
  }
  if (auto threshold = getThreshold())
    attrs.threshold = threshold->convertToDouble();
  attrs.normalize = getAbiNormalize(getNormalize());
  attrs.scale = getScale() ? getScale()->convertToDouble() : 1.0;
  return attrs;
}

bool RouterOp::comparesLogits() {
  return getKey() == Key::Logit || (!getBias() && !getGroupLimit());
}

LogicalResult RouterOp::verify() {
  int64_t tokens = getLogits().getType().getDimSize(0);
  int64_t experts = getNumExperts();
  if (ShapedType::isDynamic(experts))
    return emitOpError("expected logits with a static number of experts, but "
                       "got ")
           << getLogits().getType() << " [moe-router-c3]";
  int64_t k = getTopK();
  if (k < 1 || k > experts)
    return emitOpError("expected top_k in [1, ")
           << experts << "], but got " << k << " [moe-router-c4]";
  for (Value vector : {getBias(), getExpertScale()})
    if (vector && cast<ShapedType>(vector.getType()).getDimSize(0) != experts)
      return emitOpError("expected bias and expert_scale of ")
             << experts << " elements, but got " << vector.getType()
             << " [moe-router-c5]";
  if (auto limit = getGroupLimit()) {
    if (experts % limit->getGroups() != 0)
      return emitOpError("expected the number of groups to divide ")
             << experts << " experts, but got " << limit->getGroups()
             << " [moe-router-c6]";
    if (limit->getTop() > experts / limit->getGroups())
      return emitOpError("expected top of a group limit to be at most the ")
             << experts / limit->getGroups() << " experts of a group, but got "
             << limit->getTop() << " [moe-router-c7]";
  }
  bool usesThreshold = getDomain() == ScoreDomain::Threshold;
  if (usesThreshold != getThreshold().has_value() ||
      (usesThreshold && getSelection() != Selection::Sequential))
    return emitOpError("expected 'threshold' with domain = threshold and "
                       "selection = sequential, and only there "
                       "[moe-router-c8]");
  if (usesThreshold &&
      (!getThreshold()->isFinite() || getThreshold()->convertToDouble() < 0))
    return emitOpError("expected a finite threshold >= 0 [moe-router-c8]");
  if (usesThreshold &&
      (getBias() || getGroupLimit() || getScore() != Score::Softmax))
    return emitOpError("expected score = softmax without bias and group_limit "
                       "with domain = threshold [moe-router-c9]");
  bool usesTable = getSelection() == Selection::Table;
  if (usesTable != static_cast<bool>(getTable()))
    return emitOpError("expected the operand 'table' with selection = table, "
                       "and only there [moe-router-c10]");
  if (usesTable && (getBias() || getGroupLimit()))
    return emitOpError("expected neither bias nor group_limit with selection = "
                       "table, which compares no keys [moe-router-c10]");
  if (getTable()) {
    auto table = cast<ShapedType>(getTable().getType());
    if (table.getDimSize(1) != k || !compatible(table.getDimSize(0), tokens))
      return emitOpError("expected a table of T x ")
             << k << ", but got " << table << " [moe-router-c11]";
  }
  if (getScale() && !getScale()->isFinite())
    return emitOpError("expected a finite scale [moe-router-c12]");
  Type f32 = Float32Type::get(getContext());
  Type i32 = IntegerType::get(getContext(), 32);
  return verifyRoutingOp(*this, "router",
                         {{"weights", {tokens, k}, f32},
                          {"ids", {tokens, k}, i32},
                          {"scores", {tokens, experts}, f32}},
                         /*numOptional=*/1);
}

void RouterOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  getRoutingEffects(*this, effects);
}

LogicalResult RouterOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  OpFoldResult tokens = sizeOf(builder, getLoc(), getLogits(), 0);
  for (unsigned i = 0, e = getNumResults(); i < e; ++i)
    shapes.push_back(
        {tokens, builder.getIndexAttr(i < 2 ? getTopK() : getNumExperts())});
  return success();
}

//===----------------------------------------------------------------------===//
// PlanOp
//===----------------------------------------------------------------------===//

moe_plan_attrs PlanOp::getAbiAttrs() {
  moe_plan_attrs attrs = {};
  attrs.num_experts = getNumExperts();
  attrs.priority = static_cast<int32_t>(getPriority());
  attrs.overflow = static_cast<int32_t>(getOverflow());
  attrs.renormalize = getAbiNormalize(getRenormalize());
  return attrs;
}

LogicalResult PlanOp::verify() {
  ArrayRef<int64_t> ids = getIds().getType().getShape();
  ArrayRef<int64_t> weights = getWeights().getType().getShape();
  if (ShapedType::isDynamic(ids[1]) || ids[1] < 1 || ids[1] != weights[1] ||
      !compatible(ids[0], weights[0]))
    return emitOpError("expected weights and ids of the same shape T x k with "
                       "static k of at least 1, but got ")
           << getWeights().getType() << " and " << getIds().getType()
           << " [moe-plan-c3]";
  if (getCapacity() && getCapacityRule())
    return emitOpError("expected either the operand 'capacity' or the "
                       "attribute 'capacity_rule', but got both [moe-plan-c4]");
  if (isDropless() != (getOverflow() == Overflow::None))
    return emitOpError("expected overflow = zero or residual with a capacity, "
                       "and none without [moe-plan-c5]");
  if (isDropless() && (getSegmentOffsets() || getPriorityScores() ||
                       getPriority() != Priority::Positional))
    return emitOpError("expected segments and priorities only with a capacity "
                       "[moe-plan-c6]");
  if (getPriorityScores() &&
      (getPriority() != Priority::Batch ||
       !compatible(
           cast<ShapedType>(getPriorityScores().getType()).getDimSize(0),
           ids[0])))
    return emitOpError("expected priority_scores of T elements, with priority "
                       "= batch only [moe-plan-c7]");
  // Either form has 5; results and 'into' must not share them out.
  size_t numResults = getNumResults() ? getNumResults() : getInto().size();
  if (numResults != 5)
    return emitOpError("expected 5 results, but got ")
           << numResults << " [moe-plan-c1]";
  ShapedType counts = getResultShape(0);
  if (!counts.hasRank() || counts.getRank() != 1 || counts.isDynamicDim(0) ||
      counts.getDimSize(0) < 1)
    return emitOpError("expected counts with a static number of experts of at "
                       "least 1, but got ")
           << counts << " [moe-plan-c8]";
  int64_t experts = counts.getDimSize(0);
  if (experts >= std::numeric_limits<int32_t>::max()) // offsets count E + 1
    return emitOpError("expected fewer than 2^31 - 1 experts, but got ")
           << experts << " [moe-plan-c11]";
  if (!ShapedType::isDynamic(ids[0])) {
    int64_t slots;
    if (llvm::MulOverflow(ids[0], ids[1], slots) || slots >= (1LL << 31))
      return emitOpError("expected fewer than 2^31 slots, but got ")
             << ids[0] << " x " << ids[1] << " [moe-plan-c9]";
    if (isDropless() && !getResultShape(2).isDynamicDim(0) &&
        getResultShape(2).getDimSize(0) < slots)
      return emitOpError("expected at least ")
             << slots << " rows without a capacity, but got "
             << getResultShape(2).getDimSize(0) << " [moe-plan-c10]";
  }
  Type f32 = Float32Type::get(getContext());
  Type i32 = IntegerType::get(getContext(), 32);
  return verifyRoutingOp(*this, "plan",
                         {{"counts", {experts}, i32},
                          {"offsets", {experts + 1}, i32},
                          {"source", {ShapedType::kDynamic}, i32},
                          {"position", {ids[0], ids[1]}, i32},
                          {"weights", {ids[0], ids[1]}, f32}});
}

void PlanOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  getRoutingEffects(*this, effects);
}

LogicalResult PlanOp::reifyResultShapes(OpBuilder &builder,
                                        ReifiedRankedShapedTypeDims &shapes) {
  Location loc = getLoc();
  int64_t k = getTopK(), experts = getNumExperts();
  OpFoldResult tokens = sizeOf(builder, loc, getIds(), 0);
  OpFoldResult rows;
  ShapedType source = getResultShape(2);
  if (!source.isDynamicDim(0))
    rows = builder.getIndexAttr(source.getDimSize(0));
  else if (getRows())
    rows = getRows();
  else if (auto fixed = dyn_cast<Attribute>(tokens))
    rows = builder.getIndexAttr(cast<IntegerAttr>(fixed).getInt() * k);
  else
    rows =
        arith::MulIOp::create(builder, loc, cast<Value>(tokens),
                              arith::ConstantIndexOp::create(builder, loc, k))
            .getResult();
  OpFoldResult slots = builder.getIndexAttr(k);
  shapes = {{builder.getIndexAttr(experts)},
            {builder.getIndexAttr(experts + 1)},
            {rows},
            {tokens, slots},
            {tokens, slots}};
  return success();
}

//===----------------------------------------------------------------------===//
// DispatchOp
//===----------------------------------------------------------------------===//

LogicalResult DispatchOp::verify() {
  ArrayRef<int64_t> x = getX().getType().getShape();
  int64_t rows = getSource().getType().getDimSize(0);
  if (static_cast<bool>(getWeights()) != static_cast<bool>(getPosition()))
    return emitOpError("expected weights and position together "
                       "[moe-dispatch-c3]");
  if (getWeights()) {
    auto weights = cast<ShapedType>(getWeights().getType()).getShape();
    auto position = cast<ShapedType>(getPosition().getType()).getShape();
    if (!compatible(weights[0], position[0]) ||
        !compatible(weights[1], position[1]) || !compatible(weights[0], x[0]))
      return emitOpError("expected weights and position of the same shape T x "
                         "k [moe-dispatch-c4]");
  }
  int64_t offsets = getOffsets().getType().getDimSize(0);
  if (!ShapedType::isDynamic(offsets) && offsets < 2)
    return emitOpError("expected offsets of at least 2 elements, one more than "
                       "experts, but got ")
           << getOffsets().getType() << " [moe-dispatch-c5]";
  return verifyRoutingOp(
      *this, "dispatch",
      {{"rows", {rows, x[1]}, Float32Type::get(getContext())}});
}

void DispatchOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  getRoutingEffects(*this, effects);
}

LogicalResult
DispatchOp::reifyResultShapes(OpBuilder &builder,
                              ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back({sizeOf(builder, getLoc(), getSource(), 0),
                    sizeOf(builder, getLoc(), getX(), 1)});
  return success();
}

//===----------------------------------------------------------------------===//
// CombineOp
//===----------------------------------------------------------------------===//

LogicalResult CombineOp::verify() {
  ArrayRef<int64_t> position = getPosition().getType().getShape();
  int64_t hidden = getRows().getType().getDimSize(1);
  if (getWeights()) {
    auto weights = cast<ShapedType>(getWeights().getType()).getShape();
    if (!compatible(weights[0], position[0]) ||
        !compatible(weights[1], position[1]))
      return emitOpError("expected weights of the shape of position, ")
             << getPosition().getType() << ", but got "
             << getWeights().getType() << " [moe-combine-c3]";
  }
  if (getPassthrough()) {
    auto shape = cast<ShapedType>(getPassthrough().getType()).getShape();
    if (!getWeights() || !compatible(shape[0], position[0]) ||
        !compatible(shape[1], hidden))
      return emitOpError(
                 "expected passthrough of T x H, together with weights, "
                 "but got ")
             << getPassthrough().getType() << " [moe-combine-c4]";
  }
  return verifyRoutingOp(
      *this, "combine",
      {{"result", {position[0], hidden}, Float32Type::get(getContext())}});
}

void CombineOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  getRoutingEffects(*this, effects);
}

LogicalResult
CombineOp::reifyResultShapes(OpBuilder &builder,
                             ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back({sizeOf(builder, getLoc(), getPosition(), 0),
                    sizeOf(builder, getLoc(), getRows(), 1)});
  return success();
}

//===----------------------------------------------------------------------===//
// AuxLossOp
//===----------------------------------------------------------------------===//

moe_aux_loss_attrs AuxLossOp::getAbiAttrs() {
  return {static_cast<int32_t>(getKind()), getNormalizeK()};
}

bool AuxLossOp::countsSlots() {
  switch (getKind()) {
  case Loss::FractionProbability:
    return true;
  case Loss::Z:
  case Loss::ImportanceCv2:
    return false;
  }
  llvm_unreachable("all kinds are handled");
}

LogicalResult AuxLossOp::verify() {
  ArrayRef<int64_t> values = getValues().getType().getShape();
  if (ShapedType::isDynamic(values[1]) || values[1] < 1)
    return emitOpError("expected values with a static number of experts of at "
                       "least 1, but got ")
           << getValues().getType() << " [moe-aux-loss-c3]";
  if (countsSlots() != static_cast<bool>(getIds()))
    return emitOpError("expected the operand 'ids' with kind = "
                       "fraction_probability, and only there "
                       "[moe-aux-loss-c4]");
  if (getIds()) {
    auto ids = cast<ShapedType>(getIds().getType());
    if (ids.isDynamicDim(1) || ids.getDimSize(1) < 1 ||
        !compatible(ids.getDimSize(0), values[0]))
      return emitOpError("expected ids of T x k with static k of at least 1, "
                         "but got ")
             << ids << " [moe-aux-loss-c5]";
  }
  if (getNormalizeK() && !countsSlots())
    return emitOpError("expected normalize_k only with kind = "
                       "fraction_probability [moe-aux-loss-c6]");
  return verifyRoutingOp(*this, "aux-loss",
                         {{"loss", {}, Float32Type::get(getContext())}});
}

void AuxLossOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  getRoutingEffects(*this, effects);
}

LogicalResult
AuxLossOp::reifyResultShapes(OpBuilder &, ReifiedRankedShapedTypeDims &shapes) {
  shapes.emplace_back(); // rank 0
  return success();
}

//===----------------------------------------------------------------------===//
// QuantizeRowsOp
//===----------------------------------------------------------------------===//

int64_t QuantizeRowsOp::getGroupSize() {
  auto group = static_cast<int64_t>(getGroup());
  return group == 0 ? getNumColumns() : std::min(group, getNumColumns());
}

int64_t QuantizeRowsOp::getNumGroups() {
  return llvm::divideCeil(getNumColumns(), getGroupSize());
}

LogicalResult QuantizeRowsOp::verify() {
  ShapedType x = getX().getType();
  auto group = static_cast<int64_t>(getGroup());
  if (x.isDynamicDim(1) || x.getDimSize(1) < 1 || group < 0)
    return emitOpError("expected rows of a static number of columns of at "
                       "least 1, and a group of at least 0, but got ")
           << x << " and " << group << " [moe-quantize-rows-c3]";
  int64_t rows = x.getDimSize(0);
  int64_t runs = getNumGroups();
  Type f32 = Float32Type::get(getContext());
  ExpectedResult scales = {"scales", {rows}, f32};
  if (getRunScales())
    scales = {"scales", {rows, runs}, f32};
  return verifyRoutingOp(
      *this, "quantize-rows",
      {{"codes", {rows, getNumColumns()}, IntegerType::get(getContext(), 8)},
       scales,
       {"sums", {rows, runs}, IntegerType::get(getContext(), 32)}});
}

void QuantizeRowsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  getRoutingEffects(*this, effects);
}

LogicalResult
QuantizeRowsOp::reifyResultShapes(OpBuilder &builder,
                                  ReifiedRankedShapedTypeDims &shapes) {
  OpFoldResult rows = sizeOf(builder, getLoc(), getX(), 0);
  OpFoldResult runs = builder.getIndexAttr(getNumGroups());
  shapes = {
      {rows, builder.getIndexAttr(getNumColumns())}, {rows}, {rows, runs}};
  if (getRunScales())
    shapes[1].push_back(runs);
  return success();
}

//===----------------------------------------------------------------------===//
// ExpertsOp
//===----------------------------------------------------------------------===//

LogicalResult ExpertsOp::verify() {
  int64_t numOffsets = getOffsets().getType().getDimSize(0);
  if (ShapedType::isDynamic(numOffsets) || numOffsets < 2)
    return emitOpError("expected offsets of a static size of at least 2, but "
                       "got ")
           << getOffsets().getType() << " [moe-experts-c1]";
  int64_t groups = getNumGroups();
  int64_t identity = getIdentity(), zero = getZero();
  // Compared one by one: their sum might overflow.
  if (identity < 0 || zero < 0 || identity >= groups ||
      zero >= groups - identity)
    return emitOpError("expected at least one expert with a body among ")
           << groups << " groups, but got identity = " << identity
           << ", zero = " << zero << " [moe-experts-c2]";
  for (Type bank : getBanks().getTypes())
    if (cast<BankType>(bank).getNumExperts() != getNumExperts())
      return emitOpError("expected banks of ")
             << getNumExperts() << " experts, but got " << bank
             << " [moe-experts-c3]";
  ArrayRef<int64_t> rows = getRows().getType().getShape();
  ArrayRef<int64_t> result = getResult().getType().getShape();
  if (!compatible(rows[0], result[0]))
    return emitOpError("expected as many result rows as rows, but got ")
           << getRows().getType() << " and " << getResult().getType()
           << " [moe-experts-c4]";
  if (ShapedType::isDynamic(result[1]))
    return emitOpError("expected a result of a static width, but got ")
           << getResult().getType() << " [moe-experts-c10]";
  if ((getIdentity() || getZero()) && !compatible(rows[1], result[1]))
    return emitOpError("expected identity and zero experts only where a row "
                       "and its result are equally wide [moe-experts-c5]");
  return success();
}

LogicalResult ExpertsOp::verifyRegions() {
  int64_t numBodies = getBodies().size();
  bool uniform = numBodies == 1 && (takesBanks() || getNumExperts() != 1);
  if (numBodies != 1 && numBodies != getNumExperts())
    return emitOpError("expected 1 region or ")
           << getNumExperts() << ", but got " << numBodies
           << " [moe-experts-c6]";
  auto rowsType = RankedTensorType::get(
      {ShapedType::kDynamic, getRows().getType().getDimSize(1)},
      getRows().getType().getElementType());
  auto resultType = RankedTensorType::get(
      {ShapedType::kDynamic, getResult().getType().getDimSize(1)},
      getResult().getType().getElementType());
  SmallVector<Type> arguments = {rowsType};
  if (uniform) {
    arguments.push_back(IndexType::get(getContext()));
    for (Type bank : getBanks().getTypes())
      arguments.push_back(cast<BankType>(bank).getSliceType());
  } else if (!getBanks().empty()) {
    return emitOpError("expected no banks with one region per expert "
                       "[moe-experts-c7]");
  }
  for (Region &body : getBodies()) {
    if (!llvm::equal(body.getArgumentTypes(), arguments)) {
      InFlightDiagnostic diagnostic =
          emitOpError("expected a body with arguments (");
      llvm::interleaveComma(arguments, diagnostic);
      diagnostic << "), but got (";
      llvm::interleaveComma(body.getArgumentTypes(), diagnostic);
      return diagnostic << ") [moe-experts-c8]";
    }
    Operation *yield = body.front().getTerminator();
    if (yield->getNumOperands() != 1 ||
        yield->getOperand(0).getType() != resultType)
      return emitOpError("expected a body to yield one value of type ")
             << resultType << " [moe-experts-c9]";
  }
  return success();
}

LogicalResult
ExpertsOp::reifyResultShapes(OpBuilder &builder,
                             ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back({sizeOf(builder, getLoc(), getRows(), 0),
                    builder.getIndexAttr(getResult().getType().getDimSize(1))});
  return success();
}

//===----------------------------------------------------------------------===//
// GroupedMatmulOp
//===----------------------------------------------------------------------===//

/// The scalar types of the arguments of a grouped matmul's body, in order.
static SmallVector<Type> getBodyArguments(GroupedMatmulOp op) {
  Type f32 = Float32Type::get(op.getContext());
  SmallVector<Type> types(op.getBanks().size(), f32);
  for (ValueRange operands :
       {ValueRange(op.getPerRow()), ValueRange(op.getPerColumn()),
        ValueRange(op.getElements())})
    for (Type type : operands.getTypes()) {
      auto bank = dyn_cast<BankType>(type);
      types.push_back(bank ? bank.getElementType()
                           : cast<ShapedType>(type).getElementType());
    }
  types.push_back(op.getInit().getType().getElementType());
  return types;
}

/// Codes of rows and their sums come together, and meet codes of banks.
static LogicalResult verifyRowSums(GroupedMatmulOp op) {
  ShapedType rows = op.getRows().getType();
  QuantizedAttr quantized = op.getBankType().getQuantized();
  bool areCodes = rows.getElementType().isInteger(8);
  if (!areCodes && !op.getRowSums())
    return success();
  if (areCodes && op.getRowSums() && quantized) {
    auto sums = cast<ShapedType>(op.getRowSums().getType());
    int64_t columns = op.getBankType().getSliceShape()[1];
    if (compatible(sums.getDimSize(0), rows.getDimSize(0)) &&
        sums.getDimSize(1) == quantized.getNumGroups(columns))
      return success();
  }
  return op.emitOpError("expected rows of i8 exactly with quantized banks and "
                        "row_sums, N x the scales of a row of a bank, but got ")
         << rows << ", " << op.getBankType() << " and "
         << (op.getRowSums() ? Type(op.getRowSums().getType()) : Type())
         << " [moe-grouped-matmul-c11]";
}

/// Scales of runs of rows have the shape of the sums.
static LogicalResult verifyRowScales(GroupedMatmulOp op) {
  if (!op.getRowScales())
    return success();
  auto scales = cast<ShapedType>(op.getRowScales().getType());
  if (op.getRowSums() && scales.getElementType().isF32()) {
    ArrayRef<int64_t> sums =
        cast<ShapedType>(op.getRowSums().getType()).getShape();
    if (compatible(scales.getDimSize(0), sums[0]) &&
        scales.getDimSize(1) == sums[1])
      return success();
  }
  return op.emitOpError("expected row_scales of f32 of the shape of row_sums, "
                        "but got ")
         << scales << " and "
         << (op.getRowSums() ? Type(op.getRowSums().getType()) : Type())
         << " [moe-grouped-matmul-c13]";
}

LogicalResult GroupedMatmulOp::verify() {
  bool onTensors = isa<RankedTensorType>(getInit().getType());
  for (Type type : getOperandTypes())
    if (!isa<BankType>(type) && isa<RankedTensorType>(type) != onTensors)
      return emitOpError("expected either tensors or memrefs, but got both "
                         "[moe-grouped-matmul-c1]");
  if ((getNumResults() == 1) != onTensors ||
      (onTensors && getResult(0).getType() != getInit().getType()))
    return emitOpError("expected one result of the type of init on tensors, "
                       "and none on memrefs [moe-grouped-matmul-c2]");
  if (getBanks().empty() || !llvm::all_equal(getBanks().getTypes()))
    return emitOpError("expected one bank or more, of one type "
                       "[moe-grouped-matmul-c5]");
  ArrayRef<int64_t> rows = getRows().getType().getShape();
  ArrayRef<int64_t> init = getInit().getType().getShape();
  BankType bank = getBankType();
  int64_t numRows = getSource() ? getSource().getType().getDimSize(0) : rows[0];
  if (getTargets()) {
    int64_t numTargets = getTargets().getType().getDimSize(0);
    if (!compatible(numTargets, numRows))
      return emitOpError("expected a target for each row, but got ")
             << numTargets << " targets of " << numRows
             << " rows [moe-grouped-matmul-c12]";
    numRows = init[0];
  }
  if (bank.getSliceShape().size() != 2 ||
      !compatible(bank.getSliceShape()[1], rows[1]) ||
      !compatible(bank.getSliceShape()[0], init[1]) ||
      !compatible(numRows, init[0]))
    return emitOpError("expected rows N x K, a bank E x M x K and init N x M, "
                       "but got ")
           << getRows().getType() << ", " << bank << " and "
           << getInit().getType() << " [moe-grouped-matmul-c3]";
  int64_t groups = bank.getNumExperts();
  if (getOffsets() ? getOffsets().getType().getDimSize(0) != groups + 1
                   : groups != 1)
    return emitOpError("expected ")
           << groups + 1 << " offsets, or none for one group, but got "
           << (getOffsets() ? Type(getOffsets().getType()) : Type())
           << " [moe-grouped-matmul-c4]";
  for (Value operand : getPerRow())
    if (!compatible(cast<ShapedType>(operand.getType()).getDimSize(0), rows[0]))
      return emitOpError("expected per_row operands of the size of rows, but "
                         "got ")
             << operand.getType() << " [moe-grouped-matmul-c6]";
  for (Type type : getPerColumn().getTypes())
    if (cast<BankType>(type).getShape() !=
        ArrayRef<int64_t>({groups, bank.getSliceShape()[0]}))
      return emitOpError("expected per_column banks E x M, but got ")
             << type << " [moe-grouped-matmul-c7]";
  for (Value operand : getElements()) {
    auto shape = cast<ShapedType>(operand.getType()).getShape();
    if (!compatible(shape[0], init[0]) || !compatible(shape[1], init[1]))
      return emitOpError("expected elements of the shape of init, but got ")
             << operand.getType() << " [moe-grouped-matmul-c8]";
  }
  if (failed(verifyRowSums(*this)))
    return failure();
  return verifyRowScales(*this);
}

LogicalResult GroupedMatmulOp::verifyRegions() {
  SmallVector<Type> expected = getBodyArguments(*this);
  if (!hasBody()) {
    if (expected.size() == 2 && expected.back().isF32())
      return success();
    return emitOpError("expected a body with several banks, with other "
                       "operands, or with an init that is not f32 "
                       "[moe-grouped-matmul-c9]");
  }
  Block &block = getBody().front();
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!llvm::equal(block.getArgumentTypes(), expected) || !yield ||
      yield.getNumOperands() != 1 ||
      yield.getOperand(0).getType() != expected.back()) {
    InFlightDiagnostic diagnostic =
        emitOpError("expected a body from scalars (");
    llvm::interleaveComma(expected, diagnostic);
    return diagnostic << ") to the last of them [moe-grouped-matmul-c10]";
  }
  return success();
}

bool GroupedMatmulOp::readsInit() {
  return !hasBody() || !getBody().getArguments().back().use_empty();
}

void GroupedMatmulOp::createDefaultBody(OpBuilder &builder) {
  OpBuilder::InsertionGuard guard(builder);
  Location loc = getLoc();
  Type f32 = builder.getF32Type();
  Block *block = builder.createBlock(&getBody(), {}, {f32, f32}, {loc, loc});
  Value result = arith::AddFOp::create(builder, loc, block->getArgument(1),
                                       block->getArgument(0));
  YieldOp::create(builder, loc, result);
}

BlockArgument GroupedMatmulOp::addPerRow(Value operand) {
  unsigned index = getBanks().size() + getPerRow().size();
  getPerRowMutable().append(operand);
  Type element = cast<ShapedType>(operand.getType()).getElementType();
  return getBody().front().insertArgument(index, element, getLoc());
}

void GroupedMatmulOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands())
    if (isa<MemRefType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
  if (isa<MemRefType>(getInit().getType()))
    effects.emplace_back(MemoryEffects::Write::get(), &getInitMutable(),
                         SideEffects::DefaultResource::get());
}

LogicalResult
GroupedMatmulOp::reifyResultShapes(OpBuilder &builder,
                                   ReifiedRankedShapedTypeDims &shapes) {
  if (!getNumResults())
    return success();
  shapes.push_back({sizeOf(builder, getLoc(), getInit(), 0),
                    sizeOf(builder, getLoc(), getInit(), 1)});
  return success();
}
