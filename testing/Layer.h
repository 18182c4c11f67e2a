//===- Layer.h - Layers, compiled and by the oracle -*- C++ -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TESTING_LAYER_H
#define MOE_TESTING_LAYER_H

#include "Session.h"
#include "moe_rt/reference.h"
#include "llvm/Support/FileUtilities.h"
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace moe::test {

/// A dense tensor of the test, with red zones around its elements: a write
/// outside of them is found by `isIntact`.
class Tensor {
public:
  Tensor(int32_t dtype, std::vector<int64_t> shape);

  moe_tensor abi() const;
  float *f32() { return reinterpret_cast<float *>(data()); }
  int32_t *i32() { return reinterpret_cast<int32_t *>(data()); }
  const float *f32() const { return const_cast<Tensor *>(this)->f32(); }
  const int32_t *i32() const { return const_cast<Tensor *>(this)->i32(); }
  void *data() { return bytes.data() + kRedZone; }
  int64_t size() const;
  int64_t dim(size_t i) const { return shape[i]; }
  bool isIntact() const;

private:
  static constexpr size_t kRedZone = 256;
  static constexpr unsigned char kPattern = 0xa5;
  int32_t dtype;
  std::vector<int64_t> shape;
  size_t numBytes;
  std::vector<unsigned char> bytes;
};

struct LayerTypes;

/// What kind of layer: routing policy, sizes, expert body.
struct LayerSpec {
  int64_t experts = 8, topK = 2, hidden = 16, width = 24;
  moe_router_attrs router = {};
  bool bias = false, expertScale = false;
  bool hasCapacity = false;
  moe_capacity_attrs capacity = {};
  int32_t priority = MOE_PRIORITY_POSITIONAL;
  int32_t overflow = MOE_OVERFLOW_NONE;
  moe_normalize_attrs renormalize = {};
  bool segments = false;      ///< capacity per segment
  bool weightAtInput = false; ///< dispatch applies the weights
  int64_t identity = 0, zero = 0;
  int32_t dtype = MOE_F32;       ///< of the expert weights
  bool weightsPerExpert = false; ///< one checkpoint tensor per expert

  int64_t computed() const { return experts - identity - zero; }
  /// As MLIR text: `layer(x, logits, ...) -> (weights, ids, counts, offsets,
  /// position, planned, y)`.
  std::string toText() const;
  /// One line for failure messages.
  std::string describe() const;

  // Pieces of such a text, after layerAliases and layerConstants.

  /// Declares the weights @gate, @up and @down with `suffix` at their names,
  /// and `tensorSuffix` at those of the tensors that they are read from.
  std::string weightsText(const std::string &suffix,
                          const std::string &tensorSuffix) const;
  /// Makes them the values %gate, %up and %down.
  std::string bankValuesText(const std::string &suffix) const;
  /// From %x, the logits %z and those values to %y, with %w, %ids, %counts,
  /// %offsets, %position and %planned on the way.
  std::string opsText() const;

private:
  std::string routerText(const LayerTypes &types) const;
  std::string planText(const LayerTypes &types) const;
  std::string dispatchText(const LayerTypes &types) const;
  std::string expertsText(const LayerTypes &types) const;
  std::string combineText(const LayerTypes &types) const;
};

/// MLIR types of a layer's values.
struct LayerTypes {
  std::string tokens, logits, slotsF, slotsI, perExpert, counts, offsets;
  std::string wide;                 ///< rows inside an expert
  std::string inner, outer;         ///< gate and up; down
  std::string innerBank, outerBank; ///< of these
  explicit LayerTypes(const LayerSpec &spec);
};

/// Definitions that the text of a layer refers to; they come first.
extern const char *const layerAliases;
/// %c0, %zero and %one, which the ops of a layer use; at the start of a
/// function.
extern const char *const layerConstants;
/// The attributes of an argument or result with these sizes.
std::string shapeAttr(const std::string &sizes);
/// `%name` = `left` times the transposed `right`; `rows` is the number of its
/// rows. Uses layerConstants.
std::string matmulText(const std::string &name, const std::string &rows,
                       const std::string &left, const std::string &leftType,
                       const std::string &right, const std::string &rightType,
                       const std::string &type);

/// What the codes of `matrix` stand for, by the oracle; f32. A group of 0 is
/// all of a row.
Tensor quantizeByOracle(const Tensor &matrix, moe_quantization format);

/// Expert weights: for each expert gate [F, H], up [F, H], down [H, F].
struct ExpertWeights {
  std::vector<Tensor> gate, up, down;
  ExpertWeights(const LayerSpec &spec, std::mt19937_64 &random);
  /// Writes a checkpoint that toText() names; false on failure.
  bool write(const LayerSpec &spec, const std::string &path) const;
  /// What the codes of these weights stand for, by the oracle; f32.
  ExpertWeights
  quantize(const mlir::moe::ExpertQuantization &quantization) const;
};

/// Inputs of one call.
struct LayerInputs {
  Tensor x, logits, bias, expertScale, table, segments;
  LayerInputs(const LayerSpec &spec, int64_t tokens);
};

/// Outputs of one call, by compiled code or by the oracle.
struct LayerOutputs {
  Tensor weights, ids, counts, offsets, position, planned, y;
  LayerOutputs(const LayerSpec &spec, int64_t tokens);
};

/// A compiled layer.
class CompiledLayer {
public:
  /// Null (and the reason in `error`) on failure.
  static std::unique_ptr<CompiledLayer> compile(const LayerSpec &spec,
                                                const ExpertWeights &weights,
                                                const SessionOptions &options,
                                                std::string &error);
  /// An empty string on success, otherwise what went wrong.
  std::string run(LayerInputs &inputs, LayerOutputs &outputs);

private:
  LayerSpec spec;
  llvm::FileRemover checkpoint; ///< ends after the session, which maps it
  std::unique_ptr<Session> session;
};

/// The router of the oracle. An empty string on success.
std::string referenceRouter(const LayerSpec &spec, const LayerInputs &inputs,
                            LayerOutputs &outputs);
/// Everything after the router, from outputs.weights and outputs.ids.
std::string referenceLayer(const LayerSpec &spec, const ExpertWeights &weights,
                           const LayerInputs &inputs, LayerOutputs &outputs);

/// Largest |a - b| of any row, divided by the row's largest magnitude in `b`.
/// NaN where exactly one of them is NaN counts as infinite.
double rowError(const Tensor &a, const Tensor &b);

} // namespace moe::test

#endif // MOE_TESTING_LAYER_H
