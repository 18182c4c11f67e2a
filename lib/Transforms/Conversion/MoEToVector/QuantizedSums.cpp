//===- QuantizedSums.cpp - Rows times a panel of codes
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A run is the columns that share a scale. Its products are summed up first;
// the scale then multiplies one sum instead of each product:
//
//   total = sum over runs of scale[run] * sum over k in run of
//             row[k] * (code[k] - zero[run])
//
// Rows that are codes may have a scale for each run as well, which multiplies
// the same sum.
//
// With I8Quads the inner sums are integers. The instruction takes codes of the
// bank as unsigned bytes, and what zero adds is known from the sum of the row:
// integer sums start from -zero * (sum of row[k] over the run).
//
// Codes that are e2m1 become integers by being taken twice, and unsigned bytes
// by adding 12, which is then their zero; scales in memory are halves.
//
//===----------------------------------------------------------------------===//

#include "Sums.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Bytes of the codes of one column of a panel in one step.
constexpr int64_t kBytesPerWord = 4;

class QuantizedSums {
public:
  QuantizedSums(LoopEmitter &emit, GroupedMatmulOp op, const KernelTask &task)
      : emit(emit), op(op), task(task), schedule(*op.getSchedule()),
        packed(op.getBankType().getPacked()),
        format(op.getBankType().getQuantized()), lanes(schedule.getLanes()),
        vectors(packed.getPanel() / lanes), depth(packed.getDepth()),
        columns(op.getBankType().getSliceShape()[1]),
        group(format.getGroupSize(columns)),
        scaleBytes(format.getScale().getIntOrFloatBitWidth() / 8),
        stepBytes(packed.getWays() * packed.getPanel() * kBytesPerWord) {}

  SmallVector<Value> run() {
    Value zero = splat(emit.f32(0));
    SmallVector<Value> totals(task.banks.size() * task.numRows * vectors, zero);
    totals.push_back(task.prefetch);
    int64_t wholeRuns = columns / group, rest = columns % group;
    if (wholeRuns == 1)
      totals = addRun(emit.index(0), group, totals);
    else
      totals = emit.fold(emit.index(0), emit.index(wholeRuns), totals,
                         [&](Value run, ValueRange totals) {
                           return addRun(run, group, totals);
                         });
    if (rest != 0)
      totals = addRun(emit.index(wholeRuns), rest, totals);
    totals.pop_back();
    return totals;
  }

private:
  /// One bank, row and vector.
  struct Place {
    size_t index; ///< among all sums
    size_t bank;
    int64_t row, vector;
  };

  SmallVector<Place> places() {
    SmallVector<Place> places;
    for (size_t bank = 0; bank < task.banks.size(); ++bank)
      for (int64_t row = 0; row < task.numRows; ++row)
        for (int64_t vector = 0; vector < vectors; ++vector)
          places.push_back({places.size(), bank, row, vector});
    return places;
  }

  bool areIntegers() { return schedule.getDot() == Dot::I8Quads; }

  VectorType vectorOf(Type element, int64_t count = 0) {
    return VectorType::get(count ? count : lanes, element);
  }

  Value splat(Value scalar) {
    return vector::BroadcastOp::create(emit, vectorOf(scalar.getType()),
                                       scalar);
  }

  /// The place of a bank in each step, and the bank that offsets count from:
  /// with one base for all there are fewer addresses to keep.
  int64_t wayOf(size_t bank) {
    return packed.getWays() > 1 ? static_cast<int64_t>(bank) : 0;
  }
  Value ownerOf(size_t bank) {
    return task.banks[packed.getWays() > 1 ? 0 : bank];
  }

  /// `count` elements of a bank from byte `offset` of its owner on.
  Value loadBytes(size_t bank, Value offset, Type element, int64_t count) {
    int64_t bytes = count * element.getIntOrFloatBitWidth() / 8;
    Value loaded =
        vector::LoadOp::create(emit, vectorOf(emit.getI8Type(), bytes),
                               ownerOf(bank), ValueRange{offset});
    return vector::BitCastOp::create(emit, vectorOf(element, count), loaded);
  }

  //===--------------------------------------------------------------------===//
  // Runs
  //===--------------------------------------------------------------------===//

  /// totals + what run `run` of `size` columns adds. The last of `totals` is
  /// what to fetch.
  SmallVector<Value> addRun(Value run, int64_t size, ValueRange totals) {
    int64_t rows = packed.getWays() * packed.getPanel();
    int64_t bytesPerRun = group / depth * stepBytes +
                          rows * scaleBytes * (format.getZeroPoints() ? 2 : 1);
    base = emit.add(
        emit.mul(task.panel, emit.index(op.getBankType().getPanelBytes())),
        emit.mul(run, emit.index(bytesPerRun)));
    firstColumn = emit.mul(run, emit.index(group));
    behindCodes =
        emit.add(base, emit.index(llvm::divideCeil(size, depth) * stepBytes));

    SmallVector<Value> sums = startSums(run);
    sums.push_back(totals.back());
    int64_t steps = size / depth;
    sums = emit.fold(emit.index(0), emit.index(steps), sums,
                     [&](Value step, ValueRange carried) {
                       SmallVector<Value> next =
                           addStep(step, depth, carried.drop_back());
                       next.push_back(emitPrefetch(emit, carried.back(), task));
                       return next;
                     });
    Value prefetch = sums.pop_back_val();
    if (size % depth != 0)
      sums = addStep(emit.index(steps), size % depth, sums);
    SmallVector<Value> next = addScaled(run, sums, totals.drop_back());
    next.push_back(prefetch);
    return next;
  }

  SmallVector<Value> startSums(Value run) {
    SmallVector<Value> sums;
    SmallVector<Value> ofRow;
    for (int64_t i = 0; areIntegers() && i < task.numRows; ++i)
      ofRow.push_back(splat(startOfRow(i, run)));
    for (const Place &place : places())
      sums.push_back(areIntegers() ? ofRow[place.row] : splat(emit.f32(0)));
    return sums;
  }

  /// What the zeros of the codes add to the integer sum of a row. Zeros that
  /// differ by column are taken away later.
  Value startOfRow(int64_t row, Value run) {
    if (format.getZeroPoints())
      return emit.i32(0);
    return emit.mul(rowSum(row, run), emit.i32(-format.getFixedZero()));
  }

  Value rowSum(int64_t row, Value run) {
    return emit.load(op.getRowSums(), {task.sources[row], run});
  }

  /// totals + scale * sums.
  SmallVector<Value> addScaled(Value run, ArrayRef<Value> sums,
                               ValueRange totals) {
    SmallVector<Value> rowSums;
    if (areIntegers() && format.getZeroPoints())
      for (int64_t i = 0; i < task.numRows; ++i)
        rowSums.push_back(splat(toF32(rowSum(i, run))));
    SmallVector<Value> rowScales;
    for (int64_t i = 0; op.getRowScales() && i < task.numRows; ++i)
      rowScales.push_back(
          splat(emit.load(op.getRowScales(), {task.sources[i], run})));
    SmallVector<Value> next(totals);
    for (const Place &place : places()) {
      Value sum = toF32(sums[place.index]);
      if (!rowSums.empty()) {
        Value zero = emit.sub(splat(emit.f32(0)),
                              scaleAt(place.bank, place.vector, /*kind=*/1));
        sum = vector::FMAOp::create(emit, zero, rowSums[place.row], sum);
      }
      if (!rowScales.empty())
        sum = emit.mul(sum, rowScales[place.row]);
      next[place.index] = vector::FMAOp::create(
          emit, sum, scaleAt(place.bank, place.vector, /*kind=*/0),
          totals[place.index]);
    }
    return next;
  }

  Value toF32(Value value) {
    Type element = getElementTypeOrSelf(value);
    if (element.isF32())
      return value;
    Type type = emit.getF32Type();
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      type = vector.clone(type);
    if (isa<FloatType>(element))
      return arith::ExtFOp::create(emit, type, value);
    return arith::SIToFPOp::create(emit, type, value);
  }

  /// The scales (kind 0) or zeros (kind 1) of a vector of columns, as f32.
  Value scaleAt(size_t bank, int64_t vector, int64_t kind) {
    int64_t panel = packed.getPanel();
    int64_t elements =
        (kind * packed.getWays() + wayOf(bank)) * panel + vector * lanes;
    return toF32(loadBytes(
        bank, emit.add(behindCodes, emit.index(elements * scaleBytes)),
        format.getScale(), lanes));
  }

  //===--------------------------------------------------------------------===//
  // Steps
  //===--------------------------------------------------------------------===//

  /// sums + the products of step `step` of the run, of which `count` columns
  /// exist.
  SmallVector<Value> addStep(Value step, int64_t count, ValueRange sums) {
    SmallVector<SmallVector<Value>> words;
    for (size_t bank = 0; bank < task.banks.size(); ++bank)
      words.push_back(loadStep(bank, step));
    Value column = emit.add(firstColumn, emit.mul(step, emit.index(depth)));
    return areIntegers() ? addQuads(words, column, count, sums)
                         : addProducts(words, column, count, sums);
  }

  /// The codes of a step, as one i32 for each column of the panel.
  SmallVector<Value> loadStep(size_t bank, Value step) {
    SmallVector<Value> words;
    Value offset = emit.add(base, emit.mul(step, emit.index(stepBytes)));
    for (int64_t v = 0; v < vectors; ++v)
      words.push_back(loadBytes(
          bank,
          emit.add(offset,
                   emit.index((wayOf(bank) * packed.getPanel() + v * lanes) *
                              kBytesPerWord)),
          emit.getI32Type(), lanes));
    return words;
  }

  /// words >> shift & mask, on i32.
  Value extract(Value word, int64_t shift, int64_t mask) {
    if (shift != 0)
      word = arith::ShRUIOp::create(emit, word, splat(emit.i32(shift)));
    return emit.both(word, splat(emit.i32(mask)));
  }

  /// Four codes of a word, as unsigned bytes.
  Value quadOf(Value word, int64_t quad) {
    if (format.getBits() == 8)
      return word;
    Value codes = extract(word, quad * 4, 0x0f0f0f0f);
    return format.getCodes() == Codes::E2M1 ? lookUpE2M1(codes) : codes;
  }

  /// Bytes that are e2m1, taken twice, plus 12.
  Value lookUpE2M1(Value codes) {
    static constexpr int8_t values[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                          12, 11, 10, 9,  8,  6,  4,  0};
    VectorType bytes = vectorOf(emit.getI8Type(), lanes * 4);
    SmallVector<int8_t> table;
    while (static_cast<int64_t>(table.size()) < lanes * 4)
      llvm::append_range(table, values);
    StringRef name = lanes == 16  ? "llvm.x86.avx512.pshuf.b.512"
                     : lanes == 8 ? "llvm.x86.avx2.pshuf.b"
                                  : "llvm.x86.ssse3.pshuf.b.128";
    Value found =
        LLVM::CallIntrinsicOp::create(
            emit, bytes, emit.getStringAttr(name),
            ValueRange{
                arith::ConstantOp::create(
                    emit, DenseElementsAttr::get(bytes, ArrayRef(table))),
                vector::BitCastOp::create(emit, bytes, codes)})
            .getResult(0);
    return vector::BitCastOp::create(emit, codes.getType(), found);
  }

  /// Four columns at a time, whose codes are the bytes of a word.
  SmallVector<Value> addQuads(ArrayRef<SmallVector<Value>> words, Value column,
                              int64_t count, ValueRange sums) {
    SmallVector<Value> next(sums);
    for (int64_t quad = 0; quad * 4 < count; ++quad) {
      SmallVector<SmallVector<Value>> codes;
      for (ArrayRef<Value> vectors : words)
        codes.push_back(llvm::map_to_vector(
            vectors, [&](Value word) { return quadOf(word, quad); }));
      Value first = emit.add(column, emit.index(quad * 4));
      int64_t present = std::min<int64_t>(4, count - quad * 4);
      SmallVector<Value> rows;
      for (int64_t i = 0; i < task.numRows; ++i)
        rows.push_back(splat(loadQuad(i, first, present)));
      for (const Place &place : places())
        next[place.index] =
            dotQuads(next[place.index], codes[place.bank][place.vector],
                     rows[place.row]);
    }
    return next;
  }

  /// Four codes of a row as an i32; those that do not exist are 0.
  Value loadQuad(int64_t row, Value column, int64_t count) {
    Value source = task.sources[row];
    Type i8 = emit.getI8Type();
    Value codes;
    if (count == 4) {
      codes = vector::LoadOp::create(emit, vectorOf(i8, 4), op.getRows(),
                                     ValueRange{source, column});
    } else {
      SmallVector<Value> elements(4, arith::ConstantIntOp::create(emit, 0, 8));
      for (int64_t i = 0; i < count; ++i)
        elements[i] =
            emit.load(op.getRows(), {source, emit.add(column, emit.index(i))});
      codes = vector::FromElementsOp::create(emit, vectorOf(i8, 4), elements);
    }
    Value word =
        vector::BitCastOp::create(emit, vectorOf(emit.getI32Type(), 1), codes);
    return vector::ExtractOp::create(emit, word, ArrayRef<int64_t>{0});
  }

  /// sum + the four products in each lane: unsigned `codes` times signed `row`.
  Value dotQuads(Value sum, Value codes, Value row) {
    VectorType bytes = vectorOf(emit.getI8Type(), lanes * 4);
    return LLVM::CallIntrinsicOp::create(
               emit, sum.getType(),
               emit.getStringAttr("llvm.x86.avx512.vpdpbusd." +
                                  Twine(lanes * 32)),
               ValueRange{sum, vector::BitCastOp::create(emit, bytes, codes),
                          vector::BitCastOp::create(emit, bytes, row)})
        .getResult(0);
  }

  /// One column at a time, in f32.
  SmallVector<Value> addProducts(ArrayRef<SmallVector<Value>> words,
                                 Value column, int64_t count, ValueRange sums) {
    SmallVector<Value> next(sums);
    for (int64_t i = 0; i < count; ++i) {
      SmallVector<SmallVector<Value>> values;
      for (auto [bank, vectors] : llvm::enumerate(words)) {
        SmallVector<Value> ofBank;
        for (auto [v, word] : llvm::enumerate(vectors))
          ofBank.push_back(decode(word, i, bank, v));
        values.push_back(std::move(ofBank));
      }
      Value at = emit.add(column, emit.index(i));
      SmallVector<Value> rows;
      for (Value source : task.sources)
        rows.push_back(splat(toF32(emit.load(op.getRows(), {source, at}))));
      for (const Place &place : places())
        next[place.index] = vector::FMAOp::create(
            emit, rows[place.row], values[place.bank][place.vector],
            next[place.index]);
    }
    return next;
  }

  /// code - zero of column `i` of a step, as f32.
  Value decode(Value word, int64_t i, size_t bank, int64_t vector) {
    // Byte i % 4; of 4 bits, its low half for the first four columns.
    int64_t shift = i % 4 * 8 + i / 4 * 4;
    Value code = extract(word, shift, (1 << format.getBits()) - 1);
    if (format.getCodes() == Codes::E2M1)
      return toF32(doubleE2M1(code));
    if (format.getZeroPoints())
      return emit.sub(toF32(code), scaleAt(bank, vector, /*kind=*/1));
    return toF32(emit.sub(code, splat(emit.i32(format.getFixedZero()))));
  }

  /// Codes that are e2m1, taken twice. With m the three bits below the sign,
  /// the magnitude is the largest of m, 2m - 4 and 4m - 16.
  Value doubleE2M1(Value code) {
    auto constant = [&](int64_t value) { return splat(emit.i32(value)); };
    Value m = emit.both(code, constant(7));
    Value magnitude = m;
    for (auto [factor, less] : {std::pair(2, 4), std::pair(4, 16)})
      magnitude = arith::MaxSIOp::create(
          emit, magnitude,
          emit.sub(emit.mul(m, constant(factor)), constant(less)));
    Value isNegative = arith::CmpIOp::create(emit, arith::CmpIPredicate::ugt,
                                             code, constant(7));
    return arith::SelectOp::create(emit, isNegative,
                                   emit.sub(constant(0), magnitude), magnitude);
  }

  LoopEmitter &emit;
  GroupedMatmulOp op;
  const KernelTask &task;
  CPUScheduleAttr schedule;
  PackedAttr packed;
  QuantizedAttr format;
  int64_t lanes, vectors, depth, columns;
  int64_t group;           ///< columns of a run
  int64_t scaleBytes;      ///< of one scale or zero
  int64_t stepBytes;       ///< of all ways
  Value base, behindCodes; ///< of the current run, in bytes from its slice
  Value firstColumn;       ///< of the current run
};

} // namespace

SmallVector<Value> moe::emitQuantizedSums(LoopEmitter &emit, GroupedMatmulOp op,
                                          const KernelTask &task) {
  return QuantizedSums(emit, op, task).run();
}
