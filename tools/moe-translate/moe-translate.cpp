//===- moe-translate.cpp - Model directories become modules
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/CheckpointPtr.h"
#include "MoE/Import/HuggingFace.h"
#include "MoE/Import/RandomCheckpoint.h"
#include "MoE/Import/Report.h"
#include "mlir/IR/MLIRContext.h"
#include "moe_rt/safetensors.h"
#include "support/ExitCode.h"
#include "support/OutOfMemory.h"
#include "support/Outputs.h"
#include "support/Process.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace mlir::moe;
using llvm::Error;
using ::moe::invalidInput;
using ::moe::makeError;
namespace cl = llvm::cl;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static cl::OptionCategory category("moe-translate options");

static cl::opt<bool> importHF("import-hf",
                              cl::desc("The input is a Hugging Face directory "
                                       "(config.json and safetensors)"),
                              cl::cat(category));
static cl::opt<std::string> directory(cl::Positional,
                                      cl::desc("<model directory>"),
                                      cl::Required, cl::cat(category));
static cl::opt<bool> configOnly(
    "config-only",
    cl::desc("Read config.json alone and assume the published tensor names; "
             "without it the checkpoint's headers are read and checked"),
    cl::cat(category));

enum class ReportFormat { None, Text, JSON };
static cl::opt<ReportFormat>
    reportFormat("report", cl::ValueOptional,
                 cl::desc("Print parameter counts instead of the module"),
                 cl::init(ReportFormat::None),
                 cl::values(clEnumValN(ReportFormat::Text, "", "as text"),
                            clEnumValN(ReportFormat::Text, "text", "as text"),
                            clEnumValN(ReportFormat::JSON, "json", "as JSON")),
                 cl::cat(category));
static cl::list<std::string>
    outputs("outputs", cl::CommaSeparated,
            cl::desc("Results besides the caches: logits (the default) or "
                     "last_logits (of the last position), router_logits "
                     "(router_logits.L, [batch * seq, E]), expert_counts "
                     "(expert_counts.L, [E])"),
            cl::value_desc("name,..."), cl::cat(category));
static cl::opt<uint64_t> randomizeSeed(
    "randomize-weights",
    cl::desc("Write a checkpoint of this shape instead of the module, with the "
             "values of moe-run --random-weights; needs --out"),
    cl::value_desc("seed"), cl::cat(category));
static cl::opt<std::string>
    randomizedFile("out", cl::desc("Where --randomize-weights writes"),
                   cl::value_desc("file.safetensors"), cl::cat(category));
static cl::opt<std::string> outputFile("o", cl::desc("Output file"),
                                       cl::value_desc("filename"),
                                       cl::init("-"), cl::cat(category));

static const std::string exitCodes =
    "\n" + ::moe::describeExitCodes(/*comparesResults=*/false);
static cl::extrahelp exitCodesHelp(exitCodes); // keeps a reference

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static bool isRandomizing() { return randomizeSeed.getNumOccurrences() != 0; }

static std::string configFile() { return directory + "/config.json"; }

static Error checkOptions() {
  if (!importHF)
    return invalidInput("expected --import-hf, the only translation there is "
                        "[moe-translate-mode]");
  if (isRandomizing() && randomizedFile.empty())
    return invalidInput("expected --out FILE with --randomize-weights "
                        "[moe-translate-out]");
  if (!isRandomizing() && randomizedFile.getNumOccurrences())
    return invalidInput("--out is where --randomize-weights writes; add that, "
                        "or name the file of the module or report with -o "
                        "[moe-translate-out-alone]");
  if (isRandomizing() && outputFile.getNumOccurrences())
    return invalidInput("-o was given with --randomize-weights, which writes "
                        "no module and no report; leave it out "
                        "[moe-translate-o-unused]");
  if (outputFile.empty())
    return invalidInput("-o is empty, expected a file, or '-' for stdout "
                        "[moe-translate-o]");
  if (llvm::sys::fs::is_regular_file(directory))
    return invalidInput("'" + directory +
                        "' is a file, expected the directory of a model; "
                        "leave out the name of the file "
                        "[moe-translate-directory]");
  return Error::success();
}

/// Outputs must not take the place of what is read.
static Error checkFiles() {
  std::vector<std::string> inputs;
  if (!configOnly && !isRandomizing())
    inputs = ::moe::listCheckpointFiles(directory);
  inputs.push_back(configFile());
  return ::moe::checkOutputs(
      {{"--out", randomizedFile}, {"-o", outputFile, /*isText=*/true}}, inputs);
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

static Error fromImport(const hf::ImportError &error) {
  return makeError(error.status, error.message);
}

/// The weights of the model, as its checkpoint stores them.
static hf::ImportResult<hf::WeightMap> mapWeights(hf::ModelConfig &config) {
  if (configOnly)
    return hf::buildWeightMap(config);
  moe_checkpoint *opened = nullptr;
  moe_error error = {};
  if (moe_checkpoint_open(directory.c_str(), /*headers_only=*/1, &opened,
                          &error) != MOE_OK)
    return hf::ImportError{error.message,
                           static_cast<moe_status>(error.status)};
  hf::CheckpointPtr checkpoint(opened);
  hf::TensorListing listing = hf::listTensors(opened);
  if (std::string notice = hf::adoptStoredHead(config, listing);
      !notice.empty())
    llvm::errs() << "moe-translate: note: " << notice << '\n';
  return hf::buildWeightMap(config, listing);
}

static Error writeRandomized(const hf::ModelConfig &config) {
  int lastPercent = -1;
  auto written = hf::randomizeCheckpoint(
      config, randomizeSeed, randomizedFile, [&](int64_t done, int64_t total) {
        int percent = total ? static_cast<int>(100.0 * done / total) : 100;
        if (percent != lastPercent && total > (int64_t(1) << 28))
          llvm::errs() << "\rwriting " << randomizedFile << ": " << percent
                       << " %" << (percent == 100 ? "\n" : "");
        lastPercent = percent;
      });
  if (!written)
    return fromImport(written.error());
  return ::moe::writeTextOrStdout("-", "wrote " + std::to_string(*written) +
                                           " bytes\n");
}

static Error writeModule(const hf::ModelConfig &config,
                         const hf::WeightMap &weights) {
  auto options = hf::parseOutputs(outputs);
  if (!options)
    return fromImport(options.error());
  MLIRContext context;
  OwningOpRef<ModuleOp> module =
      hf::buildModelGraph(&context, config, weights, *options);
  if (!module)
    return makeError(MOE_INTERNAL,
                     "the imported graph is invalid, as said above");
  std::string text;
  llvm::raw_string_ostream(text) << *module << '\n';
  return ::moe::writeTextOrStdout(outputFile, text);
}

static Error writeReport(const hf::ModelConfig &config,
                         const hf::WeightMap &weights) {
  auto report = hf::countParameters(config, weights);
  if (!report)
    return fromImport(report.error());
  return ::moe::writeTextOrStdout(outputFile, reportFormat == ReportFormat::JSON
                                                  ? hf::toJson(*report) + "\n"
                                                  : hf::toText(*report));
}

static Error translate() {
  if (Error error = checkOptions())
    return error;
  if (Error error = checkFiles())
    return error;
  auto config = hf::loadModelConfig(configFile());
  if (!config)
    return fromImport(config.error());
  for (const std::string &key : config->unknownKeys)
    llvm::errs() << "moe-translate: warning: config.json has the unknown key '"
                 << key << "'; it has no effect\n";
  if (isRandomizing())
    return writeRandomized(*config);
  auto weights = mapWeights(*config);
  if (!weights)
    return fromImport(weights.error());
  return reportFormat == ReportFormat::None ? writeModule(*config, *weights)
                                            : writeReport(*config, *weights);
}

int main(int argc, char **argv) {
  ::moe::Process process(argc, argv);
  ::moe::exitWhenOutOfMemory("moe-translate",
                             int(::moe::getExitCode(MOE_OUT_OF_MEMORY)));
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "moe-translate " MOE_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
  });
  cl::HideUnrelatedOptions(category);
  bool isUnderstood = cl::ParseCommandLineOptions(
      argc, argv,
      "moe-translate: imports models\n\n"
      "  moe-translate --import-hf DIR            the model as MLIR text\n"
      "  moe-translate --import-hf DIR --report   its parameter counts\n",
      &llvm::errs());
  if (!isUnderstood) // the parser said why
    return int(::moe::ExitCode::InvalidArgument);
  return int(::moe::reportError("moe-translate", translate()));
}
