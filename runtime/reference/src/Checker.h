//===- Checker.h - Validation of a call to the oracle -----------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REFERENCE_CHECKER_H
#define MOE_REFERENCE_CHECKER_H

#include "MoE/Runtime/Abi.h"
#include "moe_rt/error.h"

#include <cstdarg>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <stdexcept>

namespace moe::reference {

/// A size with a name, such as T. The first tensor that has it says what it is;
/// the others must agree.
struct Extent {
  const char *name;
  int64_t size = -1;
  /// The argument that said so.
  const char *definedBy = nullptr;

  explicit Extent(const char *name) : name(name) {}
  Extent(const char *name, int64_t size, const char *definedBy)
      : name(name), size(size), definedBy(definedBy) {}
};

/// Which element types an argument may have.
enum class Elements {
  Real,   ///< f64, f32, bf16, f16
  Result, ///< f64, f32
  Index,  ///< i32
  Code,   ///< i8
  Byte    ///< u8
};

/// Collects the verdict on the arguments of one call. The first broken rule is
/// reported and decides the status; what is checked after it changes nothing,
/// so checks can be listed without a branch after each. Code that reads
/// elements must first ask ok().
class Checker {
public:
  explicit Checker(moe_error *error);

  bool ok() const { return result == MOE_OK; }
  int32_t status() const { return result; }

  /// Reports a broken rule unless one has been reported.
  void fail(int32_t status, const char *format, ...)
      __attribute__((format(printf, 3, 4)));

  /// Reports MOE_INVALID_ARGUMENT unless `condition` holds.
  void require(bool condition, const char *format, ...)
      __attribute__((format(printf, 3, 4)));

  void present(const void *argument, const char *name);

  /// `value` names one of the `count` enumerators 0, 1, ...
  void enumerator(int32_t value, int32_t count, const char *name);

  /// A dense tensor of the given elements and shape, with data.
  void tensor(const moe_tensor *tensor, const char *name, Elements elements,
              std::initializer_list<Extent *> shape);

  /// The same, for an argument that may be null.
  void optionalTensor(const moe_tensor *tensor, const char *name,
                      Elements elements, std::initializer_list<Extent *> shape);

  /// `count` tensors in an array, all present; their shapes are not checked.
  void tensorArray(const moe_tensor *tensors, int64_t count, const char *name);

  /// The contents of <E+1> offsets into at most `rows` rows: from 0, not
  /// decreasing.
  void offsets(const moe_tensor &offsets, int64_t rows);

  void normalization(const moe_normalize_attrs &attrs, const char *name);

private:
  void elementType(const moe_tensor &tensor, const char *name,
                   Elements elements);
  void byteSize(const moe_tensor &tensor, const char *name);
  void dimension(const moe_tensor &tensor, const char *name, int32_t index,
                 Extent &extent);
  void report(int32_t status, const char *format, va_list arguments);

  moe_error *error;
  int32_t result = MOE_OK;
};

/// Runs the body of an entry point: no exception leaves it.
template <typename Body> int32_t guarded(moe_error *error, Body body) {
  Checker check(error);
  try {
    body(check);
  } catch (const std::bad_alloc &) {
    check.fail(MOE_OUT_OF_MEMORY, "no memory for the intermediate values; "
                                  "use smaller tensors [moe-ref-memory]");
  } catch (const std::length_error &) {
    check.fail(MOE_OUT_OF_MEMORY,
               "the intermediate values exceed the address space; use smaller "
               "tensors [moe-ref-memory]");
  }
  return check.status();
}

} // namespace moe::reference

#endif // MOE_REFERENCE_CHECKER_H
