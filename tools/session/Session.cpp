//===- Session.cpp - Compile a model and call it
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "MoE/Dialect/MoE/IR/MoE.h"
#include "MoE/Import/CheckpointPtr.h"
#include "MoE/Import/HuggingFace.h"
#include "MoE/InitAllDialects.h"
#include "MoE/Target/Object.h"
#include "MoE/Transforms/PassFailures.h"
#include "MoE/Transforms/Pipelines.h"
#include "Reference.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "support/SourceText.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/Timer.h"
#include <chrono>

using namespace moe;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;
namespace hf = mlir::moe::hf;

namespace {

Error fromImport(const hf::ImportError &error) {
  return makeError(error.status, error.message);
}

/// What the last call in `context` reported.
Error fromContext(const moe_ctx *context) {
  return makeError(static_cast<moe_status>(moe_ctx_status(context)),
                   moe_ctx_message(context));
}

using mlir::moe::hf::CheckpointPtr;

struct DestroyContext {
  void operator()(moe_ctx *context) const { moe_ctx_destroy(context); }
};
using ContextPtr = std::unique_ptr<moe_ctx, DestroyContext>;

Expected<CheckpointPtr> openCheckpoint(StringRef path, bool headersOnly) {
  moe_checkpoint *checkpoint = nullptr;
  moe_error error = {};
  if (moe_checkpoint_open(path.str().c_str(), headersOnly, &checkpoint,
                          &error) != MOE_OK)
    return makeError(error);
  return CheckpointPtr(checkpoint);
}

/// Seconds since it was made.
class Stopwatch {
public:
  double seconds() const {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
};

/// Collects the diagnostics of a context as one text.
class DiagnosticText {
public:
  explicit DiagnosticText(mlir::MLIRContext *context)
      : stream(text), handler(sourceManager, context, stream) {}
  llvm::SourceMgr &getSourceManager() { return sourceManager; }
  /// The failure of who was to report here; one without a word is a defect.
  Error take(moe_status status, const Twine &otherwise) {
    StringRef message = StringRef(text).rtrim();
    return message.empty() ? makeError(MOE_INTERNAL, otherwise)
                           : makeError(status, message);
  }

private:
  std::string text;
  llvm::raw_string_ostream stream;
  llvm::SourceMgr sourceManager;
  mlir::SourceMgrDiagnosticHandler handler;
};

} // namespace

struct Session::Impl {
  std::vector<Failure> linking; ///< what the JIT would print; outlives it
  std::unique_ptr<llvm::orc::LLJIT> jit;
  const moe_module *module = nullptr;
  CheckpointPtr checkpoint; // outlives the context
  ContextPtr context;
  SessionTimes times;
  bool isImported = false;
  std::string notice;

  Expected<mlir::OwningOpRef<mlir::ModuleOp>>
  import(mlir::MLIRContext &context, StringRef directory,
         const SessionOptions &options);
  Expected<mlir::OwningOpRef<mlir::ModuleOp>> read(mlir::MLIRContext &context,
                                                   StringRef path);
  Expected<mlir::OwningOpRef<mlir::ModuleOp>>
  parse(mlir::MLIRContext &context, std::unique_ptr<llvm::MemoryBuffer> buffer);
  /// The kind of a failure to compile: the user's module is refused, one that
  /// was imported should not be.
  moe_status compileFailure() const {
    return isImported ? MOE_INTERNAL : MOE_INVALID_DATA;
  }
  Expected<mlir::moe::Objects> compile(mlir::ModuleOp module,
                                       const SessionOptions &options);
  Error load(mlir::moe::Objects objects);
  Error bind(StringRef path, bool isDirectory, const SessionOptions &options,
             SessionProgress progress);
  /// Everything after a module was read.
  Error finish(mlir::ModuleOp parsed, StringRef path, bool isDirectory,
               const SessionOptions &options, SessionProgress progress);
};

//===----------------------------------------------------------------------===//
// From a path to a module
//===----------------------------------------------------------------------===//

Expected<mlir::OwningOpRef<mlir::ModuleOp>>
Session::Impl::import(mlir::MLIRContext &context, StringRef directory,
                      const SessionOptions &options) {
  auto config = hf::loadModelConfig((directory + "/config.json").str());
  if (!config)
    return fromImport(config.error());
  isImported = true;
  auto importOptions = hf::parseOutputs(options.outputs);
  if (!importOptions)
    return fromImport(importOptions.error());

  hf::ImportResult<hf::WeightMap> weights = hf::ImportError{};
  if (options.randomWeights) {
    weights = hf::buildWeightMap(*config);
  } else {
    StringRef path =
        options.weights.empty() ? directory : StringRef(options.weights);
    Expected<CheckpointPtr> headers = openCheckpoint(path, true);
    if (!headers)
      return headers.takeError();
    hf::TensorListing listing = hf::listTensors(headers->get());
    notice = hf::adoptStoredHead(*config, listing);
    weights = hf::buildWeightMap(*config, listing);
  }
  if (!weights)
    return fromImport(weights.error());
  DiagnosticText diagnostics(&context);
  auto module =
      hf::buildModelGraph(&context, *config, *weights, *importOptions);
  if (!module)
    return diagnostics.take(MOE_INTERNAL, "the imported graph is invalid");
  return module;
}

Expected<mlir::OwningOpRef<mlir::ModuleOp>>
Session::Impl::read(mlir::MLIRContext &context, StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path, /*IsText=*/true);
  if (!buffer)
    return makeError(statusOf(buffer.getError()),
                     "expected a model directory or a file with MLIR text, but "
                     "reading '" +
                         path + "' failed: " + buffer.getError().message() +
                         " [moe-session-open]");
  if (Error error = checkSourceText(path, (*buffer)->getBuffer()))
    return error;
  return parse(context, std::move(*buffer));
}

Expected<mlir::OwningOpRef<mlir::ModuleOp>>
Session::Impl::parse(mlir::MLIRContext &context,
                     std::unique_ptr<llvm::MemoryBuffer> buffer) {
  DiagnosticText diagnostics(&context);
  diagnostics.getSourceManager().AddNewSourceBuffer(std::move(buffer),
                                                    llvm::SMLoc());
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(
      diagnostics.getSourceManager(), &context);
  if (!module)
    return diagnostics.take(MOE_INVALID_DATA, "the module could not be parsed");
  return module;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Bytes of all weights of `module`; the largest number if there are more.
static uint64_t countWeightBytes(mlir::ModuleOp module) {
  uint64_t total = 0;
  for (auto weight : module.getOps<mlir::moe::WeightOp>()) {
    auto bank = llvm::dyn_cast<mlir::moe::BankType>(weight.getType());
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(weight.getType());
    if (!bank && !tensor)
      continue;
    mlir::Type element = bank ? bank.getElementType() : tensor.getElementType();
    uint64_t bytes = llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
    for (int64_t extent : bank ? bank.getShape() : tensor.getShape())
      bytes = llvm::SaturatingMultiply<uint64_t>(bytes, extent);
    total = llvm::SaturatingAdd(total, bytes);
  }
  return total;
}

/// Memory that is left without paging, if the system says.
static std::optional<uint64_t> readAvailableBytes() {
  auto text = llvm::MemoryBuffer::getFileAsStream("/proc/meminfo");
  if (!text)
    return std::nullopt;
  StringRef line = (*text)->getBuffer().split("MemAvailable:").second;
  uint64_t kibibytes;
  if (line.ltrim().consumeInteger(10, kibibytes))
    return std::nullopt;
  return kibibytes * 1024;
}

/// Weights that are made up take memory; asked for more than there is, the
/// system ends the process in the middle instead of refusing.
static Error checkMemory(mlir::ModuleOp module) {
  uint64_t needed = countWeightBytes(module);
  std::optional<uint64_t> available = readAvailableBytes();
  if (!available || needed <= *available)
    return Error::success();
  return makeError(MOE_OUT_OF_MEMORY,
                   "the weights to be made up have " + Twine(needed) +
                       " bytes, expected at most the " + Twine(*available) +
                       " bytes of memory that are available; use a smaller "
                       "model or free memory [moe-session-memory]");
}

//===----------------------------------------------------------------------===//
// From a module to machine code
//===----------------------------------------------------------------------===//

Expected<mlir::moe::Objects>
Session::Impl::compile(mlir::ModuleOp module, const SessionOptions &options) {
  mlir::moe::CPUTarget target = mlir::moe::CPUTarget::host();
  if (!options.targetCPU.empty()) {
    std::string error;
    auto named = mlir::moe::CPUTarget::get(options.targetCPU, error);
    if (!named)
      return makeError(MOE_INVALID_ARGUMENT, error);
    target = *named;
  }
  DiagnosticText diagnostics(module.getContext());
  mlir::moe::CompileOptions compileOptions;
  compileOptions.targetCPU = target.cpu;
  compileOptions.targetFeatures = target.features;
  compileOptions.targetL1Ways = target.l1Ways;
  compileOptions.targetL2Bytes = target.l2Bytes;
  compileOptions.rowTile = options.rowTile;
  compileOptions.activations = options.activations;
  compileOptions.quantizeExperts = options.quantization.format;
  compileOptions.quantizeGroup = options.quantization.group;
  compileOptions.quantizeZeroPoints = options.quantization.zeroPoints;
  compileOptions.reference = options.reference;
  mlir::PassManager passes(module.getContext());
  // Verifying after each pass takes as long as all passes; tests of the passes
  // do. The pipeline does after each level.
  passes.enableVerifier(false);
  std::atomic<bool> isDefect = false;
  passes.addInstrumentation(
      std::make_unique<mlir::moe::PassFailures>(isDefect));
  mlir::moe::buildCompilePipeline(passes, compileOptions);
  if (mlir::failed(passes.run(module)))
    return diagnostics.take(isDefect ? MOE_INTERNAL : compileFailure(),
                            "the module could not be compiled");
  mlir::moe::Objects objects = mlir::moe::emitObjects(module, target);
  if (objects.empty())
    return diagnostics.take(compileFailure(), "no machine code could be made");
  return objects;
}

/// Why the table of a module was not found.
static Error explainLinking(llvm::ArrayRef<Failure> failures) {
  if (failures.empty())
    return makeError(MOE_INVALID_DATA,
                     "expected a module with an entry, a public function on "
                     "tensors, but found none [moe-session-no-entry]");
  std::string said;
  for (const Failure &failure : failures) {
    if (failure.status == MOE_OUT_OF_MEMORY)
      return makeError(failure.status, failure.message);
    said += (said.empty() ? "" : "; ") + failure.message;
  }
  return makeError(MOE_INVALID_DATA,
                   "expected calls of functions that the module, the runtime "
                   "or the C library has, but linking said: " +
                       said + "; define them [moe-session-link]");
}

Error Session::Impl::load(mlir::moe::Objects objects) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto created = llvm::orc::LLJITBuilder().create();
  if (!created)
    return created.takeError();
  jit = std::move(*created);
  llvm::orc::JITDylib &library = jit->getMainJITDylib();
  jit->getExecutionSession().setErrorReporter([this](Error error) {
    // What fails because something else was not found says nothing new.
    if (error.isA<llvm::orc::FailedToMaterialize>())
      return llvm::consumeError(std::move(error));
    linking.push_back(takeFailure(std::move(error)));
  });

  // The runtime is linked into this program and hidden: name what it offers.
  llvm::orc::SymbolMap symbols;
  auto define = [&](StringRef name, auto *function) {
    symbols[jit->mangleAndIntern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(function),
        llvm::JITSymbolFlags::Exported};
  };
  define("moe_rt_enter", &moe_rt_enter);
  define("moe_rt_refuse", &moe_rt_refuse);
  define("moe_rt_workspace", &moe_rt_workspace);
  define("moe_rt_weights", &moe_rt_weights);
  define("moe_rt_num_threads", &moe_rt_num_threads);
  define("moe_rt_parallel", &moe_rt_parallel);
  define("moe_reference_router", &moe_reference_router);
  define("moe_reference_plan", &moe_reference_plan);
  define("moe_reference_dispatch", &moe_reference_dispatch);
  define("moe_reference_combine", &moe_reference_combine);
  define("moe_reference_aux_loss", &moe_reference_aux_loss);
  define("moe_reference_quantize_rows", &moe_reference_quantize_rows);
  if (Error error = library.define(llvm::orc::absoluteSymbols(symbols)))
    return error;
  // The rest (expf, memcpy, ...) comes from the C library of this process.
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  for (std::unique_ptr<llvm::MemoryBuffer> &object : objects)
    if (Error error = jit->addObjectFile(std::move(object)))
      return error;
  auto table = jit->lookup(MOE_MODULE_SYMBOL);
  if (!table) {
    llvm::consumeError(table.takeError());
    return explainLinking(linking);
  }
  module = table->toPtr<const moe_module *>();
  return Error::success();
}

/// As moe_ctx_options has it; `user` is a SessionProgress.
static void reportPart(void *user, const char *step, uint64_t done,
                       uint64_t total) {
  const auto &progress = *static_cast<const SessionProgress *>(user);
  double part =
      total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  progress(step, part);
}

Error Session::Impl::bind(StringRef path, bool isDirectory,
                          const SessionOptions &options,
                          SessionProgress progress) {
  moe_ctx_options contextOptions = {};
  contextOptions.size = sizeof(contextOptions);
  contextOptions.num_threads = options.threads;
  contextOptions.spin_us = options.spinMicroseconds;
  contextOptions.pin_threads = options.pinThreads ? 1 : 0;
  if (!options.packedCache.empty())
    contextOptions.packed_cache = options.packedCache.c_str();
  // Nothing is bound after this function, which ends the life of `user`.
  contextOptions.progress = reportPart;
  contextOptions.user = &progress;
  moe_ctx *created = nullptr;
  moe_error error = {};
  if (moe_ctx_create(module, &contextOptions, &created, &error) != MOE_OK)
    return makeError(error);
  context.reset(created);
  if (module->num_weights == 0)
    return Error::success();

  if (options.randomWeights) {
    if (moe_ctx_bind_random(created, *options.randomWeights) != MOE_OK)
      return fromContext(created);
    return Error::success();
  }
  StringRef source = options.weights;
  if (source.empty() && isDirectory)
    source = path;
  if (source.empty())
    return makeError(MOE_INVALID_ARGUMENT,
                     "expected --weights=DIR|FILE or --random-weights=SEED for "
                     "a module with " +
                         Twine(module->num_weights) +
                         " weights [moe-session-weights]");
  Expected<CheckpointPtr> opened = openCheckpoint(source, false);
  if (!opened)
    return opened.takeError();
  checkpoint = std::move(*opened);
  if (moe_ctx_bind_checkpoint(created, checkpoint.get()) != MOE_OK)
    return fromContext(created);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Session
//===----------------------------------------------------------------------===//

Session::Session(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Session::~Session() = default;

namespace {
/// A context with everything that compiling needs.
mlir::MLIRContext &initialize(std::optional<mlir::MLIRContext> &context) {
  mlir::DialectRegistry registry;
  mlir::moe::registerAllDialects(registry);
  context.emplace(registry);
  // Operations can be longer than what is wrong with them.
  context->printOpOnDiagnostic(false);
  return *context;
}
} // namespace

Error Session::Impl::finish(mlir::ModuleOp parsed, StringRef path,
                            bool isDirectory, const SessionOptions &options,
                            SessionProgress progress) {
  if (options.randomWeights)
    if (Error error = checkMemory(parsed))
      return error;
  Stopwatch compiling;
  progress("compiling", std::nullopt);
  auto object = compile(parsed, options);
  if (!object)
    return object.takeError();
  if (Error error = load(std::move(*object)))
    return error;
  times.compile = compiling.seconds();

  Stopwatch loading;
  progress("loading weights", std::nullopt);
  if (Error error = bind(path, isDirectory, options, progress))
    return error;
  times.load = loading.seconds();
  return Error::success();
}

Expected<std::unique_ptr<Session>> Session::open(StringRef path,
                                                 const SessionOptions &options,
                                                 SessionProgress progress) {
  auto report = [&](StringRef step, std::optional<double> part) {
    if (progress)
      progress(step, part);
  };
  std::optional<mlir::MLIRContext> storage;
  mlir::MLIRContext &context = initialize(storage);
  auto impl = std::make_unique<Impl>();
  bool isDirectory = llvm::sys::fs::is_directory(path);
  Stopwatch importing;
  report(isDirectory ? "importing" : "parsing", std::nullopt);
  auto module = isDirectory ? impl->import(context, path, options)
                            : impl->read(context, path);
  if (!module)
    return module.takeError();
  impl->times.import = importing.seconds();
  if (Error error = impl->finish(**module, path, isDirectory, options, report))
    return std::move(error);
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Expected<std::unique_ptr<Session>>
Session::openText(StringRef text, const SessionOptions &options) {
  std::optional<mlir::MLIRContext> storage;
  mlir::MLIRContext &context = initialize(storage);
  auto impl = std::make_unique<Impl>();
  auto module =
      impl->parse(context, llvm::MemoryBuffer::getMemBufferCopy(text, "text"));
  if (!module)
    return module.takeError();
  if (Error error = impl->finish(**module, "", false, options,
                                 [](StringRef, std::optional<double>) {}))
    return std::move(error);
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

const moe_module &Session::getModule() const { return *impl->module; }

StringRef Session::getNotice() const { return impl->notice; }

moe_ctx *Session::getContext() const { return impl->context.get(); }

Expected<const moe_function *> Session::find(StringRef name) const {
  const moe_module &module = *impl->module;
  if (name.empty() && module.num_functions == 1)
    return &module.functions[0];
  if (const moe_function *found = moe_module_find(&module, name.str().c_str()))
    return found;
  std::string names;
  for (int64_t i = 0; i < module.num_functions; ++i)
    names += (i ? ", " : "") + std::string(module.functions[i].name);
  std::string found = name.empty() ? "no name" : "'" + name.str() + "'";
  return makeError(MOE_NOT_FOUND, "expected the name of an entry (" + names +
                                      "), but got " + found +
                                      "; name one of them, for moe-run with "
                                      "--entry [moe-session-entry]");
}

Expected<std::vector<moe_tensor>>
Session::getOutputShapes(const moe_function &function,
                         llvm::ArrayRef<moe_tensor> inputs) {
  size_t count = 0;
  for (int64_t i = 0; i < function.num_outputs; ++i)
    if (function.outputs[i].tied_input < 0)
      ++count;
  std::vector<moe_tensor> outputs(count);
  if (moe_ctx_output_shapes(impl->context.get(), &function, inputs.data(),
                            inputs.size(), outputs.data(),
                            outputs.size()) != MOE_OK)
    return fromContext(impl->context.get());
  return outputs;
}

Error Session::call(const moe_function &function,
                    llvm::ArrayRef<moe_tensor> inputs,
                    llvm::MutableArrayRef<moe_tensor> outputs) {
  if (moe_ctx_call(impl->context.get(), &function, inputs.data(), inputs.size(),
                   outputs.data(), outputs.size()) != MOE_OK)
    return fromContext(impl->context.get());
  moe_error failure = takeReferenceFailure();
  if (failure.status != MOE_OK)
    return makeError(failure);
  return Error::success();
}

const SessionTimes &Session::getTimes() const { return impl->times; }

uint64_t Session::getPeakWorkspace() const {
  return moe_ctx_peak_workspace(impl->context.get());
}

Expected<GenerationInfo> Session::readGenerationInfo(StringRef directory) {
  auto config = hf::loadModelConfig((directory + "/config.json").str());
  if (!config)
    return fromImport(config.error());
  auto endOfText = hf::loadEndOfText(directory.str(), *config);
  if (!endOfText)
    return fromImport(endOfText.error());
  GenerationInfo info;
  info.vocabulary = config->vocabSize;
  info.maxPositions = config->maxPositions;
  info.endOfText = *endOfText;
  if (config->bosTokenIds.size() == 1)
    info.beginOfText = config->bosTokenIds.front();
  for (const hf::LayerConfig &layer : config->layers)
    info.expertsPerToken.push_back(layer.topK);
  return info;
}
