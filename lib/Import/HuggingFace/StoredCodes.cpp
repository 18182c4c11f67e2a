//===- StoredCodes.cpp - Where checkpoints have codes ---------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StoredCodes.h"

#include "Families.h"
#include "Text.h"

#include "MoE/Runtime/Abi.h"

using namespace mlir::moe::hf;

namespace {

/// What the elements of a tensor are.
enum class Cell { Code, Scale, Zero, Group };

/// A dimension of a matrix of N x K.
enum class Along { Rows, Columns };

/// A tensor of a format, whose name ends in `suffix` instead of ".weight".
struct PartRule {
  Cell cell;
  const char *suffix;
  const char *name; ///< in the IR
  int32_t dtype;    ///< moe_dtype
  /// Words hold neighbours along this dimension. Not of scales and groups.
  Along words = Along::Rows;
  bool onlyWithZeroPoints = false;
};

struct FormatRule {
  StoredFormat format;
  bool transposed; ///< matrices are K x N
  Table<PartRule> parts;
  Table<int64_t> order; ///< of codes in a word; none: as they come
};

constexpr PartRule GptqParts[] = {
    {Cell::Code, ".qweight", "codes", MOE_I32, Along::Columns},
    {Cell::Scale, ".scales", "scales", MOE_F16},
    {Cell::Zero, ".qzeros", "zeros", MOE_I32},
    {Cell::Group, ".g_idx", "groups", MOE_I32},
};

constexpr PartRule AwqParts[] = {
    {Cell::Code, ".qweight", "codes", MOE_I32, Along::Rows},
    {Cell::Scale, ".scales", "scales", MOE_F16},
    {Cell::Zero, ".qzeros", "zeros", MOE_I32},
};
constexpr int64_t AwqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};

constexpr PartRule PackedParts[] = {
    {Cell::Code, ".weight_packed", "codes", MOE_I32, Along::Columns},
    {Cell::Scale, ".weight_scale", "scales", MOE_BF16},
    {Cell::Zero, ".weight_zero_point", "zeros", MOE_I32, Along::Rows,
     /*onlyWithZeroPoints=*/true},
};

constexpr PartRule Int8Parts[] = {
    {Cell::Code, ".weight", "codes", MOE_I8},
    {Cell::Scale, ".weight_scale", "scales", MOE_BF16},
    {Cell::Zero, ".weight_zero_point", "zeros", MOE_I8, Along::Rows,
     /*onlyWithZeroPoints=*/true},
};

constexpr FormatRule Formats[] = {
    {StoredFormat::Gptq, /*transposed=*/true, GptqParts, {}},
    {StoredFormat::Awq, /*transposed=*/true, AwqParts, AwqOrder},
    {StoredFormat::Packed, /*transposed=*/false, PackedParts, {}},
    {StoredFormat::Int8, /*transposed=*/false, Int8Parts, {}},
};

const FormatRule &ruleOf(StoredFormat format) {
  for (const FormatRule &rule : Formats)
    if (rule.format == format)
      return rule;
  return Formats[0];
}

int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

} // namespace

/// The tensor of one part of the codes of a matrix.
static CodePart makePart(const QuantizationConfig &config,
                         const FormatRule &format, const PartRule &rule,
                         const WeightSource &matrix) {
  constexpr std::string_view weight = ".weight";
  int64_t rows = matrix.fileShape[0], columns = matrix.fileShape[1];
  int64_t group = config.group == 0 ? columns : config.group;
  int64_t perWord = rule.dtype == MOE_I32 ? 32 / config.bits : 1;

  CodePart part;
  part.suffix = rule.name;
  part.dtype = rule.dtype;
  part.source.perExpert = matrix.perExpert;
  part.source.tensor =
      matrix.tensor.substr(0, matrix.tensor.size() - weight.size()) +
      rule.suffix;
  if (rule.cell == Cell::Group) {
    part.shape = part.source.fileShape = {columns};
    part.source.offsets = {0};
    return part;
  }
  if (rule.cell != Cell::Code)
    columns = ceilDiv(columns, group);
  if (rule.cell != Cell::Scale) {
    int64_t &packed = rule.words == Along::Rows ? rows : columns;
    packed = ceilDiv(packed, perWord);
  }
  part.shape = part.source.fileShape = {rows, columns};
  if (format.transposed) {
    std::swap(part.source.fileShape[0], part.source.fileShape[1]);
    part.source.permutation = {1, 0};
  }
  part.source.offsets = {0, 0};
  return part;
}

/// A tensor of MXFP4 for the rows of `matrix`, E x N x `blocks`, and what
/// follows.
static CodePart makeBlocks(const char *name, const char *suffix,
                           const Weight &matrix, std::vector<int64_t> blocks) {
  const WeightSource &floats = matrix.sources.front();
  size_t rowDim = floats.permutation.empty() ? 1 : floats.permutation[1];
  CodePart part;
  part.suffix = name;
  part.dtype = MOE_U8;
  part.source.tensor = floats.tensor + suffix;
  part.shape = {matrix.shape[0], matrix.shape[1]};
  part.source.fileShape = {matrix.shape[0], floats.fileShape[rowDim]};
  for (std::vector<int64_t> *shape : {&part.shape, &part.source.fileShape})
    shape->insert(shape->end(), blocks.begin(), blocks.end());
  part.source.offsets.assign(part.shape.size(), 0);
  part.source.offsets[1] = floats.offsets[rowDim];
  if (!floats.strides.empty()) {
    part.source.strides.assign(part.shape.size(), 1);
    part.source.strides[1] = floats.strides[rowDim];
  }
  return part;
}

/// Experts share tensors: blocks of 32 floats of 4 bits, and their exponents.
static std::optional<StoredCodes> mxfp4Codes(const QuantizationConfig &config,
                                             const Weight &weight) {
  bool isMatrix = weight.kind == WeightKind::Bank && weight.shape.size() == 3 &&
                  !weight.sources.front().perExpert;
  if (!isMatrix || weight.shape[2] % config.group != 0)
    return std::nullopt;
  int64_t blocks = weight.shape[2] / config.group;
  StoredCodes stored;
  stored.codes =
      makeBlocks("codes", "_blocks", weight, {blocks, config.group / 2});
  stored.scales = makeBlocks("scales", "_scales", weight, {blocks});
  return stored;
}

std::optional<StoredCodes>
mlir::moe::hf::storedCodes(const QuantizationConfig &config,
                           const Weight &weight) {
  if (config.format == StoredFormat::Mxfp4)
    return mxfp4Codes(config, weight);
  const WeightSource &matrix = weight.sources.front();
  // Experts that share a tensor, and vectors, are no linear layers.
  if (matrix.fileShape.size() != 2 || !endsWith(matrix.tensor, ".weight") ||
      weight.role == Role::Embedding)
    return std::nullopt;
  const FormatRule &format = ruleOf(config.format);
  StoredCodes stored;
  stored.order.assign(format.order.begin(), format.order.end());
  for (const PartRule &rule : format.parts) {
    if (rule.onlyWithZeroPoints && !config.zeroPoints)
      continue;
    CodePart part = makePart(config, format, rule, matrix);
    switch (rule.cell) {
    case Cell::Code:
      stored.codes = std::move(part);
      break;
    case Cell::Scale:
      stored.scales = std::move(part);
      break;
    case Cell::Zero:
      stored.zeros = std::move(part);
      break;
    case Cell::Group:
      stored.groups = std::move(part);
      break;
    }
  }
  return stored;
}

std::vector<const CodePart *>
mlir::moe::hf::partsOf(const StoredCodes &stored) {
  std::vector<const CodePart *> parts = {&stored.codes, &stored.scales};
  for (const std::optional<CodePart> *part : {&stored.zeros, &stored.groups})
    if (*part)
      parts.push_back(&**part);
  return parts;
}

std::vector<std::string_view>
mlir::moe::hf::redundantSuffixes(StoredFormat format) {
  // The shape of the codes once more.
  if (format == StoredFormat::Packed)
    return {".weight_shape"};
  return {};
}
