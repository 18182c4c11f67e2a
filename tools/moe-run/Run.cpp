//===- Run.cpp - Carries out a command line -------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Run.h"
#include "Clock.h"
#include "Evaluate.h"
#include "Files.h"
#include "Generate.h"
#include "Inputs.h"
#include "MoE/Import/ModelConfig.h"
#include "Print.h"
#include "Progress.h"
#include "Stats.h"
#include "TextStream.h"
#include "moe_rt/safetensors.h"
#include "support/Outputs.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"

using namespace llvm;
using namespace moe;
using namespace moe::run;

namespace {
/// A tensor that a result must be equal to.
struct Expectation {
  std::string name;
  Tensor tensor;
};

/// The steps of one run, in the order in which they are called.
class Runner {
public:
  explicit Runner(const Options &options)
      : options(options), progress(options.isQuiet) {}

  Expected<ExitCode> run();

private:
  Error readFiles();
  Error open();
  Error checkExpectations() const;
  Error callOnce();
  Error generateText();
  Error evaluateWindows();
  Expected<ExitCode> report();

  Error loadTokenizer();
  Error findPrompts();
  Expected<std::vector<int64_t>> encode(StringRef prompt) const;
  Error findPromptInput();
  Error takePromptFrom(const Tensor &ids);
  Expected<InputRequest> requestInputs();
  Expected<GenerationRequest> requestGeneration() const;
  Expected<LanguageModel> createModel();
  Expected<Generation> generateAndPrint(const GenerationRequest &request);
  void printSequences(const Generation &generation) const;
  void printSpeed(const CallTimes &times) const;
  bool compareResults() const;
  Error writeResults() const;
  Error writeStats();

  bool isDirectory() const { return sys::fs::is_directory(options.path); }
  bool streamsText() const { return tokenizer && prompts.size() == 1; }
  StringRef getGeneratedName() const {
    return options.sampling.temperature == 0 ? "greedy" : "sampled";
  }

  const Options &options;
  Progress progress;
  std::vector<Expectation> expectations;
  std::optional<Tensor> windows;
  std::optional<Tokenizer> tokenizer;
  std::unique_ptr<Session> session;
  std::optional<SessionEntry> entry;
  std::vector<std::vector<int64_t>> prompts;
  Stats stats;
  // What results points into.
  std::optional<LanguageModel> model;
  std::vector<Tensor> inputs, outputs;
  Tensor generated;
  std::vector<NamedTensor> results;
};
} // namespace

//===----------------------------------------------------------------------===//
// Before anything is compiled
//===----------------------------------------------------------------------===//

Error Runner::loadTokenizer() {
  bool needsTokenizer = !options.prompts.empty();
  bool canUseTokenizer = options.maxNewTokens && Tokenizer::isIn(options.path);
  if (!needsTokenizer && !canUseTokenizer)
    return Error::success();
  Expected<Tokenizer> loaded = Tokenizer::load(options.path);
  if (!loaded)
    return loaded.takeError();
  tokenizer.emplace(std::move(*loaded));
  return Error::success();
}

Error Runner::readFiles() {
  if (options.path != "-" && !sys::fs::exists(options.path))
    return makeError(MOE_NOT_FOUND,
                     "'" + Twine(options.path) +
                         "' does not exist, expected an MLIR file or a model "
                         "directory; correct the path [moe-run-path]");
  if (!options.session.outputs.empty() && !isDirectory())
    return invalidInput("--outputs was given with a module, whose outputs are "
                        "fixed, expected a model directory; leave it out "
                        "[moe-run-outputs]");
  if (Error error = checkFiles(options))
    return error;
  for (const TensorBinding &binding : options.expectations) {
    Expected<Tensor> tensor = readTensor(binding.source);
    if (!tensor)
      return tensor.takeError();
    expectations.push_back({binding.name, std::move(*tensor)});
  }
  if (options.evaluate) {
    Expected<Tensor> tensor = readTensor(*options.evaluate);
    if (!tensor)
      return tensor.takeError();
    windows.emplace(std::move(*tensor));
    if (Error error = checkWindows(*windows, /*maxPositions=*/0))
      return error;
  }
  return loadTokenizer();
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

/// Experts per token by layer, as the model directory says.
static std::function<int64_t(int64_t)> readTopK(const std::string &directory) {
  auto config = mlir::moe::hf::loadModelConfig(directory);
  if (!config)
    return nullptr;
  std::vector<int64_t> topK;
  for (const mlir::moe::hf::LayerConfig &layer : config->layers)
    topK.push_back(layer.topK);
  return [topK](int64_t layer) {
    return layer >= 0 && size_t(layer) < topK.size() ? topK[layer] : 0;
  };
}

Error Runner::open() {
  SessionOptions sessionOptions = options.session;
  if (options.wantsStats && isDirectory()) {
    if (!is_contained(sessionOptions.outputs, "expert_counts"))
      sessionOptions.outputs.push_back("expert_counts");
    stats.getTopK = readTopK(options.path);
  }
  auto opened = Session::open(options.path, sessionOptions,
                              [&](StringRef what) { progress.begin(what); });
  progress.end();
  if (!opened)
    return opened.takeError();
  session = std::move(*opened);
  auto found = session->find(options.entry);
  if (!found)
    return found.takeError();
  entry.emplace(*session, **found);
  return Error::success();
}

/// Every name must be one of a result.
Error Runner::checkExpectations() const {
  std::vector<std::string> known;
  for (const moe_argument &output : getOutputs(entry->getFunction()))
    known.push_back(output.name);
  if (options.maxNewTokens)
    known.push_back(getGeneratedName().str());
  for (const Expectation &expectation : expectations)
    if (!is_contained(known, expectation.name))
      return invalidInput("--expect names '" + Twine(expectation.name) +
                          "', expected one of the results " +
                          join(known, ", ") + " [moe-run-expect-name]");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Prompts
//===----------------------------------------------------------------------===//

Expected<std::vector<int64_t>> Runner::encode(StringRef prompt) const {
  Expected<std::vector<int64_t>> ids = tokenizer->encode(prompt);
  if (!ids)
    return ids.takeError();
  const std::optional<GenerationInfo> &info = session->getGenerationInfo();
  std::optional<int64_t> begin = info ? info->beginOfText : std::nullopt;
  if (!begin)
    begin = tokenizer->getBeginOfText();
  if (begin)
    ids->insert(ids->begin(), *begin);
  return ids;
}

/// --input input_ids=FILE:TENSOR as prompt: one row per sequence.
Error Runner::takePromptFrom(const Tensor &ids) {
  if (!isInteger(ids.get().dtype) || ids.get().rank != 2)
    return invalidInput("the prompt is " + typeText(ids.get()) +
                        ", expected integers [batch, seq] "
                        "[moe-run-prompt-tensor]");
  int64_t batch = ids.getShape()[0], length = ids.getShape()[1];
  for (int64_t row = 0; row < batch; ++row) {
    std::vector<int64_t> &prompt = prompts.emplace_back();
    for (int64_t i = 0; i < length; ++i)
      prompt.push_back(readInteger(ids.get(), row * length + i));
  }
  return Error::success();
}

Error Runner::findPrompts() {
  prompts = options.promptIds;
  for (const std::string &text : options.prompts) {
    Expected<std::vector<int64_t>> ids = encode(text);
    if (!ids)
      return ids.takeError();
    prompts.push_back(std::move(*ids));
  }
  return Error::success();
}

static int64_t getVocabulary(const Session &session) {
  const std::optional<GenerationInfo> &info = session.getGenerationInfo();
  return info ? info->vocabulary : 0;
}

static int64_t getMaxPositions(const Session &session) {
  const std::optional<GenerationInfo> &info = session.getGenerationInfo();
  return info ? info->maxPositions : 0;
}

Expected<LanguageModel> Runner::createModel() {
  Expected<LanguageModel> created = LanguageModel::create(*entry);
  if (created)
    created->setObserver([this](ArrayRef<NamedTensor> outputs, int64_t tokens) {
      stats.experts.add(outputs, tokens);
    });
  return created;
}

//===----------------------------------------------------------------------===//
// One call
//===----------------------------------------------------------------------===//

/// Prompts of one length as the input_ids of a call.
static Expected<Tensor> makeIds(ArrayRef<std::vector<int64_t>> prompts) {
  int64_t batch = prompts.size(), length = prompts.front().size();
  Expected<Tensor> ids =
      Tensor::create(names::inputIds, MOE_I64, {batch, length});
  if (!ids)
    return ids.takeError();
  auto *out = ids->elements<int64_t>().begin();
  for (const std::vector<int64_t> &prompt : prompts)
    out = llvm::copy(prompt, out);
  return ids;
}

Expected<InputRequest> Runner::requestInputs() {
  InputRequest request;
  for (const InputBinding &binding : options.inputs) {
    if (binding.isNumber()) {
      request.numbers.emplace_back(binding.name, binding.number);
      continue;
    }
    Expected<Tensor> tensor = readTensor(binding.source);
    if (!tensor)
      return tensor.takeError();
    request.tensors.emplace_back(binding.name, std::move(*tensor));
  }
  if (!prompts.empty()) {
    GenerationRequest check;
    check.prompts = prompts;
    if (Error error = checkRequest(check, getVocabulary(*session),
                                   getMaxPositions(*session)))
      return std::move(error);
    Expected<Tensor> ids = makeIds(prompts);
    if (!ids)
      return ids.takeError();
    request.tensors.emplace_back(names::inputIds.str(), std::move(*ids));
  }
  request.sizes = options.sizes;
  request.randomSeed = options.randomInputs;
  request.context = options.context;
  request.isLanguageModel = LanguageModel::fits(entry->getFunction());
  return request;
}

Error Runner::callOnce() {
  if (Error error = findPrompts())
    return error;
  Expected<InputRequest> request = requestInputs();
  if (!request)
    return request.takeError();
  const moe_function &function = entry->getFunction();
  Expected<std::vector<Tensor>> made =
      makeInputs(function, std::move(*request));
  if (!made)
    return made.takeError();
  inputs = std::move(*made);
  progress.begin("running");
  double start = getSeconds();
  if (Error error = callEntry(*entry, inputs, outputs))
    return error;
  stats.calls.prefillSeconds = getSeconds() - start;
  progress.end();
  results = nameOutputs(function, inputs, outputs);
  if (std::optional<size_t> ids = findInput(function, names::inputIds))
    stats.calls.prefillTokens = inputs[*ids].getNumElements();
  stats.experts.add(results, stats.calls.prefillTokens);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

Expected<GenerationRequest> Runner::requestGeneration() const {
  GenerationRequest request;
  request.prompts = prompts;
  request.maxNewTokens = *options.maxNewTokens;
  request.sampling = options.sampling;
  request.useCache = options.useCache;
  request.context = options.context.value_or(0);
  request.keepPromptOutputs =
      !options.outputFile.empty() || options.print || !expectations.empty();
  const std::optional<GenerationInfo> &info = session->getGenerationInfo();
  if (info && !options.ignoreEos)
    request.endOfText = info->endOfText;
  if (Error error = checkRequest(request, getVocabulary(*session),
                                 getMaxPositions(*session)))
    return std::move(error);
  return request;
}

/// What was not printed while it was generated.
void Runner::printSequences(const Generation &generation) const {
  for (auto [i, prompt] : enumerate(prompts)) {
    int64_t steps = generation.ids.getShape()[1];
    ArrayRef<int64_t> fresh = generation.ids.elements<int64_t>().slice(
        i * steps, generation.lengths[i]);
    if (!tokenizer) {
      outs() << "ids " << i << ": ";
      interleave(fresh, outs(), ",");
      outs() << '\n';
    } else if (!streamsText()) {
      std::vector<int64_t> all = prompt;
      all.insert(all.end(), fresh.begin(), fresh.end());
      outs() << "text " << i << ": " << tokenizer->decode(all) << '\n';
    }
    if (generation.lengths[i] < steps && !options.isQuiet)
      errs() << "moe-run: sequence " << i << " ended after "
             << generation.lengths[i] << " of " << steps
             << " tokens; the rest repeats its last id\n";
  }
}

void Runner::printSpeed(const CallTimes &times) const {
  if (options.isQuiet)
    return;
  auto print = [](StringRef what, int64_t tokens, double seconds) {
    errs() << what << tokens << " tokens in " << format("%.3f", seconds)
           << " s";
    if (seconds > 0)
      errs() << " (" << format("%.1f", double(tokens) / seconds)
             << " tokens/s)";
  };
  print("moe-run: prompt ", times.prefillTokens, times.prefillSeconds);
  print(", generated ", times.decodeTokens, times.decodeSeconds);
  errs() << '\n';
}

namespace {
/// Prints the only sequence as it grows.
class TextPrinter {
public:
  TextPrinter(const Tokenizer &tokenizer, ArrayRef<int64_t> prompt)
      : stream(tokenizer) {
    for (int64_t id : prompt)
      outs() << stream.push(id);
    outs().flush();
  }

  void add(int64_t id) {
    outs() << stream.push(id);
    outs().flush();
  }

  void finish() { outs() << stream.finish() << '\n'; }

private:
  TextStream stream;
};
} // namespace

Error Runner::findPromptInput() {
  for (const InputBinding &binding : options.inputs) {
    bool isPrompt = binding.name == names::inputIds && !binding.isNumber();
    if (!isPrompt || !prompts.empty())
      return invalidInput("--input " + Twine(binding.name) +
                          " was given with --max-new-tokens, expected one "
                          "prompt and no other input; leave it out "
                          "[moe-run-prompt-input]");
    Expected<Tensor> ids = readTensor(binding.source);
    if (!ids)
      return ids.takeError();
    if (Error error = takePromptFrom(*ids))
      return error;
  }
  if (!prompts.empty())
    return Error::success();
  return invalidInput("--max-new-tokens continues a prompt, but there is none; "
                      "add --prompt, --prompt-ids or --input "
                      "input_ids=FILE:TENSOR [moe-run-prompt-missing]");
}

/// Generates and prints text as it comes.
Expected<Generation>
Runner::generateAndPrint(const GenerationRequest &request) {
  if (!streamsText()) {
    progress.begin("generating");
    Expected<Generation> generation = generate(*model, request);
    progress.end();
    return generation;
  }
  TextPrinter printer(*tokenizer, prompts.front());
  Expected<Generation> generation =
      generate(*model, request,
               [&](ArrayRef<int64_t> fresh) { printer.add(fresh.front()); });
  printer.finish();
  return generation;
}

Error Runner::generateText() {
  if (Error error = findPrompts())
    return error;
  if (Error error = findPromptInput())
    return error;
  Expected<GenerationRequest> request = requestGeneration();
  if (!request)
    return request.takeError();
  Expected<LanguageModel> created = createModel();
  if (!created)
    return created.takeError();
  model.emplace(std::move(*created));
  Expected<Generation> generation = generateAndPrint(*request);
  if (!generation)
    return generation.takeError();
  printSequences(*generation);
  printSpeed(generation->times);
  stats.calls = generation->times;
  outputs = std::move(generation->promptOutputs);
  generated = std::move(generation->ids);
  if (request->keepPromptOutputs)
    results = model->name(outputs);
  results.push_back({getGeneratedName().str(), &generated.get()});
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

Error Runner::evaluateWindows() {
  if (Error error = checkWindows(*windows, getMaxPositions(*session)))
    return error;
  Expected<LanguageModel> created = createModel();
  if (!created)
    return created.takeError();
  std::string total =
      " of " + std::to_string(windows->getShape()[0]) + " windows evaluated";
  progress.begin("0" + total);
  Expected<Evaluation> evaluation =
      evaluate(*created, *windows, options.batch, [&](int64_t done) {
        progress.update(std::to_string(done) + total);
      });
  progress.end();
  if (!evaluation)
    return evaluation.takeError();
  stats.calls = evaluation->times;
  outs() << "evaluated " << evaluation->numTokens << " tokens in "
         << evaluation->numWindows << " windows: mean nll "
         << format("%.8g", evaluation->getMeanNll()) << " nats, top-1 accuracy "
         << format("%.8g", evaluation->getAccuracy()) << '\n';
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Prints every comparison; true when all match.
bool Runner::compareResults() const {
  bool allMatch = true;
  for (const Expectation &expectation : expectations) {
    auto result = find_if(results, [&](const NamedTensor &named) {
      return named.name == expectation.name;
    });
    Comparison comparison =
        compare(*result->tensor, expectation.tensor.get(), options.tolerance);
    printComparison(outs(), result->name, comparison, *result->tensor,
                    expectation.tensor.get());
    allMatch &= comparison.isMatch();
  }
  return allMatch;
}

Error Runner::writeResults() const {
  std::vector<const char *> names;
  std::vector<moe_tensor> tensors;
  for (const NamedTensor &result : results) {
    names.push_back(result.name.c_str());
    tensors.push_back(*result.tensor);
  }
  moe_error error = {};
  if (moe_safetensors_write(options.outputFile.c_str(), names.data(),
                            tensors.data(), tensors.size(), &error))
    return makeError(error);
  return Error::success();
}

Error Runner::writeStats() {
  stats.session = session->getTimes();
  stats.workspaceBytes = session->getPeakWorkspace();
  stats.threads = moe_ctx_num_threads(session->getContext());
  std::string json = toJson(stats);
  if (!options.statsFile.empty())
    return writeText(options.statsFile, json);
  outs() << json;
  return Error::success();
}

Expected<ExitCode> Runner::report() {
  bool saysNothing = options.outputFile.empty() && expectations.empty() &&
                     !options.maxNewTokens && !options.wantsStats;
  for (const NamedTensor &result : results)
    if (options.print)
      printTensor(outs(), result, *options.print);
    else if (saysNothing)
      printSummary(outs(), result);
  bool allMatch = compareResults();
  if (!options.outputFile.empty())
    if (Error error = writeResults())
      return std::move(error);
  if (options.wantsStats)
    if (Error error = writeStats())
      return std::move(error);
  if (Error error = flushStdout())
    return std::move(error);
  return allMatch ? ExitCode::Success : ExitCode::Mismatch;
}

Expected<ExitCode> Runner::run() {
  auto call = options.evaluate       ? &Runner::evaluateWindows
              : options.maxNewTokens ? &Runner::generateText
                                     : &Runner::callOnce;
  if (Error error = readFiles())
    return std::move(error);
  if (Error error = open())
    return std::move(error);
  if (Error error = checkExpectations())
    return std::move(error);
  if (Error error = (this->*call)())
    return std::move(error);
  return report();
}

Expected<ExitCode> moe::run::run(const Options &options) {
  return Runner(options).run();
}
