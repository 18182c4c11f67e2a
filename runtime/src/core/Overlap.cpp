//===- Overlap.cpp - Arguments that share memory --------------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled code assumes that what it writes is nobody else's memory: it reads
// an input after it has begun an output, and other threads do so at the same
// time. Inputs that are only read may share memory with each other.
//
//===----------------------------------------------------------------------===//

#include "core/Overlap.h"
#include "core/Arithmetic.h"
#include "core/Boundary.h"
#include "core/Module.h"
#include "moe_rt/safetensors.h"

#include <algorithm>

using namespace moe::rt;

static bool isUpdated(const moe_function &function, int64_t input) {
  return std::any_of(function.outputs, function.outputs + function.num_outputs,
                     [input](const moe_argument &output) {
                       return output.tied_input == input;
                     });
}

/// Appends the memory of `tensor`, if it has any.
static void append(const char *kind, const moe_argument &argument,
                   const moe_tensor &tensor, bool isWritten,
                   std::vector<ArgumentMemory> &memory) {
  int64_t elements, bytes;
  if (elementsOverflow(tensor.shape, tensor.rank, elements) ||
      bytesOverflow(elements, moe_dtype_size(tensor.dtype), bytes) ||
      bytes == 0)
    return; // ArgumentCheck has refused sizes that overflow.
  ArgumentMemory range;
  range.begin = reinterpret_cast<uintptr_t>(tensor.data);
  // No memory goes past the end of the address space; such a tensor is refused
  // as soon as anything lies behind its start.
  if (addOverflow(range.begin, static_cast<uintptr_t>(bytes), range.end))
    range.end = UINTPTR_MAX;
  range.kind = kind;
  range.name = argument.name;
  range.isWritten = isWritten;
  memory.push_back(range);
}

static void collect(const moe_function &function, const moe_tensor *in,
                    const moe_tensor *out,
                    std::vector<ArgumentMemory> &memory) {
  memory.clear();
  for (int64_t i = 0; i < function.num_inputs; ++i)
    append("input", function.inputs[i], in[i], isUpdated(function, i), memory);
  for (int64_t i = 0; i < function.num_outputs; ++i)
    if (isPassed(function.outputs[i]))
      append("output", function.outputs[i], *out++, /*isWritten=*/true, memory);
}

static int32_t refuse(const ArgumentMemory &first, const ArgumentMemory &second,
                      moe_error *error) {
  const ArgumentMemory &written = first.isWritten ? first : second;
  const ArgumentMemory &other = first.isWritten ? second : first;
  uintptr_t shared = std::min(first.end, second.end) - second.begin;
  return moe_error_set(error, MOE_INVALID_ARGUMENT,
                       "%s '%s', which the call writes, shares %zu bytes with "
                       "%s '%s', expected none; pass memory of its own "
                       "[moe-arg-overlap]",
                       written.kind, Shown(written.name).text, size_t(shared),
                       other.kind, Shown(other.name).text);
}

int32_t moe::rt::checkOverlap(const moe_function &function,
                              const moe_tensor *in, const moe_tensor *out,
                              std::vector<ArgumentMemory> &memory,
                              moe_error *error) {
  collect(function, in, out, memory);
  std::sort(memory.begin(), memory.end(),
            [](const ArgumentMemory &a, const ArgumentMemory &b) {
              return a.begin < b.begin;
            });
  // Those before `range` begin no later, so one of them overlaps it if and only
  // if the one that reaches furthest does.
  const ArgumentMemory *furthest = nullptr, *furthestWritten = nullptr;
  for (const ArgumentMemory &range : memory) {
    const ArgumentMemory *before = range.isWritten ? furthest : furthestWritten;
    if (before && before->end > range.begin)
      return refuse(*before, range, error);
    if (!furthest || range.end > furthest->end)
      furthest = &range;
    if (range.isWritten &&
        (!furthestWritten || range.end > furthestWritten->end))
      furthestWritten = &range;
  }
  return MOE_OK;
}
