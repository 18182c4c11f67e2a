//===- MoE.h - The moe dialect ----------------------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_IR_MOE_H
#define MOE_DIALECT_MOE_IR_MOE_H

#include "MoE/Runtime/Abi.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/MathExtras.h"

namespace mlir {
/// Attribute parameters that are numbers of f64, e.g. `eps = 1.0e-20`.
template <> struct FieldParser<llvm::APFloat> {
  static FailureOr<llvm::APFloat> parse(AsmParser &parser) {
    double value;
    if (parser.parseFloat(value))
      return failure();
    return llvm::APFloat(value);
  }
};
} // namespace mlir

#include "MoE/Dialect/MoE/IR/MoEDialect.h.inc"
#include "MoE/Dialect/MoE/IR/MoEEnums.h.inc"

namespace mlir::moe {
/// Sums of so many products of codes fit into 32 bits.
constexpr int64_t kMostColumnsPerScale = 65536;
} // namespace mlir::moe

#define GET_ATTRDEF_CLASSES
#include "MoE/Dialect/MoE/IR/MoEAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "MoE/Dialect/MoE/IR/MoETypes.h.inc"

#define GET_OP_CLASSES
#include "MoE/Dialect/MoE/IR/MoEOps.h.inc"

namespace mlir::moe {

/// Names of the attributes that describe the arguments and results of an entry
/// function (docs/spec/entry.md).
namespace attr {
/// On arguments and results: the name by which callers bind it (StringAttr).
inline constexpr llvm::StringLiteral kName = "moe.name";
/// On arguments and results: one size per dimension, an array of strings and
/// integers; a string is a symbol, equal symbols are equal sizes, "a * b" is a
/// product of two.
inline constexpr llvm::StringLiteral kShape = "moe.shape";
/// On integer arguments: every element is in [lower, upper) (two integers).
inline constexpr llvm::StringLiteral kRange = "moe.range";
/// On index arguments: the symbol whose value it is (StringAttr).
inline constexpr llvm::StringLiteral kSymbol = "moe.symbol";
/// On results: the argument that holds the result, updated in place.
inline constexpr llvm::StringLiteral kTied = "moe.tied";
/// On functions: array of [[terms...], bound]: the sum of the terms (symbols)
/// is at most the bound (a symbol or an integer).
inline constexpr llvm::StringLiteral kLimits = "moe.limits";
/// On entries after bufferization: what their arguments and results were.
inline constexpr llvm::StringLiteral kEntry = "moe.entry";
/// On functions after memory planning: the function that says how many bytes
/// of workspace they need.
inline constexpr llvm::StringLiteral kWorkspace = "moe.workspace";
/// On functions whose assertions are hoisted: the function that says which
/// message applies.
inline constexpr llvm::StringLiteral kChecks = "moe.checks";
/// On modules: the messages of hoisted assertions; the first has number 1.
inline constexpr llvm::StringLiteral kMessages = "moe.messages";
/// On parallel loops over ranges of rows: what a row costs, and how many a
/// range should have at least (Utils/RowLoop.h).
inline constexpr llvm::StringLiteral kRowLoop = "moe.row_loop";
} // namespace attr

/// The element type that a moe_dtype stands for; null if it stands for none.
Type getElementType(MLIRContext *context, int32_t dtype);

/// The moe_dtype of an element type, index counting as i64; 0 if it has none.
int32_t getDType(Type type);

/// Strides, in elements, of a weight of this type: those of the bank's layout,
/// or dense row-major.
llvm::SmallVector<int64_t> getWeightStrides(Type type);

/// A source of a weight, resolved against the weight's type.
struct ResolvedSource {
  llvm::SmallVector<int64_t> fileShape; ///< the file tensor must have it
  int64_t offset; ///< of the first element, in elements of the file tensor
  int64_t expertStride; ///< elements between experts; 0 with "{e}"
  /// Of a slice or a plain weight, in elements of the file tensor.
  llvm::SmallVector<int64_t> strides;
};

/// Resolves `source` for a weight of `type`, one of `numSources`; emits an
/// error if the window leaves the file tensor or its strides are not those of
/// `type`. A packed bank may have any: its elements are copied.
FailureOr<ResolvedSource>
resolveSource(SourceAttr source, Type type, unsigned numSources,
              llvm::function_ref<InFlightDiagnostic()> emitError);

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_IR_MOE_H
