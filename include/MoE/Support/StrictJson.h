//===- StrictJson.h - Strict reading of JSON --------------------*- C++ -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only reader of JSON: configurations, headers of .safetensors files and
// indices of checkpoints come from strangers, and all are refused alike when
//   - the text is not one complete value in valid UTF-8, a NUL byte included;
//   - a number does not fit into a double (JSON has neither NaN nor infinity);
//   - an object has a key twice, where most libraries keep the last;
//   - values are nested more than maxJsonNesting levels deep.
// How many bytes are read is limited before there is a text, by whoever reads
// the file. Needs neither MLIR nor the runtime, so that both may include it.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_SUPPORT_STRICTJSON_H
#define MOE_SUPPORT_STRICTJSON_H

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace moe {

/// Levels of objects and lists.
inline constexpr size_t maxJsonNesting = 32;

/// Consumes what a text holds, in order. A member function that returns false
/// ends the parse; those that refuse must.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
public:
  /// The text is not JSON at this byte; `near` is what was read there.
  virtual bool refuseSyntax(size_t position, const std::string &near,
                            const char *why) = 0;
  virtual bool refuseDuplicate(const std::string &key) = 0;
  virtual bool refuseNesting() = 0;

  bool binary(binary_t &) final { return false; } // not in text
  bool parse_error(size_t position, const std::string &near,
                   const nlohmann::json::exception &why) final {
    return refuseSyntax(position, near, why.what());
  }
};

/// Keeps from `events` what is no strict JSON.
class StrictJsonFilter {
public:
  explicit StrictJsonFilter(JsonEvents &events) : events(events) {}

  // The interface that nlohmann::json::sax_parse calls.
  bool null() { return events.null(); }
  bool boolean(bool value) { return events.boolean(value); }
  bool number_integer(JsonEvents::number_integer_t value) {
    return events.number_integer(value);
  }
  bool number_unsigned(JsonEvents::number_unsigned_t value) {
    return events.number_unsigned(value);
  }
  bool number_float(JsonEvents::number_float_t value, const std::string &text) {
    return events.number_float(value, text);
  }
  bool string(std::string &value) { return events.string(value); }
  bool binary(JsonEvents::binary_t &value) { return events.binary(value); }
  bool start_object(size_t size) {
    if (!enter())
      return false;
    keys.emplace_back();
    return events.start_object(size);
  }
  bool key(std::string &name) {
    return keys.back().insert(name).second ? events.key(name)
                                           : events.refuseDuplicate(name);
  }
  bool end_object() {
    --depth;
    keys.pop_back();
    return events.end_object();
  }
  bool start_array(size_t size) { return enter() && events.start_array(size); }
  bool end_array() {
    --depth;
    return events.end_array();
  }
  bool parse_error(size_t position, const std::string &near,
                   const nlohmann::json::exception &why) {
    return events.parse_error(position, near, why);
  }

private:
  bool enter() { return depth++ < maxJsonNesting || events.refuseNesting(); }

  JsonEvents &events;
  size_t depth = 0;
  /// Of the objects that are open, outermost first.
  std::vector<std::unordered_set<std::string>> keys;
};

/// Feeds `text` to `events` until they refuse.
inline void parseStrictJson(std::string_view text, JsonEvents &events) {
  // The library takes a NUL byte for the end of the text and would ignore what
  // follows. JSON has none.
  size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    events.refuseSyntax(nul, std::string(1, '\0'), "a NUL byte");
    return;
  }
  StrictJsonFilter filter(events);
  nlohmann::json::sax_parse(text.begin(), text.end(), &filter);
}

} // namespace moe

#endif // MOE_SUPPORT_STRICTJSON_H
