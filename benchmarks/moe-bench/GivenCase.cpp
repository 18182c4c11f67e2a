//===- GivenCase.cpp - A layer with the data of a file --------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GivenCase.h"
#include "Case.h"
#include "Engine.h"
#include "Failure.h"
#include "Rounds.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>

using namespace llvm;
using namespace moe;
using namespace moe::bench;

Expected<std::unique_ptr<GivenCase>> GivenCase::open(const Options &options) {
  std::unique_ptr<GivenCase> made(new GivenCase(options));
  if (Error error = made->read())
    return std::move(error);
  if (Error error = made->openSession())
    return std::move(error);
  for (int64_t copy = 0; copy < options.copies; ++copy) {
    Expected<double> milliseconds = made->run();
    if (!milliseconds)
      return milliseconds.takeError();
    double error = made->compareWithExpected();
    // NaN, which is no number that a driver accepts, stays.
    if (!(error <= made->error))
      made->error = error;
  }
  return made;
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

Expected<moe_tensor> GivenCase::find(const char *name,
                                     ArrayRef<int64_t> shape) const {
  const moe_file_tensor *found = moe_checkpoint_find(file.get(), name);
  bool fits = found && found->dtype == MOE_F32 &&
              ArrayRef<int64_t>(found->shape, found->rank) == shape;
  if (!fits) {
    std::string sizes = join(
        map_range(shape, [](int64_t size) { return std::to_string(size); }),
        "x");
    return invalidInput("--case has no f32 tensor '" + Twine(name) +
                        "' of shape " + sizes +
                        ", expected x, router, gate, up, down and y of the "
                        "layer that --shape and --tokens say "
                        "[moe-bench-case]");
  }
  moe_tensor tensor = {};
  tensor.dtype = found->dtype;
  tensor.rank = found->rank;
  tensor.data = const_cast<void *>(found->data);
  llvm::copy(shape, tensor.shape);
  return tensor;
}

Error GivenCase::read() {
  moe_error failure = {};
  moe_checkpoint *opened = nullptr;
  if (moe_checkpoint_open(options.caseFile.c_str(), /*headers_only=*/0, &opened,
                          &failure) != MOE_OK)
    return invalidInput(failure.message);
  file.reset(opened);
  const auto &[E, k, H, F, T] = options.sizes;
  for (auto [name, tensor] : {std::pair("x", &x), std::pair("y", &expected)}) {
    Expected<moe_tensor> found = find(name, {T, H});
    if (!found)
      return found.takeError();
    *tensor = *found;
  }
  weights = options.caseFile;
  return options.dtype->element == MOE_F32 ? Error::success() : roundWeights();
}

/// `count` values of f32 as bf16 or f16, to nearest, ties to even.
static std::vector<uint16_t> roundValues(const float *values, int64_t count,
                                         int32_t dtype) {
  const fltSemantics &semantics =
      dtype == MOE_BF16 ? APFloat::BFloat() : APFloat::IEEEhalf();
  std::vector<uint16_t> result(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    APFloat value(values[i]);
    bool losesInfo;
    value.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
    result[i] = uint16_t(value.bitcastToAPInt().getZExtValue());
  }
  return result;
}

/// Writes the weights in the dtype of the layer to a file of its own.
Error GivenCase::roundWeights() {
  const auto &[E, k, H, F, T] = options.sizes;
  SmallString<128> path;
  if (std::error_code code =
          sys::fs::createTemporaryFile("moe-bench", "safetensors", path))
    return failed("no temporary file for the weights: " + code.message() +
                  "; make room or set TMPDIR [moe-bench-case-weights]");
  rounded.setFile(path);
  weights = path.str().str();
  const char *const names[] = {"router", "gate", "up", "down"};
  const std::vector<int64_t> shapes[] = {
      {E, H}, {E, F, H}, {E, F, H}, {E, H, F}};
  std::vector<moe_tensor> tensors;
  std::vector<std::vector<uint16_t>> storage;
  for (auto [name, shape] : zip_equal(names, shapes)) {
    Expected<moe_tensor> found = find(name, shape);
    if (!found)
      return found.takeError();
    tensors.push_back(*found);
    if (StringRef(name) == "router")
      continue;
    storage.push_back(roundValues(static_cast<const float *>(found->data),
                                  E * F * H, options.dtype->element));
    tensors.back().dtype = options.dtype->element;
    tensors.back().data = storage.back().data();
  }
  moe_error failure = {};
  if (moe_safetensors_write(weights.c_str(), names, tensors.data(),
                            tensors.size(), &failure) != MOE_OK)
    return failed(failure.message);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// The layer
//===----------------------------------------------------------------------===//

Error GivenCase::openSession() {
  SessionOptions sessionOptions;
  sessionOptions.weights = weights;
  sessionOptions.targetCPU = options.targetCPU;
  sessionOptions.activations = options.dtype->activations;
  sessionOptions.quantization = options.dtype->quantization;
  sessionOptions.threads = options.threads;
  sessionOptions.pinThreads = true;
  auto opened = Session::openText(makeLayerText(options.sizes, *options.dtype,
                                                options.copies,
                                                /*sameWeights=*/true),
                                  sessionOptions);
  if (!opened)
    return opened.takeError();
  session = std::move(*opened);
  for (int64_t copy = 0; copy < options.copies; ++copy) {
    Expected<const moe_function *> entry =
        session->find("layer." + std::to_string(copy));
    if (!entry)
      return entry.takeError();
    entries.push_back(*entry);
  }
  y.emplace(MOE_F32, std::vector{options.sizes.tokens, options.sizes.hidden});
  counts.emplace(MOE_I32, std::vector{options.sizes.experts});
  return Error::success();
}

double GivenCase::compareWithExpected() const {
  const auto *wanted = static_cast<const float *>(expected.data);
  double differences = 0, squares = 0;
  for (int64_t i = 0; i < y->size(); ++i) {
    double difference = double(y->f32()[i]) - wanted[i];
    differences += difference * difference;
    squares += double(wanted[i]) * wanted[i];
  }
  return differences == 0 ? 0 : std::sqrt(differences / squares);
}

Expected<double> GivenCase::run() {
  moe_tensor outputs[] = {y->abi(), counts->abi()};
  const moe_function *entry = entries[numCalls++ % int64_t(entries.size())];
  Stopwatch watch;
  if (Error error = session->call(*entry, x, outputs))
    return std::move(error);
  return watch.getMilliseconds();
}
