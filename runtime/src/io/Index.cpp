//===- Index.cpp - The index of a sharded checkpoint ----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/Index.h"
#include "core/Boundary.h"
#include "io/File.h"
#include "io/JsonEvents.h"

using namespace moe::rt;

/// Largest index that is read, in bytes: the limit of a header.
static constexpr uint64_t maxIndexBytes = 100'000'000;

/// Whether `name` names a file in the index's own folder and nowhere else.
static bool isPathComponent(const std::string &name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
}

namespace {
/// Consumes the events of an index and skips what is under other keys.
class IndexEvents : public PickyEvents {
public:
  IndexEvents(const char *path, WeightMap &map, moe_error *error)
      : path(path), map(map), failure(error) {}

  int32_t status() const { return result; }
  bool hasMap() const { return foundMap; }

  bool null() override { return isSkipping() || refuse("null"); }
  bool boolean(bool) override { return isSkipping() || refuse("a boolean"); }
  bool number_unsigned(number_unsigned_t) override {
    return isSkipping() || refuse("a number");
  }
  bool number_integer(number_integer_t) override {
    return isSkipping() || refuse("a number");
  }
  bool number_float(number_float_t, const string_t &) override {
    return isSkipping() || refuse("a number");
  }
  bool string(string_t &value) override;
  bool start_object(size_t) override;
  bool key(string_t &name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool refuse(const char *found) override;
  bool refuseSyntax(size_t position, const std::string &near,
                    const char *why) override;
  bool refuseDuplicate(const std::string &key) override;

private:
  /// Nesting: 1 is the top object, 2 is inside one of its values.
  bool isInMap() const { return depth == 2 && topKey == "weight_map"; }
  bool isSkipping() const { return depth >= 1 && topKey != "weight_map"; }
  template <typename... Arguments>
  bool fail(const char *format, Arguments... arguments) {
    result = moe_error_set(failure, MOE_INVALID_DATA, format, arguments...);
    return false;
  }

  const char *path;
  WeightMap &map;
  moe_error *failure;
  int32_t result = MOE_OK;
  size_t depth = 0;
  bool foundMap = false;
  std::string topKey, tensor;
};
} // namespace

bool IndexEvents::refuse(const char *found) {
  return fail("the index '%s' holds %s where it has none, expected "
              "{\"weight_map\": {tensor: file, ...}}; fetch it again "
              "[moe-index-structure]",
              ShownPath(path).text, found);
}

bool IndexEvents::refuseSyntax(size_t position, const std::string &,
                               const char *why) {
  return fail("the index '%s' is not JSON at byte %zu (%s); fetch it again "
              "[moe-index-json]",
              ShownPath(path).text, position, Shown(why).text);
}

bool IndexEvents::refuseDuplicate(const std::string &key) {
  return fail("the key '%s' occurs twice in the index '%s'; write it again "
              "[moe-index-duplicate-key]",
              Shown(key.c_str()).text, ShownPath(path).text);
}

bool IndexEvents::key(string_t &name) {
  if (depth == 1) {
    topKey = name;
    foundMap |= name == "weight_map";
  } else if (isInMap()) {
    tensor = name;
  }
  return true;
}

bool IndexEvents::string(string_t &value) {
  if (isSkipping())
    return true;
  if (!isInMap())
    return refuse("a string");
  if (!isPathComponent(value))
    return fail("the index '%s' says that tensor '%s' is in '%s', expected the "
                "name of a file in the same folder; correct the index "
                "[moe-index-shard-name]",
                ShownPath(path).text, Shown(tensor.c_str()).text,
                Shown(value.c_str()).text);
  map.emplace(tensor, value);
  return true;
}

bool IndexEvents::start_object(size_t) {
  if (isInMap())
    return refuse("an object");
  ++depth;
  return true;
}

bool IndexEvents::end_object() {
  --depth;
  return true;
}

bool IndexEvents::start_array(size_t) {
  if (!isSkipping())
    return refuse("a list");
  ++depth;
  return true;
}

bool IndexEvents::end_array() {
  --depth;
  return true;
}

int32_t moe::rt::parseIndex(std::string_view text, const char *path,
                            WeightMap &map, moe_error *error) {
  IndexEvents events(path, map, error);
  parseStrictJson(text, events);
  if (events.status() != MOE_OK)
    return events.status();
  if (!events.hasMap())
    return moe_error_set(error, MOE_INVALID_DATA,
                         "the index '%s' has no 'weight_map'; fetch it again "
                         "[moe-index-no-map]",
                         ShownPath(path).text);
  return MOE_OK;
}

int32_t moe::rt::readIndex(const std::string &path, WeightMap &map,
                           moe_error *error) {
  File file;
  uint64_t size;
  if (int32_t status = openForReading(path, file, size, error))
    return status;
  if (size > maxIndexBytes)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "the index '%s' has %llu bytes, at most %llu are "
                         "read; fetch it again [moe-index-limit]",
                         ShownPath(path.c_str()).text,
                         static_cast<unsigned long long>(size),
                         static_cast<unsigned long long>(maxIndexBytes));
  std::string text(size, '\0');
  if (int32_t status = readExactly(file, path, 0, text.data(), size, error))
    return status;
  return parseIndex(text, path.c_str(), map, error);
}
