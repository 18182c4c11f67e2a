//===- moe-opt.cpp - Runs passes on modules with moe ops
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emit.h"
#include "MoE/InitAllDialects.h"
#include "MoE/InitAllPasses.h"
#include "MoE/Runtime/Abi.h"
#include "MoE/Transforms/PassFailures.h"
#include "MoE/Transforms/Report.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "support/ExitCode.h"
#include "support/OutOfMemory.h"
#include "support/Outputs.h"
#include "support/Process.h"
#include "support/SourceText.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

static llvm::cl::opt<bool> readBytecode(
    "read-bytecode",
    llvm::cl::desc("Read bytecode, too. Only for files that are trusted like "
                   "programs: its reader crashes on damaged ones"));

static llvm::cl::opt<std::string> reportFile{
    "report", llvm::cl::value_desc("FILE.json"),
    llvm::cl::desc(
        "Also write what the passes decided and counted, such as schedules and "
        "FLOPs done and needed, as JSON; '-' is stdout")};

static llvm::cl::OptionCategory emitting("Compiling ahead of time");
static llvm::cl::opt<moe::EmitKind> emitKind{
    "emit", llvm::cl::init(moe::EmitKind::MLIR),
    llvm::cl::desc("What to write after the passes:"),
    llvm::cl::values(
        clEnumValN(moe::EmitKind::MLIR, "mlir", "MLIR text (default)"),
        clEnumValN(moe::EmitKind::LLVM, "llvm", "LLVM IR, not optimized"),
        clEnumValN(moe::EmitKind::Object, "obj",
                   "An object file, to be linked with libmoe_rt.a"),
        clEnumValN(moe::EmitKind::SharedLibrary, "so",
                   "A shared library with the runtime in it")),
    llvm::cl::cat(emitting)};
static llvm::cl::opt<std::string> emitHeader{
    "emit-header", llvm::cl::value_desc("FILE.h"),
    llvm::cl::desc("With --emit: also write a C header for the module"),
    llvm::cl::cat(emitting)};
static llvm::cl::opt<std::string> moduleName{
    "module-name", llvm::cl::init(MOE_MODULE_SYMBOL),
    llvm::cl::value_desc("name"),
    llvm::cl::desc("With --emit: symbol of the module's table (default "
                   "" MOE_MODULE_SYMBOL ")"),
    llvm::cl::cat(emitting)};
static llvm::cl::opt<std::string> targetCPU{
    "target-cpu", llvm::cl::value_desc("name"),
    llvm::cl::desc("With --emit: processor to compile for (default: this one)"),
    llvm::cl::cat(emitting)};
static llvm::cl::opt<std::string> compileOptions{
    "compile-options", llvm::cl::value_desc("options"),
    llvm::cl::desc("With --emit: options of --moe-compile, such as "
                   "activations=bf16"),
    llvm::cl::cat(emitting)};

/// What the options ask for.
static Expected<moe::EmitOptions> readEmitOptions(const std::string &output) {
  moe::EmitOptions options;
  options.kind = emitKind;
  options.output = output;
  options.header = emitHeader;
  options.name = moduleName;
  options.targetCPU = targetCPU;
  options.compileOptions = compileOptions;
  if (options.kind != moe::EmitKind::MLIR)
    return options;
  for (const llvm::cl::Option *option :
       {(llvm::cl::Option *)&emitHeader, (llvm::cl::Option *)&moduleName,
        (llvm::cl::Option *)&targetCPU, (llvm::cl::Option *)&compileOptions})
    if (option->getNumOccurrences())
      return moe::invalidInput("--" + option->ArgStr +
                               " is for --emit=llvm, obj or so; add one of "
                               "them [moe-emit-unused]");
  return options;
}

static Expected<std::unique_ptr<llvm::MemoryBuffer>> readInput(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (!buffer)
    return moe::makeError(moe::statusOf(buffer.getError()),
                          "'" + path + "' cannot be read (" +
                              buffer.getError().message() +
                              "), expected a file with MLIR text; check the "
                              "path [moe-opt-input]");
  StringRef contents = (*buffer)->getBuffer();
  if (!readBytecode || !moe::isBytecode(contents))
    if (Error error = moe::checkSourceText(path, contents))
      return std::move(error);
  return std::move(*buffer);
}

/// Refuses outputs that would lose a file or a remark, before anything is
/// computed.
static Error checkOptions(StringRef input, const moe::EmitOptions &emit,
                          const mlir::MlirOptMainConfig &config) {
  if (reportFile.getNumOccurrences() && config.shouldEmitRemarks())
    return moe::invalidInput("--report and --remarks-filter are both given, "
                             "but remarks go to one of them; leave one out "
                             "[moe-opt-report]");
  if (reportFile.getNumOccurrences() && reportFile.empty())
    return moe::invalidInput("--report is empty, expected a file or '-'; name "
                             "one [moe-opt-report-empty]");
  if (reportFile == "-" && (emit.output == "-" || emit.output.empty()))
    return moe::invalidInput("the module and the report both go to stdout, "
                             "where nobody can tell them apart; name a file "
                             "with -o or --report [moe-opt-report-stdout]");
  if (emit.kind != moe::EmitKind::MLIR)
    if (Error error = moe::checkEmitOptions(emit))
      return error;
  bool isText =
      emit.kind == moe::EmitKind::MLIR || emit.kind == moe::EmitKind::LLVM;
  moe::Output module = {"-o", emit.output, isText};
  moe::Output header = {"--emit-header", emit.header, /*isText=*/true};
  moe::Output report = {"--report", reportFile, /*isText=*/true};
  if (Error error = moe::checkOutputs({module, header, report}, /*inputs=*/{}))
    return error;
  // Only the module may take its own place.
  return moe::checkOutputs({header, report}, input.str());
}

/// Gives a flag of MLIR's that the command line does not have another default.
static void setDefault(StringRef flag, StringRef value) {
  llvm::cl::Option *option = llvm::cl::getRegisteredOptions().lookup(flag);
  if (option && option->getNumOccurrences() == 0)
    option->addOccurrence(/*pos=*/0, option->ArgStr, value);
}

/// Has the report, if there is one, collect what the passes of the command line
/// say, and sets `isDefect`, if there is one, when one fails that should not.
static void observe(mlir::moe::Report *report, std::atomic<bool> *isDefect,
                    mlir::MlirOptMainConfig &config) {
  // What the context had before its passes are set up is not kept.
  config.setPassPipelineSetupFn(
      [report, isDefect, given = config](mlir::PassManager &passes) {
        if (report)
          report->collectFrom(*passes.getContext());
        if (isDefect)
          passes.addInstrumentation(
              std::make_unique<mlir::moe::PassFailures>(*isDefect));
        return given.setupPassPipeline(passes);
      });
}

/// Whether the passes are those of --moe-compile: single passes may be asked
/// for what they cannot do.
static bool runsPipeline(llvm::ArrayRef<char *> arguments) {
  return llvm::any_of(arguments, [](StringRef argument) {
    return argument.contains("moe-compile");
  });
}

/// Writes the report, if one is asked for.
static Error writeReport(const mlir::moe::Report &report) {
  if (!reportFile.getNumOccurrences())
    return Error::success();
  return moe::writeTextOrStdout(reportFile, report.toJson());
}

/// False if a diagnostic said what failed.
static Expected<bool> runPasses(StringRef input, const std::string &output,
                                mlir::DialectRegistry &registry,
                                mlir::MlirOptMainConfig &config,
                                bool isPipeline, mlir::moe::Report &report) {
  Expected<moe::EmitOptions> emit = readEmitOptions(output);
  if (!emit)
    return emit.takeError();
  if (Error error = checkOptions(input, *emit, config))
    return std::move(error);
  // Operations can be longer than what is wrong with them.
  setDefault("mlir-print-op-on-diagnostic", "false");
  // What --emit compiles is the text that the passes of the command line leave:
  // with it go the places in the input that diagnostics and the report name.
  if (emit->kind != moe::EmitKind::MLIR)
    setDefault("mlir-print-debuginfo", "true");
  std::atomic<bool> isDefect = false;
  observe(reportFile.getNumOccurrences() ? &report : nullptr,
          isPipeline ? &isDefect : nullptr, config);
  auto buffer = readInput(input);
  if (!buffer)
    return buffer.takeError();
  std::string text;
  llvm::raw_string_ostream os(text);
  if (failed(mlir::MlirOptMain(os, std::move(*buffer), registry, config))) {
    if (isDefect)
      return moe::makeDefectError();
    return false;
  }
  if (emit->kind != moe::EmitKind::MLIR)
    return moe::emitModule(text, *emit, registry,
                           reportFile.getNumOccurrences() ? &report : nullptr);
  if (Error error = moe::writeTextOrStdout(output, text))
    return std::move(error);
  return true;
}

int main(int argc, char **argv) {
  moe::Process process(argc, argv);
  moe::exitWhenOutOfMemory("moe-opt", int(moe::getExitCode(MOE_OUT_OF_MEMORY)));
  llvm::cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "moe-opt " MOE_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
  });
  mlir::DialectRegistry registry;
  mlir::moe::registerAllDialects(registry);
  mlir::moe::registerAllPasses();
  auto [input, output] = mlir::registerAndParseCLIOptions(
      argc, argv, "moe-opt: compiler for Mixture-of-Experts models\n",
      registry);
  auto config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects() || config.shouldListPasses())
    return mlir::asMainReturnCode(
        mlir::MlirOptMain(argc, argv, input, output, registry));
  mlir::moe::Report report;
  bool isPipeline = runsPipeline(llvm::ArrayRef(argv, argc));
  Expected<bool> succeeded =
      runPasses(input, output, registry, config, isPipeline, report);
  if (!succeeded)
    return int(moe::reportError("moe-opt", succeeded.takeError()));
  // Also when a pass failed: it may say why.
  if (Error error = writeReport(report))
    return int(moe::reportError("moe-opt", std::move(error)));
  return *succeeded ? EXIT_SUCCESS : EXIT_FAILURE;
}
