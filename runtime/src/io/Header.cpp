//===- Header.cpp - The header of one .safetensors file -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "io/Header.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "io/JsonEvents.h"

#include <algorithm>
#include <array>
#include <tuple>

using namespace moe::rt;

using UnsignedLongLong = unsigned long long;

//===----------------------------------------------------------------------===//
// From JSON to tensors
//===----------------------------------------------------------------------===//

namespace {
/// Consumes the events of
///   {"NAME": {"dtype": S, "shape": [N...], "data_offsets": [N, N]}, ...,
///    "__metadata__": {S: S, ...}}
/// and refuses everything else. Events, not a document: a header may have a
/// million tensors.
class HeaderEvents : public PickyEvents {
public:
  HeaderEvents(const char *path, std::vector<HeaderTensor> &tensors,
               moe_error *error)
      : path(path), tensors(tensors), failure(error) {}

  int32_t status() const { return result; }

  bool string(string_t &value) override;
  bool number_unsigned(number_unsigned_t value) override;
  bool start_object(size_t) override;
  bool key(string_t &value) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool refuse(const char *found) override;
  bool refuseNumber(const char *found) override;
  bool refuseSyntax(size_t position, const std::string &near,
                    const char *why) override;
  bool refuseDuplicate(const std::string &key) override;

private:
  enum class Level { Outside, Top, Metadata, Tensor };
  enum class Field { DType, Shape, Offsets, None };

  HeaderTensor &tensor() { return tensors.back(); }
  const char *what() const;
  template <typename... Arguments>
  bool fail(const char *format, Arguments... arguments) {
    result = moe_error_set(failure, MOE_INVALID_DATA, format, arguments...);
    return false;
  }
  bool startTensor(const string_t &name);
  bool startField(const string_t &name);
  bool addExtent(uint64_t value);
  bool addOffset(uint64_t value);
  bool endTensor();

  const char *path;
  std::vector<HeaderTensor> &tensors;
  moe_error *failure;
  int32_t result = MOE_OK;

  Level level = Level::Outside;
  bool isMetadata = false;
  Field field = Field::None;
  bool inArray = false;
  int32_t offsets = 0;
  std::array<bool, 3> hasField = {}; ///< of the tensor, by Field
};
} // namespace

/// What is being read, for messages.
const char *HeaderEvents::what() const {
  switch (field) {
  case Field::DType:
    return "'dtype'";
  case Field::Shape:
    return "'shape'";
  case Field::Offsets:
    return "'data_offsets'";
  case Field::None:
    break;
  }
  return "the header";
}

bool HeaderEvents::refuse(const char *found) {
  if (level == Level::Metadata || (level == Level::Top && isMetadata))
    return fail(
        "'__metadata__' in '%s' holds %s, expected strings by name; write "
        "the file again [moe-safetensors-metadata]",
        ShownPath(path).text, found);
  return fail("%s in '%s' holds %s where the format has none (tensor '%s'); "
              "write the file again [moe-safetensors-structure]",
              what(), ShownPath(path).text, found,
              Shown(level == Level::Tensor ? tensor().name.c_str() : "").text);
}

bool HeaderEvents::refuseNumber(const char *found) {
  if (!inArray)
    return refuse("a number");
  return fail("%s of tensor '%s' in '%s' holds %s, expected integers from 0 to "
              "2^63 - 1; write the file again [moe-safetensors-number]",
              what(), Shown(tensor().name.c_str()).text, ShownPath(path).text,
              Shown(found).text);
}

bool HeaderEvents::refuseSyntax(size_t position, const std::string &,
                                const char *why) {
  return fail("the header of '%s' is not JSON at byte %zu (%s); the file is "
              "damaged, fetch it again [moe-safetensors-json]",
              ShownPath(path).text, position, Shown(why).text);
}

bool HeaderEvents::refuseDuplicate(const std::string &key) {
  return fail("the key '%s' occurs twice in one object of the header of '%s'; "
              "write the file again [moe-safetensors-duplicate-key]",
              Shown(key.c_str()).text, ShownPath(path).text);
}

bool HeaderEvents::key(string_t &name) {
  switch (level) {
  case Level::Top:
    isMetadata = name == "__metadata__";
    return isMetadata || startTensor(name);
  case Level::Metadata:
    return true;
  case Level::Tensor:
    return startField(name);
  case Level::Outside:
    break;
  }
  return refuse("a key");
}

bool HeaderEvents::startTensor(const string_t &name) {
  if (name.empty() || name.find('\0') != std::string::npos)
    return fail("'%s' has a tensor whose name is empty or holds a NUL byte "
                "('%s'); write the file again [moe-safetensors-bad-name]",
                ShownPath(path).text, Shown(name.c_str()).text);
  tensors.emplace_back();
  tensor().name = name;
  return true;
}

bool HeaderEvents::startField(const string_t &name) {
  if (name == "dtype")
    field = Field::DType;
  else if (name == "shape")
    field = Field::Shape;
  else if (name == "data_offsets")
    field = Field::Offsets;
  else
    return fail("tensor '%s' in '%s' has a field '%s', expected 'dtype', "
                "'shape' and 'data_offsets'; write the file again "
                "[moe-safetensors-unknown-field]",
                Shown(tensor().name.c_str()).text, ShownPath(path).text,
                Shown(name.c_str()).text);
  hasField[static_cast<size_t>(field)] = true;
  return true;
}

bool HeaderEvents::start_object(size_t) {
  if (level == Level::Outside) {
    level = Level::Top;
    return true;
  }
  if (level != Level::Top)
    return refuse("an object");
  level = isMetadata ? Level::Metadata : Level::Tensor;
  field = Field::None;
  offsets = 0;
  hasField = {};
  return true;
}

bool HeaderEvents::end_object() {
  if (level == Level::Tensor && !endTensor())
    return false;
  level = level == Level::Top ? Level::Outside : Level::Top;
  field = Field::None;
  return true;
}

bool HeaderEvents::start_array(size_t) {
  if (inArray || (field != Field::Shape && field != Field::Offsets))
    return refuse("a list");
  inArray = true;
  return true;
}

bool HeaderEvents::end_array() {
  inArray = false;
  if (field == Field::Offsets && offsets != 2)
    return fail(
        "'data_offsets' of tensor '%s' in '%s' has %d numbers, expected "
        "2; write the file again [moe-safetensors-offset-count]",
        Shown(tensor().name.c_str()).text, ShownPath(path).text, offsets);
  return true;
}

bool HeaderEvents::string(string_t &value) {
  if (level == Level::Metadata)
    return true;
  if (field != Field::DType)
    return refuse("a string");
  tensor().type = findFileDType(value);
  if (tensor().type)
    return true;
  return fail("tensor '%s' in '%s' has dtype '%s', which the format does not "
              "have; convert it to F32 or BF16 [moe-safetensors-unknown-dtype]",
              Shown(tensor().name.c_str()).text, ShownPath(path).text,
              Shown(value.c_str()).text);
}

bool HeaderEvents::number_unsigned(number_unsigned_t value) {
  if (!inArray)
    return refuse("a number");
  if (value > INT64_MAX)
    return refuseNumber(std::to_string(value).c_str());
  return field == Field::Shape ? addExtent(value) : addOffset(value);
}

bool HeaderEvents::addExtent(uint64_t value) {
  if (tensor().rank == MOE_MAX_RANK)
    return fail("tensor '%s' in '%s' has more than %d dimensions, the most "
                "that is supported; reshape it [moe-safetensors-rank]",
                Shown(tensor().name.c_str()).text, ShownPath(path).text,
                MOE_MAX_RANK);
  tensor().shape[tensor().rank++] = static_cast<int64_t>(value);
  return true;
}

bool HeaderEvents::addOffset(uint64_t value) {
  (offsets == 0 ? tensor().begin : tensor().end) = value;
  // More than two are counted, so that end_array can refuse them.
  offsets = std::min(offsets + 1, 3);
  return true;
}

bool HeaderEvents::endTensor() {
  for (field = Field::DType; field != Field::None;
       field = static_cast<Field>(static_cast<int>(field) + 1))
    if (!hasField[static_cast<size_t>(field)])
      return fail("tensor '%s' in '%s' has no %s; write the file again "
                  "[moe-safetensors-missing-field]",
                  Shown(tensor().name.c_str()).text, ShownPath(path).text,
                  what());
  return true;
}

//===----------------------------------------------------------------------===//
// What the tensors say of the data
//===----------------------------------------------------------------------===//

/// Bytes that a tensor's shape and dtype ask for. True on overflow.
[[nodiscard]] static bool sizeOverflow(const HeaderTensor &tensor,
                                       int64_t &bits) {
  int64_t elements, bytes;
  return elementsOverflow(tensor.shape, tensor.rank, elements) ||
         bytesOverflow(elements, tensor.type->bits, bits) ||
         bytesOverflow(elements, sizeof(uint64_t), bytes);
}

static int32_t checkTensor(const HeaderTensor &tensor, uint64_t dataBytes,
                           const char *path, moe_error *error) {
  Shown name(tensor.name.c_str());
  if (tensor.begin > tensor.end)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "tensor '%s' in '%s' begins at byte %llu, after its "
                         "end %llu; the file is damaged, fetch it again "
                         "[moe-safetensors-offset-order]",
                         name.text, ShownPath(path).text,
                         UnsignedLongLong(tensor.begin),
                         UnsignedLongLong(tensor.end));
  if (tensor.end > dataBytes)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "tensor '%s' in '%s' ends at byte %llu of the data, "
                         "which has %llu; the file is truncated, fetch it "
                         "again [moe-safetensors-offset-range]",
                         name.text, ShownPath(path).text,
                         UnsignedLongLong(tensor.end),
                         UnsignedLongLong(dataBytes));
  int64_t bits;
  if (sizeOverflow(tensor, bits))
    return moe_error_set(error, MOE_INVALID_DATA,
                         "tensor '%s' in '%s' has a shape whose size does not "
                         "fit in 64 bits; write the file again "
                         "[moe-safetensors-size-overflow]",
                         name.text, ShownPath(path).text);
  uint64_t found = tensor.end - tensor.begin;
  uint64_t expected = static_cast<uint64_t>(bits);
  if (expected % 8 != 0 || expected / 8 != found)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "tensor '%s' in '%s' has %llu bytes, expected %llu "
                         "bits from its shape and dtype %s; the file is "
                         "damaged, fetch it again "
                         "[moe-safetensors-size-mismatch]",
                         name.text, ShownPath(path).text,
                         UnsignedLongLong(found), UnsignedLongLong(expected),
                         tensor.type->name);
  return MOE_OK;
}

/// The tensors, in order of their data, must cover them without hole or
/// overlap: the format demands it, so that no byte is read twice or hidden.
static int32_t checkCover(const std::vector<HeaderTensor> &tensors,
                          uint64_t dataBytes, const char *path,
                          moe_error *error) {
  uint64_t covered = 0;
  for (const HeaderTensor &tensor : tensors) {
    if (tensor.begin < covered)
      return moe_error_set(error, MOE_INVALID_DATA,
                           "tensor '%s' in '%s' begins at byte %llu, inside "
                           "the one before, which ends at %llu; write the file "
                           "again [moe-safetensors-overlap]",
                           Shown(tensor.name.c_str()).text,
                           ShownPath(path).text, UnsignedLongLong(tensor.begin),
                           UnsignedLongLong(covered));
    if (tensor.begin > covered)
      return moe_error_set(
          error, MOE_INVALID_DATA,
          "bytes %llu to %llu before tensor '%s' in '%s' "
          "belong to no tensor; write the file again "
          "[moe-safetensors-hole]",
          UnsignedLongLong(covered), UnsignedLongLong(tensor.begin),
          Shown(tensor.name.c_str()).text, ShownPath(path).text);
    covered = tensor.end;
  }
  if (covered != dataBytes)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "the tensors of '%s' end at byte %llu of the data, "
                         "which has %llu; write the file again "
                         "[moe-safetensors-trailing-bytes]",
                         ShownPath(path).text, UnsignedLongLong(covered),
                         UnsignedLongLong(dataBytes));
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

int32_t moe::rt::parseHeader(std::string_view text, uint64_t dataBytes,
                             const char *path,
                             std::vector<HeaderTensor> &tensors,
                             moe_error *error) {
  if (text.empty() || text.front() != '{')
    return moe_error_set(error, MOE_INVALID_DATA,
                         "the header of '%s' does not begin with '{'; pass a "
                         ".safetensors file [moe-safetensors-header-start]",
                         ShownPath(path).text);
  HeaderEvents events(path, tensors, error);
  parseStrictJson(text, events);
  if (events.status() != MOE_OK)
    return events.status();
  for (const HeaderTensor &tensor : tensors)
    if (int32_t status = checkTensor(tensor, dataBytes, path, error))
      return status;
  std::sort(tensors.begin(), tensors.end(),
            [](const HeaderTensor &a, const HeaderTensor &b) {
              return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
            });
  return checkCover(tensors, dataBytes, path, error);
}

/// The length of the header, checked against the file's.
static int32_t readHeaderLength(const File &file, const std::string &path,
                                uint64_t fileBytes, uint64_t &length,
                                moe_error *error) {
  if (fileBytes < headerPrefix)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "'%s' has %llu bytes, a .safetensors file has at "
                         "least %llu; fetch it again "
                         "[moe-safetensors-too-short]",
                         ShownPath(path.c_str()).text,
                         UnsignedLongLong(fileBytes),
                         UnsignedLongLong(headerPrefix));
  unsigned char bytes[headerPrefix];
  if (int32_t status = readExactly(file, path, 0, bytes, sizeof(bytes), error))
    return status;
  length = 0;
  for (size_t i = sizeof(bytes); i-- > 0;)
    length = length << 8 | bytes[i];
  if (length > maxHeaderBytes)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "the header of '%s' has %llu bytes, the format allows "
                         "%llu; pass a .safetensors file "
                         "[moe-safetensors-header-limit]",
                         ShownPath(path.c_str()).text, UnsignedLongLong(length),
                         UnsignedLongLong(maxHeaderBytes));
  if (length > fileBytes - headerPrefix)
    return moe_error_set(error, MOE_INVALID_DATA,
                         "the header of '%s' has %llu bytes, but only %llu "
                         "follow; the file is truncated, fetch it again "
                         "[moe-safetensors-header-length]",
                         ShownPath(path.c_str()).text, UnsignedLongLong(length),
                         UnsignedLongLong(fileBytes - headerPrefix));
  return MOE_OK;
}

int32_t moe::rt::readHeader(const File &file, const std::string &path,
                            uint64_t fileBytes,
                            std::vector<HeaderTensor> &tensors,
                            uint64_t &dataBegin, moe_error *error) {
  uint64_t length;
  if (int32_t status = readHeaderLength(file, path, fileBytes, length, error))
    return status;
  std::string text(length, '\0');
  if (int32_t status =
          readExactly(file, path, headerPrefix, text.data(), length, error))
    return status;
  dataBegin = headerPrefix + length;
  return parseHeader(text, fileBytes - dataBegin, path.c_str(), tensors, error);
}
