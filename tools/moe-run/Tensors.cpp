//===- Tensors.cpp - Tensors that own their memory ------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensors.h"
#include "MoE/Import/CheckpointPtr.h"
#include "moe_rt/safetensors.h"
#include "support/ExitCode.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace llvm;
using namespace moe;
using namespace moe::run;

/// Of the data of every tensor, in bytes.
static constexpr uintptr_t dataAlignment = 64;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// True on overflow or a negative extent.
static bool countChecked(ArrayRef<int64_t> shape, int64_t &elements) {
  elements = 1;
  bool isEmpty = is_contained(shape, 0);
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(
                          elements, std::max<int64_t>(extent, 1), &elements))
      return true;
  if (isEmpty)
    elements = 0;
  return false;
}

Expected<Tensor> Tensor::create(StringRef name, int32_t dtype,
                                ArrayRef<int64_t> shape) {
  size_t size = moe_dtype_size(dtype);
  if (size == 0 || shape.size() > MOE_MAX_RANK)
    return invalidInput("'" + name + "' has dtype " + Twine(dtype) +
                        " and rank " + Twine(shape.size()) +
                        ", expected a known dtype and at most " +
                        Twine(MOE_MAX_RANK) +
                        " dimensions; pass another tensor "
                        "[moe-run-tensor-kind]");
  Tensor tensor;
  size_t bytes;
  if (countChecked(shape, tensor.numElements) ||
      __builtin_mul_overflow(size_t(tensor.numElements), size, &bytes) ||
      __builtin_add_overflow(bytes, size_t(dataAlignment), &bytes))
    return invalidInput("'" + name + "' of shape " + listText(shape) +
                        " has more bytes than can be addressed; use smaller "
                        "sizes [moe-run-tensor-overflow]");
  // calloc, because the pages of a large zeroed block need not be touched.
  tensor.memory.reset(std::calloc(bytes, 1));
  if (!tensor.memory)
    return makeError(MOE_OUT_OF_MEMORY,
                     "there is no memory for the " + Twine(bytes) +
                         " bytes of '" + name +
                         "'; use smaller sizes or free memory "
                         "[moe-run-out-of-memory]");
  uintptr_t start = reinterpret_cast<uintptr_t>(tensor.memory.get());
  uintptr_t aligned = (start + dataAlignment - 1) & ~(dataAlignment - 1);
  tensor.descriptor.data = reinterpret_cast<void *>(aligned);
  tensor.descriptor.dtype = dtype;
  tensor.descriptor.rank = int32_t(shape.size());
  llvm::copy(shape, tensor.descriptor.shape);
  return tensor;
}

bool Tensor::isLike(const moe_tensor &other) const {
  return descriptor.dtype == other.dtype &&
         getShape() == moe::run::getShape(other);
}

ArrayRef<int64_t> moe::run::getShape(const moe_tensor &tensor) {
  return ArrayRef(tensor.shape, tensor.rank);
}

int64_t moe::run::countElements(const moe_tensor &tensor) {
  int64_t elements = 1;
  for (int64_t extent : getShape(tensor))
    elements *= extent;
  return elements;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

bool moe::run::isFloat(int32_t dtype) {
  return moe_dtype_class_of(dtype) == MOE_CLASS_FLOAT;
}

bool moe::run::isInteger(int32_t dtype) {
  return moe_dtype_size(dtype) != 0 && !isFloat(dtype);
}

template <typename T> static T load(const moe_tensor &tensor, int64_t index) {
  return static_cast<const T *>(tensor.data)[index];
}

template <typename T, typename Value>
static void store(const moe_tensor &tensor, int64_t index, Value value) {
  static_cast<T *>(tensor.data)[index] = static_cast<T>(value);
}

/// The format of a 16-bit floating-point dtype.
static const fltSemantics &getHalfFormat(int32_t dtype) {
  return dtype == MOE_F16 ? APFloat::IEEEhalf() : APFloat::BFloat();
}

int64_t moe::run::readInteger(const moe_tensor &tensor, int64_t index) {
  return moe_tensor_integer(&tensor, index);
}

double moe::run::readNumber(const moe_tensor &tensor, int64_t index) {
  switch (tensor.dtype) {
  case MOE_F64:
    return load<double>(tensor, index);
  case MOE_F32:
    return load<float>(tensor, index);
  case MOE_F16:
  case MOE_BF16:
    return APFloat(getHalfFormat(tensor.dtype),
                   APInt(16, load<uint16_t>(tensor, index)))
        .convertToDouble();
  default:
    return double(readInteger(tensor, index));
  }
}

static uint16_t roundToHalf(double value, int32_t dtype) {
  APFloat rounded(value);
  bool losesInfo;
  rounded.convert(getHalfFormat(dtype), APFloat::rmNearestTiesToEven,
                  &losesInfo);
  return uint16_t(rounded.bitcastToAPInt().getZExtValue());
}

void moe::run::writeNumber(const moe_tensor &tensor, int64_t index,
                           double value) {
  switch (tensor.dtype) {
  case MOE_F64:
    return store<double>(tensor, index, value);
  case MOE_F32:
    return store<float>(tensor, index, value);
  case MOE_F16:
  case MOE_BF16:
    return store<uint16_t>(tensor, index, roundToHalf(value, tensor.dtype));
  default:
    return writeInteger(tensor, index, int64_t(value));
  }
}

void moe::run::writeInteger(const moe_tensor &tensor, int64_t index,
                            int64_t value) {
  // What fits has the same bits in a signed and an unsigned integer.
  switch (moe_dtype_size(tensor.dtype)) {
  case 8:
    return store<int64_t>(tensor, index, value);
  case 4:
    return store<int32_t>(tensor, index, value);
  case 2:
    return store<int16_t>(tensor, index, value);
  case 1:
    return store<int8_t>(tensor, index, value);
  }
}

IntegerRange moe::run::getRange(int32_t dtype) {
  unsigned bits = unsigned(8 * moe_dtype_size(dtype));
  switch (moe_dtype_class_of(dtype)) {
  case MOE_CLASS_SIGNED:
    return {minIntN(bits), maxIntN(bits)};
  case MOE_CLASS_UNSIGNED:
    // Of 64 bits, as far as this program can say.
    return {0, int64_t(maxUIntN(std::min(bits, 63u)))};
  default:
    return {0, 1};
  }
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

using mlir::moe::hf::CheckpointPtr;

static Expected<CheckpointPtr> openCheckpoint(const std::string &path) {
  moe_checkpoint *checkpoint = nullptr;
  moe_error error = {};
  if (moe_checkpoint_open(path.c_str(), /*headers_only=*/0, &checkpoint,
                          &error))
    return makeError(error);
  return CheckpointPtr(checkpoint);
}

/// "a, b, c", at most ten names.
static std::string listTensors(const moe_checkpoint &checkpoint) {
  constexpr size_t most = 10;
  std::string names;
  size_t count = moe_checkpoint_size(&checkpoint);
  for (size_t i = 0; i < std::min(count, most); ++i)
    names += (i ? ", '" : "'") +
             std::string(moe_checkpoint_at(&checkpoint, i)->name) + "'";
  return count > most ? names + ", ..." : names;
}

Expected<Tensor> moe::run::readTensor(const FileTensor &source) {
  Expected<CheckpointPtr> checkpoint = openCheckpoint(source.file);
  if (!checkpoint)
    return checkpoint.takeError();
  const moe_file_tensor *found =
      moe_checkpoint_find(checkpoint->get(), source.tensor.c_str());
  if (!found)
    return makeError(MOE_NOT_FOUND, "'" + source.file + "' has no tensor '" +
                                        source.tensor + "'; pass one of " +
                                        listTensors(**checkpoint) +
                                        " [moe-run-tensor-name]");
  if (found->dtype == 0)
    return makeError(MOE_UNSUPPORTED,
                     "tensor '" + source.tensor + "' of '" + source.file +
                         "' has dtype " + found->dtype_name +
                         ", which is not supported; convert it "
                         "[moe-run-tensor-dtype]");
  Expected<Tensor> tensor = Tensor::create(source.tensor, found->dtype,
                                           ArrayRef(found->shape, found->rank));
  if (tensor && tensor->getNumElements() != 0)
    std::memcpy(tensor->get().data, found->data, found->bytes);
  return tensor;
}

//===----------------------------------------------------------------------===//
// Widening
//===----------------------------------------------------------------------===//

static bool canWiden(int32_t from, int32_t to) {
  if (!isInteger(from) || !isInteger(to) || from == MOE_BOOL || to == MOE_BOOL)
    return false;
  IntegerRange narrow = getRange(from), wide = getRange(to);
  return wide.lower <= narrow.lower && narrow.upper <= wide.upper;
}

Expected<Tensor> moe::run::widen(StringRef name, const Tensor &tensor,
                                 int32_t dtype) {
  if (!canWiden(tensor.get().dtype, dtype))
    return invalidInput("input '" + name + "' takes " + moe_dtype_name(dtype) +
                        ", but was given " +
                        moe_dtype_name(tensor.get().dtype) +
                        "; convert it (only integers are widened) "
                        "[moe-run-input-dtype]");
  Expected<Tensor> wide = Tensor::create(name, dtype, tensor.getShape());
  if (!wide)
    return wide.takeError();
  for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i)
    writeInteger(wide->get(), i, readInteger(tensor.get(), i));
  return wide;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string moe::run::listText(ArrayRef<int64_t> values) {
  std::string text = "[";
  raw_string_ostream os(text);
  interleaveComma(values, os);
  os << ']';
  return text;
}

std::string moe::run::typeText(const moe_tensor &tensor) {
  return std::string(moe_dtype_name(tensor.dtype)) + " " +
         listText(getShape(tensor));
}

std::string moe::run::indexText(const moe_tensor &tensor, int64_t position) {
  SmallVector<int64_t> index(tensor.rank);
  for (int32_t i = tensor.rank - 1; i >= 0; --i) {
    index[i] = position % tensor.shape[i];
    position /= tensor.shape[i];
  }
  return listText(index);
}
