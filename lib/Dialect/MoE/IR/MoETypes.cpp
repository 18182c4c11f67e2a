//===- MoETypes.cpp - Types of the moe dialect
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::moe;

#define GET_TYPEDEF_CLASSES
#include "MoE/Dialect/MoE/IR/MoETypes.cpp.inc"

void MoEDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "MoE/Dialect/MoE/IR/MoETypes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Element types of the ABI
//===----------------------------------------------------------------------===//

namespace {
struct NamedDType {
  int32_t dtype;
  StringRef name; ///< in MLIR
};
} // namespace

static const NamedDType dtypes[] = {
#define NAMED_DTYPE(NAME, VALUE, BITS, CLASS, TEXT, FILE_TEXT, MLIR_TEXT)      \
  {MOE_##NAME, MLIR_TEXT},
    MOE_FOR_EACH_DTYPE(NAMED_DTYPE)
#undef NAMED_DTYPE
};

Type mlir::moe::getElementType(MLIRContext *context, int32_t dtype) {
  for (const NamedDType &named : dtypes)
    if (named.dtype == dtype)
      return parseType(named.name, context);
  return Type();
}

int32_t mlir::moe::getDType(Type type) {
  if (type.isIndex())
    return MOE_I64;
  std::string name;
  llvm::raw_string_ostream(name) << type;
  for (const NamedDType &named : dtypes)
    if (named.name == name)
      return named.dtype;
  return 0;
}

//===----------------------------------------------------------------------===//
// Banks
//===----------------------------------------------------------------------===//

Type BankType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type elementType;
  QuantizedAttr quantized;
  Attribute layout;
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(elementType))
    return Type();
  if (succeeded(parser.parseOptionalComma())) {
    if (parser.parseAttribute(layout))
      return Type();
    quantized = dyn_cast<QuantizedAttr>(layout);
    if (quantized) {
      layout = Attribute();
      if (succeeded(parser.parseOptionalComma()) &&
          parser.parseAttribute(layout))
        return Type();
    }
  }
  if (parser.parseGreater())
    return Type();
  return parser.getChecked<BankType>(parser.getContext(), shape, elementType,
                                     quantized, layout);
}

void BankType::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printDimensionList(getShape());
  printer << 'x' << getElementType();
  if (getQuantized())
    printer << ", " << getQuantized();
  if (getLayout())
    printer << ", " << getLayout();
  printer << '>';
}

/// Of a packed bank, whatever it holds, with the scales of codes.
static constexpr int64_t kMostBytesPerElement = 8;

/// Bytes of packed slices, whose rows and columns are rounded up to whole
/// panels and steps.
static bool packedBytesOverflow(ArrayRef<int64_t> shape, PackedAttr packed) {
  int64_t elements = shape[0];
  int64_t panels = llvm::divideCeil(shape[1], packed.getPanel());
  int64_t steps = llvm::divideCeil(shape[2], packed.getDepth());
  for (int64_t factor : {panels, packed.getPanel(), steps, packed.getDepth(),
                         packed.getWays(), kMostBytesPerElement})
    if (llvm::MulOverflow(elements, factor, elements))
      return true;
  return false;
}

/// The layout of a bank is absent, strided or packed.
static LogicalResult verifyLayout(function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<int64_t> shape, Attribute layout) {
  if (!layout)
    return success();
  if (auto strided = dyn_cast<StridedLayoutAttr>(layout)) {
    if (strided.getStrides().size() + 1 == shape.size() &&
        strided.getOffset() == 0 &&
        llvm::all_of(strided.getStrides(), [](int64_t s) { return s >= 1; }))
      return success();
    return emitError() << "expected a bank layout with one positive stride per "
                          "dimension of a slice and offset 0, but got "
                       << layout << " [moe-bank-c5]";
  }
  auto packed = dyn_cast<PackedAttr>(layout);
  if (packed && shape.size() == 3 && !packedBytesOverflow(shape, packed))
    return success();
  return emitError() << "expected a strided layout, or, for matrices that fit "
                        "into memory, a packed one, but got "
                     << layout << " [moe-bank-c6]";
}

/// What is quantized is matrices, whose kernels take codes by the word.
static LogicalResult
verifyQuantization(function_ref<InFlightDiagnostic()> emitError,
                   ArrayRef<int64_t> shape, Type elementType,
                   QuantizedAttr quantized, Attribute layout) {
  if (shape.size() != 3 || !elementType.isF32() ||
      quantized.getGroupSize(shape[2]) > kMostColumnsPerScale)
    return emitError()
           << "expected a quantized bank of matrices of f32 with at "
              "most "
           << kMostColumnsPerScale << " columns per scale [moe-bank-c7]";
  auto packed = dyn_cast_or_null<PackedAttr>(layout);
  bool isByWord = packed && packed.getDepth() == quantized.getCodesPerWord();
  if (layout && !isByWord)
    return emitError() << "expected a quantized bank without a layout, or "
                          "packed with a depth of "
                       << quantized.getCodesPerWord() << ", but got " << layout
                       << " [moe-bank-c8]";
  return success();
}

LogicalResult BankType::verify(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<int64_t> shape, Type elementType,
                               QuantizedAttr quantized, Attribute layout) {
  if (shape.size() < 2 || shape.size() > MOE_MAX_RANK)
    return emitError() << "expected a bank of 2 to " << MOE_MAX_RANK
                       << " dimensions (the experts first), but got "
                       << shape.size() << " [moe-bank-c1]";
  if (llvm::any_of(shape, [](int64_t size) { return size < 1; }))
    return emitError() << "expected every size of a bank to be at least 1 "
                          "[moe-bank-c2]";
  bool isWord = elementType.isSignlessInteger(32) ||
                elementType.isSignlessInteger(8) ||
                elementType.isUnsignedInteger(8);
  if (!elementType.isF32() && !elementType.isBF16() && !elementType.isF16() &&
      !isWord)
    return emitError() << "expected bank elements of type f32, bf16 or f16, "
                          "or, for codes, i32, i8 or ui8, but got "
                       << elementType << " [moe-bank-c3]";
  int64_t elements = 1;
  for (int64_t size : shape)
    if (llvm::MulOverflow(elements, size, elements))
      return emitError() << "expected a bank of fewer than 2^63 elements "
                            "[moe-bank-c4]";
  if (quantized && failed(verifyQuantization(emitError, shape, elementType,
                                             quantized, layout)))
    return failure();
  return verifyLayout(emitError, shape, layout);
}

BankType BankType::withLayout(Attribute layout) const {
  return get(getContext(), getShape(), getElementType(), getQuantized(),
             layout);
}

BankType BankType::withQuantization(QuantizedAttr quantized) const {
  return get(getContext(), getShape(), Float32Type::get(getContext()),
             quantized, getLayout());
}

BankType BankType::getTransposed() const {
  SmallVector<int64_t> shape(getShape());
  SmallVector<int64_t> strides = getWeightStrides(*this);
  std::swap(shape[1], shape[2]);
  std::swap(strides[0], strides[1]);
  BankType dense =
      get(getContext(), shape, getElementType(), QuantizedAttr(), Attribute());
  if (strides == getWeightStrides(dense))
    return dense;
  return dense.withLayout(StridedLayoutAttr::get(getContext(), 0, strides));
}

RankedTensorType BankType::getSliceType() const {
  return RankedTensorType::get(getSliceShape(), getElementType());
}

PackedAttr BankType::getPacked() const {
  return dyn_cast_or_null<PackedAttr>(getLayout());
}

int64_t BankType::getNumPanels() const {
  return llvm::divideCeil(getSliceShape()[0], getPacked().getPanel());
}

int64_t BankType::getNumSteps() const {
  return llvm::divideCeil(getSliceShape()[1], getPacked().getDepth());
}

int64_t BankType::getPanelBytes() const {
  PackedAttr packed = getPacked();
  int64_t rows = packed.getWays() * packed.getPanel();
  int64_t bytesPerStep =
      rows * packed.getDepth() *
      (getQuantized() ? getQuantized().getBits()
                      : getElementType().getIntOrFloatBitWidth()) /
      8;
  int64_t bytes = getNumSteps() * bytesPerStep;
  if (QuantizedAttr quantized = getQuantized())
    bytes += quantized.getNumGroups(getSliceShape()[1]) * rows *
             quantized.getScale().getIntOrFloatBitWidth() / 8 *
             (quantized.getZeroPoints() ? 2 : 1);
  return bytes;
}

MemRefType BankType::getSliceMemRefType() const {
  PackedAttr packed = getPacked();
  if (packed && getQuantized())
    return MemRefType::get({getNumPanels() * getPanelBytes()},
                           IntegerType::get(getContext(), 8));
  if (!packed)
    return MemRefType::get(
        getSliceShape(), getElementType(),
        dyn_cast_or_null<MemRefLayoutAttrInterface>(getLayout()));
  int64_t width = packed.getPanel() * packed.getDepth();
  int64_t step = packed.getWays() * width;
  return MemRefType::get(
      {getNumPanels(), getNumSteps(), width}, getElementType(),
      StridedLayoutAttr::get(getContext(), 0, {getNumSteps() * step, step, 1}));
}

SmallVector<int64_t> moe::getWeightStrides(Type type) {
  auto bank = dyn_cast<BankType>(type);
  if (auto strided = bank
                         ? dyn_cast_or_null<StridedLayoutAttr>(bank.getLayout())
                         : nullptr)
    return SmallVector<int64_t>(strided.getStrides());
  ArrayRef<int64_t> shape =
      bank ? bank.getSliceShape() : cast<ShapedType>(type).getShape();
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}
