//===- WeightMap.cpp - The weights of a model and their sources -----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/WeightMap.h"

#include "CheckedMath.h"
#include "Families.h"
#include "StoredCodes.h"
#include "Text.h"
#include "WeightSpecs.h"

#include "moe_rt/safetensors.h"

#include <algorithm>
#include <numeric>
#include <set>

using namespace mlir::moe::hf;

/// Names that a message shows at most.
static constexpr size_t kMaxNamesShown = 4;
/// Missing tensors that are counted before giving up.
static constexpr size_t kMaxMissing = 1000;

//===----------------------------------------------------------------------===//
// What every model with a property has
//===----------------------------------------------------------------------===//

namespace {

constexpr WeightSpec Specs[] = {
    {Role::Embedding,
     "embed",
     Component::Embedding,
     Where::Model,
     {Dim::Vocab, Dim::Hidden}},
    {Role::AttentionNorm,
     "attn_norm",
     Component::Norms,
     Where::Layer,
     {Dim::Hidden}},
    {Role::Query,
     "q",
     Component::Attention,
     Where::Layer,
     {Dim::QueryWidth, Dim::Hidden}},
    {Role::QueryBias,
     "q_bias",
     Component::Attention,
     Where::LayerWithQkvBias,
     {Dim::QueryWidth}},
    {Role::Key,
     "k",
     Component::Attention,
     Where::Layer,
     {Dim::KvWidth, Dim::Hidden}},
    {Role::KeyBias,
     "k_bias",
     Component::Attention,
     Where::LayerWithQkvBias,
     {Dim::KvWidth}},
    {Role::Value,
     "v",
     Component::Attention,
     Where::Layer,
     {Dim::KvWidth, Dim::Hidden}},
    {Role::ValueBias,
     "v_bias",
     Component::Attention,
     Where::LayerWithQkvBias,
     {Dim::KvWidth}},
    {Role::QueryNorm,
     "q_norm",
     Component::Norms,
     Where::LayerWithQkNorm,
     {Dim::QueryNormWidth}},
    {Role::KeyNorm,
     "k_norm",
     Component::Norms,
     Where::LayerWithQkNorm,
     {Dim::KeyNormWidth}},
    {Role::AttentionSinks,
     "sinks",
     Component::Attention,
     Where::LayerWithSinks,
     {Dim::Heads}},
    {Role::AttentionOut,
     "o",
     Component::Attention,
     Where::Layer,
     {Dim::Hidden, Dim::QueryWidth}},
    {Role::AttentionOutBias,
     "o_bias",
     Component::Attention,
     Where::LayerWithOutputBias,
     {Dim::Hidden}},
    {Role::FeedForwardNorm,
     "ffn_norm",
     Component::Norms,
     Where::Layer,
     {Dim::Hidden}},
    {Role::DenseGate,
     "gate",
     Component::DenseFeedForward,
     Where::DenseLayer,
     {Dim::DenseWidth, Dim::Hidden}},
    {Role::DenseUp,
     "up",
     Component::DenseFeedForward,
     Where::DenseLayer,
     {Dim::DenseWidth, Dim::Hidden}},
    {Role::DenseDown,
     "down",
     Component::DenseFeedForward,
     Where::DenseLayer,
     {Dim::Hidden, Dim::DenseWidth}},
    {Role::Router,
     "router",
     Component::Router,
     Where::MoELayer,
     {Dim::Experts, Dim::Hidden}},
    {Role::RouterBias,
     "router_bias",
     Component::Router,
     Where::LayerWithRouterBias,
     {Dim::Experts}},
    {Role::ExpertGate,
     "experts.gate",
     Component::Experts,
     Where::MoELayer,
     {Dim::Experts, Dim::ExpertWidth, Dim::Hidden}},
    {Role::ExpertGateBias,
     "experts.gate_bias",
     Component::Experts,
     Where::LayerWithExpertBiases,
     {Dim::Experts, Dim::ExpertWidth}},
    {Role::ExpertUp,
     "experts.up",
     Component::Experts,
     Where::MoELayer,
     {Dim::Experts, Dim::ExpertWidth, Dim::Hidden}},
    {Role::ExpertUpBias,
     "experts.up_bias",
     Component::Experts,
     Where::LayerWithExpertBiases,
     {Dim::Experts, Dim::ExpertWidth}},
    {Role::ExpertDown,
     "experts.down",
     Component::Experts,
     Where::MoELayer,
     {Dim::Experts, Dim::Hidden, Dim::ExpertWidth}},
    {Role::ExpertDownBias,
     "experts.down_bias",
     Component::Experts,
     Where::LayerWithExpertBiases,
     {Dim::Experts, Dim::Hidden}},
    {Role::SharedGate,
     "shared.gate",
     Component::SharedExpert,
     Where::LayerWithShared,
     {Dim::SharedWidth, Dim::Hidden}},
    {Role::SharedUp,
     "shared.up",
     Component::SharedExpert,
     Where::LayerWithShared,
     {Dim::SharedWidth, Dim::Hidden}},
    {Role::SharedDown,
     "shared.down",
     Component::SharedExpert,
     Where::LayerWithShared,
     {Dim::Hidden, Dim::SharedWidth}},
    {Role::SharedScale,
     "shared.scale",
     Component::SharedExpert,
     Where::LayerWithGatedShared,
     {Dim::One, Dim::Hidden}},
    {Role::FinalNorm, "norm", Component::Norms, Where::Model, {Dim::Hidden}},
    {Role::OutputMatrix,
     "lm_head",
     Component::OutputMatrix,
     Where::UntiedModel,
     {Dim::Vocab, Dim::Hidden}},
};

constexpr bool isInLayer(Where where) { return where >= Where::Layer; }

bool isNeeded(Where where, const ModelConfig &config,
              const LayerConfig &layer) {
  switch (where) {
  case Where::Model:
  case Where::Layer:
    return true;
  case Where::UntiedModel:
    return !config.tieWordEmbeddings;
  case Where::LayerWithQkvBias:
    return config.qkvBias;
  case Where::LayerWithOutputBias:
    return config.outputBias;
  case Where::LayerWithQkNorm:
    return config.qkNorm != QkNorm::None;
  case Where::LayerWithSinks:
    return config.attentionSinks;
  case Where::DenseLayer:
    return !layer.isMoE();
  case Where::MoELayer:
    return layer.isMoE();
  case Where::LayerWithRouterBias:
    return layer.isMoE() && config.router.bias;
  case Where::LayerWithExpertBiases:
    return layer.isMoE() && config.expertBiases;
  case Where::LayerWithShared:
    return layer.sharedWidth != 0;
  case Where::LayerWithGatedShared:
    return layer.sharedGated;
  }
  return false;
}

int64_t extent(Dim dim, const ModelConfig &config, const LayerConfig &layer) {
  bool perHead = config.qkNorm == QkNorm::PerHead;
  switch (dim) {
  case Dim::None:
    return 0;
  case Dim::One:
    return 1;
  case Dim::Vocab:
    return config.vocabSize;
  case Dim::Hidden:
    return config.hiddenSize;
  case Dim::Heads:
    return config.numHeads;
  case Dim::QueryWidth:
    return config.queryWidth();
  case Dim::KvWidth:
    return config.kvWidth();
  case Dim::QueryNormWidth:
    return perHead ? config.headDim : config.queryWidth();
  case Dim::KeyNormWidth:
    return perHead ? config.headDim : config.kvWidth();
  case Dim::DenseWidth:
    return layer.denseWidth;
  case Dim::Experts:
    return layer.numExperts;
  case Dim::ExpertWidth:
    return layer.expertWidth;
  case Dim::SharedWidth:
    return layer.sharedWidth;
  }
  return 0;
}

std::vector<int64_t> shapeOf(const WeightSpec &spec, const ModelConfig &config,
                             const LayerConfig &layer) {
  std::vector<int64_t> shape;
  for (Dim dim : spec.dims)
    if (dim != Dim::None)
      shape.push_back(extent(dim, config, layer));
  return shape;
}

//===----------------------------------------------------------------------===//
// Weights in one layout
//===----------------------------------------------------------------------===//

/// Where a weight of `shape` lies when its tensor is named by `rule`.
WeightSource sourceOf(const TensorRule &rule, WeightKind kind, int64_t layer,
                      std::vector<int64_t> shape) {
  WeightSource source;
  source.tensor = withIndex(rule.pattern, "{layer}", layer);
  source.perExpert = kind == WeightKind::Bank &&
                     source.tensor.find("{e}") != std::string::npos;
  if (source.perExpert)
    shape.erase(shape.begin());
  // What one expert has is rows, or rows x columns.
  size_t rowDim = kind == WeightKind::Bank && !source.perExpert ? 1 : 0;
  if (rule.orientation == Orientation::InOut) {
    std::swap(shape[rowDim], shape[rowDim + 1]);
    source.permutation.resize(shape.size());
    std::iota(source.permutation.begin(), source.permutation.end(), 0);
    std::swap(source.permutation[rowDim], source.permutation[rowDim + 1]);
    ++rowDim;
  }
  source.offsets.assign(shape.size(), 0);
  if (rule.rows == Rows::Even || rule.rows == Rows::Odd) {
    source.strides.assign(shape.size(), 1);
    source.strides[rowDim] = 2;
  }
  if (rule.rows == Rows::SecondHalf)
    source.offsets[rowDim] = shape[rowDim];
  if (rule.rows == Rows::Odd)
    source.offsets[rowDim] = 1;
  if (rule.rows != Rows::All)
    shape[rowDim] *= 2;
  source.fileShape = std::move(shape);
  return source;
}

/// Lists the weights of a model in one layout.
class WeightLister {
public:
  WeightLister(const ModelConfig &config, const Family &family,
               const Layout &layout)
      : config(config), family(family), layout(layout) {
    map.layout = layout.name;
  }

  ImportResult<WeightMap> list();

private:
  void add(const WeightSpec &spec, std::optional<int64_t> layer);
  void addLayer(int64_t layer);

  const ModelConfig &config;
  const Family &family;
  const Layout &layout;
  WeightMap map;
  std::string message;
};

void WeightLister::add(const WeightSpec &spec, std::optional<int64_t> layer) {
  const LayerConfig &layerConfig =
      layer ? config.layers[*layer] : config.layers.front();
  if (!isNeeded(spec.where, config, layerConfig))
    return;
  const TensorRule *rule = tensorRule(family, layout, spec.role);
  if (!rule) {
    message = cat("model type ", inQuotes(family.modelType),
                  " has no tensor for ", inQuotes(spec.name),
                  ", expected a configuration without it; build the "
                  "description with parseModelConfig [moe-weights-role]");
    return;
  }
  Weight weight;
  weight.role = spec.role;
  weight.kind = spec.component == Component::Experts ? WeightKind::Bank
                                                     : WeightKind::Plain;
  weight.layer = layer;
  weight.dtype = config.dtype;
  weight.name = layer ? cat("layers.", *layer, ".", spec.name) : spec.name;
  weight.shape = shapeOf(spec, config, layerConfig);
  weight.sources = {
      sourceOf(*rule, weight.kind, layer.value_or(0), weight.shape)};
  if (!checkedProduct(weight.shape))
    message = cat("weight ", inQuotes(weight.name), " would have the shape ",
                  shapeText(weight.shape),
                  ", expected fewer than 2^63 elements; correct the sizes in "
                  "the configuration [moe-weights-too-large]");
  map.weights.push_back(std::move(weight));
}

void WeightLister::addLayer(int64_t layer) {
  for (const WeightSpec &spec : Specs)
    if (isInLayer(spec.where))
      add(spec, layer);
}

ImportResult<WeightMap> WeightLister::list() {
  // Specs are ordered: before the layers, in a layer, after the layers.
  bool layersAdded = false;
  for (const WeightSpec &spec : Specs) {
    if (!isInLayer(spec.where)) {
      add(spec, std::nullopt);
      continue;
    }
    for (size_t i = 0; !layersAdded && i != config.layers.size(); ++i)
      addLayer(static_cast<int64_t>(i));
    layersAdded = true;
  }
  if (!message.empty())
    return ImportError{message};
  return std::move(map);
}

//===----------------------------------------------------------------------===//
// Weights as they lie in a checkpoint
//===----------------------------------------------------------------------===//

/// The type that a file calls `name`, if it can be imported.
std::optional<DType> dtypeOfFile(std::string_view name) {
  for (DType dtype : kImportedDTypes)
    if (name == moe_dtype_file_name(static_cast<int32_t>(dtype)))
      return dtype;
  return std::nullopt;
}

/// "'a', 'b' and 7 more".
std::string nameList(const std::vector<std::string> &names) {
  std::string result;
  size_t shown = std::min(names.size(), kMaxNamesShown);
  for (size_t i = 0; i != shown; ++i)
    result += (i == 0 ? "" : ", ") + inQuotes(names[i]);
  if (names.size() > shown)
    result += cat(" and ", names.size() - shown, " more");
  return result;
}

/// Compares the weights of a layout with what a checkpoint holds.
class CheckpointMatcher {
public:
  CheckpointMatcher(const ModelConfig &config, const TensorListing &listing,
                    WeightMap map)
      : config(config), listing(listing), map(std::move(map)) {}

  ImportResult<WeightMap> match();

private:
  void matchWeight(Weight &weight);
  void matchFloats(Weight &weight);
  void matchCodes(Weight &weight, StoredCodes stored);
  /// Calls `match` with the name of each tensor of a source.
  template <typename Match>
  void forEachTensor(const Weight &weight, const WeightSource &source,
                     const Match &match);
  /// The tensor of that name, with the right shape; null if it is missing.
  const FileTensor *take(const WeightSource &source, const std::string &name);
  void matchTensor(const Weight &weight, const WeightSource &source,
                   const std::string &name);
  void matchPart(const Weight &weight, CodePart &part);
  void checkQuantization();
  void checkRoleDType(Weight &weight);
  void checkUnexpected();
  bool isRedundant(std::string_view name, const FileTensor &tensor) const;
  /// Keeps the first failure.
  template <typename... Parts>
  void fail(moe_status status, const Parts &...parts) {
    if (failure.message.empty())
      failure = {cat("checkpoint: ", parts...), status};
  }

  const ModelConfig &config;
  const TensorListing &listing;
  WeightMap map;
  std::set<std::string, std::less<>> used;
  std::vector<std::string> missing;
  /// Type and first tensor of the weight at hand, and of each role.
  std::optional<DType> dtypeOfParts;
  struct FirstOfRole {
    DType dtype;
    bool isStored; ///< as codes
    std::string name;
  };
  std::map<Role, FirstOfRole> roles;
  ImportError failure;
};

const FileTensor *CheckpointMatcher::take(const WeightSource &source,
                                          const std::string &name) {
  auto entry = listing.find(name);
  if (entry == listing.end()) {
    missing.push_back(name);
    return nullptr;
  }
  used.insert(name);
  const FileTensor &tensor = entry->second;
  if (tensor.shape != source.fileShape)
    fail(MOE_INVALID_DATA, "tensor ", inQuotes(name), " has the shape ",
         shapeText(tensor.shape), ", expected ", shapeText(source.fileShape),
         " by the configuration; use the config.json that belongs to this "
         "checkpoint [moe-weights-shape]");
  return &tensor;
}

void CheckpointMatcher::matchTensor(const Weight &weight,
                                    const WeightSource &source,
                                    const std::string &name) {
  const FileTensor *found = take(source, name);
  if (!found)
    return;
  const FileTensor &tensor = *found;
  std::optional<DType> dtype = dtypeOfFile(tensor.dtype);
  if (!dtype)
    return fail(MOE_UNSUPPORTED, "tensor ", inQuotes(name), " has the type ",
                inQuotes(tensor.dtype),
                ", expected F32, BF16 or F16; convert the checkpoint "
                "[moe-weights-dtype]");
  if (dtypeOfParts && *dtypeOfParts != *dtype)
    fail(MOE_UNSUPPORTED, "tensor ", inQuotes(name), " is ", dtypeName(*dtype),
         " but other parts of ", inQuotes(weight.name), " are ",
         dtypeName(*dtypeOfParts),
         ", expected one type for all; convert the checkpoint "
         "[moe-weights-mixed-dtype]");
  dtypeOfParts = dtype;
}

void CheckpointMatcher::checkRoleDType(Weight &weight) {
  if (!dtypeOfParts)
    return;
  weight.dtype = *dtypeOfParts;
  bool isStored = weight.stored.has_value();
  const FirstOfRole &first =
      roles
          .try_emplace(weight.role,
                       FirstOfRole{weight.dtype, isStored, weight.name})
          .first->second;
  auto describe = [](DType dtype, bool isStored) {
    return cat(isStored ? "codes with scales of " : "", dtypeName(dtype));
  };
  if (first.dtype != weight.dtype || first.isStored != isStored)
    fail(MOE_UNSUPPORTED, inQuotes(weight.name), " is ",
         describe(weight.dtype, isStored), " but ", inQuotes(first.name),
         " is ", describe(first.dtype, first.isStored),
         ", expected one type in all layers; convert the checkpoint "
         "[moe-weights-mixed-dtype]");
}

template <typename Match>
void CheckpointMatcher::forEachTensor(const Weight &weight,
                                      const WeightSource &source,
                                      const Match &match) {
  int64_t count = source.perExpert ? weight.numExperts() : 1;
  for (int64_t e = 0; e != count && missing.size() < kMaxMissing; ++e)
    match(expertTensorName(source, e));
}

void CheckpointMatcher::matchFloats(Weight &weight) {
  for (const WeightSource &source : weight.sources)
    forEachTensor(weight, source, [&](const std::string &name) {
      matchTensor(weight, source, name);
    });
}

/// Scales that are floats may be any; their type becomes that of the part.
void CheckpointMatcher::matchPart(const Weight &weight, CodePart &part) {
  bool isFloat = std::any_of(
      std::begin(kImportedDTypes), std::end(kImportedDTypes),
      [&](DType dtype) { return static_cast<int32_t>(dtype) == part.dtype; });
  if (isFloat) {
    forEachTensor(weight, part.source, [&](const std::string &name) {
      matchTensor(weight, part.source, name);
    });
    if (dtypeOfParts)
      part.dtype = static_cast<int32_t>(*dtypeOfParts);
    return;
  }
  const char *expected = moe_dtype_file_name(part.dtype);
  forEachTensor(weight, part.source, [&](const std::string &name) {
    const FileTensor *tensor = take(part.source, name);
    if (tensor && tensor->dtype != expected)
      fail(MOE_INVALID_DATA, "tensor ", inQuotes(name), " has the type ",
           inQuotes(tensor->dtype), ", expected ", expected,
           " by 'quantization_config'; use the config.json that belongs to "
           "this checkpoint [moe-weights-dtype]");
  });
}

void CheckpointMatcher::matchCodes(Weight &weight, StoredCodes stored) {
  matchPart(weight, stored.codes);
  matchPart(weight, stored.scales);
  for (std::optional<CodePart> *part : {&stored.zeros, &stored.groups})
    if (*part)
      matchPart(weight, **part);
  // Scales that are exponents become bf16.
  if (!dtypeOfParts)
    dtypeOfParts = DType::BF16;
  weight.stored = std::move(stored);
  weight.sources.clear();
}

void CheckpointMatcher::matchWeight(Weight &weight) {
  dtypeOfParts.reset();
  std::optional<StoredCodes> stored;
  if (config.quantization)
    stored = storedCodes(*config.quantization, weight);
  // Which matrices have codes is known by those that have scales.
  if (stored && listing.count(expertTensorName(stored->scales.source, 0)))
    matchCodes(weight, std::move(*stored));
  else
    matchFloats(weight);
  checkRoleDType(weight);
}

void CheckpointMatcher::checkQuantization() {
  map.quantization = config.quantization;
  bool hasCodes = std::any_of(
      map.weights.begin(), map.weights.end(),
      [](const Weight &weight) { return weight.stored.has_value(); });
  if (config.quantization && !hasCodes)
    fail(MOE_INVALID_DATA,
         "no matrix is quantized, expected tensors as 'quantization_config' "
         "says; use the config.json that belongs to this checkpoint "
         "[moe-weights-quantized]");
}

bool CheckpointMatcher::isRedundant(std::string_view name,
                                    const FileTensor &tensor) const {
  // A tied checkpoint may carry the output matrix once more.
  if (config.tieWordEmbeddings && name == "lm_head.weight")
    return tensor.shape ==
           std::vector<int64_t>{config.vocabSize, config.hiddenSize};
  if (config.quantization)
    for (std::string_view suffix :
         redundantSuffixes(config.quantization->format))
      if (endsWith(name, suffix))
        return true;
  Table<const char *> suffixes = ignoredTensorSuffixes();
  return std::any_of(suffixes.begin(), suffixes.end(), [&](const char *suffix) {
    return endsWith(name, suffix);
  });
}

void CheckpointMatcher::checkUnexpected() {
  std::vector<std::string> unexpected;
  for (const auto &[name, tensor] : listing)
    if (!used.count(name) && !isRedundant(name, tensor))
      unexpected.push_back(name);
  if (!unexpected.empty())
    fail(MOE_INVALID_DATA, "unexpected tensors ", nameList(unexpected),
         "; a model of type ", inQuotes(config.modelType),
         " with this configuration does not have them, so use the config.json "
         "that belongs to this checkpoint [moe-weights-unexpected]");
}

ImportResult<WeightMap> CheckpointMatcher::match() {
  for (Weight &weight : map.weights)
    matchWeight(weight);
  if (!missing.empty())
    return ImportError{
        cat("checkpoint: missing tensors ", nameList(missing),
            missing.size() == kMaxMissing ? " or more" : "", "; model type ",
            inQuotes(config.modelType), " in the layout ", inQuotes(map.layout),
            " needs them, so complete the checkpoint (are all shards there?) "
            "or "
            "use the config.json that belongs to it [moe-weights-missing]"),
        MOE_NOT_FOUND};
  checkQuantization();
  checkUnexpected();
  if (!failure.message.empty())
    return failure;
  return std::move(map);
}

/// How many different tensors of the first layers' banks are in a checkpoint.
bool holdsExperts(const ModelConfig &config, const WeightMap &map,
                  const TensorListing &listing) {
  for (const Weight &weight : map.weights) {
    if (weight.kind != WeightKind::Bank)
      continue;
    std::optional<StoredCodes> stored;
    if (config.quantization)
      stored = storedCodes(*config.quantization, weight);
    if (listing.count(expertTensorName(weight.sources.front(), 0)) ||
        (stored && listing.count(expertTensorName(stored->codes.source, 0))))
      return true;
  }
  return false;
}

ImportError unknownLayout(const std::vector<WeightMap> &candidates) {
  std::vector<std::string> names;
  for (const WeightMap &map : candidates)
    for (const Weight &weight : map.weights)
      if (weight.role == Role::ExpertGate) {
        names.push_back(expertTensorName(weight.sources.front(), 0));
        break;
      }
  return ImportError{cat("checkpoint: no expert tensors in a known layout, "
                         "expected a tensor such as ",
                         nameList(names),
                         "; convert the checkpoint to one of these layouts "
                         "[moe-weights-layout]"),
                     MOE_UNSUPPORTED};
}

bool hasExperts(const ModelConfig &config) {
  return std::any_of(config.layers.begin(), config.layers.end(),
                     [](const LayerConfig &layer) { return layer.isMoE(); });
}

ImportResult<const Family *> familyOf(const ModelConfig &config) {
  const Family *family = findFamily(config.modelType);
  if (family && !config.layers.empty())
    return family;
  return ImportError{cat("model type ", inQuotes(config.modelType), " with ",
                         config.layers.size(),
                         " layers, expected a supported type and at least one "
                         "layer; build the description with parseModelConfig "
                         "[moe-weights-role]"),
                     MOE_INVALID_ARGUMENT};
}

} // namespace

//===----------------------------------------------------------------------===//
// Public functions
//===----------------------------------------------------------------------===//

const WeightSpec &mlir::moe::hf::weightSpec(Role role) {
  return *std::find_if(
      std::begin(Specs), std::end(Specs),
      [&](const WeightSpec &spec) { return spec.role == role; });
}

const Weight *WeightMap::find(std::string_view name) const {
  for (const Weight &weight : weights)
    if (weight.name == name)
      return &weight;
  return nullptr;
}

int64_t mlir::moe::hf::numElements(const Weight &weight) {
  return checkedProduct(weight.shape).value_or(0);
}

std::optional<int64_t> mlir::moe::hf::numBytes(const Weight &weight) {
  if (!weight.stored)
    return checkedMul(numElements(weight), dtypeBytes(weight.dtype));
  std::optional<int64_t> bytes = 0;
  for (const CodePart *part : partsOf(*weight.stored)) {
    std::optional<int64_t> count = checkedProduct(part->shape);
    for (int64_t factor :
         {part->source.perExpert ? weight.numExperts() : int64_t{1},
          static_cast<int64_t>(moe_dtype_size(part->dtype))})
      count = count ? checkedMul(*count, factor) : std::nullopt;
    bytes = bytes && count ? checkedAdd(*bytes, *count) : std::nullopt;
  }
  return bytes;
}

std::string mlir::moe::hf::expertTensorName(const WeightSource &source,
                                            int64_t expert) {
  return source.perExpert ? withIndex(source.tensor, "{e}", expert)
                          : source.tensor;
}

std::string mlir::moe::hf::adoptStoredHead(ModelConfig &config,
                                           const TensorListing &checkpoint) {
  constexpr std::string_view kHead = "lm_head.weight";
  auto found = checkpoint.find(kHead);
  if (!config.tieWordEmbeddings || found == checkpoint.end() ||
      found->second.shape !=
          std::vector<int64_t>{config.vocabSize, config.hiddenSize})
    return "";
  config.tieWordEmbeddings = false;
  return "the configuration ties the output matrix to the embedding, but the "
         "checkpoint stores 'lm_head.weight', which is used";
}

ImportResult<WeightMap>
mlir::moe::hf::buildWeightMap(const ModelConfig &config) {
  ImportResult<const Family *> family = familyOf(config);
  if (!family)
    return family.error();
  if (config.quantization)
    return ImportError{
        "the weights of a quantized model are described by its checkpoint "
        "alone, expected one; give a directory with .safetensors files, or "
        "remove 'quantization_config' [moe-weights-quantized]",
        MOE_UNSUPPORTED};
  return WeightLister(config, **family, *(*family)->layouts.begin()).list();
}

ImportResult<WeightMap>
mlir::moe::hf::buildWeightMap(const ModelConfig &config,
                              const TensorListing &checkpoint) {
  ImportResult<const Family *> family = familyOf(config);
  if (!family)
    return family.error();
  std::vector<WeightMap> candidates;
  for (const Layout &layout : (*family)->layouts) {
    ImportResult<WeightMap> map = WeightLister(config, **family, layout).list();
    if (!map)
      return map.error();
    if (!hasExperts(config) || holdsExperts(config, *map, checkpoint))
      return CheckpointMatcher(config, checkpoint, std::move(*map)).match();
    candidates.push_back(std::move(*map));
  }
  return unknownLayout(candidates);
}
