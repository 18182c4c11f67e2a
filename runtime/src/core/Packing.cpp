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
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

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

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

namespace {

/// One call of packSlices.
struct Job {
  const moe_weight &weight;
  const PackedShape &shape;
  int64_t first; ///< slice
  void *const *sources;
  char *storage;
};

constexpr int64_t bytesPerLine = 64; ///< of a cache
constexpr int64_t rowsPerTile = 64;

/// 16 bytes of `Word`s.
template <typename Word> using Vector [[gnu::vector_size(16)]] = Word;

} // namespace

static void zip(Vector<uint16_t> a, Vector<uint16_t> b, Vector<uint16_t> &low,
                Vector<uint16_t> &high) {
  low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

static void zip(Vector<uint32_t> a, Vector<uint32_t> b, Vector<uint32_t> &low,
                Vector<uint32_t> &high) {
  low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
}

/// Transposes a square of words: row i starts `rowBytes` behind the row before,
/// and so do columns, `columnBytes`, in `to`. Each round doubles the runs of
/// words of one column.
template <typename Word>
static void transpose(const char *from, int64_t rowBytes, char *to,
                      int64_t columnBytes) {
  constexpr int64_t size = 16 / sizeof(Word);
  Vector<Word> now[size], next[size];
  for (int64_t i = 0; i < size; ++i)
    std::memcpy(&now[i], from + i * rowBytes, 16);
  for (int64_t run = 1; run < size; run *= 2) {
    for (int64_t i = 0; i < size / 2; ++i)
      zip(now[i], now[i + size / 2], next[2 * i], next[2 * i + 1]);
    std::copy(next, next + size, now);
  }
  for (int64_t i = 0; i < size; ++i)
    std::memcpy(to + i * columnBytes, &now[i], 16);
}

/// Whether this compiler can store past the caches.
#if defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define MOE_RT_STORES_PAST_CACHES
#endif
#endif

/// Copies whole lines past the caches, where the compiler can: nobody reads a
/// packed weight before all are packed, and memory that is not read first is
/// written at twice the speed. Of a line that is written in parts, by one way
/// after the other, the caches put the parts together.
static void copyToMemory(char *to, const char *from, int64_t bytes) {
#ifdef MOE_RT_STORES_PAST_CACHES
  using Part = Vector<uint64_t>;
  bool areLines =
      (reinterpret_cast<uintptr_t>(to) | static_cast<uintptr_t>(bytes)) %
          bytesPerLine ==
      0;
  if (areLines) {
    for (int64_t i = 0; i < bytes; i += 16) {
      Part part;
      std::memcpy(&part, from + i, 16);
      __builtin_nontemporal_store(part, reinterpret_cast<Part *>(to + i));
    }
    return;
  }
#endif
  std::memcpy(to, from, static_cast<size_t>(bytes));
}

namespace {

/// Packs one panel of one slice, a tile of some rows and steps at a time, which
/// is put together in the nearest cache. T has the size of the elements;
/// `Depth` is the depth of the packing where it is known when this is compiled,
/// otherwise 0.
template <typename T, int64_t Depth> class PanelPacker {
public:
  PanelPacker(const Job &job, int64_t slice, int64_t panel)
      : weight(job.weight), depth(Depth ? Depth : job.weight.packing.depth),
        stepBytes(job.shape.step * size),
        source(static_cast<const T *>(job.sources[slice])),
        firstRow(panel * weight.packing.panel) {
    const moe_packing &packing = weight.packing;
    target = job.storage + slice * job.shape.sliceBytes +
             panel * job.shape.panelBytes +
             packing.way * int64_t(packing.panel) * depth * size;
  }

  void run(int64_t steps) {
    int64_t panel = weight.packing.panel;
    int64_t stepsPerTile = std::max<int64_t>(1, bytesPerLine / (depth * size));
    for (int64_t step = 0; step < steps; step += stepsPerTile)
      for (int64_t row = 0; row < panel; row += rowsPerTile)
        packTile(row, std::min(rowsPerTile, panel - row), step,
                 std::min(stepsPerTile, steps - step));
  }

private:
  static constexpr int64_t size = sizeof(T);

  void packTile(int64_t row, int64_t rows, int64_t step, int64_t steps) {
    // One step of a depth that fills more than a line has no room in a tile.
    alignas(bytesPerLine) T tile[rowsPerTile * bytesPerLine / size];
    if (depth * size > bytesPerLine) {
      for (int64_t i = 0; i < rows; ++i)
        fillRow(row + i, step, steps, depth,
                reinterpret_cast<T *>(target + step * stepBytes) +
                    (row + i) * depth);
      return;
    }
    int64_t filled = fillSquares(row, rows, step, steps, tile);
    for (int64_t i = filled; i < rows; ++i)
      fillRow(row + i, step, steps, rows * depth, tile + i * depth);
    int64_t bytes = rows * depth * size;
    for (int64_t i = 0; i < steps; ++i)
      copyToMemory(target + (step + i) * stepBytes + row * depth * size,
                   reinterpret_cast<const char *>(tile) + i * bytes, bytes);
  }

  /// Fills a tile by transposing what rows have in one step as a word, and
  /// returns how many rows that did: a multiple of those of a vector, or none.
  int64_t fillSquares(int64_t row, int64_t rows, int64_t step, int64_t steps,
                      T *tile) const {
    constexpr int64_t wordBytes = Depth * size;
    if constexpr (wordBytes == 2 || wordBytes == 4) {
      using Word = std::conditional_t<wordBytes == 2, uint16_t, uint32_t>;
      constexpr int64_t square = 16 / wordBytes;
      int64_t existing = std::min(rows, weight.shape[0] - firstRow - row);
      if (weight.strides[1] != 1 || steps % square != 0 ||
          (step + steps) * depth > weight.shape[1])
        return 0;
      int64_t i = 0;
      for (; i + square <= existing; i += square)
        for (int64_t s = 0; s < steps; s += square)
          transpose<Word>(
              reinterpret_cast<const char *>(rowAt(row + i) +
                                             (step + s) * depth),
              weight.strides[0] * size,
              reinterpret_cast<char *>(tile + (s * rows + i) * depth),
              rows * wordBytes);
      return i;
    }
    return 0;
  }

  /// Writes what a row has in some steps, which are `distance` elements apart.
  void fillRow(int64_t row, int64_t step, int64_t steps, int64_t distance,
               T *to) const {
    bool exists = firstRow + row < weight.shape[0];
    for (int64_t s = 0; s < steps; ++s, to += distance)
      for (int64_t i = 0; i < depth; ++i) {
        int64_t k = (step + s) * depth + i;
        to[i] = exists && k < weight.shape[1]
                    ? rowAt(row)[k * weight.strides[1]]
                    : T(0);
      }
  }

  const T *rowAt(int64_t row) const {
    return source + (firstRow + row) * weight.strides[0];
  }

  const moe_weight &weight;
  const int64_t depth;
  int64_t stepBytes; ///< of all ways
  const T *source;   ///< of the slice
  char *target;      ///< of the panel and way
  int64_t firstRow;
};

} // namespace

/// Iteration i packs panel i % panels of slice first + i / panels.
template <typename T> static void packIteration(void *env, int64_t i) {
  const Job &job = *static_cast<const Job *>(env);
  int64_t slice = job.first + i / job.shape.panels;
  int64_t panel = i % job.shape.panels;
  switch (job.weight.packing.depth) {
  case 1:
    PanelPacker<T, 1>(job, slice, panel).run(job.shape.steps);
    break;
  case 2:
    PanelPacker<T, 2>(job, slice, panel).run(job.shape.steps);
    break;
  default:
    PanelPacker<T, 0>(job, slice, panel).run(job.shape.steps);
  }
  // What went past the caches is in order with what says that it is there.
  std::atomic_thread_fence(std::memory_order_seq_cst);
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

  /// The codes of one row in one step: of 4 bits, the second half of them in
  /// the high halves of the bytes of the first.
  void storeWord(const uint8_t *from, char *to) const {
    uint32_t word, high;
    std::memcpy(&word, from, bytesPerWord);
    if (format.bits == 4) {
      std::memcpy(&high, from + bytesPerWord, bytesPerWord);
      word |= high << 4;
    }
    std::memcpy(to, &word, bytesPerWord);
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
