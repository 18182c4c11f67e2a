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
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::moe;

#include "MoE/Dialect/MoE/IR/MoEDialect.cpp.inc"

void MoEDialect::initialize() {
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
  return llvm::count_if(llvm::seq(0u, function.getNumResults()),
                        [&](unsigned result) {
                          auto other = function.getResultAttrOfType<IntegerAttr>(
                              result, attr::kTied);
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
    return op->emitOpError("expected '")
           << name << "' to be a string, but got " << value
           << " [moe-entry-c3]";
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

LogicalResult
MoEDialect::verifyRegionArgAttribute(Operation *op, unsigned regionIndex,
                                     unsigned argIndex,
                                     NamedAttribute attribute) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError("expected moe attributes on a function only, but "
                           "got '")
           << attribute.getName() << "' [moe-entry-c8]";
  return verifyArgument(op, function.getArgumentTypes()[argIndex], attribute,
                        /*isResult=*/false);
}

LogicalResult
MoEDialect::verifyRegionResultAttribute(Operation *op, unsigned regionIndex,
                                        unsigned resultIndex,
                                        NamedAttribute attribute) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError("expected moe attributes on a function only, but "
                           "got '")
           << attribute.getName() << "' [moe-entry-c8]";
  return verifyArgument(op, function.getResultTypes()[resultIndex], attribute,
                        /*isResult=*/true);
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
  // Left by bufferization of entries and memory planning for later passes.
  if (attribute.getName() == attr::kEntry ||
      attribute.getName() == attr::kWorkspace)
    return success();
  if (attribute.getName() != attr::kLimits)
    return op->emitOpError("has no attribute '")
           << attribute.getName() << "'; expected moe.limits on a function "
           << "[moe-entry-c9]";
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
