//===- JsonEvents.h - Events of a JSON text ---------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_IO_JSONEVENTS_H
#define MOE_RT_IO_JSONEVENTS_H

#include <nlohmann/json.hpp>

#include <string_view>

namespace moe::rt {

/// A consumer of JSON that refuses what it does not expect. A member function
/// that returns false ends the parse.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
public:
  /// Something of this kind (e.g. "a list") has no place here.
  virtual bool refuse(const char *found) = 0;
  /// A number that is not an integer from 0 to 2^64 - 1.
  virtual bool refuseNumber(const char *found) { return refuse(found); }
  /// The text is not JSON.
  virtual bool refuseSyntax(size_t position, const char *why) = 0;

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool string(string_t &) override { return refuse("a string"); }
  bool binary(binary_t &) override { return refuse("binary data"); }
  bool number_unsigned(number_unsigned_t) override {
    return refuse("a number");
  }
  bool number_integer(number_integer_t value) override {
    return refuseNumber(std::to_string(value).c_str());
  }
  bool number_float(number_float_t, const string_t &text) override {
    return refuseNumber(text.c_str());
  }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::json::exception &why) override {
    return refuseSyntax(position, why.what());
  }
};

/// Feeds `text` to `events` until they refuse.
inline void parseJson(std::string_view text, JsonEvents &events) {
  // The library takes a NUL byte for the end of the text and would ignore what
  // follows. JSON has none.
  size_t nul = text.find('\0');
  if (nul != std::string_view::npos)
    events.refuseSyntax(nul, "a NUL byte");
  else
    nlohmann::json::sax_parse(text.begin(), text.end(), &events);
}

} // namespace moe::rt

#endif // MOE_RT_IO_JSONEVENTS_H
