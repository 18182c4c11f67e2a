//===- ModelConfig.cpp - What a config.json says --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/ModelConfig.h"

#include "CheckedMath.h"
#include "Families.h"
#include "Json.h"
#include "Quantization.h"
#include "Text.h"

#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <set>
#include <sys/stat.h>

using namespace mlir::moe::hf;
using nlohmann::json;

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

/// As config.json says it: the name of a type in PyTorch.
static const char *configName(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "float32";
  case DType::BF16:
    return "bfloat16";
  case DType::F16:
    return "float16";
  }
  return "";
}

int64_t mlir::moe::hf::dtypeBytes(DType dtype) {
  return static_cast<int64_t>(moe_dtype_size(static_cast<int32_t>(dtype)));
}

const char *mlir::moe::hf::dtypeName(DType dtype) {
  return moe_dtype_name(static_cast<int32_t>(dtype));
}

//===----------------------------------------------------------------------===//
// Reading normalised keys
//===----------------------------------------------------------------------===//

namespace {

/// Integers in [min, max].
struct IntegerRange {
  int64_t min;
  int64_t max;
};

/// Reads the normalised keys of one file. The first violation is kept; from
/// then on values are placeholders and the result must be thrown away.
class ConfigReader {
public:
  ConfigReader(const json &root, const Family &family, std::string_view origin)
      : root(root), family(family), origin(origin) {}

  ImportResult<ModelConfig> read();

private:
  // One value.
  json value(Key key);
  std::string_view nameOf(Key key) const;
  int64_t integer(Key key, IntegerRange range,
                  std::optional<int64_t> ifNull = std::nullopt);
  double positiveNumber(Key key, double max);
  bool flag(Key key);
  std::string text(Key key);
  std::vector<int64_t> integerList(Key key, const json &list,
                                   IntegerRange range, int64_t maxCount);
  int64_t checkedInteger(std::string_view name, const json &value,
                         IntegerRange range);
  double checkedPositive(std::string_view name, const json &value, double max);

  // Groups of values.
  void checkArchitecture();
  void readQuantization();
  void checkPinnedKeys();
  void checkPinned(const PinnedKey &pinned, const json &found);
  void readModel();
  void readTokens();
  void readHeads();
  void readRope();
  void readRopeObject(const std::string &name, const json &object);
  void readYarn(const std::string &name, const json &object);
  void checkWholeRotary(const std::string &name, const json &factor);
  void offerRopeTheta(const std::string &name, const json &theta);
  void readFactors();
  void readRouter();
  void readLayers();
  LayerConfig readExperts();
  int64_t readSharedWidth(int64_t expertWidth);
  std::vector<std::optional<int64_t>> readWindows(int64_t numLayers);
  std::vector<std::optional<int64_t>>
  windowsByType(const json &types, std::optional<int64_t> window,
                int64_t numLayers);
  void listUnknownKeys();

  bool isFixed(Key key) const { return !keyRule(family, key).names[0]; }
  bool failed() const { return !failure.message.empty(); }
  /// Keeps the first failure: "ORIGIN: what; remedy [tag]".
  template <typename... Parts>
  void keep(moe_status status, const Parts &...parts) {
    if (!failed())
      failure = {cat(origin, ": ", parts...), status};
  }
  /// The file contradicts itself, or lacks something.
  template <typename... Parts> void fail(const Parts &...parts) {
    keep(MOE_INVALID_DATA, parts...);
  }
  /// The file may be right, but means what the compiler cannot do.
  template <typename... Parts> void failUnsupported(const Parts &...parts) {
    keep(MOE_UNSUPPORTED, parts...);
  }
  void failType(std::string_view name, const json &found,
                std::string_view expected) {
    fail(inQuotes(name), " is ", valueText(found), ", expected ", expected,
         "; correct the value [moe-config-wrong-type]");
  }

  const json &root;
  const Family &family;
  std::string_view origin;
  ModelConfig config;
  std::optional<double> ropeTheta;
  std::string ropeThetaName;
  json ropeType; ///< of the first object that has one
  ImportError failure;
};

} // namespace

/// Of an object with the rope type "yarn".
static bool isYarnKey(std::string_view key) {
  constexpr std::string_view keys[] = {
      "factor",    "original_max_position_embeddings",
      "truncate",  "attention_factor",
      "mscale",    "mscale_all_dim",
      "beta_slow", "beta_fast"};
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

std::string_view ConfigReader::nameOf(Key key) const {
  const KeyRule &rule = keyRule(family, key);
  for (const char *const *name = rule.names; *name; ++name)
    if (root.contains(*name))
      return *name;
  return rule.names[0] ? rule.names[0] : "";
}

json ConfigReader::value(Key key) {
  const KeyRule &rule = keyRule(family, key);
  const json *found = nullptr;
  for (const char *const *name = rule.names; *name; ++name) {
    auto entry = root.find(*name);
    if (entry == root.end())
      continue;
    if (found && *found != *entry)
      fail(inQuotes(nameOf(key)), " is ", valueText(*found), " but ",
           inQuotes(*name), ", another name of the same value, is ",
           valueText(*entry), "; remove the wrong one [moe-config-conflict]");
    found = &*entry;
  }
  if (found)
    return *found;
  if (rule.absent)
    return json::parse(rule.absent);
  fail("key ", inQuotes(rule.names[0]), " is missing; model type ",
       inQuotes(family.modelType),
       " has no value that could be assumed, so add it "
       "[moe-config-missing-key]");
  return nullptr;
}

int64_t ConfigReader::checkedInteger(std::string_view name, const json &value,
                                     IntegerRange range) {
  if (!value.is_number_integer()) {
    failType(name, value, "an integer");
    return range.min;
  }
  // Unsigned values are kept as such by the parser; beyond 63 bits they turn
  // negative here and are outside of every range.
  int64_t number = value.get<int64_t>();
  bool wraps = value.is_number_unsigned() && number < 0;
  if (!wraps && number >= range.min && number <= range.max)
    return number;
  fail(inQuotes(name), " is ", valueText(value), ", expected an integer from ",
       range.min, " to ", range.max,
       "; correct the value [moe-config-out-of-range]");
  return range.min;
}

int64_t ConfigReader::integer(Key key, IntegerRange range,
                              std::optional<int64_t> ifNull) {
  json found = value(key);
  if (failed())
    return range.min;
  if (found.is_null() && ifNull)
    return *ifNull;
  return checkedInteger(nameOf(key), found, range);
}

double ConfigReader::checkedPositive(std::string_view name, const json &value,
                                     double max) {
  if (!value.is_number()) {
    failType(name, value, "a number");
    return 1;
  }
  double number = value.get<double>();
  if (std::isfinite(number) && number > 0 && number <= max)
    return number;
  fail(inQuotes(name), " is ", valueText(value),
       ", expected a number above 0 and at most ", max,
       "; correct the value [moe-config-out-of-range]");
  return 1;
}

double ConfigReader::positiveNumber(Key key, double max) {
  json found = value(key);
  return failed() ? 1 : checkedPositive(nameOf(key), found, max);
}

bool ConfigReader::flag(Key key) {
  json found = value(key);
  if (found.is_boolean())
    return found.get<bool>();
  failType(nameOf(key), found, "true or false");
  return false;
}

std::string ConfigReader::text(Key key) {
  json found = value(key);
  if (found.is_string())
    return found.get<std::string>();
  failType(nameOf(key), found, "a string");
  return "";
}

std::vector<int64_t> ConfigReader::integerList(Key key, const json &list,
                                               IntegerRange range,
                                               int64_t maxCount) {
  std::vector<int64_t> result;
  if (!list.is_array()) {
    failType(nameOf(key), list, "a list of integers");
    return result;
  }
  if (list.size() > static_cast<size_t>(maxCount)) {
    fail(inQuotes(nameOf(key)), " has ", list.size(),
         " entries, expected at most ", maxCount,
         "; correct the list [moe-config-list]");
    return result;
  }
  for (const json &element : list)
    result.push_back(checkedInteger(nameOf(key), element, range));
  return result;
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

void ConfigReader::checkArchitecture() {
  json classes = value(Key::Architectures);
  if (classes.is_null())
    return;
  if (!classes.is_array())
    return failType(nameOf(Key::Architectures), classes, "a list of strings");
  for (const json &name : classes)
    if (name == family.architecture)
      return;
  failUnsupported(
      "'architectures' is ", valueText(classes), ", expected ",
      inQuotes(family.architecture), " for model type ",
      inQuotes(family.modelType),
      "; import a checkpoint of that class [moe-config-architecture]");
}

void ConfigReader::checkPinnedKeys() {
  std::set<std::string_view> readNames;
  for (int key = 0; key != NumKeys; ++key)
    for (const char *const *name = keyRule(family, static_cast<Key>(key)).names;
         *name; ++name)
      readNames.insert(*name);
  for (const PinnedKey &pinned : pinnedKeys()) {
    auto found = root.find(pinned.name);
    if (found != root.end() && !readNames.count(pinned.name))
      checkPinned(pinned, *found);
  }
}

void ConfigReader::checkPinned(const PinnedKey &pinned, const json &found) {
  auto isAccepted = [&](const json &value) {
    for (const char *const *text = pinned.accepted; *text; ++text)
      if (value == json::parse(*text))
        return true;
    return false;
  };
  bool accepted = isAccepted(found);
  if (found.is_array()) {
    accepted = true;
    for (const json &element : found)
      accepted &= isAccepted(element);
  }
  if (!accepted)
    failUnsupported(
        inQuotes(pinned.name), " is ", valueText(found),
        ", which changes the model in a way that is not supported, expected ",
        pinned.accepted[0],
        "; import a model without this feature [moe-config-unsupported]");
}

//===----------------------------------------------------------------------===//
// Groups of values
//===----------------------------------------------------------------------===//

void ConfigReader::readModel() {
  config.modelType = family.modelType;
  config.vocabSize = integer(Key::VocabSize, {1, kMaxVocabSize});
  config.hiddenSize = integer(Key::HiddenSize, {1, kMaxWidth});
  config.maxPositions = integer(Key::MaxPositions, {1, kMaxPositions});
  config.tieWordEmbeddings = flag(Key::TieEmbeddings);
  config.rmsNormEps = positiveNumber(Key::RmsNormEps, /*max=*/1);

  std::string activation = text(Key::Activation);
  if (activation != "silu" && activation != "swish")
    failUnsupported(
        inQuotes(nameOf(Key::Activation)), " is ", inQuotes(activation),
        ", expected 'silu'; other activations are not supported, so import "
        "another model [moe-config-activation]");

  std::string name = text(Key::DTypeName);
  for (DType dtype : kImportedDTypes) {
    if (name != configName(dtype))
      continue;
    config.dtype = dtype;
    return;
  }
  failUnsupported(
      inQuotes(nameOf(Key::DTypeName)), " is ", inQuotes(name),
      ", expected 'float32', 'bfloat16' or 'float16'; convert the checkpoint "
      "to one of them [moe-config-dtype]");
}

void ConfigReader::readQuantization() {
  auto found = root.find("quantization_config");
  if (found == root.end() || found->is_null())
    return;
  ImportResult<QuantizationConfig> read =
      parseQuantization(*found, origin, config.unknownKeys);
  if (read)
    config.quantization = *read;
  else if (!failed())
    failure = read.error();
}

void ConfigReader::readTokens() {
  auto read = [&](Key key) -> std::vector<int64_t> {
    json found = value(key);
    if (found.is_null())
      return {};
    if (!found.is_array())
      found = json::array({std::move(found)});
    return integerList(key, found, {0, config.vocabSize - 1}, kMaxTokenIds);
  };
  config.bosTokenIds = read(Key::BosTokens);
  config.eosTokenIds = read(Key::EosTokens);
}

void ConfigReader::readHeads() {
  config.numHeads = integer(Key::NumHeads, {1, kMaxHeads});
  config.numKvHeads =
      integer(Key::NumKvHeads, {1, kMaxHeads}, /*ifNull=*/config.numHeads);
  config.headDim = integer(Key::HeadDim, {2, kMaxHeadDim}, /*ifNull=*/0);
  config.qkvBias = flag(Key::QkvBias);
  config.outputBias = flag(Key::OutputBias);
  config.qkNorm = family.qkNorm;
  config.attentionSinks = family.attentionSinks;
  if (failed())
    return;

  if (config.headDim == 0 && config.hiddenSize % config.numHeads == 0)
    config.headDim = config.hiddenSize / config.numHeads;
  if (config.headDim == 0)
    return fail("'hidden_size' ", config.hiddenSize,
                " is not a multiple of 'num_attention_heads' ", config.numHeads,
                ", expected a multiple or a key 'head_dim'; correct one of "
                "them [moe-config-heads]");
  if (config.numHeads % config.numKvHeads != 0)
    return fail("'num_attention_heads' ", config.numHeads,
                " is not a multiple of 'num_key_value_heads' ",
                config.numKvHeads,
                ", expected equally large groups of heads; correct one of them "
                "[moe-config-heads]");
  if (config.headDim % 2 != 0)
    return fail("the size of a head is ", config.headDim,
                ", expected an even number because rotary embedding turns "
                "pairs; correct 'head_dim' [moe-config-heads]");
  if (config.queryWidth() > kMaxWidth)
    fail("'num_attention_heads' ", config.numHeads, " times the head size ",
         config.headDim, " is more than ", kMaxWidth,
         "; correct one of them [moe-config-out-of-range]");
}

void ConfigReader::readRope() {
  checkWholeRotary(std::string(nameOf(Key::PartialRotary)),
                   value(Key::PartialRotary));
  json theta = value(Key::RopeTheta);
  if (!theta.is_null())
    offerRopeTheta("rope_theta", theta);
  for (Key key : {Key::RopeParameters, Key::RopeScaling})
    readRopeObject(std::string(nameOf(key)), value(key));
  if (!ropeTheta)
    fail("neither 'rope_theta' nor 'rope_parameters.rope_theta' is given; "
         "model type ",
         inQuotes(family.modelType),
         " has no value that could be assumed, so add one "
         "[moe-config-missing-key]");
  config.ropeTheta = ropeTheta.value_or(1);
  if (config.yarn && ropeTheta && config.ropeTheta <= 1)
    fail(inQuotes(ropeThetaName), " is ", config.ropeTheta,
         ", expected more than 1 for the rope type \"yarn\", which divides by "
         "its logarithm; correct the value [moe-config-out-of-range]");
}

void ConfigReader::readRopeObject(const std::string &name, const json &object) {
  if (object.is_null() || failed())
    return;
  if (!object.is_object())
    return failType(name, object, "an object");
  json type;
  std::vector<std::string> others;
  for (const auto &[key, found] : object.items()) {
    std::string fullName = name + "." + key;
    if (key == "rope_type" || key == "type") {
      if (!type.is_null() && type != found)
        fail(inQuotes(fullName), " is ", valueText(found),
             " but its other name "
             "says ",
             valueText(type), "; remove the wrong one [moe-config-conflict]");
      type = found;
    } else if (key == "rope_theta") {
      offerRopeTheta(fullName, found);
    } else if (key == "partial_rotary_factor") {
      checkWholeRotary(fullName, found);
    } else {
      others.push_back(key);
    }
  }
  if (!ropeType.is_null() && ropeType != type)
    fail(inQuotes(name), " has the rope type ", valueText(type), " but ",
         inQuotes(nameOf(Key::RopeParameters)), " has ", valueText(ropeType),
         "; remove the wrong one [moe-config-conflict]");
  ropeType = type;
  bool isYarn = type == "yarn";
  for (const std::string &key : others)
    if (!isYarn || !isYarnKey(key))
      config.unknownKeys.push_back(name + "." + key);
  if (isYarn)
    return readYarn(name, object);
  if (type != "default")
    failUnsupported(
        inQuotes(name), " has the rope type ", valueText(type),
        ", expected \"default\" or \"yarn\"; other scaled rotary embeddings "
        "are not supported, so import a model without them [moe-config-rope]");
}

void ConfigReader::readYarn(const std::string &name, const json &object) {
  auto number = [&](const char *key, double ifAbsent) -> double {
    auto found = object.find(key);
    if (found == object.end() || found->is_null())
      return ifAbsent;
    return checkedPositive(name + "." + key, *found, kMaxScalar);
  };
  auto needed = [&](const char *key) -> double {
    if (object.value(key, json()).is_null())
      fail("key ", inQuotes(name + "." + key),
           " is missing, expected it for the rope type \"yarn\"; add it "
           "[moe-config-missing-key]");
    return number(key, 1);
  };
  Yarn yarn;
  yarn.factor = needed("factor");
  yarn.originalPositions = needed("original_max_position_embeddings");
  yarn.betaFast = number("beta_fast", yarn.betaFast);
  yarn.betaSlow = number("beta_slow", yarn.betaSlow);
  json truncate = object.value("truncate", json(true));
  if (!truncate.is_boolean())
    return failType(name + ".truncate", truncate, "true or false");
  yarn.truncate = truncate.get<bool>();
  // How much sharper attention becomes over more positions.
  auto sharpness = [&](double scale) {
    return yarn.factor <= 1 ? 1 : 0.1 * scale * std::log(yarn.factor) + 1;
  };
  bool isRatio = !object.value("mscale", json()).is_null() &&
                 !object.value("mscale_all_dim", json()).is_null();
  yarn.attentionFactor = number(
      "attention_factor", isRatio ? sharpness(number("mscale", 1)) /
                                        sharpness(number("mscale_all_dim", 1))
                                  : sharpness(1));
  config.yarn = yarn;
}

void ConfigReader::checkWholeRotary(const std::string &name,
                                    const json &factor) {
  if (factor.is_null() || factor == 1)
    return;
  failUnsupported(
      inQuotes(name), " is ", valueText(factor),
      ", expected 1; partial rotary embedding is not supported, so import "
      "another model [moe-config-rope]");
}

void ConfigReader::offerRopeTheta(const std::string &name, const json &theta) {
  double number = checkedPositive(name, theta, kMaxScalar);
  if (ropeTheta && *ropeTheta != number)
    fail(inQuotes(name), " is ", valueText(theta), " but ",
         inQuotes(ropeThetaName), " is ", *ropeTheta,
         "; remove the wrong one [moe-config-conflict]");
  ropeTheta = number;
  ropeThetaName = name;
}

void ConfigReader::readFactors() {
  config.embeddingMultiplier =
      positiveNumber(Key::EmbeddingMultiplier, kMaxScalar);
  config.residualMultiplier =
      positiveNumber(Key::ResidualMultiplier, kMaxScalar);
  config.logitsDivisor = positiveNumber(Key::LogitsDivisor, kMaxScalar);
  if (!value(Key::ClipQkv).is_null())
    config.clipQkv = positiveNumber(Key::ClipQkv, kMaxScalar);
  if (isFixed(Key::AttentionMultiplier))
    config.attentionScale = 1 / std::sqrt(static_cast<double>(config.headDim));
  else
    config.attentionScale =
        positiveNumber(Key::AttentionMultiplier, kMaxScalar);
}

void ConfigReader::readRouter() {
  std::string scoring = text(Key::ScoringFunction);
  if (scoring != "softmax")
    failUnsupported(inQuotes(nameOf(Key::ScoringFunction)), " is ",
                    inQuotes(scoring), ", expected 'softmax' for model type ",
                    inQuotes(family.modelType),
                    "; import another model [moe-config-scoring]");
  int64_t topK = integer(Key::TopK, {1, kMaxExperts});
  config.router.bias = family.routerBias;
  config.router.domain = family.scoreDomain;
  config.router.normalizeTopK =
      flag(Key::NormTopK) && topK >= family.normalizeMinTopK;
  if (config.router.normalizeTopK)
    config.router.epsilon = family.normalizeEpsilon;
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

LayerConfig ConfigReader::readExperts() {
  config.expertBiases = family.expertBiases;
  if (!value(Key::GateLimit).is_null())
    config.clampedGate = {positiveNumber(Key::GateSlope, kMaxScalar),
                          positiveNumber(Key::GateLimit, kMaxScalar)};
  LayerConfig layer;
  layer.numExperts = integer(Key::NumExperts, {1, kMaxExperts});
  layer.topK = integer(Key::TopK, {1, kMaxExperts});
  layer.expertWidth = integer(Key::ExpertWidth, {1, kMaxWidth});
  layer.sharedWidth = readSharedWidth(layer.expertWidth);
  layer.sharedGated = layer.sharedWidth != 0 && family.sharedGated;
  if (layer.topK > layer.numExperts)
    fail(inQuotes(nameOf(Key::TopK)), " is ", layer.topK, " but ",
         inQuotes(nameOf(Key::NumExperts)), " is ", layer.numExperts,
         ", expected at most as many experts per token as there are; correct "
         "one of them [moe-config-experts]");
  return layer;
}

int64_t ConfigReader::readSharedWidth(int64_t expertWidth) {
  int64_t width = integer(Key::SharedWidth, {0, kMaxWidth});
  int64_t count =
      integer(Key::SharedCount, {0, kMaxSharedExperts}, /*ifNull=*/0);
  if (width != 0)
    return width;
  std::optional<int64_t> product = checkedMul(count, expertWidth);
  if (product && *product <= kMaxWidth)
    return *product;
  fail(inQuotes(nameOf(Key::SharedCount)), " ", count, " times ",
       inQuotes(nameOf(Key::ExpertWidth)), " ", expertWidth, " is more than ",
       kMaxWidth, "; correct one of them [moe-config-out-of-range]");
  return 0;
}

void ConfigReader::readLayers() {
  int64_t numLayers = integer(Key::NumLayers, {1, kMaxLayers});
  LayerConfig sparse = readExperts();
  LayerConfig dense;
  dense.denseWidth =
      integer(Key::DenseWidth, {isFixed(Key::DenseWidth) ? 0 : 1, kMaxWidth});
  int64_t first = integer(Key::FirstMoELayer, {0, kMaxLayers});
  int64_t period = integer(Key::MoELayerPeriod, {1, kMaxLayers});
  int64_t step = integer(Key::SparseStep, {1, kMaxLayers});
  json denseList = value(Key::DenseLayers);
  if (denseList.is_null())
    denseList = json::array();
  std::vector<int64_t> listed =
      integerList(Key::DenseLayers, denseList, {0, numLayers - 1}, kMaxLayers);
  std::set<int64_t> denseLayers(listed.begin(), listed.end());
  std::vector<std::optional<int64_t>> windows = readWindows(numLayers);
  if (failed())
    return;

  for (int64_t i = 0; i != numLayers; ++i) {
    bool isSparse = i >= first && i % period == 0 && (i + 1) % step == 0 &&
                    !denseLayers.count(i);
    config.layers.push_back(isSparse ? sparse : dense);
    config.layers.back().slidingWindow = windows[i];
  }
}

std::vector<std::optional<int64_t>>
ConfigReader::readWindows(int64_t numLayers) {
  int64_t size = integer(Key::SlidingWindow, {0, kMaxPositions}, /*ifNull=*/0);
  bool used = flag(Key::UseSlidingWindow);
  int64_t maxWindowLayers = integer(Key::MaxWindowLayers, {0, kMaxPositions});
  json types = value(Key::LayerTypes);
  if (failed())
    return {};

  std::optional<int64_t> window;
  if (used && size != 0)
    window = size;
  if (!types.is_null())
    return windowsByType(types, window, numLayers);
  if (window && (family.windowNeedsLayerTypes || maxWindowLayers != 0))
    failUnsupported(
        "'use_sliding_window' is true, but versions of model type ",
        inQuotes(family.modelType),
        " disagree on which layers that means; expected a list 'layer_types' "
        "(where the model type reads it) or 'max_window_layers' 0, so say "
        "which layers are meant [moe-config-sliding-window]");
  return std::vector<std::optional<int64_t>>(numLayers, window);
}

std::vector<std::optional<int64_t>>
ConfigReader::windowsByType(const json &types, std::optional<int64_t> window,
                            int64_t numLayers) {
  std::vector<std::optional<int64_t>> result;
  if (!types.is_array() || types.size() != static_cast<size_t>(numLayers)) {
    fail("'layer_types' is ", valueText(types),
         ", expected a list with one entry for each of the ", numLayers,
         " layers; correct the list [moe-config-list]");
    return result;
  }
  for (const json &type : types) {
    if (type == "full_attention") {
      result.push_back(std::nullopt);
    } else if (type == "sliding_attention" && window) {
      result.push_back(window);
    } else if (type == "sliding_attention") {
      fail("'layer_types' has 'sliding_attention', but there is no sliding "
           "window; expected 'use_sliding_window' true and a positive "
           "'sliding_window', so correct one of them "
           "[moe-config-sliding-window]");
    } else {
      failUnsupported(
          "'layer_types' has the entry ", valueText(type),
          ", expected \"full_attention\" or \"sliding_attention\"; other "
          "kinds are not supported, so import another model "
          "[moe-config-list]");
    }
  }
  return result;
}

//===----------------------------------------------------------------------===//
// The whole file
//===----------------------------------------------------------------------===//

void ConfigReader::listUnknownKeys() {
  std::set<std::string_view> known;
  for (int key = 0; key != NumKeys; ++key)
    for (const char *const *name = keyRule(family, static_cast<Key>(key)).names;
         *name; ++name)
      known.insert(*name);
  for (const PinnedKey &pinned : pinnedKeys())
    known.insert(pinned.name);
  for (const char *name : ignoredKeys())
    known.insert(name);
  known.insert("quantization_config");
  for (const auto &[name, value] : root.items())
    if (!known.count(name))
      config.unknownKeys.push_back(name);
}

ImportResult<ModelConfig> ConfigReader::read() {
  readQuantization();
  checkArchitecture();
  checkPinnedKeys();
  readModel();
  readTokens();
  readHeads();
  readRope();
  readFactors();
  readRouter();
  readLayers();
  listUnknownKeys();
  if (failed())
    return failure;
  return std::move(config);
}

/// "'a', 'b' or 'c'".
static std::string supportedList() {
  std::string result;
  std::vector<std::string> types = supportedModelTypes();
  for (size_t i = 0; i != types.size(); ++i) {
    if (i != 0)
      result += i + 1 == types.size() ? " or " : ", ";
    result += inQuotes(types[i]);
  }
  return result;
}

ImportResult<ModelConfig>
mlir::moe::hf::parseModelConfig(std::string_view text,
                                std::string_view origin) {
  ImportResult<json> root = parseStrictJson(text, origin);
  if (!root)
    return root.error();
  json modelType = root->value("model_type", json());
  const std::string *name = modelType.get_ptr<const std::string *>();
  const Family *family = name ? findFamily(*name) : nullptr;
  if (!family)
    return ImportError{cat(origin, ": 'model_type' is ", valueText(modelType),
                           ", expected ", supportedList(),
                           "; import one of these [moe-config-model-type]"),
                       name ? MOE_UNSUPPORTED : MOE_INVALID_DATA};
  return ConfigReader(*root, *family, origin).read();
}

std::vector<std::string> mlir::moe::hf::supportedModelTypes() {
  std::vector<std::string> result;
  for (const Family &family : families())
    result.push_back(family.modelType);
  return result;
}

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

/// The pair, as a real number, that turns `rotations` times over the original
/// positions.
static double pairOfRotations(const ModelConfig &config, double rotations) {
  const double pi = std::acos(-1.0);
  double turn = config.yarn->originalPositions / (rotations * 2 * pi);
  return config.headDim * std::log(turn) / (2 * std::log(config.ropeTheta));
}

std::vector<double>
mlir::moe::hf::rotaryFrequencies(const ModelConfig &config) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < config.headDim / 2; ++i)
    frequencies.push_back(
        std::pow(config.ropeTheta, -2.0 * i / config.headDim));
  if (!config.yarn)
    return frequencies;
  // Pairs up to `fast` keep their frequency, those from `slow` on are
  // stretched, and between them it changes linearly.
  const Yarn &yarn = *config.yarn;
  double fast = pairOfRotations(config, yarn.betaFast);
  double slow = pairOfRotations(config, yarn.betaSlow);
  if (yarn.truncate) {
    fast = std::floor(fast);
    slow = std::ceil(slow);
  }
  fast = std::max(fast, 0.0);
  slow = std::min(slow, static_cast<double>(config.headDim - 1));
  double width = slow == fast ? 0.001 : slow - fast;
  for (size_t i = 0; i != frequencies.size(); ++i) {
    double stretched = std::clamp((i - fast) / width, 0.0, 1.0);
    frequencies[i] *= stretched / yarn.factor + (1 - stretched);
  }
  return frequencies;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static ImportError unreadable(const std::string &path, const char *reason,
                              moe_status status) {
  return ImportError{cat(path, ": cannot be read (", reason,
                         "); expected a config.json or a directory that holds "
                         "one, so check the path [moe-config-unreadable]"),
                     status};
}

/// The system said why, in errno.
static ImportError unreadable(const std::string &path) {
  bool isAbsent = errno == ENOENT || errno == ENOTDIR;
  return unreadable(path, std::strerror(errno),
                    isAbsent ? MOE_NOT_FOUND : MOE_IO_ERROR);
}

static ImportResult<std::string> readFile(const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return unreadable(path);
  // One byte more than is allowed, so that the parser sees the excess.
  std::string text(static_cast<size_t>(kMaxConfigBytes) + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  bool failed = std::ferror(file);
  std::fclose(file);
  if (failed)
    return unreadable(path, "input/output error", MOE_IO_ERROR);
  return text;
}

static ImportResult<std::string> readRegularFile(const std::string &path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0)
    return unreadable(path);
  if (!S_ISREG(status.st_mode))
    return unreadable(path, "not a regular file", MOE_INVALID_ARGUMENT);
  return readFile(path);
}

ImportResult<ModelConfig>
mlir::moe::hf::loadModelConfig(const std::string &path) {
  struct stat status;
  std::string file = path;
  if (stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    file += "/config.json";
  ImportResult<std::string> text = readRegularFile(file);
  if (!text)
    return text.error();
  return parseModelConfig(*text, file);
}

//===----------------------------------------------------------------------===//
// generation_config.json
//===----------------------------------------------------------------------===//

ImportResult<std::optional<std::vector<int64_t>>>
mlir::moe::hf::parseEndOfText(std::string_view text, std::string_view origin,
                              int64_t vocabSize) {
  ImportResult<json> root = parseStrictJson(text, origin);
  if (!root)
    return root.error();
  json found = root->value("eos_token_id", json());
  if (found.is_null())
    return std::optional<std::vector<int64_t>>();
  json list = found.is_array() ? found : json::array({found});
  bool isValid = list.size() <= static_cast<size_t>(kMaxTokenIds);
  std::vector<int64_t> ids;
  for (const json &id : list) {
    isValid = isValid && id.is_number_integer() && id >= 0 && id < vocabSize;
    if (isValid)
      ids.push_back(id.get<int64_t>());
  }
  if (!isValid)
    return ImportError{cat(origin, ": 'eos_token_id' is ", valueText(found),
                           ", expected an id or a list of at most ",
                           kMaxTokenIds, " ids from 0 to ", vocabSize - 1,
                           "; correct it [moe-config-generation-eos]")};
  return std::make_optional(std::move(ids));
}

ImportResult<std::vector<int64_t>>
mlir::moe::hf::loadEndOfText(const std::string &directory,
                             const ModelConfig &config) {
  std::string path = directory + "/generation_config.json";
  ImportResult<std::string> text = readRegularFile(path);
  if (!text && text.error().status == MOE_NOT_FOUND)
    return config.eosTokenIds;
  if (!text)
    return text.error();
  auto ids = parseEndOfText(*text, path, config.vocabSize);
  if (!ids)
    return ids.error();
  return ids->value_or(config.eosTokenIds);
}
