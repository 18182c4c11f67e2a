//===- Options.cpp - The command line of moe-bench ------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "Failure.h"
#include "MoE/Target/Object.h"
#include "Team.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"

using namespace llvm;
using namespace moe::bench;

//===----------------------------------------------------------------------===//
// The options
//===----------------------------------------------------------------------===//

static constexpr StringLiteral overview =
    "moe-bench: measures one Mixture-of-Experts layer beside the limits of the "
    "machine\n\n"
    "The layer: router, softmax, top-k, normalization, plan, dispatch, SwiGLU "
    "experts, combine; made-up\nweights. Every round reads memory, runs the "
    "layer and computes on registers, so that a drift of\nthe machine touches "
    "all alike. The result is compared with the oracle.\n";

static constexpr StringLiteral epilogue =
    "\nExit codes: 0 success; 1 the layer computes something else than the "
    "oracle, or its experts\ngot other tokens than drawn; 2 the command line "
    "or a line to the worker is wrong; 3 compiling,\nrunning or writing "
    "failed.\n\n"
    "Examples:\n"
    "  moe-bench --shape=64,6,1024,704 --tokens=1 --dtype=bf16\n"
    "  moe-bench --shape=8,2,1024,3584 --tokens=512 --load=zipf:1 --scaling "
    "--json\n"
    "  moe-bench --shape=8,2,64,96 --tokens=4 --export=case.safetensors "
    "--worker\n";

namespace {
/// Made when the command line is parsed, after the options of LLVM are gone.
struct CommandLine {
  cl::OptionCategory layer{"Options for the layer"};
  cl::OptionCategory measuring{"Options for measuring"};
  cl::OptionCategory results{"Options for results"};

  cl::opt<bool> help{"help", cl::desc("Print this and exit"), cl::cat(results)};
  cl::opt<bool> version{"version", cl::desc("Print the version and exit"),
                        cl::cat(results)};

  cl::opt<std::string> shape{
      "shape", cl::init("8,2,1024,3584"), cl::value_desc("E,k,H,F"),
      cl::desc("Experts, experts per token, width of a token, width inside an "
               "expert (default 8,2,1024,3584)"),
      cl::cat(layer)};
  cl::opt<int64_t> tokens{
      "tokens", cl::init(Sizes().tokens), cl::value_desc("T"),
      cl::desc("Tokens of a call (default 64)"), cl::cat(layer)};
  cl::opt<std::string> dtype{
      "dtype", cl::init("f32"), cl::value_desc("name"),
      cl::desc(
          "Of the expert weights: f32 (default), bf16 (of rows that experts "
          "get too), f16, int8, int8-grouped (with a scale for 32 columns, "
          "also "
          "of rows) and int4 (made of f32 when they are loaded; rows that "
          "experts get are int8)"),
      cl::cat(layer)};
  cl::opt<std::string> load{
      "load", cl::init("uniform"), cl::value_desc("distribution"),
      cl::desc("Of tokens over experts: uniform (default), zipf:S (the e-th "
               "expert weighs e^-S) or one (all to the same k)"),
      cl::cat(layer)};
  cl::opt<uint64_t> seed{"seed", cl::init(1), cl::value_desc("n"),
                         cl::desc("Of weights, tokens and load (default 1)"),
                         cl::cat(layer)};

  cl::opt<int64_t> threads{"threads", cl::value_desc("n"),
                           cl::desc("Threads (default: one per processor)"),
                           cl::cat(measuring)};
  cl::opt<int64_t> rounds{"rounds", cl::init(21), cl::value_desc("n"),
                          cl::desc("Measurements of each kind (default 21)"),
                          cl::cat(measuring)};
  cl::opt<int64_t> rotateMb{
      "rotate-mb", cl::init(400), cl::value_desc("n"),
      cl::desc("Megabytes of weights in turn, in at least 2 copies of the "
               "layer, so that none is in a cache (default 400)"),
      cl::cat(measuring)};
  cl::opt<std::string> targetCPU{
      "target-cpu", cl::value_desc("name"),
      cl::desc("Processor to compile for (default: this one)"),
      cl::cat(measuring)};
  cl::opt<bool> scaling{"scaling",
                        cl::desc("Also measure one thread, in the same rounds"),
                        cl::cat(measuring)};

  cl::opt<bool> json{"json", cl::desc("Print one JSON object, not a table"),
                     cl::cat(results)};
  cl::opt<std::string> exportFile{
      "export", cl::value_desc("FILE.safetensors"),
      cl::desc("Write x, router, gate, up, down and the oracle's y of the "
               "first call; takes long for many tokens"),
      cl::cat(results)};
  cl::opt<bool> worker{
      "worker",
      cl::desc("Print 'ready' and the largest error; then for each line 'run' "
               "on stdin call once and print the milliseconds, until 'quit'"),
      cl::cat(results)};
  cl::opt<std::string> caseFile{
      "case", cl::value_desc("FILE.safetensors"),
      cl::desc("With --worker: f32 x, router, gate, up, down and the expected "
               "y of the layer, instead of made-up data"),
      cl::cat(layer)};
  cl::opt<int64_t> copies{
      "copies", cl::init(2), cl::value_desc("n"),
      cl::desc("With --case: copies of the weights that take turns (default "
               "2)"),
      cl::cat(measuring)};

  Expected<Options> read() const;

private:
  Error checkConflicts() const;
  Error checkNumbers() const;
  Error checkTarget() const;
  Expected<Sizes> readSizes() const;
};
} // namespace

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// More threads or megabytes than any machine has: a mistake.
static constexpr int64_t maxThreads = 1024, maxMegabytes = 1 << 20;
static constexpr int64_t maxRounds = 1000000;

template <typename T> static bool isGiven(const T &option) {
  return option.getNumOccurrences() != 0;
}

static Error checkRange(const cl::opt<int64_t> &option, int64_t lower,
                        int64_t upper) {
  if (!isGiven(option) || (option >= lower && option <= upper))
    return Error::success();
  return invalidInput("--" + option.ArgStr + " is " + Twine(option.getValue()) +
                      ", expected a number from " + Twine(lower) + " to " +
                      Twine(upper) + "; correct it [moe-bench-option-range]");
}

Error CommandLine::checkNumbers() const {
  if (Error error = checkRange(threads, 1, maxThreads))
    return error;
  if (Error error = checkRange(rounds, 1, maxRounds))
    return error;
  if (Error error = checkRange(copies, 1, 64))
    return error;
  return checkRange(rotateMb, 0, maxMegabytes);
}

Error CommandLine::checkConflicts() const {
  if (worker && (isGiven(rounds) || isGiven(json) || isGiven(scaling)))
    return invalidInput(
        "--rounds, --json and --scaling are for a report, which "
        "a --worker does not make; leave them out "
        "[moe-bench-option-worker]");
  if (scaling && isGiven(threads) && threads == 1)
    return invalidInput("--scaling compares with one thread, but --threads is "
                        "1; ask for more threads [moe-bench-option-scaling]");
  if (isGiven(caseFile) && (!worker || isGiven(exportFile) || isGiven(load) ||
                            isGiven(seed) || isGiven(rotateMb)))
    return invalidInput("--case is for a --worker and replaces --load, --seed, "
                        "--rotate-mb and --export; leave them out "
                        "[moe-bench-option-case]");
  if (isGiven(copies) && !isGiven(caseFile))
    return invalidInput("--copies is for a --case; use --rotate-mb "
                        "[moe-bench-option-copies]");
  if (isGiven(exportFile) && exportFile.empty())
    return invalidInput("--export is empty, expected the name of a file; "
                        "name one [moe-bench-option-export]");
  return Error::success();
}

Error CommandLine::checkTarget() const {
  std::string error;
  if (targetCPU.empty() || mlir::moe::CPUTarget::get(targetCPU, error))
    return Error::success();
  return invalidInput(error);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Expected<Sizes> CommandLine::readSizes() const {
  Sizes sizes;
  int64_t *values[] = {&sizes.experts, &sizes.topK, &sizes.hidden,
                       &sizes.width};
  SmallVector<StringRef> parts;
  StringRef(shape.getValue()).split(parts, ',');
  bool ok = parts.size() == std::size(values);
  for (size_t i = 0; ok && i < std::size(values); ++i)
    ok = !parts[i].getAsInteger(10, *values[i]);
  if (!ok)
    return invalidInput("--shape is '" + Twine(shape.getValue()) +
                        "', expected four numbers E,k,H,F, as in "
                        "8,2,1024,3584; correct it [moe-bench-shape]");
  sizes.tokens = tokens;
  return sizes;
}

Expected<Options> CommandLine::read() const {
  if (Error error = joinErrors(checkConflicts(), checkNumbers()))
    return std::move(error);
  if (Error error = checkTarget())
    return std::move(error);
  Expected<const DType *> weights = findDType(dtype.getValue());
  if (!weights)
    return weights.takeError();
  Expected<Load> distribution = parseLoad(load.getValue());
  if (!distribution)
    return distribution.takeError();
  Expected<Sizes> sizes = readSizes();
  if (!sizes)
    return sizes.takeError();
  if (Error error = checkSizes(*sizes, **weights))
    return std::move(error);
  Options options;
  options.sizes = *sizes;
  options.dtype = *weights;
  options.load = std::move(*distribution);
  options.seed = seed;
  options.threads =
      isGiven(threads) ? int32_t(threads) : int32_t(getProcessors().size());
  options.rounds = rounds;
  options.rotateBytes = rotateMb * 1000000;
  options.targetCPU = targetCPU;
  options.scaling = scaling;
  options.json = json;
  options.worker = worker;
  options.exportFile = exportFile;
  options.caseFile = caseFile;
  options.copies = copies;
  return options;
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

/// The parser keeps pointers to the options, so they are never destroyed.
/// Options that libraries registered have the names of ours, and none is for
/// users of this program.
static CommandLine &getCommandLine() {
  static CommandLine *const commandLine = [] {
    cl::getRegisteredOptions(); // registers those that LLVM adds late
    cl::ResetCommandLineParser();
    return new CommandLine;
  }();
  cl::ResetAllOptionOccurrences();
  return *commandLine;
}

/// The complaints of the parser as one line.
static Error makeUsageError(StringRef complaints) {
  complaints = complaints.trim();
  if (complaints.empty()) // the parsers of values write to stderr themselves
    complaints = "the value above does not fit its option; see --help";
  complaints.consume_front("moe-bench: ");
  std::string line = complaints.str();
  llvm::replace(line, '\n', ' ');
  line[0] = toLower(line[0]);
  return invalidInput(line + " [moe-bench-usage]");
}

Expected<std::optional<Options>>
moe::bench::parseOptions(int argc, const char *const *argv) {
  CommandLine &commandLine = getCommandLine();
  std::string complaints;
  raw_string_ostream os(complaints);
  if (!cl::ParseCommandLineOptions(argc, argv, overview, &os))
    return makeUsageError(complaints);
  if (commandLine.help) {
    cl::PrintHelpMessage(/*Hidden=*/false, /*Categorized=*/true);
    outs() << epilogue;
    return std::nullopt;
  }
  if (commandLine.version) {
    outs() << "moe-bench " MOE_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
    return std::nullopt;
  }
  Expected<Options> options = commandLine.read();
  if (!options)
    return options.takeError();
  return std::move(*options);
}
