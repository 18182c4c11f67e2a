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
#include "mlir/Support/FileUtilities.h"
#include "moe_rt/safetensors.h"
#include "support/OutOfMemory.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/ToolOutputFile.h"
#include <cstdlib>

using namespace mlir;
using namespace mlir::moe;
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
            cl::desc("Results besides the caches: logits, router_logits "
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

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

static int fail(const llvm::Twine &message) {
  llvm::errs() << "moe-translate: error: " << message << "\n";
  return 1;
}

/// The weights of the model, as its checkpoint stores them.
static hf::ImportResult<hf::WeightMap>
mapWeights(const hf::ModelConfig &config) {
  if (configOnly)
    return hf::buildWeightMap(config);
  moe_checkpoint *opened = nullptr;
  moe_error error = {};
  if (moe_checkpoint_open(directory.c_str(), /*headers_only=*/1, &opened,
                          &error) != MOE_OK)
    return hf::ImportError{error.message,
                           static_cast<moe_status>(error.status)};
  hf::CheckpointPtr checkpoint(opened);
  return hf::buildWeightMap(config, hf::listTensors(opened));
}

/// Opens the output, lets `write` fill it, and keeps it if that succeeded.
static int writeOutput(llvm::function_ref<bool(llvm::raw_ostream &)> write) {
  std::string error;
  std::unique_ptr<llvm::ToolOutputFile> output =
      openOutputFile(outputFile, &error);
  if (!output)
    return fail(error + " [moe-translate-output]");
  if (!write(output->os()))
    return 1;
  output->os().flush();
  if (output->os().has_error()) {
    std::string reason = output->os().error().message();
    output->os().clear_error();
    return fail("writing '" + outputFile + "' failed: " + reason +
                " [moe-translate-write]");
  }
  output->keep();
  return 0;
}

static int writeRandomized(const hf::ModelConfig &config) {
  if (randomizedFile.empty())
    return fail("expected --out FILE with --randomize-weights "
                "[moe-translate-out]");
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
    return fail(written.message());
  llvm::outs() << "wrote " << *written << " bytes\n";
  return 0;
}

static int writeModule(const hf::ModelConfig &config,
                       const hf::WeightMap &weights) {
  auto options = hf::parseOutputs(outputs);
  if (!options)
    return fail(options.message());
  MLIRContext context;
  OwningOpRef<ModuleOp> module =
      hf::buildModelGraph(&context, config, weights, *options);
  if (!module)
    return 1; // its verifier said why
  return writeOutput([&](llvm::raw_ostream &os) {
    module->print(os);
    os << "\n";
    return true;
  });
}

int main(int argc, char **argv) {
  ::moe::exitWhenOutOfMemory("moe-translate", EXIT_FAILURE);
  llvm::InitLLVM init(argc, argv);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "moe-translate " MOE_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
  });
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(
      argc, argv,
      "moe-translate: imports models\n\n"
      "  moe-translate --import-hf DIR            the model as MLIR text\n"
      "  moe-translate --import-hf DIR --report   its parameter counts\n");
  if (!importHF)
    return fail("expected --import-hf, the only translation there is "
                "[moe-translate-mode]");
  auto config = hf::loadModelConfig(directory + "/config.json");
  if (!config)
    return fail(config.message());
  for (const std::string &key : config->unknownKeys)
    llvm::errs() << "moe-translate: warning: config.json has the unknown key '"
                 << key << "'; it has no effect\n";
  if (randomizeSeed.getNumOccurrences())
    return writeRandomized(*config);
  auto weights = mapWeights(*config);
  if (!weights)
    return fail(weights.message());
  if (reportFormat == ReportFormat::None)
    return writeModule(*config, *weights);
  auto report = hf::countParameters(*config, *weights);
  if (!report)
    return fail(report.message());
  return writeOutput([&](llvm::raw_ostream &os) {
    os << (reportFormat == ReportFormat::JSON ? hf::toJson(*report)
                                              : hf::toText(*report));
    return true;
  });
}
