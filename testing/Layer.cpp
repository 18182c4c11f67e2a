//===- Layer.cpp - Layers with any routing policy
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Layer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <limits>

using namespace moe;
using namespace moe::test;

//===----------------------------------------------------------------------===//
// Tensor
//===----------------------------------------------------------------------===//

static int64_t product(const std::vector<int64_t> &shape) {
  int64_t result = 1;
  for (int64_t size : shape)
    result *= size;
  return result;
}

Tensor::Tensor(int32_t dtype, std::vector<int64_t> shape)
    : dtype(dtype), shape(std::move(shape)),
      numBytes(product(this->shape) * moe_dtype_size(dtype)),
      bytes(numBytes + 2 * kRedZone, kPattern) {}

moe_tensor Tensor::abi() const {
  moe_tensor tensor = {};
  tensor.data = const_cast<Tensor *>(this)->data();
  tensor.dtype = dtype;
  tensor.rank = shape.size();
  std::copy(shape.begin(), shape.end(), tensor.shape);
  return tensor;
}

int64_t Tensor::size() const { return product(shape); }

bool Tensor::isIntact() const {
  for (size_t i = 0; i < kRedZone; ++i)
    if (bytes[i] != kPattern || bytes[kRedZone + numBytes + i] != kPattern)
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// LayerSpec
//===----------------------------------------------------------------------===//

static const char *const scores[] = {"softmax", "sigmoid", "sqrt_softplus",
                                     "identity"};
static const char *const domains[] = {"all", "selected", "threshold"};
static const char *const keys[] = {"score", "logit"};
static const char *const selections[] = {"topk", "sequential", "table"};
static const char *const logitNorms[] = {"none", "zscore", "softcap", "scale"};
static const char *const groupScores[] = {"max", "sum_top"};
static const char *const groupFills[] = {"neg_inf", "zero"};
static const char *const epsModes[] = {"none", "add", "clamp"};
static const char *const priorities[] = {"positional", "batch"};
static const char *const overflows[] = {"none", "zero", "residual"};
static const char *const bases[] = {"fixed", "tokens_per_expert",
                                    "slots_per_expert", "tokens"};
static const char *const roundings[] = {"ceil", "floor", "nearest_even"};

/// A number with all its digits, as MLIR wants it.
static std::string number(double value) {
  char text[40];
  snprintf(text, sizeof(text), "%.17e", value);
  return text;
}

static std::string normalizeText(const moe_normalize_attrs &attrs) {
  std::string text = "#moe.normalize<p = " + number(attrs.p);
  if (attrs.eps_mode != MOE_EPS_NONE)
    text += std::string(", eps_mode = ") + epsModes[attrs.eps_mode] +
            ", eps = " + number(attrs.eps);
  return text + ">";
}

static std::string routerAttrs(const LayerSpec &spec) {
  const moe_router_attrs &r = spec.router;
  std::string text =
      "{top_k = " + std::to_string(spec.topK) + " : i64, score = #moe.score<" +
      scores[r.score] + ">, domain = #moe.domain<" + domains[r.score_domain] +
      ">, key = #moe.key<" + keys[r.key] + ">, selection = #moe.selection<" +
      selections[r.selection] + ">";
  if (r.logit_norm != MOE_LOGIT_NONE)
    text += std::string(", logit_norm = #moe.logit_norm<") +
            logitNorms[r.logit_norm] + ", " + number(r.logit_norm_value) + ">";
  if (r.num_groups)
    text += ", group_limit = #moe.group_limit<groups = " +
            std::to_string(r.num_groups) +
            ", keep = " + std::to_string(r.groups_kept) +
            ", score = " + groupScores[r.group_score] +
            ", top = " + std::to_string(r.group_top) +
            ", fill = " + groupFills[r.group_fill] + ">";
  if (r.score_domain == MOE_DOMAIN_THRESHOLD)
    text += ", threshold = " + number(r.threshold) + " : f64";
  if (r.normalize.mode != MOE_NORMALIZE_NONE)
    text += ", normalize = " + normalizeText(r.normalize);
  if (r.scale != 1)
    text += ", scale = " + number(r.scale) + " : f64";
  return text + "}";
}

static std::string planAttrs(const LayerSpec &spec) {
  std::string text =
      std::string("{priority = #moe.priority<") + priorities[spec.priority] +
      ">, overflow = #moe.overflow<" + overflows[spec.overflow] + ">";
  if (spec.hasCapacity)
    text += std::string(", capacity_rule = #moe.capacity<basis = ") +
            bases[spec.capacity.basis] +
            ", factor = " + number(spec.capacity.factor) +
            ", rounding = " + roundings[spec.capacity.rounding] +
            ", multiple_of = " + std::to_string(spec.capacity.multiple_of) +
            ", at_least = " + std::to_string(spec.capacity.at_least) + ">";
  if (spec.renormalize.mode != MOE_NORMALIZE_NONE)
    text += ", renormalize = " + normalizeText(spec.renormalize);
  return text + "}";
}

namespace {
/// The pieces of an op that has optional operands.
struct Operands {
  std::string values, types;
  void add(const std::string &value, const std::string &type) {
    values += value;
    types += (types.empty() ? "" : ", ") + type;
  }
};
} // namespace

const char *const test::layerAliases =
    "#nt = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, "
    "affine_map<(m, n, k) -> (m, n)>]\n"
    "#id = affine_map<(a, b) -> (a, b)>\n";

const char *const test::layerConstants = "  %c0 = arith.constant 0 : index\n"
                                         "  %zero = arith.constant 0.0 : f32\n"
                                         "  %one = arith.constant 1.0 : f32\n";

LayerTypes::LayerTypes(const LayerSpec &spec) {
  std::string E = std::to_string(spec.experts),
              E1 = std::to_string(spec.experts + 1),
              C = std::to_string(spec.computed()),
              K = std::to_string(spec.topK), H = std::to_string(spec.hidden),
              F = std::to_string(spec.width);
  std::string element = moe_dtype_name(spec.dtype);
  tokens = "tensor<?x" + H + "xf32>";
  logits = "tensor<?x" + E + "xf32>";
  slotsF = "tensor<?x" + K + "xf32>";
  slotsI = "tensor<?x" + K + "xi32>";
  perExpert = "tensor<" + E + "xf32>";
  counts = "tensor<" + E + "xi32>";
  offsets = "tensor<" + E1 + "xi32>";
  wide = "tensor<?x" + F + "xf32>";
  inner = "tensor<" + F + "x" + H + "x" + element + ">";
  outer = "tensor<" + H + "x" + F + "x" + element + ">";
  innerBank = "!moe.bank<" + C + "x" + F + "x" + H + "x" + element + ">";
  outerBank = "!moe.bank<" + C + "x" + H + "x" + F + "x" + element + ">";
}

std::string test::shapeAttr(const std::string &sizes) {
  return " {moe.shape = [" + sizes + "]}";
}

std::string test::matmulText(const std::string &name, const std::string &rows,
                             const std::string &left,
                             const std::string &leftType,
                             const std::string &right,
                             const std::string &rightType,
                             const std::string &type) {
  return "    %" + name + "e = tensor.empty(" + rows + ") : " + type +
         "\n    %" + name + "f = linalg.fill ins(%zero : f32) outs(%" + name +
         "e : " + type + ") -> " + type + "\n    %" + name +
         " = linalg.matmul indexing_maps = #nt ins(" + left + ", " + right +
         " : " + leftType + ", " + rightType + ") outs(%" + name +
         "f : " + type + ") -> " + type + "\n";
}

std::string LayerSpec::weightsText(const std::string &suffix,
                                   const std::string &tensorSuffix) const {
  LayerTypes types(*this);
  const std::pair<const char *, std::string> roles[] = {
      {"gate", types.innerBank},
      {"up", types.innerBank},
      {"down", types.outerBank}};
  std::string text;
  for (const auto &[role, type] : roles)
    text += "moe.weight @" + (role + suffix) + " : " + type + " from [\"" +
            (weightsPerExpert ? "experts.{e}." : "") + role + tensorSuffix +
            "\"]\n";
  return text;
}

std::string LayerSpec::bankValuesText(const std::string &suffix) const {
  LayerTypes types(*this);
  return "  %gate = moe.get_weight @gate" + suffix + " : " + types.innerBank +
         "\n  %up = moe.get_weight @up" + suffix + " : " + types.innerBank +
         "\n  %down = moe.get_weight @down" + suffix + " : " + types.outerBank +
         "\n";
}

std::string LayerSpec::routerText(const LayerTypes &types) const {
  Operands route;
  route.add("%z", types.logits);
  if (bias)
    route.add(" bias(%bias)", types.perExpert);
  if (expertScale)
    route.add(" expert_scale(%scale)", types.perExpert);
  if (router.selection == MOE_SELECT_TABLE)
    route.add(" table(%table)", types.slotsI);
  return "  %w, %ids = moe.router " + route.values + " " + routerAttrs(*this) +
         " : (" + route.types + ") -> (" + types.slotsF + ", " + types.slotsI +
         ")\n";
}

std::string LayerSpec::planText(const LayerTypes &types) const {
  Operands plan;
  plan.add("%w, ", types.slotsF);
  plan.add("%ids", types.slotsI);
  if (segments)
    plan.add(" segments(%bounds)", "tensor<?xi32>");
  return "  %counts, %offsets, %source, %position, %planned = moe.plan " +
         plan.values + " " + planAttrs(*this) + " : (" + plan.types + ") -> (" +
         types.counts + ", " + types.offsets + ", tensor<?xi32>, " +
         types.slotsI + ", " + types.slotsF + ")\n";
}

std::string LayerSpec::dispatchText(const LayerTypes &types) const {
  Operands dispatch;
  dispatch.add("%x, ", types.tokens);
  dispatch.add("%source, ", "tensor<?xi32>");
  dispatch.add("%offsets", types.offsets);
  if (weightAtInput) {
    dispatch.add(" weights(%planned)", types.slotsF);
    dispatch.add(" position(%position)", types.slotsI);
  }
  return "  %rows = moe.dispatch " + dispatch.values + " : (" + dispatch.types +
         ") -> " + types.tokens + "\n";
}

std::string LayerSpec::expertsText(const LayerTypes &types) const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "  %out = moe.experts %rows, %offsets banks(%gate, %up, %down) "
        "{identity = "
     << identity << " : i64, zero = " << zero << " : i64} : (" << types.tokens
     << ", " << types.offsets << ", " << types.innerBank << ", "
     << types.innerBank << ", " << types.outerBank << ") -> " << types.tokens
     << " {\n  ^bb0(%r: " << types.tokens << ", %e: index, %g: " << types.inner
     << ", %u: " << types.inner << ", %d: " << types.outer << "):\n"
     << "    %n = tensor.dim %r, %c0 : " << types.tokens << "\n"
     << matmulText("a", "%n", "%r", types.tokens, "%g", types.inner, types.wide)
     << matmulText("b", "%n", "%r", types.tokens, "%u", types.inner, types.wide)
     << "    %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = "
        "[\"parallel\", \"parallel\"]} ins(%b : "
     << types.wide << ") outs(%a : " << types.wide << ") {\n"
     << "    ^bb0(%p: f32, %q: f32):\n"
     << "      %neg = arith.negf %q : f32\n"
     << "      %ex = math.exp %neg : f32\n"
     << "      %den = arith.addf %one, %ex : f32\n"
     << "      %s = arith.divf %q, %den : f32\n"
     << "      %m = arith.mulf %s, %p : f32\n"
     << "      linalg.yield %m : f32\n    } -> " << types.wide << "\n"
     << matmulText("o", "%n", "%h", types.wide, "%d", types.outer, types.tokens)
     << "    moe.yield %o : " << types.tokens << "\n  }\n";
  return text;
}

std::string LayerSpec::combineText(const LayerTypes &types) const {
  Operands combine;
  combine.add("%out, ", types.tokens);
  combine.add("%position", types.slotsI);
  if (!weightAtInput) {
    combine.add(" weights(%planned)", types.slotsF);
    if (overflow == MOE_OVERFLOW_RESIDUAL)
      combine.add(" passthrough(%x)", types.tokens);
  }
  return "  %y = moe.combine " + combine.values + " : (" + combine.types +
         ") -> " + types.tokens + "\n";
}

std::string LayerSpec::opsText() const {
  LayerTypes types(*this);
  return routerText(types) + planText(types) + dispatchText(types) +
         expertsText(types) + combineText(types);
}

std::string LayerSpec::toText() const {
  LayerTypes types(*this);
  std::string E = std::to_string(experts),
              slots = shapeAttr("\"tokens\", " + std::to_string(topK)),
              rows = shapeAttr("\"tokens\", " + std::to_string(hidden));
  std::string text;
  llvm::raw_string_ostream os(text);
  os << layerAliases << weightsText("", "")
     << "func.func @layer(%x: " << types.tokens << rows
     << ", %z: " << types.logits << shapeAttr("\"tokens\", " + E);
  if (bias)
    os << ", %bias: " << types.perExpert;
  if (expertScale)
    os << ", %scale: " << types.perExpert;
  if (router.selection == MOE_SELECT_TABLE)
    os << ", %table: " << types.slotsI << slots;
  if (segments)
    os << ", %bounds: tensor<?xi32>" << shapeAttr("\"bounds\"");
  os << ") -> (" << types.slotsF << slots << ", " << types.slotsI << slots
     << ", " << types.counts << ", " << types.offsets << ", " << types.slotsI
     << slots << ", " << types.slotsF << slots << ", " << types.tokens << rows
     << ") {\n"
     << layerConstants << bankValuesText("") << opsText()
     << "  return %w, %ids, %counts, %offsets, %position, %planned, %y : "
     << types.slotsF << ", " << types.slotsI << ", " << types.counts << ", "
     << types.offsets << ", " << types.slotsI << ", " << types.slotsF << ", "
     << types.tokens << "\n}\n";
  return text;
}

std::string LayerSpec::describe() const {
  std::string text = "E = " + std::to_string(experts) +
                     ", H = " + std::to_string(hidden) +
                     ", F = " + std::to_string(width) + ", " +
                     routerAttrs(*this) + ", " + planAttrs(*this);
  if (bias)
    text += ", bias";
  if (expertScale)
    text += ", expert scale";
  if (segments)
    text += ", segments";
  if (weightAtInput)
    text += ", weight at input";
  text += ", identity = " + std::to_string(identity) +
          ", zero = " + std::to_string(zero) + ", " + moe_dtype_name(dtype);
  return text;
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

/// bf16 and f16 by truncation: any value of the type will do.
static void fillRandom(Tensor &tensor, int32_t dtype, double scale,
                       std::mt19937_64 &random) {
  std::normal_distribution<float> normal(0, scale);
  for (int64_t i = 0, n = tensor.size(); i < n; ++i) {
    float value = normal(random);
    if (dtype == MOE_F32) {
      tensor.f32()[i] = value;
    } else if (dtype == MOE_BF16) {
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      reinterpret_cast<uint16_t *>(tensor.data())[i] = bits >> 16;
    } else {
      // Exponents -8 to 0 and random mantissas: ordinary f16 numbers.
      uint16_t bits =
          (random() & 1) << 15 | (7 + random() % 8) << 10 | (random() & 0x3ff);
      reinterpret_cast<uint16_t *>(tensor.data())[i] = bits;
    }
  }
}

ExpertWeights::ExpertWeights(const LayerSpec &spec, std::mt19937_64 &random) {
  for (int64_t e = 0; e < spec.computed(); ++e) {
    gate.emplace_back(spec.dtype, std::vector{spec.width, spec.hidden});
    up.emplace_back(spec.dtype, std::vector{spec.width, spec.hidden});
    down.emplace_back(spec.dtype, std::vector{spec.hidden, spec.width});
    for (auto *matrices : {&gate, &up, &down})
      fillRandom(matrices->back(), spec.dtype,
                 1 / std::sqrt(double(spec.hidden)), random);
  }
}

Tensor moe::test::quantizeByOracle(const Tensor &weight,
                                   moe_quantization format) {
  moe_tensor from = weight.abi();
  int64_t rows = from.shape[0], columns = from.shape[1];
  if (format.group == 0)
    format.group = columns;
  int64_t runs = (columns + format.group - 1) / format.group;
  Tensor codes(MOE_I32, {rows, columns}), zeros(MOE_I32, {rows, runs});
  Tensor scales(MOE_F32, {rows, runs}), values(MOE_F32, {rows, columns});
  moe_tensor results[] = {codes.abi(), scales.abi(), zeros.abi(), values.abi()};
  moe_error error = {};
  if (moe_ref_quantize(&format, &from, &results[0], &results[1], &results[2],
                       &results[3], &error) != MOE_OK)
    llvm::report_fatal_error(error.message);
  return values;
}

ExpertWeights ExpertWeights::quantize(
    const mlir::moe::ExpertQuantization &quantization) const {
  moe_quantization format = {};
  format.bits = static_cast<int32_t>(quantization.getBits());
  format.group = quantization.getGroup();
  format.scale_dtype = format.group == 0 ? MOE_F32 : MOE_BF16;
  format.zero_points = quantization.zeroPoints;
  ExpertWeights result = *this;
  for (std::vector<Tensor> *bank : {&result.gate, &result.up, &result.down})
    for (Tensor &weight : *bank)
      weight = quantizeByOracle(weight, format);
  return result;
}

bool ExpertWeights::write(const LayerSpec &spec,
                          const std::string &path) const {
  std::vector<std::string> names;
  std::vector<moe_tensor> tensors;
  std::vector<std::vector<char>> stacked;
  const std::pair<const char *, const std::vector<Tensor> *> roles[] = {
      {"gate", &gate}, {"up", &up}, {"down", &down}};
  for (auto [name, matrices] : roles) {
    if (spec.weightsPerExpert) {
      for (size_t e = 0; e < matrices->size(); ++e) {
        names.push_back("experts." + std::to_string(e) + "." + name);
        tensors.push_back((*matrices)[e].abi());
      }
      continue;
    }
    moe_tensor all = matrices->front().abi();
    size_t bytes = matrices->front().size() * moe_dtype_size(all.dtype);
    std::vector<char> &data = stacked.emplace_back(bytes * matrices->size());
    for (size_t e = 0; e < matrices->size(); ++e)
      std::memcpy(data.data() + e * bytes, (*matrices)[e].abi().data, bytes);
    all.rank = 3;
    all.shape[2] = all.shape[1];
    all.shape[1] = all.shape[0];
    all.shape[0] = matrices->size();
    all.data = data.data();
    names.push_back(name);
    tensors.push_back(all);
  }
  std::vector<const char *> pointers;
  for (const std::string &name : names)
    pointers.push_back(name.c_str());
  moe_error error;
  return moe_safetensors_write(path.c_str(), pointers.data(), tensors.data(),
                               tensors.size(), &error) == MOE_OK;
}

LayerInputs::LayerInputs(const LayerSpec &spec, int64_t tokens)
    : x(MOE_F32, {tokens, spec.hidden}),
      logits(MOE_F32, {tokens, spec.experts}), bias(MOE_F32, {spec.experts}),
      expertScale(MOE_F32, {spec.experts}), table(MOE_I32, {tokens, spec.topK}),
      segments(MOE_I32, {spec.segments ? 4 : 2}) {
  // Three segments of unequal length, the middle one possibly empty.
  int32_t *bounds = segments.i32();
  bounds[0] = 0;
  for (int64_t i = 1; i < segments.dim(0); ++i)
    bounds[i] = tokens;
  if (spec.segments) {
    bounds[1] = tokens / 3;
    bounds[2] = tokens / 2;
  }
}

LayerOutputs::LayerOutputs(const LayerSpec &spec, int64_t tokens)
    : weights(MOE_F32, {tokens, spec.topK}), ids(MOE_I32, {tokens, spec.topK}),
      counts(MOE_I32, {spec.experts}), offsets(MOE_I32, {spec.experts + 1}),
      position(MOE_I32, {tokens, spec.topK}),
      planned(MOE_F32, {tokens, spec.topK}), y(MOE_F32, {tokens, spec.hidden}) {
}

//===----------------------------------------------------------------------===//
// Compiled
//===----------------------------------------------------------------------===//

std::unique_ptr<CompiledLayer>
CompiledLayer::compile(const LayerSpec &spec, const ExpertWeights &weights,
                       const SessionOptions &options, std::string &error) {
  llvm::SmallString<128> path;
  if (llvm::sys::fs::createTemporaryFile("moe-layer", "safetensors", path)) {
    error = "no temporary file";
    return nullptr;
  }
  auto layer = std::make_unique<CompiledLayer>();
  layer->spec = spec;
  layer->checkpoint.setFile(path);
  if (!weights.write(spec, path.str().str())) {
    error = "the weights could not be written";
    return nullptr;
  }
  SessionOptions withWeights = options;
  withWeights.weights = path.str().str();
  auto session = Session::openText(spec.toText(), withWeights);
  if (!session) {
    error = llvm::toString(session.takeError()) + "\n" + spec.toText();
    return nullptr;
  }
  layer->session = std::move(*session);
  return layer;
}

std::string CompiledLayer::run(LayerInputs &inputs, LayerOutputs &outputs) {
  std::vector<moe_tensor> in = {inputs.x.abi(), inputs.logits.abi()};
  if (spec.bias)
    in.push_back(inputs.bias.abi());
  if (spec.expertScale)
    in.push_back(inputs.expertScale.abi());
  if (spec.router.selection == MOE_SELECT_TABLE)
    in.push_back(inputs.table.abi());
  if (spec.segments)
    in.push_back(inputs.segments.abi());
  Tensor *results[] = {&outputs.weights, &outputs.ids,      &outputs.counts,
                       &outputs.offsets, &outputs.position, &outputs.planned,
                       &outputs.y};
  std::vector<moe_tensor> out;
  for (Tensor *result : results)
    out.push_back(result->abi());
  auto function = session->find("layer");
  if (!function)
    return llvm::toString(function.takeError());
  if (llvm::Error error = session->call(**function, in, out))
    return llvm::toString(std::move(error));
  for (Tensor *result : results)
    if (!result->isIntact())
      return "a result was written outside of its bounds";
  return "";
}

//===----------------------------------------------------------------------===//
// Oracle
//===----------------------------------------------------------------------===//

std::string test::referenceRouter(const LayerSpec &spec,
                                  const LayerInputs &inputs,
                                  LayerOutputs &outputs) {
  moe_tensor logits = inputs.logits.abi(), bias = inputs.bias.abi(),
             scale = inputs.expertScale.abi(), table = inputs.table.abi(),
             weights = outputs.weights.abi(), ids = outputs.ids.abi();
  moe_router_attrs attrs = spec.router;
  attrs.top_k = spec.topK;
  moe_error error = {};
  moe_ref_router(&attrs, &logits, spec.bias ? &bias : nullptr,
                 spec.expertScale ? &scale : nullptr,
                 spec.router.selection == MOE_SELECT_TABLE ? &table : nullptr,
                 &weights, &ids, nullptr, &error);
  return error.message;
}

std::string test::referenceLayer(const LayerSpec &spec,
                                 const ExpertWeights &expertWeights,
                                 const LayerInputs &inputs,
                                 LayerOutputs &outputs) {
  int64_t tokens = inputs.x.dim(0);
  moe_error error = {};
  int64_t capacity = -1;
  if (spec.hasCapacity) {
    int64_t segments = spec.segments ? inputs.segments.dim(0) - 1 : 1;
    int64_t perSegment = (tokens + segments - 1) / segments;
    if (moe_ref_capacity(&spec.capacity, perSegment, spec.experts, spec.topK,
                         &capacity, &error) != MOE_OK)
      return error.message;
  }
  Tensor source(MOE_I32, {tokens * spec.topK});
  Tensor rows(MOE_F32, {tokens * spec.topK, spec.hidden});
  Tensor computed(MOE_F32, {tokens * spec.topK, spec.hidden});
  moe_plan_attrs plan = {};
  plan.num_experts = spec.experts;
  plan.priority = spec.priority;
  plan.overflow = spec.overflow;
  plan.renormalize = spec.renormalize;

  moe_tensor x = inputs.x.abi(), segments = inputs.segments.abi(),
             weights = outputs.weights.abi(), ids = outputs.ids.abi(),
             counts = outputs.counts.abi(), offsets = outputs.offsets.abi(),
             position = outputs.position.abi(), planned = outputs.planned.abi(),
             y = outputs.y.abi(), sources = source.abi(), row = rows.abi(),
             out = computed.abi();
  if (moe_ref_plan(&plan, &weights, &ids, spec.segments ? &segments : nullptr,
                   capacity, nullptr, &counts, &offsets, &sources, &position,
                   &planned, &error) != MOE_OK)
    return error.message;
  if (moe_ref_dispatch(
          &x, &sources, &offsets, spec.weightAtInput ? &planned : nullptr,
          spec.weightAtInput ? &position : nullptr, &row, &error) != MOE_OK)
    return error.message;

  std::vector<moe_tensor> gate, up, down;
  for (int64_t e = 0; e < spec.computed(); ++e) {
    gate.push_back(expertWeights.gate[e].abi());
    up.push_back(expertWeights.up[e].abi());
    down.push_back(expertWeights.down[e].abi());
  }
  moe_tensor withBody = offsets; // the groups that have a body
  withBody.shape[0] = spec.computed() + 1;
  if (moe_ref_gated_ffn(&row, gate.data(), up.data(), down.data(),
                        spec.computed(), &withBody, MOE_REF_SILU, &out,
                        &error) != MOE_OK)
    return error.message;
  const int32_t *bounds = outputs.offsets.i32();
  int64_t zeroEnd = spec.computed() + spec.zero;
  for (int64_t r = bounds[spec.computed()]; r < bounds[spec.experts]; ++r)
    for (int64_t h = 0; h < spec.hidden; ++h)
      computed.f32()[r * spec.hidden + h] =
          r < bounds[zeroEnd] ? 0 : rows.f32()[r * spec.hidden + h];

  bool residual = spec.overflow == MOE_OVERFLOW_RESIDUAL && !spec.weightAtInput;
  moe_ref_combine(&out, &position, spec.weightAtInput ? nullptr : &planned,
                  residual ? &x : nullptr, &y, &error);
  return error.message;
}

double test::rowError(const Tensor &a, const Tensor &b) {
  double worst = 0;
  int64_t rows = b.dim(0), width = rows ? b.size() / rows : 0;
  for (int64_t r = 0; r < rows; ++r) {
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < width; ++i) {
      double x = a.f32()[r * width + i], y = b.f32()[r * width + i];
      if (std::isnan(x) && std::isnan(y))
        continue;
      if (std::isnan(x) || std::isnan(y))
        return std::numeric_limits<double>::infinity();
      largest = std::fmax(largest, std::fabs(y));
      difference = std::fmax(difference, x == y ? 0 : std::fabs(x - y));
    }
    if (difference > 0)
      worst = std::fmax(worst, difference / largest);
  }
  return worst;
}
