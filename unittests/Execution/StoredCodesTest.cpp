//===- StoredCodesTest.cpp - Codes of checkpoints against the oracle
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Banks as the files of each format have them. The oracle decodes the tensors
// of the file; the compiler and the runtime are told where they lie.
//
//===----------------------------------------------------------------------===//

#include "BankElements.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <functional>

using namespace moe;
using namespace moe::test;

namespace {

/// Two matrices in a file, and what they stand for.
struct StoredBank {
  std::string name;
  BankText text;
  std::vector<NamedTensor> file;
  std::vector<Tensor> expected;
};

/// Builds a bank of one format.
class BankWriter {
public:
  BankWriter(std::string name, int64_t N, int64_t K, int64_t group,
             const std::string &format, std::mt19937_64 &random)
      : N(N), K(K), group(group == 0 ? K : group), random(random) {
    bank.name = std::move(name);
    bank.text = {N, K, format, "", ""};
    for (int i = 0; i < 2; ++i)
      bank.expected.emplace_back(MOE_F32, std::vector{N, K});
  }

  int64_t runs() const { return (K + group - 1) / group; }

  /// A tensor of random bits; floats are finite and of all signs.
  Tensor makeTensor(int32_t dtype, std::vector<int64_t> shape) {
    Tensor tensor(dtype, std::move(shape));
    for (int64_t i = 0; i < tensor.size(); ++i) {
      auto bits = static_cast<uint32_t>(random());
      uint16_t half = 0x3000 | (bits & 0x8fff); // from 1/8 to 2 as f16
      if (dtype == MOE_I32)
        tensor.i32()[i] = static_cast<int32_t>(bits);
      else if (dtype == MOE_F32)
        tensor.f32()[i] = static_cast<float>(static_cast<int32_t>(bits)) / 3e9f;
      else if (dtype == MOE_F16)
        static_cast<uint16_t *>(tensor.data())[i] = half;
      else if (dtype == MOE_BF16)
        static_cast<uint16_t *>(tensor.data())[i] = half + 0x0800;
      else
        static_cast<uint8_t *>(tensor.data())[i] = static_cast<uint8_t>(bits);
    }
    return tensor;
  }

  /// Declares a part of the bank that has a tensor per expert. `type` and
  /// `window` are those of a matrix.
  void declare(const std::string &part, const std::string &type,
               const std::string &window = "") {
    std::string name = "\"w.{e}." + part + "\"";
    bank.text.parts +=
        "moe.weight @" + part + " : !moe.bank<2x" + type + "> from [" +
        (window.empty() ? name : "#moe.source<" + name + ", " + window + ">") +
        "]\n";
  }
  /// The same for a matrix of rows x columns that the file has transposed.
  void declareTransposed(const std::string &part, int64_t rows, int64_t columns,
                         const std::string &element) {
    std::string r = std::to_string(rows), c = std::to_string(columns);
    declare(part, r + "x" + c + "x" + element + ", strided<[1, " + r + "]>",
            "shape = [" + c + ", " + r + "], permutation = [1, 0]");
  }
  void declareDense(const std::string &part, int64_t rows, int64_t columns,
                    const std::string &element) {
    declare(part, std::to_string(rows) + "x" + std::to_string(columns) + "x" +
                      element);
  }

  void finish(const std::string &encoded) {
    bank.text.source = "from [] {encoded = #moe.encoded<" + encoded + ">}";
  }

  /// Adds a tensor of expert `e` to the file.
  void store(int e, const std::string &part, Tensor tensor) {
    bank.file.push_back(
        {"w." + std::to_string(e) + "." + part, std::move(tensor)});
  }

  /// Runs the oracle for expert `e`.
  template <typename Decode> void expect(int e, const Decode &decode) {
    moe_tensor values = bank.expected[e].abi();
    moe_error error = {};
    EXPECT_EQ(decode(&values, &error), MOE_OK) << error.message;
  }

  int64_t N, K, group;
  std::mt19937_64 &random;
  StoredBank bank;
};

std::string formatOf(int32_t bits, int64_t group, const char *scale,
                     bool zeroPoints) {
  return "bits = " + std::to_string(bits) +
         ", group = " + std::to_string(group) + ", scale = " + scale +
         (zeroPoints ? ", zero_points = true" : "");
}

/// As AutoGPTQ writes them: stored zeros are one too small in format "gptq".
StoredBank makeGptq(int32_t bits, int64_t group, bool isSymmetric,
                    std::mt19937_64 &random) {
  BankWriter writer("GPTQ", 40, 72, group,
                    formatOf(bits, group, "f16", !isSymmetric), random);
  int64_t N = writer.N, K = writer.K, runs = writer.runs(), per = 32 / bits;
  writer.declareTransposed("qweight", N, K / per, "i32");
  writer.declareTransposed("qzeros", N / per, runs, "i32");
  writer.declareTransposed("scales", N, runs, "f16");
  writer.declare("g_idx", "72xi32");
  writer.finish("codes = @qweight, scales = @scales, zeros = @qzeros, "
                "zero_offset = 1, groups = @g_idx");
  for (int e = 0; e < 2; ++e) {
    Tensor qweight = writer.makeTensor(MOE_I32, {K / per, N});
    Tensor qzeros = writer.makeTensor(MOE_I32, {runs, N / per});
    Tensor scales = writer.makeTensor(MOE_F16, {runs, N});
    Tensor groups(MOE_I32, {K});
    for (int64_t k = 0; k < K; ++k)
      groups.i32()[k] = static_cast<int32_t>(k / writer.group);
    if (isSymmetric)
      std::fill_n(qzeros.i32(), qzeros.size(),
                  bits == 4 ? 0x77777777 : 0x7f7f7f7f);
    writer.expect(e, [&](moe_tensor *values, moe_error *error) {
      moe_tensor q = qweight.abi(), z = qzeros.abi(), s = scales.abi();
      return moe_ref_decode_gptq(bits, writer.group, 1, &q, &z, &s, values,
                                 error);
    });
    writer.store(e, "qweight", std::move(qweight));
    writer.store(e, "qzeros", std::move(qzeros));
    writer.store(e, "scales", std::move(scales));
    writer.store(e, "g_idx", std::move(groups));
  }
  return std::move(writer.bank);
}

/// As AutoAWQ writes them.
StoredBank makeAwq(int64_t group, std::mt19937_64 &random) {
  BankWriter writer("AWQ", 40, 72, group, formatOf(4, group, "f16", true),
                    random);
  int64_t N = writer.N, K = writer.K, runs = writer.runs();
  writer.declareTransposed("qweight", N / 8, K, "i32");
  writer.declareTransposed("qzeros", N / 8, runs, "i32");
  writer.declareTransposed("scales", N, runs, "f16");
  writer.finish("codes = @qweight, scales = @scales, zeros = @qzeros, "
                "order = [0, 2, 4, 6, 1, 3, 5, 7]");
  for (int e = 0; e < 2; ++e) {
    Tensor qweight = writer.makeTensor(MOE_I32, {K, N / 8});
    Tensor qzeros = writer.makeTensor(MOE_I32, {runs, N / 8});
    Tensor scales = writer.makeTensor(MOE_F16, {runs, N});
    writer.expect(e, [&](moe_tensor *values, moe_error *error) {
      moe_tensor q = qweight.abi(), z = qzeros.abi(), s = scales.abi();
      return moe_ref_decode_awq(writer.group, &q, &z, &s, values, error);
    });
    writer.store(e, "qweight", std::move(qweight));
    writer.store(e, "qzeros", std::move(qzeros));
    writer.store(e, "scales", std::move(scales));
  }
  return std::move(writer.bank);
}

/// As compressed-tensors writes "pack-quantized".
StoredBank makePacked(int32_t bits, int64_t group, bool isSymmetric,
                      std::mt19937_64 &random) {
  BankWriter writer("pack-quantized", 33, 75, group,
                    formatOf(bits, group, "bf16", !isSymmetric), random);
  int64_t N = writer.N, K = writer.K, runs = writer.runs(), per = 32 / bits;
  int64_t words = (K + per - 1) / per, zeroWords = (N + per - 1) / per;
  writer.declareDense("weight_packed", N, words, "i32");
  writer.declareDense("weight_scale", N, runs, "bf16");
  if (!isSymmetric)
    writer.declareDense("weight_zero_point", zeroWords, runs, "i32");
  writer.finish(std::string("codes = @weight_packed, scales = @weight_scale") +
                (isSymmetric ? "" : ", zeros = @weight_zero_point"));
  for (int e = 0; e < 2; ++e) {
    Tensor packed = writer.makeTensor(MOE_I32, {N, words});
    Tensor scales = writer.makeTensor(MOE_BF16, {N, runs});
    Tensor zeros = writer.makeTensor(MOE_I32, {zeroWords, runs});
    writer.expect(e, [&](moe_tensor *values, moe_error *error) {
      moe_tensor q = packed.abi(), z = zeros.abi(), s = scales.abi();
      return moe_ref_decode_packed(bits, writer.group, &q, &s,
                                   isSymmetric ? nullptr : &z, values, error);
    });
    writer.store(e, "weight_packed", std::move(packed));
    writer.store(e, "weight_scale", std::move(scales));
    if (!isSymmetric)
      writer.store(e, "weight_zero_point", std::move(zeros));
  }
  return std::move(writer.bank);
}

/// As compressed-tensors writes "int-quantized".
StoredBank makeInt8(int64_t group, bool isSymmetric, std::mt19937_64 &random) {
  BankWriter writer("int-quantized", 33, 75, group,
                    formatOf(8, group, "f32", !isSymmetric), random);
  int64_t N = writer.N, K = writer.K, runs = writer.runs();
  writer.declareDense("weight", N, K, "i8");
  writer.declareDense("weight_scale", N, runs, "f32");
  if (!isSymmetric)
    writer.declareDense("weight_zero_point", N, runs, "i8");
  writer.finish(std::string("codes = @weight, scales = @weight_scale") +
                (isSymmetric ? "" : ", zeros = @weight_zero_point"));
  for (int e = 0; e < 2; ++e) {
    Tensor weight = writer.makeTensor(MOE_I8, {N, K});
    Tensor scales = writer.makeTensor(MOE_F32, {N, runs});
    Tensor zeros = writer.makeTensor(MOE_I8, {N, runs});
    writer.expect(e, [&](moe_tensor *values, moe_error *error) {
      moe_tensor q = weight.abi(), z = zeros.abi(), s = scales.abi();
      return moe_ref_decode_int8(writer.group, &q, &s,
                                 isSymmetric ? nullptr : &z, values, error);
    });
    writer.store(e, "weight", std::move(weight));
    writer.store(e, "weight_scale", std::move(scales));
    if (!isSymmetric)
      writer.store(e, "weight_zero_point", std::move(zeros));
  }
  return std::move(writer.bank);
}

/// As gpt-oss has them: all experts in one tensor, in which rows of gate and up
/// alternate, and columns are cut into blocks. @w is up.
StoredBank makeMxfp4(std::mt19937_64 &random) {
  constexpr int64_t N = 21, K = 96, runs = K / 32;
  BankWriter writer("MXFP4", N, K, 32,
                    "bits = 4, group = 32, scale = bf16, codes = e2m1", random);
  writer.bank.text.parts =
      "moe.weight @blocks : !moe.bank<2x21x3x16xui8, strided<[96, 16, 1]>> "
      "from [#moe.source<\"blocks\", shape = [2, 42, 3, 16], "
      "offsets = [0, 1, 0, 0], strides = [1, 2, 1, 1]>]\n"
      "moe.weight @scales : !moe.bank<2x21x3xui8, strided<[6, 1]>> "
      "from [#moe.source<\"scales\", shape = [2, 42, 3], "
      "offsets = [0, 1, 0], strides = [1, 2, 1]>]\n";
  writer.finish("codes = @blocks, scales = @scales");
  Tensor blocks = writer.makeTensor(MOE_U8, {2, 2 * N, runs, 16});
  Tensor scales = writer.makeTensor(MOE_U8, {2, 2 * N, runs});
  for (int64_t i = 0; i < scales.size(); ++i) {
    uint8_t &scale = static_cast<uint8_t *>(scales.data())[i];
    scale = static_cast<uint8_t>(100 + scale % 50);
  }
  for (int e = 0; e < 2; ++e) {
    Tensor codes(MOE_U8, {N, K / 2}), exponents(MOE_U8, {N, runs});
    for (int64_t n = 0; n < N; ++n) {
      int64_t row = 2 * (e * N + n) + 1;
      std::memcpy(static_cast<uint8_t *>(codes.data()) + n * K / 2,
                  static_cast<uint8_t *>(blocks.data()) + row * K / 2, K / 2);
      std::memcpy(static_cast<uint8_t *>(exponents.data()) + n * runs,
                  static_cast<uint8_t *>(scales.data()) + row * runs, runs);
    }
    writer.expect(e, [&](moe_tensor *values, moe_error *error) {
      moe_tensor q = codes.abi(), s = exponents.abi();
      return moe_ref_decode_mxfp4(&q, &s, values, error);
    });
  }
  writer.bank.file.push_back({"blocks", std::move(blocks)});
  writer.bank.file.push_back({"scales", std::move(scales)});
  return std::move(writer.bank);
}

std::vector<StoredBank> makeBanks(std::mt19937_64 &random) {
  std::vector<StoredBank> banks;
  for (int32_t bits : {4, 8})
    for (bool isSymmetric : {true, false}) {
      banks.push_back(makeGptq(bits, 24, isSymmetric, random));
      banks.push_back(makePacked(bits, 32, isSymmetric, random));
      banks.push_back(makePacked(bits, 0, isSymmetric, random));
    }
  banks.push_back(makeGptq(4, 0, true, random));
  banks.push_back(makeAwq(24, random));
  banks.push_back(makeAwq(0, random));
  banks.push_back(makeInt8(0, true, random));
  banks.push_back(makeInt8(32, false, random));
  banks.push_back(makeMxfp4(random));
  return banks;
}

TEST(StoredCodes, ElementsEqualTheOracle) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(21);
  for (const StoredBank &bank : makeBanks(random))
    for (const Path &path : paths) {
      SCOPED_TRACE(bank.name + ", " + bank.text.format + ", " + path.targetCPU);
      ASSERT_LE(
          elementError(bank.text, bank.file, bank.expected, optionsOf(path)),
          2e-7);
    }
}

TEST(StoredCodes, ElementsEqualTheOracleWithRowsOfCodes) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(22);
  for (const StoredBank &bank : makeBanks(random))
    for (const Path &path : paths) {
      if (path.reference)
        continue;
      SCOPED_TRACE(bank.name + ", " + bank.text.format + ", " + path.targetCPU);
      SessionOptions options = optionsOf(path);
      options.activations = mlir::moe::Activations::Int8;
      ASSERT_LE(elementError(bank.text, bank.file, bank.expected, options),
                5e-6);
    }
}

//===----------------------------------------------------------------------===//
// What is refused when weights are bound
//===----------------------------------------------------------------------===//

/// A session for `bank` is refused with a message that has `what` and `tag`.
void expectRefused(const StoredBank &bank, const std::string &what,
                   const std::string &tag) {
  auto session = openBank(bank.text, bank.file, SessionOptions());
  ASSERT_FALSE(session);
  std::string message = llvm::toString(session.takeError());
  EXPECT_NE(message.find(what), std::string::npos) << message;
  EXPECT_NE(message.find(tag), std::string::npos) << message;
}

Tensor &find(StoredBank &bank, const std::string &name) {
  return llvm::find_if(
             bank.file,
             [&](const NamedTensor &named) { return named.name == name; })
      ->tensor;
}

/// Files of version 1 and 2 of the format mark the same codes differently.
TEST(StoredCodes, ZerosOfSymmetricCodesSayNothing) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(23);
  StoredBank bank = makeGptq(4, 24, true, random);
  find(bank, "w.1.qzeros").i32()[1] = 0x77767777; // column 12 of run 0
  auto session = openBank(bank.text, bank.file, SessionOptions());
  EXPECT_TRUE(static_cast<bool>(session))
      << llvm::toString(session.takeError());
}

TEST(StoredCodes, SortedColumns) {
  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same every time.
  std::mt19937_64 random(24);
  StoredBank bank = makeGptq(4, 24, true, random);
  find(bank, "w.1.g_idx").i32()[30] = 0;
  expectRefused(bank,
                "in 'g_idx', column 30 of slice 1 of weight 'w' is in run 0, "
                "expected 1",
                "[moe-bind-groups]");
}

} // namespace
