//===- MoEDialect.cpp - The moe dialect
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::moe;

#include "MoE/Dialect/MoE/IR/MoEDialect.cpp.inc"

namespace {
/// All ops may be inlined: they mean the same in any function.
struct MoEInlinerInterface : public DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final {
    return true;
  }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final {
    return true;
  }
};
} // namespace

void MoEDialect::initialize() {
  addInterfaces<MoEInlinerInterface>();
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "MoE/Dialect/MoE/IR/MoEOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Attributes of entry functions (docs/spec/entry.md)
//===----------------------------------------------------------------------===//

/// True for a symbol or a product of two: "seq", "batch * seq".
static bool isSymbolProduct(StringRef text) {
  SmallVector<StringRef> factors;
  text.split(factors, '*');
  return factors.size() <= 2 && llvm::all_of(factors, [](StringRef factor) {
           factor = factor.trim();
           return !factor.empty() && llvm::all_of(factor, [](char c) {
             return llvm::isAlnum(c) || c == '_';
           });
         });
}

static LogicalResult verifyShape(Operation *op, Type type, Attribute value) {
  auto sizes = dyn_cast<ArrayAttr>(value);
  auto shaped = dyn_cast<ShapedType>(type);
  if (!sizes || !shaped || !shaped.hasRank() ||
      static_cast<int64_t>(sizes.size()) != shaped.getRank())
    return op->emitOpError("expected '")
           << attr::kShape << "' to be an array with one size per dimension of "
           << type << ", but got " << value << " [moe-entry-c1]";
  for (auto [size, extent] : llvm::zip_equal(sizes, shaped.getShape())) {
    auto symbol = dyn_cast<StringAttr>(size);
    auto integer = dyn_cast<IntegerAttr>(size);
    bool valid = ShapedType::isDynamic(extent)
                     ? symbol && isSymbolProduct(symbol)
                     : integer && integer.getInt() == extent;
    if (!valid)
      return op->emitOpError("expected each size in '")
             << attr::kShape
             << "' to be a symbol (or a product of two) where the type is "
                "dynamic and the extent itself where it is static, but got "
             << size << " for " << type << " [moe-entry-c2]";
  }
  return success();
}

/// How many results of `function` are tied to argument `index`.
static int64_t countResultsTiedTo(FunctionOpInterface function,
                                  IntegerAttr index) {
  return llvm::count_if(
      llvm::seq(0u, function.getNumResults()), [&](unsigned result) {
        auto other =
            function.getResultAttrOfType<IntegerAttr>(result, attr::kTied);
        return other && other.getInt() == index.getInt();
      });
}

static LogicalResult verifyArgument(Operation *op, Type type,
                                    NamedAttribute attribute, bool isResult) {
  StringRef name = attribute.getName();
  Attribute value = attribute.getValue();
  if (name == attr::kName) {
    if (isa<StringAttr>(value))
      return success();
    return op->emitOpError("expected '") << name << "' to be a string, but got "
                                         << value << " [moe-entry-c3]";
  }
  if (name == attr::kShape)
    return verifyShape(op, type, value);
  if (name == attr::kRange && !isResult) {
    auto bounds = dyn_cast<ArrayAttr>(value);
    if (bounds && bounds.size() == 2 &&
        llvm::all_of(bounds, llvm::IsaPred<IntegerAttr>) &&
        getElementTypeOrSelf(type).isIntOrIndex())
      return success();
    return op->emitOpError("expected '")
           << name
           << "' to be [lower, upper] on an argument of integers, but got "
           << value << " on " << type << " [moe-entry-c4]";
  }
  if (name == attr::kSymbol && !isResult) {
    if (isa<StringAttr>(value) && type.isIndex())
      return success();
    return op->emitOpError("expected '")
           << name << "' to be a string on an index argument, but got " << value
           << " on " << type << " [moe-entry-c5]";
  }
  if (name == attr::kTied && isResult) {
    auto index = dyn_cast<IntegerAttr>(value);
    auto function = cast<FunctionOpInterface>(op);
    if (index && index.getInt() >= 0 &&
        index.getInt() < function.getNumArguments() &&
        function.getArgumentTypes()[index.getInt()] == type &&
        countResultsTiedTo(function, index) == 1)
      return success();
    return op->emitOpError("expected '")
           << name << "' to be the index of an argument of type " << type
           << " that no other result is tied to, but got " << value
           << " [moe-entry-c6]";
  }
  return op->emitOpError("has no attribute '")
         << name << "' on " << (isResult ? "results" : "arguments")
         << "; expected one of moe.name, moe.shape, moe.range, moe.symbol "
            "(arguments), moe.tied (results) [moe-entry-c7]";
}

LogicalResult MoEDialect::verifyRegionArgAttribute(Operation *op,
                                                   unsigned regionIndex,
                                                   unsigned argIndex,
                                                   NamedAttribute attribute) {
  // Functions alone verify attributes of their arguments and results.
  auto function = cast<FunctionOpInterface>(op);
  return verifyArgument(op, function.getArgumentTypes()[argIndex], attribute,
                        /*isResult=*/false);
}

LogicalResult
MoEDialect::verifyRegionResultAttribute(Operation *op, unsigned regionIndex,
                                        unsigned resultIndex,
                                        NamedAttribute attribute) {
  auto function = cast<FunctionOpInterface>(op);
  return verifyArgument(op, function.getResultTypes()[resultIndex], attribute,
                        /*isResult=*/true);
}

/// True for what an entry takes after bufferization: dense buffers and indices.
static bool isEntryArgument(Type type) {
  auto buffer = dyn_cast<MemRefType>(type);
  return type.isIndex() || (buffer && buffer.getLayout().isIdentity());
}

/// Checks the attributes that an argument or result of an entry had before
/// bufferization against the buffer that took its place.
static LogicalResult verifyEntryArgument(Operation *op, Type type,
                                         Attribute attributes, bool isResult) {
  for (NamedAttribute attribute : cast<DictionaryAttr>(attributes))
    if (attribute.getName().strref().starts_with("moe.") &&
        attribute.getName() != attr::kTied &&
        failed(verifyArgument(op, type, attribute, isResult)))
      return failure();
  return success();
}

/// `moe.entry` is {inputs = [{...}, ...], results = [{...}, ...]}. The inputs
/// are the first arguments of the function; each result that is not tied to one
/// of them has an argument of its own behind them; the workspace is the last.
static LogicalResult verifyEntry(Operation *op, Attribute value) {
  auto malformed = [&]() {
    return op->emitOpError("expected '")
           << attr::kEntry
           << "' on a function of buffers to be {inputs, results}, arrays with "
              "a dictionary for each of its arguments, as "
              "--moe-bufferize-entries leaves it, but got "
           << value << " [moe-entry-c8]";
  };
  auto function = dyn_cast<FunctionOpInterface>(op);
  auto entry = dyn_cast<DictionaryAttr>(value);
  auto inputs = entry ? entry.getAs<ArrayAttr>("inputs") : ArrayAttr();
  auto results = entry ? entry.getAs<ArrayAttr>("results") : ArrayAttr();
  if (!function || !inputs || !results || function.getNumResults() != 0 ||
      inputs.size() > function.getNumArguments() ||
      !llvm::all_of(inputs, llvm::IsaPred<DictionaryAttr>) ||
      !llvm::all_of(results, llvm::IsaPred<DictionaryAttr>) ||
      !llvm::all_of(function.getArgumentTypes(), isEntryArgument))
    return malformed();

  ArrayRef<Type> types = function.getArgumentTypes();
  for (auto [i, attributes] : llvm::enumerate(inputs))
    if (failed(verifyEntryArgument(op, types[i], attributes, false)))
      return failure();
  uint64_t next = inputs.size();
  for (Attribute attributes : results) {
    Attribute tied = cast<DictionaryAttr>(attributes).get(attr::kTied);
    auto index = dyn_cast_or_null<IntegerAttr>(tied);
    if (tied && (!index || index.getValue().uge(inputs.size())))
      return malformed();
    uint64_t position = tied ? index.getInt() : next++;
    if (position >= types.size())
      return malformed();
    if (failed(verifyEntryArgument(op, types[position], attributes, true)))
      return failure();
  }
  uint64_t workspace = op->hasAttr(attr::kWorkspace) ? 1 : 0;
  return next + workspace == types.size() ? success() : malformed();
}

/// A limit is [[terms...], bound].
static bool isLimit(Attribute attribute) {
  auto limit = dyn_cast<ArrayAttr>(attribute);
  if (!limit || limit.size() != 2)
    return false;
  auto terms = dyn_cast<ArrayAttr>(limit[0]);
  return terms && !terms.empty() && terms.size() <= 4 &&
         llvm::all_of(terms, llvm::IsaPred<StringAttr>) &&
         isa<StringAttr, IntegerAttr>(limit[1]);
}

LogicalResult MoEDialect::verifyOperationAttribute(Operation *op,
                                                   NamedAttribute attribute) {
  StringRef name = attribute.getName();
  // Left by some passes for later ones.
  if (name == attr::kEntry)
    return verifyEntry(op, attribute.getValue());
  if (name == attr::kWorkspace || name == attr::kChecks) {
    if (isa<FunctionOpInterface>(op) &&
        isa<FlatSymbolRefAttr>(attribute.getValue()))
      return success();
    return op->emitOpError("expected '")
           << name << "' on a function to name another one, but got "
           << attribute.getValue() << " [moe-entry-c8]";
  }
  if (name == attr::kMessages) {
    auto texts = dyn_cast<ArrayAttr>(attribute.getValue());
    if (isa<ModuleOp>(op) && texts &&
        llvm::all_of(texts, llvm::IsaPred<StringAttr>))
      return success();
    return op->emitOpError("expected '")
           << name << "' on a module to be an array of strings, but got "
           << attribute.getValue() << " [moe-entry-c8]";
  }
  if (name != attr::kLimits)
    return op->emitOpError("has no attribute '")
           << name << "'; expected moe.limits on a function [moe-entry-c9]";
  auto limits = dyn_cast<ArrayAttr>(attribute.getValue());
  if (!isa<FunctionOpInterface>(op) || !limits ||
      !llvm::all_of(limits, isLimit))
    return op->emitOpError("expected '")
           << attr::kLimits
           << "' on a function to be an array of [[symbols (1 to 4)], bound], "
              "but got "
           << attribute.getValue() << " [moe-entry-c10]";
  return success();
}
