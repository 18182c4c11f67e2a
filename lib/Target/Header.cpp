//===- Header.cpp - A C header for a compiled module
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Target/Header.h"
#include "MoE/Dialect/MoE/IR/MoE.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// One argument or result as callers see it.
struct Parameter {
  std::string name;
  std::string type; ///< element type and sizes, for a comment
};

/// `text` with what no identifier of C has replaced.
std::string toIdentifier(StringRef text) {
  std::string result;
  for (char c : text)
    result += llvm::isAlnum(c) ? c : '_';
  return result;
}

/// "f32 [tokens, 64]".
std::string describeType(Type type, ArrayAttr sizes) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto tensor = dyn_cast<RankedTensorType>(type);
  os << (tensor ? tensor.getElementType() : type);
  if (!tensor)
    return text;
  os << " [";
  for (auto [i, extent] : llvm::enumerate(tensor.getShape())) {
    os << (i ? ", " : "");
    auto symbol = sizes && i < sizes.size() ? dyn_cast<StringAttr>(sizes[i])
                                            : StringAttr();
    if (symbol)
      os << toIdentifier(symbol.getValue());
    else if (ShapedType::isDynamic(extent))
      os << '?';
    else
      os << extent;
  }
  os << ']';
  return text;
}

/// The description of an argument or result with these attributes.
Parameter describe(Type type, DictionaryAttr attributes, const Twine &name) {
  Parameter parameter{name.str(), ""};
  ArrayAttr sizes;
  if (attributes) {
    if (auto given = attributes.getAs<StringAttr>(attr::kName))
      parameter.name = given.str();
    sizes = attributes.getAs<ArrayAttr>(attr::kShape);
  }
  parameter.type = describeType(type, sizes);
  return parameter;
}

/// enum { <prefix>_<name>, ..., <prefix>_count };
void printPositions(llvm::raw_ostream &os, const std::string &prefix,
                    ArrayRef<Parameter> parameters) {
  llvm::StringSet<> used = {"count"};
  os << "enum {\n";
  for (const Parameter &parameter : parameters) {
    std::string name = toIdentifier(parameter.name);
    while (!used.insert(name).second)
      name += '_';
    os << "  " << prefix << '_' << name << ", /* " << parameter.type << " */\n";
  }
  os << "  " << prefix << "_count\n};\n";
}

void printEntry(llvm::raw_ostream &os, func::FuncOp function) {
  SmallVector<Parameter> inputs, outputs;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
    inputs.push_back(
        describe(type, function.getArgAttrDict(i), "arg" + Twine(i)));
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    DictionaryAttr attributes = function.getResultAttrDict(i);
    // Callers find a tied result in the argument.
    if (!attributes || !attributes.get(attr::kTied))
      outputs.push_back(describe(type, attributes, "result" + Twine(i)));
  }
  std::string name = toIdentifier(function.getSymName());
  os << "\n/* Entry \"";
  llvm::printEscapedString(function.getSymName(), os);
  os << "\": positions of its inputs and outputs. */\n";
  printPositions(os, name + "_in", inputs);
  printPositions(os, name + "_out", outputs);
}

} // namespace

std::string moe::emitHeader(ModuleOp module, StringRef name) {
  std::string text;
  llvm::raw_string_ostream os(text);
  std::string guard = "MOE_MODULE_" + name.upper() + "_H";
  os << "/* Made by moe-opt --emit-header; written again with the module. */\n"
     << "#ifndef " << guard << "\n#define " << guard << "\n\n"
     << "#include \"moe_rt/context.h\"\n\n"
     << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << "/* What moe_ctx_create takes. */\n"
     << "extern const moe_module " << name << ";\n";
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal())
      printEntry(os, function);
  os << "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return text;
}
