//===- BankElements.cpp - What a bank holds, through its kernel
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BankElements.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace moe;
using namespace moe::test;

SessionOptions moe::test::optionsOf(const Path &path) {
  SessionOptions options;
  options.targetCPU = path.targetCPU;
  options.reference = path.reference;
  return options;
}

std::unique_ptr<Session> moe::test::open(const std::string &text,
                                         const SessionOptions &options) {
  auto session = Session::openText(text, options);
  if (session)
    return std::move(*session);
  ADD_FAILURE() << llvm::toString(session.takeError());
  return nullptr;
}

void moe::test::call(Session &session, llvm::ArrayRef<moe_tensor> in,
                     llvm::MutableArrayRef<moe_tensor> out) {
  auto function = session.find();
  if (!function)
    ADD_FAILURE() << llvm::toString(function.takeError());
  else if (llvm::Error error = session.call(**function, in, out))
    ADD_FAILURE() << llvm::toString(std::move(error));
}

/// rows times the bank, of which rows 0..K-1 meet the first matrix.
static std::string moduleText(const BankText &text) {
  std::string N = std::to_string(text.N), K = std::to_string(text.K);
  std::string bank = "!moe.bank<2x" + N + "x" + K + "xf32, #moe.quantized<" +
                     text.format + ">>";
  std::string rows = "tensor<?x" + K + "xf32>",
              result = "tensor<?x" + N + "xf32>";
  return text.parts + "moe.weight @w : " + bank + " " + text.source +
         "\nfunc.func @f(%x: " + rows + " {moe.shape = [\"rows\", " + K +
         "]}, %o: tensor<3xi32> {moe.shape = [3]}) -> (" + result +
         " {moe.shape = [\"rows\", " + N +
         "]}) {\n  %w = moe.get_weight @w : " + bank +
         "\n  %c0 = arith.constant 0 : index\n  %n = tensor.dim %x, %c0 : " +
         rows + "\n  %e = tensor.empty(%n) : " + result +
         "\n  %y = moe.grouped_matmul %x banks(%w) offsets(%o) outs(%e) : (" +
         rows + ", " + bank + ", tensor<3xi32>, " + result + ") -> " + result +
         " {\n  ^bb0(%s: f32, %old: f32):\n    moe.yield %s : f32\n  }\n"
         "  return %y : " +
         result + "\n}\n";
}

/// Rows of the identity, K for each matrix, so that results are the elements.
static Tensor makeIdentity(int64_t K) {
  Tensor rows(MOE_F32, {2 * K, K});
  std::fill_n(rows.f32(), rows.size(), 0.0f);
  for (int64_t k = 0; k < 2 * K; ++k)
    rows.f32()[k * K + k % K] = 1;
  return rows;
}

static void writeFile(const char *path, llvm::ArrayRef<NamedTensor> file) {
  std::vector<const char *> names;
  std::vector<moe_tensor> tensors;
  for (const NamedTensor &named : file) {
    names.push_back(named.name.c_str());
    tensors.push_back(named.tensor.abi());
  }
  moe_error error = {};
  EXPECT_EQ(moe_safetensors_write(path, names.data(), tensors.data(),
                                  names.size(), &error),
            MOE_OK)
      << error.message;
}

/// The results of the rows of the identity for matrix `e`: its elements.
static Tensor takeMatrix(const Tensor &y, int64_t e, int64_t N, int64_t K) {
  Tensor matrix(MOE_F32, {N, K});
  for (int64_t n = 0; n < N; ++n)
    for (int64_t k = 0; k < K; ++k)
      matrix.f32()[n * K + k] = y.f32()[(e * K + k) * N + n];
  return matrix;
}

llvm::Expected<std::unique_ptr<Session>>
moe::test::openBank(const BankText &text, llvm::ArrayRef<NamedTensor> file,
                    const SessionOptions &base) {
  llvm::SmallString<128> path;
  EXPECT_FALSE(
      llvm::sys::fs::createTemporaryFile("moe-bank", "safetensors", path));
  llvm::FileRemover remover(path);
  writeFile(path.c_str(), file);
  SessionOptions options = base;
  options.weights = path.str().str();
  return Session::openText(moduleText(text), options);
}

double moe::test::elementError(const BankText &text,
                               llvm::ArrayRef<NamedTensor> file,
                               llvm::ArrayRef<Tensor> expected,
                               const SessionOptions &options) {
  auto opened = openBank(text, file, options);
  if (!opened) {
    ADD_FAILURE() << llvm::toString(opened.takeError());
    return std::numeric_limits<double>::infinity();
  }
  std::unique_ptr<Session> session = std::move(*opened);
  int64_t K = text.K, N = text.N;
  Tensor rows = makeIdentity(K), y(MOE_F32, {2 * K, N});
  Tensor offsets(MOE_I32, {3});
  for (int64_t e = 0; e < 3; ++e)
    offsets.i32()[e] = int32_t(e * K);
  moe_tensor in[] = {rows.abi(), offsets.abi()}, out[] = {y.abi()};
  call(*session, in, out);
  double largest = 0;
  for (int64_t e = 0; e < 2; ++e)
    largest = std::fmax(largest, rowError(takeMatrix(y, e, N, K), expected[e]));
  EXPECT_TRUE(y.isIntact());
  return largest;
}
