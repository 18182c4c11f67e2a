//===- TestTensor.h - Tensors and errors in the oracle's tests --*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REFERENCE_TEST_TESTTENSOR_H
#define MOE_REFERENCE_TEST_TESTTENSOR_H

#include "Tensor.h"
#include "moe_rt/error.h"

#include "gtest/gtest.h"

#include <cctype>
#include <cstring>
#include <string>
#include <vector>

namespace moe::reference {

/// A tensor that owns exactly its elements, so that a sanitizer sees one step
/// beyond them. `base` may be edited to make it invalid.
class TestTensor {
public:
  template <typename T>
  TestTensor(int32_t dtype, std::vector<int64_t> shape,
             const std::vector<T> &elements)
      : bytes(elements.size() * sizeof(T)) {
    if (!bytes.empty())
      std::memcpy(bytes.data(), elements.data(), bytes.size());
    base.dtype = dtype;
    base.rank = static_cast<int32_t>(shape.size());
    for (size_t i = 0; i < shape.size(); ++i)
      base.shape[i] = shape[i];
    base.data = bytes.data();
  }
  TestTensor(const TestTensor &other) : bytes(other.bytes), base(other.base) {
    base.data = bytes.data();
  }
  TestTensor &operator=(const TestTensor &other) {
    bytes = other.bytes;
    base = other.base;
    base.data = bytes.data();
    return *this;
  }

  operator moe_tensor *() { return &base; }

  double real(int64_t i) const { return reference::real(base, i); }
  int32_t integer(int64_t i) const { return reference::integer(base, i); }

  std::vector<double> reals() const {
    std::vector<double> result;
    for (size_t i = 0; i < bytes.size() / elementSize(); ++i)
      result.push_back(real(i));
    return result;
  }
  std::vector<int32_t> integers() const {
    std::vector<int32_t> result;
    for (size_t i = 0; i < bytes.size() / elementSize(); ++i)
      result.push_back(integer(i));
    return result;
  }

private:
  size_t elementSize() const {
    if (base.dtype == MOE_F64)
      return 8;
    if (base.dtype == MOE_I8 || base.dtype == MOE_U8)
      return 1;
    return base.dtype == MOE_BF16 || base.dtype == MOE_F16 ? 2 : 4;
  }

  std::vector<char> bytes;

public:
  moe_tensor base = {};
};

inline int64_t elementCount(const std::vector<int64_t> &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

inline TestTensor f64(std::vector<int64_t> shape,
                      const std::vector<double> &elements) {
  return TestTensor(MOE_F64, shape, elements);
}

inline TestTensor f32(std::vector<int64_t> shape,
                      const std::vector<float> &elements) {
  return TestTensor(MOE_F32, shape, elements);
}

/// Bit patterns of bf16 or f16 numbers.
inline TestTensor halves(moe_dtype dtype, std::vector<int64_t> shape,
                         const std::vector<uint16_t> &bits) {
  return TestTensor(dtype, shape, bits);
}

inline TestTensor i32(std::vector<int64_t> shape,
                      const std::vector<int32_t> &elements) {
  return TestTensor(MOE_I32, shape, elements);
}

/// Results start as a value that no test expects.
constexpr double untouched = -777.0;
constexpr int32_t untouchedIndex = -777;

inline TestTensor realResult(std::vector<int64_t> shape) {
  return f64(shape, std::vector<double>(elementCount(shape), untouched));
}

inline TestTensor indexResult(std::vector<int64_t> shape) {
  return i32(shape, std::vector<int32_t>(elementCount(shape), untouchedIndex));
}

inline void expectNear(const std::vector<double> &found,
                       const std::vector<double> &expected,
                       double tolerance = 1e-12) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance) << "at " << i;
}

/// The call was refused by the rule with this tag, in the form that all
/// messages have.
inline void expectError(int32_t found, const moe_error &error,
                        const std::string &tag,
                        int32_t expected = MOE_INVALID_ARGUMENT) {
  std::string message = error.message;
  EXPECT_EQ(found, expected) << message;
  EXPECT_EQ(error.status, expected);
  ASSERT_GE(message.size(), tag.size()) << "expected " << tag;
  EXPECT_EQ(message.substr(message.size() - tag.size()), tag) << message;
  EXPECT_TRUE(std::islower(static_cast<unsigned char>(message[0]))) << message;
}

} // namespace moe::reference

#endif // MOE_REFERENCE_TEST_TESTTENSOR_H
