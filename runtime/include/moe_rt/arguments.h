//===- arguments.h - Tensors for the calls of an entry -*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes the tensors that an entry takes and returns, from the values of its
// symbols, and finds them by name. Calls need none of this: they take any
// tensors that fit. A language model is run like this, one sequence at a time:
//
//   create with {"batch", 1}, {"seq", length of the prompt}, {"context", room}
//   fill "input_ids", call, read "logits"
//   resize with {"seq", 1}, {"past", length of the prompt}
//   fill "input_ids", call, read "logits", resize with {"past", one more} ...
//
// The caches are inputs that outputs are tied to. They start as zeros and keep
// what calls leave there, as long as "batch" and "context" stay.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RT_ARGUMENTS_H
#define MOE_RT_ARGUMENTS_H

#include "moe_rt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The value of a symbol of an entry, such as {"batch", 4}; not negative. What
/// it counts (sequences, positions, rows) is the entry's to say.
typedef struct moe_size {
  const char *symbol;
  int64_t value;
} moe_size;

/// The tensors of one call of `function`, in its order, outputs that are tied
/// to an input left out. `data` is aligned to 64 bytes and belongs to this
/// object, unless the caller lets it point to memory of its own (which must
/// hold a tensor of that shape, and stays the caller's).
typedef struct moe_arguments {
  const moe_function *function;
  moe_tensor *in, *out;
  size_t n_in, n_out;
} moe_arguments;

/// Makes tensors full of zeros for `function`, whose module must outlive them.
/// `sizes` gives the value of every symbol that a shape depends on; of one that
/// is given twice, the last value counts. An input that is the value of a
/// symbol has the value that is given, or 0. On failure *out is null and the
/// status is
///   MOE_INVALID_ARGUMENT  an argument is null, a symbol is not the entry's, a
///                         value is negative, missing or too large;
///   MOE_OUT_OF_MEMORY     there is no memory for the tensors.
int32_t moe_arguments_create(const moe_function *function,
                             const moe_size *sizes, size_t num_sizes,
                             moe_arguments **out, moe_error *error);

/// Gives symbols new values; the others keep theirs. A tensor whose shape stays
/// keeps its `data` and what is in it, any other has zeros in memory of this
/// object. Inputs that are the value of a symbol that is given have its value.
/// On failure (as of moe_arguments_create) nothing has changed.
int32_t moe_arguments_resize(moe_arguments *arguments, const moe_size *sizes,
                             size_t num_sizes, moe_error *error);

/// Frees the object and the memory that belongs to it. Null is ignored.
void moe_arguments_destroy(moe_arguments *arguments);

/// The input of that name, or null. Valid until the arguments are destroyed.
moe_tensor *moe_arguments_input(const moe_arguments *arguments,
                                const char *name);

/// The output of that name, which is the input that it is tied to if there is
/// one, or null. Valid until the arguments are destroyed.
moe_tensor *moe_arguments_output(const moe_arguments *arguments,
                                 const char *name);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RT_ARGUMENTS_H
