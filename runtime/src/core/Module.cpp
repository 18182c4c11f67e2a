//===- Module.cpp - Checks of what a compiled module says of itself -------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "core/Module.h"
#include "core/Boundary.h"
#include "core/DType.h"
#include "core/StoredCodes.h"
#include "moe_rt/context.h"

#include <algorithm>
#include <cstring>

using namespace moe::rt;

static int32_t malformed(moe_error *error, const char *where, const char *name,
                         const char *what) {
  return moe_error_set(error, MOE_INVALID_DATA,
                       "the tables of the module are damaged: %s '%s' %s; "
                       "compile the module again [moe-module-malformed]",
                       where, Shown(name).text, what);
}

static bool isTable(const void *table, int64_t count) {
  return count == 0 || (count > 0 && table);
}

static bool isIndexOrNone(int64_t index, int64_t count) {
  return index >= -1 && index < count;
}

static bool isShape(int32_t rank) { return rank >= 0 && rank <= MOE_MAX_RANK; }

static int32_t checkArgument(const moe_argument &argument,
                             const moe_function &function, moe_error *error) {
  const char *where = "argument";
  if (!argument.name)
    return malformed(error, where, nullptr, "has no name");
  if (moe_dtype_size(argument.dtype) == 0)
    return malformed(error, where, argument.name, "has no known dtype");
  if (!isShape(argument.rank))
    return malformed(error, where, argument.name, "has a rank out of range");
  if (!isIndexOrNone(argument.value_symbol, function.num_symbols))
    return malformed(error, where, argument.name, "names no symbol");
  if (argument.value_symbol >= 0 &&
      (argument.rank != 0 || !isInteger(argument.dtype)))
    return malformed(error, where, argument.name,
                     "gives a symbol its value but is no integer scalar");
  if (argument.has_range && !isInteger(argument.dtype))
    return malformed(error, where, argument.name,
                     "has a range of integers but another dtype");
  if (!isIndexOrNone(argument.tied_input, function.num_inputs))
    return malformed(error, where, argument.name, "is tied to no input");
  for (int32_t i = 0; i < argument.rank; ++i) {
    const moe_dim &dim = argument.shape[i];
    if (dim.extent < 0 ||
        !isIndexOrNone(dim.symbols[0], function.num_symbols) ||
        !isIndexOrNone(dim.symbols[1], function.num_symbols))
      return malformed(error, where, argument.name, "has a bad extent");
  }
  return MOE_OK;
}

/// True if an input gives `symbol` its value, or there is none to give.
static bool isGiven(int32_t symbol, const moe_function &function) {
  auto gives = [symbol](const moe_argument &input) {
    return input.value_symbol == symbol ||
           std::any_of(input.shape, input.shape + input.rank,
                       [symbol](const moe_dim &dim) {
                         return isLoneSymbol(dim) && dim.symbols[0] == symbol;
                       });
  };
  return symbol < 0 ||
         std::any_of(function.inputs, function.inputs + function.num_inputs,
                     gives);
}

static int32_t checkLimit(const moe_limit &limit, const moe_function &function,
                          moe_error *error) {
  constexpr int32_t maxTerms = sizeof(limit.terms) / sizeof(limit.terms[0]);
  bool isGood = limit.num_terms >= 0 && limit.num_terms <= maxTerms &&
                isIndexOrNone(limit.bound_symbol, function.num_symbols);
  for (int32_t i = 0; isGood && i < limit.num_terms; ++i)
    isGood = limit.terms[i] >= 0 && limit.terms[i] < function.num_symbols;
  const char *where = "a limit of function";
  if (!isGood)
    return malformed(error, where, function.name, "is out of range");
  if (!isGiven(limit.bound_symbol, function) ||
      !std::all_of(limit.terms, limit.terms + limit.num_terms,
                   [&](int32_t symbol) { return isGiven(symbol, function); }))
    return malformed(error, where, function.name,
                     "has a symbol that no input gives a value");
  return MOE_OK;
}

static int32_t checkFunction(const moe_function &function, moe_error *error) {
  const char *where = "function";
  if (!function.name || !function.entry)
    return malformed(error, where, function.name, "has no name or no code");
  if (!isTable(function.inputs, function.num_inputs) ||
      !isTable(function.outputs, function.num_outputs) ||
      !isTable(function.symbols, function.num_symbols) ||
      !isTable(function.limits, function.num_limits))
    return malformed(error, where, function.name, "lacks a table");
  for (int64_t i = 0; i < function.num_symbols; ++i)
    if (!function.symbols[i])
      return malformed(error, where, function.name, "has a nameless symbol");
  for (int64_t i = 0; i < function.num_inputs; ++i)
    if (int32_t status = checkArgument(function.inputs[i], function, error))
      return status;
  for (int64_t i = 0; i < function.num_outputs; ++i)
    if (int32_t status = checkArgument(function.outputs[i], function, error))
      return status;
  for (int64_t i = 0; i < function.num_limits; ++i)
    if (int32_t status = checkLimit(function.limits[i], function, error))
      return status;
  return MOE_OK;
}

static bool hasNegative(const int64_t *shape, int32_t rank) {
  return std::any_of(shape, shape + rank, [](int64_t d) { return d < 0; });
}

static int32_t checkWeight(const moe_weight &weight, moe_error *error) {
  const char *where = "weight";
  if (!weight.name)
    return malformed(error, where, nullptr, "has no name");
  if (moe_dtype_size(weight.dtype) == 0)
    return malformed(error, where, weight.name, "has no known dtype");
  if (!isShape(weight.rank) || hasNegative(weight.shape, weight.rank))
    return malformed(error, where, weight.name, "has a bad shape");
  bool isEncoded = weight.encoding.is_encoded != 0;
  if (weight.experts < 0 ||
      (isEncoded ? weight.num_sources != 0
                 : !weight.sources ||
                       (weight.num_sources != 1 &&
                        weight.num_sources != weight.experts) ||
                       weight.num_sources < 1))
    return malformed(error, where, weight.name, "has a bad number of sources");
  for (int64_t i = 0; i < weight.num_sources; ++i) {
    const moe_weight_source &source = weight.sources[i];
    if (!source.tensor || !isShape(source.rank) ||
        hasNegative(source.shape, source.rank))
      return malformed(error, where, weight.name, "has a bad source");
    bool isPattern = std::strstr(source.tensor, "{e}") != nullptr;
    if (source.per_expert &&
        (!isPattern || weight.num_sources != 1 || weight.experts == 0))
      return malformed(error, where, weight.name,
                       "has a source per expert without '{e}'");
  }
  return MOE_OK;
}

/// Whether the quantization of a weight can be what the ABI says.
static bool isQuantization(const moe_weight &weight) {
  const moe_quantization &format = weight.quantization;
  if (format.bits == 0)
    return format.scale_dtype == 0 && format.group == 0 &&
           format.zero_points == 0 && format.codes == 0;
  auto isFloat = [](int32_t dtype) {
    return dtype == MOE_F32 || dtype == MOE_BF16 || dtype == MOE_F16;
  };
  constexpr int64_t largestGroup = 65536;
  return (format.bits == 4 || format.bits == 8) && isFloat(weight.dtype) &&
         isFloat(format.scale_dtype) && weight.rank == 2 &&
         weight.experts >= 1 && weight.shape[0] >= 1 && weight.shape[1] >= 1 &&
         format.group >= 1 && format.group <= largestGroup &&
         (format.group == weight.shape[1] ||
          (format.group % 8 == 0 && format.group < weight.shape[1])) &&
         (format.zero_points == 0 || format.zero_points == 1) &&
         (format.codes == MOE_CODES_INTEGER ||
          (format.codes == MOE_CODES_E2M1 && format.bits == 4 &&
           format.zero_points == 0 && weight.encoding.is_encoded)) &&
         (weight.packing.panel == 0 ||
          weight.packing.depth == 32 / format.bits);
}

static bool isSame(const moe_quantization &a, const moe_quantization &b) {
  return a.bits == b.bits && a.scale_dtype == b.scale_dtype &&
         a.group == b.group && a.zero_points == b.zero_points &&
         a.codes == b.codes;
}

/// Whether the packing of weight `index` can be what the ABI says.
static bool isPacking(const moe_module &module, int64_t index) {
  const moe_weight &weight = module.weights[index];
  const moe_packing &packing = weight.packing;
  if (packing.panel == 0)
    return packing.depth == 0 && packing.ways == 0 && packing.way == 0 &&
           packing.owner == 0;
  if (packing.panel < 1 || packing.depth < 1 || weight.rank != 2 ||
      weight.shape[0] < 1 || weight.shape[1] < 1 || weight.experts < 1 ||
      packing.way < 0 || packing.way >= packing.ways)
    return false;
  if (packing.way == 0)
    return packing.owner == index;
  if (packing.owner < 0 || packing.owner >= index)
    return false;
  const moe_weight &owner = module.weights[packing.owner];
  return owner.packing.way == 0 && owner.packing.panel == packing.panel &&
         owner.packing.depth == packing.depth &&
         owner.packing.ways == packing.ways && owner.dtype == weight.dtype &&
         isSame(owner.quantization, weight.quantization) &&
         owner.experts == weight.experts && owner.rank == weight.rank &&
         std::equal(weight.shape, weight.shape + weight.rank, owner.shape);
}

static int32_t checkStamp(const moe_module &module, moe_error *error) {
  if (module.abi_version != MOE_ABI_VERSION)
    return moe_error_set(error, MOE_UNSUPPORTED,
                         "the module has ABI version %u, this runtime expects "
                         "%u; compile the module with the compiler of this "
                         "runtime's release [moe-module-abi]",
                         module.abi_version, unsigned(MOE_ABI_VERSION));
  if (module.struct_size != sizeof(moe_module))
    return moe_error_set(error, MOE_UNSUPPORTED,
                         "the module's table has %u bytes, this runtime "
                         "expects %zu; compile the module with the compiler of "
                         "this runtime's release [moe-module-size]",
                         module.struct_size, sizeof(moe_module));
  return MOE_OK;
}

int32_t moe::rt::checkModule(const moe_module &module, moe_error *error) {
  if (int32_t status = checkStamp(module, error))
    return status;
  if (!isTable(module.functions, module.num_functions) ||
      !isTable(module.weights, module.num_weights))
    return malformed(error, "module", "", "lacks a table");
  for (int64_t i = 0; i < module.num_functions; ++i)
    if (int32_t status = checkFunction(module.functions[i], error))
      return status;
  for (int64_t i = 0; i < module.num_weights; ++i)
    if (int32_t status = checkWeight(module.weights[i], error))
      return status;
  for (int64_t i = 0; i < module.num_weights; ++i)
    if (!isPacking(module, i))
      return malformed(error, "weight", module.weights[i].name,
                       "has a bad packing");
  for (int64_t i = 0; i < module.num_weights; ++i)
    if (!isQuantization(module.weights[i]))
      return malformed(error, "weight", module.weights[i].name,
                       "has a bad quantization");
  for (int64_t i = 0; i < module.num_weights; ++i)
    if (!isEncoding(module, i))
      return malformed(error, "weight", module.weights[i].name,
                       "has a bad encoding");
  return MOE_OK;
}

size_t moe::rt::countPassedOutputs(const moe_function &function) {
  return static_cast<size_t>(std::count_if(
      function.outputs, function.outputs + function.num_outputs, isPassed));
}

const moe_function *moe_module_find(const moe_module *module,
                                    const char *name) {
  if (!module || !name)
    return nullptr;
  const moe_function *end = module->functions + module->num_functions;
  const moe_function *found =
      std::find_if(module->functions, end, [name](const moe_function &f) {
        return std::strcmp(f.name, name) == 0;
      });
  return found == end ? nullptr : found;
}
