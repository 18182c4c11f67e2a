//===- Decode.cpp - Matrices of quantized checkpoints ---------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function per format, each in the terms of that format's files.
//
//===----------------------------------------------------------------------===//

#include "Checker.h"
#include "Tensor.h"
#include "moe_rt/reference.h"

#include <cinttypes>
#include <cmath>
#include <limits>

using namespace moe::reference;

/// The `place`-th integer of `bits` in the word at (row, column).
static int64_t unpack(const moe_tensor &words, int64_t row, int64_t column,
                      int64_t place, int32_t bits) {
  auto word = static_cast<uint32_t>(integer(words, row, column));
  return word >> (place * bits) & ((1u << bits) - 1);
}

/// A zero of GPTQ: version 1 subtracts 1 from all fields of a word together, so
/// that a zero of 0 borrows from the next field.
static int64_t unpackZero(const moe_tensor &words, int64_t row, int64_t column,
                          int64_t place, int32_t bits, int32_t zeroOffset) {
  const uint32_t mask = (1u << bits) - 1;
  auto word = static_cast<uint32_t>(integer(words, row, column));
  for (int32_t field = 0; field < 32; field += bits)
    word += static_cast<uint32_t>(zeroOffset) << field;
  return word >> (place * bits) & mask;
}

static int64_t wordsFor(int64_t count, int64_t perWord) {
  return (count + perWord - 1) / perWord;
}

static void checkBits(Checker &check, int32_t bits) {
  check.require(bits == 4 || bits == 8,
                "integers have %" PRId32 " bits, expected 4 or 8; correct the "
                "number [moe-ref-decode-bits]",
                bits);
}

/// `found` is what follows from the other sizes, for K columns.
static void checkSize(Checker &check, const char *name, int64_t found,
                      int64_t expected) {
  check.require(found == expected,
                "%s is %" PRId64 ", expected %" PRId64 " for these groups and "
                "values; correct the shapes [moe-ref-decode-shape]",
                name, found, expected);
}

static void checkGroups(Checker &check, int64_t group, const Extent &columns,
                        const Extent &runs) {
  check.require(group >= 1,
                "groups have %" PRId64 " columns, expected at least 1; correct "
                "the number [moe-ref-decode-group]",
                group);
  if (check.ok())
    checkSize(check, "the number of scales in a row", runs.size,
              wordsFor(columns.size, group));
}

extern "C" int32_t moe_ref_decode_gptq(int32_t bits, int64_t group,
                                       int32_t zeroOffset,
                                       const moe_tensor *qweight,
                                       const moe_tensor *qzeros,
                                       const moe_tensor *scales,
                                       moe_tensor *values, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs"), wordRows("words in a row"),
        wordColumns("words in a column");
    checkBits(check, bits);
    check.tensor(values, "values", Elements::Result, {&rows, &columns});
    check.tensor(qweight, "qweight", Elements::Index, {&wordColumns, &rows});
    check.tensor(scales, "scales", Elements::Real, {&runs, &rows});
    check.tensor(qzeros, "qzeros", Elements::Index, {&runs, &wordRows});
    checkGroups(check, group, columns, runs);
    if (!check.ok())
      return;
    const int64_t perWord = 32 / bits;
    checkSize(check, "the height of 'qweight'", wordColumns.size,
              wordsFor(columns.size, perWord));
    checkSize(check, "the width of 'qzeros'", wordRows.size,
              wordsFor(rows.size, perWord));
    if (!check.ok())
      return;
    for (int64_t n = 0; n < rows.size; ++n)
      for (int64_t k = 0; k < columns.size; ++k) {
        int64_t run = k / group;
        int64_t q = unpack(*qweight, k / perWord, n, k % perWord, bits);
        int64_t z = unpackZero(*qzeros, run, n / perWord, n % perWord, bits,
                               zeroOffset);
        setReal(*values, n, k,
                real(*scales, run, n) * static_cast<double>(q - z));
      }
  });
}

extern "C" int32_t moe_ref_decode_awq(int64_t group, const moe_tensor *qweight,
                                      const moe_tensor *qzeros,
                                      const moe_tensor *scales,
                                      moe_tensor *values, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs"), words("words in a row");
    check.tensor(values, "values", Elements::Result, {&rows, &columns});
    check.tensor(qweight, "qweight", Elements::Index, {&columns, &words});
    check.tensor(scales, "scales", Elements::Real, {&runs, &rows});
    check.tensor(qzeros, "qzeros", Elements::Index, {&runs, &words});
    checkGroups(check, group, columns, runs);
    if (!check.ok())
      return;
    checkSize(check, "the width of 'qweight'", words.size,
              wordsFor(rows.size, 8));
    if (!check.ok())
      return;
    // Where in a word the integers of its 8 columns are.
    const int64_t places[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    for (int64_t n = 0; n < rows.size; ++n)
      for (int64_t k = 0; k < columns.size; ++k) {
        int64_t run = k / group;
        int64_t q = unpack(*qweight, k, n / 8, places[n % 8], 4);
        int64_t z = unpack(*qzeros, run, n / 8, places[n % 8], 4);
        setReal(*values, n, k,
                real(*scales, run, n) * static_cast<double>(q - z));
      }
  });
}

extern "C" int32_t moe_ref_decode_packed(int32_t bits, int64_t group,
                                         const moe_tensor *packed,
                                         const moe_tensor *scales,
                                         const moe_tensor *zeros,
                                         moe_tensor *values, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs"), words("words in a row"),
        zeroWords("words of zeros in a column");
    checkBits(check, bits);
    check.tensor(values, "values", Elements::Result, {&rows, &columns});
    check.tensor(packed, "packed", Elements::Index, {&rows, &words});
    check.tensor(scales, "scales", Elements::Real, {&rows, &runs});
    check.optionalTensor(zeros, "zeros", Elements::Index, {&zeroWords, &runs});
    checkGroups(check, group, columns, runs);
    if (!check.ok())
      return;
    const int64_t perWord = 32 / bits;
    checkSize(check, "the width of 'packed'", words.size,
              wordsFor(columns.size, perWord));
    if (zeros)
      checkSize(check, "the height of 'zeros'", zeroWords.size,
                wordsFor(rows.size, perWord));
    if (!check.ok())
      return;
    for (int64_t n = 0; n < rows.size; ++n)
      for (int64_t k = 0; k < columns.size; ++k) {
        int64_t run = k / group, z = int64_t{1} << (bits - 1);
        int64_t q = unpack(*packed, n, k / perWord, k % perWord, bits);
        if (zeros)
          z = unpack(*zeros, n / perWord, run, n % perWord, bits);
        setReal(*values, n, k,
                real(*scales, n, run) * static_cast<double>(q - z));
      }
  });
}

extern "C" int32_t moe_ref_decode_int8(int64_t group, const moe_tensor *weight,
                                       const moe_tensor *scales,
                                       const moe_tensor *zeros,
                                       moe_tensor *values, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs");
    check.tensor(values, "values", Elements::Result, {&rows, &columns});
    check.tensor(weight, "weight", Elements::Code, {&rows, &columns});
    check.tensor(scales, "scales", Elements::Real, {&rows, &runs});
    check.optionalTensor(zeros, "zeros", Elements::Code, {&rows, &runs});
    checkGroups(check, group, columns, runs);
    if (!check.ok())
      return;
    for (int64_t n = 0; n < rows.size; ++n)
      for (int64_t k = 0; k < columns.size; ++k) {
        int64_t run = k / group;
        int64_t z = zeros ? integer(*zeros, n, run) : 0;
        setReal(*values, n, k,
                real(*scales, n, run) *
                    static_cast<double>(integer(*weight, n, k) - z));
      }
  });
}

/// The float of 4 bits.
static double decodeE2M1(int64_t bits) {
  int64_t exponent = bits >> 1 & 3, mantissa = bits & 1;
  double magnitude = exponent == 0
                         ? 0.5 * static_cast<double>(mantissa)
                         : std::ldexp(1.0 + 0.5 * static_cast<double>(mantissa),
                                      static_cast<int>(exponent) - 1);
  return bits & 8 ? -magnitude : magnitude;
}

extern "C" int32_t moe_ref_decode_mxfp4(const moe_tensor *blocks,
                                        const moe_tensor *scales,
                                        moe_tensor *values, moe_error *error) {
  return guarded(error, [&](Checker &check) {
    Extent rows("N"), columns("K"), runs("runs"), bytes("bytes in a row");
    check.tensor(values, "values", Elements::Result, {&rows, &columns});
    check.tensor(blocks, "blocks", Elements::Byte, {&rows, &bytes});
    check.tensor(scales, "scales", Elements::Byte, {&rows, &runs});
    if (!check.ok())
      return;
    checkSize(check, "the width of 'blocks'", bytes.size,
              wordsFor(columns.size, 2));
    checkSize(check, "the number of scales in a row", runs.size,
              wordsFor(columns.size, 32));
    if (!check.ok())
      return;
    for (int64_t n = 0; n < rows.size; ++n)
      for (int64_t k = 0; k < columns.size; ++k) {
        int32_t exponent = integer(*scales, n, k / 32);
        double scale = exponent == 255
                           ? std::numeric_limits<double>::quiet_NaN()
                           : std::ldexp(1.0, exponent - 127);
        int64_t byte = integer(*blocks, n, k / 2);
        setReal(*values, n, k,
                scale * decodeE2M1(k % 2 == 0 ? byte & 15 : byte >> 4));
      }
  });
}
