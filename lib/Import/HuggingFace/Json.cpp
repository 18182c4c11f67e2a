//===- Json.cpp - Strict reading of JSON ----------------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"

#include "Text.h"

#include "MoE/Import/ModelConfig.h"
#include "MoE/Support/StrictJson.h"

#include <vector>

using namespace mlir::moe::hf;
using nlohmann::json;

namespace {

/// Builds a document from events and stops at the first violation.
class DocumentBuilder : public ::moe::JsonEvents {
public:
  explicit DocumentBuilder(std::string_view origin) : origin(origin) {}

  json document;
  std::string message; ///< of a violation

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(int64_t value) override { return add(value); }
  bool number_unsigned(uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string &) override {
    return add(value);
  }
  bool string(std::string &value) override { return add(std::move(value)); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string &name) override {
    pendingKey = std::move(name);
    return true;
  }
  bool refuseSyntax(size_t position, const std::string &near,
                    const char *why) override;
  bool refuseDuplicate(const std::string &key) override;
  bool refuseNesting() override;

private:
  bool fail(std::string text) {
    message = std::move(text);
    return false;
  }
  /// Puts a value where the document is being extended; null on a violation.
  json *place(json value);
  bool add(json value) { return place(std::move(value)) != nullptr; }
  bool open(json container);
  bool close() {
    containers.pop_back();
    return true;
  }

  std::string_view origin;
  /// Open objects and lists, outermost first. A parent is not changed while a
  /// child is open, so the pointers stay valid.
  std::vector<json *> containers;
  std::string pendingKey;
  int64_t numValues = 0;
};

} // namespace

bool DocumentBuilder::refuseSyntax(size_t position, const std::string &near,
                                   const char *) {
  return fail(cat(origin, ": not valid JSON at byte ", position, ", near ",
                  inQuotes(near),
                  "; expected a complete JSON object, so download or write the "
                  "file again [moe-config-json]"));
}

bool DocumentBuilder::refuseDuplicate(const std::string &key) {
  return fail(cat(origin, ": key ", inQuotes(key),
                  " occurs twice in one object; remove one of the two "
                  "[moe-config-duplicate-key]"));
}

bool DocumentBuilder::refuseNesting() {
  return fail(cat(origin, ": nested more than ", ::moe::maxJsonNesting,
                  " levels deep; expected a model configuration, so check "
                  "that this is the right file [moe-config-nesting]"));
}

json *DocumentBuilder::place(json value) {
  if (++numValues > kMaxConfigValues) {
    fail(cat(origin, ": more than ", kMaxConfigValues,
             " values; expected a model configuration, so check that this is "
             "the right file [moe-config-too-many-values]"));
    return nullptr;
  }
  if (containers.empty()) {
    document = std::move(value);
    return &document;
  }
  json &parent = *containers.back();
  if (parent.is_object())
    return &(parent[pendingKey] = std::move(value));
  parent.push_back(std::move(value));
  return &parent.back();
}

bool DocumentBuilder::open(json container) {
  json *placed = place(std::move(container));
  if (!placed)
    return false;
  containers.push_back(placed);
  return true;
}

ImportResult<json> mlir::moe::hf::parseStrictJson(std::string_view text,
                                                  std::string_view origin) {
  if (text.size() > static_cast<size_t>(kMaxConfigBytes))
    return ImportError{cat(origin, ": more than ", kMaxConfigBytes,
                           " bytes; expected a model configuration, so check "
                           "that this is the right file "
                           "[moe-config-too-large]")};
  DocumentBuilder builder(origin);
  ::moe::parseStrictJson(text, builder);
  if (!builder.message.empty())
    return ImportError{builder.message};
  if (!builder.document.is_object())
    return ImportError{cat(origin, ": the outermost value is ",
                           valueText(builder.document),
                           "; expected a JSON object, so check that this is a "
                           "model configuration [moe-config-json]")};
  return std::move(builder.document);
}

std::string mlir::moe::hf::valueText(const json &value) {
  constexpr size_t maxShown = 80;
  std::string text = value.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/true,
                                json::error_handler_t::replace);
  return text.size() > maxShown ? text.substr(0, maxShown) + "..." : text;
}
