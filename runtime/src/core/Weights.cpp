//===- Weights.cpp - Binding weights to a checkpoint or to random values --===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Weights.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "core/DType.h"
#include "core/RandomValues.h"
#include "core/StoredCodes.h"
#include "io/Checkpoint.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace moe::rt;

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

bool moe::rt::windowOverflow(const moe_weight &weight, Window &window) {
  window = Window();
  if (elementsOverflow(weight.shape, weight.rank, window.elements))
    return true;
  if (window.elements == 0)
    return false;
  for (int32_t i = 0; i < weight.rank; ++i) {
    int64_t reach;
    if (mulOverflow(weight.shape[i] - 1, weight.strides[i], reach))
      return true;
    int64_t &bound = reach < 0 ? window.lowest : window.highest;
    if (addOverflow(bound, reach, bound))
      return true;
  }
  return false;
}

/// Whether base + window is inside [0, elements). An empty window only needs a
/// base that is not past the end.
static bool isInside(int64_t base, const Window &window, int64_t elements) {
  if (window.elements == 0)
    return base >= 0 && base <= elements;
  int64_t first, last;
  return !addOverflow(base, window.lowest, first) &&
         !addOverflow(base, window.highest, last) && first >= 0 &&
         last < elements;
}

//===----------------------------------------------------------------------===//
// Checkpoints
//===----------------------------------------------------------------------===//

static std::string shapeText(const int64_t *shape, int32_t rank) {
  std::string text;
  for (int32_t i = 0; i < rank; ++i)
    text += (i ? "x" : "") + std::to_string(shape[i]);
  return rank == 0 ? "scalar" : text;
}

/// The source's name with every "{e}" replaced by the expert's number.
static std::string tensorName(const moe_weight_source &source, int64_t expert) {
  std::string name = source.tensor;
  if (!source.per_expert)
    return name;
  std::string number = std::to_string(expert);
  for (size_t at = name.find("{e}"); at != std::string::npos;
       at = name.find("{e}", at + number.size()))
    name.replace(at, std::strlen("{e}"), number);
  return name;
}

static int32_t checkFileTensor(const moe_weight &weight,
                               const moe_weight_source &source,
                               const moe_file_tensor &tensor,
                               moe_error *error) {
  if (tensor.dtype != weight.dtype)
    return moe_error_set(
        error, MOE_INVALID_DATA,
        "tensor '%s' in '%s' has dtype %s, but weight '%s' was compiled for "
        "%s; compile for this checkpoint or convert it [moe-bind-dtype]",
        Shown(tensor.name).text, ShownPath(tensor.file).text, tensor.dtype_name,
        Shown(weight.name).text, moe_dtype_name(weight.dtype));
  if (tensor.rank != source.rank ||
      !std::equal(source.shape, source.shape + source.rank, tensor.shape))
    return moe_error_set(
        error, MOE_INVALID_DATA,
        "tensor '%s' in '%s' has shape %s, but weight '%s' was compiled for "
        "%s; compile for this checkpoint [moe-bind-shape]",
        Shown(tensor.name).text, ShownPath(tensor.file).text,
        shapeText(tensor.shape, tensor.rank).c_str(), Shown(weight.name).text,
        shapeText(source.shape, source.rank).c_str());
  if (!tensor.data && tensor.bytes != 0)
    return moe_error_set(
        error, MOE_INVALID_ARGUMENT,
        "tensor '%s' in '%s' has no data because the checkpoint was opened "
        "with headers_only; open it without [moe-bind-headers-only]",
        Shown(tensor.name).text, ShownPath(tensor.file).text);
  return MOE_OK;
}

/// First element of the slice of `expert`, checked to be inside the file tensor
/// `name`, which has the shape that the source says.
static int32_t locateSlice(const moe_weight &weight,
                           const moe_weight_source &source, int64_t expert,
                           const std::string &name, int64_t &base,
                           moe_error *error) {
  Window window;
  int64_t steps = source.per_expert || weight.num_sources > 1 ? 0 : expert;
  int64_t distance, elements;
  if (windowOverflow(weight, window) ||
      elementsOverflow(source.shape, source.rank, elements) ||
      mulOverflow(steps, source.expert_stride, distance) ||
      addOverflow(source.offset, distance, base) ||
      !isInside(base, window, elements))
    return moe_error_set(
        error, MOE_INVALID_DATA,
        "slice %lld of weight '%s' is not inside tensor '%s' of shape %s; the "
        "module's table is damaged, compile it again [moe-bind-window]",
        static_cast<long long>(expert), Shown(weight.name).text,
        Shown(name.c_str()).text, shapeText(source.shape, source.rank).c_str());
  return MOE_OK;
}

/// Where the slice of `expert` is read from.
static const moe_weight_source &sourceOf(const moe_weight &weight,
                                         int64_t expert) {
  return weight.sources[weight.num_sources == 1 ? 0 : expert];
}

static int32_t bindSlice(const moe_weight &weight, int64_t expert,
                         const moe_checkpoint &checkpoint, void *&slot,
                         moe_error *error) {
  const moe_weight_source &source = sourceOf(weight, expert);
  std::string name = tensorName(source, expert);
  const moe_file_tensor *tensor =
      moe_checkpoint_find(&checkpoint, name.c_str());
  if (!tensor)
    return moe_error_set(
        error, MOE_NOT_FOUND,
        "the checkpoint has no tensor '%s', which weight '%s' is read from; "
        "pass the checkpoint of the compiled model [moe-bind-missing-tensor]",
        Shown(name.c_str()).text, Shown(weight.name).text);
  if (int32_t status = checkFileTensor(weight, source, *tensor, error))
    return status;
  int64_t base;
  if (int32_t status = locateSlice(weight, source, expert, name, base, error))
    return status;
  // In range: `base` is inside the tensor, whose bytes fit into its file.
  size_t offset = static_cast<size_t>(base) * moe_dtype_size(weight.dtype);
  // The ABI has no pointer to const; compiled code does not write weights.
  char *data = static_cast<char *>(const_cast<void *>(tensor->data));
  slot = data ? data + offset : nullptr;
  return MOE_OK;
}

int32_t BoundWeights::allocateTable(const Binding &binding, int64_t count,
                                    const char *name, Block &block) {
  int64_t bytes;
  if (bytesOverflow(count, sizeof(void *), bytes) ||
      !block.allocate(binding.allocator, static_cast<uint64_t>(bytes)))
    return moe_error_set(binding.error, MOE_OUT_OF_MEMORY,
                         "no memory for the %lld pointers of '%s'; free "
                         "memory or use a smaller model [moe-bind-table]",
                         static_cast<long long>(count), Shown(name).text);
  return MOE_OK;
}

int32_t BoundWeights::bindWeight(const Binding &binding,
                                 const moe_weight &weight,
                                 const moe_checkpoint &checkpoint,
                                 void *&slot) {
  if (weight.experts == 0)
    return bindSlice(weight, 0, checkpoint, slot, binding.error);
  Block table;
  if (int32_t status =
          allocateTable(binding, weight.experts, weight.name, table))
    return status;
  void **slices = static_cast<void **>(table.data());
  for (int64_t expert = 0; expert < weight.experts; ++expert)
    if (weight.encoding.is_encoded)
      slices[expert] = nullptr; // until its parts are put together
    else if (int32_t status = bindSlice(weight, expert, checkpoint,
                                        slices[expert], binding.error))
      return status;
  slot = slices;
  blocks.push_back(std::move(table));
  return MOE_OK;
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// Packed bytes between two times at which memory of the source is given back:
/// little beside any model, much beside what starting the threads costs.
static constexpr int64_t bytesPerRound = 64 << 20;

/// Gives back the memory of a checkpoint that slices of a weight were read
/// from.
static void releaseSlices(const moe_weight &weight, void *const *sources,
                          int64_t first, int64_t last,
                          const moe_checkpoint &checkpoint) {
  Window window;
  (void)windowOverflow(weight, window); // false: the slices are bound
  auto size = static_cast<int64_t>(moe_dtype_size(weight.dtype));
  for (int64_t e = first; e < last; ++e)
    releaseTensorData(
        checkpoint, static_cast<char *>(sources[e]) + window.lowest * size,
        static_cast<size_t>((window.highest - window.lowest + 1) * size));
}

/// Bytes of the dense floats that stand for the codes of a weight.
[[nodiscard]] static bool denseOverflow(const moe_weight &weight,
                                        int64_t &elements, int64_t &sliceBytes,
                                        int64_t &bytes) {
  return elementsOverflow(weight.shape, weight.rank, elements) ||
         bytesOverflow(elements, sizeof(float), sliceBytes) ||
         mulOverflow(sliceBytes, weight.experts, bytes);
}

/// Bytes that converting a weight writes, for progress: 0 if they cannot be
/// counted, which converting refuses.
static uint64_t countConverted(const moe_weight &weight) {
  PackedShape shape;
  int64_t elements, sliceBytes, bytes;
  if (weight.packing.panel != 0)
    return shape.overflows(weight)
               ? 0
               : static_cast<uint64_t>(shape.bytes / weight.packing.ways);
  if (weight.quantization.bits == 0 ||
      denseOverflow(weight, elements, sliceBytes, bytes))
    return 0;
  return static_cast<uint64_t>(bytes);
}

static uint64_t countConverted(const moe_module &module) {
  uint64_t total = 0;
  for (int64_t i = 0; i < module.num_weights; ++i)
    total += countConverted(module.weights[i]);
  return total;
}

template <typename Copy>
void BoundWeights::copyInRounds(const Binding &binding, const Packing &packing,
                                int64_t index, int64_t sliceBytes,
                                const Copy &copy) {
  const moe_weight &weight = binding.module.weights[index];
  const moe_encoding &encoding = weight.encoding;
  std::vector<int64_t> read = {index};
  if (encoding.is_encoded)
    read = {encoding.codes, encoding.scales};
  int64_t count = std::max<int64_t>(1, bytesPerRound / sliceBytes);
  int64_t ways = std::max(weight.packing.ways, 1);
  for (int64_t first = 0, last; first < weight.experts; first = last) {
    last = std::min(weight.experts, first + count);
    copy(first, last);
    packing.progress.advance(
        static_cast<uint64_t>((last - first) * sliceBytes / ways));
    if (packing.checkpoint)
      for (int64_t part : read)
        releaseSlices(binding.module.weights[part], slicesOf(part), first, last,
                      *packing.checkpoint);
  }
}

int32_t BoundWeights::openCodes(const Binding &binding, int64_t index,
                                std::unique_ptr<CodeSource> &codes) {
  const moe_weight &weight = binding.module.weights[index];
  if (!weight.encoding.is_encoded) {
    codes = std::make_unique<MadeCodes>(weight, slicesOf(index));
    return MOE_OK;
  }
  auto stored = std::make_unique<StoredCodes>(
      binding.module, index, static_cast<void *const *>(root.data()));
  int32_t status = stored->check(binding.error);
  codes = std::move(stored);
  return status;
}

int32_t BoundWeights::copyPacked(const Binding &binding, const Packing &packing,
                                 int64_t index, const PackedShape &shape,
                                 char *storage) {
  const moe_weight &weight = binding.module.weights[index];
  if (packing.cache) {
    if (!ownsPackedMemory(weight))
      return MOE_OK; // it came with that of the owner
    return packing.cache->read(packed.back(), binding.pool, packing.progress,
                               binding.error);
  }
  std::unique_ptr<CodeSource> codes;
  if (weight.quantization.bits)
    if (int32_t status = openCodes(binding, index, codes))
      return status;
  void **slices = slicesOf(index);
  copyInRounds(
      binding, packing, index, shape.sliceBytes,
      [&](int64_t first, int64_t last) {
        if (codes)
          packCodes(weight, shape, first, last, *codes, storage, binding.pool);
        else
          packSlices(weight, shape, first, last, slices, storage, binding.pool);
      });
  return MOE_OK;
}

int32_t BoundWeights::pack(const Binding &binding, const Packing &packing,
                           int64_t index) {
  const moe_weight &weight = binding.module.weights[index];
  PackedShape shape;
  Block memory;
  bool isOwner = ownsPackedMemory(weight);
  if (shape.overflows(weight) ||
      (isOwner &&
       !memory.allocate(binding.allocator, static_cast<uint64_t>(shape.bytes))))
    return moe_error_set(binding.error, MOE_OUT_OF_MEMORY,
                         "no memory for weight '%s' (%lld slices of shape %s, "
                         "%s) in packed form; free memory or use a smaller "
                         "model [moe-bind-packed-memory]",
                         Shown(weight.name).text,
                         static_cast<long long>(weight.experts),
                         shapeText(weight.shape, weight.rank).c_str(),
                         moe_dtype_name(weight.dtype));
  char *storage = static_cast<char *>(memory.data());
  if (isOwner) {
    blocks.push_back(std::move(memory));
    packed.push_back({index, storage, static_cast<uint64_t>(shape.bytes)});
  } else {
    // The owner came earlier, and its first slice starts its memory.
    storage = static_cast<char *>(slicesOf(weight.packing.owner)[0]);
  }
  if (int32_t status = copyPacked(binding, packing, index, shape, storage))
    return status;
  void **slices = slicesOf(index);
  for (int64_t e = 0; e < weight.experts; ++e)
    slices[e] = storage + e * shape.sliceBytes + getOffsetOfWay(weight);
  return MOE_OK;
}

int32_t BoundWeights::dequantize(const Binding &binding, const Packing &packing,
                                 int64_t index) {
  const moe_weight &weight = binding.module.weights[index];
  std::unique_ptr<CodeSource> codes;
  if (int32_t status = openCodes(binding, index, codes))
    return status;
  int64_t elements, sliceBytes, bytes;
  Block memory;
  if (denseOverflow(weight, elements, sliceBytes, bytes) ||
      !memory.allocate(binding.allocator, static_cast<uint64_t>(bytes)))
    return moe_error_set(
        binding.error, MOE_OUT_OF_MEMORY,
        "no memory for what the codes of weight '%s' stand for "
        "(%lld slices of shape %s, f32); free memory or use a "
        "smaller model [moe-bind-dequantized-memory]",
        Shown(weight.name).text, static_cast<long long>(weight.experts),
        shapeText(weight.shape, weight.rank).c_str());
  auto *values = static_cast<float *>(memory.data());
  copyInRounds(binding, packing, index, sliceBytes,
               [&](int64_t first, int64_t last) {
                 dequantizeSlices(weight, first, last, *codes,
                                  values + first * elements, binding.pool);
               });
  void **slices = slicesOf(index);
  for (int64_t e = 0; e < weight.experts; ++e)
    slices[e] = values + e * elements;
  blocks.push_back(std::move(memory));
  return MOE_OK;
}

int32_t BoundWeights::convert(const Binding &binding, const Packing &packing,
                              int64_t index) {
  const moe_weight &weight = binding.module.weights[index];
  if (weight.packing.panel != 0)
    return pack(binding, packing, index);
  if (weight.quantization.bits != 0)
    return dequantize(binding, packing, index);
  return MOE_OK;
}

int32_t BoundWeights::bindAll(const Binding &binding,
                              const moe_checkpoint &checkpoint,
                              const PackedCache *cache) {
  const moe_module &module = binding.module;
  if (int32_t status =
          allocateTable(binding, module.num_weights, "weights", root))
    return status;
  void **slots = static_cast<void **>(root.data());
  Progress progress(binding.progress,
                    cache ? "reading packed weights" : "packing weights",
                    countConverted(module));
  Packing packing = {&checkpoint, cache, progress};
  for (int64_t i = 0; i < module.num_weights; ++i) {
    if (int32_t status =
            bindWeight(binding, module.weights[i], checkpoint, slots[i]))
      return status;
    if (int32_t status = convert(binding, packing, i))
      return status;
  }
  bound = true;
  return MOE_OK;
}

int32_t BoundWeights::bindCheckpoint(const Binding &binding,
                                     const moe_checkpoint &checkpoint,
                                     const std::string &cachePath) {
  if (cachePath.empty())
    return bindAll(binding, checkpoint, /*cache=*/nullptr);
  PackedCache cache(cachePath.c_str(), binding.module, checkpoint);
  if (int32_t status = cache.open(binding.error))
    return status;
  if (cache.isFilled())
    return bindAll(binding, checkpoint, &cache);
  if (int32_t status = bindAll(binding, checkpoint, /*cache=*/nullptr))
    return status;
  return cache.write(packed, binding.pool, binding.progress, binding.error);
}

//===----------------------------------------------------------------------===//
// Random values
//===----------------------------------------------------------------------===//

namespace {
/// How much memory a weight's slices take, each with the elements that lie
/// between its own in the file tensor.
struct RandomLayout {
  Window window;    ///< of one slice
  int64_t span = 0; ///< elements of the file tensor that a slice covers
  int64_t sliceBytes = 0, bytes = 0;

  [[nodiscard]] bool overflows(const moe_weight &weight, int64_t slices) {
    if (windowOverflow(weight, window) ||
        __builtin_sub_overflow(window.highest, window.lowest, &span) ||
        addOverflow<int64_t>(span, 1, span))
      return true;
    if (window.elements == 0)
      span = 0;
    return bytesOverflow(span, moe_dtype_size(weight.dtype), sliceBytes) ||
           mulOverflow(sliceBytes, slices, bytes);
  }
};
} // namespace

/// Fills `out` with the values that the slice of `expert` has in a checkpoint
/// made up from `seed`.
static int32_t fillSlice(const moe_weight &weight, int64_t expert,
                         const RandomLayout &layout, uint64_t seed, void *out,
                         moe_error *error) {
  // An encoded weight is not reached: its codes are integers, and come first.
  const moe_weight_source &source = sourceOf(weight, expert);
  std::string name = tensorName(source, expert);
  int64_t base;
  if (int32_t status = locateSlice(weight, source, expert, name, base, error))
    return status;
  moe_tensor tensor = {};
  tensor.dtype = weight.dtype;
  tensor.rank = source.rank;
  std::copy(source.shape, source.shape + source.rank, tensor.shape);
  return fillRandom(name.c_str(), tensor, seed, base + layout.window.lowest,
                    layout.span, out, error);
}

int32_t BoundWeights::fillWeight(const Binding &binding,
                                 const moe_weight &weight, uint64_t seed,
                                 void *&slot, Block &values) {
  int64_t slices = std::max<int64_t>(weight.experts, 1);
  RandomLayout layout;
  Block table;
  if (layout.overflows(weight, slices) ||
      !values.allocate(binding.allocator, static_cast<uint64_t>(layout.bytes)))
    return moe_error_set(binding.error, MOE_OUT_OF_MEMORY,
                         "no memory for the random values of weight '%s' (%lld "
                         "slices of shape %s, %s); free memory or use a "
                         "smaller model [moe-bind-random-memory]",
                         Shown(weight.name).text,
                         static_cast<long long>(slices),
                         shapeText(weight.shape, weight.rank).c_str(),
                         moe_dtype_name(weight.dtype));
  if (int32_t status = allocateTable(binding, slices, weight.name, table))
    return status;
  void **bases = static_cast<void **>(table.data());
  int64_t size = static_cast<int64_t>(moe_dtype_size(weight.dtype));
  char *out = static_cast<char *>(values.data());
  for (int64_t slice = 0; slice < slices; ++slice, out += layout.sliceBytes) {
    if (int32_t status =
            fillSlice(weight, slice, layout, seed, out, binding.error))
      return status;
    bases[slice] = out - layout.window.lowest * size;
  }
  slot = weight.experts == 0 ? bases[0] : bases;
  blocks.push_back(std::move(table));
  return MOE_OK;
}

int32_t BoundWeights::bindRandom(const Binding &binding, uint64_t seed) {
  const moe_module &module = binding.module;
  if (int32_t status =
          allocateTable(binding, module.num_weights, "weights", root))
    return status;
  void **slots = static_cast<void **>(root.data());
  Progress progress(binding.progress, "packing weights",
                    countConverted(module));
  Packing packing = {/*checkpoint=*/nullptr, /*cache=*/nullptr, progress};
  for (int64_t i = 0; i < module.num_weights; ++i) {
    Block values;
    if (int32_t status =
            fillWeight(binding, module.weights[i], seed, slots[i], values))
      return status;
    if (int32_t status = convert(binding, packing, i))
      return status;
    // Packed values are a copy, and so are those of codes.
    if (module.weights[i].packing.panel == 0 &&
        module.weights[i].quantization.bits == 0)
      blocks.push_back(std::move(values));
  }
  bound = true;
  return MOE_OK;
}
