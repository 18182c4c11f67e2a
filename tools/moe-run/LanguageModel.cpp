//===- LanguageModel.cpp - Continues sequences of token ids ---------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LanguageModel.h"
#include "Inputs.h"
#include "Symbols.h"
#include "support/ExitCode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;
using namespace moe;
using namespace moe::run;

//===----------------------------------------------------------------------===//
// Form of the entry
//===----------------------------------------------------------------------===//

static bool contains(ArrayRef<moe_argument> arguments, StringRef name,
                     int32_t dtype, int32_t rank) {
  return any_of(arguments, [=](const moe_argument &argument) {
    return argument.name == name && argument.dtype == dtype &&
           argument.rank == rank && argument.tied_input < 0;
  });
}

/// What `function` lacks, or an empty text.
static std::string findMissing(const moe_function &function) {
  ArrayRef<moe_argument> inputs = getInputs(function);
  // moe_argument.tied_input has no meaning for inputs.
  auto hasInput = [&](StringRef name, int32_t rank) {
    return any_of(inputs, [=](const moe_argument &input) {
      return input.name == name && input.dtype == MOE_I64 && input.rank == rank;
    });
  };
  if (!hasInput(names::inputIds, 2))
    return "an input 'input_ids': i64 [batch, seq]";
  if (!hasInput(names::past, 0))
    return "an input 'past': i64 []";
  if (!contains(getOutputs(function), names::logits, MOE_F32, 3) &&
      !contains(getOutputs(function), names::lastLogits, MOE_F32, 2))
    return "an output 'logits': f32 [batch, seq, vocabulary]";
  for (auto [i, input] : enumerate(inputs))
    if (input.name != names::inputIds && input.name != names::past &&
        !isState(function, i))
      return "an output tied to its input " + describeArgument(function, input);
  return "";
}

bool LanguageModel::fits(const moe_function &function) {
  return findMissing(function).empty();
}

Expected<LanguageModel> LanguageModel::create(Entry &entry) {
  std::string missing = findMissing(entry.getFunction());
  if (!missing.empty())
    return invalidInput("'" + Twine(entry.getFunction().name) +
                        "' does not continue text, because it lacks " +
                        missing +
                        "; name another entry or leave out the options for "
                        "text [moe-run-no-language-model]");
  return LanguageModel(entry);
}

LanguageModel::LanguageModel(Entry &entry)
    : entry(&entry), idsInput(*findInput(entry.getFunction(), names::inputIds)),
      pastInput(*findInput(entry.getFunction(), names::past)) {
  const moe_function &function = entry.getFunction();
  auto all = findOutput(function, names::logits);
  size_t output = all ? *all : *findOutput(function, names::lastLogits);
  logitsOutput = count_if(
      getOutputs(function).take_front(output),
      [](const moe_argument &before) { return before.tied_input < 0; });
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

Error LanguageModel::reset(int64_t newBatch, int64_t context) {
  const moe_function &function = entry->getFunction();
  batch = newBatch;
  inputs.clear();
  outputs.clear();
  inputs.resize(size_t(function.num_inputs));
  SymbolTable symbols(function);
  symbols.learn(function.inputs[idsInput].shape[0], batch);
  for (auto [i, input] : enumerate(getInputs(function))) {
    bool isCache = i != idsInput && i != pastInput;
    Expected<Tensor> tensor = isCache ? makeState(input, symbols, context)
                                      : Tensor::create(input.name, MOE_I64, {});
    if (!tensor)
      return tensor.takeError();
    inputs[i] = std::move(*tensor);
  }
  return Error::success();
}

Error LanguageModel::fillInputs(ArrayRef<int64_t> ids, int64_t past) {
  SmallVector<int64_t> shape{batch, int64_t(ids.size()) / batch};
  if (inputs[idsInput].getShape() != ArrayRef(shape)) {
    Expected<Tensor> tensor = Tensor::create(names::inputIds, MOE_I64, shape);
    if (!tensor)
      return tensor.takeError();
    inputs[idsInput] = std::move(*tensor);
  }
  llvm::copy(ids, inputs[idsInput].elements<int64_t>().begin());
  inputs[pastInput].elements<int64_t>()[0] = past;
  return Error::success();
}

Error LanguageModel::run(ArrayRef<int64_t> ids, int64_t past) {
  if (Error error = runUnobserved(ids, past))
    return error;
  if (observer)
    observer(getResults(), int64_t(ids.size()));
  return Error::success();
}

Error LanguageModel::runUnobserved(ArrayRef<int64_t> ids, int64_t past) {
  if (Error error = fillInputs(ids, past))
    return error;
  if (Error error = callEntry(*entry, inputs, outputs))
    return error;
  ArrayRef<int64_t> shape = inputs[idsInput].getShape();
  if (logits().getShape().drop_back() != expectRows(shape) ||
      getVocabulary() == 0)
    return makeError(MOE_INVALID_DATA,
                     "'logits' came back as " + typeText(logits().get()) +
                         " for ids of shape " + listText(shape) +
                         ", expected one row per id, or of 'last_logits' per "
                         "sequence; correct the module [moe-run-logits-shape]");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

int64_t LanguageModel::getVocabulary() const {
  return logits().getShape().back();
}

ArrayRef<float> LanguageModel::getLogits(int64_t sequence,
                                         int64_t position) const {
  int64_t vocabulary = getVocabulary();
  int64_t row = sequence;
  if (hasAllLogits())
    row = row * logits().getShape()[1] + position;
  return logits().elements<float>().slice(row * vocabulary, vocabulary);
}

std::vector<NamedTensor> LanguageModel::name(ArrayRef<Tensor> taken) const {
  return nameOutputs(entry->getFunction(), inputs, taken);
}
