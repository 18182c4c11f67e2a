//===- Tensors.h - Tensors that own their memory ----------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TOOLS_MOERUN_TENSORS_H
#define MOE_TOOLS_MOERUN_TENSORS_H

#include "Bindings.h"
#include "MoE/Runtime/Abi.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdlib>
#include <memory>
#include <string>

namespace moe::run {

/// A dense row-major tensor that owns its memory (aligned to 64 bytes).
class Tensor {
public:
  Tensor() = default;

  /// All elements are zero. Fails when the size overflows or there is no such
  /// memory; `name` is for the message.
  static llvm::Expected<Tensor> create(llvm::StringRef name, int32_t dtype,
                                       llvm::ArrayRef<int64_t> shape);

  /// What crosses the ABI; points into this tensor.
  const moe_tensor &get() const { return descriptor; }
  llvm::ArrayRef<int64_t> getShape() const {
    return llvm::ArrayRef(descriptor.shape, descriptor.rank);
  }
  int64_t getNumElements() const { return numElements; }
  /// Whether this has the dtype and shape of `other`.
  bool isLike(const moe_tensor &other) const;

  template <typename T> llvm::MutableArrayRef<T> elements() {
    return {static_cast<T *>(descriptor.data), size_t(numElements)};
  }
  template <typename T> llvm::ArrayRef<T> elements() const {
    return {static_cast<const T *>(descriptor.data), size_t(numElements)};
  }

private:
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory;
  moe_tensor descriptor = {};
  int64_t numElements = 0;
};

/// A tensor under the name that an entry gives it. Does not own it.
struct NamedTensor {
  std::string name;
  const moe_tensor *tensor;
};

llvm::ArrayRef<int64_t> getShape(const moe_tensor &tensor);
/// Of a tensor whose size is known not to overflow.
int64_t countElements(const moe_tensor &tensor);
bool isFloat(int32_t dtype);
/// Integers and booleans.
bool isInteger(int32_t dtype);

/// Element `index` in row-major order. readInteger is for integer dtypes.
double readNumber(const moe_tensor &tensor, int64_t index);
int64_t readInteger(const moe_tensor &tensor, int64_t index);
/// Rounds to the dtype (nearest, ties to even); for integer dtypes `value` is
/// an integer that fits.
void writeNumber(const moe_tensor &tensor, int64_t index, double value);
/// Stores an integer that fits, exactly.
void writeInteger(const moe_tensor &tensor, int64_t index, int64_t value);

/// Integers that hold every value of an integer dtype.
struct IntegerRange {
  int64_t lower, upper; ///< both inclusive
};
IntegerRange getRange(int32_t dtype);

/// Copies one tensor out of a .safetensors file.
llvm::Expected<Tensor> readTensor(const FileTensor &source);

/// `tensor` with elements of `dtype`, a wider integer dtype that holds all its
/// values. `name` is the input that it is for.
llvm::Expected<Tensor> widen(llvm::StringRef name, const Tensor &tensor,
                             int32_t dtype);

/// "[2, 3]", also for the index of an element.
std::string listText(llvm::ArrayRef<int64_t> values);
/// "f32 [2, 3]".
std::string typeText(const moe_tensor &tensor);
/// The index of element `position` in row-major order, as "[i, j]".
std::string indexText(const moe_tensor &tensor, int64_t position);

} // namespace moe::run

#endif // MOE_TOOLS_MOERUN_TENSORS_H
