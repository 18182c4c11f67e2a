//===- MoETypes.td - Types of the moe dialect -*- tablegen -*-
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_MOE_IR_MOETYPES
#define MOE_DIALECT_MOE_IR_MOETYPES

include "MoE/Dialect/MoE/IR/MoEDialect.td"
include "mlir/IR/AttrTypeBase.td"

def MoE_BankType : TypeDef<MoE_Dialect, "Bank"> {
  let mnemonic = "bank";
  let summary = "one equally shaped weight per expert";
  let description = [{
    `!moe.bank<8x256x192xbf16>` stands for 8 matrices of 256 x 192, one per
    expert, wherever they lie in memory. It lowers to a table of 8 pointers.
    A slice is dense row-major unless a layout says otherwise: `strided` (in
    elements), or `#moe.packed` for matrices. Matrices may be `#moe.quantized`:
    they are then what the codes stand for, of type f32. Banks are read-only and
    have no tensor form: `moe.bank_slice` reads one expert's weight.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape,
                        "::mlir::Type":$elementType,
                        "QuantizedAttr":$quantized,
                        "::mlir::Attribute":$layout);
  let builders = [
    TypeBuilderWithInferredContext<(ins "::llvm::ArrayRef<int64_t>":$shape,
                                        "::mlir::Type":$elementType), [{
      return $_get(elementType.getContext(), shape, elementType,
                   QuantizedAttr(), ::mlir::Attribute());
    }]>
  ];
  let skipDefaultBuilders = 0;
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getNumExperts() const { return getShape().front(); }
    /// Shape of one expert's weight.
    ::llvm::ArrayRef<int64_t> getSliceShape() const {
      return getShape().drop_front();
    }
    ::mlir::RankedTensorType getSliceType() const;
    /// The buffer of one slice. That of a packed slice has the dimensions
    /// panels x steps x (panel * depth), or, if it is quantized, is bytes.
    ::mlir::MemRefType getSliceMemRefType() const;
    /// The same bank in another layout, or quantized.
    BankType withLayout(::mlir::Attribute layout) const;
    BankType withQuantization(QuantizedAttr quantized) const;
    /// The same matrices seen transposed, neither packed nor quantized: dense
    /// ones get a strided layout, and the other way round.
    BankType getTransposed() const;
    /// The layout if it is packed; null otherwise.
    PackedAttr getPacked() const;
    /// Panels of a packed slice, and steps of a panel.
    int64_t getNumPanels() const;
    int64_t getNumSteps() const;
    /// Bytes from one panel of a packed slice to the next.
    int64_t getPanelBytes() const;
  }];
}

#endif // MOE_DIALECT_MOE_IR_MOETYPES
