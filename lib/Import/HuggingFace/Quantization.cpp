//===- Quantization.cpp - What a quantization_config says -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Quantization.h"

#include "Json.h"
#include "Text.h"

#include <algorithm>

using namespace mlir::moe::hf;
using nlohmann::json;

/// Columns that a scale may have at most; see #moe.quantized.
static constexpr int64_t kMaxGroup = 65536;

namespace {

/// A key of a method, with the values that are supported.
struct MethodKey {
  const char *name;
  /// JSON texts, ended by null. None: any value.
  const char *accepted[6] = {};
};

// Keys that are read below are listed too: what is in no list is unknown.

constexpr MethodKey GptqKeys[] = {
    {"quant_method"},
    {"bits"},
    {"group_size"},
    {"sym"},
    // Sorted columns have scales in an order of their own.
    {"desc_act", {"false"}},
    {"checkpoint_format"},
    {"dynamic", {"null", "{}"}},
    {"is_marlin_format", {"false"}},
    {"pack_dtype", {"\"int32\"", "null"}},
    // How the codes were found, and how other programs run them.
    {"act_group_aware"},
    {"backend"},
    {"batch_size"},
    {"block_name_to_quantize"},
    {"cache_block_outputs"},
    {"damp_auto_increment"},
    {"damp_percent"},
    {"dataset"},
    {"disable_exllama"},
    {"exllama_config"},
    {"lm_head"},
    {"max_input_length"},
    {"meta"},
    {"model_file_base_name"},
    {"model_name_or_path"},
    {"model_seqlen"},
    {"module_name_preceding_first_block"},
    {"modules_in_block_to_quantize"},
    {"modules_to_not_convert"},
    {"mse"},
    {"pad_token_id"},
    {"quantizer"},
    {"static_groups"},
    {"tokenizer"},
    {"true_sequential"},
    {"use_cuda_fp16"},
    {"use_exllama"},
};

constexpr MethodKey AwqKeys[] = {
    {"quant_method"},
    {"bits", {"4"}},
    {"group_size"},
    {"zero_point", {"true"}},
    {"version", {"\"gemm\"", "\"GEMM\""}},
    {"backend"},
    {"do_fuse"},
    {"exllama_config"},
    {"fuse_max_seq_len"},
    {"modules_to_fuse"},
    {"modules_to_not_convert"},
};

constexpr MethodKey CompressedKeys[] = {
    {"quant_method"},
    {"format", {"\"pack-quantized\"", "\"int-quantized\""}},
    {"config_groups"},
    {"kv_cache_scheme", {"null"}},
    {"quantization_status", {"\"compressed\"", "\"frozen\""}},
    {"sparsity_config", {"null", "{}"}},
    {"transform_config", {"null", "{}"}},
    {"global_compression_ratio"},
    {"ignore"},
    {"version"},
};

constexpr MethodKey CompressedGroupKeys[] = {
    {"format", {"null", "\"pack-quantized\"", "\"int-quantized\""}},
    {"weights"},
    // Rows of 8 bits are the user's choice.
    {"input_activations"},
    {"output_activations", {"null"}},
    {"targets"},
};

constexpr MethodKey CompressedWeightKeys[] = {
    {"num_bits"},
    {"group_size"},
    {"strategy", {"\"group\"", "\"channel\""}},
    {"symmetric"},
    {"type", {"\"int\""}},
    {"actorder", {"null", "false", "\"static\"", "\"weight\""}},
    {"block_structure", {"null"}},
    {"dynamic", {"false"}},
    {"observer"},
    {"observer_kwargs"},
    {"scale_dtype"},
    {"zp_dtype"},
};

constexpr MethodKey Mxfp4Keys[] = {
    {"quant_method"},
    {"dequantize"},
    {"modules_to_not_convert"},
};

/// Reads one object. The first violation is kept; from then on values are
/// placeholders.
class QuantizationReader {
public:
  QuantizationReader(const json &root, std::string_view origin,
                     std::vector<std::string> &unknownKeys)
      : root(root), origin(origin), unknownKeys(unknownKeys) {}

  ImportResult<QuantizationConfig> read();

private:
  void readGptq();
  void readAwq();
  void readCompressed();
  void readMxfp4();

  template <size_t N>
  void checkKeys(const json &object, const std::string &path,
                 const MethodKey (&keys)[N]);
  void checkAccepted(const std::string &name, const MethodKey &key,
                     const json &found);
  const json &member(const json &object, const std::string &path,
                     const char *key);
  int64_t integer(const json &object, const std::string &path, const char *key);
  bool flag(const json &object, const std::string &path, const char *key);
  void checkFormat();

  template <typename... Parts>
  void keep(moe_status status, const Parts &...parts) {
    if (failure.message.empty())
      failure = {cat(origin, ": ", parts...), status};
  }

  const json &root;
  std::string_view origin;
  std::vector<std::string> &unknownKeys;
  QuantizationConfig config;
  ImportError failure;
};

} // namespace

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void QuantizationReader::checkAccepted(const std::string &name,
                                       const MethodKey &key,
                                       const json &found) {
  if (!key.accepted[0])
    return;
  std::string expected;
  for (const char *const *text = key.accepted; *text; ++text) {
    if (found == json::parse(*text))
      return;
    expected += cat(expected.empty() ? "" : " or ", *text);
  }
  keep(MOE_UNSUPPORTED, inQuotes(name), " is ", valueText(found), ", expected ",
       expected,
       "; quantize the model in that way, or import one that is not quantized "
       "[moe-config-quantized]");
}

template <size_t N>
void QuantizationReader::checkKeys(const json &object, const std::string &path,
                                   const MethodKey (&keys)[N]) {
  for (const auto &[name, value] : object.items()) {
    const auto *key = std::find_if(
        std::begin(keys), std::end(keys),
        [&name = name](const MethodKey &known) { return name == known.name; });
    if (key == std::end(keys))
      unknownKeys.push_back(path + "." + name);
    else
      checkAccepted(path + "." + name, *key, value);
  }
}

const json &QuantizationReader::member(const json &object,
                                       const std::string &path,
                                       const char *key) {
  static const json null;
  auto found = object.find(key);
  if (found != object.end())
    return *found;
  keep(MOE_INVALID_DATA, "key ", inQuotes(path + "." + key),
       " is missing, expected it for this method; add it "
       "[moe-config-quantization-missing]");
  return null;
}

int64_t QuantizationReader::integer(const json &object, const std::string &path,
                                    const char *key) {
  const json &found = member(object, path, key);
  if (found.is_number_integer() && found >= -1 && found <= kMaxGroup)
    return found.get<int64_t>();
  keep(MOE_INVALID_DATA, inQuotes(path + "." + key), " is ", valueText(found),
       ", expected an integer from -1 to ", kMaxGroup,
       "; correct the value [moe-config-quantization-range]");
  return 0;
}

bool QuantizationReader::flag(const json &object, const std::string &path,
                              const char *key) {
  const json &found = member(object, path, key);
  if (found.is_boolean())
    return found.get<bool>();
  keep(MOE_INVALID_DATA, inQuotes(path + "." + key), " is ", valueText(found),
       ", expected true or false; correct the value "
       "[moe-config-quantization-type]");
  return false;
}

/// What #moe.quantized can say.
void QuantizationReader::checkFormat() {
  if (config.group == -1)
    config.group = 0;
  if (config.bits != 4 && config.bits != 8)
    keep(MOE_UNSUPPORTED, "codes have ", config.bits,
         " bits, expected 4 or 8; quantize the model in that way "
         "[moe-config-quantized]");
  if (config.group % 8 != 0)
    keep(
        MOE_UNSUPPORTED, "a scale is for ", config.group,
        " columns, expected a multiple of 8, or -1 for all; quantize the model "
        "in that way [moe-config-quantized]");
}

//===----------------------------------------------------------------------===//
// Methods
//===----------------------------------------------------------------------===//

void QuantizationReader::readGptq() {
  const std::string path = "quantization_config";
  checkKeys(root, path, GptqKeys);
  config.format = StoredFormat::Gptq;
  config.bits = integer(root, path, "bits");
  config.group = integer(root, path, "group_size");
  config.zeroPoints = !flag(root, path, "sym");
  (void)flag(root, path, "desc_act");
  json version = root.value("checkpoint_format", json("gptq"));
  if (version != "gptq" && version != "gptq_v2")
    keep(MOE_UNSUPPORTED, inQuotes(path + ".checkpoint_format"), " is ",
         valueText(version),
         ", expected 'gptq' or 'gptq_v2'; convert the checkpoint "
         "[moe-config-quantized]");
  // The first version of the format stores zeros less 1.
  config.zeroOffset = version == "gptq" ? 1 : 0;
}

void QuantizationReader::readAwq() {
  const std::string path = "quantization_config";
  checkKeys(root, path, AwqKeys);
  config.format = StoredFormat::Awq;
  config.bits = integer(root, path, "bits");
  config.group = integer(root, path, "group_size");
  config.zeroPoints = flag(root, path, "zero_point");
}

void QuantizationReader::readCompressed() {
  std::string path = "quantization_config";
  checkKeys(root, path, CompressedKeys);
  const json &format = member(root, path, "format");
  config.format =
      format == "int-quantized" ? StoredFormat::Int8 : StoredFormat::Packed;
  const json &groups = member(root, path, "config_groups");
  path += ".config_groups";
  if (!groups.is_object() || groups.size() != 1 || !groups.begin()->is_object())
    return keep(MOE_UNSUPPORTED, inQuotes(path), " is ", valueText(groups),
                ", expected one group for all matrices; quantize the model in "
                "that way [moe-config-quantized]");
  const json &group = *groups.begin();
  path += "." + groups.begin().key();
  checkKeys(group, path, CompressedGroupKeys);
  const json &weights = member(group, path, "weights");
  path += ".weights";
  if (!weights.is_object())
    return keep(MOE_INVALID_DATA, inQuotes(path), " is ", valueText(weights),
                ", expected an object; correct the value "
                "[moe-config-quantization-type]");
  checkKeys(weights, path, CompressedWeightKeys);
  config.bits = integer(weights, path, "num_bits");
  if (member(weights, path, "strategy") == "group")
    config.group = integer(weights, path, "group_size");
  config.zeroPoints = !flag(weights, path, "symmetric");
  if (config.format == StoredFormat::Int8 && config.bits != 8)
    keep(MOE_UNSUPPORTED, inQuotes(path + ".num_bits"), " is ", config.bits,
         " in format 'int-quantized', expected 8; store fewer bits as "
         "'pack-quantized' [moe-config-quantized]");
}

void QuantizationReader::readMxfp4() {
  checkKeys(root, "quantization_config", Mxfp4Keys);
  config.format = StoredFormat::Mxfp4;
  config.bits = 4;
  config.group = 32;
}

ImportResult<QuantizationConfig> QuantizationReader::read() {
  json method = root.is_object() ? root.value("quant_method", json()) : json();
  if (method == "gptq")
    readGptq();
  else if (method == "awq")
    readAwq();
  else if (method == "compressed-tensors")
    readCompressed();
  else if (method == "mxfp4")
    readMxfp4();
  else
    keep(MOE_UNSUPPORTED,
         "'quantization_config' asks for the quantization method ",
         valueText(method),
         ", expected 'gptq', 'awq', 'compressed-tensors' or 'mxfp4'; import a "
         "checkpoint of one of these, or one that is not quantized "
         "[moe-config-quantized]");
  if (failure.message.empty())
    checkFormat();
  if (!failure.message.empty())
    return failure;
  return config;
}

ImportResult<QuantizationConfig>
mlir::moe::hf::parseQuantization(const json &root, std::string_view origin,
                                 std::vector<std::string> &unknownKeys) {
  return QuantizationReader(root, origin, unknownKeys).read();
}
