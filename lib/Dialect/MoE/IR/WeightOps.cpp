//===- WeightOps.cpp - Declaring and reading weights
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::moe;

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

FailureOr<ResolvedSource>
moe::resolveSource(SourceAttr source, Type type, unsigned numSources,
                   function_ref<InFlightDiagnostic()> emitError) {
  auto bank = dyn_cast<BankType>(type);
  // In a bank that lies in one file tensor, the experts are a dimension of it,
  // unless there is one expert and the tensor has no such dimension.
  bool isSlice = bank && bank.getNumExperts() == 1 && !source.isWhole() &&
                 source.getShape().size() == bank.getSliceShape().size();
  bool hasExpertDim =
      bank && numSources == 1 && !source.isPerExpert() && !isSlice;
  ArrayRef<int64_t> extents =
      bank ? (hasExpertDim ? bank.getShape() : bank.getSliceShape())
           : cast<ShapedType>(type).getShape();
  size_t rank = extents.size();

  ResolvedSource resolved;
  resolved.fileShape =
      llvm::to_vector(source.isWhole() ? extents : source.getShape());
  if (resolved.fileShape.size() != rank)
    return emitError() << "expected a source with " << rank
                       << " dimensions for a weight of type " << type
                       << ", but got " << resolved.fileShape.size()
                       << " [moe-weight-c1]";

  SmallVector<int64_t> fileStrides(rank, 1);
  for (size_t i = rank; i-- > 1;)
    fileStrides[i - 1] = fileStrides[i] * resolved.fileShape[i];

  resolved.offset = 0;
  SmallVector<int64_t> strides(rank);
  for (size_t i = 0; i < rank; ++i) {
    auto valueOr = [](ArrayRef<int64_t> list, size_t index, int64_t otherwise) {
      return list.empty() ? otherwise : list[index];
    };
    int64_t dim = valueOr(source.getPermutation(), i, i);
    int64_t offset = valueOr(source.getOffsets(), dim, 0);
    int64_t stride = valueOr(source.getStrides(), dim, 1);
    int64_t last;
    if (llvm::MulOverflow(extents[i] - 1, stride, last) ||
        llvm::AddOverflow(last, offset, last) ||
        last >= resolved.fileShape[dim])
      return emitError() << "expected the window of source "
                         << source.getTensor() << " to lie inside dimension "
                         << dim << " of size " << resolved.fileShape[dim]
                         << ", but it takes " << extents[i] << " elements from "
                         << offset << " in steps of " << stride
                         << " [moe-weight-c2]";
    // A step that is never taken may be of any size: the product need not fit.
    // All others are inside the file tensor, whose elements can be counted.
    strides[i] = (extents[i] == 1 ? 1 : stride) * fileStrides[dim];
    resolved.offset += offset * fileStrides[dim];
  }
  resolved.expertStride = hasExpertDim ? strides.front() : 0;

  ArrayRef<int64_t> sliceStrides =
      ArrayRef<int64_t>(strides).drop_front(hasExpertDim ? 1 : 0);
  ArrayRef<int64_t> sliceExtents = extents.drop_front(hasExpertDim ? 1 : 0);
  resolved.strides = llvm::to_vector(sliceStrides);
  // The elements are copied.
  if (bank && (bank.getPacked() || bank.getQuantized()))
    return resolved;
  for (auto [found, expected, extent] :
       llvm::zip_equal(sliceStrides, getWeightStrides(type), sliceExtents))
    if (extent != 1 && found != expected) {
      InFlightDiagnostic diagnostic = emitError();
      diagnostic << "expected the elements of source " << source.getTensor()
                 << " to have the strides of type " << type << ", but got [";
      llvm::interleaveComma(sliceStrides, diagnostic);
      return diagnostic << "]; state them as a strided layout of the bank "
                           "[moe-weight-c3]";
    }
  return resolved;
}

//===----------------------------------------------------------------------===//
// WeightOp
//===----------------------------------------------------------------------===//

/// [private] @name : type from ["tensor" | #moe.source<...>, ...]
ParseResult WeightOp::parse(OpAsmParser &parser, OperationState &result) {
  (void)mlir::impl::parseOptionalVisibilityKeyword(parser, result.attributes);
  StringAttr name;
  Type type;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name),
                             result.attributes) ||
      parser.parseColonType(type) || parser.parseKeyword("from"))
    return failure();
  result.addAttribute(getTypeAttrName(result.name), TypeAttr::get(type));

  SmallVector<Attribute> sources;
  auto parseSource = [&]() -> ParseResult {
    std::string tensor;
    if (succeeded(parser.parseOptionalString(&tensor))) {
      auto source = parser.getChecked<SourceAttr>(
          parser.getContext(), parser.getBuilder().getStringAttr(tensor),
          ArrayRef<int64_t>(), ArrayRef<int64_t>(), ArrayRef<int64_t>(),
          ArrayRef<int64_t>());
      sources.push_back(source);
      return success(source != nullptr);
    }
    SourceAttr source;
    if (parser.parseAttribute(source))
      return failure();
    sources.push_back(source);
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseSource))
    return failure();
  result.addAttribute(getSourcesAttrName(result.name),
                      parser.getBuilder().getArrayAttr(sources));
  return parser.parseOptionalAttrDict(result.attributes);
}

void WeightOp::print(OpAsmPrinter &printer) {
  if (auto visibility = getSymVisibility())
    printer << ' ' << *visibility;
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << " : " << getType() << " from [";
  llvm::interleaveComma(getSources(), printer, [&](Attribute attribute) {
    auto source = cast<SourceAttr>(attribute);
    if (source.isWhole())
      printer << source.getTensor();
    else
      printer << attribute;
  });
  printer << ']';
  SmallVector<StringRef> printed = {getSymNameAttrName(), getTypeAttrName(),
                                    getSourcesAttrName(),
                                    getSymVisibilityAttrName()};
  if (getWay() == 0)
    printed.push_back(getWayAttrName());
  printer.printOptionalAttrDict((*this)->getAttrs(), printed);
}

/// True if the number of elements of `tensor` is positive and below 2^63.
static bool hasCountableElements(RankedTensorType tensor) {
  int64_t elements = 1;
  return llvm::all_of(tensor.getShape(), [&](int64_t size) {
    return size > 0 && !llvm::MulOverflow(elements, size, elements);
  });
}

static bool isWeightElement(Type type) {
  return type.isF32() || type.isBF16() || type.isF16() ||
         type.isSignlessInteger(32) || type.isSignlessInteger(64);
}

LogicalResult WeightOp::verify() {
  Type type = getType();
  auto bank = dyn_cast<BankType>(type);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (std::optional<Type> stored = getStored();
      stored && (!bank || !bank.getQuantized() ||
                 !(stored->isF32() || stored->isBF16() || stored->isF16())))
    return emitOpError("expected stored elements of f32, bf16 or f16, in a "
                       "quantized bank only, but got ")
           << *stored << " [moe-weight-c9]";
  if (getEncoded() &&
      (!bank || !bank.getQuantized() || getStored() || !getSources().empty()))
    return emitOpError("expected 'encoded' on a quantized bank only, without "
                       "sources and 'stored' [moe-weight-c10]");
  if (!getEncoded() && bank && bank.getQuantized() &&
      bank.getQuantized().getCodes() != Codes::Integer)
    return emitOpError("expected codes that are no integers to come from a "
                       "checkpoint, by 'encoded' [moe-weight-c10]");
  if (!bank &&
      !(tensor && tensor.hasStaticShape() && !tensor.getEncoding() &&
        tensor.getRank() <= MOE_MAX_RANK && hasCountableElements(tensor) &&
        isWeightElement(tensor.getElementType())))
    return emitOpError("expected a bank or a non-empty static tensor of f32, "
                       "bf16, f16, i32 or i64, but got ")
           << type << " [moe-weight-c4]";

  size_t numSources = getSources().size();
  bool onePerExpert =
      bank && static_cast<int64_t>(numSources) == bank.getNumExperts();
  if (numSources != 1 && !onePerExpert && !getEncoded())
    return emitOpError("expected 1 source")
           << (bank ? ", or one per expert" : "") << ", but got " << numSources
           << " [moe-weight-c5]";
  for (auto source : getSources().getAsRange<SourceAttr>()) {
    if (source.isPerExpert() && (!bank || numSources != 1))
      return emitOpError("expected '{e}' only in the single source of a bank, "
                         "but got ")
             << source.getTensor() << " [moe-weight-c6]";
    auto emit = [&]() { return emitOpError(); };
    if (failed(resolveSource(source, type, numSources, emit)))
      return failure();
  }
  return success();
}

Type WeightOp::getStoredType() {
  if (std::optional<Type> stored = getStored())
    return *stored;
  if (auto bank = dyn_cast<BankType>(getType()))
    return bank.getElementType();
  return cast<ShapedType>(getType()).getElementType();
}

//===----------------------------------------------------------------------===//
// Codes of a checkpoint
//===----------------------------------------------------------------------===//

/// Codes of `bits` in an element of a bank of words; 0 if it is none.
static int64_t getCodesPerElement(BankType words, int64_t bits) {
  Type element = words.getElementType();
  if (element.isSignlessInteger(32))
    return 32 / bits;
  if (element.isUnsignedInteger(8))
    return 8 / bits;
  return element.isSignlessInteger(8) && bits == 8 ? 1 : 0;
}

namespace {
/// What is wrong with the weight that a part of #moe.encoded names.
using Complaint = std::optional<std::string>;
} // namespace

/// A slice is a matrix of rows x columns. Columns may be cut into blocks that
/// follow one another, a dimension more.
static Complaint expectShape(BankType found, int64_t rows, int64_t columns,
                             StringRef elements) {
  ArrayRef<int64_t> shape = found.getSliceShape();
  SmallVector<int64_t> strides = getWeightStrides(found);
  bool isMatrix = shape.size() == 2 && shape[1] == columns;
  bool isCut = shape.size() == 3 && shape[1] * shape[2] == columns &&
               strides[1] % shape[2] == 0 &&
               strides[1] / shape[2] == strides[2];
  if (shape[0] == rows && (isMatrix || isCut))
    return std::nullopt;
  std::string text;
  llvm::raw_string_ostream(text) << rows << " x " << columns << ' ' << elements;
  return text;
}

static Complaint checkCodes(BankType bank, BankType codes) {
  int64_t N = bank.getSliceShape()[0], K = bank.getSliceShape()[1];
  int64_t per = getCodesPerElement(codes, bank.getQuantized().getBits());
  if (per == 0)
    return "words of codes: i32, ui8, or, with 8 bits, i8";
  Complaint byColumns =
      expectShape(codes, N, llvm::divideCeil(K, per), "words");
  Complaint byRows = expectShape(codes, llvm::divideCeil(N, per), K, "words");
  return byColumns && byRows ? *byColumns + " or " + *byRows : Complaint();
}

static Complaint checkScales(BankType bank, BankType scales) {
  QuantizedAttr format = bank.getQuantized();
  bool areExponents = format.getCodes() == Codes::E2M1 &&
                      scales.getElementType().isUnsignedInteger(8);
  if (!areExponents && scales.getElementType() != format.getScale()) {
    std::string text;
    llvm::raw_string_ostream(text) << "scales of " << format.getScale();
    return text;
  }
  return expectShape(scales, bank.getSliceShape()[0],
                     format.getNumGroups(bank.getSliceShape()[1]), "scales");
}

static Complaint checkZeros(BankType bank, BankType zeros) {
  QuantizedAttr format = bank.getQuantized();
  int64_t per = getCodesPerElement(zeros, format.getBits());
  if (per == 0)
    return "integers in words: i32, ui8, or, with 8 bits, i8";
  return expectShape(zeros, llvm::divideCeil(bank.getSliceShape()[0], per),
                     format.getNumGroups(bank.getSliceShape()[1]), "words");
}

static Complaint checkGroups(BankType bank, BankType groups) {
  int64_t K = bank.getSliceShape()[1];
  if (groups.getSliceShape() == ArrayRef(K) &&
      groups.getElementType().isSignlessInteger(32))
    return std::nullopt;
  return std::to_string(K) + " integers of i32";
}

/// A weight that holds a part of the codes of `op`: a bank as it lies in the
/// checkpoint, bound before.
static LogicalResult
verifyPart(WeightOp op, SymbolTableCollection &symbolTable,
           FlatSymbolRefAttr name,
           function_ref<Complaint(BankType, BankType)> check) {
  if (!name)
    return success();
  auto bank = cast<BankType>(op.getType());
  auto part = symbolTable.lookupNearestSymbolFrom<WeightOp>(op, name);
  auto found = part ? dyn_cast<BankType>(part.getType()) : BankType();
  if (!found || found.getNumExperts() != bank.getNumExperts() ||
      found.getPacked() || found.getQuantized() || !part->isBeforeInBlock(op))
    return op.emitOpError("expected ")
           << name << " to be a moe.weight with a bank of "
           << bank.getNumExperts()
           << " slices as they are stored, that comes before "
              "[moe-weight-c11]";
  if (Complaint expected = check(bank, found))
    return op.emitOpError("expected ")
           << name << " to hold " << *expected << ", but got " << found
           << " [moe-weight-c12]";
  return success();
}

static LogicalResult verifyEncoded(WeightOp op,
                                   SymbolTableCollection &symbolTable) {
  EncodedAttr encoded = op.getEncodedAttr();
  if (!encoded)
    return success();
  QuantizedAttr format = cast<BankType>(op.getType()).getQuantized();
  bool hasIntegers = format.getCodes() == Codes::Integer;
  if (encoded.getZeros() ? !hasIntegers : format.getZeroPoints())
    return op.emitOpError("expected zeros of integers where there are zero "
                          "points, and none of other codes [moe-weight-c13]");
  if (DenseI64ArrayAttr order = encoded.getOrder();
      order && order.size() * format.getBits() != 32)
    return op.emitOpError("expected an order of ")
           << 32 / format.getBits() << " codes in a word of 32 bits, but got "
           << order.size() << " [moe-weight-c13]";
  if (failed(verifyPart(op, symbolTable, encoded.getCodes(), checkCodes)) ||
      failed(verifyPart(op, symbolTable, encoded.getScales(), checkScales)) ||
      failed(verifyPart(op, symbolTable, encoded.getZeros(), checkZeros)) ||
      failed(verifyPart(op, symbolTable, encoded.getGroups(), checkGroups)))
    return failure();
  return success();
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  if (failed(verifyEncoded(*this, symbolTable)))
    return failure();
  auto bank = dyn_cast<BankType>(getType());
  int64_t ways = bank && bank.getPacked() ? bank.getPacked().getWays() : 1;
  int64_t way = getWay();
  if (way < 0 || way >= ways || (way != 0) != (getBesideAttr() != nullptr))
    return emitOpError("expected way 0, or, beside the weight that owns the "
                       "memory, another of the ")
           << ways << " ways of its type, but got " << way
           << " [moe-weight-c7]";
  if (!getBesideAttr())
    return success();
  auto owner =
      symbolTable.lookupNearestSymbolFrom<WeightOp>(*this, getBesideAttr());
  if (!owner || owner.getType() != getType() || owner.getWay() != 0 ||
      !owner->isBeforeInBlock(*this))
    return emitOpError("expected ")
           << getBesideAttr()
           << " to be a moe.weight of the same type with way 0 that comes "
              "before [moe-weight-c8]";
  return success();
}

//===----------------------------------------------------------------------===//
// GetWeightOp
//===----------------------------------------------------------------------===//

LogicalResult
GetWeightOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  auto weight =
      symbolTable.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError("expected ")
           << getWeightAttr()
           << " to be a moe.weight of this module [moe-get-weight-c1]";
  Type found = getType(), declared = weight.getType();
  // On memrefs, the dense buffer of the declared tensor.
  if (auto tensor = dyn_cast<RankedTensorType>(declared);
      tensor && isa<MemRefType>(found))
    declared = MemRefType::get(tensor.getShape(), tensor.getElementType());
  if (found != declared)
    return emitOpError("expected the declared type ")
           << declared << ", but got " << getType() << " [moe-get-weight-c2]";
  return success();
}

//===----------------------------------------------------------------------===//
// MakeBankOp
//===----------------------------------------------------------------------===//

void MakeBankOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  // The table of pointers is memory of the enclosing function.
  if (getOperation()->getNumOperands() &&
      isa<MemRefType>(getOperand(0).getType()))
    effects.emplace_back(MemoryEffects::Allocate::get(),
                         getOperation()->getOpResult(0),
                         SideEffects::AutomaticAllocationScopeResource::get());
}

/// %w0, %w1 : slice-type -> bank-type
///
/// One type stands for all slices, a list where they differ.
ParseResult MakeBankOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  Type bankType;
  SMLoc location;
  if (parser.parseOperandList(operands) ||
      parser.parseOptionalAttrDict(result.attributes) ||
      parser.getCurrentLocation(&location) ||
      parser.parseColonTypeList(types) || parser.parseArrow() ||
      parser.parseType(bankType))
    return failure();
  if (types.size() == 1)
    types.resize(operands.size(), types.front());
  if (parser.resolveOperands(operands, types, location, result.operands))
    return failure();
  result.addTypes(bankType);
  return success();
}

void MakeBankOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getSlices();
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : ";
  if (llvm::all_equal(getSlices().getTypes()))
    printer << getSlices().front().getType();
  else
    llvm::interleaveComma(getSlices().getTypes(), printer);
  printer << " -> " << getType();
}

/// True if `type` (tensor or memref) is one slice of `bank`, wherever it
/// starts.
static bool canBeSliceOf(Type type, BankType bank) {
  if (isa<RankedTensorType>(type))
    return type == bank.getSliceType() && !bank.getLayout();
  auto memref = dyn_cast<MemRefType>(type);
  SmallVector<int64_t> strides;
  int64_t offset;
  if (!memref || bank.getPacked() || bank.getQuantized() ||
      memref.getShape() != bank.getSliceShape() ||
      memref.getElementType() != bank.getElementType() ||
      failed(memref.getStridesAndOffset(strides, offset)))
    return false;
  for (auto [extent, found, expected] :
       llvm::zip_equal(memref.getShape(), strides, getWeightStrides(bank)))
    if (extent != 1 && found != expected)
      return false;
  return true;
}

/// True if `type` (tensor or memref) is one slice of `bank`.
static bool isSliceOf(Type type, BankType bank) {
  if (isa<RankedTensorType>(type))
    return type == bank.getSliceType();
  auto memref = dyn_cast<MemRefType>(type);
  return memref && memref == bank.getSliceMemRefType();
}

/// A user that could keep a bank beyond the block that makes it; null if none
/// does. What is the same bank, seen transposed, is looked at too.
static Operation *findHandover(Value bank) {
  SmallVector<Value> views = {bank};
  while (!views.empty())
    for (Operation *user : views.pop_back_val().getUsers()) {
      if (isa<TransposeBankOp>(user))
        views.push_back(user->getResult(0));
      else if (user->hasTrait<OpTrait::IsTerminator>() ||
               llvm::any_of(user->getResultTypes(), llvm::IsaPred<BankType>))
        return user;
    }
  return nullptr;
}

LogicalResult MakeBankOp::verify() {
  BankType bank = getType();
  if (static_cast<int64_t>(getSlices().size()) != bank.getNumExperts())
    return emitOpError("expected ")
           << bank.getNumExperts() << " operands for " << bank << ", but got "
           << getSlices().size() << " [moe-make-bank-c1]";
  bool onTensors = isa<RankedTensorType>(getSlices().front().getType());
  for (Type type : getSlices().getTypes())
    if (!canBeSliceOf(type, bank) || isa<RankedTensorType>(type) != onTensors)
      return emitOpError("expected operands that are slices of ")
             << bank << ", with its strides, but got " << type
             << " [moe-make-bank-c2]";
  if (Operation *user = findHandover(getBank()))
    return emitOpError("expected the bank to be used only where it is made, "
                       "but '")
           << user->getName()
           << "' hands it on; pass the slices instead [moe-make-bank-c3]";
  return success();
}

//===----------------------------------------------------------------------===//
// TransposeBankOp
//===----------------------------------------------------------------------===//

LogicalResult TransposeBankOp::verify() {
  BankType bank = getBank().getType();
  if (bank.getShape().size() != 3 || bank.getPacked() || bank.getQuantized())
    return emitOpError("expected a bank of matrices, neither packed nor "
                       "quantized, but got ")
           << bank << " [moe-transpose-bank-c1]";
  if (getType() != bank.getTransposed())
    return emitOpError("expected a result of type ")
           << bank.getTransposed() << ", but got " << getType()
           << " [moe-transpose-bank-c2]";
  return success();
}

OpFoldResult TransposeBankOp::fold(FoldAdaptor) {
  auto inner = getBank().getDefiningOp<TransposeBankOp>();
  return inner && inner.getBank().getType() == getType()
             ? OpFoldResult(inner.getBank())
             : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// BankSliceOp
//===----------------------------------------------------------------------===//

LogicalResult BankSliceOp::verify() {
  if (isSliceOf(getSlice().getType(), getBank().getType()))
    return success();
  return emitOpError("expected a result of type ")
         << getBank().getType().getSliceType() << ", but got "
         << getSlice().getType() << " [moe-bank-slice-c1]";
}
