//===- Options.cpp - The command line of moe-run --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "support/ExitCode.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include <cmath>

using namespace llvm;
using namespace moe;
using namespace moe::run;

//===----------------------------------------------------------------------===//
// The options
//===----------------------------------------------------------------------===//

static constexpr StringLiteral overview =
    "moe-run: compiles and runs Mixture-of-Experts models\n\n"
    "PATH is an MLIR file of any level ('-' is stdin) or a model directory "
    "(config.json, safetensors).\nWithout options for text or evaluation, the "
    "entry is called once with the given inputs.\n";

static constexpr StringLiteral epilogue =
    "\nExamples:\n"
    "  moe-run DIR --prompt=\"Once upon a time\" --max-new-tokens=64\n"
    "  moe-run DIR --input input_ids=g.safetensors:ids "
    "--expect logits=g.safetensors:logits --rtol=1e-4\n"
    "  moe-run layer.mlir --random-weights=1 --random-inputs=2 "
    "--size tokens=16 --print=4\n";

namespace {
/// Text that may be left out: "--print" is not "--print=".
struct OptionalText : cl::parser<std::string> {
  using cl::parser<std::string>::parser;
  bool parse(cl::Option &option, StringRef, StringRef text,
             std::string &value) {
    value = text.str();
    return text.data() && text.empty() &&
           option.error("is empty, expected a value");
  }
};

/// Made when the command line is parsed, after the options of LLVM are gone.
struct CommandLine {
  cl::OptionCategory running{"Options for what to run"};
  cl::OptionCategory giving{"Options for inputs"};
  cl::OptionCategory getting{"Options for results"};
  cl::OptionCategory text{"Options for text"};

  cl::opt<std::string> path{cl::Positional, cl::desc("PATH")};
  cl::opt<bool> help{"help", cl::desc("Print this and exit"), cl::cat(running)};
  cl::opt<bool> version{"version", cl::desc("Print the version and exit"),
                        cl::cat(running)};

  // What to run.
  cl::opt<std::string> entry{"entry", cl::value_desc("name"),
                             cl::desc("Entry to call (default: the only one)"),
                             cl::cat(running)};
  cl::opt<std::string> weights{
      "weights", cl::value_desc("DIR|FILE"),
      cl::desc("Checkpoint directory or .safetensors file (default: the model "
               "directory)"),
      cl::cat(running)};
  cl::opt<std::string> packedCache{
      "packed-cache", cl::value_desc("FILE"),
      cl::desc("Read weights as kernels want them from this file; when it is "
               "missing, or is of another model or other flags, pack them and "
               "write it"),
      cl::cat(running)};
  cl::opt<uint64_t> randomWeights{
      "random-weights", cl::value_desc("seed"),
      cl::desc("Make the weights up: those of moe-translate "
               "--randomize-weights with this seed"),
      cl::cat(running)};
  cl::list<std::string> outputs{
      "outputs", cl::CommaSeparated, cl::value_desc("name,..."),
      cl::desc("Results of a model directory besides the caches: logits (the "
               "default) or last_logits, router_logits, expert_counts"),
      cl::cat(running)};
  cl::opt<bool> reference{
      "reference",
      cl::desc("Run the routing ops by the reference implementation"),
      cl::cat(running)};
  cl::opt<std::string> targetCPU{
      "target-cpu", cl::value_desc("name"),
      cl::desc("Processor to compile for (default: this one)"),
      cl::cat(running)};
  cl::opt<int> threads{"threads", cl::init(0), cl::value_desc("n"),
                       cl::desc("Threads (default: one per core)"),
                       cl::cat(running)};
  cl::opt<int> spin{
      "spin-us", cl::init(0), cl::value_desc("n"),
      cl::desc("Microseconds for which a thread without work looks for more "
               "before it sleeps, its core busy (default 1000; -1: none)"),
      cl::cat(running)};
  cl::opt<bool> pinThreads{
      "pin-threads",
      cl::desc("Keep each thread but the first on a core of its own; for a "
               "machine that does nothing else"),
      cl::cat(running)};
  std::string rowTileText =
      ("Rows of an expert that are computed together (default " +
       Twine(moe::SessionOptions().rowTile) + "); 0: all of them")
          .str();
  cl::opt<int64_t> rowTile{"row-tile", cl::init(moe::SessionOptions().rowTile),
                           cl::value_desc("n"), cl::desc(rowTileText),
                           cl::cat(running)};
  cl::opt<mlir::moe::Activations> activations{
      "activations", cl::init(moe::SessionOptions().activations),
      cl::desc("The narrowest type that rows of matmuls get; the narrower, the "
               "faster:"),
      cl::values(clEnumValN(mlir::moe::Activations::F32, "f32",
                            "as the graph has them (default)"),
                 clEnumValN(mlir::moe::Activations::BF16, "bf16",
                            "bf16 where they meet bf16 weights"),
                 clEnumValN(mlir::moe::Activations::Int8, "int8",
                            "8-bit integers with a scale where they meet "
                            "quantized weights, else as bf16"),
                 clEnumValN(mlir::moe::Activations::Int8Grouped, "int8-grouped",
                            "as int8, with a scale for each run of columns "
                            "that share one of the weights: more exact")),
      cl::cat(running)};
  cl::opt<mlir::moe::ExpertFormat> quantizeExperts{
      "quantize-experts", cl::init(mlir::moe::ExpertFormat::Stored),
      cl::desc("What the matrices of experts become when they are loaded:"),
      cl::values(clEnumValN(mlir::moe::ExpertFormat::Stored, "none",
                            "as they are stored (default)"),
                 clEnumValN(mlir::moe::ExpertFormat::Int8, "int8",
                            "8-bit integers with a scale for each row"),
                 clEnumValN(mlir::moe::ExpertFormat::Int4, "int4",
                            "4-bit integers with a scale for 32 columns")),
      cl::cat(running)};
  cl::opt<int64_t> quantizeGroup{
      "quantize-group", cl::init(mlir::moe::ExpertQuantization::kDefaultGroup),
      cl::value_desc("n"),
      cl::desc(
          "Columns that share a scale of --quantize-experts, a multiple of "
          "8; 0: all of a row (default: 32 for int4, 0 for int8)"),
      cl::cat(running)};
  cl::opt<bool> quantizeZeroPoints{
      "quantize-zero-points",
      cl::desc("Give each scale of --quantize-experts a zero of its own"),
      cl::cat(running)};
  cl::opt<bool> quiet{"quiet", cl::desc("No progress and speed on stderr"),
                      cl::cat(running)};

  // Inputs.
  cl::list<std::string> inputs{
      "input", cl::value_desc("NAME=FILE:TENSOR|NAME=N"),
      cl::desc("Input from a .safetensors file, or a number for an input of "
               "rank 0 (repeatable)"),
      cl::cat(giving)};
  cl::opt<uint64_t> randomInputs{
      "random-inputs", cl::value_desc("seed"),
      cl::desc("Make up all other inputs: floats in [-1, 1), integers in their "
               "range, else in [-8, 8)"),
      cl::cat(giving)};
  cl::list<std::string> sizes{
      "size", cl::value_desc("SYMBOL=N"),
      cl::desc("Size for --random-inputs, e.g. batch=2 (repeatable)"),
      cl::cat(giving)};
  cl::opt<int64_t> context{
      "context", cl::value_desc("n"),
      cl::desc("Positions that the caches of a model have room for (default: "
               "as many as the run needs)"),
      cl::cat(giving)};

  // Results.
  cl::opt<std::string> output{
      "output", cl::value_desc("FILE.safetensors"),
      cl::desc("Write all outputs; when generating, those of the prompt and "
               "'greedy' or 'sampled', the new ids"),
      cl::cat(getting)};
  cl::opt<std::string, false, OptionalText> print{
      "print", cl::ValueOptional, cl::value_desc("n"),
      cl::desc("Print the outputs, the first n values of each row (default 8)"),
      cl::cat(getting)};
  cl::list<std::string> expectations{
      "expect", cl::value_desc("NAME=FILE:TENSOR"),
      cl::desc("Compare an output with a tensor, exit with 1 when it differs "
               "(repeatable)"),
      cl::cat(getting)};
  cl::opt<double> rtol{
      "rtol", cl::init(0), cl::value_desc("r"),
      cl::desc("--expect: |got - want| may be r * |want| (default 0)"),
      cl::cat(getting)};
  cl::opt<double> atol{"atol", cl::init(0), cl::value_desc("a"),
                       cl::desc("--expect: |got - want| may be a (default 0)"),
                       cl::cat(getting)};
  cl::opt<std::string, false, OptionalText> stats{
      "stats", cl::ValueOptional, cl::value_desc("FILE"),
      cl::desc("Times, speed, memory and tokens per expert as JSON, to FILE or "
               "to stdout ('-'), where nothing else is printed then but to "
               "stderr"),
      cl::cat(getting)};

  // Text.
  cl::list<std::string> prompts{
      "prompt", cl::value_desc("text"),
      cl::desc("Text to run or to continue; several make a batch"),
      cl::cat(text)};
  cl::list<std::string> promptIds{
      "prompt-ids", cl::value_desc("1,2,..."),
      cl::desc("The same as token ids; several make a batch"), cl::cat(text)};
  cl::opt<int64_t> maxNewTokens{
      "max-new-tokens", cl::value_desc("n"),
      cl::desc("Continue the prompt (also one given by --input input_ids) by "
               "at most n tokens"),
      cl::cat(text)};
  cl::opt<double> temperature{
      "temperature", cl::init(0), cl::value_desc("t"),
      cl::desc("Sample from softmax(logits / t); 0 takes the likeliest token "
               "(default)"),
      cl::cat(text)};
  cl::opt<uint64_t> seed{"seed", cl::init(0), cl::value_desc("seed"),
                         cl::desc("Of the samples: the same seed, prompt and "
                                  "temperature give the same text"),
                         cl::cat(text)};
  cl::opt<bool> ignoreEos{"ignore-eos",
                          cl::desc("Go on after a token that ends the text "
                                   "(eos_token_id of generation_config.json, "
                                   "else of config.json)"),
                          cl::cat(text)};
  cl::opt<bool> printIds{"print-ids",
                         cl::desc("Print the new ids, not their text"),
                         cl::cat(text)};
  cl::opt<bool> noCache{
      "no-cache",
      cl::desc("Run all positions again for every token (slow, to compare)"),
      cl::cat(text)};
  cl::opt<bool> warmUp{
      "warm-up",
      cl::desc(
          "Run the prompt once before it is run and timed: memory has been "
          "touched then, and threads are awake"),
      cl::cat(text)};
  cl::opt<std::string> evaluate{
      "evaluate", cl::value_desc("FILE:TENSOR"),
      cl::desc(
          "Mean negative log-likelihood and top-1 accuracy on windows of "
          "ids [N, T]; --output writes the tokens of the largest logits as "
          "'predictions' [N, T - 1]"),
      cl::cat(text)};
  cl::opt<std::string> agreement{
      "agreement", cl::value_desc("FILE:TENSOR"),
      cl::desc("--evaluate: also the share of predictions that equal these, of "
               "an evaluation of the same windows in another way"),
      cl::cat(text)};
  cl::opt<int64_t> batch{"batch", cl::init(8), cl::value_desc("n"),
                         cl::desc("--evaluate: windows per call (default 8)"),
                         cl::cat(text)};

  Expected<Options> read() const;

private:
  Error check() const;
  Error checkConflicts() const;
  Error checkNumbers() const;
  Error checkTexts() const;
  Error checkSizes() const;
  Error readLists(Options &options) const;
  Error readOptionalValues(Options &options) const;
};
} // namespace

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

template <typename T> static bool isGiven(const T &option) {
  return option.getNumOccurrences() != 0;
}

static Error conflict(const Twine &message) {
  return invalidInput(message + " [moe-run-option-conflict]");
}

static Error outOfRange(StringRef option, const Twine &found,
                        const Twine &expected) {
  return invalidInput("--" + option + " is " + found + ", expected " +
                      expected + " [moe-run-option-value]");
}

/// More than any machine has cores, as the runtime says too, and more rows than
/// a tile is faster with: mistakes.
static constexpr int64_t mostThreads = 4096, mostRowsPerTile = 65536;
/// That share a scale; see the type of banks.
static constexpr int64_t mostColumns = 65536;
/// A second: more is a mistake too.
static constexpr int64_t mostSpin = 1000000;

/// 0, 1e-5, ...: not negative, not infinite, not NaN.
static bool isTolerance(double value) {
  return std::isfinite(value) && value >= 0;
}

Error CommandLine::check() const {
  if (path.empty())
    return invalidInput("no PATH was given, expected an MLIR file or a model "
                        "directory; see --help [moe-run-no-path]");
  for (auto step : {&CommandLine::checkConflicts, &CommandLine::checkTexts,
                    &CommandLine::checkNumbers, &CommandLine::checkSizes})
    if (Error error = (this->*step)())
      return error;
  return Error::success();
}

Error CommandLine::checkConflicts() const {
  if (isGiven(weights) && isGiven(randomWeights))
    return conflict("--weights and --random-weights exclude each other; give "
                    "one of them");
  if (isGiven(packedCache) && isGiven(randomWeights))
    return conflict("--packed-cache keeps the weights of a checkpoint, and "
                    "--random-weights has none; leave one out");
  if ((isGiven(quantizeGroup) || isGiven(quantizeZeroPoints)) &&
      quantizeExperts == mlir::moe::ExpertFormat::Stored)
    return conflict("--quantize-group and --quantize-zero-points say how "
                    "experts are quantized, but they are not; give "
                    "--quantize-experts too");
  if (isGiven(prompts) && isGiven(promptIds))
    return conflict("--prompt and --prompt-ids exclude each other; give all "
                    "prompts in one form");
  if (isGiven(evaluate) &&
      (isGiven(prompts) || isGiven(promptIds) || isGiven(inputs) ||
       isGiven(maxNewTokens) || isGiven(randomInputs) || isGiven(print) ||
       isGiven(expectations) || isGiven(sizes) || isGiven(context)))
    return conflict("--evaluate makes its own calls; leave out prompts, "
                    "inputs, sizes and expectations");
  if (isGiven(agreement) && !isGiven(evaluate))
    return conflict("--agreement compares the predictions of an evaluation; "
                    "add --evaluate");
  if (isGiven(maxNewTokens) && (isGiven(randomInputs) || isGiven(sizes)))
    return conflict("--max-new-tokens continues a prompt; leave out "
                    "--random-inputs and --size");
  if (!isGiven(maxNewTokens) &&
      (isGiven(temperature) || isGiven(seed) || isGiven(ignoreEos) ||
       isGiven(noCache) || isGiven(warmUp) || isGiven(printIds)))
    return conflict(
        "--temperature, --seed, --ignore-eos, --no-cache, --warm-up "
        "and --print-ids are for generated text; add "
        "--max-new-tokens");
  return Error::success();
}

/// An empty value is more often a variable of a script that was not set.
Error CommandLine::checkTexts() const {
  for (const auto *option : {&entry, &weights, &packedCache, &targetCPU,
                             &output, &evaluate, &agreement})
    if (isGiven(*option) && option->empty())
      return outOfRange(option->ArgStr, "empty", "a value");
  if (output == "-")
    return outOfRange("output", "'-'",
                      "a file: what is printed would be in the middle of it");
  return Error::success();
}

Error CommandLine::checkSizes() const {
  StringSet<> seen;
  for (StringRef size : sizes)
    if (StringRef symbol = size.split('=').first; !seen.insert(symbol).second)
      return outOfRange("size", "given twice for '" + symbol + "'", "one size");
  return Error::success();
}

static std::string describeRange(int64_t lower, int64_t upper) {
  std::string least = std::to_string(lower);
  return upper == INT64_MAX ? "at least " + least
                            : least + " to " + std::to_string(upper);
}

Error CommandLine::checkNumbers() const {
  struct Number {
    const cl::Option &option;
    int64_t value, lower, upper;
  };
  const Number numbers[] = {{threads, threads, 0, mostThreads},
                            {spin, spin, -1, mostSpin},
                            {rowTile, rowTile, 0, mostRowsPerTile},
                            {quantizeGroup, quantizeGroup, 0, mostColumns},
                            {batch, batch, 1, INT64_MAX},
                            {context, context, 1, INT64_MAX},
                            {maxNewTokens, maxNewTokens, 1, INT64_MAX}};
  for (const auto &[option, value, lower, upper] : numbers)
    if (isGiven(option) && (value < lower || value > upper))
      return outOfRange(option.ArgStr, Twine(value),
                        describeRange(lower, upper));
  for (const auto *option : {&temperature, &rtol, &atol})
    if (!isTolerance(*option))
      return outOfRange(option->ArgStr, std::to_string(*option),
                        "a number that is not negative");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Appends parse(text, option) for each value of `list`.
template <typename T, typename Parse>
static Error readList(const cl::list<std::string> &list, Parse parse,
                      std::vector<T> &values) {
  for (const std::string &text : list) {
    Expected<T> value = parse(text, list.ArgStr);
    if (!value)
      return value.takeError();
    values.push_back(std::move(*value));
  }
  return Error::success();
}

Error CommandLine::readLists(Options &options) const {
  if (Error error = readList(inputs, parseInputBinding, options.inputs))
    return error;
  if (Error error = readList(sizes, parseSymbolBinding, options.sizes))
    return error;
  if (Error error =
          readList(expectations, parseTensorBinding, options.expectations))
    return error;
  return readList(promptIds, parseIds, options.promptIds);
}

template <typename T>
static std::optional<T> getIfGiven(const cl::opt<T> &option) {
  return isGiven(option) ? std::optional<T>(option.getValue()) : std::nullopt;
}

/// Options whose value may be left out, and those that need parsing.
Error CommandLine::readOptionalValues(Options &options) const {
  if (isGiven(print)) {
    int64_t values = 8;
    if (!print.empty() &&
        (StringRef(print).getAsInteger(10, values) || values < 1))
      return outOfRange("print", "'" + Twine(print) + "'",
                        "a number that is at least 1");
    options.print = values;
  }
  for (auto [option, source] : {std::pair(&evaluate, &options.evaluate),
                                {&agreement, &options.agreement}}) {
    if (!isGiven(*option))
      continue;
    Expected<FileTensor> parsed = parseFileTensor(*option, option->ArgStr);
    if (!parsed)
      return parsed.takeError();
    *source = std::move(*parsed);
  }
  options.wantsStats = isGiven(stats);
  options.statsFile = stats == "-" ? "" : stats.getValue();
  return Error::success();
}

Expected<Options> CommandLine::read() const {
  if (Error error = check())
    return std::move(error);
  Options options;
  if (Error error = readLists(options))
    return std::move(error);
  if (Error error = readOptionalValues(options))
    return std::move(error);
  options.path = path;
  options.entry = entry;
  options.session.weights = weights;
  options.session.packedCache = packedCache;
  options.session.randomWeights = getIfGiven(randomWeights);
  options.session.outputs.assign(outputs.begin(), outputs.end());
  options.session.reference = reference;
  options.session.targetCPU = targetCPU;
  options.session.threads = threads;
  options.session.spinMicroseconds = spin;
  options.session.pinThreads = pinThreads;
  options.session.rowTile = rowTile;
  options.session.activations = activations;
  options.session.quantization = {quantizeExperts, quantizeGroup,
                                  quantizeZeroPoints};
  options.randomInputs = getIfGiven(randomInputs);
  options.context = getIfGiven(context);
  options.outputFile = output;
  options.tolerance = {rtol, atol};
  options.prompts.assign(prompts.begin(), prompts.end());
  options.maxNewTokens = getIfGiven(maxNewTokens);
  options.sampling = {temperature, seed};
  options.ignoreEos = ignoreEos;
  options.printIds = printIds;
  options.useCache = !noCache;
  options.warmUp = warmUp;
  options.batch = batch;
  options.isQuiet = quiet;
  return options;
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

/// Removes every option that a library registered: several of them have the
/// names of ours, and none is for users of this program.
static void removeLibraryOptions() {
  cl::getRegisteredOptions(); // registers those that LLVM adds late
  cl::ResetCommandLineParser();
}

/// The parser keeps pointers to the options, so they are never destroyed.
static CommandLine &getCommandLine() {
  static CommandLine *const commandLine = [] {
    removeLibraryOptions();
    return new CommandLine;
  }();
  cl::ResetAllOptionOccurrences();
  return *commandLine;
}

static void printVersion() {
  outs() << "moe-run " MOE_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
}

/// The complaints of the parser as one line.
static Error makeUsageError(StringRef complaints) {
  complaints = complaints.trim();
  if (complaints.empty()) // the parsers of values write to stderr themselves
    complaints = "the value above does not fit its option; see --help";
  complaints.consume_front("moe-run: ");
  std::string line = complaints.str();
  llvm::replace(line, '\n', ' ');
  if (!line.empty())
    line[0] = toLower(line[0]);
  return invalidInput(line + " [moe-run-usage]");
}

Expected<std::optional<Options>>
moe::run::parseOptions(int argc, const char *const *argv) {
  CommandLine &commandLine = getCommandLine();
  std::string complaints;
  raw_string_ostream os(complaints);
  if (!cl::ParseCommandLineOptions(argc, argv, overview, &os))
    return makeUsageError(complaints);
  if (commandLine.help) {
    cl::PrintHelpMessage(/*Hidden=*/false, /*Categorized=*/true);
    outs() << '\n' << describeExitCodes(/*comparesResults=*/true) << epilogue;
    return std::nullopt;
  }
  if (commandLine.version) {
    printVersion();
    return std::nullopt;
  }
  Expected<Options> options = commandLine.read();
  if (!options)
    return options.takeError();
  return std::move(*options);
}
