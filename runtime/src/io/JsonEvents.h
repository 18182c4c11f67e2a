//===- JsonEvents.h - Events of a JSON text ---------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_JSONEVENTS_H
#define MOE_RT_IO_JSONEVENTS_H

#include "MoE/Support/StrictJson.h"

namespace moe::rt {

/// A consumer of strict JSON that refuses what it does not expect.
class PickyEvents : public JsonEvents {
public:
  /// Something of this kind (e.g. "a list") has no place here.
  virtual bool refuse(const char *found) = 0;
  /// A number that is not an integer from 0 to 2^64 - 1.
  virtual bool refuseNumber(const char *found) { return refuse(found); }

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool string(string_t &) override { return refuse("a string"); }
  bool number_unsigned(number_unsigned_t) override {
    return refuse("a number");
  }
  bool number_integer(number_integer_t value) override {
    return refuseNumber(std::to_string(value).c_str());
  }
  bool number_float(number_float_t, const string_t &text) override {
    return refuseNumber(text.c_str());
  }
  bool refuseNesting() override { return refuse("a value nested too deep"); }
};

} // namespace moe::rt

#endif // MOE_RT_IO_JSONEVENTS_H
