//===- RandomCheckpoint.cpp - Checkpoints with random weights -------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Import/RandomCheckpoint.h"

#include "CheckedMath.h"
#include "Text.h"

#include "moe_rt/safetensors.h"

#include <algorithm>
#include <memory>
#include <pthread.h>
#include <set>

using namespace mlir::moe::hf;

namespace {

//===----------------------------------------------------------------------===//
// Which tensors
//===----------------------------------------------------------------------===//

struct RandomTensor {
  std::string name;
  moe_tensor shape;                ///< without data
  std::optional<int64_t> elements; ///< nothing when they exceed 63 bits
};

RandomTensor makeTensor(std::string name, const std::vector<int64_t> &shape,
                        DType dtype) {
  RandomTensor tensor = {std::move(name), {}, checkedProduct(shape)};
  tensor.shape.dtype = static_cast<int32_t>(dtype);
  tensor.shape.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape.shape);
  return tensor;
}

ImportError tooManyTensors() {
  return ImportError{cat("the checkpoint would have more than ",
                         kMaxFileTensors,
                         " tensors, expected fewer; reduce layers or experts "
                         "in the configuration [moe-random-too-many-tensors]")};
}

/// The file tensors of all weights, each once although gate and up of a fused
/// layout share one.
ImportResult<std::vector<RandomTensor>> tensorsOf(const WeightMap &map,
                                                  DType dtype) {
  std::vector<RandomTensor> tensors;
  std::set<std::string> names;
  for (const Weight &weight : map.weights)
    for (const WeightSource &source : weight.sources) {
      int64_t count = source.perExpert ? weight.numExperts() : 1;
      for (int64_t e = 0; e != count; ++e) {
        if (tensors.size() == static_cast<size_t>(kMaxFileTensors))
          return tooManyTensors();
        std::string name = expertTensorName(source, e);
        if (names.insert(name).second)
          tensors.push_back(
              makeTensor(std::move(name), source.fileShape, dtype));
      }
    }
  return tensors;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

ImportError fromRuntime(const moe_error &error) {
  return ImportError{error.message, static_cast<moe_status>(error.status)};
}

struct AbandonWriter {
  void operator()(moe_safetensors_writer *writer) const {
    moe_safetensors_writer_abandon(writer);
  }
};
using Writer = std::unique_ptr<moe_safetensors_writer, AbandonWriter>;

/// Consecutive elements of one tensor, small enough for a buffer.
struct Piece {
  const RandomTensor *tensor;
  int64_t first, count;
};

/// Cuts tensors into pieces. The number of their elements is known to fit.
class PieceSequence {
public:
  static constexpr int64_t MaxElements = int64_t(1) << 19;

  explicit PieceSequence(const std::vector<RandomTensor> &tensors)
      : tensor(tensors.begin()), end(tensors.end()) {}

  /// The next piece; none when all tensors are done.
  std::optional<Piece> next() {
    while (tensor != end && first == tensor->elements) {
      ++tensor;
      first = 0;
    }
    if (tensor == end)
      return std::nullopt;
    int64_t left = *tensor->elements - first;
    Piece piece = {&*tensor, first, std::min(left, MaxElements)};
    first += piece.count;
    return piece;
  }

private:
  std::vector<RandomTensor>::const_iterator tensor, end;
  int64_t first = 0; ///< of the next piece in `tensor`
};

/// A buffer that is filled on another thread while the previous one is written.
class PieceBuffer {
public:
  PieceBuffer(DType dtype, uint64_t seed)
      : elementSize(static_cast<size_t>(dtypeBytes(dtype))), seed(seed),
        memory(PieceSequence::MaxElements * elementSize) {}
  PieceBuffer(const PieceBuffer &) = delete;
  ~PieceBuffer() { finish(); }

  void start(const Piece &next) {
    piece = next;
    // std::thread throws when there are no more threads; this then fills here.
    running = piece.count > SmallPiece &&
              pthread_create(&thread, nullptr, run, this) == 0;
    if (!running)
      run(this);
  }
  /// Waits until the buffer is full; its error says whether that failed.
  const moe_error &finish() {
    if (running)
      pthread_join(thread, nullptr);
    running = false;
    return error;
  }

  const void *data() const { return memory.data(); }
  size_t bytes() const {
    return static_cast<size_t>(piece.count) * elementSize;
  }

private:
  /// Not worth a thread.
  static constexpr int64_t SmallPiece = int64_t(1) << 14;

  static void *run(void *self) {
    auto *buffer = static_cast<PieceBuffer *>(self);
    const Piece &piece = buffer->piece;
    moe_checkpoint_random_values(
        piece.tensor->name.c_str(), &piece.tensor->shape, buffer->seed,
        piece.first, piece.count, buffer->memory.data(), &buffer->error);
    return nullptr;
  }

  size_t elementSize;
  uint64_t seed;
  std::vector<char> memory; // from operator new: aligned for any element
  Piece piece = {};
  moe_error error = {};
  pthread_t thread = {};
  bool running = false;
};

/// Appends all pieces, by turns from two buffers. False with `error` set when
/// that fails.
bool writePieces(moe_safetensors_writer *writer, PieceSequence pieces,
                 PieceBuffer *current, PieceBuffer *following,
                 int64_t bytesTotal, const ProgressCallback &progress,
                 moe_error &error) {
  int64_t bytesWritten = 0;
  std::optional<Piece> piece = pieces.next();
  if (piece)
    current->start(*piece);
  while (piece) {
    error = current->finish();
    if (error.status != MOE_OK)
      return false;
    piece = pieces.next();
    if (piece)
      following->start(*piece);
    if (moe_safetensors_writer_append(writer, current->data(), current->bytes(),
                                      &error) != MOE_OK)
      return false;
    bytesWritten += static_cast<int64_t>(current->bytes());
    if (progress)
      progress(bytesWritten, bytesTotal);
    std::swap(current, following);
  }
  return true;
}

/// The bytes of all tensors, or nothing when they exceed 63 bits.
std::optional<int64_t> totalBytes(const std::vector<RandomTensor> &tensors,
                                  DType dtype) {
  std::optional<int64_t> total = 0;
  for (const RandomTensor &tensor : tensors) {
    std::optional<int64_t> bytes =
        tensor.elements ? checkedMul(*tensor.elements, dtypeBytes(dtype))
                        : std::nullopt;
    total = total && bytes ? checkedAdd(*total, *bytes) : std::nullopt;
  }
  return total;
}

ImportResult<Writer> openWriter(const std::string &path,
                                const std::vector<RandomTensor> &tensors) {
  std::vector<const char *> names;
  std::vector<moe_tensor> shapes;
  for (const RandomTensor &tensor : tensors) {
    names.push_back(tensor.name.c_str());
    shapes.push_back(tensor.shape);
  }
  moe_error error = {};
  moe_safetensors_writer *writer = nullptr;
  if (moe_safetensors_writer_open(path.c_str(), names.data(), shapes.data(),
                                  names.size(), &writer, &error) != MOE_OK)
    return fromRuntime(error);
  return Writer(writer);
}

} // namespace

ImportResult<int64_t>
mlir::moe::hf::randomizeCheckpoint(const ModelConfig &config, uint64_t seed,
                                   const std::string &path,
                                   const ProgressCallback &progress) {
  ImportResult<WeightMap> map = buildWeightMap(config);
  if (!map)
    return map.error();
  ImportResult<std::vector<RandomTensor>> tensors =
      tensorsOf(*map, config.dtype);
  if (!tensors)
    return tensors.error();
  std::optional<int64_t> bytes = totalBytes(*tensors, config.dtype);
  if (!bytes)
    return ImportError{"the checkpoint would have more than 2^63 bytes, "
                       "expected fewer; reduce the sizes in the configuration "
                       "[moe-random-too-large]"};
  // Before there is a file: without memory nothing is left behind.
  PieceBuffer first(config.dtype, seed), second(config.dtype, seed);
  ImportResult<Writer> writer = openWriter(path, *tensors);
  if (!writer)
    return writer.error();

  moe_error error = {};
  if (!writePieces(writer->get(), PieceSequence(*tensors), &first, &second,
                   *bytes, progress, error))
    return fromRuntime(error);
  if (moe_safetensors_writer_close(writer->release(), &error) != MOE_OK)
    return fromRuntime(error);
  return *bytes;
}
