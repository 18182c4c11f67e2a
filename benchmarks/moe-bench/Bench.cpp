//===- Bench.cpp - Carries out a command line -----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Bench.h"
#include "Engine.h"
#include "Export.h"
#include "Failure.h"
#include "GivenCase.h"
#include "ReadProbe.h"
#include "Report.h"
#include "Rounds.h"
#include "Worker.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"
#include <iostream>
#include <thread>

using namespace llvm;
using namespace moe;
using namespace moe::bench;

namespace {
/// A number of threads that is measured: the layer and what limits it.
struct Contender {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Team> team;
  std::optional<ReadProbe> read;
  std::optional<PeakProbe> peak;
};

/// The steps of one run, in the order in which they are called.
class Bench {
public:
  explicit Bench(const Options &options) : options(options) {}
  Error run();

private:
  Error prepare();
  Error askOracle();
  Error openEngines();
  Error verify();
  Error addProbes(Contender &contender) const;
  void addSteps(Contender &contender, std::vector<Step> &steps) const;
  Error measure();

  const Options &options;
  std::optional<Export> file;
  std::unique_ptr<Case> data;
  std::vector<int64_t> rows; ///< that the oracle computes
  std::optional<test::Tensor> expected;
  std::vector<Contender> contenders;
  double maxError = 0;
};
} // namespace

//===----------------------------------------------------------------------===//
// Before anything is measured
//===----------------------------------------------------------------------===//

/// Rows that are compared: enough for every kind of mistake, and the plain
/// loops of the oracle take a second or so.
static constexpr int64_t sampleSize = 8;

static void note(const Twine &message) {
  errs() << "moe-bench: note: " << message << '\n';
}

static void noteLimit(const Rotation &rotation, int64_t bytesPerCopy) {
  if (!*rotation.limit)
    return;
  note("the rotation is limited by " + Twine(rotation.limit) + ": " +
       Twine(rotation.copies) + " copies of the layer with " +
       Twine(rotation.copies * bytesPerCopy / 1000000) +
       " MB of weights, of which some may be in a cache");
}

Error Bench::prepare() {
  int64_t bytes = options.sizes.getWeightBytes(*options.dtype) +
                  options.sizes.getRouterBytes();
  int64_t left = getAvailableMemory() - options.sizes.getCallBytes();
  int64_t perEngine = std::max<int64_t>(left, 0) / (options.scaling ? 2 : 1);
  Expected<Rotation> rotation =
      planRotation(bytes, options.rotateBytes, perEngine);
  if (!rotation)
    return rotation.takeError();
  noteLimit(*rotation, bytes);
  if (!options.exportFile.empty()) {
    Expected<Export> opened = Export::open(options);
    if (!opened)
      return opened.takeError();
    file.emplace(std::move(*opened));
  }
  Expected<std::unique_ptr<Case>> made = Case::create(options, *rotation);
  if (!made)
    return made.takeError();
  data = std::move(*made);
  return Error::success();
}

/// Its session ends here: its weights need not fit beside the others.
Error Bench::askOracle() {
  int64_t tokens = options.sizes.tokens;
  rows = sampleRows(tokens, file ? tokens : sampleSize);
  data->writeTokens(/*window=*/0);
  Expected<test::Tensor> computed = computeByOracle(*data, options, rows);
  if (!computed)
    return computed.takeError();
  expected.emplace(std::move(*computed));
  return Error::success();
}

Error Bench::openEngines() {
  std::vector<int32_t> threads = {options.threads};
  if (options.scaling)
    threads.push_back(1);
  for (int32_t count : threads) {
    Expected<std::unique_ptr<Engine>> engine =
        Engine::open(*data, options, count);
    if (!engine)
      return engine.takeError();
    contenders.emplace_back().engine = std::move(*engine);
  }
  return Error::success();
}

/// The first call of every engine, which also warms up.
Error Bench::verify() {
  for (Contender &contender : contenders) {
    Expected<double> milliseconds = contender.engine->run();
    if (!milliseconds)
      return milliseconds.takeError();
    double error = test::rowError(gatherRows(data->getY(), rows), *expected);
    maxError = std::max(maxError, error);
  }
  return options.dtype->checkError(maxError);
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

Error Bench::addProbes(Contender &contender) const {
  Expected<std::unique_ptr<Team>> team =
      Team::create(contender.engine->getThreads());
  if (!team)
    return team.takeError();
  contender.team = std::move(*team);
  std::vector<Span> weights = contender.engine->getWeightMemory();
  int64_t bytes = 0;
  for (Span span : weights)
    bytes += int64_t(span.size());
  // The weights of few copies may be in a cache.
  if (bytes < data->getRotation().bufferBytes / 2 || weights.empty()) {
    Expected<ReadProbe> read =
        ReadProbe::ofBuffer(*contender.team, data->getRotation().bufferBytes);
    if (!read)
      return read.takeError();
    contender.read.emplace(std::move(*read));
  } else {
    contender.read.emplace(ReadProbe::ofMemory(*contender.team, weights));
  }
  contender.peak.emplace(*contender.team,
                         findPeakKernel(options.dtype->arithmetic));
  return Error::success();
}

/// Threads that slept while the limits were measured wake up in a call before,
/// on other weights, as they do in the layer before when a model runs. A long
/// call does not show it. Afterwards they get the time to fall asleep again.
static Expected<double> runAwake(Engine &engine) {
  constexpr double longCall = 20; // milliseconds
  Expected<double> milliseconds = engine.run();
  if (milliseconds && *milliseconds < longCall)
    milliseconds = engine.run();
  std::this_thread::sleep_for(2 * Engine::spin);
  return milliseconds;
}

void Bench::addSteps(Contender &contender, std::vector<Step> &steps) const {
  int64_t bytes = data->getWork().weightBytes;
  steps.emplace_back(
      [&contender, bytes] { return contender.read->measure(bytes); });
  steps.emplace_back([&contender] { return runAwake(*contender.engine); });
  steps.emplace_back([&contender] { return contender.peak->measure(); });
}

Error Bench::measure() {
  std::vector<Step> steps;
  for (Contender &contender : contenders) {
    if (Error error = addProbes(contender))
      return error;
    addSteps(contender, steps);
  }
  auto samples = runRounds(options.rounds, steps);
  if (!samples)
    return samples.takeError();
  Report report{options, *data, maxError, {}};
  auto next = samples->begin();
  for (const Contender &contender : contenders) {
    Measurement &measured = report.measurements.emplace_back();
    measured.threads = contender.engine->getThreads();
    measured.isPinned = contender.team->isPinned();
    measured.peakInstruction =
        findPeakKernel(options.dtype->arithmetic).instruction;
    measured.times = contender.engine->getTimes();
    measured.readGbps = std::move(*next++);
    measured.milliseconds = std::move(*next++);
    measured.peakGops = std::move(*next++);
  }
  (options.json ? printJson : printTable)(outs(), report);
  return flushOutput();
}

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

Error Bench::run() {
  if (Error error = prepare())
    return error;
  if (Error error = askOracle())
    return error;
  if (Error error = openEngines())
    return error;
  if (Error error = verify())
    return error;
  if (file)
    if (Error error = file->write(*data, options, *expected))
      return error;
  if (!options.worker)
    return measure();
  Error served = serve(std::cin, outs(), maxError,
                       [&] { return contenders.front().engine->run(); });
  return joinErrors(std::move(served), flushOutput());
}

static Error serveCase(const Options &options) {
  Expected<std::unique_ptr<GivenCase>> given = GivenCase::open(options);
  if (!given)
    return given.takeError();
  Error served = serve(std::cin, outs(), (*given)->getError(),
                       [&] { return (*given)->run(); });
  return joinErrors(std::move(served), flushOutput());
}

Error moe::bench::run(const Options &options) {
  return options.caseFile.empty() ? Bench(options).run() : serveCase(options);
}

Error moe::bench::flushOutput() {
  outs().flush();
  std::error_code code = outs().error();
  if (!code)
    return Error::success();
  outs().clear_error();
  return failed("stdout cannot be written (" + code.message() +
                "); make room or write elsewhere [moe-bench-stdout]");
}
