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
#include "llvm/ADT/StringSet.h"

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

/// The symbols of a size: "seq" has one, "batch * seq" two.
static SmallVector<StringRef> getFactors(StringRef size) {
  SmallVector<StringRef> factors;
  size.split(factors, '*');
  for (StringRef &factor : factors)
    factor = factor.trim();
  return factors;
}

/// True for a symbol or a product of two.
static bool isSymbolProduct(StringRef text) {
  SmallVector<StringRef> factors = getFactors(text);
  return factors.size() <= 2 && llvm::all_of(factors, [](StringRef factor) {
           return !factor.empty() && llvm::all_of(factor, [](char c) {
             return llvm::isAlnum(c) || c == '_';
           });
         });
}

/// The attributes of the arguments or results of `function`: on its signature,
/// or, after bufferization, in `moe.entry`.
static SmallVector<DictionaryAttr> getAttributes(FunctionOpInterface function,
                                                 bool ofResults) {
  SmallVector<DictionaryAttr> all;
  if (auto entry = function->getAttrOfType<DictionaryAttr>(attr::kEntry)) {
    auto list = entry.getAs<ArrayAttr>(ofResults ? "results" : "inputs");
    for (Attribute attributes : list ? list.getValue() : ArrayRef<Attribute>())
      all.push_back(dyn_cast<DictionaryAttr>(attributes));
    return all;
  }
  unsigned count =
      ofResults ? function.getNumResults() : function.getNumArguments();
  for (unsigned i = 0; i < count; ++i)
    all.push_back(ofResults ? function.getResultAttrDict(i)
                            : function.getArgAttrDict(i));
  return all;
}

/// The symbols that the arguments of `function` give a value: one that is a
/// dimension alone, or the value of an index.
static llvm::StringSet<> getBoundSymbols(FunctionOpInterface function) {
  llvm::StringSet<> bound;
  for (DictionaryAttr attributes : getAttributes(function, false)) {
    if (!attributes)
      continue;
    if (auto symbol = attributes.getAs<StringAttr>(attr::kSymbol))
      bound.insert(symbol.getValue().trim());
    auto sizes = attributes.getAs<ArrayAttr>(attr::kShape);
    for (Attribute size : sizes ? sizes.getValue() : ArrayRef<Attribute>())
      if (auto symbol = dyn_cast<StringAttr>(size))
        if (!symbol.getValue().contains('*'))
          bound.insert(symbol.getValue().trim());
  }
  return bound;
}

/// Checks that the runtime will know the value of each of `symbols`.
static LogicalResult verifyBound(Operation *op, StringRef attribute,
                                 ArrayRef<StringRef> symbols) {
  llvm::StringSet<> bound = getBoundSymbols(cast<FunctionOpInterface>(op));
  for (StringRef symbol : symbols)
    if (!bound.contains(symbol))
      return op->emitOpError("expected an argument that gives '")
             << symbol << "' in '" << attribute
             << "' its value; name a dimension alone so in 'moe.shape', or an "
                "index in 'moe.symbol' [moe-entry-c11]";
  return success();
}

/// Checks that no two arguments, or results, go by the same name.
static LogicalResult verifyNames(Operation *op, bool ofResults) {
  llvm::StringSet<> names;
  for (auto [i, attributes] : llvm::enumerate(
           getAttributes(cast<FunctionOpInterface>(op), ofResults))) {
    auto given =
        attributes ? attributes.getAs<StringAttr>(attr::kName) : StringAttr();
    std::string name =
        given ? given.str() : ((ofResults ? "result" : "arg") + Twine(i)).str();
    if (!names.insert(name).second)
      return op->emitOpError("expected a name of its own for each ")
             << (ofResults ? "result" : "argument") << ", but got '" << name
             << "' twice; callers bind by name [moe-entry-c12]";
  }
  return success();
}

static LogicalResult verifyShape(Operation *op, Type type, Attribute value,
                                 bool isResult) {
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
    SmallVector<StringRef> symbols;
    if (symbol)
      symbols = getFactors(symbol);
    // A dimension of an argument that is a symbol alone gives it its value.
    if ((isResult || symbols.size() > 1) &&
        failed(verifyBound(op, attr::kShape, symbols)))
      return failure();
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
      return verifyNames(op, isResult);
    return op->emitOpError("expected '") << name << "' to be a string, but got "
                                         << value << " [moe-entry-c3]";
  }
  if (name == attr::kShape)
    return verifyShape(op, type, value, isResult);
  if (name == attr::kRange && !isResult) {
    auto bounds = dyn_cast<ArrayAttr>(value);
    Type element = getElementTypeOrSelf(type);
    if (bounds && bounds.size() == 2 &&
        llvm::all_of(bounds, llvm::IsaPred<IntegerAttr>) &&
        element.isIntOrIndex() && !element.isInteger(1))
      return success();
    return op->emitOpError("expected '")
           << name
           << "' to be [lower, upper] on an argument of integers of more than "
              "one bit, but got "
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
  if (name == attr::kRowLoop) {
    auto cost = dyn_cast<DenseI64ArrayAttr>(attribute.getValue());
    if (op->getName().getStringRef() == "scf.parallel" && cost &&
        cost.size() == 2 && llvm::all_of(cost.asArrayRef(), [](int64_t n) {
          return n >= 1 && n <= INT32_MAX;
        }))
      return success();
    return op->emitOpError("expected '")
           << name
           << "' on a scf.parallel to be two positive numbers of 31 bits, but "
              "got "
           << attribute.getValue() << " [moe-row-loop-c1]";
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
  SmallVector<StringRef> symbols;
  for (auto limit : limits.getAsRange<ArrayAttr>()) {
    for (auto term : cast<ArrayAttr>(limit[0]).getAsRange<StringAttr>())
      symbols.push_back(term.getValue().trim());
    if (auto bound = dyn_cast<StringAttr>(limit[1]))
      symbols.push_back(bound.getValue().trim());
  }
  return verifyBound(op, name, symbols);
}
