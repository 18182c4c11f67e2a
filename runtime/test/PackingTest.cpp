//===- PackingTest.cpp - Weights in the layout of the kernels -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every byte of packed slices against the layout as Abi.h defines it.
//
//===----------------------------------------------------------------------===//

#include "core/Packing.h"
#include "Support.h"
#include "cpu/ThreadPool.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cstring>
#include <random>

using namespace moe::rt;
using namespace moe::rt::test;

namespace {

struct Layout {
  int32_t dtype, panel, depth, ways;
};

/// Matrices of random bytes that are packed as way 0 of `layout.ways`, in
/// memory that starts `shift` bytes behind a line of the cache.
template <typename T> class Packed {
public:
  Packed(const Layout &layout, int64_t rows, int64_t columns, bool transposed,
         size_t shift)
      : elements(static_cast<size_t>(slices * rows * columns)) {
    for (T &element : elements)
      element = static_cast<T>(random());
    weight.dtype = layout.dtype;
    weight.rank = 2;
    weight.experts = slices;
    weight.shape[0] = rows;
    weight.shape[1] = columns;
    weight.strides[0] = transposed ? 1 : columns;
    weight.strides[1] = transposed ? rows : 1;
    weight.packing.panel = layout.panel;
    weight.packing.depth = layout.depth;
    weight.packing.ways = layout.ways;
    EXPECT_FALSE(shape.overflows(weight));
    memory.resize(static_cast<size_t>(shape.bytes) + 128, untouched);
    size_t line = 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
    storage = memory.data() + line + shift;
    std::vector<void *> sources;
    for (int64_t e = 0; e < slices; ++e)
      sources.push_back(elements.data() + e * rows * columns);
    ThreadPool pool(2);
    packSlices(weight, shape, 0, slices, sources.data(), storage, pool);
  }

  void check() const {
    const moe_packing &packing = weight.packing;
    for (int64_t e = 0; e < slices; ++e)
      for (int64_t panel = 0; panel < shape.panels; ++panel)
        for (int64_t step = 0; step < shape.steps; ++step)
          for (int64_t row = 0; row < packing.panel; ++row)
            for (int64_t i = 0; i < packing.depth; ++i)
              ASSERT_EQ(packed(e, panel, step, row, i),
                        given(e, panel * packing.panel + row,
                              step * packing.depth + i))
                  << "slice " << e << ", panel " << panel << ", step " << step
                  << ", row " << row << ", element " << i;
    // The other ways, and what lies around, are not written.
    auto written = static_cast<int64_t>(memory.size()) -
                   std::count(memory.begin(), memory.end(), untouched);
    EXPECT_LE(written, shape.bytes / packing.ways);
  }

private:
  T packed(int64_t e, int64_t panel, int64_t step, int64_t row,
           int64_t i) const {
    T value;
    std::memcpy(&value,
                storage + e * shape.sliceBytes + panel * shape.panelBytes +
                    (step * shape.step + row * weight.packing.depth + i) *
                        static_cast<int64_t>(sizeof(T)),
                sizeof(T));
    return value;
  }
  T given(int64_t e, int64_t n, int64_t k) const {
    if (n >= weight.shape[0] || k >= weight.shape[1])
      return T(0);
    int64_t slice = weight.shape[0] * weight.shape[1];
    return elements[static_cast<size_t>(e * slice + n * weight.strides[0] +
                                        k * weight.strides[1])];
  }

  static constexpr int64_t slices = 2;
  static constexpr char untouched = 0x5a;
  std::mt19937_64 random{1};
  std::vector<T> elements;
  moe_weight weight = {};
  PackedShape shape;
  std::vector<char> memory;
  char *storage = nullptr;
};

template <typename T> void checkLayout(const Layout &layout) {
  for (int64_t rows : {1, 16, 47, 64, 133})
    for (int64_t columns : {1, 3, 32, 64, 97})
      for (bool transposed : {false, true})
        for (size_t shift : {0, 8}) {
          SCOPED_TRACE(testing::Message()
                       << rows << " x " << columns << ", panel " << layout.panel
                       << ", depth " << layout.depth
                       << (transposed ? ", transposed" : ""));
          Packed<T>(layout, rows, columns, transposed, shift).check();
          if (testing::Test::HasFatalFailure())
            return;
        }
}

} // namespace

TEST(Packing, WordsOfTwoBytes) {
  for (int32_t panel : {4, 32, 64, 80})
    checkLayout<uint16_t>({MOE_BF16, panel, 1, 2});
}

TEST(Packing, WordsOfFourBytes) {
  for (int32_t panel : {4, 48, 64, 144}) {
    checkLayout<uint16_t>({MOE_BF16, panel, 2, 1});
    checkLayout<uint32_t>({MOE_F32, panel, 1, 2});
  }
}

TEST(Packing, OtherWords) {
  checkLayout<uint8_t>({MOE_I8, 16, 4, 1});
  checkLayout<uint32_t>({MOE_F32, 16, 2, 2});
  checkLayout<uint64_t>({MOE_F64, 16, 1, 1});
  checkLayout<uint64_t>({MOE_F64, 5, 9, 1}); // a step is more than a line
}
