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
#include "Print.h"
#include "Progress.h"
#include "Stats.h"
#include "TextStream.h"
#include "moe_rt/safetensors.h"
#include "support/Outputs.h"
#include "support/SourceText.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

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
  Error checkPath() const;
  Error readTensors();
  Error loadTokenizer();
  Error readInfo();
  Error checkCalls();
  Error open();
  Error checkResults() const;
  Error callOnce();
  Error generateText();
  Error evaluateWindows();
  Expected<ExitCode> report();

  void explainIds(Error error) const;
  Error findPrompts();
  Expected<std::vector<int64_t>> encode(StringRef prompt) const;
  Error findPromptInput();
  Error takePromptFrom(const Tensor &ids);
  Expected<InputRequest> requestInputs();
  GenerationRequest requestGeneration() const;
  Expected<LanguageModel> createModel();
  Expected<Generation> generateAndPrint();
  void printSequences(const Generation &generation) const;
  void printSpeed(const CallTimes &times) const;
  bool compareResults() const;
  Error writeResults() const;
  Error writeStats();

  bool isDirectory() const { return sys::fs::is_directory(options.path); }
  bool printsText() const { return tokenizer && !options.printIds; }
  bool streamsText() const { return printsText() && prompts.size() == 1; }
  /// Whether only --stats asked for these results.
  bool hidesCounts() const {
    return options.wantsStats && isDirectory() &&
           !is_contained(options.session.outputs, "expert_counts");
  }
  /// Whether results other than the generated tokens are looked at.
  bool keepsOutputs() const {
    return !options.outputFile.empty() || options.print ||
           !options.expectations.empty();
  }
  /// Whether text is continued, and nobody sees the logits of the prompt.
  bool needsLastLogitsOnly() const {
    return isDirectory() && options.maxNewTokens.value_or(0) > 0 &&
           !options.evaluate && !keepsOutputs() &&
           !is_contained(options.session.outputs, "logits") &&
           !is_contained(options.session.outputs, "last_logits");
  }
  bool isHidden(StringRef result) const {
    return hidesCounts() && result.starts_with("expert_counts.");
  }
  int64_t getVocabulary() const { return info ? info->vocabulary : 0; }
  int64_t getMaxPositions() const { return info ? info->maxPositions : 0; }
  /// Where text goes: not into the JSON of --stats.
  raw_ostream &text() const {
    return options.wantsStats && options.statsFile.empty() ? errs() : outs();
  }
  StringRef getGeneratedName() const {
    return options.sampling.temperature == 0 ? "greedy" : "sampled";
  }

  const Options &options;
  Progress progress;
  std::vector<Expectation> expectations;
  std::optional<Tensor> windows, otherPredictions; ///< of --evaluate
  std::optional<GenerationInfo> info;              ///< of a model directory
  std::optional<Tokenizer> tokenizer;
  std::unique_ptr<Session> session;
  std::optional<SessionEntry> entry;
  std::vector<std::vector<int64_t>> prompts;
  GenerationRequest request; ///< for --max-new-tokens
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

Error Runner::checkPath() const {
  sys::fs::file_status status;
  std::error_code code;
  if (options.path != "-")
    code = sys::fs::status(options.path, status);
  if (code)
    return makeError(statusOf(code), "'" + Twine(options.path) +
                                         "' cannot be found (" +
                                         code.message() +
                                         "), expected an MLIR file or a model "
                                         "directory; correct the path "
                                         "[moe-run-path]");
  if (!options.session.outputs.empty() && !isDirectory())
    return invalidInput("--outputs was given with a module, whose outputs are "
                        "fixed, expected a model directory; leave it out "
                        "[moe-run-outputs]");
  return checkFiles(options);
}

Error Runner::readTensors() {
  for (const TensorBinding &binding : options.expectations) {
    Expected<Tensor> tensor = readTensor(binding.source);
    if (!tensor)
      return tensor.takeError();
    expectations.push_back({binding.name, std::move(*tensor)});
  }
  for (auto [source, into] : {std::pair(&options.evaluate, &windows),
                              {&options.agreement, &otherPredictions}}) {
    if (!*source)
      continue;
    Expected<Tensor> tensor = readTensor(**source);
    if (!tensor)
      return tensor.takeError();
    into->emplace(std::move(*tensor));
  }
  return Error::success();
}

/// Without a prompt as text, a tokenizer is only there to print text: ids do.
Error Runner::loadTokenizer() {
  bool needsTokenizer = !options.prompts.empty();
  bool canUseTokenizer = options.maxNewTokens && !options.printIds &&
                         Tokenizer::isIn(options.path);
  if (!needsTokenizer && !canUseTokenizer)
    return Error::success();
  Expected<Tokenizer> loaded = Tokenizer::load(options.path);
  if (!loaded && needsTokenizer)
    return loaded.takeError();
  if (loaded)
    tokenizer.emplace(std::move(*loaded));
  else
    explainIds(loaded.takeError());
  return Error::success();
}

/// Says why ids are printed and not text.
void Runner::explainIds(Error error) const {
  std::string reason = takeFailure(std::move(error)).message;
  if (!options.isQuiet)
    errs() << "moe-run: ids will be printed, because " << maskControls(reason)
           << '\n';
}

Error Runner::readInfo() {
  if (!isDirectory())
    return Error::success();
  Expected<GenerationInfo> read = Session::readGenerationInfo(options.path);
  if (!read)
    return read.takeError();
  info.emplace(std::move(*read));
  stats.getTopK = [this](int64_t layer) {
    const std::vector<int64_t> &topK = info->expertsPerToken;
    return layer >= 0 && size_t(layer) < topK.size() ? topK[layer] : 0;
  };
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

Error Runner::open() {
  SessionOptions sessionOptions = options.session;
  if (hidesCounts())
    sessionOptions.outputs.push_back("expert_counts");
  if (needsLastLogitsOnly())
    sessionOptions.outputs.push_back("last_logits");
  auto report = [&](StringRef step, std::optional<double> part) {
    if (part)
      progress.update(formatv("{0} {1:p0}", step, *part).str());
    else
      progress.begin(step);
  };
  auto opened = Session::open(options.path, sessionOptions, report);
  progress.end();
  if (!opened)
    return opened.takeError();
  session = std::move(*opened);
  if (!session->getNotice().empty() && !options.isQuiet)
    errs() << "moe-run: note: " << session->getNotice() << '\n';
  auto found = session->find(options.entry);
  if (!found)
    return found.takeError();
  entry.emplace(*session, **found);
  return Error::success();
}

/// Results are told apart by name, and every expectation names one.
Error Runner::checkResults() const {
  if (expectations.empty() && options.outputFile.empty())
    return Error::success();
  std::vector<std::string> known;
  for (const moe_argument &output : getOutputs(entry->getFunction()))
    if (!isHidden(output.name))
      known.push_back(output.name);
  if (options.maxNewTokens) {
    StringRef generated = getGeneratedName();
    if (is_contained(known, generated))
      return makeError(MOE_INVALID_DATA,
                       "a result of the module has the name '" + generated +
                           "', expected another, by which --output and "
                           "--expect know the generated ids; rename it "
                           "[moe-run-result-twice]");
    known.push_back(generated.str());
  }
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
  std::optional<int64_t> begin = info ? info->beginOfText : std::nullopt;
  if (!begin)
    begin = tokenizer->getBeginOfText();
  // A prompt may begin with it itself.
  bool isThere = begin && !ids->empty() && ids->front() == *begin;
  if (begin && !isThere && tokenizer->addsBeginOfText())
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

/// Refuses what the calls would, before anything is compiled.
Error Runner::checkCalls() {
  if (windows) {
    if (Error error = checkWindows(*windows, getMaxPositions()))
      return error;
    return otherPredictions ? checkPredictions(*otherPredictions, *windows,
                                               options.agreement->file)
                            : Error::success();
  }
  if (Error error = findPrompts())
    return error;
  if (options.maxNewTokens)
    if (Error error = findPromptInput())
      return error;
  if (prompts.empty())
    return Error::success();
  request = requestGeneration();
  return checkRequest(request, getVocabulary(), getMaxPositions());
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

/// One call is a generation of no tokens.
GenerationRequest Runner::requestGeneration() const {
  GenerationRequest request;
  request.prompts = prompts;
  request.maxNewTokens = options.maxNewTokens.value_or(0);
  request.sampling = options.sampling;
  request.useCache = options.useCache;
  request.warmUp = options.warmUp;
  request.context = options.context.value_or(0);
  request.keepPromptOutputs = keepsOutputs();
  if (info && !options.ignoreEos)
    request.endOfText = info->endOfText;
  return request;
}

/// What was not printed while it was generated.
void Runner::printSequences(const Generation &generation) const {
  for (auto [i, prompt] : enumerate(prompts)) {
    int64_t steps = generation.ids.getShape()[1];
    ArrayRef<int64_t> fresh = generation.ids.elements<int64_t>().slice(
        i * steps, generation.lengths[i]);
    if (!printsText()) {
      text() << "ids " << i << ": ";
      interleave(fresh, text(), ",");
      text() << '\n';
    } else if (!streamsText()) {
      std::vector<int64_t> all = prompt;
      all.insert(all.end(), fresh.begin(), fresh.end());
      text() << "text " << i << ": " << tokenizer->decode(all) << '\n';
    }
    if (generation.lengths[i] < steps && !options.isQuiet)
      errs() << "moe-run: sequence " << i << " ended after "
             << generation.lengths[i] << " of " << steps
             << " tokens; the rest repeats its last id\n";
  }
}

/// " in 0.017 s (2776.7 tokens/s)".
static void printRate(int64_t tokens, double seconds) {
  errs() << " in " << format("%.3f", seconds) << " s";
  if (seconds > 0)
    errs() << " (" << format("%.1f", double(tokens) / seconds) << " tokens/s)";
}

/// The first new token of a sequence comes from the call with its prompt.
void Runner::printSpeed(const CallTimes &times) const {
  if (options.isQuiet)
    return;
  errs() << "moe-run: prompt " << times.prefillTokens << " tokens";
  printRate(times.prefillTokens, times.prefillSeconds);
  errs() << ", generated " << times.decodeTokens + int64_t(prompts.size())
         << " tokens";
  if (times.decodeTokens > 0) {
    errs() << ", " << times.decodeTokens << " of them after the prompt";
    printRate(times.decodeTokens, times.decodeSeconds);
  }
  errs() << '\n';
}

namespace {
/// Prints the only sequence as it grows; nothing before its first new token.
class TextPrinter {
public:
  TextPrinter(raw_ostream &os, const Tokenizer &tokenizer,
              ArrayRef<int64_t> prompt)
      : os(os), stream(tokenizer), prompt(prompt) {}

  void add(int64_t id) {
    for (int64_t before : std::exchange(prompt, {}))
      os << stream.push(before);
    os << stream.push(id);
    os.flush();
  }

  void finish() {
    os << stream.finish() << '\n';
    os.flush();
  }

private:
  raw_ostream &os;
  TextStream stream;
  ArrayRef<int64_t> prompt; ///< what was not printed of it
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
Expected<Generation> Runner::generateAndPrint() {
  if (!streamsText()) {
    progress.begin("generating");
    Expected<Generation> generation = generate(*model, request);
    progress.end();
    return generation;
  }
  TextPrinter printer(text(), *tokenizer, prompts.front());
  Expected<Generation> generation =
      generate(*model, request,
               [&](ArrayRef<int64_t> fresh) { printer.add(fresh.front()); });
  if (generation)
    printer.finish();
  return generation;
}

Error Runner::generateText() {
  Expected<LanguageModel> created = createModel();
  if (!created)
    return created.takeError();
  model.emplace(std::move(*created));
  Expected<Generation> generation = generateAndPrint();
  if (!generation)
    return generation.takeError();
  printSequences(*generation);
  printSpeed(generation->times);
  stats.calls = generation->times;
  outputs = std::move(generation->promptOutputs);
  generated = std::move(generation->ids);
  if (request.keepPromptOutputs)
    results = model->name(outputs);
  results.push_back({getGeneratedName().str(), &generated.get()});
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

Error Runner::evaluateWindows() {
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
  text() << "evaluated " << evaluation->numTokens << " tokens in "
         << evaluation->numWindows << " windows: mean nll "
         << format("%.8g", evaluation->getMeanNll()) << " nats, top-1 accuracy "
         << format("%.8g", evaluation->getAccuracy());
  if (otherPredictions)
    text() << ", top-1 agreement "
           << format("%.8g",
                     getAgreement(evaluation->predictions, *otherPredictions));
  text() << '\n';
  if (options.outputFile.empty())
    return Error::success();
  outputs.push_back(std::move(evaluation->predictions));
  results.push_back({"predictions", &outputs.back().get()});
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
    printComparison(text(), result->name, comparison, *result->tensor,
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
  return writeTextOrStdout(options.statsFile.empty() ? "-" : options.statsFile,
                           json);
}

Expected<ExitCode> Runner::report() {
  erase_if(results,
           [&](const NamedTensor &result) { return isHidden(result.name); });
  bool saysNothing = options.outputFile.empty() && expectations.empty() &&
                     !options.maxNewTokens && !options.wantsStats;
  for (const NamedTensor &result : results)
    if (options.print)
      printTensor(text(), result, *options.print);
    else if (saysNothing)
      printSummary(text(), result);
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
  if (Error error = checkPath())
    return std::move(error);
  for (auto step : {&Runner::readTensors, &Runner::loadTokenizer,
                    &Runner::readInfo, &Runner::checkCalls, &Runner::open})
    if (Error error = (this->*step)())
      return std::move(error);
  if (Error error = checkResults())
    return std::move(error);
  if (Error error = (this->*call)())
    return std::move(error);
  return report();
}

Expected<ExitCode> moe::run::run(const Options &options) {
  return Runner(options).run();
}
