//===- Abi.h - What compiled modules and the runtime agree on ---*- C -*-===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only header that the compiler (lib/) and the runtime (runtime/) share.
// The compiler emits constant tables of these structs and calls to the
// functions declared here; the runtime reads the tables and defines the
// functions. C11, no dependency but the two standard headers below.
//
// Layout rules: every struct is plain data, fields are naturally aligned, all
// integers have a fixed width. A change of layout or meaning increments
// MOE_ABI_VERSION; the runtime refuses a module stamped with another version.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RUNTIME_ABI_H
#define MOE_RUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Version of everything in this header. Stamped into each compiled module.
#define MOE_ABI_VERSION 6

/// Largest rank of a tensor that crosses the ABI.
#define MOE_MAX_RANK 8

//===----------------------------------------------------------------------===//
// Status
//===----------------------------------------------------------------------===//

/// Every fallible call returns one of these; 0 is success. The message that
/// belongs to it is in the context (`moe_ctx_message`).
typedef enum moe_status {
  MOE_OK = 0,
  /// The caller passed something wrong: fix the call.
  MOE_INVALID_ARGUMENT = 1,
  /// A file says something impossible: fix or replace the file.
  MOE_INVALID_DATA = 2,
  /// A file, tensor or symbol is not there.
  MOE_NOT_FOUND = 3,
  /// The operating system refused a read or write.
  MOE_IO_ERROR = 4,
  /// Memory (or another resource) is exhausted: retry with less.
  MOE_OUT_OF_MEMORY = 5,
  /// Recognised but not supported by this build or this machine.
  MOE_UNSUPPORTED = 6,
  /// A defect of this project.
  MOE_INTERNAL = 7
} moe_status;

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// What the elements of a type are.
typedef enum moe_dtype_class {
  MOE_CLASS_NONE = 0, ///< of a value that is not a moe_dtype
  MOE_CLASS_FLOAT = 1,
  MOE_CLASS_SIGNED = 2,
  MOE_CLASS_UNSIGNED = 3,
  MOE_CLASS_BOOLEAN = 4 ///< a byte that is 0 or 1
} moe_dtype_class;

/// All element types that cross the ABI; the only place that lists them. X is
/// given MOE_<...>, its value (stable), the bits of an element in memory, its
/// class, and its name in messages, in .safetensors files and in MLIR.
// clang-format off
#define MOE_FOR_EACH_DTYPE(X)                                                 \
  X(F64,   1, 64, FLOAT,    "f64",  "F64",  "f64")                            \
  X(F32,   2, 32, FLOAT,    "f32",  "F32",  "f32")                            \
  X(F16,   3, 16, FLOAT,    "f16",  "F16",  "f16")                            \
  X(BF16,  4, 16, FLOAT,    "bf16", "BF16", "bf16")                           \
  X(I64,   5, 64, SIGNED,   "i64",  "I64",  "i64")                            \
  X(I32,   6, 32, SIGNED,   "i32",  "I32",  "i32")                            \
  X(I16,   7, 16, SIGNED,   "i16",  "I16",  "i16")                            \
  X(I8,    8,  8, SIGNED,   "i8",   "I8",   "i8")                             \
  X(U8,    9,  8, UNSIGNED, "u8",   "U8",   "ui8")                            \
  X(BOOL, 10,  8, BOOLEAN,  "bool", "BOOL", "i1")
// clang-format on

typedef enum moe_dtype {
#define MOE_DEFINE_DTYPE(NAME, VALUE, BITS, CLASS, TEXT, FILE_TEXT, MLIR_TEXT) \
  MOE_##NAME = (VALUE),
  MOE_FOR_EACH_DTYPE(MOE_DEFINE_DTYPE)
#undef MOE_DEFINE_DTYPE
} moe_dtype;

/// A dense row-major tensor in memory that the caller owns.
/// `data` may be null when the tensor has no element.
typedef struct moe_tensor {
  void *data;
  int32_t dtype; ///< moe_dtype
  int32_t rank;  ///< 0..MOE_MAX_RANK; 0 is a scalar
  int64_t shape[MOE_MAX_RANK];
} moe_tensor;

//===----------------------------------------------------------------------===//
// What a compiled module says of itself
//===----------------------------------------------------------------------===//

/// A size that is known when the inputs are: extent * symbols[a] * symbols[b].
typedef struct moe_dim {
  int64_t extent;     ///< constant factor, >= 0
  int32_t symbols[2]; ///< indices into moe_function.symbols, -1 = no factor
} moe_dim;

/// One input or output of an entry function.
typedef struct moe_argument {
  const char *name;
  int32_t dtype;
  int32_t rank;
  moe_dim shape[MOE_MAX_RANK];
  /// Rank 0 integer inputs: the symbol whose value this input is; -1 = none.
  int32_t value_symbol;
  /// Outputs: the input that holds the result, updated in place; -1 = none.
  /// Such an output is not passed; the caller reads the input after the call.
  int32_t tied_input;
  /// Integer inputs: when `has_range`, every element is in [lower, upper).
  int32_t has_range;
  int32_t reserved;
  int64_t lower, upper;
} moe_argument;

/// A precondition on symbols: the sum of `terms` is at most
/// bound + (bound_symbol < 0 ? 0 : value of bound_symbol).
typedef struct moe_limit {
  int32_t num_terms;
  int32_t terms[4];
  int32_t bound_symbol;
  int64_t bound;
} moe_limit;

struct moe_ctx;

/// A compiled entry. Inputs and outputs in the order of moe_function, tied
/// outputs left out. Returns a moe_status.
typedef int32_t (*moe_entry)(struct moe_ctx *ctx, const moe_tensor *in,
                             size_t n_in, moe_tensor *out, size_t n_out);

/// Describes one entry of a module.
typedef struct moe_function {
  const char *name;
  moe_entry entry;
  const moe_argument *inputs;
  const moe_argument *outputs;
  const char *const *symbols;
  const moe_limit *limits;
  int64_t num_inputs, num_outputs, num_symbols, num_limits;
} moe_function;

/// Where the elements of a weight lie in a checkpoint: a strided window of one
/// file tensor. The compiler has proven that the window is inside `shape`.
typedef struct moe_weight_source {
  /// Name of the file tensor. In a bank's single source, "{e}" stands for the
  /// decimal expert index: one file tensor per expert.
  const char *tensor;
  int32_t rank;                ///< of the file tensor
  int32_t per_expert;          ///< 1: `tensor` contains "{e}"
  int64_t shape[MOE_MAX_RANK]; ///< the file tensor must have exactly this shape
  int64_t offset;              ///< first element of the window, in elements
  int64_t expert_stride; ///< elements between experts (banks in one tensor)
} moe_weight_source;

/// How compiled code wants the slices of a bank of matrices (N x K) to lie in
/// memory, when that is not as they lie in the checkpoint: in panels of `panel`
/// rows, whose steps hold `depth` columns. Element (n, k) is at
///   (n / panel) * steps * step + (k / depth) * step
///     + (n % panel) * depth + k % depth
/// from the base of the slice, in elements, with steps = ceil(K / depth) and
/// step = ways * panel * depth; rows and columns that do not exist are zeros.
/// The steps of `ways` banks of one shape alternate: bank `way` starts
/// way * panel * depth elements behind the first, which owns the memory.
typedef struct moe_packing {
  int32_t panel; ///< 0: not packed, and everything else is 0
  int32_t depth;
  int32_t ways;
  int32_t way;   ///< which one of the `ways` this weight is
  int64_t owner; ///< the weight that is way 0; this weight itself if way = 0
} moe_packing;

/// How the slices of a bank of matrices (N x K) become small integers when they
/// are bound. A run of `group` columns of a row has one scale s, of type
/// `scale_dtype`, and one zero z; the values w of the run, read as f32, become
///   code = min(2^bits - 1, max(0, z + w / s rounded to nearest, ties to even))
/// and stand for s * (code - z). With m the largest or the smallest w,
/// whichever has the larger magnitude (the largest if they are equal), m+ =
/// max(0, largest) and m- = min(0, smallest):
///   zero_points = 0, bits = 8: s = |m| / 127,                z = 128
///   zero_points = 0, bits = 4: s = m / -8,                   z = 8
///   zero_points = 1:           s = (m+ - m-) / (2^bits - 1), z = code of 0:
///                              -m- / s rounded and clamped in the same way
/// in f32, with s rounded to its type before it is used, and w / s computed as
/// w * (1 / s). If 1 / s is not finite, s is 0 and all codes are z. If a value
/// of the run or s is infinite or NaN, s is NaN and all codes are z.
///
/// Without a packing, the slices in memory are N x K dense f32: what the codes
/// stand for. With one, its depth is 32 / bits, and an element of the layout is
/// a code: byte i of the 4 bytes of a row in a step holds code i, or, with 4
/// bits, code i in its low and code i + 4 in its high half. Behind the steps of
/// each run lie the scales of the rows of the panel, way by way, and behind
/// these, with zero_points, their zeros in the type of the scales. Rows that do
/// not exist have scale 0, and columns that do not exist code 0.
///
/// Codes that are MOE_CODES_E2M1 have 4 bits: a sign, two bits of an exponent
/// with bias 1, and one of a mantissa. They stand for s times 0, 0.5, 1, 1.5,
/// 2, 3, 4, 6 or their negatives, and come from an encoding (below). With a
/// packing, what lies behind the steps of a run is s / 2.
typedef struct moe_quantization {
  int32_t bits;        ///< 4 or 8; 0: not quantized, and everything else is 0
  int32_t scale_dtype; ///< MOE_F32, MOE_BF16 or MOE_F16
  int64_t group;       ///< K, or a multiple of 8 below K; at most 65536
  int32_t zero_points; ///< 0 or 1
  int32_t codes;       ///< moe_codes
} moe_quantization;

/// What the codes of a quantized bank are.
typedef enum moe_codes { MOE_CODES_INTEGER = 0, MOE_CODES_E2M1 = 1 } moe_codes;

/// Where the codes of a quantized bank (N x K, with G scales in a row) come
/// from when a checkpoint has them. Each part is another weight of the module,
/// a bank of as many slices that comes before, by its index.
///
/// Codes and zeros come in words: elements of i32 or u8 that hold 32 / bits or
/// 8 / bits of them, the first one in the lowest bits, and elements of i8 that
/// hold one, less 128. A slice of `codes` is N x ceil(K / codes in a word), or
/// ceil(N / codes in a word) x K; one of `scales` N x G; one of `zeros`
/// ceil(N / zeros in a word) x G; one of `groups` K. Columns may be cut into
/// blocks, a dimension more. Scales have the type `scale_dtype`, or, of e2m1,
/// are u8 and stand for 2^(u - 127), 255 for NaN.
///
/// zero_points = 0: zeros must all be 2^(bits - 1). groups[k] must be the run
/// of column k. If they are not, binding is refused.
typedef struct moe_encoding {
  int32_t is_encoded;  ///< 0: codes are made, and everything else is 0
  int32_t zero_offset; ///< what is added to stored zeros: 0 or 1
  int64_t codes, scales;
  int64_t zeros, groups; ///< -1: there are none
  uint8_t order[8];      ///< place i of a word of 32 bits holds code order[i]
} moe_encoding;

/// One weight: a plain tensor, or a bank of `experts` equally shaped slices.
/// The elements of a slice are at sum(index[i] * strides[i]) from its base in
/// the checkpoint.
typedef struct moe_weight {
  const char *name;
  int32_t dtype;
  int32_t rank;    ///< of the tensor, or of one slice of the bank
  int64_t experts; ///< number of slices; 0 = a plain tensor
  int64_t shape[MOE_MAX_RANK];
  int64_t strides[MOE_MAX_RANK]; ///< in elements
  int64_t num_sources; ///< 1, or `experts` (one per slice); 0 with an encoding
  const moe_weight_source *sources;
  moe_packing packing;
  moe_quantization quantization; ///< dtype is that of the checkpoint
  moe_encoding encoding;         ///< instead of sources
} moe_weight;

/// The table at symbol MOE_MODULE_SYMBOL of every compiled module.
typedef struct moe_module {
  uint32_t abi_version;
  uint32_t struct_size; ///< sizeof(moe_module) when the module was compiled
  const char *target_cpu;
  const char *target_features; ///< "+avx2,+fma,..."; all must be present
  const moe_function *functions;
  const moe_weight *weights;
  int64_t num_functions, num_weights;
} moe_module;

#define MOE_MODULE_SYMBOL "moe_module_v1"

//===----------------------------------------------------------------------===//
// What compiled code calls
//===----------------------------------------------------------------------===//

/// The prologue of every entry: checks the number, names, dtypes, shapes,
/// symbols, ranges and limits of the arguments against `function`, and that
/// what the call writes (outputs, and inputs that they are tied to) shares no
/// memory with another argument. Fills nothing. On failure the context's
/// message says which argument, what was found and what was expected.
int32_t moe_rt_enter(struct moe_ctx *ctx, const moe_function *function,
                     const moe_tensor *in, size_t n_in, const moe_tensor *out,
                     size_t n_out);

/// Ends a call that an assertion of `function` refuses, after moe_rt_enter and
/// before anything is computed: the context's message is `message`, with the
/// name of the function. Returns MOE_INVALID_ARGUMENT.
int32_t moe_rt_refuse(struct moe_ctx *ctx, const moe_function *function,
                      const char *message);

/// Memory for one call: at least `bytes`, aligned to 64, kept by the context
/// and reused by the next call. Null (and a message) when there is none.
void *moe_rt_workspace(struct moe_ctx *ctx, uint64_t bytes);

/// One pointer per moe_module.weights entry: the data of a plain weight, or the
/// table of `experts` base pointers of a bank.
void *const *moe_rt_weights(struct moe_ctx *ctx);

/// How many threads share the iterations of moe_rt_parallel; at least 1.
int64_t moe_rt_num_threads(struct moe_ctx *ctx);

/// Runs body(env, i) for each i in [0, n), on the context's threads. Calls with
/// different i may run at the same time; returns when all have.
void moe_rt_parallel(struct moe_ctx *ctx, void (*body)(void *env, int64_t i),
                     void *env, int64_t n);

//===----------------------------------------------------------------------===//
// Routing attributes (shared by the dialect and the reference oracle)
//===----------------------------------------------------------------------===//

/// Values equal those of the dialect's enums (checked at compile time).
typedef enum moe_score {
  MOE_SCORE_SOFTMAX = 0,
  MOE_SCORE_SIGMOID = 1,
  MOE_SCORE_SQRT_SOFTPLUS = 2,
  MOE_SCORE_IDENTITY = 3
} moe_score;

/// Over which logits the score of a selected expert is taken.
typedef enum moe_score_domain {
  MOE_DOMAIN_ALL = 0,
  MOE_DOMAIN_SELECTED = 1,
  /// Experts within a relative distance of the maximum (SparseMixer).
  MOE_DOMAIN_THRESHOLD = 2
} moe_score_domain;

/// What is compared to select experts. A correction bias is added to it.
typedef enum moe_key { MOE_KEY_SCORE = 0, MOE_KEY_LOGIT = 1 } moe_key;

typedef enum moe_selection {
  MOE_SELECT_TOPK = 0,
  /// One argmax after another, each over the logits without those taken.
  MOE_SELECT_SEQUENTIAL = 1,
  /// The ids are an operand (hash routing, replay).
  MOE_SELECT_TABLE = 2
} moe_selection;

typedef enum moe_group_score {
  MOE_GROUP_MAX = 0,
  MOE_GROUP_SUM_TOP = 1
} moe_group_score;

typedef enum moe_group_fill {
  MOE_FILL_NEG_INF = 0,
  MOE_FILL_ZERO = 1
} moe_group_fill;

typedef enum moe_logit_norm {
  MOE_LOGIT_NONE = 0,
  MOE_LOGIT_ZSCORE = 1,  ///< lambda * (z - mean) / std, biased std
  MOE_LOGIT_SOFTCAP = 2, ///< c * tanh(z / c)
  MOE_LOGIT_SCALE = 3    ///< c * z
} moe_logit_norm;

typedef enum moe_normalize {
  MOE_NORMALIZE_NONE = 0,
  MOE_NORMALIZE_LP = 1 ///< divide by the p-norm; p = 1 is the sum
} moe_normalize;

typedef enum moe_eps_mode {
  MOE_EPS_NONE = 0,
  MOE_EPS_ADD = 1,  ///< norm + eps
  MOE_EPS_CLAMP = 2 ///< max(norm, eps)
} moe_eps_mode;

typedef enum moe_priority {
  /// All first choices in token order, then all second choices, ...
  MOE_PRIORITY_POSITIONAL = 0,
  /// Tokens ordered by their largest weight, ties by token; then as above.
  MOE_PRIORITY_BATCH = 1
} moe_priority;

typedef enum moe_overflow {
  MOE_OVERFLOW_NONE = 0,    ///< nothing is ever dropped
  MOE_OVERFLOW_ZERO = 1,    ///< a dropped slot adds nothing
  MOE_OVERFLOW_RESIDUAL = 2 ///< a dropped slot adds weight * token
} moe_overflow;

typedef enum moe_capacity_basis {
  MOE_CAPACITY_FIXED = 0,             ///< `factor` is the capacity
  MOE_CAPACITY_TOKENS_PER_EXPERT = 1, ///< factor * T / E
  MOE_CAPACITY_SLOTS_PER_EXPERT = 2,  ///< factor * k * T / E
  MOE_CAPACITY_TOKENS = 3             ///< factor * T
} moe_capacity_basis;

typedef enum moe_rounding {
  MOE_ROUND_CEIL = 0,
  MOE_ROUND_FLOOR = 1,
  MOE_ROUND_NEAREST_EVEN = 2
} moe_rounding;

/// What moe.aux_loss measures.
typedef enum moe_loss {
  MOE_LOSS_FRACTION_PROBABILITY = 0, ///< E * sum of f_e * P_e
  MOE_LOSS_Z = 1,                    ///< mean squared log-sum-exp of the logits
  MOE_LOSS_IMPORTANCE_CV2 = 2        ///< variance / mean^2 of the summed scores
} moe_loss;

/// Division of the k weights of a token by their norm.
typedef struct moe_normalize_attrs {
  int32_t mode;     ///< moe_normalize
  int32_t eps_mode; ///< moe_eps_mode
  double p;
  double eps;
} moe_normalize_attrs;

/// Attributes of moe.router.
typedef struct moe_router_attrs {
  int64_t top_k;
  int32_t score;        ///< moe_score
  int32_t score_domain; ///< moe_score_domain
  int32_t key;          ///< moe_key
  int32_t selection;    ///< moe_selection
  int32_t logit_norm;   ///< moe_logit_norm
  int32_t group_score;  ///< moe_group_score
  int32_t group_fill;   ///< moe_group_fill
  int32_t reserved;
  double logit_norm_value; ///< lambda or c of logit_norm
  double threshold;        ///< MOE_DOMAIN_THRESHOLD: 2 * epsilon of SparseMixer
  int64_t num_groups;      ///< 0 = no group limit
  int64_t groups_kept;
  int64_t group_top; ///< MOE_GROUP_SUM_TOP: how many keys are summed
  moe_normalize_attrs normalize;
  double scale;
} moe_router_attrs;

/// Attributes of moe.plan (the capacity itself is an operand).
typedef struct moe_plan_attrs {
  int64_t num_experts; ///< groups of the plan, identity and zero experts too
  int32_t priority;    ///< moe_priority
  int32_t overflow;    ///< moe_overflow
  moe_normalize_attrs renormalize; ///< over the kept slots of a token
} moe_plan_attrs;

/// Attributes of moe.aux_loss.
typedef struct moe_aux_loss_attrs {
  int32_t kind;        ///< moe_loss
  int32_t normalize_k; ///< 1: MOE_LOSS_FRACTION_PROBABILITY is divided by k
} moe_aux_loss_attrs;

/// Attributes of moe.quantize_rows.
typedef struct moe_quantize_rows_attrs {
  int64_t group;      ///< columns that share a sum; 0: all
  int32_t run_scales; ///< 1: they share a scale as well
  int32_t reserved;   ///< 0
} moe_quantize_rows_attrs;

/// How a capacity follows from the number of tokens T, experts E, slots k.
typedef struct moe_capacity_attrs {
  int32_t basis;    ///< moe_capacity_basis
  int32_t rounding; ///< moe_rounding
  double factor;
  int64_t multiple_of; ///< rounded up to a multiple of this; 1 = as it is
  int64_t at_least;
} moe_capacity_attrs;

//===----------------------------------------------------------------------===//
// What code compiled for the reference oracle calls
//===----------------------------------------------------------------------===//

/// One op, computed by runtime/reference/. `attrs` is moe_router_attrs,
/// moe_plan_attrs, moe_aux_loss_attrs, moe_quantize_rows_attrs or null;
/// `tensors` holds the operands in the order of the op and then its results,
/// null where an optional one is absent; `capacity` is that of a plan, -1 for
/// none. A failure is kept for the caller of the entry.
void moe_reference_router(const void *attrs, const moe_tensor *const *tensors,
                          int64_t capacity);
void moe_reference_plan(const void *attrs, const moe_tensor *const *tensors,
                        int64_t capacity);
void moe_reference_dispatch(const void *attrs, const moe_tensor *const *tensors,
                            int64_t capacity);
void moe_reference_combine(const void *attrs, const moe_tensor *const *tensors,
                           int64_t capacity);
void moe_reference_aux_loss(const void *attrs, const moe_tensor *const *tensors,
                            int64_t capacity);
void moe_reference_quantize_rows(const void *attrs,
                                 const moe_tensor *const *tensors,
                                 int64_t capacity);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // MOE_RUNTIME_ABI_H
