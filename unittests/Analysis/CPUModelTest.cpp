//===- CPUModelTest.cpp - Schedules that follow from a processor
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/CPUModel.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace mlir::moe;

namespace {
constexpr const char *kAVX2 = "+sse2,+avx2,+fma";
constexpr const char *kAVX512 = "+avx2,+fma,+avx512f,+avx512vl,+avx512bw";
constexpr const char *kBF16 =
    "+avx2,+fma,+avx512f,+avx512vl,+avx512bw,+avx512bf16";

class CPUModelTest : public testing::Test {
protected:
  MatmulShape shape(int64_t columns, int64_t depth, int64_t banks, Type rows,
                    Type weights) {
    MatmulShape result;
    result.columns = columns;
    result.depth = depth;
    result.banks = banks;
    result.rowElement = rows;
    result.bankElement = weights;
    return result;
  }

  MLIRContext context;
  Type f32 = Float32Type::get(&context);
  Type bf16 = BFloat16Type::get(&context);
};
} // namespace

TEST_F(CPUModelTest, Features) {
  EXPECT_EQ(CPUModel::fromFeatures("").lanes, 4);
  EXPECT_EQ(CPUModel::fromFeatures("+avx2").lanes, 4) << "fma is needed too";
  EXPECT_EQ(CPUModel::fromFeatures("+avx2,-fma").lanes, 4);
  EXPECT_EQ(CPUModel::fromFeatures(kAVX2).lanes, 8);
  EXPECT_EQ(CPUModel::fromFeatures(kAVX2).registers, 16);
  EXPECT_EQ(CPUModel::fromFeatures(kAVX512).lanes, 16);
  EXPECT_EQ(CPUModel::fromFeatures(kAVX512).registers, 32);
  EXPECT_FALSE(CPUModel::fromFeatures(kAVX512).hasBF16Pairs);
  EXPECT_TRUE(CPUModel::fromFeatures(kBF16).hasBF16Pairs);
}

TEST_F(CPUModelTest, Caches) {
  CPUModel model = CPUModel::fromFeatures(kAVX512);
  EXPECT_EQ(model.withCaches(0, 0).l2Bytes, model.l2Bytes);
  EXPECT_EQ(model.withCaches(0, 0).l1Ways, model.l1Ways);
  EXPECT_EQ(model.withCaches(12, 2 << 20).l2Bytes, 2 << 20);
  EXPECT_EQ(model.withCaches(12, 2 << 20).l1Ways, 12);
  EXPECT_EQ(model.withCaches(-1, -1).l1Ways, 4);
  EXPECT_EQ(model.withCaches(INT64_MAX, INT64_MAX).l2Bytes, 64 << 20);
}

/// A panel and the next one stay in the second-level cache, however small.
TEST_F(CPUModelTest, PanelsFollowTheSecondLevelCache) {
  CPUModel model = CPUModel::fromFeatures(kAVX512);
  MatmulShape wide = shape(4096, 4096, 1, f32, f32);
  int64_t small = chooseSchedule(model.withCaches(0, 512 << 10), wide).panel;
  int64_t large = chooseSchedule(model.withCaches(0, 4 << 20), wide).panel;
  EXPECT_LT(small, large);
}

/// Rows pass by a matrix that stays in half of the second-level cache.
TEST_F(CPUModelTest, RowsPassBySmallMatrices) {
  CPUModel model = CPUModel::fromFeatures(kAVX512).withCaches(0, 1 << 20);
  MatmulShape router = shape(128, 1024, 1, f32, f32);
  EXPECT_EQ(chooseSchedule(model, router).order, WorkOrder::Panels);
  router.isReadByRows = true;
  EXPECT_EQ(chooseSchedule(model, router).order, WorkOrder::Rows);
  router.columns = 129;
  EXPECT_EQ(chooseSchedule(model, router).order, WorkOrder::Panels);
  router.columns = router.depth = 1LL << 31; // no product of 63 bits
  EXPECT_EQ(chooseSchedule(model, router).order, WorkOrder::Panels);
}

TEST_F(CPUModelTest, KernelsFitTheRegisters) {
  for (const char *features : {"", kAVX2, kAVX512, kBF16})
    for (int64_t columns : {1, 7, 16, 33, 704, 3584})
      for (int64_t depth : {1, 31, 1024, 4096})
        for (int64_t banks : {1, 2, 3})
          for (Type weights : {f32, bf16}) {
            SCOPED_TRACE(testing::Message() << features << " " << columns << " "
                                            << depth << " " << banks);
            CPUModel model = CPUModel::fromFeatures(features);
            MatmulSchedule schedule = chooseSchedule(
                model, shape(columns, depth, banks, weights, weights));
            EXPECT_EQ(schedule.lanes, model.lanes);
            ASSERT_EQ(schedule.panel % schedule.lanes, 0);
            int64_t vectors = schedule.panel / schedule.lanes * banks;
            EXPECT_LE(schedule.rowBlock * vectors + vectors + 1,
                      model.registers);
            // No vector of a panel is all padding.
            EXPECT_LT(schedule.panel - schedule.lanes, columns);
          }
}

TEST_F(CPUModelTest, LargeMatricesKeepTheUnitsBusy) {
  for (const char *features : {kAVX2, kAVX512})
    for (int64_t banks : {1, 2}) {
      CPUModel model = CPUModel::fromFeatures(features);
      MatmulSchedule schedule =
          chooseSchedule(model, shape(4096, 1024, banks, f32, f32));
      int64_t vectors = schedule.panel / schedule.lanes * banks;
      // One load or broadcast per cycle: sums outnumber them.
      EXPECT_GT(schedule.rowBlock * vectors, schedule.rowBlock + vectors);
    }
}

TEST_F(CPUModelTest, QuadsOfCodes) {
  context.loadDialect<MoEDialect>();
  const std::string vnni = std::string(kAVX512) + ",+avx512vnni";
  EXPECT_TRUE(CPUModel::fromFeatures(vnni).hasI8Quads);
  EXPECT_FALSE(CPUModel::fromFeatures(kAVX512).hasI8Quads);
  EXPECT_TRUE(
      CPUModel::fromFeatures(std::string(kAVX2) + ",+avxvnni").hasI8Quads);
  CPUModel model = CPUModel::fromFeatures(vnni);
  Type i8 = IntegerType::get(&context, 8);
  for (int64_t bits : {4, 8})
    for (int64_t group : {0, 32}) {
      MatmulShape codes = shape(704, 1024, 1, i8, f32);
      codes.quantized =
          QuantizedAttr::get(&context, bits, group, f32, false, Codes::Integer);
      MatmulSchedule schedule = chooseSchedule(model, codes);
      EXPECT_EQ(schedule.dot, Dot::I8Quads);
      EXPECT_EQ(schedule.depth, 32 / bits);
      int64_t vectors = schedule.panel / schedule.lanes;
      int64_t kinds = group == 0 ? 1 : 2; // of integers and of floats
      EXPECT_LE(schedule.rowBlock * vectors * kinds + vectors + 1,
                model.registers);
      EXPECT_GE(schedule.rowBlock * vectors, 12);
      codes.rowElement = f32;
      EXPECT_EQ(chooseSchedule(model, codes).dot, Dot::FMA);
      EXPECT_EQ(chooseSchedule(model, codes).depth, 32 / bits);
    }
}

TEST_F(CPUModelTest, PairsOfBF16) {
  CPUModel model = CPUModel::fromFeatures(kBF16);
  MatmulSchedule pairs = chooseSchedule(model, shape(704, 1024, 1, bf16, bf16));
  EXPECT_EQ(pairs.dot, Dot::BF16Pairs);
  EXPECT_EQ(pairs.depth, 2);
  EXPECT_EQ(chooseSchedule(model, shape(704, 1024, 1, f32, bf16)).dot,
            Dot::FMA);
  EXPECT_EQ(chooseSchedule(CPUModel::fromFeatures(kAVX512),
                           shape(704, 1024, 1, bf16, bf16))
                .dot,
            Dot::FMA);
}
