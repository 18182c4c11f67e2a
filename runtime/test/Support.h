//===- Support.h - What the tests of the runtime share ----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_TEST_SUPPORT_H
#define MOE_RT_TEST_SUPPORT_H

#include "moe_rt/context.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace moe::rt::test {

/// A message must end in the tag of its rule.
inline bool endsWith(const std::string &text, const std::string &tag) {
  return text.size() >= tag.size() &&
         text.compare(text.size() - tag.size(), tag.size(), tag) == 0;
}

/// Expects that a call failed with this status and a message with this tag.
inline void expectError(int32_t status, const char *message, int32_t expected,
                        const char *tag) {
  EXPECT_EQ(status, expected) << message;
  EXPECT_TRUE(endsWith(message, tag)) << "tag " << tag << " of: " << message;
}

inline void expectError(int32_t status, const moe_error &error,
                        int32_t expected, const char *tag) {
  expectError(status, error.message, expected, tag);
  EXPECT_EQ(error.status, expected);
}

/// Expects the same of the last call of a context.
inline void expectError(int32_t status, const moe_ctx *ctx, int32_t expected,
                        const char *tag) {
  expectError(status, moe_ctx_message(ctx), expected, tag);
  EXPECT_EQ(moe_ctx_status(ctx), expected);
}

/// A folder that is removed with what is in it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "moe-XXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string operator/(const std::string &name) const {
    return path + "/" + name;
  }
  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return *this / name;
  }
  size_t countFiles() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path), {}));
  }

  std::string path;
};

/// `length` as the eight bytes that begin a .safetensors file.
inline std::string lengthPrefix(uint64_t length) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(length >> (8 * i));
  return bytes;
}

/// The bytes of a .safetensors file with this header and data.
inline std::string fileBytes(const std::string &header,
                             const std::string &data = "") {
  return lengthPrefix(header.size()) + header + data;
}

/// `"NAME":{...}` of a header.
inline std::string entry(const std::string &name, const std::string &dtype,
                         const std::string &shape, uint64_t begin,
                         uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

/// A file with one F32 tensor of `n` zeros.
inline std::string oneTensorFile(const std::string &name, uint64_t n) {
  std::string shape = std::to_string(n);
  return fileBytes("{" + entry(name, "F32", shape, 0, 4 * n) + "}",
                   std::string(4 * n, '\0'));
}

/// An open checkpoint that closes itself.
class Checkpoint {
public:
  explicit Checkpoint(const std::string &path, bool headersOnly = false) {
    status = moe_checkpoint_open(path.c_str(), headersOnly, &handle, &error);
  }
  ~Checkpoint() { moe_checkpoint_close(handle); }
  Checkpoint(const Checkpoint &) = delete;
  Checkpoint &operator=(const Checkpoint &) = delete;

  moe_checkpoint *handle = nullptr;
  moe_error error = {};
  int32_t status;
};

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

inline moe_dim fixed(int64_t extent) { return {extent, {-1, -1}}; }
inline moe_dim symbolic(int32_t symbol, int64_t factor = 1,
                        int32_t other = -1) {
  return {factor, {symbol, other}};
}

inline moe_argument makeArgument(const char *name, int32_t dtype,
                                 std::vector<moe_dim> shape) {
  moe_argument argument = {};
  argument.name = name;
  argument.dtype = dtype;
  argument.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), argument.shape);
  argument.value_symbol = argument.tied_input = -1;
  return argument;
}

inline moe_tensor makeTensor(int32_t dtype, std::vector<int64_t> shape,
                             void *data) {
  moe_tensor tensor = {};
  tensor.data = data;
  tensor.dtype = dtype;
  tensor.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape);
  return tensor;
}

/// The tables of a module with one function, in vectors.
struct TestModule {
  std::vector<moe_argument> inputs, outputs;
  std::vector<const char *> symbols;
  std::vector<moe_limit> limits;
  std::vector<moe_weight> weights;
  const char *features = "";
  moe_entry entry = enterOnly;
  moe_function function = {};
  moe_module module = {};

  /// The entry of a module whose code only checks its arguments. It finds its
  /// function through the variable because C function pointers have no state.
  static inline thread_local const moe_function *current = nullptr;
  static int32_t enterOnly(moe_ctx *ctx, const moe_tensor *in, size_t n_in,
                           moe_tensor *out, size_t n_out) {
    return moe_rt_enter(ctx, current, in, n_in, out, n_out);
  }

  const moe_module *get() {
    function.name = "forward";
    function.entry = entry;
    function.inputs = inputs.data();
    function.outputs = outputs.data();
    function.symbols = symbols.data();
    function.limits = limits.data();
    function.num_inputs = static_cast<int64_t>(inputs.size());
    function.num_outputs = static_cast<int64_t>(outputs.size());
    function.num_symbols = static_cast<int64_t>(symbols.size());
    function.num_limits = static_cast<int64_t>(limits.size());
    module.abi_version = MOE_ABI_VERSION;
    module.struct_size = sizeof(moe_module);
    module.target_cpu = "test-cpu";
    module.target_features = features;
    module.functions = &function;
    module.num_functions = 1;
    module.weights = weights.data();
    module.num_weights = static_cast<int64_t>(weights.size());
    current = &function;
    return &module;
  }
};

/// A context that destroys itself.
class Context {
public:
  explicit Context(const moe_module *module,
                   const moe_ctx_options *options = nullptr) {
    moe_ctx_options few = {};
    few.size = sizeof(few);
    few.num_threads = 2;
    status = moe_ctx_create(module, options ? options : &few, &handle, &error);
  }
  ~Context() { moe_ctx_destroy(handle); }
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;

  moe_ctx *handle = nullptr;
  moe_error error = {};
  int32_t status;
};

} // namespace moe::rt::test

#endif // MOE_RT_TEST_SUPPORT_H
