//===- GraphBuilder.cpp - The graph of a decoder with experts
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerEmitter.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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
  bool areFloats = config.format == StoredFormat::Mxfp4;
  // Exponents become bf16, which has all of them.
  Type scale = areFloats ? builder.getBF16Type()
                         : getElement(builder, weight.stored->scales.dtype);
  auto format = QuantizedAttr::get(builder.getContext(), config.bits, group,
                                   scale, config.zeroPoints,
                                   areFloats ? Codes::E2M1 : Codes::Integer);
  return BankType::get(builder.getContext(), shape, builder.getF32Type(),
                       format, Attribute());
}

/// The strides, in elements of the file tensor, of a window.
SmallVector<int64_t> getWindowStrides(const WeightSource &source) {
  size_t rank = source.fileShape.size();
  SmallVector<int64_t> inFile(rank, 1), strides;
  for (size_t d = rank - 1; d-- > 0;)
    inFile[d] = inFile[d + 1] * source.fileShape[d + 1];
  for (size_t i = 0; i < rank; ++i) {
    size_t d = source.permutation.empty() ? i : source.permutation[i];
    strides.push_back(inFile[d] *
                      (source.strides.empty() ? 1 : source.strides[d]));
  }
  return strides;
}

/// The layout of a bank whose slices are of `shape`, null if they are dense.
Attribute getSliceLayout(MLIRContext *context, const WeightSource &source,
                         ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides = getWindowStrides(source);
  ArrayRef<int64_t> ofSlice = ArrayRef(strides).take_back(shape.size());
  int64_t dense = 1;
  for (size_t i = shape.size(); i-- > 0; dense *= shape[i])
    if (ofSlice[i] != dense)
      return StridedLayoutAttr::get(context, 0, ofSlice);
  return Attribute();
}

/// A window that is the whole tensor is its name alone.
SourceAttr getSource(Builder &builder, const WeightSource &source,
                     bool isWhole) {
  StringAttr name = builder.getStringAttr(source.tensor);
  if (isWhole)
    return SourceAttr::get(builder.getContext(), name, {}, {}, {}, {});
  bool fromStart =
      llvm::all_of(source.offsets, [](int64_t i) { return i == 0; });
  return SourceAttr::get(builder.getContext(), name, source.fileShape,
                         fromStart ? ArrayRef<int64_t>()
                                   : ArrayRef<int64_t>(source.offsets),
                         source.strides, source.permutation);
}

Type getWeightType(Builder &builder, const WeightMap &map,
                   const Weight &weight) {
  if (weight.stored)
    return getQuantizedType(builder, weight, *map.quantization);
  Type element = getElement(builder, static_cast<int32_t>(weight.dtype));
  ArrayRef<int64_t> shape(weight.shape);
  if (weight.kind == WeightKind::Bank)
    return BankType::get(builder.getContext(), shape, element, QuantizedAttr(),
                         getSliceLayout(builder.getContext(),
                                        weight.sources.front(),
                                        shape.drop_front()));
  return RankedTensorType::get(weight.shape, element);
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
      bool isWhole = extents == ArrayRef<int64_t>(source.fileShape) &&
                     source.permutation.empty();
      sources.push_back(getSource(g, source, isWhole));
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
    const WeightSource &source = part.source;
    SmallVector<int64_t> shape = llvm::to_vector(part.shape);
    bool isBank = weight.kind == WeightKind::Bank;
    bool hasExperts = isBank && !source.perExpert;
    if (!hasExperts)
      shape.insert(shape.begin(), std::max<int64_t>(weight.numExperts(), 1));
    Attribute layout =
        getSliceLayout(g.getContext(), source, ArrayRef(shape).drop_front());
    // Of a bank of one, the file tensor has no dimension for the expert.
    bool isWhole =
        isBank && part.shape == source.fileShape && source.permutation.empty();
    std::string name = weight.name + "." + part.suffix;
    WeightOp::create(g, g.getStringAttr(name),
                     BankType::get(g.getContext(), shape,
                                   getElement(g, part.dtype), QuantizedAttr(),
                                   layout),
                     g.getArrayAttr({getSource(g, source, isWhole)}));
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

    LayerArguments arguments;
    arguments.x = body->getArgument(0);
    arguments.past = body->getArgument(1);
    arguments.cos = body->getArgument(2);
    arguments.sin = body->getArgument(3);
    arguments.keys = body->getArgument(4);
    arguments.values = body->getArgument(5);
    size_t next = 6;
    if (hasRouterLogits(layer))
      arguments.routerOut = body->getArgument(next++);
    if (hasCounts(layer))
      arguments.countsOut = body->getArgument(next++);
    for (auto [i, role] : llvm::enumerate(structure.roles))
      arguments.weights[role] = body->getArgument(firstWeight + i);
    LayerArguments updated = emitLayer(g, model, layer, arguments);
    SmallVector<Value> returned = {updated.x, updated.keys, updated.values};
    for (Value extra : {updated.routerOut, updated.countsOut})
      if (extra)
        returned.push_back(extra);
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

  /// cos and sin of position * frequency: S x headDim / 2 each.
  std::pair<Value, Value> rotations(Value past, Value seq) {
    int64_t half = model.headDim / 2;
    SmallVector<float> frequencies;
    for (double frequency : rotaryFrequencies(model))
      frequencies.push_back(static_cast<float>(frequency));
    double factor = model.yarn ? model.yarn->attentionFactor : 1;
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
            Value value = function(g, g.mul(real, v[0]));
            return factor == 1 ? value : g.mul(value, g.f32(factor));
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
  context
      ->loadDialect<MoEDialect, arith::ArithDialect, cf::ControlFlowDialect,
                    func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                    scf::SCFDialect, tensor::TensorDialect>();
  OwningOpRef<ModuleOp> module =
      ModelEmitter(context, config, weights, options).emit();
  if (failed(verify(*module)))
    return nullptr;
  return module;
}
