//===- Engine.cpp - The layer, compiled -----------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Engine.h"
#include "Failure.h"
#include "MoE/Runtime/Abi.h"
#include "Rounds.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;
using namespace moe;
using namespace moe::bench;

static SessionOptions makeSessionOptions(const Options &options,
                                         int32_t threads) {
  SessionOptions session;
  session.randomWeights = options.seed;
  session.targetCPU = options.targetCPU;
  session.activations = options.dtype->activations;
  session.quantization = options.dtype->quantization;
  session.threads = threads;
  session.pinThreads = true;
  // Between two calls of a worker there is what its driver does.
  if (!options.worker)
    session.spinMicroseconds = int32_t(Engine::spin.count());
  return session;
}

//===----------------------------------------------------------------------===//
// Compiled code
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<Engine>>
Engine::open(Case &data, const Options &options, int32_t threads) {
  std::unique_ptr<Engine> engine(new Engine(data, threads));
  auto session = Session::openText(
      makeLayerText(options.sizes, *options.dtype, data.getRotation().copies),
      makeSessionOptions(options, threads));
  if (!session)
    return session.takeError();
  engine->session = std::move(*session);
  if (Error error = engine->find())
    return std::move(error);
  return engine;
}

Error Engine::find() {
  for (int64_t copy = 0; copy < data.getRotation().copies; ++copy) {
    Expected<const moe_function *> entry =
        session->find("layer." + std::to_string(copy));
    if (!entry)
      return entry.takeError();
    entries.push_back(*entry);
  }
  return Error::success();
}

Expected<double> Engine::run() {
  int64_t copies = int64_t(entries.size());
  int64_t copy = numCalls % copies, window = numCalls / copies;
  ++numCalls;
  data.writeTokens(window);
  moe_tensor inputs[] = {data.getX()};
  moe_tensor outputs[] = {data.getY(), data.getCounts()};
  Stopwatch watch;
  if (Error error = session->call(*entries[copy], inputs, outputs))
    return std::move(error);
  double milliseconds = watch.getMilliseconds();
  if (Error error = data.checkCounts(window))
    return std::move(error);
  return milliseconds;
}

std::vector<Span> Engine::getWeightMemory() const {
  const moe_module &module = session->getModule();
  void *const *weights = moe_rt_weights(session->getContext());
  std::vector<Span> spans;
  for (int64_t i = 0; i < module.num_weights; ++i) {
    const moe_weight &weight = module.weights[i];
    // Those of other ways lie between the steps of the first.
    if (weight.experts < 2 || weight.packing.panel == 0 ||
        weight.packing.way != 0)
      continue;
    char *const *slices = static_cast<char *const *>(weights[i]);
    spans.emplace_back(slices[0],
                       size_t((slices[1] - slices[0]) * weight.experts));
  }
  return spans;
}

//===----------------------------------------------------------------------===//
// The oracle
//===----------------------------------------------------------------------===//

std::vector<int64_t> moe::bench::sampleRows(int64_t all, int64_t count) {
  count = std::min(all, count);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(i * all / count);
  return rows;
}

test::Tensor moe::bench::gatherRows(const moe_tensor &matrix,
                                    ArrayRef<int64_t> rows) {
  int64_t width = matrix.shape[1];
  test::Tensor gathered(MOE_F32, {int64_t(rows.size()), width});
  const float *from = static_cast<const float *>(matrix.data);
  float *to = gathered.f32();
  for (int64_t row : rows)
    to = std::copy_n(from + row * width, width, to);
  return gathered;
}

Expected<test::Tensor> moe::bench::computeByOracle(const Case &data,
                                                   const Options &options,
                                                   ArrayRef<int64_t> rows) {
  SessionOptions sessionOptions = makeSessionOptions(options, options.threads);
  sessionOptions.reference = true;
  sessionOptions.quantization = {};
  auto session = Session::openText(
      makeLayerText(options.sizes, *options.dtype, 1), sessionOptions);
  if (!session)
    return session.takeError();
  Expected<const moe_function *> entry = (*session)->find();
  if (!entry)
    return entry.takeError();
  test::Tensor x = gatherRows(data.getX(), rows);
  test::Tensor y(MOE_F32, {int64_t(rows.size()), options.sizes.hidden});
  test::Tensor counts(MOE_I32, {options.sizes.experts});
  moe_tensor inputs[] = {x.abi()};
  moe_tensor outputs[] = {y.abi(), counts.abi()};
  if (Error error = (*session)->call(**entry, inputs, outputs))
    return std::move(error);
  return y;
}
