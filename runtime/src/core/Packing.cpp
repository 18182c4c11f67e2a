//===- Packing.cpp - Weights in the layout of the kernels -----------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Packing.h"
#include "core/Arithmetic.h"
#include "core/Quantization.h"
#include "cpu/ThreadPool.h"
#include "moe_rt/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

using namespace moe::rt;

static int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/// Bytes of the scale of one row and run, with its zero.
static int64_t bytesOfScale(const moe_quantization &format) {
  return static_cast<int64_t>(moe_dtype_size(format.scale_dtype)) *
         (format.zero_points ? 2 : 1);
}

/// Bits of one element of the packed form.
static int64_t bitsOfElement(const moe_weight &weight) {
  if (weight.quantization.bits)
    return weight.quantization.bits;
  return static_cast<int64_t>(moe_dtype_size(weight.dtype)) * 8;
}

bool PackedShape::overflows(const moe_weight &weight) {
  const moe_packing &packing = weight.packing;
  panels = ceilDiv(weight.shape[0], packing.panel);
  steps = ceilDiv(weight.shape[1], packing.depth);
  int64_t rows, bytesOfSteps;
  if (mulOverflow<int64_t>(packing.panel, packing.ways, rows) ||
      mulOverflow<int64_t>(rows, packing.depth, step) ||
      mulOverflow(step, bitsOfElement(weight), bytesOfSteps) ||
      mulOverflow(bytesOfSteps / 8, steps, panelBytes))
    return true;
  if (const moe_quantization &format = weight.quantization; format.bits) {
    int64_t bytesOfScales;
    if (mulOverflow(rows, ceilDiv(weight.shape[1], format.group),
                    bytesOfScales) ||
        mulOverflow(bytesOfScales, bytesOfScale(format), bytesOfScales) ||
        addOverflow(panelBytes, bytesOfScales, panelBytes))
      return true;
  }
  return mulOverflow(panels, panelBytes, sliceBytes) ||
         mulOverflow(sliceBytes, weight.experts, bytes);
}

bool moe::rt::ownsPackedMemory(const moe_weight &weight) {
  return weight.packing.panel != 0 && weight.packing.way == 0;
}

int64_t moe::rt::getOffsetOfWay(const moe_weight &weight) {
  const moe_packing &packing = weight.packing;
  return packing.way * int64_t(packing.panel) * packing.depth *
         bitsOfElement(weight) / 8;
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
  T *target = reinterpret_cast<T *>(job.storage + slice * job.shape.sliceBytes +
                                    panel * job.shape.panelBytes) +
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

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

namespace {

/// Bytes of the codes of one row in one step.
constexpr int64_t bytesPerWord = 4;
/// Columns whose codes are placed at a time: a multiple of those of a word.
constexpr int64_t codeBlock = 128;

/// One call of packCodes.
struct CodeJob {
  const moe_weight &weight;
  const PackedShape &shape;
  int64_t first; ///< slice
  const CodeSource &source;
  char *storage;
};

/// One run of columns of one panel.
class RunPacker {
public:
  RunPacker(const CodeJob &job, int64_t slice, int64_t panel, int64_t run)
      : job(job), format(job.weight.quantization), packing(job.weight.packing),
        slice(slice), firstRow(panel * packing.panel),
        firstColumn(run * format.group),
        columns(std::min(format.group, job.weight.shape[1] - firstColumn)),
        stepBytes(packing.ways * int64_t(packing.panel) * bytesPerWord) {
    int64_t rows = packing.ways * int64_t(packing.panel);
    int64_t bytesBefore = firstColumn / packing.depth * stepBytes +
                          run * rows * bytesOfScale(format);
    char *base = job.storage + slice * job.shape.sliceBytes +
                 panel * job.shape.panelBytes + bytesBefore;
    codes = base + packing.way * int64_t(packing.panel) * bytesPerWord;
    scales = base + ceilDiv(columns, packing.depth) * stepBytes;
    zerosBehind = rows;
  }

  void run() {
    for (int64_t row = 0; row < packing.panel; ++row)
      packRow(row);
  }

private:
  void packRow(int64_t row) {
    int64_t scaleIndex = packing.way * int64_t(packing.panel) + row;
    bool exists = firstRow + row < job.weight.shape[0];
    RunScale scale;
    if (exists)
      scale = job.source.scaleOf(slice, firstRow + row, firstColumn, columns);
    storeScale(format, scale.scale * scaleOfUnit, scales, scaleIndex);
    if (format.zero_points)
      storeScale(format, static_cast<float>(scale.zero), scales,
                 zerosBehind + scaleIndex);
    for (int64_t first = 0; first < columns; first += codeBlock) {
      int64_t count = std::min(codeBlock, columns - first);
      uint8_t block[codeBlock] = {};
      if (exists)
        job.source.read(slice, firstRow + row, firstColumn + first, count,
                        scale, block);
      char *to = codes + first / packing.depth * stepBytes + row * bytesPerWord;
      for (int64_t k = 0; k < count; k += packing.depth, to += stepBytes)
        storeWord(block + k, to);
    }
  }

  /// The codes of one row in one step.
  void storeWord(const uint8_t *from, char *to) const {
    uint8_t word[bytesPerWord];
    for (int64_t i = 0; i < bytesPerWord; ++i)
      word[i] = static_cast<uint8_t>(
          format.bits == 8 ? from[i] : from[i] | (from[i + bytesPerWord] << 4));
    std::memcpy(to, word, bytesPerWord);
  }

  const CodeJob &job;
  const moe_quantization &format;
  const moe_packing &packing;
  /// Kernels take the floats of e2m1 twice, which makes them integers.
  const float scaleOfUnit = format.codes == MOE_CODES_E2M1 ? 0.5f : 1.0f;
  int64_t slice, firstRow, firstColumn, columns, stepBytes;
  int64_t zerosBehind = 0; ///< elements from a scale to its zero
  char *codes = nullptr;   ///< of the way, first step
  char *scales = nullptr;  ///< of all ways
};

/// One call of dequantizeSlices.
struct DequantizeJob {
  const moe_weight &weight;
  int64_t first; ///< slice
  const CodeSource &source;
  float *values;
};

} // namespace

/// Iteration i packs panel i % panels of slice first + i / panels.
static void packCodesOfPanel(void *env, int64_t i) {
  const CodeJob &job = *static_cast<const CodeJob *>(env);
  int64_t slice = job.first + i / job.shape.panels;
  int64_t runs = ceilDiv(job.weight.shape[1], job.weight.quantization.group);
  for (int64_t run = 0; run < runs; ++run)
    RunPacker(job, slice, i % job.shape.panels, run).run();
}

/// Iteration i computes row i % N of slice first + i / N.
static void dequantizeRow(void *env, int64_t i) {
  const auto &job = *static_cast<const DequantizeJob *>(env);
  const moe_quantization &format = job.weight.quantization;
  int64_t rows = job.weight.shape[0], columns = job.weight.shape[1];
  int64_t slice = job.first + i / rows, row = i % rows;
  float *out = job.values + i * columns;
  for (int64_t first = 0; first < columns; first += format.group) {
    int64_t end = std::min(first + format.group, columns);
    RunScale scale = job.source.scaleOf(slice, row, first, end - first);
    for (int64_t k = first; k < end; k += codeBlock) {
      int64_t count = std::min(codeBlock, end - k);
      uint8_t codes[codeBlock];
      job.source.read(slice, row, k, count, scale, codes);
      decode(format, scale, codes, count, out + k);
    }
  }
}

void moe::rt::dequantizeSlices(const moe_weight &weight, int64_t first,
                               int64_t last, const CodeSource &source,
                               float *values, ThreadPool &pool) {
  DequantizeJob job = {weight, first, source, values};
  pool.run(dequantizeRow, &job, (last - first) * weight.shape[0]);
}

void moe::rt::packCodes(const moe_weight &weight, const PackedShape &shape,
                        int64_t first, int64_t last, const CodeSource &source,
                        char *storage, ThreadPool &pool) {
  CodeJob job = {weight, shape, first, source, storage};
  pool.run(packCodesOfPanel, &job, (last - first) * shape.panels);
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
