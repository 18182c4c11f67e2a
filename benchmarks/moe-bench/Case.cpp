//===- Case.cpp - A layer with its data -----------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Case.h"
#include "Failure.h"
#include "Layer.h"
#include "moe_rt/safetensors.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace llvm;
using namespace moe::bench;

//===----------------------------------------------------------------------===//
// Rotation
//===----------------------------------------------------------------------===//

/// Every copy is compiled: more would take minutes.
static constexpr int64_t maxCopies = 64;

Expected<Rotation> moe::bench::planRotation(int64_t bytesPerCopy,
                                            int64_t rotateBytes,
                                            int64_t available) {
  int64_t fitting = available / 2 / bytesPerCopy;
  if (fitting == 0)
    return failed("the weights take " + Twine(bytesPerCopy) +
                  " bytes, expected at most half of the " + Twine(available) +
                  " that tokens, results and other programs leave; use smaller "
                  "sizes [moe-bench-memory]");
  int64_t wanted = std::max<int64_t>(2, divideCeil(rotateBytes, bytesPerCopy));
  Rotation rotation;
  rotation.copies = std::min({wanted, fitting, maxCopies});
  rotation.bufferBytes = std::min(rotateBytes, available / 4);
  if (rotation.copies < wanted)
    rotation.limit = fitting < maxCopies ? "memory" : "copies";
  return rotation;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static moe::test::LayerSpec makeSpec(const Sizes &sizes, const DType &dtype) {
  moe::test::LayerSpec spec;
  spec.experts = sizes.experts;
  spec.topK = sizes.topK;
  spec.hidden = sizes.hidden;
  spec.width = sizes.width;
  spec.dtype = dtype.element;
  spec.router.scale = 1;
  spec.router.normalize = {MOE_NORMALIZE_LP, MOE_EPS_NONE, 1, 0};
  return spec;
}

/// The layer itself: `layer(x, router, gate, up, down) -> (y, counts)`.
static std::string makeBody(const moe::test::LayerSpec &spec,
                            const moe::test::LayerTypes &types,
                            const std::string &router) {
  return "func.func private @layer(%x: " + types.tokens +
         ", %router: " + router + ", %gate: " + types.innerBank +
         ", %up: " + types.innerBank + ", %down: " + types.outerBank +
         ") -> (" + types.tokens + ", " + types.counts + ") {\n" +
         moe::test::layerConstants +
         "  %t = tensor.dim %x, %c0 : " + types.tokens + "\n" +
         moe::test::matmulText("z", "%t", "%x", types.tokens, "%router", router,
                               types.logits) +
         spec.opsText() + "  return %y, %counts : " + types.tokens + ", " +
         types.counts + "\n}\n";
}

/// The tensor that the routers of all copies are read from.
static constexpr const char *routerName = "router";

/// An entry that gives the layer the weights with `suffix`.
static std::string makeEntry(const moe::test::LayerSpec &spec,
                             const moe::test::LayerTypes &types,
                             const std::string &router,
                             const std::string &suffix) {
  std::string shape =
      "moe.shape = [\"tokens\", " + std::to_string(spec.hidden) + "]}";
  return "moe.weight @router" + suffix + " : " + router + " from [\"" +
         routerName + "\"]\nfunc.func @layer" + suffix +
         "(%x: " + types.tokens + " {moe.name = \"x\", " + shape + ") -> (" +
         types.tokens + " {moe.name = \"y\", " + shape + ", " + types.counts +
         " {moe.name = \"counts\"}) {\n" + spec.bankValuesText(suffix) +
         "  %router = moe.get_weight @router" + suffix + " : " + router + "\n" +
         "  %y, %counts = func.call @layer(%x, %router, %gate, %up, %down) : "
         "(" +
         types.tokens + ", " + router + ", " + types.innerBank + ", " +
         types.innerBank + ", " + types.outerBank + ") -> (" + types.tokens +
         ", " + types.counts + ")\n  return %y, %counts : " + types.tokens +
         ", " + types.counts + "\n}\n";
}

std::string moe::bench::makeLayerText(const Sizes &sizes, const DType &dtype,
                                      int64_t copies, bool sameWeights) {
  moe::test::LayerSpec spec = makeSpec(sizes, dtype);
  moe::test::LayerTypes types(spec);
  std::string router = "tensor<" + std::to_string(sizes.experts) + "x" +
                       std::to_string(sizes.hidden) + "xf32>";
  std::string text = moe::test::layerAliases + makeBody(spec, types, router);
  for (int64_t copy = 0; copy < copies; ++copy) {
    std::string suffix = "." + std::to_string(copy);
    text += spec.weightsText(suffix, sameWeights ? "" : suffix) +
            makeEntry(spec, types, router, suffix);
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

static Work makeWork(const Sizes &sizes, const DType &dtype,
                     const Routing &routing) {
  std::vector<int32_t> counts = routing.getCounts(0);
  Work work;
  work.operations = sizes.getOperations();
  work.expertsHit = routing.getNumHit();
  work.weightBytes =
      sizes.getRouterBytes() + work.expertsHit * sizes.getExpertBytes(dtype);
  work.mostTokens = *std::max_element(counts.begin(), counts.end());
  work.meanTokens = double(sizes.getSlots()) / double(sizes.experts);
  return work;
}

Case::Case(const Options &options, const Rotation &rotation,
           std::vector<float> values, std::mt19937_64 random)
    : sizes(options.sizes), rotation(rotation), router(std::move(values)),
      routing(sizes, options.load, random), tokens(sizes, router, random),
      work(makeWork(sizes, *options.dtype, routing)) {}

Error Case::allocate() {
  const std::pair<Pages *, int64_t> wanted[] = {
      {&x, sizes.tokens * sizes.hidden * 4},
      {&y, sizes.tokens * sizes.hidden * 4},
      {&counts, sizes.experts * 4}};
  for (auto [pages, bytes] : wanted) {
    Expected<Pages> allocated = Pages::allocate(bytes);
    if (!allocated)
      return allocated.takeError();
    *pages = std::move(*allocated);
  }
  return Error::success();
}

/// What the made-up weights of the compiled layer have there.
static Expected<std::vector<float>> makeRouter(const Sizes &sizes,
                                               uint64_t seed) {
  std::vector<float> values(sizes.experts * sizes.hidden);
  moe_tensor shape = Pages().asTensor(MOE_F32, {sizes.experts, sizes.hidden});
  moe_error error = {};
  if (moe_checkpoint_random_values(routerName, &shape, seed, 0,
                                   int64_t(values.size()), values.data(),
                                   &error) != MOE_OK)
    return failed(error.message);
  return values;
}

Expected<std::unique_ptr<Case>> Case::create(const Options &options,
                                             const Rotation &rotation) {
  Expected<std::vector<float>> router = makeRouter(options.sizes, options.seed);
  if (!router)
    return router.takeError();
  std::unique_ptr<Case> made(new Case(options, rotation, std::move(*router),
                                      std::mt19937_64(options.seed)));
  if (Error error = made->allocate())
    return std::move(error);
  return made;
}

moe_tensor Case::getX() const {
  return x.asTensor(MOE_F32, {sizes.tokens, sizes.hidden});
}

moe_tensor Case::getRouter() const {
  moe_tensor tensor = Pages().asTensor(MOE_F32, {sizes.experts, sizes.hidden});
  tensor.data = const_cast<float *>(router.data());
  return tensor;
}

moe_tensor Case::getY() const {
  return y.asTensor(MOE_F32, {sizes.tokens, sizes.hidden});
}

moe_tensor Case::getCounts() const {
  return counts.asTensor(MOE_I32, {sizes.experts});
}

Error Case::checkCounts(int64_t window) const {
  return moe::bench::checkCounts(ArrayRef(counts.i32(), sizes.experts),
                                 routing.getCounts(window));
}
