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
#include <cmath>
#include <cstring>
#include <memory>
#include <pthread.h>
#include <set>

using namespace mlir::moe::hf;

namespace {

//===----------------------------------------------------------------------===//
// Which tensors
//===----------------------------------------------------------------------===//

/// Element values are mean + deviation * (roughly normal, standard deviation 1,
/// absolute value below 3.5).
struct Distribution {
  float mean;
  float deviation;
};

struct RandomTensor {
  std::string name;
  std::vector<int64_t> shape;
  Distribution distribution;
};

Distribution distributionOf(const Weight &weight) {
  switch (weight.role) {
  case Role::FinalNorm:
  case Role::AttentionNorm:
  case Role::FeedForwardNorm:
  case Role::QueryNorm:
  case Role::KeyNorm:
    return {1, 0.05f};
  case Role::QueryBias:
  case Role::KeyBias:
  case Role::ValueBias:
  case Role::AttentionOutBias:
    return {0, 0.02f};
  default:
    return {0, 1 / std::sqrt(static_cast<float>(weight.shape.back()))};
  }
}

ImportError tooManyTensors() {
  return ImportError{cat("the checkpoint would have more than ",
                         kMaxFileTensors,
                         " tensors, expected fewer; reduce layers or experts "
                         "in the configuration [moe-random-too-many-tensors]")};
}

/// The file tensors of all weights, each once although gate and up of a fused
/// layout share one.
ImportResult<std::vector<RandomTensor>> tensorsOf(const WeightMap &map) {
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
              {std::move(name), source.fileShape, distributionOf(weight)});
      }
    }
  return tensors;
}

//===----------------------------------------------------------------------===//
// Which values
//===----------------------------------------------------------------------===//

/// What separates the states of neighbouring elements (2^64 / golden ratio).
constexpr uint64_t StateStep = 0x9e3779b97f4a7c15u;

/// A bijection of 64 bits that looks random (the finalizer of SplitMix64).
uint64_t mix(uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

/// FNV-1a: where the values of a tensor start.
uint64_t hashOf(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char byte : name)
    hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

/// Roughly normal: the sum of four uniform 16-bit numbers, centred and scaled
/// to variance 1. Exact in integers up to one multiplication, so equal
/// everywhere.
float normalLike(uint64_t bits) {
  constexpr uint64_t everySecondLane = 0x0000ffff0000ffffu;
  uint64_t pairs = (bits & everySecondLane) + (bits >> 16 & everySecondLane);
  auto sum = static_cast<int32_t>(static_cast<uint32_t>(pairs) + (pairs >> 32));
  constexpr float inverseDeviation = 2.6429e-5f; // 1 / (65536 * sqrt(4 / 12))
  return static_cast<float>(sum - 2 * 65535) * inverseDeviation;
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Round to nearest, ties to even. `value` is finite.
uint16_t toBF16(float value) {
  uint32_t bits = bitsOf(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// Round to nearest, ties to even. |value| is below 65504.
uint16_t toF16(float value) {
  uint32_t bits = bitsOf(value);
  uint32_t sign = (bits >> 16) & 0x8000;
  float magnitude = std::fabs(value);
  constexpr float smallestNormal = 6.103515625e-05f; // 2^-14
  if (magnitude < smallestNormal) {
    // Adding 0.5 leaves the subnormal steps of 2^-24 as the last mantissa bits.
    return static_cast<uint16_t>(sign |
                                 (bitsOf(magnitude + 0.5f) - bitsOf(0.5f)));
  }
  uint32_t rebased = bitsOf(magnitude) - ((127 - 15) << 23);
  return static_cast<uint16_t>(
      sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13));
}

template <typename Element, typename Convert>
void fill(Element *out, size_t count, uint64_t start, Distribution distribution,
          Convert convert) {
  for (size_t i = 0; i != count; ++i) {
    // A statement of its own: fused with the addition, it would round
    // differently on machines with and without FMA.
    float offset =
        distribution.deviation * normalLike(mix(start + i * StateStep));
    out[i] = convert(distribution.mean + offset);
  }
}

/// Fills `count` elements whose first has the given start state.
void fillAs(DType dtype, void *out, size_t count, uint64_t start,
            Distribution distribution) {
  switch (dtype) {
  case DType::F32:
    return fill(static_cast<float *>(out), count, start, distribution,
                [](float value) { return value; });
  case DType::BF16:
    return fill(static_cast<uint16_t *>(out), count, start, distribution,
                toBF16);
  case DType::F16:
    return fill(static_cast<uint16_t *>(out), count, start, distribution,
                toF16);
  }
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

int32_t abiDType(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return MOE_F32;
  case DType::BF16:
    return MOE_BF16;
  case DType::F16:
    return MOE_F16;
  }
  return 0;
}

struct AbandonWriter {
  void operator()(moe_safetensors_writer *writer) const {
    moe_safetensors_writer_abandon(writer);
  }
};
using Writer = std::unique_ptr<moe_safetensors_writer, AbandonWriter>;

/// Consecutive elements of one tensor, small enough for a buffer.
struct Piece {
  uint64_t state; ///< of the first element
  size_t count;
  Distribution distribution;
};

/// Cuts tensors into pieces.
class PieceSequence {
public:
  static constexpr size_t MaxElements = size_t(1) << 19;

  PieceSequence(const std::vector<RandomTensor> &tensors, uint64_t seed)
      : tensor(tensors.begin()), end(tensors.end()), seed(seed) {
    enterTensor();
  }

  /// The next piece; none when all tensors are done.
  std::optional<Piece> next() {
    while (tensor != end && left == 0) {
      ++tensor;
      enterTensor();
    }
    if (tensor == end)
      return std::nullopt;
    Piece piece = {state, std::min(left, MaxElements), tensor->distribution};
    state += piece.count * StateStep;
    left -= piece.count;
    return piece;
  }

private:
  void enterTensor() {
    if (tensor == end)
      return;
    state = mix(hashOf(tensor->name) + mix(seed));
    left = static_cast<size_t>(checkedProduct(tensor->shape).value_or(0));
  }

  std::vector<RandomTensor>::const_iterator tensor, end;
  uint64_t seed;
  uint64_t state = 0;
  size_t left = 0;
};

/// A buffer that is filled on another thread while the previous one is written.
class PieceBuffer {
public:
  explicit PieceBuffer(DType dtype)
      : dtype(dtype), words(PieceSequence::MaxElements) {}
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
  /// Waits until the buffer is full.
  void finish() {
    if (running)
      pthread_join(thread, nullptr);
    running = false;
  }

  const void *data() const { return words.data(); }
  size_t bytes() const {
    return piece.count * static_cast<size_t>(dtypeBytes(dtype));
  }

private:
  /// Not worth a thread.
  static constexpr size_t SmallPiece = size_t(1) << 14;

  static void *run(void *self) {
    auto *buffer = static_cast<PieceBuffer *>(self);
    fillAs(buffer->dtype, buffer->words.data(), buffer->piece.count,
           buffer->piece.state, buffer->piece.distribution);
    return nullptr;
  }

  DType dtype;
  std::vector<uint32_t> words;
  Piece piece = {};
  pthread_t thread = {};
  bool running = false;
};

/// Appends all pieces. False with `error` set when the writer fails.
bool writePieces(moe_safetensors_writer *writer, PieceSequence pieces,
                 DType dtype, int64_t bytesTotal,
                 const ProgressCallback &progress, moe_error &error) {
  PieceBuffer first(dtype), second(dtype);
  PieceBuffer *current = &first, *following = &second;
  int64_t bytesWritten = 0;
  std::optional<Piece> piece = pieces.next();
  if (piece)
    current->start(*piece);
  while (piece) {
    current->finish();
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
    std::optional<int64_t> elements = checkedProduct(tensor.shape);
    std::optional<int64_t> bytes =
        elements ? checkedMul(*elements, dtypeBytes(dtype)) : std::nullopt;
    total = total && bytes ? checkedAdd(*total, *bytes) : std::nullopt;
  }
  return total;
}

ImportResult<Writer> openWriter(const std::string &path,
                                const std::vector<RandomTensor> &tensors,
                                DType dtype) {
  std::vector<const char *> names;
  std::vector<moe_tensor> shapes;
  for (const RandomTensor &tensor : tensors) {
    moe_tensor shape = {};
    shape.dtype = abiDType(dtype);
    shape.rank = static_cast<int32_t>(tensor.shape.size());
    std::copy(tensor.shape.begin(), tensor.shape.end(), shape.shape);
    names.push_back(tensor.name.c_str());
    shapes.push_back(shape);
  }
  moe_error error = {};
  moe_safetensors_writer *writer = nullptr;
  if (moe_safetensors_writer_open(path.c_str(), names.data(), shapes.data(),
                                  names.size(), &writer, &error) != MOE_OK)
    return ImportError{error.message};
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
  ImportResult<std::vector<RandomTensor>> tensors = tensorsOf(*map);
  if (!tensors)
    return tensors.error();
  std::optional<int64_t> bytes = totalBytes(*tensors, config.dtype);
  if (!bytes)
    return ImportError{"the checkpoint would have more than 2^63 bytes, "
                       "expected fewer; reduce the sizes in the configuration "
                       "[moe-random-too-large]"};
  ImportResult<Writer> writer = openWriter(path, *tensors, config.dtype);
  if (!writer)
    return writer.error();

  moe_error error = {};
  if (!writePieces(writer->get(), PieceSequence(*tensors, seed), config.dtype,
                   *bytes, progress, error))
    return ImportError{error.message};
  if (moe_safetensors_writer_close(writer->release(), &error) != MOE_OK)
    return ImportError{error.message};
  return *bytes;
}
