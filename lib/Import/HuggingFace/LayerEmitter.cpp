//===- LayerEmitter.cpp - One layer of a transformer
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerEmitter.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::hf;

namespace {

class LayerEmitter : public LayerArguments {
public:
  LayerEmitter(GraphEmitter &g, const ModelConfig &model,
               const LayerConfig &layer, const LayerArguments &arguments)
      : LayerArguments(arguments), g(g), model(model), layer(layer),
        heads(model.numKvHeads), groups(model.numHeads / model.numKvHeads),
        width(model.headDim) {}

  void emit() {
    batch = g.size(keys, 0);
    seq = g.size(cos, 0);
    Value normed = g.rmsNorm(x, weight(Role::AttentionNorm), model.rmsNormEps);
    x = g.accumulate(x, attention(normed), model.residualMultiplier);
    normed = g.rmsNorm(x, weight(Role::FeedForwardNorm), model.rmsNormEps);
    Value update = layer.isMoE()
                       ? mixture(normed)
                       : g.gatedFeedForward(normed, {matrix(Role::DenseGate),
                                                     matrix(Role::DenseUp),
                                                     matrix(Role::DenseDown)});
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

  /// Queries that attend together, and the keys that one of them may see.
  struct QueryBlock {
    Value past;                ///< positions before the first query
    Value count;               ///< of queries
    Value firstKey, countKeys; ///< in the caches
  };

  /// Few enough that their scores stay in a near cache, and enough that keys
  /// which are read for one of them serve many.
  static constexpr int64_t kQueriesPerBlock = 64;

  /// The queries from `first` on. Those before them see no key that they do
  /// not: what a block computes is attention with a longer past.
  QueryBlock makeBlock(Value first) {
    Value size = g.index(kQueriesPerBlock);
    Value all = getValueOrCreateConstantIndexOp(seq);
    QueryBlock block;
    block.past = g.add(past, first);
    block.count = arith::MinSIOp::create(g, g.sub(all, first), size);
    Value length = g.add(past, all);
    Value end = arith::MinSIOp::create(g, g.add(block.past, size), length);
    block.firstKey = g.index(0);
    block.countKeys = end;
    if (layer.slidingWindow) {
      Value behind = g.sub(block.past, g.index(*layer.slidingWindow - 1));
      block.firstKey = arith::MaxSIOp::create(g, behind, block.firstKey);
      // What bounds it is known on entry.
      block.countKeys =
          arith::MinSIOp::create(g, g.sub(end, block.firstKey), length);
    }
    return block;
  }

  /// softmax(q k / scale) v over all positions so far: B x S x heads x groups x
  /// headDim.
  Value attend(Value query) {
    SmallVector<OpFoldResult> sizes;
    for (unsigned i = 0; i < 5; ++i)
      sizes.push_back(g.size(query, i));
    Value result = g.empty(sizes);
    auto loop = scf::ForOp::create(
        g, g.index(0), getValueOrCreateConstantIndexOp(seq),
        g.index(kQueriesPerBlock), ValueRange{result},
        [&](OpBuilder &builder, Location loc, Value first, ValueRange carried) {
          OpBuilder::InsertionGuard guard(g);
          g.setInsertionPoint(builder.getInsertionBlock(),
                              builder.getInsertionPoint());
          QueryBlock block = makeBlock(first);
          SmallVector<OpFoldResult> offsets(5, g.getIndexAttr(0)),
              ones(5, g.getIndexAttr(1)), extents = sizes;
          offsets[1] = first;
          extents[1] = block.count;
          Value rows =
              tensor::ExtractSliceOp::create(g, query, offsets, extents, ones);
          Value place = tensor::ExtractSliceOp::create(g, carried.front(),
                                                       offsets, extents, ones);
          Value done = attendBlock(rows, place, block);
          Value all = tensor::InsertSliceOp::create(g, done, carried.front(),
                                                    offsets, extents, ones);
          scf::YieldOp::create(g, all);
        });
    return loop.getResult(0);
  }

  /// The position of the key in loop `l` is visible from the query in loop `s`.
  Value isVisible(GraphEmitter &g, const QueryBlock &block, unsigned s,
                  unsigned l) {
    Value query = g.add(block.past, linalg::IndexOp::create(g, s));
    Value key = g.add(block.firstKey, linalg::IndexOp::create(g, l));
    Value visible =
        arith::CmpIOp::create(g, arith::CmpIPredicate::sle, key, query);
    if (!layer.slidingWindow)
      return visible;
    Value end = g.add(key, g.index(*layer.slidingWindow));
    Value inside =
        arith::CmpIOp::create(g, arith::CmpIPredicate::sgt, end, query);
    return arith::AndIOp::create(g, visible, inside);
  }

  /// What the largest logit of a row is at least: that of the sink of its head.
  /// Rows: b, head n, group i, query s.
  Value firstPeaks(ArrayRef<OpFoldResult> sizes) {
    if (!model.attentionSinks)
      return g.filled(sizes, g.negativeInfinity());
    return g.parallel(
        {sinksByHead()}, g.empty(sizes), {map(4, {1, 2}), map(4, {0, 1, 2, 3})},
        [](GraphEmitter &g, ValueRange v) { return g.widen(v[0]); });
  }

  /// What the sum of the exponentials of a row begins with.
  Value firstSums(ArrayRef<OpFoldResult> sizes, Value peaks) {
    if (!model.attentionSinks)
      return g.filled(sizes, g.f32(0));
    AffineMap all = map(4, {0, 1, 2, 3});
    return g.parallel(
        {sinksByHead(), peaks}, g.empty(sizes), {map(4, {1, 2}), all, all},
        [](GraphEmitter &g, ValueRange v) -> Value {
          return math::ExpOp::create(g, g.sub(g.widen(v[0]), v[1]));
        });
  }

  /// One logit per query head: heads x groups.
  Value sinksByHead() {
    Value sinks = weight(Role::AttentionSinks);
    Type element = getElementTypeOrSelf(sinks.getType());
    return tensor::ExpandShapeOp::create(
        g, RankedTensorType::get({heads, groups}, element), sinks,
        ArrayRef<ReassociationIndices>{{0, 1}});
  }

  /// The same of one block, into `place`. Loops: b, head n, group i, query s,
  /// key l (or element d).
  Value attendBlock(Value query, Value place, const QueryBlock &block) {
    enum { B, N, I, S, L, D };
    auto visibleOf = [&](Value cache) -> Value {
      return tensor::ExtractSliceOp::create(
          g, cache, cacheOffsets(block.firstKey), cacheSizes(block.countKeys),
          unitStrides());
    };
    Value someKeys = visibleOf(keys), someValues = visibleOf(values);
    SmallVector<OpFoldResult> rowSizes = {batch, g.getIndexAttr(heads),
                                          g.getIndexAttr(groups), block.count};
    SmallVector<OpFoldResult> scoreSizes = rowSizes;
    scoreSizes.push_back(block.countKeys);
    auto parallel = utils::IteratorType::parallel;
    auto reduction = utils::IteratorType::reduction;
    auto multiplyAdd = [](GraphEmitter &g, ValueRange v) {
      return g.add(v[2], g.mul(v[0], v[1]));
    };

    Value scores =
        g.generic({query, someKeys}, g.filled(scoreSizes, g.f32(0)),
                  {map(6, {B, S, N, I, D}), map(6, {B, N, L, D}),
                   map(6, {B, N, I, S, L})},
                  {parallel, parallel, parallel, parallel, parallel, reduction},
                  multiplyAdd);
    AffineMap all = map(5, {B, N, I, S, L}), rows = map(5, {B, N, I, S});
    scores = g.parallel(
        {}, scores, {all}, [&](GraphEmitter &g, ValueRange v) -> Value {
          Value scaled = g.mul(v[0], g.f32(model.attentionScale));
          return arith::SelectOp::create(g, isVisible(g, block, S, L), scaled,
                                         g.negativeInfinity());
        });
    Value peaks = g.generic({scores}, firstPeaks(rowSizes), {all, rows},
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
        {weights}, firstSums(rowSizes, peaks), {all, rows},
        {parallel, parallel, parallel, parallel, reduction},
        [](GraphEmitter &g, ValueRange v) { return g.add(v[1], v[0]); });
    Value context =
        g.generic({weights, someValues}, g.fill(place, g.f32(0)),
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

    Value logits = g.linear(normed, matrix(Role::Router),
                            weightOrNull(Role::RouterBias), routerOut);
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
    constexpr Role matrices[] = {Role::ExpertGate, Role::ExpertUp,
                                 Role::ExpertDown};
    constexpr Role biases[] = {Role::ExpertGateBias, Role::ExpertUpBias,
                               Role::ExpertDownBias};
    SmallVector<Value> banks;
    for (Role role : matrices)
      banks.push_back(weight(role));
    if (model.expertBiases)
      for (Role role : biases)
        banks.push_back(weight(role));
    auto op = ExpertsOp::create(g, rows.getType(), rows, offsets, banks,
                                /*identity=*/0, /*zero=*/0,
                                /*bodiesCount=*/1);
    SmallVector<Type> types = {rows.getType(), g.getIndexType()};
    for (Value bank : banks)
      types.push_back(cast<BankType>(bank.getType()).getSliceType());
    SmallVector<Location> locs(types.size(), g.getLoc());
    OpBuilder::InsertionGuard guard(g);
    Block *body = g.createBlock(&op.getBodies().front(), {}, types, locs);
    auto slices = body->getArguments().drop_front(2);
    FeedForward weights = {slices[0], slices[1], slices[2]};
    if (model.expertBiases) {
      weights.gateBias = slices[3];
      weights.upBias = slices[4];
      weights.downBias = slices[5];
    }
    YieldOp::create(g, g.gatedFeedForward(body->getArgument(0), weights,
                                          model.clampedGate));
    return op.getResult();
  }

  /// routed + shared(x), scaled by a sigmoid of x if the model says so.
  Value addShared(Value normed, Value routed) {
    Value shared = g.gatedFeedForward(normed, {matrix(Role::SharedGate),
                                               matrix(Role::SharedUp),
                                               matrix(Role::SharedDown)});
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
  int64_t heads, groups, width; ///< kv heads, queries per kv head, headDim
  OpFoldResult batch, seq;
};

} // namespace

LayerArguments hf::emitLayer(GraphEmitter &g, const ModelConfig &model,
                             const LayerConfig &layer,
                             const LayerArguments &arguments) {
  LayerEmitter emitter(g, model, layer, arguments);
  emitter.emit();
  return emitter; // what the arguments became
}

Value hf::takeMatrix(GraphEmitter &g, Value weight) {
  auto bank = dyn_cast<BankType>(weight.getType());
  if (!bank)
    return weight;
  Value first = arith::ConstantIndexOp::create(g, 0);
  return BankSliceOp::create(g, bank.getSliceType(), weight, first);
}
