//===- Files.cpp - What a run reads and writes ----------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "support/Outputs.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace llvm;
using namespace moe;
using namespace moe::run;

/// Files of the model, and its weights unless they come from elsewhere.
static std::vector<std::string> listModelFiles(const Options &options) {
  if (!sys::fs::is_directory(options.path))
    return {options.path};
  std::vector<std::string> files;
  if (options.session.weights.empty() && !options.session.randomWeights) {
    files = listCheckpointFiles(options.path);
    // It would win over the shards of an index.
    files.push_back(options.path + "/model.safetensors");
  }
  for (StringRef name :
       {"config.json", "generation_config.json", "tokenizer.model"})
    files.push_back((options.path + "/" + name).str());
  return files;
}

/// A cache that is there is read, and written only in its own place.
static bool hasPackedCache(const Options &options) {
  return sys::fs::exists(options.session.packedCache);
}

static std::vector<std::string> listInputs(const Options &options) {
  std::vector<std::string> files = listModelFiles(options);
  auto addCheckpoint = [&](StringRef path) {
    append_range(files, listCheckpointFiles(path));
  };
  if (!options.session.weights.empty())
    addCheckpoint(options.session.weights);
  for (const InputBinding &input : options.inputs)
    if (!input.isNumber())
      addCheckpoint(input.source.file);
  for (const TensorBinding &expectation : options.expectations)
    addCheckpoint(expectation.source.file);
  for (const auto *source : {&options.evaluate, &options.agreement})
    if (*source)
      addCheckpoint((*source)->file);
  if (hasPackedCache(options))
    files.push_back(options.session.packedCache);
  return files;
}

Error moe::run::checkFiles(const Options &options) {
  std::string newCache =
      hasPackedCache(options) ? "" : options.session.packedCache;
  if (options.outputFile.empty() && options.statsFile.empty() &&
      newCache.empty())
    return Error::success();
  return checkOutputs({{"--output", options.outputFile},
                       {"--stats", options.statsFile, /*isText=*/true},
                       {"--packed-cache", newCache}},
                      listInputs(options));
}
