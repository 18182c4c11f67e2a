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
  StridedLayoutAttr layout;
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(elementType))
    return Type();
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(layout))
    return Type();
  if (parser.parseGreater())
    return Type();
  return parser.getChecked<BankType>(parser.getContext(), shape, elementType,
                                     layout);
}

void BankType::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printDimensionList(getShape());
  printer << 'x' << getElementType();
  if (getLayout())
    printer << ", " << getLayout();
  printer << '>';
}

LogicalResult BankType::verify(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<int64_t> shape, Type elementType,
                               StridedLayoutAttr layout) {
  if (shape.size() < 2 || shape.size() > MOE_MAX_RANK)
    return emitError() << "expected a bank of 2 to " << MOE_MAX_RANK
                       << " dimensions (the experts first), but got "
                       << shape.size() << " [moe-bank-c1]";
  if (llvm::any_of(shape, [](int64_t size) { return size < 1; }))
    return emitError() << "expected every size of a bank to be at least 1 "
                          "[moe-bank-c2]";
  if (!elementType.isF32() && !elementType.isBF16() && !elementType.isF16())
    return emitError() << "expected bank elements of type f32, bf16 or f16, "
                          "but got "
                       << elementType << " [moe-bank-c3]";
  int64_t elements = 1;
  for (int64_t size : shape)
    if (llvm::MulOverflow(elements, size, elements))
      return emitError() << "expected a bank of fewer than 2^63 elements "
                            "[moe-bank-c4]";
  if (!layout)
    return success();
  if (layout.getStrides().size() + 1 != shape.size() ||
      layout.getOffset() != 0 ||
      llvm::any_of(layout.getStrides(), [](int64_t s) { return s < 1; }))
    return emitError() << "expected a bank layout with one positive stride per "
                          "dimension of a slice and offset 0, but got "
                       << layout << " [moe-bank-c5]";
  return success();
}

RankedTensorType BankType::getSliceType() const {
  return RankedTensorType::get(getSliceShape(), getElementType());
}

MemRefType BankType::getSliceMemRefType() const {
  if (!getLayout())
    return MemRefType::get(getSliceShape(), getElementType());
  return MemRefType::get(getSliceShape(), getElementType(), getLayout());
}

SmallVector<int64_t> moe::getWeightStrides(Type type) {
  ArrayRef<int64_t> shape;
  if (auto bank = dyn_cast<BankType>(type)) {
    if (bank.getLayout())
      return SmallVector<int64_t>(bank.getLayout().getStrides());
    shape = bank.getSliceShape();
  } else {
    shape = cast<ShapedType>(type).getShape();
  }
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}
