//===- ModuleChecker.cpp - A module, compiled in every way and compared
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModuleChecker.h"
#include "Entry.h"
#include "Inputs.h"
#include "MoE/InitAllDialects.h"
#include "MoE/Target/Object.h"
#include "MoE/Transforms/PassFailures.h"
#include "MoE/Transforms/Pipelines.h"
#include "Session.h"
#include "Symbols.h"
#include "Tensors.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "support/SourceText.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <random>

using namespace moe;
using namespace moe::run;
using llvm::StringRef;
using moe::test::CheckResult;
using moe::test::Verdict;

namespace {

constexpr uint64_t kSeed = 1; ///< of weights and of inputs

/// What the comments of a module say.
struct Directives {
  std::vector<SymbolBinding> sizes;
  double tolerance = 1e-5;
};

Directives readDirectives(StringRef text) {
  Directives directives;
  for (StringRef line : llvm::split(text, '\n')) {
    if (!line.consume_front("//"))
      break;
    auto [key, value] = line.trim().split(':');
    value = value.trim();
    auto [symbol, number] = value.split('=');
    int64_t size;
    if (key == "size" && !number.getAsInteger(10, size))
      directives.sizes.push_back({symbol.str(), size});
    if (key == "tolerance")
      (void)value.getAsDouble(directives.tolerance);
  }
  return directives;
}

/// Every diagnostic ends in a tag; one without is not ours.
bool hasTag(StringRef message) { return message.contains("[moe-"); }

/// The kind of a failure to compile.
CheckResult refusal(StringRef stage, StringRef message) {
  bool isOurs = message.contains("[moe-internal");
  return {hasTag(message) && !isOurs ? Verdict::Refused : Verdict::Failed,
          stage.str(), message.str()};
}

std::string print(mlir::Operation *op) {
  std::string text;
  llvm::raw_string_ostream(text) << *op;
  return text;
}

//===----------------------------------------------------------------------===//
// Levels
//===----------------------------------------------------------------------===//

/// A context with everything that compiling needs, and what was diagnosed.
class Compiler {
public:
  Compiler() : context(makeRegistry()) {
    context.printOpOnDiagnostic(false);
    context.disableMultithreading(); // several checkers run at a time
    context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
        llvm::raw_string_ostream(messages) << diagnostic << '\n';
      return mlir::success();
    });
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(StringRef text) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  }

  /// Runs the pipeline up to `stage`, which verifies after each level.
  bool lower(mlir::ModuleOp module, mlir::moe::Stage stage) {
    mlir::moe::CPUTarget target = mlir::moe::CPUTarget::host();
    mlir::moe::CompileOptions options;
    options.targetCPU = target.cpu;
    options.targetFeatures = target.features;
    options.targetL1Ways = target.l1Ways;
    options.targetL2Bytes = target.l2Bytes;
    options.stopAfter = stage;
    mlir::PassManager passes(&context);
    passes.enableVerifier(false);
    std::atomic<bool> isDefect = false;
    passes.addInstrumentation(
        std::make_unique<mlir::moe::PassFailures>(isDefect));
    mlir::moe::buildCompilePipeline(passes, options);
    return mlir::succeeded(passes.run(module));
  }

  std::string takeMessages() { return std::exchange(messages, {}); }

private:
  static mlir::DialectRegistry makeRegistry() {
    mlir::DialectRegistry registry;
    mlir::moe::registerAllDialects(registry);
    return registry;
  }

  mlir::MLIRContext context;
  std::string messages;
};

constexpr std::pair<mlir::moe::Stage, StringRef> kStages[] = {
    {mlir::moe::Stage::Graph, "graph"},
    {mlir::moe::Stage::Planned, "planned"},
    {mlir::moe::Stage::Grouped, "grouped"},
    {mlir::moe::Stage::Bufferized, "bufferized"},
    {mlir::moe::Stage::LLVM, "llvm"},
};

/// Lowers level by level, each from the text of the one before.
CheckResult checkLevels(StringRef source) {
  Compiler compiler;
  std::string text = source.str();
  for (auto [stage, name] : kStages) {
    auto module = compiler.parse(text);
    if (!module)
      return {Verdict::Failed, (name + ": parse").str(),
              compiler.takeMessages()};
    if (!compiler.lower(*module, stage))
      return refusal(name, compiler.takeMessages());
    text = print(*module);
    auto again = compiler.parse(text);
    if (!again || print(*again) != text)
      return {Verdict::Failed, (name + ": round trip").str(),
              "printing and parsing does not give the same text: " +
                  compiler.takeMessages()};
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

struct DestroyContext {
  void operator()(moe_ctx *context) const { moe_ctx_destroy(context); }
};

/// An entry of a module in a context of its own, with made-up weights.
class ContextEntry : public Entry {
public:
  static llvm::Expected<ContextEntry> create(const Session &session,
                                             const moe_function &function,
                                             int32_t threads) {
    moe_ctx_options options = {};
    options.size = sizeof(options);
    options.num_threads = threads;
    moe_ctx *context = nullptr;
    moe_error error = {};
    if (moe_ctx_create(&session.getModule(), &options, &context, &error))
      return makeError(error);
    ContextEntry entry(function, context);
    if (session.getModule().num_weights && moe_ctx_bind_random(context, kSeed))
      return entry.failure();
    return entry;
  }

  llvm::Expected<std::vector<moe_tensor>>
  getOutputShapes(llvm::ArrayRef<moe_tensor> inputs) override {
    std::vector<moe_tensor> shapes;
    for (const moe_argument &output : getOutputs(getFunction()))
      if (output.tied_input < 0)
        shapes.emplace_back();
    if (moe_ctx_output_shapes(context.get(), &getFunction(), inputs.data(),
                              inputs.size(), shapes.data(), shapes.size()))
      return failure();
    return shapes;
  }

  llvm::Error call(llvm::ArrayRef<moe_tensor> inputs,
                   llvm::MutableArrayRef<moe_tensor> outputs) override {
    if (moe_ctx_call(context.get(), &getFunction(), inputs.data(),
                     inputs.size(), outputs.data(), outputs.size()))
      return failure();
    return llvm::Error::success();
  }

private:
  ContextEntry(const moe_function &function, moe_ctx *context)
      : Entry(function), context(context) {}

  llvm::Error failure() const {
    return makeError(static_cast<moe_status>(moe_ctx_status(context.get())),
                     moe_ctx_message(context.get()));
  }

  std::unique_ptr<moe_ctx, DestroyContext> context;
};

/// The inputs of a call and what it made of them: tied outputs are inputs.
struct Call {
  std::vector<Tensor> inputs, outputs;
};

/// Floats change by a few units in the last place, up or down.
void perturb(std::vector<Tensor> &inputs, uint64_t seed) {
  constexpr double kRelative = 4e-6;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<> uniform(-kRelative, kRelative);
  for (Tensor &input : inputs)
    if (isFloat(input.get().dtype))
      for (int64_t i = 0, n = input.getNumElements(); i < n; ++i)
        writeNumber(input.get(), i,
                    readNumber(input.get(), i) * (1 + uniform(random)));
}

/// Calls `entry` with the inputs of kSeed, perturbed if there is a seed for
/// that.
llvm::Expected<Call> call(Entry &entry, const Directives &directives,
                          uint64_t perturbation = 0) {
  InputRequest request;
  request.sizes = directives.sizes;
  request.randomSeed = kSeed;
  auto inputs = makeInputs(entry.getFunction(), std::move(request));
  if (!inputs)
    return inputs.takeError();
  Call call;
  call.inputs = std::move(*inputs);
  if (perturbation)
    perturb(call.inputs, perturbation);
  if (llvm::Error error = callEntry(entry, call.inputs, call.outputs))
    return std::move(error);
  return call;
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

/// A result as rows: all dimensions but the last together.
struct Rows {
  explicit Rows(const moe_tensor &tensor)
      : tensor(tensor),
        columns(tensor.rank ? tensor.shape[tensor.rank - 1] : 1),
        count(columns ? countElements(tensor) / columns : 0) {}

  double get(int64_t row, int64_t column) const {
    return readNumber(tensor, row * columns + column);
  }
  double largest(int64_t row) const {
    double most = 0;
    for (int64_t i = 0; i < columns; ++i)
      if (std::isfinite(get(row, i)))
        most = std::fmax(most, std::fabs(get(row, i)));
    return most;
  }

  const moe_tensor &tensor;
  int64_t columns, count;
};

/// |a - b|; infinite where one of them is no number and the other is something
/// else.
double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b)))
    return 0;
  double difference = std::fabs(a - b);
  return std::isnan(difference) ? HUGE_VAL : difference;
}

/// The largest distance of each row.
std::vector<double> distances(const moe_tensor &a, const moe_tensor &b) {
  Rows left(a), right(b);
  std::vector<double> most(left.count, 0);
  for (int64_t row = 0; row < left.count; ++row)
    for (int64_t i = 0; i < left.columns; ++i)
      most[row] =
          std::fmax(most[row], distance(left.get(row, i), right.get(row, i)));
  return most;
}

/// How far the rows of each result may be from those of the reference.
class Comparer {
public:
  Comparer(Entry &reference, const Directives &directives, const Call &want)
      : reference(reference), directives(directives), want(want) {}

  CheckResult compare(StringRef stage, const Call &got) {
    CheckResult result;
    auto wanted = name(want), found = name(got);
    for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(found, wanted))) {
      auto &[mine, theirs] = pair;
      std::vector<double> errors = distances(*mine.tensor, *theirs.tensor);
      for (auto [row, error] : llvm::enumerate(errors)) {
        if (error <= allowed(*theirs.tensor, row))
          continue;
        if (error <= sensitivity(index, row)) {
          result.verdict = Verdict::Unclear;
          continue;
        }
        return {Verdict::Failed, stage.str(),
                llvm::formatv("result '{0}', row {1} of {2}: off by {3}, the "
                              "largest of the row is {4}",
                              mine.name, row, errors.size(), error,
                              Rows(*theirs.tensor).largest(row))};
      }
    }
    if (result.verdict == Verdict::Unclear)
      result.stage = stage.str();
    return result;
  }

private:
  std::vector<NamedTensor> name(const Call &call) const {
    return nameOutputs(reference.getFunction(), call.inputs, call.outputs);
  }

  double allowed(const moe_tensor &tensor, int64_t row) const {
    return isFloat(tensor.dtype)
               ? directives.tolerance * Rows(tensor).largest(row) + 1e-30
               : 0;
  }

  /// By how much nearly equal inputs change a row of the reference, with room
  /// for inputs that were not tried.
  double sensitivity(size_t index, int64_t row) {
    if (changes.empty())
      tryNearInputs();
    constexpr double kRoom = 4;
    return kRoom * changes[index][row];
  }

  void tryNearInputs() {
    constexpr uint64_t kTries = 12;
    auto wanted = name(want);
    for (const NamedTensor &output : wanted)
      changes.emplace_back(Rows(*output.tensor).count, 0);
    for (uint64_t seed = 1; seed <= kTries; ++seed) {
      auto near = call(reference, directives, seed);
      if (!near)
        return llvm::consumeError(near.takeError());
      for (auto [most, mine, theirs] :
           llvm::zip_equal(changes, name(*near), wanted))
        for (auto [row, change] :
             llvm::enumerate(distances(*mine.tensor, *theirs.tensor)))
          most[row] = std::fmax(most[row], change);
    }
  }

  Entry &reference;
  const Directives &directives;
  const Call &want;
  std::vector<std::vector<double>> changes; ///< by result and row
};

bool haveEqualBits(const Call &a, const Call &b) {
  auto equal = [](const Tensor &x, const Tensor &y) {
    size_t bytes = x.getNumElements() * moe_dtype_size(x.get().dtype);
    return bytes == 0 || std::memcmp(x.get().data, y.get().data, bytes) == 0;
  };
  return llvm::equal(a.inputs, b.inputs, equal) &&
         llvm::equal(a.outputs, b.outputs, equal);
}

/// One module as a session compiles it.
struct Compiled {
  std::unique_ptr<Session> session;
  const moe_function *function = nullptr;

  static llvm::Expected<Compiled> open(StringRef text,
                                       const SessionOptions &options) {
    auto session = Session::openText(text, options);
    if (!session)
      return session.takeError();
    auto function = (*session)->find();
    if (!function)
      return function.takeError();
    return Compiled{std::move(*session), *function};
  }
};

CheckResult refusal(StringRef stage, llvm::Error error) {
  Failure failure = takeFailure(std::move(error));
  if (failure.status == MOE_INTERNAL)
    return {Verdict::Failed, stage.str(), failure.message};
  return refusal(stage, failure.message);
}

/// Compiles with `options` and calls with one thread and with two; compares the
/// bits of both and, by `comparer`, the results.
CheckResult checkTarget(StringRef name, StringRef text,
                        const SessionOptions &options,
                        const Directives &directives, Comparer &comparer) {
  auto compiled = Compiled::open(text, options);
  if (!compiled)
    return refusal(name, compiled.takeError());
  std::vector<Call> calls;
  for (int32_t threads : {1, 2}) {
    auto entry =
        ContextEntry::create(*compiled->session, *compiled->function, threads);
    if (!entry)
      return refusal(name, entry.takeError());
    auto done = call(*entry, directives);
    if (!done)
      return refusal(name, done.takeError());
    calls.push_back(std::move(*done));
  }
  CheckResult result = comparer.compare(name, calls[0]);
  if (result.verdict == Verdict::Failed || haveEqualBits(calls[0], calls[1]))
    return result;
  return {Verdict::Failed, name.str(), "one and two threads differ"};
}

} // namespace

CheckResult moe::test::checkModule(StringRef text) {
  if (CheckResult levels = checkLevels(text); levels.verdict != Verdict::Passed)
    return levels;

  Directives directives = readDirectives(text);
  SessionOptions options;
  options.randomWeights = kSeed;
  options.threads = 1;
  options.reference = true;
  auto reference = Compiled::open(text, options);
  if (!reference)
    return refusal("reference", reference.takeError());
  SessionEntry entry(*reference->session, *reference->function);
  auto want = call(entry, directives);
  if (!want)
    return refusal("reference", want.takeError());

  options.reference = false;
  Comparer comparer(entry, directives, *want);
  CheckResult result;
  for (StringRef target : {"", "haswell"}) {
    options.targetCPU = target.str();
    CheckResult found = checkTarget(target.empty() ? "host" : target, text,
                                    options, directives, comparer);
    if (found.verdict == Verdict::Failed || found.verdict == Verdict::Refused)
      return found;
    if (found.verdict == Verdict::Unclear)
      result = found;
  }
  return result;
}

CheckResult moe::test::checkText(StringRef text) {
  if (llvm::Error error = checkSourceText("text", text))
    return refusal("text", std::move(error));
  Compiler compiler;
  auto module = compiler.parse(text);
  if (!module) // the words of MLIR's parser, at the place in the text
    return {Verdict::Refused, "parse", compiler.takeMessages()};
  if (!compiler.lower(*module, mlir::moe::Stage::LLVM))
    return refusal("llvm", compiler.takeMessages());
  return {};
}
