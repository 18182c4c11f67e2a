//===- CPUModel.cpp - What code generation knows of a processor
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Analysis/CPUModel.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::moe;

CPUModel CPUModel::fromFeatures(StringRef features) {
  llvm::StringSet<> present;
  for (StringRef feature : llvm::split(features, ','))
    if (feature.consume_front("+"))
      present.insert(feature);
  CPUModel model;
  if (present.contains("avx2") && present.contains("fma")) {
    model.lanes = 8;
    model.hasI8Quads = present.contains("avxvnni");
  }
  if (present.contains("avx512f") && present.contains("avx512vl") &&
      present.contains("avx512bw")) {
    model.lanes = 16;
    model.registers = 32;
    model.l2Bytes = 1 << 20;
    model.hasBF16Pairs = present.contains("avx512bf16");
    model.hasI8Quads = present.contains("avx512vnni");
  }
  return model;
}

CPUModel CPUModel::withCaches(int64_t l1Ways, int64_t l2Bytes) const {
  CPUModel model = *this;
  if (l1Ways != 0)
    model.l1Ways = std::clamp<int64_t>(l1Ways, 4, 64);
  if (l2Bytes != 0)
    model.l2Bytes = std::clamp<int64_t>(l2Bytes, 128 << 10, 64 << 20);
  return model;
}

namespace {

/// A candidate: row_block rows times `vectors` vectors of each bank.
struct Tile {
  int64_t rows, vectors;
};

/// Sets of sums of a tile: where columns have several scales, products of codes
/// are summed up for each of them, and what that gives for all.
int64_t countSums(const MatmulShape &shape) {
  return shape.quantized && shape.quantized.getNumGroups(shape.depth) > 1 ? 2
                                                                          : 1;
}

/// Vector registers that a tile needs: the sums, one step of the panels, and
/// one broadcast element; with codes of 4 bits, a mask.
int64_t countRegisters(const Tile &tile, const MatmulShape &shape) {
  int64_t vectors = tile.vectors * shape.banks;
  int64_t mask = shape.quantized && shape.quantized.getBits() == 4 ? 1 : 0;
  return tile.rows * vectors * countSums(shape) + vectors + 1 + mask;
}

/// Estimated cycles per dot instruction, relative to one dot per cycle.
///  * A step loads each vector of the panels once and broadcasts one element
///  per
///    row; a load and a dot can start in each cycle.
///  * A dot takes about four cycles: fewer sums cannot keep the unit busy.
///  * Per row block, a panel passes from the second-level cache once: the more
///    rows share it, the less that costs.
double estimateCycles(const Tile &tile, int64_t banks) {
  double dots = double(tile.rows * tile.vectors * banks);
  double loads = double(tile.vectors * banks + tile.rows);
  double latency = 4.0;
  double cycles = std::max({dots, loads, latency});
  double bytesFromCache = double(tile.vectors * banks) * 64;
  return (cycles + bytesFromCache / 256) / dots;
}

/// Bytes of some columns of all banks over all of K; as a float, since sizes
/// that a module claims may have any product.
double columnBytes(const MatmulShape &shape, int64_t columns) {
  int64_t bits = shape.quantized ? shape.quantized.getBits()
                                 : shape.bankElement.getIntOrFloatBitWidth();
  return double(columns) * double(shape.banks) * double(shape.depth) *
         double(bits) / 8;
}

/// Bytes of a panel and of the one that is fetched while it is in use.
double panelBytes(const Tile &tile, const CPUModel &model,
                  const MatmulShape &shape) {
  return 2 * columnBytes(shape, tile.vectors * model.lanes);
}

} // namespace

/// Rows whose elements of one column all stay in the first-level cache: their
/// distance is often a multiple of a page, which puts them into one set, and
/// the panel passes through it as well.
static int64_t mostRows(const CPUModel &model) { return model.l1Ways - 2; }

MatmulSchedule moe::chooseSchedule(const CPUModel &model,
                                   const MatmulShape &shape) {
  MatmulSchedule schedule;
  schedule.lanes = model.lanes;
  if (shape.rowElement.isBF16() && shape.bankElement.isBF16() &&
      model.hasBF16Pairs) {
    schedule.dot = Dot::BF16Pairs;
    schedule.depth = 2;
  }
  if (shape.quantized) {
    schedule.depth = shape.quantized.getCodesPerWord();
    if (shape.rowElement.isInteger(8) && model.hasI8Quads)
      schedule.dot = Dot::I8Quads;
  }
  Tile best = {1, 1};
  double bestCycles = estimateCycles(best, shape.banks);
  for (int64_t vectors = 1; vectors <= 4; ++vectors)
    for (int64_t rows = 1; rows <= mostRows(model); ++rows) {
      Tile tile = {rows, vectors};
      // A panel wider than the matrix multiplies zeros.
      if (countRegisters(tile, shape) > model.registers ||
          (vectors > 1 && (vectors - 1) * model.lanes >= shape.columns) ||
          (vectors > 1 &&
           panelBytes(tile, model, shape) > double(model.l2Bytes) * 0.6))
        continue;
      double cycles = estimateCycles(tile, shape.banks);
      if (cycles < bestCycles) {
        best = tile;
        bestCycles = cycles;
      }
    }
  schedule.rowBlock = best.rows;
  schedule.panel = best.vectors * model.lanes;
  // All of the banks is read for each few rows: from the second-level cache, of
  // which these rows take a part too.
  if (shape.isReadByRows &&
      columnBytes(shape, shape.columns) <= double(model.l2Bytes) / 2)
    schedule.order = WorkOrder::Rows;
  return schedule;
}
