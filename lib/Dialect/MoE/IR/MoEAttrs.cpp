//===- MoEAttrs.cpp - Attributes of the moe dialect
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace mlir::moe;

#include "MoE/Dialect/MoE/IR/MoEEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "MoE/Dialect/MoE/IR/MoEAttrs.cpp.inc"

void MoEDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "MoE/Dialect/MoE/IR/MoEAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// The enums are those of the ABI
//===----------------------------------------------------------------------===//

#define MOE_SAME(CPP, C)                                                       \
  static_assert(static_cast<int>(CPP) == static_cast<int>(C),                  \
                "the dialect and Abi.h disagree on " #C)
MOE_SAME(Score::Softmax, MOE_SCORE_SOFTMAX);
MOE_SAME(Score::Sigmoid, MOE_SCORE_SIGMOID);
MOE_SAME(Score::SqrtSoftplus, MOE_SCORE_SQRT_SOFTPLUS);
MOE_SAME(Score::Identity, MOE_SCORE_IDENTITY);
MOE_SAME(ScoreDomain::All, MOE_DOMAIN_ALL);
MOE_SAME(ScoreDomain::Selected, MOE_DOMAIN_SELECTED);
MOE_SAME(ScoreDomain::Threshold, MOE_DOMAIN_THRESHOLD);
MOE_SAME(Key::Score, MOE_KEY_SCORE);
MOE_SAME(Key::Logit, MOE_KEY_LOGIT);
MOE_SAME(Selection::TopK, MOE_SELECT_TOPK);
MOE_SAME(Selection::Sequential, MOE_SELECT_SEQUENTIAL);
MOE_SAME(Selection::Table, MOE_SELECT_TABLE);
MOE_SAME(GroupScore::Max, MOE_GROUP_MAX);
MOE_SAME(GroupScore::SumTop, MOE_GROUP_SUM_TOP);
MOE_SAME(GroupFill::NegInf, MOE_FILL_NEG_INF);
MOE_SAME(GroupFill::Zero, MOE_FILL_ZERO);
MOE_SAME(LogitNorm::None, MOE_LOGIT_NONE);
MOE_SAME(LogitNorm::ZScore, MOE_LOGIT_ZSCORE);
MOE_SAME(LogitNorm::SoftCap, MOE_LOGIT_SOFTCAP);
MOE_SAME(LogitNorm::Scale, MOE_LOGIT_SCALE);
MOE_SAME(EpsMode::None, MOE_EPS_NONE);
MOE_SAME(EpsMode::Add, MOE_EPS_ADD);
MOE_SAME(EpsMode::Clamp, MOE_EPS_CLAMP);
MOE_SAME(Priority::Positional, MOE_PRIORITY_POSITIONAL);
MOE_SAME(Priority::Batch, MOE_PRIORITY_BATCH);
MOE_SAME(Overflow::None, MOE_OVERFLOW_NONE);
MOE_SAME(Overflow::Zero, MOE_OVERFLOW_ZERO);
MOE_SAME(Overflow::Residual, MOE_OVERFLOW_RESIDUAL);
MOE_SAME(CapacityBasis::Fixed, MOE_CAPACITY_FIXED);
MOE_SAME(CapacityBasis::TokensPerExpert, MOE_CAPACITY_TOKENS_PER_EXPERT);
MOE_SAME(CapacityBasis::SlotsPerExpert, MOE_CAPACITY_SLOTS_PER_EXPERT);
MOE_SAME(CapacityBasis::Tokens, MOE_CAPACITY_TOKENS);
MOE_SAME(Rounding::Ceil, MOE_ROUND_CEIL);
MOE_SAME(Rounding::Floor, MOE_ROUND_FLOOR);
MOE_SAME(Rounding::NearestEven, MOE_ROUND_NEAREST_EVEN);
MOE_SAME(Loss::FractionProbability, MOE_LOSS_FRACTION_PROBABILITY);
MOE_SAME(Loss::Z, MOE_LOSS_Z);
MOE_SAME(Loss::ImportanceCv2, MOE_LOSS_IMPORTANCE_CV2);
#undef MOE_SAME

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

LogicalResult
GroupLimitAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       int64_t groups, int64_t keep, GroupScore score,
                       int64_t top, GroupFill fill) {
  if (groups < 1 || keep < 1 || keep > groups)
    return emitError() << "expected 1 <= keep <= groups in a group limit, but "
                          "got groups = "
                       << groups << ", keep = " << keep
                       << " [moe-group-limit-c1]";
  if (top < 1)
    return emitError() << "expected top >= 1 in a group limit, but got " << top
                       << " [moe-group-limit-c2]";
  return success();
}

LogicalResult
LogitNormalizationAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               LogitNorm kind, APFloat value) {
  if (!value.isFinite() || value.isZero())
    return emitError() << "expected a finite value other than 0 in a logit "
                          "normalisation, but got "
                       << value.convertToDouble() << " [moe-logit-norm-c1]";
  if (kind == LogitNorm::SoftCap && value.isNegative())
    return emitError() << "expected a softcap above 0, but got "
                       << value.convertToDouble() << " [moe-logit-norm-c2]";
  return success();
}

LogicalResult
NormalizeAttr::verify(function_ref<InFlightDiagnostic()> emitError, APFloat p,
                      EpsMode epsMode, APFloat eps) {
  if (!p.isFinite() || p.isNegative() || p.isZero())
    return emitError() << "expected a finite p > 0 in a normalisation, but got "
                       << p.convertToDouble() << " [moe-normalize-c1]";
  if (!eps.isFinite() || eps.isNegative() ||
      (epsMode == EpsMode::None && !eps.isZero()))
    return emitError() << "expected a finite eps >= 0, and an eps_mode with "
                          "it, in a normalisation, but got "
                       << eps.convertToDouble() << " [moe-normalize-c2]";
  return success();
}

LogicalResult CapacityAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   CapacityBasis basis, APFloat number,
                                   Rounding rounding, int64_t multipleOf,
                                   int64_t atLeast) {
  double factor = number.convertToDouble();
  if (!std::isfinite(factor) || factor < 0 || factor > 2147483647.0)
    return emitError() << "expected a capacity factor in [0, 2^31), but got "
                       << factor << " [moe-capacity-c1]";
  if (multipleOf < 1 || atLeast < 0)
    return emitError() << "expected multiple_of >= 1 and at_least >= 0 in a "
                          "capacity, but got "
                       << multipleOf << " and " << atLeast
                       << " [moe-capacity-c2]";
  return success();
}

//===----------------------------------------------------------------------===//
// SourceAttr
//===----------------------------------------------------------------------===//

bool SourceAttr::isPerExpert() const {
  return getTensor().getValue().contains("{e}");
}

/// `"name"` or `"name", shape = [...], offsets = [...], ...`
Attribute SourceAttr::parse(AsmParser &parser, Type) {
  std::string tensor;
  SmallVector<int64_t> shape, offsets, strides, permutation;
  if (parser.parseLess() || parser.parseString(&tensor))
    return Attribute();
  while (succeeded(parser.parseOptionalComma())) {
    StringRef keyword;
    SMLoc location = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return Attribute();
    SmallVector<int64_t> *list =
        llvm::StringSwitch<SmallVector<int64_t> *>(keyword)
            .Case("shape", &shape)
            .Case("offsets", &offsets)
            .Case("strides", &strides)
            .Case("permutation", &permutation)
            .Default(nullptr);
    if (!list) {
      parser.emitError(location)
          << "expected shape, offsets, strides or permutation, but got '"
          << keyword << "' [moe-source-c1]";
      return Attribute();
    }
    auto parseSize = [&]() {
      return parser.parseInteger(list->emplace_back());
    };
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseSize))
      return Attribute();
  }
  if (parser.parseGreater())
    return Attribute();
  return parser.getChecked<SourceAttr>(
      parser.getContext(), StringAttr::get(parser.getContext(), tensor), shape,
      offsets, strides, permutation);
}

void SourceAttr::print(AsmPrinter &printer) const {
  printer << '<' << getTensor();
  auto printList = [&](StringRef name, ArrayRef<int64_t> list) {
    if (list.empty())
      return;
    printer << ", " << name << " = [";
    llvm::interleaveComma(list, printer);
    printer << ']';
  };
  printList("shape", getShape());
  printList("offsets", getOffsets());
  printList("strides", getStrides());
  printList("permutation", getPermutation());
  printer << '>';
}

LogicalResult PackedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t panel, int64_t depth, int64_t ways) {
  // Bounds far above any kernel's, so that products of them are small.
  auto isFactor = [](int64_t value) { return value >= 1 && value <= 4096; };
  if (isFactor(panel) && isFactor(depth) && isFactor(ways))
    return success();
  return emitError() << "expected panel, depth and ways of 1 to 4096 in a "
                        "packed layout, but got "
                     << panel << ", " << depth << " and " << ways
                     << " [moe-packed-c1]";
}

LogicalResult
QuantizedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      int64_t bits, int64_t group, Type scale, bool zeroPoints,
                      Codes codes) {
  if (bits != 4 && bits != 8)
    return emitError() << "expected codes of 4 or 8 bits, but got " << bits
                       << " [moe-quantized-c1]";
  if (group != 0 &&
      (group < 8 || group > kMostColumnsPerScale || group % 8 != 0))
    return emitError() << "expected a group of 0, for whole rows, or of a "
                          "multiple of 8 columns up to "
                       << kMostColumnsPerScale << ", but got " << group
                       << " [moe-quantized-c2]";
  if (!scale.isF32() && !scale.isBF16() && !scale.isF16())
    return emitError() << "expected scales of f32, bf16 or f16, but got "
                       << scale << " [moe-quantized-c3]";
  if (codes == Codes::E2M1 && (bits != 4 || zeroPoints || scale.isF16()))
    return emitError()
           << "expected codes that are e2m1 to have 4 bits, no zero "
              "points, and scales of f32 or bf16 [moe-quantized-c4]";
  return success();
}

LogicalResult EncodedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  FlatSymbolRefAttr, FlatSymbolRefAttr,
                                  FlatSymbolRefAttr zeros, int64_t zeroOffset,
                                  FlatSymbolRefAttr, DenseI64ArrayAttr order) {
  if (zeroOffset < 0 || zeroOffset > (zeros ? 1 : 0))
    return emitError()
           << "expected a zero_offset of 0, or of 1 with zeros, but "
              "got "
           << zeroOffset << " [moe-encoded-c1]";
  if (!order)
    return success();
  int64_t count = order.size();
  llvm::SmallBitVector seen(8);
  for (int64_t code : order.asArrayRef())
    if (count <= 8 && code >= 0 && code < count)
      seen.set(code);
  if (count < 2 || static_cast<int64_t>(seen.count()) != count)
    return emitError() << "expected the order to hold each code of a word once "
                          "[moe-encoded-c2]";
  return success();
}

LogicalResult
CPUScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        int64_t rowBlock, int64_t lanes, Dot, WorkOrder) {
  if (rowBlock >= 1 && rowBlock <= 64 && lanes >= 1 && lanes <= 64 &&
      llvm::isPowerOf2_64(lanes))
    return success();
  return emitError() << "expected a schedule with row_block of 1 to 64 and "
                        "lanes that are a power of two up to 64, but got "
                     << rowBlock << " and " << lanes
                     << " [moe-cpu-schedule-c1]";
}

LogicalResult SourceAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringAttr tensor, ArrayRef<int64_t> shape,
                                 ArrayRef<int64_t> offsets,
                                 ArrayRef<int64_t> strides,
                                 ArrayRef<int64_t> permutation) {
  if (tensor.getValue().empty())
    return emitError() << "expected a source to name a checkpoint tensor, but "
                          "got an empty name [moe-source-c2]";
  if (shape.size() > MOE_MAX_RANK)
    return emitError() << "expected a file tensor of at most " << MOE_MAX_RANK
                       << " dimensions [moe-source-c3]";
  auto matches = [&](ArrayRef<int64_t> list) {
    return list.empty() || list.size() == shape.size();
  };
  if (!matches(offsets) || !matches(strides) || !matches(permutation))
    return emitError() << "expected offsets, strides and permutation of a "
                          "source to have one entry per dimension of its shape "
                          "[moe-source-c4]";
  int64_t elements = 1;
  for (int64_t size : shape)
    if (size < 1 || llvm::MulOverflow(elements, size, elements))
      return emitError()
             << "expected the sizes of a file tensor to be positive "
                "and their product below 2^63 [moe-source-c5]";
  if (llvm::any_of(offsets, [](int64_t offset) { return offset < 0; }) ||
      llvm::any_of(strides, [](int64_t stride) { return stride < 1; }))
    return emitError() << "expected offsets >= 0 and strides >= 1 in a source "
                          "[moe-source-c6]";
  llvm::SmallBitVector seen(permutation.size());
  for (int64_t dim : permutation) {
    if (dim < 0 || dim >= static_cast<int64_t>(permutation.size()) ||
        seen.test(dim))
      return emitError() << "expected the permutation of a source to hold each "
                            "dimension once [moe-source-c7]";
    seen.set(dim);
  }
  return success();
}
