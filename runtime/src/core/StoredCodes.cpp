//===- StoredCodes.cpp - Codes that a checkpoint has ----------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/StoredCodes.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "core/Float16.h"

#include <cmath>
#include <limits>

using namespace moe::rt;

static int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

//===----------------------------------------------------------------------===//
// The table of the module
//===----------------------------------------------------------------------===//

/// Codes of `bits` in an element of `dtype`; 0 if it holds none.
static int64_t codesPerElement(int32_t dtype, int64_t bits) {
  switch (dtype) {
  case MOE_I32:
    return 32 / bits;
  case MOE_U8:
    return 8 / bits;
  case MOE_I8:
    return bits == 8 ? 1 : 0;
  default:
    return 0;
  }
}

/// Whether a slice of `part` is rows x columns, where columns may be cut into
/// blocks that follow one another.
static bool holdsMatrix(const moe_weight &part, int64_t rows, int64_t columns) {
  if (part.rank < 2 || part.rank > 3 || part.shape[0] != rows)
    return false;
  if (part.rank == 2)
    return part.shape[1] == columns;
  int64_t cut, block;
  return !mulOverflow(part.shape[1], part.shape[2], cut) && cut == columns &&
         !mulOverflow(part.shape[2], part.strides[2], block) &&
         block == part.strides[1];
}

/// Whether a slice of `part` is words of the codes or zeros of rows x columns.
static bool holdsWordsOfRows(const moe_weight &part, int64_t bits, int64_t rows,
                             int64_t columns) {
  int64_t count = codesPerElement(part.dtype, bits);
  return count != 0 && holdsMatrix(part, ceilDiv(rows, count), columns);
}
static bool holdsWordsOfColumns(const moe_weight &part, int64_t bits,
                                int64_t rows, int64_t columns) {
  int64_t count = codesPerElement(part.dtype, bits);
  return count != 0 && holdsMatrix(part, rows, ceilDiv(columns, count));
}

static bool holdsCodes(const moe_weight &weight, const moe_weight &part) {
  int64_t bits = weight.quantization.bits;
  return holdsWordsOfColumns(part, bits, weight.shape[0], weight.shape[1]) ||
         holdsWordsOfRows(part, bits, weight.shape[0], weight.shape[1]);
}

static int64_t runsOf(const moe_weight &weight) {
  return ceilDiv(weight.shape[1], weight.quantization.group);
}

static bool holdsScales(const moe_weight &weight, const moe_weight &part) {
  bool areExponents =
      weight.quantization.codes == MOE_CODES_E2M1 && part.dtype == MOE_U8;
  return (areExponents || part.dtype == weight.quantization.scale_dtype) &&
         holdsMatrix(part, weight.shape[0], runsOf(weight));
}

static bool holdsZeros(const moe_weight &weight, const moe_weight &part) {
  return weight.quantization.codes == MOE_CODES_INTEGER &&
         holdsWordsOfRows(part, weight.quantization.bits, weight.shape[0],
                          runsOf(weight));
}

static bool holdsGroups(const moe_weight &weight, const moe_weight &part) {
  return part.dtype == MOE_I32 && part.rank == 1 &&
         part.shape[0] == weight.shape[1];
}

/// Whether `order` has each code of a word of 32 bits.
static bool isOrder(const uint8_t *order, int64_t bits) {
  unsigned seen = 0;
  for (int64_t i = 0; i < 32 / bits; ++i)
    if (order[i] < 32 / bits)
      seen |= 1u << order[i];
  return seen == (1u << (32 / bits)) - 1;
}

bool moe::rt::isEncoding(const moe_module &module, int64_t index) {
  const moe_weight &weight = module.weights[index];
  const moe_encoding &encoding = weight.encoding;
  if (encoding.is_encoded == 0)
    return encoding.zero_offset == 0 && encoding.codes == 0 &&
           encoding.scales == 0 && encoding.zeros == 0 && encoding.groups == 0;
  auto isPart = [&](int64_t part, auto holds) {
    if (part < 0 || part >= index)
      return false;
    const moe_weight &found = module.weights[part];
    return found.experts == weight.experts && found.packing.panel == 0 &&
           found.quantization.bits == 0 && holds(weight, found);
  };
  auto isAbsentOrPart = [&](int64_t part, auto holds) {
    return part == -1 || isPart(part, holds);
  };
  return encoding.is_encoded == 1 && weight.quantization.bits != 0 &&
         (encoding.zero_offset == 0 || encoding.zero_offset == 1) &&
         (weight.quantization.zero_points == 0 || encoding.zeros >= 0) &&
         isOrder(encoding.order, weight.quantization.bits) &&
         isPart(encoding.codes, holdsCodes) &&
         isPart(encoding.scales, holdsScales) &&
         isAbsentOrPart(encoding.zeros, holdsZeros) &&
         isAbsentOrPart(encoding.groups, holdsGroups);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

StoredCodes::StoredCodes(const moe_module &module, int64_t index,
                         void *const *slots)
    : module(module), weight(module.weights[index]),
      format(weight.quantization), codes(open(weight.encoding.codes, slots)),
      scales(open(weight.encoding.scales, slots)),
      zeros(open(weight.encoding.zeros, slots)),
      groups(open(weight.encoding.groups, slots)) {
  codes.packsRows = !holdsWordsOfColumns(*codes.weight, format.bits,
                                         weight.shape[0], weight.shape[1]);
  zeros.packsRows = true;
  for (uint8_t i = 0; i < 32 / format.bits; ++i)
    placeOf[weight.encoding.order[i]] = i;
}

StoredCodes::Part StoredCodes::open(int64_t part, void *const *slots) const {
  if (part < 0)
    return {};
  return {&module.weights[part], static_cast<void *const *>(slots[part])};
}

template <typename Element>
Element StoredCodes::Part::load(int64_t slice, int64_t i, int64_t j) const {
  return static_cast<const Element *>(
      slices[slice])[i * weight->strides[0] + j * columnStride()];
}

int64_t StoredCodes::shiftOf(int64_t index, int64_t count) const {
  // Only words of 32 bits have an order.
  return format.bits * (count * format.bits == 32 ? placeOf[index] : index);
}

/// 1 in each field of `bits` bits of a word.
static uint32_t oneInEachField(int32_t bits) {
  return UINT32_MAX / ((1u << bits) - 1);
}

int32_t StoredCodes::zeroOf(int64_t slice, int64_t row, int64_t run) const {
  int64_t count = codesPerElement(zeros.weight->dtype, format.bits);
  int64_t shift = shiftOf(row % count, count);
  uint32_t stored;
  switch (zeros.weight->dtype) {
  case MOE_I8:
    stored = zeros.load<uint8_t>(slice, row, run) ^ 0x80u;
    break;
  case MOE_U8:
    stored = uint32_t{zeros.load<uint8_t>(slice, row / count, run)} >> shift;
    break;
  default:
    // What was subtracted from whole words is added to whole words: a zero of 0
    // has borrowed from the next field.
    stored = zeros.load<uint32_t>(slice, row / count, run) +
             static_cast<uint32_t>(weight.encoding.zero_offset) *
                 oneInEachField(format.bits);
    return static_cast<int32_t>((stored >> shift) & ((1u << format.bits) - 1));
  }
  return static_cast<int32_t>(stored & ((1u << format.bits) - 1)) +
         weight.encoding.zero_offset;
}

float StoredCodes::storedScale(int64_t slice, int64_t row, int64_t run) const {
  switch (scales.weight->dtype) {
  case MOE_BF16:
    return fromBFloat16(scales.load<uint16_t>(slice, row, run));
  case MOE_F16:
    return fromFloat16(scales.load<uint16_t>(slice, row, run));
  case MOE_U8: {
    uint8_t exponent = scales.load<uint8_t>(slice, row, run);
    return exponent == 255 ? std::numeric_limits<float>::quiet_NaN()
                           : std::ldexp(1.0f, exponent - 127);
  }
  default:
    return scales.load<float>(slice, row, run);
  }
}

RunScale StoredCodes::scaleOf(int64_t slice, int64_t row, int64_t first,
                              int64_t) const {
  int64_t run = first / format.group;
  RunScale scale;
  scale.scale = storedScale(slice, row, run);
  scale.zero = 1 << (format.bits - 1);
  if (format.zero_points)
    scale.zero = zeroOf(slice, row, run);
  return scale;
}

template <typename Word>
void StoredCodes::readWords(int64_t slice, int64_t row, int64_t first,
                            int64_t count, uint8_t *out) const {
  const int64_t perWord = 8 * static_cast<int64_t>(sizeof(Word)) / format.bits;
  const uint32_t mask = (1u << format.bits) - 1;
  const int64_t stride = codes.columnStride();
  if (codes.packsRows) {
    const int64_t shift = shiftOf(row % perWord, perWord);
    const Word *words = static_cast<const Word *>(codes.slices[slice]) +
                        row / perWord * codes.weight->strides[0];
    for (int64_t i = 0; i < count; ++i)
      out[i] = static_cast<uint8_t>(
          (uint32_t{words[(first + i) * stride]} >> shift) & mask);
    return;
  }
  const Word *words = static_cast<const Word *>(codes.slices[slice]) +
                      row * codes.weight->strides[0];
  for (int64_t i = 0; i < count;) {
    uint32_t word = words[(first + i) / perWord * stride];
    for (int64_t c = (first + i) % perWord; c < perWord && i < count; ++c, ++i)
      out[i] = static_cast<uint8_t>((word >> shiftOf(c, perWord)) & mask);
  }
}

void StoredCodes::read(int64_t slice, int64_t row, int64_t first, int64_t count,
                       const RunScale &, uint8_t *out) const {
  switch (codes.weight->dtype) {
  case MOE_I32:
    return readWords<uint32_t>(slice, row, first, count, out);
  case MOE_U8:
    return readWords<uint8_t>(slice, row, first, count, out);
  default: // i8: one code less 128
    for (int64_t i = 0; i < count; ++i)
      out[i] = codes.load<uint8_t>(slice, row, first + i) ^ 0x80u;
  }
}

//===----------------------------------------------------------------------===//
// What the compiler took for granted
//===----------------------------------------------------------------------===//

int32_t StoredCodes::check(moe_error *error) const {
  if (!groups.weight)
    return MOE_OK;
  for (int64_t slice = 0; slice < weight.experts; ++slice)
    for (int64_t k = 0; k < weight.shape[1]; ++k) {
      auto found = static_cast<const int32_t *>(
          groups.slices[slice])[k * groups.weight->strides[0]];
      if (found != k / format.group)
        return moe_error_set(
            error, MOE_UNSUPPORTED,
            "in '%s', column %lld of slice %lld of weight '%s' is in run %d, "
            "expected %lld: columns that were sorted by activation are not "
            "supported; quantize the model without that [moe-bind-groups]",
            Shown(groups.weight->name).text, static_cast<long long>(k),
            static_cast<long long>(slice), Shown(weight.name).text, found,
            static_cast<long long>(k / format.group));
    }
  return MOE_OK;
}
