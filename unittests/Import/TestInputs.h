//===- TestInputs.h - Configurations for the importer's tests ---*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_UNITTESTS_IMPORT_TESTINPUTS_H
#define MOE_UNITTESTS_IMPORT_TESTINPUTS_H

#include "MoE/Import/CheckpointPtr.h"
#include "MoE/Import/ModelConfig.h"
#include "MoE/Import/WeightMap.h"
#include "moe_rt/safetensors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <functional>
#include <string>

namespace moe_test {

/// A published configuration by the name of its folder.
inline std::string configPath(const std::string &name) {
  return std::string(MOE_TEST_CONFIG_DIR) + "/" + name + "/config.json";
}

/// The folder of a golden checkpoint.
inline std::string goldenPath(const std::string &name) {
  return std::string(MOE_TEST_DATA_DIR) + "/" + name;
}

inline nlohmann::json readConfig(const std::string &name) {
  std::ifstream file(configPath(name));
  return nlohmann::json::parse(file);
}

inline mlir::moe::hf::ImportResult<mlir::moe::hf::ModelConfig>
parse(const nlohmann::json &config) {
  return mlir::moe::hf::parseModelConfig(config.dump(), "config.json");
}

/// A published configuration with 2 layers, small enough for any test.
inline nlohmann::json tinyConfig(const std::string &name) {
  nlohmann::json config = readConfig(name);
  config["num_hidden_layers"] = 2;
  config["hidden_size"] = 16;
  config["vocab_size"] = 32;
  config["num_attention_heads"] = 2;
  config["num_key_value_heads"] = 1;
  config["bos_token_id"] = 1;
  config["eos_token_id"] = 2;
  config["num_experts_per_tok"] = 2;
  if (config.contains("head_dim"))
    config["head_dim"] = 6;
  for (const char *key :
       {"num_local_experts", "num_experts", "n_routed_experts"})
    if (config.contains(key))
      config[key] = 4;
  for (const char *key : {"intermediate_size", "moe_intermediate_size",
                          "shared_expert_intermediate_size"})
    if (config.contains(key))
      config[key] = 8;
  return config;
}

/// What a checkpoint in the layout of `map` holds.
inline mlir::moe::hf::TensorListing
listingOf(const mlir::moe::hf::WeightMap &map,
          const std::string &dtype = "BF16") {
  mlir::moe::hf::TensorListing listing;
  for (const mlir::moe::hf::Weight &weight : map.weights)
    for (const mlir::moe::hf::WeightSource &source : weight.sources)
      for (int64_t e = 0; e != (source.perExpert ? weight.numExperts() : 1);
           ++e)
        listing[expertTensorName(source, e)] = {dtype, source.fileShape};
  return listing;
}

/// The checkpoint at `path`; null, and a failed test, if it cannot be opened.
inline mlir::moe::hf::CheckpointPtr openCheckpoint(const std::string &path,
                                                   bool headersOnly) {
  moe_error error = {};
  moe_checkpoint *opened = nullptr;
  EXPECT_EQ(moe_checkpoint_open(path.c_str(), headersOnly, &opened, &error),
            MOE_OK)
      << error.message;
  return mlir::moe::hf::CheckpointPtr(opened);
}

/// Its tensors.
inline mlir::moe::hf::TensorListing openListing(const std::string &path) {
  mlir::moe::hf::CheckpointPtr checkpoint =
      openCheckpoint(path, /*headersOnly=*/true);
  return checkpoint ? mlir::moe::hf::listTensors(checkpoint.get())
                    : mlir::moe::hf::TensorListing();
}

/// Expects a failure whose message starts lower case or with the origin and
/// ends in the tag.
template <typename T>
void expectError(const mlir::moe::hf::ImportResult<T> &result,
                 const std::string &tag) {
  ASSERT_FALSE(result) << "expected " << tag;
  const std::string &message = result.message();
  ASSERT_GE(message.size(), tag.size());
  EXPECT_EQ(message.substr(message.size() - tag.size()), tag) << message;
  EXPECT_FALSE(std::isupper(static_cast<unsigned char>(message[0]))) << message;
}

inline const char *const publishedNames[] = {
    "deepseek-moe-16b", "granite-3.0-1b-a400m", "mixtral-8x7b",
    "olmoe-1b-7b",      "qwen1.5-moe-a2.7b",    "qwen3-30b-a3b",
};

inline const char *const goldenNames[] = {
    "deepseek-moe", "gpt-oss", "granite-moe", "mixtral",
    "mixtral-bf16", "olmoe",   "qwen2-moe",   "qwen3-moe",
};

} // namespace moe_test

#endif // MOE_UNITTESTS_IMPORT_TESTINPUTS_H
