//===- QuantizeTest.cpp - Codes of rows and weights against the oracle
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BankElements.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace moe;
using namespace moe::test;

namespace {

bool haveSameBits(const Tensor &a, const Tensor &b, int64_t bytes) {
  return std::memcmp(a.i32(), b.i32(), a.size() * bytes) == 0;
}

//===----------------------------------------------------------------------===//
// moe.quantize_rows
//===----------------------------------------------------------------------===//

std::string rowsText(int64_t columns, int64_t group, bool runScales) {
  std::string K = std::to_string(columns);
  std::string runs =
      std::to_string(group == 0 ? 1 : (columns + group - 1) / group);
  auto shape = [](const std::string &sizes) {
    return " {moe.shape = [\"tokens\"" + sizes + "]}";
  };
  std::string codes = "tensor<?x" + K + "xi8>",
              sums = "tensor<?x" + runs + "xi32>",
              scales = "tensor<?x" + (runScales ? runs + "x" : "") + "f32>";
  return "func.func @f(%x: tensor<?x" + K + "xf32>" + shape(", " + K) +
         ") -> (" + codes + shape(", " + K) + ", " + scales +
         shape(runScales ? ", " + runs : "") + ", " + sums +
         shape(", " + runs) +
         ") {\n  %c, %s, %g = moe.quantize_rows %x {group = " +
         std::to_string(group) + (runScales ? ", run_scales" : "") +
         "} : (tensor<?x" + K + "xf32>) -> (" + codes + ", " + scales + ", " +
         sums + ")\n  return %c, %s, %g : " + codes + ", " + scales + ", " +
         sums + "\n}\n";
}

struct Codes {
  Tensor codes, scales, sums;
  Codes(int64_t rows, int64_t columns, int64_t runs, bool runScales)
      : codes(MOE_I8, {rows, columns}),
        scales(MOE_F32, runScales ? std::vector<int64_t>{rows, runs}
                                  : std::vector<int64_t>{rows}),
        sums(MOE_I32, {rows, runs}) {}
};

/// Equal bit by bit: the specification names each rounding.
void expectSameCodes(Session &session, const Tensor &x, int64_t group,
                     bool runScales) {
  int64_t rows = x.dim(0), columns = x.dim(1);
  int64_t runs = group == 0 ? 1 : (columns + group - 1) / group;
  Codes got(rows, columns, runs, runScales);
  Codes want(rows, columns, runs, runScales);
  moe_tensor in[] = {x.abi()};
  moe_tensor out[] = {got.codes.abi(), got.scales.abi(), got.sums.abi()};
  call(session, in, out);
  moe_quantize_rows_attrs attrs = {group, runScales, 0};
  moe_tensor codes = want.codes.abi(), scales = want.scales.abi(),
             sums = want.sums.abi();
  moe_error error = {};
  ASSERT_EQ(moe_ref_quantize_rows(&attrs, in, &codes, &scales, &sums, &error),
            MOE_OK)
      << error.message;
  EXPECT_TRUE(haveSameBits(got.codes, want.codes, 1));
  EXPECT_TRUE(haveSameBits(got.sums, want.sums, 4));
  for (int64_t i = 0; i < got.scales.size(); ++i) {
    float a = got.scales.f32()[i], b = want.scales.f32()[i];
    EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b)))
        << "scale " << i << ": " << a << " instead of " << b;
  }
  EXPECT_TRUE(got.codes.isIntact() && got.scales.isIntact() &&
              got.sums.isIntact());
}

TEST(QuantizeRows, EqualsTheOracleBitByBit) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  for (const Path &path : paths)
    for (auto [columns, group, runScales] :
         {std::tuple<int64_t, int64_t, bool>{1, 0, false},
          {7, 0, false},
          {7, 0, true},
          {64, 32, false},
          {75, 32, false},
          {75, 32, true},
          {200, 8, true},
          {1000, 0, false}}) {
      SCOPED_TRACE(std::string(path.targetCPU) +
                   " K = " + std::to_string(columns));
      auto session = open(rowsText(columns, group, runScales), optionsOf(path));
      ASSERT_TRUE(session);
      for (int64_t rows : {0, 1, 37}) {
        Tensor x(MOE_F32, {rows, columns});
        for (int64_t i = 0; i < x.size(); ++i)
          x.f32()[i] = std::ldexp(normal(random), int(random() % 40) - 20);
        expectSameCodes(*session, x, group, runScales);
      }
    }
}

TEST(QuantizeRows, ExtremeRows) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float notANumber = std::numeric_limits<float>::quiet_NaN();
  const float tiny = std::numeric_limits<float>::denorm_min();
  const float huge = std::numeric_limits<float>::max();
  const float values[][4] = {{0, 0, 0, 0},
                             {-0.0f, 0, 0, 0},
                             {tiny, 0, -tiny, 0},
                             {1e-37f, 2e-37f, 0, 0},
                             {3.7e-37f, 0, 1e-37f, 0},
                             {huge, -huge, 1, 0},
                             {infinity, 1, 2, 3},
                             {-infinity, 1, 2, 3},
                             {notANumber, 1, 2, 3},
                             {1, 2, notANumber, infinity},
                             {127, 0.5f, 1.5f, -2.5f},
                             {-1, 1, -1, 1}};
  Tensor x(MOE_F32, {std::size(values), 4});
  for (auto [row, elements] : llvm::enumerate(values))
    llvm::copy(elements, x.f32() + 4 * row);
  for (const Path &path : paths) {
    SCOPED_TRACE(path.targetCPU);
    for (bool runScales : {false, true}) {
      auto session = open(rowsText(4, 0, runScales), optionsOf(path));
      ASSERT_TRUE(session);
      expectSameCodes(*session, x, 0, runScales);
    }
  }
}

//===----------------------------------------------------------------------===//
// Quantized banks
//===----------------------------------------------------------------------===//

/// A bank of 2 matrices N x K.
struct BankCase {
  int64_t N, K;
  moe_quantization format;
  int32_t stored;
};

std::string nameOf(int32_t dtype) {
  return dtype == MOE_F32 ? "f32" : dtype == MOE_BF16 ? "bf16" : "f16";
}

BankText bankText(const BankCase &c) {
  return {c.N, c.K,
          "bits = " + std::to_string(c.format.bits) +
              ", group = " + std::to_string(c.format.group) +
              ", scale = " + nameOf(c.format.scale_dtype) +
              (c.format.zero_points ? ", zero_points = true" : ""),
          "from [\"w.{e}\"] {stored = " + nameOf(c.stored) + "}", ""};
}

/// Two matrices of values of all sorts, in the stored type.
std::vector<Tensor> makeMatrices(const BankCase &c, std::mt19937_64 &random) {
  std::normal_distribution<float> normal;
  std::vector<Tensor> matrices;
  for (int e = 0; e < 2; ++e) {
    Tensor &matrix = matrices.emplace_back(c.stored, std::vector{c.N, c.K});
    for (int64_t i = 0; i < matrix.size(); ++i) {
      float value = i / c.K % 5 == 4 ? 0 : normal(random) + 0.25f;
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      if (c.stored == MOE_F32)
        matrix.f32()[i] = value;
      else if (c.stored == MOE_BF16)
        static_cast<uint16_t *>(matrix.data())[i] = uint16_t(bits >> 16);
      else // some normal number of f16
        static_cast<uint16_t *>(matrix.data())[i] =
            uint16_t(0x3000 | (bits >> 16 & 0x8000) | (random() & 0x0fff));
    }
  }
  return matrices;
}

/// The largest difference between an element and what the oracle says.
double bankError(const BankCase &c, const SessionOptions &options,
                 std::mt19937_64 &random) {
  std::vector<Tensor> matrices = makeMatrices(c, random), expected;
  std::vector<NamedTensor> file;
  for (size_t e = 0; e < matrices.size(); ++e) {
    expected.push_back(quantizeByOracle(matrices[e], c.format));
    file.push_back({"w." + std::to_string(e), std::move(matrices[e])});
  }
  return elementError(bankText(c), file, expected, options);
}

std::vector<BankCase> bankCases() {
  std::vector<BankCase> cases;
  for (int32_t bits : {4, 8})
    for (int32_t zeroPoints : {0, 1})
      for (BankCase c : {BankCase{5, 7, {0, MOE_F32, 0, 0, 0}, MOE_F16},
                         BankCase{70, 64, {0, MOE_BF16, 8, 0, 0}, MOE_F32},
                         BankCase{33, 75, {0, MOE_F16, 32, 0, 0}, MOE_BF16}}) {
        c.format.bits = bits;
        c.format.zero_points = zeroPoints;
        cases.push_back(c);
      }
  return cases;
}

std::string describe(const BankCase &c) {
  return std::to_string(c.N) + " x " + std::to_string(c.K) + ", " +
         std::to_string(c.format.bits) + " bits, group " +
         std::to_string(c.format.group) + ", zero points " +
         std::to_string(c.format.zero_points) + ", stored as " +
         nameOf(c.stored);
}

TEST(QuantizedBank, ElementsEqualTheOracle) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(11);
  for (const Path &path : paths)
    for (const BankCase &c : bankCases()) {
      SCOPED_TRACE(std::string(path.targetCPU) + ", " + describe(c));
      ASSERT_LE(bankError(c, optionsOf(path), random), 1e-7);
    }
}

/// As codes, a row of the identity is 127 times 1/127.
TEST(QuantizedBank, ElementsEqualTheOracleWithRowsOfCodes) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(12);
  for (const Path &path : paths)
    for (const BankCase &c : bankCases()) {
      if (path.reference)
        continue;
      SCOPED_TRACE(std::string(path.targetCPU) + ", " + describe(c));
      for (auto activations : {mlir::moe::Activations::Int8,
                               mlir::moe::Activations::Int8Grouped}) {
        SessionOptions options = optionsOf(path);
        options.activations = activations;
        ASSERT_LE(bankError(c, options, random), 5e-7);
      }
    }
}

} // namespace
