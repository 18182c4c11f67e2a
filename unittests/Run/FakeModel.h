//===- FakeModel.h - Language model made of a table -------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_UNITTESTS_RUN_FAKEMODEL_H
#define MOE_UNITTESTS_RUN_FAKEMODEL_H

#include "Entry.h"
#include "LanguageModel.h"
#include <cmath>

namespace moe::run {

/// What a test knows of one call.
struct FakeCall {
  int64_t batch, seq, past, context;
};

/// A language model without a compiler: the likeliest token after a position is
/// (sum of all ids up to it + `step`) mod 7. It reads the ids before `past`
/// from its state, so wrong positions or a lost state give other tokens.
class FakeModel : public Entry {
public:
  FakeModel() : Entry(function) {}

  llvm::Expected<std::vector<moe_tensor>>
  getOutputShapes(llvm::ArrayRef<moe_tensor> in) override {
    moe_tensor logits = {};
    logits.dtype = MOE_F32;
    logits.rank = 3;
    logits.shape[0] = in[0].shape[0];
    logits.shape[1] = in[0].shape[1] + extraRows;
    logits.shape[2] = vocabulary;
    moe_tensor counts = {};
    counts.dtype = MOE_I32;
    counts.rank = 1;
    counts.shape[0] = 2;
    return std::vector<moe_tensor>{logits, counts};
  }

  llvm::Error call(llvm::ArrayRef<moe_tensor> in,
                   llvm::MutableArrayRef<moe_tensor> out) override {
    int64_t batch = in[0].shape[0], seq = in[0].shape[1];
    int64_t past = *static_cast<int64_t *>(in[1].data);
    int64_t context = in[2].shape[1];
    calls.push_back({batch, seq, past, context});
    auto *ids = static_cast<int64_t *>(in[0].data);
    auto *cache = static_cast<float *>(in[2].data);
    auto *logits = static_cast<float *>(out[0].data);
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t i = 0; i < seq; ++i) {
        cache[b * context + past + i] = float(ids[b * seq + i]);
        int64_t sum = step;
        for (int64_t j = 0; j <= past + i; ++j)
          sum += int64_t(cache[b * context + j]);
        for (int64_t v = 0; v < vocabulary; ++v)
          *logits++ = v == sum % vocabulary ? largest : 0.0f;
      }
    auto *counts = static_cast<int32_t *>(out[1].data);
    counts[0] = int32_t(batch * seq);
    counts[1] = 1;
    return llvm::Error::success();
  }

  static constexpr int64_t vocabulary = 7;
  int64_t step = 1;
  float largest = 3;
  int64_t extraRows = 0; ///< of the logits, a defect
  std::vector<FakeCall> calls;

  static moe_dim symbol(int32_t index) { return {1, {index, -1}}; }
  static moe_dim constant(int64_t extent) { return {extent, {-1, -1}}; }

  static moe_argument argument(const char *name, int32_t dtype,
                               std::vector<moe_dim> shape,
                               int32_t tiedInput = -1) {
    moe_argument result = {};
    result.name = name;
    result.dtype = dtype;
    result.rank = int32_t(shape.size());
    std::copy(shape.begin(), shape.end(), result.shape);
    result.value_symbol = -1;
    result.tied_input = tiedInput;
    return result;
  }

private:
  static moe_argument makePast() {
    moe_argument past = argument("past", MOE_I64, {});
    past.value_symbol = 3;
    return past;
  }

  const char *symbols[4] = {"batch", "seq", "context", "past"};
  moe_argument inputs[3] = {
      argument("input_ids", MOE_I64, {symbol(0), symbol(1)}), makePast(),
      argument("state", MOE_F32, {symbol(0), symbol(2)})};
  moe_argument outputs[3] = {
      argument("state", MOE_F32, {symbol(0), symbol(2)}, /*tiedInput=*/2),
      argument("logits", MOE_F32, {symbol(0), symbol(1), constant(vocabulary)}),
      argument("expert_counts.1", MOE_I32, {constant(2)})};
  moe_function function = {"forward", nullptr, inputs, outputs, symbols,
                           nullptr,   3,       3,      4,       0};
};

} // namespace moe::run

#endif // MOE_UNITTESTS_RUN_FAKEMODEL_H
