//===- Packing.cpp - Weights in the layout of the kernels -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Packing.h"
#include "core/Arithmetic.h"
#include "cpu/ThreadPool.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cstdint>

using namespace moe::rt;

static int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

bool PackedShape::overflows(const moe_weight &weight) {
  const moe_packing &packing = weight.packing;
  int64_t size = static_cast<int64_t>(moe_dtype_size(weight.dtype));
  panels = ceilDiv(weight.shape[0], packing.panel);
  steps = ceilDiv(weight.shape[1], packing.depth);
  int64_t elements;
  return mulOverflow<int64_t>(packing.panel, packing.depth, step) ||
         mulOverflow<int64_t>(step, packing.ways, step) ||
         mulOverflow(panels, steps, elements) ||
         mulOverflow(elements, step, elements) ||
         mulOverflow(elements, size, sliceBytes) ||
         mulOverflow(sliceBytes, weight.experts, bytes);
}

namespace {

/// One call of packSlices.
struct Job {
  const moe_weight &weight;
  const PackedShape &shape;
  int64_t first; ///< slice
  void *const *sources;
  char *storage;
};

/// Columns that are copied at a time: they and their places stay in the nearest
/// cache while the rows of the panel pass by.
constexpr int64_t columnBlock = 32;

} // namespace

/// Packs one panel of one slice. T has the size of the elements; `Depth` is the
/// depth of the packing where it is known when this is compiled, otherwise 0.
template <typename T, int64_t Depth>
static void packPanel(const Job &job, int64_t slice, int64_t panel) {
  const moe_packing &packing = job.weight.packing;
  const int64_t depth = Depth ? Depth : packing.depth;
  const T *source = static_cast<const T *>(job.sources[slice]);
  T *target =
      reinterpret_cast<T *>(job.storage + slice * job.shape.sliceBytes) +
      panel * job.shape.steps * job.shape.step +
      packing.way * int64_t(packing.panel) * depth;
  int64_t firstRow = panel * packing.panel;
  int64_t columns = job.weight.shape[1], stride = job.weight.strides[1];
  int64_t wholeSteps = columns / depth;
  int64_t stepsPerBlock = std::max<int64_t>(1, columnBlock / depth);
  for (int64_t block = 0; block < job.shape.steps; block += stepsPerBlock) {
    int64_t end = std::min(block + stepsPerBlock, job.shape.steps);
    for (int64_t row = 0; row < packing.panel; ++row) {
      bool exists = firstRow + row < job.weight.shape[0];
      const T *from = source + (firstRow + row) * job.weight.strides[0];
      T *to = target + row * depth;
      int64_t step = block;
      for (int64_t whole = exists ? std::min(end, wholeSteps) : block;
           step < whole; ++step)
        for (int64_t i = 0; i < depth; ++i)
          to[step * job.shape.step + i] = from[(step * depth + i) * stride];
      for (; step < end; ++step)
        for (int64_t i = 0; i < depth; ++i) {
          int64_t k = step * depth + i;
          to[step * job.shape.step + i] =
              exists && k < columns ? from[k * stride] : T(0);
        }
    }
  }
}

/// Iteration i packs panel i % panels of slice first + i / panels.
template <typename T> static void packIteration(void *env, int64_t i) {
  const Job &job = *static_cast<const Job *>(env);
  int64_t slice = job.first + i / job.shape.panels;
  int64_t panel = i % job.shape.panels;
  switch (job.weight.packing.depth) {
  case 1:
    return packPanel<T, 1>(job, slice, panel);
  case 2:
    return packPanel<T, 2>(job, slice, panel);
  default:
    return packPanel<T, 0>(job, slice, panel);
  }
}

void moe::rt::packSlices(const moe_weight &weight, const PackedShape &shape,
                         int64_t first, int64_t last, void *const *sources,
                         char *storage, ThreadPool &pool) {
  Job job = {weight, shape, first, sources, storage};
  ThreadPool::Body body = nullptr;
  switch (moe_dtype_size(weight.dtype)) {
  case 1:
    body = packIteration<uint8_t>;
    break;
  case 2:
    body = packIteration<uint16_t>;
    break;
  case 4:
    body = packIteration<uint32_t>;
    break;
  case 8:
    body = packIteration<uint64_t>;
    break;
  }
  pool.run(body, &job, (last - first) * shape.panels);
}
