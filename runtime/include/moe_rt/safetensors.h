//===- safetensors.h - Read and write .safetensors -*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One parser of hostile files for the whole project: the importer reads headers
// through this interface, the runtime reads data. Files are memory-mapped
// read-only and never copied; everything a file says is checked before use.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_SAFETENSORS_H
#define MOE_RT_SAFETENSORS_H

#include "moe_rt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/// One tensor of a checkpoint. Valid as long as the checkpoint is open.
typedef struct moe_file_tensor {
  const char *name;
  int32_t dtype; ///< moe_dtype; 0 for a dtype that is not supported
  int32_t rank;
  int64_t shape[MOE_MAX_RANK];
  uint64_t bytes;
  /// The elements, aligned to their size (a misaligned tensor is copied once,
  /// and `moe_checkpoint_num_copied` counts it). Null before the data are
  /// mapped and for a tensor without elements.
  const void *data;
  const char *dtype_name; ///< as written in the file, e.g. "BF16"
  const char *file;       ///< path of the file it is in, for messages
} moe_file_tensor;

typedef struct moe_checkpoint moe_checkpoint;

/// Opens a checkpoint. `path` is a .safetensors file, or a directory that holds
/// model.safetensors or model.safetensors.index.json with its shards. With
/// `headers_only`, no data are mapped. On failure *out is null and `error`
/// says why. Symbolic links that the user made are followed; a name inside an
/// index must be one path component.
int32_t moe_checkpoint_open(const char *path, int headers_only,
                            moe_checkpoint **out, moe_error *error);
void moe_checkpoint_close(moe_checkpoint *checkpoint);

size_t moe_checkpoint_size(const moe_checkpoint *checkpoint);
/// The i-th tensor, in order of name; null when i is out of range.
const moe_file_tensor *moe_checkpoint_at(const moe_checkpoint *checkpoint,
                                         size_t i);
/// The tensor of that name, or null.
const moe_file_tensor *moe_checkpoint_find(const moe_checkpoint *checkpoint,
                                           const char *name);
/// How many tensors were read through a copy because they are misaligned.
size_t moe_checkpoint_num_copied(const moe_checkpoint *checkpoint);

/// Made-up values for a tensor of a checkpoint, the same on every machine:
/// fills `out` with elements [first, first + count) in row-major order. A value
/// depends on `seed`, the name and the index of the element, and is
/// approximately normal (within 3.5 deviations), rounded to the dtype of
/// `tensor`, a floating type:
///   names that end in "bias"         mean 0, deviation 0.02
///   other tensors of rank 0 and 1    mean 1, deviation 0.05 (norm weights)
///   the rest                         mean 0, deviation 1/sqrt(last extent)
/// `tensor->data` is not used. Fails with MOE_UNSUPPORTED for other dtypes.
int32_t moe_checkpoint_random_values(const char *name, const moe_tensor *tensor,
                                     uint64_t seed, int64_t first,
                                     int64_t count, void *out,
                                     moe_error *error);

/// Writes tensors in the given order, as moe_rt/file.h writes: on failure (disk
/// full, no permission) no partial output is left. `tensors[i].shape` is dense
/// row-major.
int32_t moe_safetensors_write(const char *path, const char *const *names,
                              const moe_tensor *tensors, size_t count,
                              moe_error *error);

/// A writer for checkpoints too large to hold in memory: declare all tensors,
/// then append their data in the same order, in pieces of any size.
typedef struct moe_safetensors_writer moe_safetensors_writer;
int32_t moe_safetensors_writer_open(const char *path, const char *const *names,
                                    const moe_tensor *shapes, size_t count,
                                    moe_safetensors_writer **out,
                                    moe_error *error);
int32_t moe_safetensors_writer_append(moe_safetensors_writer *writer,
                                      const void *data, size_t bytes,
                                      moe_error *error);
/// Renames into place if all data were appended; otherwise removes the
/// temporary file and fails. Frees the writer in any case.
int32_t moe_safetensors_writer_close(moe_safetensors_writer *writer,
                                     moe_error *error);
/// Removes the temporary file and frees the writer.
void moe_safetensors_writer_abandon(moe_safetensors_writer *writer);

/// Bytes of one element; 0 for a value that is not a moe_dtype.
size_t moe_dtype_size(int32_t dtype);
/// "f32", "bf16", ...; "unknown" for a value that is not a moe_dtype.
const char *moe_dtype_name(int32_t dtype);
/// As a .safetensors file says it: "F32", "BF16", ...; "unknown" likewise.
const char *moe_dtype_file_name(int32_t dtype);
/// A moe_dtype_class; MOE_CLASS_NONE for a value that is not a moe_dtype.
int32_t moe_dtype_class_of(int32_t dtype);
/// Element `index` in row-major order of a tensor of integers or booleans; 0
/// for another dtype.
int64_t moe_tensor_integer(const moe_tensor *tensor, int64_t index);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_SAFETENSORS_H
