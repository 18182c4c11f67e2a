//===- GraphBuilder.cpp - The graph of a decoder with experts
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphEmitter.h"
#include "MoE/Import/HuggingFace.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include <cmath>
#include <map>
#include <variant>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::hf;

namespace {

Type getElement(Builder &builder, int32_t dtype) {
  return mlir::moe::getElementType(builder.getContext(), dtype);
}

/// A matrix of codes is a bank of one expert.
BankType getQuantizedType(Builder &builder, const Weight &weight,
                          const QuantizationConfig &config) {
  SmallVector<int64_t> shape = llvm::to_vector(weight.shape);
  if (weight.kind == WeightKind::Plain)
    shape.insert(shape.begin(), 1);
  int64_t group = config.group < shape.back() ? config.group : 0;
  auto format =
      QuantizedAttr::get(builder.getContext(), config.bits, group,
                         getElement(builder, weight.stored->scales.dtype),
                         config.zeroPoints, Codes::Integer);
  return BankType::get(builder.getContext(), shape, builder.getF32Type(),
                       format, Attribute());
}

Type getWeightType(Builder &builder, const WeightMap &map,
                   const Weight &weight) {
  if (weight.stored)
    return getQuantizedType(builder, weight, *map.quantization);
  Type element = getElement(builder, static_cast<int32_t>(weight.dtype));
  if (weight.kind == WeightKind::Bank)
    return BankType::get(ArrayRef<int64_t>(weight.shape), element);
  return RankedTensorType::get(weight.shape, element);
}

/// The matrix of a weight, which is a bank of one if it has codes.
Value takeMatrix(GraphEmitter &g, Value weight) {
  auto bank = dyn_cast<BankType>(weight.getType());
  if (!bank)
    return weight;
  Value first = arith::ConstantIndexOp::create(g, 0);
  return BankSliceOp::create(g, bank.getSliceType(), weight, first);
}

/// What decides the code of a layer: layers that agree share a function.
struct LayerStructure {
  const LayerConfig *config;
  SmallVector<Role> roles;
  SmallVector<Type> types; ///< of the weights, in the order of `roles`

  bool operator==(const LayerStructure &other) const {
    return *config == *other.config && roles == other.roles &&
           types == other.types;
  }
};

//===----------------------------------------------------------------------===//
// One layer
//===----------------------------------------------------------------------===//

/// Emits the body of a layer function.
class LayerEmitter {
public:
  LayerEmitter(GraphEmitter &g, const ModelConfig &model,
               const LayerConfig &layer, std::map<Role, Value> weights)
      : g(g), model(model), layer(layer), weights(std::move(weights)),
        heads(model.numKvHeads), groups(model.numHeads / model.numKvHeads),
        width(model.headDim) {}

  // Arguments of the function that are not weights.
  Value x;         ///< T x H, updated in place
  Value past;      ///< positions in the caches
  Value cos, sin;  ///< S x headDim / 2, of the new positions
  Value keys;      ///< B x kv heads x context x headDim, updated in place
  Value values;    ///< likewise
  Value routerOut; ///< T x E, or null
  Value countsOut; ///< E, or null

  void emit() {
    batch = g.size(keys, 0);
    seq = g.size(cos, 0);
    Value normed = g.rmsNorm(x, weight(Role::AttentionNorm), model.rmsNormEps);
    x = g.accumulate(x, attention(normed), model.residualMultiplier);
    normed = g.rmsNorm(x, weight(Role::FeedForwardNorm), model.rmsNormEps);
    Value update = layer.isMoE()
                       ? mixture(normed)
                       : g.gatedFeedForward(normed, matrix(Role::DenseGate),
                                            matrix(Role::DenseUp),
                                            matrix(Role::DenseDown));
    x = g.accumulate(x, update, model.residualMultiplier);
  }

private:
  Value weight(Role role) { return weights.at(role); }
  /// The matrix of a linear layer.
  Value matrix(Role role) { return takeMatrix(g, weights.at(role)); }
  Value weightOrNull(Role role) {
    auto it = weights.find(role);
    return it == weights.end() ? Value() : it->second;
  }
  AffineMap map(unsigned dims, ArrayRef<unsigned> results) {
    SmallVector<AffineExpr> exprs;
    for (unsigned result : results)
      exprs.push_back(g.getAffineDimExpr(result));
    return AffineMap::get(dims, 0, exprs, g.getContext());
  }

  //===--------------------------------------------------------------------===//
  // Attention
  //===--------------------------------------------------------------------===//

  /// T x (sizes...) as B x S x (sizes...).
  Value unflatten(Value rows, ArrayRef<int64_t> sizes) {
    SmallVector<OpFoldResult> shape = {batch, seq};
    SmallVector<int64_t> type(2, ShapedType::kDynamic);
    SmallVector<ReassociationIndices> reassociation = {{0, 1}, {}};
    for (int64_t size : sizes) {
      reassociation[1].push_back(shape.size());
      shape.push_back(g.getIndexAttr(size));
      type.push_back(size);
    }
    return tensor::ExpandShapeOp::create(
        g, RankedTensorType::get(type, g.getF32Type()), rows, reassociation,
        shape);
  }

  Value clip(Value tensor) {
    if (!model.clipQkv)
      return tensor;
    return g.elementwise(
        {}, tensor, [&](GraphEmitter &g, ValueRange v) -> Value {
          Value low =
              arith::MaximumFOp::create(g, v[0], g.f32(-*model.clipQkv));
          return arith::MinimumFOp::create(g, low, g.f32(*model.clipQkv));
        });
  }

  /// A projection, normed and clipped as the model wants it: B x S x sizes.
  Value project(Value normed, Role role, Role bias, std::optional<Role> norm,
                ArrayRef<int64_t> sizes) {
    Value rows = g.linear(normed, matrix(role), weightOrNull(bias));
    if (norm && model.qkNorm == QkNorm::Projection)
      rows = g.rmsNorm(rows, weight(*norm), model.rmsNormEps);
    Value result = unflatten(clip(rows), sizes);
    if (norm && model.qkNorm == QkNorm::PerHead)
      result = g.rmsNorm(result, weight(*norm), model.rmsNormEps);
    return result;
  }

  /// Rotates the halves of the last dimension against each other (RoPE).
  /// `order` says which loop each dimension of the result follows, heads or
  /// rest.
  Value rotate(Value tensor, ArrayRef<unsigned> order) {
    auto type = cast<RankedTensorType>(tensor.getType());
    unsigned rank = type.getRank();
    int64_t half = width / 2;
    SmallVector<OpFoldResult> sizes, zeros(rank, g.getIndexAttr(0)),
        ones(rank, g.getIndexAttr(1));
    for (unsigned i = 0; i < rank; ++i)
      sizes.push_back(g.size(tensor, i));
    sizes.back() = g.getIndexAttr(half);
    SmallVector<OpFoldResult> upper = zeros;
    upper.back() = g.getIndexAttr(half);
    Value low = tensor::ExtractSliceOp::create(g, tensor, zeros, sizes, ones);
    Value high = tensor::ExtractSliceOp::create(g, tensor, upper, sizes, ones);

    // Loops: the leading dimensions, the half, the element of a half.
    unsigned loops = rank + 1, which = rank - 1, element = rank;
    SmallVector<unsigned> leading = llvm::to_vector(llvm::seq(0u, rank - 1));
    SmallVector<unsigned> source = leading;
    source.push_back(element);
    SmallVector<unsigned> target(order);
    target.push_back(which);
    target.push_back(element);
    SmallVector<OpFoldResult> resultSizes;
    for (unsigned loop : order)
      resultSizes.push_back(sizes[loop]);
    resultSizes.push_back(g.getIndexAttr(2));
    resultSizes.push_back(g.getIndexAttr(half));
    Value rotated = g.parallel(
        {low, high, cos, sin}, g.empty(resultSizes),
        {map(loops, source), map(loops, source), map(loops, {1, element}),
         map(loops, {1, element}), map(loops, target)},
        [&](GraphEmitter &g, ValueRange v) -> Value {
          Value first = g.sub(g.mul(v[0], v[2]), g.mul(v[1], v[3]));
          Value second = g.add(g.mul(v[1], v[2]), g.mul(v[0], v[3]));
          Value isFirst = arith::CmpIOp::create(
              g, arith::CmpIPredicate::eq, linalg::IndexOp::create(g, which),
              g.index(0));
          return arith::SelectOp::create(g, isFirst, first, second);
        });
    SmallVector<ReassociationIndices> reassociation;
    for (unsigned i = 0; i + 1 < rank; ++i)
      reassociation.push_back({i});
    reassociation.push_back({rank - 1, rank});
    return tensor::CollapseShapeOp::create(g, rotated, reassociation);
  }

  SmallVector<OpFoldResult> cacheSizes(OpFoldResult length) {
    return {batch, g.getIndexAttr(heads), length, g.getIndexAttr(width)};
  }
  SmallVector<OpFoldResult> cacheOffsets(OpFoldResult position) {
    OpFoldResult zero = g.getIndexAttr(0);
    return {zero, zero, position, zero};
  }
  SmallVector<OpFoldResult> unitStrides() {
    return SmallVector<OpFoldResult>(4, g.getIndexAttr(1));
  }

  Value attention(Value normed) {
    Value query = project(normed, Role::Query, Role::QueryBias, Role::QueryNorm,
                          {heads, groups, width});
    Value key = project(normed, Role::Key, Role::KeyBias, Role::KeyNorm,
                        {heads, width});
    Value value = project(normed, Role::Value, Role::ValueBias, std::nullopt,
                          {heads, width});
    query = rotate(query, {0, 1, 2, 3});
    key = rotate(key, {0, 2, 1});

    // The new positions join the caches, in place.
    keys = tensor::InsertSliceOp::create(g, key, keys, cacheOffsets(past),
                                         cacheSizes(seq), unitStrides());
    Value place = tensor::ExtractSliceOp::create(
        g, values, cacheOffsets(past), cacheSizes(seq), unitStrides());
    place =
        g.parallel({value}, place, {map(4, {0, 2, 1, 3}), map(4, {0, 1, 2, 3})},
                   [](GraphEmitter &, ValueRange v) { return v[0]; });
    values = tensor::InsertSliceOp::create(g, place, values, cacheOffsets(past),
                                           cacheSizes(seq), unitStrides());

    Value context = attend(query);
    context = tensor::CollapseShapeOp::create(
        g, context, ArrayRef<ReassociationIndices>{{0, 1}, {2, 3, 4}});
    return g.linear(context, matrix(Role::AttentionOut),
                    weightOrNull(Role::AttentionOutBias));
  }

  /// The position of the key in loop `l` is visible from the query in loop `s`.
  Value isVisible(GraphEmitter &g, unsigned s, unsigned l) {
    Value query = g.add(past, linalg::IndexOp::create(g, s));
    Value key = linalg::IndexOp::create(g, l);
    Value visible =
        arith::CmpIOp::create(g, arith::CmpIPredicate::sle, key, query);
    if (!layer.slidingWindow)
      return visible;
    Value end = g.add(key, g.index(*layer.slidingWindow));
    Value inside =
        arith::CmpIOp::create(g, arith::CmpIPredicate::sgt, end, query);
    return arith::AndIOp::create(g, visible, inside);
  }

  /// softmax(q k / scale) v over all positions so far: B x S x heads x groups x
  /// headDim. Loops: b, head n, group i, query s, key l (or element d).
  Value attend(Value query) {
    enum { B, N, I, S, L, D };
    Value length = g.add(past, getValueOrCreateConstantIndexOp(seq));
    auto soFar = [&](Value cache) -> Value {
      return tensor::ExtractSliceOp::create(g, cache,
                                            cacheOffsets(g.getIndexAttr(0)),
                                            cacheSizes(length), unitStrides());
    };
    Value allKeys = soFar(keys), allValues = soFar(values);
    SmallVector<OpFoldResult> rowSizes = {batch, g.getIndexAttr(heads),
                                          g.getIndexAttr(groups), seq};
    SmallVector<OpFoldResult> scoreSizes = rowSizes;
    scoreSizes.push_back(length);
    auto parallel = utils::IteratorType::parallel;
    auto reduction = utils::IteratorType::reduction;
    auto multiplyAdd = [](GraphEmitter &g, ValueRange v) {
      return g.add(v[2], g.mul(v[0], v[1]));
    };

    Value scores =
        g.generic({query, allKeys}, g.filled(scoreSizes, g.f32(0)),
                  {map(6, {B, S, N, I, D}), map(6, {B, N, L, D}),
                   map(6, {B, N, I, S, L})},
                  {parallel, parallel, parallel, parallel, parallel, reduction},
                  multiplyAdd);
    AffineMap all = map(5, {B, N, I, S, L}), rows = map(5, {B, N, I, S});
    scores = g.parallel(
        {}, scores, {all}, [&](GraphEmitter &g, ValueRange v) -> Value {
          Value scaled = g.mul(v[0], g.f32(model.attentionScale));
          return arith::SelectOp::create(g, isVisible(g, S, L), scaled,
                                         g.negativeInfinity());
        });
    Value peaks = g.generic({scores}, g.filled(rowSizes, g.negativeInfinity()),
                            {all, rows},
                            {parallel, parallel, parallel, parallel, reduction},
                            [](GraphEmitter &g, ValueRange v) -> Value {
                              return arith::MaximumFOp::create(g, v[0], v[1]);
                            });
    Value weights =
        g.parallel({peaks}, scores, {rows, all},
                   [](GraphEmitter &g, ValueRange v) -> Value {
                     return math::ExpOp::create(g, g.sub(v[1], v[0]));
                   });
    Value sums = g.generic(
        {weights}, g.filled(rowSizes, g.f32(0)), {all, rows},
        {parallel, parallel, parallel, parallel, reduction},
        [](GraphEmitter &g, ValueRange v) { return g.add(v[1], v[0]); });
    SmallVector<OpFoldResult> resultSizes = {batch, seq, g.getIndexAttr(heads),
                                             g.getIndexAttr(groups),
                                             g.getIndexAttr(width)};
    Value context =
        g.generic({weights, allValues}, g.filled(resultSizes, g.f32(0)),
                  {map(6, {B, N, I, S, L}), map(6, {B, N, L, D}),
                   map(6, {B, S, N, I, D})},
                  {parallel, parallel, parallel, parallel, reduction, parallel},
                  multiplyAdd);
    return g.parallel(
        {sums}, context, {map(5, {0, 2, 3, 1}), map(5, {0, 1, 2, 3, 4})},
        [](GraphEmitter &g, ValueRange v) { return g.div(v[1], v[0]); });
  }

  Value getValueOrCreateConstantIndexOp(OpFoldResult value) {
    if (auto dynamic = dyn_cast<Value>(value))
      return dynamic;
    return g.index(cast<IntegerAttr>(cast<Attribute>(value)).getInt());
  }

  //===--------------------------------------------------------------------===//
  // Mixture of experts
  //===--------------------------------------------------------------------===//

  RankedTensorType tensorType(ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  }

  Value mixture(Value normed) {
    constexpr int64_t any = ShapedType::kDynamic;
    Type f32 = g.getF32Type(), i32 = g.getI32Type();
    int64_t experts = layer.numExperts, k = layer.topK;

    Value logits = g.linear(normed, matrix(Role::Router), Value(), routerOut);
    if (routerOut)
      routerOut = logits;

    bool overSelected = model.router.domain == hf::ScoreDomain::Selected;
    auto router = RouterOp::create(
        g, TypeRange{tensorType({any, k}, f32), tensorType({any, k}, i32)},
        logits, /*bias=*/Value(), /*expert_scale=*/Value(), /*table=*/Value(),
        /*into=*/ValueRange(), static_cast<uint64_t>(k), Score::Softmax,
        overSelected ? moe::ScoreDomain::Selected : moe::ScoreDomain::All,
        overSelected ? moe::Key::Logit : moe::Key::Score, Selection::TopK,
        /*logit_norm=*/LogitNormalizationAttr(),
        /*group_limit=*/GroupLimitAttr(), /*threshold=*/FloatAttr(),
        normalization(), /*scale=*/FloatAttr());

    auto plan = PlanOp::create(
        g,
        TypeRange{tensorType({experts}, i32), tensorType({experts + 1}, i32),
                  tensorType({any}, i32), tensorType({any, k}, i32),
                  tensorType({any, k}, f32)},
        router.getWeights(), router.getIds(), /*capacity=*/Value(),
        /*segment_offsets=*/Value(), /*priority_scores=*/Value(),
        /*rows=*/Value(), /*into=*/ValueRange(),
        /*capacity_rule=*/CapacityAttr(), Priority::Positional, Overflow::None,
        /*renormalize=*/NormalizeAttr());
    if (countsOut)
      countsOut =
          linalg::CopyOp::create(g, plan.getCounts(), countsOut).getResult(0);

    Type rowsType = tensorType({any, model.hiddenSize}, f32);
    Value rows =
        DispatchOp::create(g, TypeRange{rowsType}, normed, plan.getSource(),
                           plan.getOffsets(), /*weights=*/Value(),
                           /*position=*/Value(), /*into=*/ValueRange())
            .getResult(0);
    Value computed = runExperts(rows, plan.getOffsets());
    Value result =
        CombineOp::create(g, TypeRange{rowsType}, computed, plan.getPosition(),
                          plan.getPlannedWeights(), /*passthrough=*/Value(),
                          /*into=*/ValueRange())
            .getResult(0);
    if (layer.sharedWidth == 0)
      return result;
    return addShared(normed, result);
  }

  NormalizeAttr normalization() {
    if (!model.router.normalizeTopK)
      return NormalizeAttr();
    double eps = model.router.epsilon;
    return NormalizeAttr::get(g.getContext(), APFloat(1.0),
                              eps == 0 ? EpsMode::None : EpsMode::Add,
                              APFloat(eps));
  }

  Value runExperts(Value rows, Value offsets) {
    SmallVector<Value> banks = {weight(Role::ExpertGate),
                                weight(Role::ExpertUp),
                                weight(Role::ExpertDown)};
    auto op = ExpertsOp::create(g, rows.getType(), rows, offsets, banks,
                                /*identity=*/0, /*zero=*/0,
                                /*bodiesCount=*/1);
    SmallVector<Type> types = {rows.getType(), g.getIndexType()};
    for (Value bank : banks)
      types.push_back(cast<BankType>(bank.getType()).getSliceType());
    SmallVector<Location> locs(types.size(), g.getLoc());
    OpBuilder::InsertionGuard guard(g);
    Block *body = g.createBlock(&op.getBodies().front(), {}, types, locs);
    Value result =
        g.gatedFeedForward(body->getArgument(0), body->getArgument(2),
                           body->getArgument(3), body->getArgument(4));
    YieldOp::create(g, result);
    return op.getResult();
  }

  /// routed + shared(x), scaled by a sigmoid of x if the model says so.
  Value addShared(Value normed, Value routed) {
    Value shared =
        g.gatedFeedForward(normed, matrix(Role::SharedGate),
                           matrix(Role::SharedUp), matrix(Role::SharedDown));
    if (!layer.sharedGated)
      return g.accumulate(routed, shared, 1);
    Value gate = g.linear(normed, matrix(Role::SharedScale));
    AffineMap identity = g.getMultiDimIdentityMap(2);
    Value scale = tensor::CollapseShapeOp::create(
        g, gate, ArrayRef<ReassociationIndices>{{0, 1}});
    return g.parallel({shared, scale}, routed,
                      {identity, map(2, {0}), identity},
                      [](GraphEmitter &g, ValueRange v) {
                        return g.add(v[2], g.mul(v[0], g.sigmoid(v[1])));
                      });
  }

  GraphEmitter &g;
  const ModelConfig &model;
  const LayerConfig &layer;
  std::map<Role, Value> weights;
  int64_t heads, groups, width; ///< kv heads, queries per kv head, headDim
  OpFoldResult batch, seq;
};

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

class ModelEmitter {
public:
  ModelEmitter(MLIRContext *context, const ModelConfig &model,
               const WeightMap &weights, const ImportOptions &options)
      : g(UnknownLoc::get(context), context), model(model), weightMap(weights),
        options(options) {}

  OwningOpRef<ModuleOp> emit() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(g.getLoc());
    (*module)->setAttr("sym_name", g.getStringAttr(model.modelType));
    g.setInsertionPointToStart(module->getBody());
    for (const Weight &weight : weightMap.weights)
      declare(weight);
    if (model.tieWordEmbeddings)
      declareTiedMatrix();
    collectLayers();
    for (auto [i, structure] : llvm::enumerate(structures))
      emitLayerFunction(structure, i);
    emitForward();
    return module;
  }

private:
  //===--------------------------------------------------------------------===//
  // Weights
  //===--------------------------------------------------------------------===//

  void declare(const Weight &weight) {
    if (weight.stored)
      return declareStored(weight);
    SmallVector<Attribute> sources;
    for (const WeightSource &source : weight.sources) {
      // A window is stated only where it is not the whole tensor.
      ArrayRef<int64_t> extents(weight.shape);
      if (source.perExpert)
        extents = extents.drop_front();
      bool whole = extents == ArrayRef<int64_t>(source.fileShape);
      sources.push_back(SourceAttr::get(
          g.getContext(), g.getStringAttr(source.tensor),
          whole ? ArrayRef<int64_t>() : ArrayRef<int64_t>(source.fileShape),
          whole ? ArrayRef<int64_t>() : ArrayRef<int64_t>(source.offsets),
          ArrayRef<int64_t>(), ArrayRef<int64_t>()));
    }
    WeightOp::create(g, g.getStringAttr(weight.name),
                     getWeightType(g, weightMap, weight),
                     g.getArrayAttr(sources));
  }

  /// The embedding once more: a matrix that is multiplied with has a layout
  /// that a table of rows has not.
  void declareTiedMatrix() {
    Weight tied = *llvm::find_if(weightMap.weights, [](const Weight &weight) {
      return weight.role == Role::Embedding;
    });
    tied.name = kTiedMatrix;
    declare(tied);
  }

  /// Codes, scales, zeros and groups, and what they are put together to.
  void declareStored(const Weight &weight) {
    const StoredCodes &stored = *weight.stored;
    auto declareIfThere = [&](const std::optional<CodePart> &part) {
      return part ? declarePart(weight, *part) : FlatSymbolRefAttr();
    };
    FlatSymbolRefAttr codes = declarePart(weight, stored.codes);
    FlatSymbolRefAttr scales = declarePart(weight, stored.scales);
    FlatSymbolRefAttr zeros = declareIfThere(stored.zeros);
    FlatSymbolRefAttr groups = declareIfThere(stored.groups);
    auto encoded = EncodedAttr::get(g.getContext(), codes, scales, zeros,
                                    weightMap.quantization->zeroOffset, groups,
                                    stored.order.empty()
                                        ? DenseI64ArrayAttr()
                                        : g.getDenseI64ArrayAttr(stored.order));
    WeightOp op = WeightOp::create(g, g.getStringAttr(weight.name),
                                   getWeightType(g, weightMap, weight),
                                   g.getArrayAttr({}));
    op.setEncodedAttr(encoded);
  }

  /// One of them: a bank of the words or floats of the file.
  FlatSymbolRefAttr declarePart(const Weight &weight, const CodePart &part) {
    ArrayRef<int64_t> fileShape(part.source.fileShape);
    SmallVector<int64_t> shape(fileShape), permutation;
    Attribute layout;
    if (part.transposed) {
      std::swap(shape[0], shape[1]);
      permutation = {1, 0};
      layout = StridedLayoutAttr::get(g.getContext(), 0, {1, shape[0]});
    }
    shape.insert(shape.begin(), std::max<int64_t>(weight.numExperts(), 1));
    // Of a bank of one, the file tensor has no dimension for the expert.
    bool whole = part.source.perExpert && !part.transposed;
    auto source =
        SourceAttr::get(g.getContext(), g.getStringAttr(part.source.tensor),
                        whole ? ArrayRef<int64_t>() : fileShape,
                        ArrayRef<int64_t>(), ArrayRef<int64_t>(), permutation);
    std::string name = weight.name + "." + part.suffix;
    WeightOp::create(g, g.getStringAttr(name),
                     BankType::get(g.getContext(), shape,
                                   getElement(g, part.dtype), QuantizedAttr(),
                                   layout),
                     g.getArrayAttr({source}));
    return FlatSymbolRefAttr::get(g.getContext(), name);
  }

  /// Weights by layer; those outside layers are under -1.
  void collectLayers() {
    for (const Weight &weight : weightMap.weights)
      byLayer[weight.layer.value_or(-1)][weight.role] = &weight;
    for (auto [i, layer] : llvm::enumerate(model.layers)) {
      LayerStructure structure = {&layer, {}, {}};
      for (auto &[role, weight] : byLayer[i]) {
        structure.roles.push_back(role);
        structure.types.push_back(getWeightType(g, weightMap, *weight));
      }
      auto *it = llvm::find(structures, structure);
      structureOf.push_back(it - structures.begin());
      if (it == structures.end())
        structures.push_back(structure);
    }
  }

  Value getWeight(const Weight &weight) {
    return GetWeightOp::create(
        g, getWeightType(g, weightMap, weight),
        FlatSymbolRefAttr::get(g.getContext(), weight.name));
  }

  //===--------------------------------------------------------------------===//
  // Layers
  //===--------------------------------------------------------------------===//

  RankedTensorType f32Tensor(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, g.getF32Type());
  }
  RankedTensorType hiddenType() { return f32Tensor({any, model.hiddenSize}); }
  RankedTensorType rotationType() {
    return f32Tensor({any, model.headDim / 2});
  }
  RankedTensorType cacheType() {
    return f32Tensor({any, model.numKvHeads, any, model.headDim});
  }
  RankedTensorType routerType(const LayerConfig &layer) {
    return f32Tensor({any, layer.numExperts});
  }
  RankedTensorType countsType(const LayerConfig &layer) {
    return RankedTensorType::get({layer.numExperts}, g.getI32Type());
  }
  bool hasRouterLogits(const LayerConfig &layer) {
    return options.routerLogits && layer.isMoE();
  }
  bool hasCounts(const LayerConfig &layer) {
    return options.expertCounts && layer.isMoE();
  }

  static std::string layerName(size_t structure) {
    return "layer_" + std::to_string(structure);
  }

  /// func private @layer_i(x, past, cos, sin, keys, values, [router logits],
  ///   [counts], weights...) -> (x, keys, values, [router logits], [counts])
  void emitLayerFunction(const LayerStructure &structure, size_t index) {
    const LayerConfig &layer = *structure.config;
    SmallVector<Type> inputs = {hiddenType(),   g.getIndexType(),
                                rotationType(), rotationType(),
                                cacheType(),    cacheType()};
    SmallVector<Type> results = {hiddenType(), cacheType(), cacheType()};
    if (hasRouterLogits(layer)) {
      inputs.push_back(routerType(layer));
      results.push_back(routerType(layer));
    }
    if (hasCounts(layer)) {
      inputs.push_back(countsType(layer));
      results.push_back(countsType(layer));
    }
    size_t firstWeight = inputs.size();
    llvm::append_range(inputs, structure.types);
    OpBuilder::InsertionGuard guard(g);
    auto function = func::FuncOp::create(g, layerName(index),
                                         g.getFunctionType(inputs, results));
    function.setPrivate();
    Block *body = function.addEntryBlock();
    g.setInsertionPointToStart(body);

    std::map<Role, Value> weights;
    for (auto [i, role] : llvm::enumerate(structure.roles))
      weights[role] = body->getArgument(firstWeight + i);
    LayerEmitter emitter(g, model, layer, std::move(weights));
    emitter.x = body->getArgument(0);
    emitter.past = body->getArgument(1);
    emitter.cos = body->getArgument(2);
    emitter.sin = body->getArgument(3);
    emitter.keys = body->getArgument(4);
    emitter.values = body->getArgument(5);
    size_t next = 6;
    if (hasRouterLogits(layer))
      emitter.routerOut = body->getArgument(next++);
    if (hasCounts(layer))
      emitter.countsOut = body->getArgument(next++);
    emitter.emit();
    SmallVector<Value> returned = {emitter.x, emitter.keys, emitter.values};
    if (emitter.routerOut)
      returned.push_back(emitter.routerOut);
    if (emitter.countsOut)
      returned.push_back(emitter.countsOut);
    func::ReturnOp::create(g, returned);
  }

  //===--------------------------------------------------------------------===//
  // Entry
  //===--------------------------------------------------------------------===//

  NamedAttribute named(StringRef name) {
    return g.getNamedAttr(attr::kName, g.getStringAttr(name));
  }
  /// moe.shape: a string is a symbol, an integer an extent.
  NamedAttribute shaped(ArrayRef<std::variant<const char *, int64_t>> sizes) {
    SmallVector<Attribute> attributes;
    for (const auto &size : sizes) {
      if (auto *symbol = std::get_if<const char *>(&size))
        attributes.push_back(g.getStringAttr(*symbol));
      else
        attributes.push_back(g.getI64IntegerAttr(std::get<int64_t>(size)));
    }
    return g.getNamedAttr(attr::kShape, g.getArrayAttr(attributes));
  }

  struct Argument {
    Type type;
    SmallVector<NamedAttribute> attributes;
  };

  void emitForward() {
    SmallVector<Argument> inputs = {
        {RankedTensorType::get({any, any}, g.getI64Type()),
         {named("input_ids"), shaped({"batch", "seq"}),
          g.getNamedAttr(attr::kRange,
                         g.getI64ArrayAttr({0, model.vocabSize}))}},
        {g.getIndexType(),
         {named("past"),
          g.getNamedAttr(attr::kSymbol, g.getStringAttr("past"))}}};
    SmallVector<Argument> results = {
        {f32Tensor({any, any, model.vocabSize}),
         {named("logits"), shaped({"batch", "seq", model.vocabSize})}}};
    if (options.lastLogits)
      results = {{f32Tensor({any, model.vocabSize}),
                  {named("last_logits"), shaped({"batch", model.vocabSize})}}};
    for (size_t i = 0; i < model.layers.size(); ++i)
      for (const char *kind : {"key", "value"}) {
        std::string name = (Twine(kind) + "_cache." + Twine(i)).str();
        NamedAttribute shape =
            shaped({"batch", model.numKvHeads, "context", model.headDim});
        results.push_back({cacheType(),
                           {named(name), shape,
                            g.getNamedAttr(attr::kTied, g.getI64IntegerAttr(
                                                            inputs.size()))}});
        inputs.push_back({cacheType(), {named(name), shape}});
      }
    for (auto [i, layer] : llvm::enumerate(model.layers)) {
      if (hasRouterLogits(layer))
        results.push_back({routerType(layer),
                           {named(("router_logits." + Twine(i)).str()),
                            shaped({"batch * seq", layer.numExperts})}});
      if (hasCounts(layer))
        results.push_back({countsType(layer),
                           {named(("expert_counts." + Twine(i)).str()),
                            shaped({layer.numExperts})}});
    }

    auto typeOf = [](const Argument &argument) { return argument.type; };
    auto function = func::FuncOp::create(
        g, "forward",
        g.getFunctionType(llvm::map_to_vector(inputs, typeOf),
                          llvm::map_to_vector(results, typeOf)));
    for (auto [i, input] : llvm::enumerate(inputs))
      function.setArgAttrs(i, input.attributes);
    for (auto [i, result] : llvm::enumerate(results))
      function.setResultAttrs(i, result.attributes);
    auto limit = [&](Attribute bound) -> Attribute {
      return g.getArrayAttr({g.getStrArrayAttr({"past", "seq"}), bound});
    };
    function->setAttr(
        attr::kLimits,
        g.getArrayAttr({limit(g.getStringAttr("context")),
                        limit(g.getI64IntegerAttr(model.maxPositions))}));
    Block *body = function.addEntryBlock();
    g.setInsertionPointToStart(body);
    func::ReturnOp::create(g, emitForwardBody(body->getArguments()));
  }

  SmallVector<Value> emitForwardBody(ValueRange arguments) {
    Value ids = arguments[0], past = arguments[1];
    Value batch = tensor::DimOp::create(g, ids, 0);
    Value seq = tensor::DimOp::create(g, ids, 1);
    Value tokens = g.mul(batch, seq);
    Value x = embed(ids, tokens);
    auto [cos, sin] = rotations(past, seq);

    SmallVector<Value> caches, extras;
    for (auto [i, layer] : llvm::enumerate(model.layers)) {
      SmallVector<Value> operands = {
          x, past, cos, sin, arguments[2 + 2 * i], arguments[3 + 2 * i]};
      if (hasRouterLogits(layer))
        operands.push_back(g.empty({tokens, g.getIndexAttr(layer.numExperts)}));
      if (hasCounts(layer))
        operands.push_back(tensor::EmptyOp::create(
            g, ArrayRef<int64_t>{layer.numExperts}, g.getI32Type()));
      for (auto &[role, weight] : byLayer[i])
        operands.push_back(getWeight(*weight));
      SmallVector<Type> types = {hiddenType(), cacheType(), cacheType()};
      if (hasRouterLogits(layer))
        types.push_back(routerType(layer));
      if (hasCounts(layer))
        types.push_back(countsType(layer));
      auto call =
          func::CallOp::create(g, layerName(structureOf[i]), types, operands);
      x = call.getResult(0);
      caches.append({call.getResult(1), call.getResult(2)});
      for (Value extra : call.getResults().drop_front(3))
        extras.push_back(extra);
    }
    SmallVector<Value> returned = {logits(x, batch, seq)};
    llvm::append_range(returned, caches);
    llvm::append_range(returned, extras);
    return returned;
  }

  const Weight &global(Role role) { return *byLayer[-1].at(role); }

  /// The rows of the embedding for the ids: T x H.
  Value embed(Value ids, Value tokens) {
    Value table = getWeight(global(Role::Embedding));
    Value flat = tensor::CollapseShapeOp::create(
        g, ids, ArrayRef<ReassociationIndices>{{0, 1}});
    AffineMap identity = g.getMultiDimIdentityMap(2);
    return g.parallel(
        {flat}, g.empty({tokens, g.getIndexAttr(model.hiddenSize)}),
        {identity.getMajorSubMap(1), identity},
        [&](GraphEmitter &g, ValueRange v) {
          Value row = arith::IndexCastOp::create(g, g.getIndexType(), v[0]);
          Value column = linalg::IndexOp::create(g, 1);
          Value element = g.widen(
              tensor::ExtractOp::create(g, table, ValueRange{row, column}));
          if (model.embeddingMultiplier == 1)
            return element;
          return g.mul(element, g.f32(model.embeddingMultiplier));
        });
  }

  /// cos and sin of position * theta^(-2i / headDim): S x headDim / 2 each.
  std::pair<Value, Value> rotations(Value past, Value seq) {
    int64_t half = model.headDim / 2;
    SmallVector<float> frequencies;
    for (int64_t i = 0; i < half; ++i)
      frequencies.push_back(static_cast<float>(
          1.0 / std::pow(model.ropeTheta, 2.0 * i / model.headDim)));
    Value frequency = arith::ConstantOp::create(
        g, DenseElementsAttr::get(f32Tensor({half}),
                                  ArrayRef<float>(frequencies)));
    AffineMap identity = g.getMultiDimIdentityMap(2);
    auto table = [&](auto function) {
      return g.parallel(
          {frequency}, g.empty({seq, g.getIndexAttr(half)}),
          {identity.getMinorSubMap(1), identity},
          [&](GraphEmitter &g, ValueRange v) -> Value {
            Value position = g.add(past, linalg::IndexOp::create(g, 0));
            Value integer =
                arith::IndexCastOp::create(g, g.getI64Type(), position);
            Value real = arith::SIToFPOp::create(g, g.getF32Type(), integer);
            return function(g, g.mul(real, v[0]));
          });
    };
    Value cos = table([](GraphEmitter &g, Value angle) -> Value {
      return math::CosOp::create(g, angle);
    });
    Value sin = table([](GraphEmitter &g, Value angle) -> Value {
      return math::SinOp::create(g, angle);
    });
    return {cos, sin};
  }

  /// The rows of the last positions: B x H.
  Value takeLast(Value x, Value batch, Value seq) {
    Value zero = arith::ConstantIndexOp::create(g, 0);
    Value isThere =
        arith::CmpIOp::create(g, arith::CmpIPredicate::sgt, seq, zero);
    cf::AssertOp::create(g, isThere,
                         "'input_ids' has no position, expected at least one "
                         "for last_logits; pass ids "
                         "[moe-import-last-logits]");
    OpFoldResult width = g.getIndexAttr(model.hiddenSize);
    Value positions = tensor::ExpandShapeOp::create(
        g, f32Tensor({any, any, model.hiddenSize}), x,
        ArrayRef<ReassociationIndices>{{0, 1}, {2}},
        ArrayRef<OpFoldResult>{batch, seq, width});
    Value one = arith::ConstantIndexOp::create(g, 1);
    Value last = arith::SubIOp::create(g, seq, one);
    OpFoldResult first = g.getIndexAttr(0), unit = g.getIndexAttr(1);
    return tensor::ExtractSliceOp::create(
        g, f32Tensor({any, model.hiddenSize}), positions,
        ArrayRef<OpFoldResult>{first, last, first},
        ArrayRef<OpFoldResult>{batch, unit, width},
        ArrayRef<OpFoldResult>{unit, unit, unit});
  }

  /// B x S x V, or, of the last positions, B x V.
  Value logits(Value x, Value batch, Value seq) {
    if (options.lastLogits)
      x = takeLast(x, batch, seq);
    Value normed =
        g.rmsNorm(x, getWeight(global(Role::FinalNorm)), model.rmsNormEps);
    Value rows = g.linear(normed, outputMatrix());
    if (model.logitsDivisor != 1)
      rows = g.elementwise({}, rows, [&](GraphEmitter &g, ValueRange v) {
        return g.div(v[0], g.f32(model.logitsDivisor));
      });
    if (options.lastLogits)
      return rows;
    return tensor::ExpandShapeOp::create(
        g, f32Tensor({any, any, model.vocabSize}), rows,
        ArrayRef<ReassociationIndices>{{0, 1}, {2}},
        ArrayRef<OpFoldResult>{batch, seq, g.getIndexAttr(model.vocabSize)});
  }

  Value outputMatrix() {
    if (!model.tieWordEmbeddings)
      return takeMatrix(g, getWeight(global(Role::OutputMatrix)));
    return GetWeightOp::create(
        g, getWeightType(g, weightMap, global(Role::Embedding)),
        FlatSymbolRefAttr::get(g.getContext(), kTiedMatrix));
  }

  static constexpr int64_t any = ShapedType::kDynamic;
  static constexpr const char *kTiedMatrix = "lm_head";
  GraphEmitter g;
  const ModelConfig &model;
  const WeightMap &weightMap;
  const ImportOptions &options;
  std::map<int64_t, std::map<Role, const Weight *>> byLayer;
  SmallVector<LayerStructure> structures;
  SmallVector<size_t> structureOf; ///< index into `structures`, per layer
};

} // namespace

OwningOpRef<ModuleOp> hf::buildModelGraph(MLIRContext *context,
                                          const ModelConfig &config,
                                          const WeightMap &weights,
                                          const ImportOptions &options) {
  context->loadDialect<MoEDialect, arith::ArithDialect, cf::ControlFlowDialect,
                       func::FuncDialect, linalg::LinalgDialect,
                       math::MathDialect, tensor::TensorDialect>();
  OwningOpRef<ModuleOp> module =
      ModelEmitter(context, config, weights, options).emit();
  if (failed(verify(*module)))
    return nullptr;
  return module;
}
