//===- Session.h - Compile a model and call it -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Brings compiler and runtime together: a module in MLIR text or a model
// directory becomes machine code in this process, with its weights bound. Used
// by moe-run and by the C interface.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_SESSION_SESSION_H
#define MOE_TOOLS_SESSION_SESSION_H

#include "MoE/Dialect/MoE/Transforms/Precision.h"
#include "MoE/Dialect/MoE/Transforms/RowTile.h"
#include "moe_rt/context.h"
#include "support/StatusError.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace moe {

/// How a session compiles and where its weights come from.
struct SessionOptions {
  /// Checkpoint directory or .safetensors file; empty: the model directory
  /// itself, or none for a module.
  std::string weights;
  /// File for weights in the form that kernels want; empty: none. See
  /// moe_ctx_options.
  std::string packedCache;
  /// Weights are those of a checkpoint made up from this seed instead.
  std::optional<uint64_t> randomWeights;
  /// Additional results of an imported model ("router_logits",
  /// "expert_counts").
  std::vector<std::string> outputs;
  /// Run the routing ops by the reference oracle instead of compiled code.
  bool reference = false;
  /// Processor to compile for; empty: this one.
  std::string targetCPU;
  int32_t threads = 0; ///< 0: one per core
  /// Microseconds for which threads look for work before they sleep; 0: the
  /// runtime's default, negative: they sleep at once.
  int32_t spinMicroseconds = 0;
  bool pinThreads = false; ///< each but the caller's stays on a core of its own
  int64_t rowTile = mlir::moe::kDefaultRowTile;
  mlir::moe::Activations activations = mlir::moe::Activations::F32;
  mlir::moe::ExpertQuantization quantization;
};

/// Told what opening a session is doing, and, where that is known, which part
/// of the step is done, from 0 to 1. Calls without a part begin something new.
using SessionProgress =
    llvm::function_ref<void(llvm::StringRef step, std::optional<double> part)>;

/// Seconds that the parts of opening a session took.
struct SessionTimes {
  double import = 0, compile = 0, load = 0;
};

/// What a model directory says about generating text.
struct GenerationInfo {
  int64_t vocabulary = 0;
  int64_t maxPositions = 0;
  /// Ids that end a text: of generation_config.json, else of config.json.
  std::vector<int64_t> endOfText;
  std::optional<int64_t> beginOfText;   ///< id that begins a prompt
  std::vector<int64_t> expertsPerToken; ///< by layer; 0 without experts
};

/// A compiled module with its weights. Not thread safe; sessions are
/// independent of each other. Functions that fail say of which kind the failure
/// is: see StatusError.
class Session {
public:
  /// Opens `path`: MLIR text of any level, or a model directory. `progress` is
  /// told what is happening. A pass that fails is MOE_INVALID_DATA for MLIR
  /// text, and MOE_INTERNAL for a model directory, whose graph this project
  /// made.
  static llvm::Expected<std::unique_ptr<Session>>
  open(llvm::StringRef path, const SessionOptions &options,
       SessionProgress progress = nullptr);
  /// Opens a module given as MLIR text.
  static llvm::Expected<std::unique_ptr<Session>>
  openText(llvm::StringRef text, const SessionOptions &options);
  ~Session();

  /// What the module offers.
  const moe_module &getModule() const;
  /// What calls run in. Code compiled for the reference oracle reports failures
  /// through takeReferenceFailure as well.
  moe_ctx *getContext() const;
  /// What of a model directory was not taken as it says; empty: nothing.
  llvm::StringRef getNotice() const;
  /// The entry of that name, or the only entry for an empty name.
  llvm::Expected<const moe_function *> find(llvm::StringRef name = "") const;

  /// Shapes of the outputs that are passed (tied ones left out), without data.
  llvm::Expected<std::vector<moe_tensor>>
  getOutputShapes(const moe_function &function,
                  llvm::ArrayRef<moe_tensor> inputs);

  /// Calls `function`; `outputs` as getOutputShapes says, with data.
  llvm::Error call(const moe_function &function,
                   llvm::ArrayRef<moe_tensor> inputs,
                   llvm::MutableArrayRef<moe_tensor> outputs);

  const SessionTimes &getTimes() const;
  /// Bytes of workspace that the largest call so far has used.
  uint64_t getPeakWorkspace() const;
  /// What a model directory says, without opening it.
  static llvm::Expected<GenerationInfo>
  readGenerationInfo(llvm::StringRef directory);

private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace moe

#endif // MOE_TOOLS_SESSION_SESSION_H
