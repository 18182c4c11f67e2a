//===- Report.cpp - What was measured, for people and programs ------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "Json.h"
#include "llvm/Support/Format.h"

using namespace llvm;
using namespace moe::bench;

namespace {
/// What follows from the rounds with one number of threads.
struct Figures {
  Summary times;
  double gops, weightGbps, peakGops, readGbps;
  double fractionOfPeak, fractionOfRead;

  Figures(const Measurement &measured, const Work &work);
};
} // namespace

/// `amount` per second in units of 10^9, from milliseconds.
static std::vector<double> getRates(double amount,
                                    const std::vector<double> &milliseconds) {
  std::vector<double> rates;
  for (double time : milliseconds)
    rates.push_back(amount / (time * 1e6));
  return rates;
}

static double getMedian(const std::vector<double> &samples) {
  return getQuantile(samples, 0.5);
}

Figures::Figures(const Measurement &measured, const Work &work)
    : times(measured.milliseconds), peakGops(getMedian(measured.peakGops)),
      readGbps(getMedian(measured.readGbps)) {
  auto computed = getRates(work.operations, measured.milliseconds);
  auto read = getRates(double(work.weightBytes), measured.milliseconds);
  gops = getMedian(computed);
  weightGbps = getMedian(read);
  fractionOfPeak = getMedian(getRatios(computed, measured.peakGops));
  fractionOfRead = getMedian(getRatios(read, measured.readGbps));
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static void addMeasurement(Json &json, const Measurement &measured,
                           const Work &work) {
  Figures figures(measured, work);
  json["threads"] = measured.threads;
  addTimes(json, figures.times);
  json["gops"] = figures.gops;
  json["weight_gbps"] = figures.weightGbps;
  json["peak_gops"] = figures.peakGops;
  json["peak_instruction"] = measured.peakInstruction;
  json["read_gbps"] = figures.readGbps;
  json["fraction_of_peak"] = figures.fractionOfPeak;
  json["fraction_of_read_bandwidth"] = figures.fractionOfRead;
  json["probes_pinned"] = measured.isPinned;
  json["compile_ms"] = measured.times.compile * 1e3;
  json["load_ms"] = measured.times.load * 1e3;
}

static void addCase(Json &json, const Options &options) {
  const Sizes &sizes = options.sizes;
  json["experts"] = sizes.experts;
  json["top_k"] = sizes.topK;
  json["hidden"] = sizes.hidden;
  json["width"] = sizes.width;
  json["tokens"] = sizes.tokens;
  json["dtype"] = options.dtype->name;
  json["load"] = options.load.text;
  json["seed"] = options.seed;
  json["target_cpu"] = options.targetCPU.empty() ? "host" : options.targetCPU;
}

static void addWork(Json &json, const Work &work) {
  json["flops"] = work.operations;
  json["weight_bytes"] = work.weightBytes;
  json["experts_hit"] = work.expertsHit;
  json["tokens_per_expert_max"] = work.mostTokens;
  json["tokens_per_expert_mean"] = work.meanTokens;
}

static double getSpeedup(const Report &report) {
  return getMedian(getRatios(report.measurements.back().milliseconds,
                             report.measurements.front().milliseconds));
}

void moe::bench::printJson(raw_ostream &os, const Report &report) {
  const Work &work = report.data.getWork();
  Json json;
  addCase(json, report.options);
  addMeasurement(json, report.measurements.front(), work);
  addWork(json, work);
  json["max_error"] = report.maxError;
  json["max_error_bound"] = report.options.dtype->errorBound;
  json["copies"] = report.data.getRotation().copies;
  json["copies_limited_by"] = report.data.getRotation().limit;
  if (report.measurements.size() > 1) {
    addMeasurement(json["one_thread"], report.measurements.back(), work);
    json["speedup"] = getSpeedup(report);
  }
  os << json.dump(/*indent=*/2) << '\n';
}

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

namespace {
/// A line of the table: a figure of each measurement.
struct Row {
  const char *label;
  const char *format;
  double (*get)(const Measurement &measured, const Figures &figures);
};
} // namespace

using M = Measurement;
using F = Figures;
static const Row rows[] = {
    {"threads", "%14.0f",
     [](const M &m, const F &) { return double(m.threads); }},
    {"median ms", "%14.4f",
     [](const M &, const F &f) { return f.times.median; }},
    {"lower quartile ms", "%14.4f",
     [](const M &, const F &f) { return f.times.lowerQuartile; }},
    {"upper quartile ms", "%14.4f",
     [](const M &, const F &f) { return f.times.upperQuartile; }},
    {"Gop/s", "%14.1f", [](const M &, const F &f) { return f.gops; }},
    {"peak Gop/s", "%14.1f", [](const M &, const F &f) { return f.peakGops; }},
    {"fraction of peak", "%14.3f",
     [](const M &, const F &f) { return f.fractionOfPeak; }},
    {"GB/s of weights", "%14.1f",
     [](const M &, const F &f) { return f.weightGbps; }},
    {"read GB/s", "%14.1f", [](const M &, const F &f) { return f.readGbps; }},
    {"fraction of read bandwidth", "%14.3f",
     [](const M &, const F &f) { return f.fractionOfRead; }},
    {"compile ms", "%14.0f",
     [](const M &m, const F &) { return m.times.compile * 1e3; }},
    {"load ms", "%14.0f",
     [](const M &m, const F &) { return m.times.load * 1e3; }},
};

static void printCase(raw_ostream &os, const Report &report) {
  const Options &options = report.options;
  const auto &[E, k, H, F, T] = options.sizes;
  os << "E = " << E << ", k = " << k << ", H = " << H << ", F = " << F
     << ", T = " << T << ", " << options.dtype->name << ", load "
     << options.load.text << ", " << options.rounds << " rounds, "
     << report.data.getRotation().copies << " copies\n";
}

static void printWork(raw_ostream &os, const Report &report) {
  const Work &work = report.data.getWork();
  os << format("%.4f", work.operations / 1e9) << " Gop, "
     << format("%.1f", double(work.weightBytes) / 1e6) << " MB of weights in "
     << work.expertsHit << " experts; tokens of an expert: at most "
     << work.mostTokens << ", mean " << format("%.2f", work.meanTokens) << "\n";
}

void moe::bench::printTable(raw_ostream &os, const Report &report) {
  printCase(os, report);
  printWork(os, report);
  std::vector<Figures> figures;
  for (const Measurement &measured : report.measurements)
    figures.emplace_back(measured, report.data.getWork());
  for (const Row &row : rows) {
    os << left_justify(row.label, 28);
    for (size_t i = 0; i < figures.size(); ++i)
      os << format(row.format, row.get(report.measurements[i], figures[i]));
    os << '\n';
  }
  os << "peak of " << report.measurements.front().peakInstruction
     << "; largest error " << format("%.2e", report.maxError) << " (bound "
     << format("%.0e", report.options.dtype->errorBound) << ")\n";
  if (figures.size() > 1)
    os << "speed-up over one thread " << format("%.2f", getSpeedup(report))
       << "\n";
}
