// Each constraint of docs/spec/ is broken at least once. A comment names the
// label, which is the tag at the end of the error.

// RUN: moe-opt %s -split-input-file -verify-diagnostics -allow-unregistered-dialect

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

// moe-bank-c1
// expected-error-re@+1 {{expected a bank of 2 to 8 dimensions (the experts first), but got 1{{.*}}[moe-bank-c1]}}
func.func private @f(!moe.bank<8xf32>)

// -----

// moe-bank-c1
// expected-error-re@+1 {{expected a bank of 2 to 8 dimensions (the experts first), but got 9{{.*}}[moe-bank-c1]}}
func.func private @f(!moe.bank<1x1x1x1x1x1x1x1x1xf32>)

// -----

// moe-bank-c2
// expected-error-re@+1 {{expected every size of a bank to be at least 1{{.*}}[moe-bank-c2]}}
func.func private @f(!moe.bank<8x0xf32>)

// -----

// moe-bank-c3
// expected-error-re@+1 {{expected bank elements of type f32, bf16 or f16, or, for codes, i32, i8 or ui8, but got 'f64'{{.*}}[moe-bank-c3]}}
func.func private @f(!moe.bank<8x4xf64>)

// -----

// moe-bank-c4
// expected-error-re@+1 {{expected a bank of fewer than 2^63 elements{{.*}}[moe-bank-c4]}}
func.func private @f(!moe.bank<4294967296x4294967296xf32>)

// -----

// moe-bank-c5
// expected-error-re@+1 {{expected a bank layout with one positive stride per dimension of a slice and offset 0{{.*}}[moe-bank-c5]}}
func.func private @f(!moe.bank<8x4x4xf32, strided<[1]>>)

// -----

// moe-bank-c5
// expected-error-re@+1 {{expected a bank layout with one positive stride per dimension of a slice and offset 0{{.*}}[moe-bank-c5]}}
func.func private @f(!moe.bank<8x4x4xf32, strided<[4, 1], offset: 4>>)

// -----

// moe-bank-c5
// expected-error-re@+1 {{expected a bank layout with one positive stride per dimension of a slice and offset 0{{.*}}[moe-bank-c5]}}
func.func private @f(!moe.bank<8x4x4xf32, strided<[?, 1]>>)

// -----

// moe-bank-c5
// expected-error-re@+1 {{expected a bank layout with one positive stride per dimension of a slice and offset 0{{.*}}[moe-bank-c5]}}
func.func private @f(!moe.bank<8x4x4xf32, strided<[0, 1]>>)

// -----

// moe-bank-c6
// expected-error-re@+1 {{expected a strided layout, or, for matrices that fit into memory, a packed one{{.*}}[moe-bank-c6]}}
func.func private @f(!moe.bank<8x4xf32, #moe.packed<panel = 4, depth = 1>>)

// -----

// moe-bank-c6: The padding makes it too large.
// expected-error-re@+1 {{expected a strided layout, or, for matrices that fit into memory, a packed one{{.*}}[moe-bank-c6]}}
func.func private @f(!moe.bank<4194304x1048576x524288xf32, #moe.packed<panel = 4096, depth = 4096, ways = 4096>>)

// -----

// moe-bank-c7
// expected-error-re@+1 {{expected a quantized bank of matrices of f32 with at most 65536 columns per scale{{.*}}[moe-bank-c7]}}
func.func private @f(!moe.bank<8x4x4xbf16, #moe.quantized<bits = 8, scale = f32>>)

// -----

// moe-bank-c7: vectors
// expected-error-re@+1 {{expected a quantized bank of matrices {{.*}}[moe-bank-c7]}}
func.func private @f(!moe.bank<8x4xf32, #moe.quantized<bits = 8, scale = f32>>)

// -----

// moe-bank-c7: a sum of 65537 products of codes does not fit into 32 bits
// expected-error-re@+1 {{at most 65536 columns per scale{{.*}}[moe-bank-c7]}}
func.func private @f(!moe.bank<8x4x65537xf32, #moe.quantized<bits = 8, scale = f32>>)

// -----

// moe-bank-c8
// expected-error-re@+1 {{expected a quantized bank without a layout, or packed with a depth of 8, but got {{.*}}[moe-bank-c8]}}
func.func private @f(!moe.bank<8x4x4xf32, #moe.quantized<bits = 4, scale = f32>, #moe.packed<panel = 4, depth = 4>>)

// -----

// moe-bank-c8: strided
// expected-error-re@+1 {{expected a quantized bank without a layout, or packed with a depth of 4, but got {{.*}}[moe-bank-c8]}}
func.func private @f(!moe.bank<8x4x4xf32, #moe.quantized<bits = 8, scale = f32>, strided<[1, 4]>>)

// -----

// moe-quantized-c1
// expected-error-re@+1 {{expected codes of 4 or 8 bits, but got 5{{.*}}[moe-quantized-c1]}}
func.func private @f() attributes {moe_test.format = #moe.quantized<bits = 5, scale = f32>}

// -----

// moe-quantized-c2
// expected-error-re@+1 {{expected a group of 0, for whole rows, or of a multiple of 8 columns up to 65536, but got 12{{.*}}[moe-quantized-c2]}}
func.func private @f() attributes {moe_test.format = #moe.quantized<bits = 4, group = 12, scale = f32>}

// -----

// moe-quantized-c2: too many columns
// expected-error-re@+1 {{but got 65544{{.*}}[moe-quantized-c2]}}
func.func private @f() attributes {moe_test.format = #moe.quantized<bits = 4, group = 65544, scale = f32>}

// -----

// moe-quantized-c3
// expected-error-re@+1 {{expected scales of f32, bf16 or f16, but got 'f64'{{.*}}[moe-quantized-c3]}}
func.func private @f() attributes {moe_test.format = #moe.quantized<bits = 4, scale = f64>}

// -----

// moe-packed-c1
// expected-error-re@+1 {{expected panel, depth and ways of 1 to 4096 in a packed layout, but got 0, 1 and 1{{.*}}[moe-packed-c1]}}
func.func private @f(!moe.bank<8x4x4xf32, #moe.packed<panel = 0, depth = 1>>)

// -----

// moe-cpu-schedule-c1
// expected-error-re@+1 {{expected a schedule with row_block of 1 to 64 and lanes that are a power of two up to 64, but got 6 and 12{{.*}}[moe-cpu-schedule-c1]}}
#schedule = #moe.cpu_schedule<row_block = 6, lanes = 12, dot = fma>

// -----

// No label: The number of experts is known.
// expected-error@+1 {{expected static shape}}
func.func private @f(!moe.bank<?x4xf32>)

// -----

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

// moe-group-limit-c1
// expected-error-re@+1 {{expected 1 <= keep <= groups in a group limit, but got groups = 4, keep = 5{{.*}}[moe-group-limit-c1]}}
func.func private @f() attributes {a = #moe.group_limit<groups = 4, keep = 5>}

// -----

// moe-group-limit-c1
// expected-error-re@+1 {{but got groups = 0, keep = 0{{.*}}[moe-group-limit-c1]}}
func.func private @f() attributes {a = #moe.group_limit<groups = 0, keep = 0>}

// -----

// moe-group-limit-c2
// expected-error-re@+1 {{expected top >= 1 in a group limit, but got 0{{.*}}[moe-group-limit-c2]}}
func.func private @f() attributes {a = #moe.group_limit<groups = 4, keep = 2, top = 0>}

// -----

// moe-logit-norm-c1
// expected-error-re@+1 {{expected a finite value other than 0 in a logit normalisation{{.*}}[moe-logit-norm-c1]}}
func.func private @f() attributes {a = #moe.logit_norm<softcap, 0.0>}

// -----

// moe-logit-norm-c1
// expected-error-re@+1 {{expected a finite value other than 0 in a logit normalisation{{.*}}[moe-logit-norm-c1]}}
func.func private @f() attributes {a = #moe.logit_norm<scale, 1.0e999>}

// -----

// moe-logit-norm-c2
// expected-error-re@+1 {{expected a softcap above 0, but got -2{{.*}}[moe-logit-norm-c2]}}
func.func private @f() attributes {a = #moe.logit_norm<softcap, -2.0>}

// -----

// moe-normalize-c1
// expected-error-re@+1 {{expected a finite p > 0 in a normalisation{{.*}}[moe-normalize-c1]}}
func.func private @f() attributes {a = #moe.normalize<p = 0.0>}

// -----

// moe-normalize-c1
// expected-error-re@+1 {{expected a finite p > 0 in a normalisation{{.*}}[moe-normalize-c1]}}
func.func private @f() attributes {a = #moe.normalize<p = -1.0>}

// -----

// moe-normalize-c2
// expected-error-re@+1 {{expected a finite eps >= 0, and an eps_mode with it{{.*}}[moe-normalize-c2]}}
func.func private @f() attributes {a = #moe.normalize<eps = 1.0e-6>}

// -----

// moe-normalize-c2
// expected-error-re@+1 {{expected a finite eps >= 0, and an eps_mode with it{{.*}}[moe-normalize-c2]}}
func.func private @f() attributes {a = #moe.normalize<eps_mode = add, eps = -1.0>}

// -----

// moe-capacity-c1
// expected-error-re@+1 {{expected a capacity factor in [0, 2^31), but got -1{{.*}}[moe-capacity-c1]}}
func.func private @f() attributes {a = #moe.capacity<basis = tokens, factor = -1.0>}

// -----

// moe-capacity-c1
// expected-error-re@+1 {{expected a capacity factor in [0, 2^31){{.*}}[moe-capacity-c1]}}
func.func private @f() attributes {a = #moe.capacity<basis = fixed, factor = 2147483648.0>}

// -----

// moe-capacity-c2
// expected-error-re@+1 {{expected multiple_of >= 1 and at_least >= 0 in a capacity, but got 0 and 0{{.*}}[moe-capacity-c2]}}
func.func private @f() attributes {a = #moe.capacity<basis = fixed, factor = 1.0, multiple_of = 0>}

// -----

// moe-capacity-c2
// expected-error-re@+1 {{but got 1 and -1{{.*}}[moe-capacity-c2]}}
func.func private @f() attributes {a = #moe.capacity<basis = fixed, factor = 1.0, at_least = -1>}

// -----

// moe-source-c1
// expected-error-re@+1 {{expected shape, offsets, strides or permutation, but got 'file'{{.*}}[moe-source-c1]}}
func.func private @f() attributes {a = #moe.source<"w", file = [1]>}

// -----

// moe-source-c2
// expected-error-re@+1 {{expected a source to name a checkpoint tensor, but got an empty name{{.*}}[moe-source-c2]}}
func.func private @f() attributes {a = #moe.source<"">}

// -----

// moe-source-c3
// expected-error-re@+1 {{expected a file tensor of at most 8 dimensions{{.*}}[moe-source-c3]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [1, 1, 1, 1, 1, 1, 1, 1, 1]>}

// -----

// moe-source-c4
// expected-error-re@+1 {{expected offsets, strides and permutation of a source to have one entry per dimension of its shape{{.*}}[moe-source-c4]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4, 4], offsets = [0]>}

// -----

// moe-source-c4
// expected-error-re@+1 {{expected offsets, strides and permutation of a source to have one entry per dimension of its shape{{.*}}[moe-source-c4]}}
func.func private @f() attributes {a = #moe.source<"w", strides = [1]>}

// -----

// moe-source-c5
// expected-error-re@+1 {{expected the sizes of a file tensor to be positive and their product below 2^63{{.*}}[moe-source-c5]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4, 0]>}

// -----

// moe-source-c5
// expected-error-re@+1 {{expected the sizes of a file tensor to be positive and their product below 2^63{{.*}}[moe-source-c5]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4294967296, 4294967296]>}

// -----

// moe-source-c6
// expected-error-re@+1 {{expected offsets >= 0 and strides >= 1 in a source{{.*}}[moe-source-c6]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4], offsets = [-1]>}

// -----

// moe-source-c6
// expected-error-re@+1 {{expected offsets >= 0 and strides >= 1 in a source{{.*}}[moe-source-c6]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4], strides = [0]>}

// -----

// moe-source-c7
// expected-error-re@+1 {{expected the permutation of a source to hold each dimension once{{.*}}[moe-source-c7]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4, 4], permutation = [0, 0]>}

// -----

// moe-source-c7
// expected-error-re@+1 {{expected the permutation of a source to hold each dimension once{{.*}}[moe-source-c7]}}
func.func private @f() attributes {a = #moe.source<"w", shape = [4, 4], permutation = [1, 2]>}

// -----

//===----------------------------------------------------------------------===//
// moe.weight
//===----------------------------------------------------------------------===//

// moe-weight-c1
// expected-error-re@+1 {{expected a source with 3 dimensions for a weight of type{{.*}}[moe-weight-c1]}}
moe.weight @w : !moe.bank<8x4x4xf32> from [#moe.source<"w", shape = [4, 4]>]

// -----

// moe-weight-c1
// expected-error-re@+1 {{expected a source with 2 dimensions{{.*}}[moe-weight-c1]}}
moe.weight @w : !moe.bank<8x4x4xf32> from [#moe.source<"w.{e}", shape = [8, 4, 4]>]

// -----

// moe-weight-c2
// expected-error-re@+1 {{expected the window of source "w" to lie inside dimension 0 of size 8, but it takes 4 elements from 5 in steps of 1{{.*}}[moe-weight-c2]}}
moe.weight @w : tensor<4x4xf32> from [#moe.source<"w", shape = [8, 4], offsets = [5, 0]>]

// -----

// moe-weight-c2
// expected-error-re@+1 {{but it takes 4 elements from 2 in steps of 2{{.*}}[moe-weight-c2]}}
moe.weight @w : tensor<4x4xf32> from [#moe.source<"w", shape = [8, 4], offsets = [2, 0], strides = [2, 1]>]

// -----

// moe-weight-c2
// expected-error-re@+1 {{but it takes 4 elements from 9223372036854775807 in steps of 1{{.*}}[moe-weight-c2]}}
moe.weight @w : tensor<4xf32> from [#moe.source<"w", shape = [8], offsets = [9223372036854775807]>]

// -----

// moe-weight-c3
// expected-error-re@+1 {{expected the elements of source "w" to have the strides of type{{.*}}[moe-weight-c3]}}
moe.weight @w : !moe.bank<8x4x4xf32> from [#moe.source<"w", shape = [8, 8, 4], strides = [1, 2, 1]>]

// -----

// moe-weight-c3
// expected-error-re@+1 {{but got [1, 4]; state them as a strided layout of the bank{{.*}}[moe-weight-c3]}}
moe.weight @w : tensor<4x4xf32> from [#moe.source<"w", shape = [4, 4], permutation = [1, 0]>]

// -----

// moe-weight-c4
// expected-error-re@+1 {{expected a bank or a non-empty static tensor of f32, bf16, f16, i32 or i64, but got 'tensor<?xf32>'{{.*}}[moe-weight-c4]}}
moe.weight @w : tensor<?xf32> from ["w"]

// -----

// moe-weight-c4
// expected-error-re@+1 {{expected a bank or a non-empty static tensor{{.*}}[moe-weight-c4]}}
moe.weight @w : tensor<4xf64> from ["w"]

// -----

// moe-weight-c4
// expected-error-re@+1 {{expected a bank or a non-empty static tensor{{.*}}[moe-weight-c4]}}
moe.weight @w : tensor<0xf32> from ["w"]

// -----

// moe-weight-c4
// expected-error-re@+1 {{expected a bank or a non-empty static tensor{{.*}}[moe-weight-c4]}}
moe.weight @w : memref<4xf32> from ["w"]

// -----

// moe-weight-c4
// expected-error-re@+1 {{expected a bank or a non-empty static tensor{{.*}}[moe-weight-c4]}}
moe.weight @w : tensor<4xf32, "encoding"> from ["w"]

// -----

// moe-weight-c4
// expected-error-re@+1 {{expected a bank or a non-empty static tensor{{.*}}[moe-weight-c4]}}
moe.weight @w : tensor<8589934592x2147483649xf32> from ["w"]

// -----

// moe-weight-c5
// expected-error-re@+1 {{expected 1 source, but got 2{{.*}}[moe-weight-c5]}}
moe.weight @w : tensor<4xf32> from ["a", "b"]

// -----

// moe-weight-c5
// expected-error-re@+1 {{expected 1 source, or one per expert, but got 3{{.*}}[moe-weight-c5]}}
moe.weight @w : !moe.bank<8x4xf32> from ["a", "b", "c"]

// -----

// moe-weight-c5
// expected-error-re@+1 {{expected 1 source, but got 0{{.*}}[moe-weight-c5]}}
moe.weight @w : tensor<4xf32> from []

// -----

// moe-weight-c6
// expected-error-re@+1 {{expected '{e}' only in the single source of a bank, but got "w.{e}"{{.*}}[moe-weight-c6]}}
moe.weight @w : tensor<4xf32> from ["w.{e}"]

// -----

// moe-weight-c6
// expected-error-re@+1 {{expected '{e}' only in the single source of a bank{{.*}}[moe-weight-c6]}}
moe.weight @w : !moe.bank<2x4xf32> from ["a.{e}", "b"]

// -----

// moe-weight-c7: way without an owner
// expected-error-re@+1 {{expected way 0, or, beside the weight that owns the memory, another of the 2 ways of its type, but got 1{{.*}}[moe-weight-c7]}}
moe.weight @w : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["a.{e}"] {way = 1 : i64}

// -----

// moe-weight-c7: more ways than the layout has
moe.weight @v : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["b.{e}"]
// expected-error-re@+1 {{but got 2{{.*}}[moe-weight-c7]}}
moe.weight @w : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["a.{e}"] {beside = @v, way = 2 : i64}

// -----

// moe-weight-c7: a bank that is not packed has one way
// expected-error-re@+1 {{another of the 1 ways of its type, but got -1{{.*}}[moe-weight-c7]}}
moe.weight @w : !moe.bank<2x4x4xf32> from ["a.{e}"] {way = -1 : i64}

// -----

// moe-weight-c9: not quantized
// expected-error-re@+1 {{expected stored elements of f32, bf16 or f16, in a quantized bank only, but got 'bf16'{{.*}}[moe-weight-c9]}}
moe.weight @w : !moe.bank<2x4x4xf32> from ["a.{e}"] {stored = bf16}

// -----

// moe-weight-c9: no float
// expected-error-re@+1 {{expected stored elements of f32, bf16 or f16, {{.*}}[moe-weight-c9]}}
moe.weight @w : !moe.bank<2x4x4xf32, #moe.quantized<bits = 8, scale = f32>> from ["a.{e}"] {stored = i8}

// -----

// moe-weight-c10: not quantized
// expected-error-re@+1 {{expected 'encoded' on a quantized bank only, without sources and 'stored'{{.*}}[moe-weight-c10]}}
moe.weight @w : !moe.bank<2x4x4xf32> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c10: two origins
// expected-error-re@+1 {{expected 'encoded' on a quantized bank only, without sources {{.*}}[moe-weight-c10]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from ["a.{e}"] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c10: no codes are made that are no integers
// expected-error-re@+1 {{expected codes that are no integers to come from a checkpoint, by 'encoded'{{.*}}[moe-weight-c10]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32, codes = e2m1>> from ["a.{e}"]

// -----

// moe-weight-c11: no such weight
// expected-error-re@+1 {{expected @c to be a moe.weight with a bank of 2 slices as they are stored, that comes before{{.*}}[moe-weight-c11]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c11: it comes after
// expected-error-re@+1 {{expected @c to be a moe.weight {{.*}}[moe-weight-c11]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}
moe.weight @c : !moe.bank<2x4x1xi32> from ["c.{e}"]

// -----

// moe-weight-c11: another number of experts
moe.weight @c : !moe.bank<3x4x1xi32> from ["c.{e}"]
// expected-error-re@+1 {{expected @c to be a moe.weight with a bank of 2 slices {{.*}}[moe-weight-c11]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c12: too few words
moe.weight @c : !moe.bank<2x4x1xi32> from ["c.{e}"]
// expected-error-re@+1 {{expected @c to hold 4 x 2 words or 1 x 9 words, but got '!moe.bank<2x4x1xi32>'{{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x9xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c12: codes that are no words
moe.weight @c : !moe.bank<2x4x9xi8> from ["c.{e}"]
// expected-error-re@+1 {{expected @c to hold words of codes: i32, ui8, or, with 8 bits, i8, but got {{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x9xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c12: blocks of columns that do not follow one another
moe.weight @c : !moe.bank<2x4x2x16xui8, strided<[64, 32, 1]>> from [#moe.source<"c.{e}", shape = [4, 2, 32], offsets = [0, 0, 0]>]
// expected-error-re@+1 {{expected @c to hold 4 x 32 words or {{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x64xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c12: scales of another type
moe.weight @c : !moe.bank<2x4x1xi32> from ["c.{e}"]
moe.weight @s : !moe.bank<2x4x1xf16> from ["s.{e}"]
// expected-error-re@+1 {{expected @s to hold scales of f32, but got {{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c12: too many scales
moe.weight @c : !moe.bank<2x4x1xi32> from ["c.{e}"]
moe.weight @s : !moe.bank<2x4x2xf32> from ["s.{e}"]
// expected-error-re@+1 {{expected @s to hold 4 x 1 scales, but got {{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c12: zeros that are not in words
moe.weight @c : !moe.bank<2x4x1xi32> from ["c.{e}"]
moe.weight @s : !moe.bank<2x4x1xf32> from ["s.{e}"]
moe.weight @z : !moe.bank<2x4x1xi32> from ["z.{e}"]
// expected-error-re@+1 {{expected @z to hold 1 x 1 words, but got {{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32, zero_points = true>> from [] {encoded = #moe.encoded<codes = @c, scales = @s, zeros = @z>}

// -----

// moe-weight-c12: groups of fewer columns
moe.weight @c : !moe.bank<2x4x1xi32> from ["c.{e}"]
moe.weight @s : !moe.bank<2x4x1xf32> from ["s.{e}"]
moe.weight @g : !moe.bank<2x7xi32> from ["g.{e}"]
// expected-error-re@+1 {{expected @g to hold 8 integers of i32, but got {{.*}}[moe-weight-c12]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s, groups = @g>}

// -----

// moe-weight-c13: no zeros
// expected-error-re@+1 {{expected zeros of integers where there are zero points, and none of other codes{{.*}}[moe-weight-c13]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32, zero_points = true>> from [] {encoded = #moe.encoded<codes = @c, scales = @s>}

// -----

// moe-weight-c13: zeros of e2m1
// expected-error-re@+1 {{expected zeros of integers {{.*}}[moe-weight-c13]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32, codes = e2m1>> from [] {encoded = #moe.encoded<codes = @c, scales = @s, zeros = @z>}

// -----

// moe-weight-c13: an order of too few codes
// expected-error-re@+1 {{expected an order of 8 codes in a word of 32 bits, but got 4{{.*}}[moe-weight-c13]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s, order = [0, 2, 1, 3]>}

// -----

// moe-encoded-c1: an offset without zeros
// expected-error-re@+1 {{expected a zero_offset of 0, or of 1 with zeros, but got 1{{.*}}[moe-encoded-c1]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s, zero_offset = 1>}

// -----

// moe-encoded-c2: a code twice
// expected-error-re@+1 {{expected the order to hold each code of a word once{{.*}}[moe-encoded-c2]}}
moe.weight @w : !moe.bank<2x4x8xf32, #moe.quantized<bits = 8, scale = f32>> from [] {encoded = #moe.encoded<codes = @c, scales = @s, order = [0, 2, 2, 3]>}

// -----

// moe-quantized-c4: e2m1 with zero points
// expected-error-re@+1 {{expected codes that are e2m1 to have 4 bits, no zero points, and scales of f32 or bf16{{.*}}[moe-quantized-c4]}}
func.func private @f(!moe.bank<2x4x8xf32, #moe.quantized<bits = 4, scale = f32, zero_points = true, codes = e2m1>>)

// -----

// moe-quantized-c4: e2m1 with 8 bits
// expected-error-re@+1 {{expected codes that are e2m1 to have 4 bits, {{.*}}[moe-quantized-c4]}}
func.func private @f(!moe.bank<2x4x8xf32, #moe.quantized<bits = 8, scale = f32, codes = e2m1>>)

// -----

// moe-weight-c8: no such weight
// expected-error-re@+1 {{expected @v to be a moe.weight of the same type with way 0 that comes before{{.*}}[moe-weight-c8]}}
moe.weight @w : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["a.{e}"] {beside = @v, way = 1 : i64}

// -----

// moe-weight-c8: it comes after
// expected-error-re@+1 {{expected @v to be a moe.weight {{.*}}[moe-weight-c8]}}
moe.weight @w : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["a.{e}"] {beside = @v, way = 1 : i64}
moe.weight @v : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["b.{e}"]

// -----

// moe-weight-c8: of another type
moe.weight @v : !moe.bank<2x4x4xbf16, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["b.{e}"]
// expected-error-re@+1 {{expected @v to be a moe.weight {{.*}}[moe-weight-c8]}}
moe.weight @w : !moe.bank<2x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["a.{e}"] {beside = @v, way = 1 : i64}

// -----

//===----------------------------------------------------------------------===//
// moe.get_weight
//===----------------------------------------------------------------------===//

// moe-get-weight-c1
func.func @f() {
  // expected-error-re@+1 {{expected @missing to be a moe.weight of this module{{.*}}[moe-get-weight-c1]}}
  %w = moe.get_weight @missing : tensor<4xf32>
  return
}

// -----

// moe-get-weight-c1
func.func @f() {
  // expected-error-re@+1 {{expected @f to be a moe.weight of this module{{.*}}[moe-get-weight-c1]}}
  %w = moe.get_weight @f : tensor<4xf32>
  return
}

// -----

// moe-get-weight-c2
moe.weight @w : tensor<4xf32> from ["w"]
func.func @f() {
  // expected-error-re@+1 {{but got 'tensor<8xf32>'{{.*}}[moe-get-weight-c2]}}
  %w = moe.get_weight @w : tensor<8xf32>
  return
}

// -----

// moe-get-weight-c2
moe.weight @w : tensor<4xf32> from ["w"]
func.func @f() {
  // expected-error-re@+1 {{but got 'memref<4xf32, strided<[2]>>'{{.*}}[moe-get-weight-c2]}}
  %w = moe.get_weight @w : memref<4xf32, strided<[2]>>
  return
}

// -----

// moe-get-weight-c2
moe.weight @w : tensor<4xf32> from ["w"]
func.func @f() {
  // expected-error-re@+1 {{but got '!moe.bank<1x4xf32>'{{.*}}[moe-get-weight-c2]}}
  %w = moe.get_weight @w : !moe.bank<1x4xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// moe.make_bank and moe.bank_slice
//===----------------------------------------------------------------------===//

// moe-make-bank-c1
func.func @f(%a: tensor<4xf32>) {
  // expected-error-re@+1 {{expected 3 operands for '!moe.bank<3x4xf32>', but got 2{{.*}}[moe-make-bank-c1]}}
  %b = moe.make_bank %a, %a : tensor<4xf32> -> !moe.bank<3x4xf32>
  return
}

// -----

// moe-make-bank-c1
func.func @f() {
  // expected-error-re@+1 {{but got 0{{.*}}[moe-make-bank-c1]}}
  %b = moe.make_bank : tensor<4xf32> -> !moe.bank<3x4xf32>
  return
}

// -----

// moe-make-bank-c2
func.func @f(%a: tensor<5xf32>) {
  // expected-error-re@+1 {{expected operands that are slices of '!moe.bank<1x4xf32>', with its strides, but got 'tensor<5xf32>'{{.*}}[moe-make-bank-c2]}}
  %b = moe.make_bank %a : tensor<5xf32> -> !moe.bank<1x4xf32>
  return
}

// -----

// moe-make-bank-c2: The strides of the slices are those of the bank.
func.func @f(%a: memref<4x4xf32, strided<[8, 1]>>) {
  // expected-error-re@+1 {{with its strides, but got 'memref<4x4xf32, strided<[8, 1]>>'{{.*}}[moe-make-bank-c2]}}
  %b = moe.make_bank %a : memref<4x4xf32, strided<[8, 1]>> -> !moe.bank<1x4x4xf32>
  return
}

// -----

// moe-make-bank-c2: A bank of tensors has no layout.
func.func @f(%a: tensor<4x4xf32>) {
  // expected-error-re@+1 {{with its strides, but got 'tensor<4x4xf32>'{{.*}}[moe-make-bank-c2]}}
  %b = moe.make_bank %a : tensor<4x4xf32> -> !moe.bank<1x4x4xf32, strided<[8, 1]>>
  return
}

// -----

// moe-make-bank-c2: Tensors or memrefs, not both.
func.func @f(%a: tensor<4xf32>, %b: memref<4xf32>) {
  // expected-error-re@+1 {{with its strides, but got 'memref<4xf32>'{{.*}}[moe-make-bank-c2]}}
  %c = "moe.make_bank"(%a, %b) : (tensor<4xf32>, memref<4xf32>) -> !moe.bank<2x4xf32>
  return
}

// -----

// moe-make-bank-c3
func.func private @f(%a: tensor<4xf32>) -> !moe.bank<1x4xf32> {
  // expected-error-re@+1 {{expected the bank to be used only where it is made, but 'func.return' hands it on; pass the slices instead{{.*}}[moe-make-bank-c3]}}
  %b = moe.make_bank %a : tensor<4xf32> -> !moe.bank<1x4xf32>
  return %b : !moe.bank<1x4xf32>
}

// -----

// moe-make-bank-c3: The next iteration would make it again.
func.func private @f(%a: memref<4xf32>, %other: !moe.bank<1x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%last = %other) -> !moe.bank<1x4xf32> {
    // expected-error-re@+1 {{but 'scf.yield' hands it on{{.*}}[moe-make-bank-c3]}}
    %b = moe.make_bank %a : memref<4xf32> -> !moe.bank<1x4xf32>
    scf.yield %b : !moe.bank<1x4xf32>
  }
  return
}

// -----

// moe-make-bank-c3
func.func private @f(%a: tensor<4xf32>, %other: !moe.bank<1x4xf32>, %c: i1) -> tensor<4xf32> {
  // expected-error-re@+1 {{but 'arith.select' hands it on{{.*}}[moe-make-bank-c3]}}
  %b = moe.make_bank %a : tensor<4xf32> -> !moe.bank<1x4xf32>
  %chosen = arith.select %c, %b, %other : !moe.bank<1x4xf32>
  %c0 = arith.constant 0 : index
  %s = moe.bank_slice %chosen[%c0] : !moe.bank<1x4xf32> -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

// moe-bank-slice-c1
func.func @f(%b: !moe.bank<2x4xf32>, %e: index) {
  // expected-error-re@+1 {{expected a result of type 'tensor<4xf32>', but got 'tensor<2x4xf32>'{{.*}}[moe-bank-slice-c1]}}
  %s = moe.bank_slice %b[%e] : !moe.bank<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

// moe-bank-slice-c1: On memrefs the layout belongs to the type.
func.func @f(%b: !moe.bank<2x4x4xf32, strided<[8, 1]>>, %e: index) {
  // expected-error-re@+1 {{expected a result of type{{.*}}[moe-bank-slice-c1]}}
  %s = moe.bank_slice %b[%e] : !moe.bank<2x4x4xf32, strided<[8, 1]>> -> memref<4x4xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// moe.router
//===----------------------------------------------------------------------===//

// moe-router-c1
func.func @f(%z: tensor<?x8xf32>, %b: memref<8xf32>) {
  // expected-error-re@+1 {{expected either tensors and results, or memrefs and 'into', but got both{{.*}}[moe-router-c1]}}
  %r:2 = moe.router %z bias(%b) {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>, memref<8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c1
func.func @f(%z: tensor<?x8xf32>, %w: memref<?x2xf32>, %i: memref<?x2xi32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-router-c1]}}
  %r:2 = moe.router %z into(%w, %i) {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>, memref<?x2xf32>, memref<?x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c1: The form on memrefs has no results.
func.func @f(%z: memref<?x8xf32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-router-c1]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c1
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 2 or more results, but got 1{{.*}}[moe-router-c1]}}
  %r:1 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> tensor<?x2xf32>
  return
}

// -----

// moe-router-c1
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 2 or more results, but got 4{{.*}}[moe-router-c1]}}
  %r:4 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x8xf32>, tensor<?x8xf32>)
  return
}

// -----

// moe-router-c1
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 2 or more results, but got 0{{.*}}[moe-router-c1]}}
  moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> ()
  return
}

// -----

// moe-router-c1: Results and into at once.
func.func @f(%z: memref<?x8xf32>, %w: memref<?x2xf32>, %i: memref<?x2xi32>) {
  // expected-error-re@+1 {{expected 2 or more results, but got 4{{.*}}[moe-router-c1]}}
  %r:2 = moe.router %z into(%w, %i) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x8xf32>, memref<?x2xf32>, memref<?x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c2
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected weights of type ?x2xf32, but got 'tensor<?x3xf32>'{{.*}}[moe-router-c2]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c2
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected ids of type ?x2xi32{{.*}}[moe-router-c2]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  return
}

// -----

// moe-router-c2
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected ids of type ?x2xi32{{.*}}[moe-router-c2]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?xi32>)
  return
}

// -----

// moe-router-c2
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected scores of type ?x8xf32{{.*}}[moe-router-c2]}}
  %r:3 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-router-c3
func.func @f(%z: tensor<?x?xf32>) {
  // expected-error-re@+1 {{expected logits with a static number of experts{{.*}}[moe-router-c3]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x?xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c4
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected top_k in [1, 8], but got 9{{.*}}[moe-router-c4]}}
  %r:2 = moe.router %z {top_k = 9 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c4
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected top_k in [1, 8], but got 0{{.*}}[moe-router-c4]}}
  %r:2 = moe.router %z {top_k = 0 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c4: No experts.
func.func @f(%z: tensor<?x0xf32>) {
  // expected-error-re@+1 {{expected top_k in [1, 0], but got 1{{.*}}[moe-router-c4]}}
  %r:2 = moe.router %z {top_k = 1 : i64, score = #moe.score<softmax>} : (tensor<?x0xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c5
func.func @f(%z: tensor<?x8xf32>, %b: tensor<4xf32>) {
  // expected-error-re@+1 {{expected bias and expert_scale of 8 elements{{.*}}[moe-router-c5]}}
  %r:2 = moe.router %z bias(%b) {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>, tensor<4xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c5
func.func @f(%z: tensor<?x8xf32>, %b: tensor<?xf32>) {
  // expected-error-re@+1 {{expected bias and expert_scale of 8 elements{{.*}}[moe-router-c5]}}
  %r:2 = moe.router %z expert_scale(%b) {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>, tensor<?xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c6
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected the number of groups to divide 8 experts, but got 3{{.*}}[moe-router-c6]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, group_limit = #moe.group_limit<groups = 3, keep = 1>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c7
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected top of a group limit to be at most the 2 experts of a group, but got 3{{.*}}[moe-router-c7]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, group_limit = #moe.group_limit<groups = 4, keep = 1, score = sum_top, top = 3>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c8
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 'threshold' with domain = threshold and selection = sequential, and only there{{.*}}[moe-router-c8]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, threshold = 0.1} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c8
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 'threshold' with domain = threshold{{.*}}[moe-router-c8]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<threshold>, selection = #moe.selection<sequential>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c8
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 'threshold' with domain = threshold{{.*}}[moe-router-c8]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<threshold>, threshold = 0.1} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c8
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected a finite threshold >= 0{{.*}}[moe-router-c8]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<threshold>, selection = #moe.selection<sequential>, threshold = -0.1} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c8
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected a finite threshold >= 0{{.*}}[moe-router-c8]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<threshold>, selection = #moe.selection<sequential>, threshold = 0x7FF0000000000000 : f64} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c9
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected score = softmax without bias and group_limit with domain = threshold{{.*}}[moe-router-c9]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<sigmoid>, domain = #moe.domain<threshold>, selection = #moe.selection<sequential>, threshold = 0.1} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c9
func.func @f(%z: tensor<?x8xf32>, %b: tensor<8xf32>) {
  // expected-error-re@+1 {{expected score = softmax without bias and group_limit with domain = threshold{{.*}}[moe-router-c9]}}
  %r:2 = moe.router %z bias(%b) {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<threshold>, selection = #moe.selection<sequential>, threshold = 0.1} : (tensor<?x8xf32>, tensor<8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c10
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected the operand 'table' with selection = table, and only there{{.*}}[moe-router-c10]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, selection = #moe.selection<table>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c10
func.func @f(%z: tensor<?x8xf32>, %t: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected the operand 'table' with selection = table, and only there{{.*}}[moe-router-c10]}}
  %r:2 = moe.router %z table(%t) {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>, tensor<?x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c10
func.func @f(%z: tensor<?x8xf32>, %b: tensor<8xf32>, %t: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected neither bias nor group_limit with selection = table{{.*}}[moe-router-c10]}}
  %r:2 = moe.router %z bias(%b) table(%t) {top_k = 2 : i64, score = #moe.score<softmax>, selection = #moe.selection<table>} : (tensor<?x8xf32>, tensor<8xf32>, tensor<?x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c11
func.func @f(%z: tensor<?x8xf32>, %t: tensor<?x3xi32>) {
  // expected-error-re@+1 {{expected a table of T x 2{{.*}}[moe-router-c11]}}
  %r:2 = moe.router %z table(%t) {top_k = 2 : i64, score = #moe.score<softmax>, selection = #moe.selection<table>} : (tensor<?x8xf32>, tensor<?x3xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c11
func.func @f(%z: tensor<4x8xf32>, %t: tensor<5x2xi32>) {
  // expected-error-re@+1 {{expected a table of T x 2{{.*}}[moe-router-c11]}}
  %r:2 = moe.router %z table(%t) {top_k = 2 : i64, score = #moe.score<softmax>, selection = #moe.selection<table>} : (tensor<4x8xf32>, tensor<5x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-router-c12
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected a finite scale{{.*}}[moe-router-c12]}}
  %r:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, scale = 0x7FF0000000000000 : f64} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// moe.plan
//===----------------------------------------------------------------------===//

// moe-plan-c1
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected 5 results, but got 1{{.*}}[moe-plan-c1]}}
  %r:1 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> tensor<8xi32>
  return
}

// -----

// moe-plan-c1: Results and into do not share out the five.
func.func @f(%w: tensor<4x2xf32>, %ids: tensor<4x2xi32>, %a: memref<8xi32>, %b: memref<4x2xi32>, %c: memref<4x2xf32>) {
  // expected-error-re@+1 {{expected 5 results, but got 2{{.*}}[moe-plan-c1]}}
  %r:2 = moe.plan %w, %ids into(%a, %b, %c) : (tensor<4x2xf32>, tensor<4x2xi32>, memref<8xi32>, memref<4x2xi32>, memref<4x2xf32>) -> (tensor<8xi32>, tensor<9xi32>)
  return
}

// -----

// moe-plan-c1
func.func @f(%w: tensor<?x2xf32>, %ids: memref<?x2xi32>) {
  // expected-error-re@+1 {{expected either tensors and results, or memrefs and 'into', but got both{{.*}}[moe-plan-c1]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, memref<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c2
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected offsets of type 9xi32{{.*}}[moe-plan-c2]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<8xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c2
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected position of type ?x2xi32{{.*}}[moe-plan-c2]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c3
func.func @f(%w: tensor<?x3xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected weights and ids of the same shape T x k with static k of at least 1{{.*}}[moe-plan-c3]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x3xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c3
func.func @f(%w: tensor<?x?xf32>, %ids: tensor<?x?xi32>) {
  // expected-error-re@+1 {{expected weights and ids of the same shape{{.*}}[moe-plan-c3]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x?xf32>, tensor<?x?xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c3
func.func @f(%w: tensor<3x2xf32>, %ids: tensor<4x2xi32>) {
  // expected-error-re@+1 {{expected weights and ids of the same shape{{.*}}[moe-plan-c3]}}
  %r:5 = moe.plan %w, %ids : (tensor<3x2xf32>, tensor<4x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c3: No slots.
func.func @f(%w: tensor<?x0xf32>, %ids: tensor<?x0xi32>) {
  // expected-error-re@+1 {{expected weights and ids of the same shape{{.*}}[moe-plan-c3]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x0xf32>, tensor<?x0xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c4
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index) {
  // expected-error-re@+1 {{expected either the operand 'capacity' or the attribute 'capacity_rule', but got both{{.*}}[moe-plan-c4]}}
  %r:5 = moe.plan %w, %ids capacity(%c) {capacity_rule = #moe.capacity<basis = tokens, factor = 1.0>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c5
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index) {
  // expected-error-re@+1 {{expected overflow = zero or residual with a capacity, and none without{{.*}}[moe-plan-c5]}}
  %r:5 = moe.plan %w, %ids capacity(%c) : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c5
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected overflow = zero or residual with a capacity, and none without{{.*}}[moe-plan-c5]}}
  %r:5 = moe.plan %w, %ids {overflow = #moe.overflow<residual>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c6
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %s: tensor<?xi32>) {
  // expected-error-re@+1 {{expected segments and priorities only with a capacity{{.*}}[moe-plan-c6]}}
  %r:5 = moe.plan %w, %ids segments(%s) : (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c6
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected segments and priorities only with a capacity{{.*}}[moe-plan-c6]}}
  %r:5 = moe.plan %w, %ids {priority = #moe.priority<batch>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c7
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index, %p: tensor<?xf32>) {
  // expected-error-re@+1 {{expected priority_scores of T elements, with priority = batch only{{.*}}[moe-plan-c7]}}
  %r:5 = moe.plan %w, %ids capacity(%c) priority_scores(%p) {overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>, index, tensor<?xf32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c7
func.func @f(%w: tensor<4x2xf32>, %ids: tensor<4x2xi32>, %c: index, %p: tensor<5xf32>) {
  // expected-error-re@+1 {{expected priority_scores of T elements, with priority = batch only{{.*}}[moe-plan-c7]}}
  %r:5 = moe.plan %w, %ids capacity(%c) priority_scores(%p) {overflow = #moe.overflow<zero>, priority = #moe.priority<batch>} : (tensor<4x2xf32>, tensor<4x2xi32>, index, tensor<5xf32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c8
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected counts with a static number of experts of at least 1{{.*}}[moe-plan-c8]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<?xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c8
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected counts with a static number of experts of at least 1{{.*}}[moe-plan-c8]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<0xi32>, tensor<1xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c9
func.func @f(%w: tensor<1073741824x2xf32>, %ids: tensor<1073741824x2xi32>) {
  // expected-error-re@+1 {{expected fewer than 2^31 slots, but got 1073741824 x 2{{.*}}[moe-plan-c9]}}
  %r:5 = moe.plan %w, %ids : (tensor<1073741824x2xf32>, tensor<1073741824x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c10
func.func @f(%w: tensor<4x2xf32>, %ids: tensor<4x2xi32>) {
  // expected-error-re@+1 {{expected at least 8 rows without a capacity, but got 7{{.*}}[moe-plan-c10]}}
  %r:5 = moe.plan %w, %ids : (tensor<4x2xf32>, tensor<4x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<7xi32>, tensor<4x2xi32>, tensor<4x2xf32>)
  return
}

// -----

// moe-plan-c11: E + 1 offsets could not be counted
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected fewer than 2^31 - 1 experts, but got 9223372036854775807{{.*}}[moe-plan-c11]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<9223372036854775807xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

// moe-plan-c11
func.func @f(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected fewer than 2^31 - 1 experts, but got 2147483647{{.*}}[moe-plan-c11]}}
  %r:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<2147483647xi32>, tensor<2147483648xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

//===----------------------------------------------------------------------===//
// moe.dispatch and moe.combine
//===----------------------------------------------------------------------===//

// moe-dispatch-c1
func.func @f(%x: tensor<?x4xf32>, %s: memref<?xi32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-dispatch-c1]}}
  %r = moe.dispatch %x, %s, %o : (tensor<?x4xf32>, memref<?xi32>, tensor<3xi32>) -> tensor<?x4xf32>
  return
}

// -----

// moe-dispatch-c1
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?xi32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected 1 results, but got 0{{.*}}[moe-dispatch-c1]}}
  moe.dispatch %x, %s, %o : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> ()
  return
}

// -----

// moe-dispatch-c2
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?xi32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected rows of type ?x4xf32{{.*}}[moe-dispatch-c2]}}
  %r = moe.dispatch %x, %s, %o : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x5xf32>
  return
}

// -----

// moe-dispatch-c3
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?xi32>, %o: tensor<3xi32>, %w: tensor<?x2xf32>) {
  // expected-error-re@+1 {{expected weights and position together{{.*}}[moe-dispatch-c3]}}
  %r = moe.dispatch %x, %s, %o weights(%w) : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  return
}

// -----

// moe-dispatch-c4
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?xi32>, %o: tensor<3xi32>, %w: tensor<?x2xf32>, %p: tensor<?x3xi32>) {
  // expected-error-re@+1 {{expected weights and position of the same shape T x k{{.*}}[moe-dispatch-c4]}}
  %r = moe.dispatch %x, %s, %o weights(%w) position(%p) : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>, tensor<?x2xf32>, tensor<?x3xi32>) -> tensor<?x4xf32>
  return
}

// -----

// moe-dispatch-c5
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?xi32>, %o: tensor<1xi32>) {
  // expected-error-re@+1 {{expected offsets of at least 2 elements, one more than experts{{.*}}[moe-dispatch-c5]}}
  %r = moe.dispatch %x, %s, %o : (tensor<?x4xf32>, tensor<?xi32>, tensor<1xi32>) -> tensor<?x4xf32>
  return
}

// -----

// moe-combine-c1
func.func @f(%r0: tensor<?x4xf32>, %p: memref<5x2xi32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-combine-c1]}}
  %r = moe.combine %r0, %p : (tensor<?x4xf32>, memref<5x2xi32>) -> tensor<5x4xf32>
  return
}

// -----

// moe-combine-c2
func.func @f(%r0: tensor<?x4xf32>, %p: tensor<5x2xi32>) {
  // expected-error-re@+1 {{expected result of type 5x4xf32{{.*}}[moe-combine-c2]}}
  %r = moe.combine %r0, %p : (tensor<?x4xf32>, tensor<5x2xi32>) -> tensor<6x4xf32>
  return
}

// -----

// moe-combine-c3
func.func @f(%r0: tensor<?x4xf32>, %p: tensor<5x2xi32>, %w: tensor<5x3xf32>) {
  // expected-error-re@+1 {{expected weights of the shape of position{{.*}}[moe-combine-c3]}}
  %r = moe.combine %r0, %p weights(%w) : (tensor<?x4xf32>, tensor<5x2xi32>, tensor<5x3xf32>) -> tensor<5x4xf32>
  return
}

// -----

// moe-combine-c4: Without weights a slot that is not there cannot be told.
func.func @f(%r0: tensor<?x4xf32>, %p: tensor<5x2xi32>, %x: tensor<5x4xf32>) {
  // expected-error-re@+1 {{expected passthrough of T x H, together with weights{{.*}}[moe-combine-c4]}}
  %r = moe.combine %r0, %p passthrough(%x) : (tensor<?x4xf32>, tensor<5x2xi32>, tensor<5x4xf32>) -> tensor<5x4xf32>
  return
}

// -----

// moe-combine-c4
func.func @f(%r0: tensor<?x4xf32>, %p: tensor<5x2xi32>, %w: tensor<5x2xf32>, %x: tensor<6x4xf32>) {
  // expected-error-re@+1 {{expected passthrough of T x H, together with weights{{.*}}[moe-combine-c4]}}
  %r = moe.combine %r0, %p weights(%w) passthrough(%x) : (tensor<?x4xf32>, tensor<5x2xi32>, tensor<5x2xf32>, tensor<6x4xf32>) -> tensor<5x4xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// moe.aux_loss
//===----------------------------------------------------------------------===//

// moe-aux-loss-c1
func.func @f(%s: tensor<?x8xf32>, %i: memref<?x2xi32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-aux-loss-c1]}}
  %l = moe.aux_loss %s ids(%i) {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, memref<?x2xi32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c1: The form on memrefs has a buffer in into.
func.func @f(%z: memref<?x8xf32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-aux-loss-c1]}}
  moe.aux_loss %z {kind = #moe.loss<z>} : (memref<?x8xf32>) -> ()
  return
}

// -----

// moe-aux-loss-c1
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 1 results, but got 0{{.*}}[moe-aux-loss-c1]}}
  moe.aux_loss %z {kind = #moe.loss<z>} : (tensor<?x8xf32>) -> ()
  return
}

// -----

// moe-aux-loss-c1
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected 1 results, but got 2{{.*}}[moe-aux-loss-c1]}}
  %l:2 = moe.aux_loss %z {kind = #moe.loss<z>} : (tensor<?x8xf32>) -> (tensor<f32>, tensor<f32>)
  return
}

// -----

// moe-aux-loss-c2
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected loss of type f32, but got 'tensor<1xf32>'{{.*}}[moe-aux-loss-c2]}}
  %l = moe.aux_loss %z {kind = #moe.loss<z>} : (tensor<?x8xf32>) -> tensor<1xf32>
  return
}

// -----

// moe-aux-loss-c2
func.func @f(%z: memref<?x8xf32>, %l: memref<f64>) {
  // expected-error-re@+1 {{expected loss of type f32, but got 'memref<f64>'{{.*}}[moe-aux-loss-c2]}}
  moe.aux_loss %z into(%l) {kind = #moe.loss<z>} : (memref<?x8xf32>, memref<f64>) -> ()
  return
}

// -----

// moe-aux-loss-c3
func.func @f(%z: tensor<?x?xf32>) {
  // expected-error-re@+1 {{expected values with a static number of experts of at least 1, but got 'tensor<?x?xf32>'{{.*}}[moe-aux-loss-c3]}}
  %l = moe.aux_loss %z {kind = #moe.loss<z>} : (tensor<?x?xf32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c3
func.func @f(%z: tensor<?x0xf32>) {
  // expected-error-re@+1 {{but got 'tensor<?x0xf32>'{{.*}}[moe-aux-loss-c3]}}
  %l = moe.aux_loss %z {kind = #moe.loss<importance_cv2>} : (tensor<?x0xf32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c4
func.func @f(%s: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected the operand 'ids' with kind = fraction_probability, and only there{{.*}}[moe-aux-loss-c4]}}
  %l = moe.aux_loss %s {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c4
func.func @f(%s: tensor<?x8xf32>, %i: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected the operand 'ids' with kind = fraction_probability, and only there{{.*}}[moe-aux-loss-c4]}}
  %l = moe.aux_loss %s ids(%i) {kind = #moe.loss<z>} : (tensor<?x8xf32>, tensor<?x2xi32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c4
func.func @f(%s: tensor<?x8xf32>, %i: tensor<?x2xi32>) {
  // expected-error-re@+1 {{expected the operand 'ids' with kind = fraction_probability, and only there{{.*}}[moe-aux-loss-c4]}}
  %l = moe.aux_loss %s ids(%i) {kind = #moe.loss<importance_cv2>} : (tensor<?x8xf32>, tensor<?x2xi32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c5
func.func @f(%s: tensor<5x8xf32>, %i: tensor<6x2xi32>) {
  // expected-error-re@+1 {{expected ids of T x k with static k of at least 1, but got 'tensor<6x2xi32>'{{.*}}[moe-aux-loss-c5]}}
  %l = moe.aux_loss %s ids(%i) {kind = #moe.loss<fraction_probability>} : (tensor<5x8xf32>, tensor<6x2xi32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c5
func.func @f(%s: tensor<?x8xf32>, %i: tensor<?x?xi32>) {
  // expected-error-re@+1 {{but got 'tensor<?x?xi32>'{{.*}}[moe-aux-loss-c5]}}
  %l = moe.aux_loss %s ids(%i) {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, tensor<?x?xi32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c5
func.func @f(%s: tensor<?x8xf32>, %i: tensor<?x0xi32>) {
  // expected-error-re@+1 {{but got 'tensor<?x0xi32>'{{.*}}[moe-aux-loss-c5]}}
  %l = moe.aux_loss %s ids(%i) {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, tensor<?x0xi32>) -> tensor<f32>
  return
}

// -----

// moe-aux-loss-c6
func.func @f(%z: tensor<?x8xf32>) {
  // expected-error-re@+1 {{expected normalize_k only with kind = fraction_probability{{.*}}[moe-aux-loss-c6]}}
  %l = moe.aux_loss %z {kind = #moe.loss<z>, normalize_k} : (tensor<?x8xf32>) -> tensor<f32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// moe.experts
//===----------------------------------------------------------------------===//

// moe-experts-c1
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<?xi32>) {
  // expected-error-re@+1 {{expected offsets of a static size of at least 2{{.*}}[moe-experts-c1]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<?xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c1
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<1xi32>) {
  // expected-error-re@+1 {{expected offsets of a static size of at least 2{{.*}}[moe-experts-c1]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<1xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c2
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected at least one expert with a body among 2 groups, but got identity = 1, zero = 1{{.*}}[moe-experts-c2]}}
  %y = moe.experts %rows, %o {identity = 1 : i64, zero = 1 : i64} : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c2
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{but got identity = -1, zero = 0{{.*}}[moe-experts-c2]}}
  %y = moe.experts %rows, %o {identity = -1 : i64} : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c2
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected at least one expert with a body{{.*}}[moe-experts-c2]}}
  %y = moe.experts %rows, %o {identity = 9223372036854775807 : i64, zero = 9223372036854775807 : i64} : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c3
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>, %b: !moe.bank<3x4xf32>) {
  // expected-error-re@+1 {{expected banks of 2 experts{{.*}}[moe-experts-c3]}}
  %y = moe.experts %rows, %o banks(%b) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<3x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %s: tensor<4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c4
func.func @f(%rows: tensor<5x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected as many result rows as rows{{.*}}[moe-experts-c4]}}
  %y = moe.experts %rows, %o : (tensor<5x4xf32>, tensor<3xi32>) -> tensor<6x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c5
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected identity and zero experts only where a row and its result are equally wide{{.*}}[moe-experts-c5]}}
  %y = moe.experts %rows, %o {identity = 1 : i64} : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x5xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c6
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected 1 region or 2, but got 3{{.*}}[moe-experts-c6]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c6
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected 1 region or 2, but got 0{{.*}}[moe-experts-c6]}}
  %y = "moe.experts"(%rows, %o) : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32>
  return
}

// -----

// moe-experts-c7
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>, %b: !moe.bank<2x4xf32>) {
  // expected-error-re@+1 {{expected no banks with one region per expert{{.*}}[moe-experts-c7]}}
  %y = moe.experts %rows, %o banks(%b) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c8
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected a body with arguments ('tensor<?x4xf32>', 'index'), but got ('tensor<?x4xf32>'){{.*}}[moe-experts-c8]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c8
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected a body with arguments ('tensor<?x4xf32>'), but got ('tensor<?x4xf32>', 'index'){{.*}}[moe-experts-c8]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c8
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>, %b: !moe.bank<2x4xf32>) {
  // expected-error-re@+1 {{expected a body with arguments ('tensor<?x4xf32>', 'index', 'tensor<4xf32>'){{.*}}[moe-experts-c8]}}
  %y = moe.experts %rows, %o banks(%b) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c9
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected a body to yield one value of type 'tensor<?x4xf32>'{{.*}}[moe-experts-c9]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r, %r : tensor<?x4xf32>, tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c9
func.func @f(%rows: tensor<?x4xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected a body to yield one value of type 'tensor<?x5xf32>'{{.*}}[moe-experts-c9]}}
  %y = moe.experts %rows, %o : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x5xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return
}

// -----

// moe-experts-c10
func.func @f(%rows: tensor<?x?xf32>, %o: tensor<3xi32>) {
  // expected-error-re@+1 {{expected a result of a static width, but got 'tensor<?x?xf32>'{{.*}}[moe-experts-c10]}}
  %y = moe.experts %rows, %o : (tensor<?x?xf32>, tensor<3xi32>) -> tensor<?x?xf32> {
  ^bb0(%r: tensor<?x?xf32>, %e: index):
    moe.yield %r : tensor<?x?xf32>
  }
  return
}

// -----

// No label: A yield ends a body.
func.func @f(%r: tensor<?x4xf32>) {
  // expected-error@+1 {{expects parent op to be one of 'moe.experts, moe.grouped_matmul'}}
  moe.yield %r : tensor<?x4xf32>
}

// -----

//===----------------------------------------------------------------------===//
// moe.grouped_matmul
//===----------------------------------------------------------------------===//

// moe-grouped-matmul-c1
func.func @f(%x: memref<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected either tensors or memrefs, but got both{{.*}}[moe-grouped-matmul-c1]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (memref<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c1
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: memref<3xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected either tensors or memrefs, but got both{{.*}}[moe-grouped-matmul-c1]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, memref<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c2
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected one result of the type of init on tensors, and none on memrefs{{.*}}[moe-grouped-matmul-c2]}}
  moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> ()
  return
}

// -----

// moe-grouped-matmul-c2
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected one result of the type of init on tensors, and none on memrefs{{.*}}[moe-grouped-matmul-c2]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<5x6xf32>
  return
}

// -----

// moe-grouped-matmul-c3
func.func @f(%x: tensor<?x5xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected rows N x K, a bank E x M x K and init N x M{{.*}}[moe-grouped-matmul-c3]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x5xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c3: A bank of vectors.
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x4xf32>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected rows N x K, a bank E x M x K and init N x M{{.*}}[moe-grouped-matmul-c3]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c3
func.func @f(%x: tensor<4x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %i: tensor<5x6xf32>) {
  // expected-error-re@+1 {{expected rows N x K, a bank E x M x K and init N x M{{.*}}[moe-grouped-matmul-c3]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<4x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  return
}

// -----

// moe-grouped-matmul-c4
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<2xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected 3 offsets{{.*}}[moe-grouped-matmul-c4]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<2xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c4
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<?xi32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected 3 offsets{{.*}}[moe-grouped-matmul-c4]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<?xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c5
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %d: !moe.bank<2x6x4xbf16>, %o: tensor<3xi32>, %i: tensor<?x6xf32>, %v: tensor<5xf32>, %c: !moe.bank<2x5xf32>, %e: tensor<?x5xf32>, %fx: tensor<4x4xf32>, %fi: tensor<4x6xf32>) {
  // expected-error-re@+1 {{expected one bank or more, of one type{{.*}}[moe-grouped-matmul-c5]}}
  %r = moe.grouped_matmul %x banks(%b, %d) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c6
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %d: !moe.bank<2x6x4xbf16>, %o: tensor<3xi32>, %i: tensor<?x6xf32>, %v: tensor<5xf32>, %c: !moe.bank<2x5xf32>, %e: tensor<?x5xf32>, %fx: tensor<4x4xf32>, %fi: tensor<4x6xf32>) {
  // expected-error-re@+1 {{expected per_row operands of the size of rows{{.*}}[moe-grouped-matmul-c6]}}
  %r = moe.grouped_matmul %fx banks(%b) offsets(%o) per_row(%v) outs(%fi) : (tensor<4x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<5xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

// moe-grouped-matmul-c7
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %d: !moe.bank<2x6x4xbf16>, %o: tensor<3xi32>, %i: tensor<?x6xf32>, %v: tensor<5xf32>, %c: !moe.bank<2x5xf32>, %e: tensor<?x5xf32>, %fx: tensor<4x4xf32>, %fi: tensor<4x6xf32>) {
  // expected-error-re@+1 {{expected per_column banks E x M{{.*}}[moe-grouped-matmul-c7]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) per_column(%c) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, !moe.bank<2x5xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c8
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %d: !moe.bank<2x6x4xbf16>, %o: tensor<3xi32>, %i: tensor<?x6xf32>, %v: tensor<5xf32>, %c: !moe.bank<2x5xf32>, %e: tensor<?x5xf32>, %fx: tensor<4x4xf32>, %fi: tensor<4x6xf32>) {
  // expected-error-re@+1 {{expected elements of the shape of init{{.*}}[moe-grouped-matmul-c8]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) elements(%e) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x5xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c9
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %d: !moe.bank<2x6x4xbf16>, %o: tensor<3xi32>, %i: tensor<?x6xf32>, %v: tensor<5xf32>, %c: !moe.bank<2x5xf32>, %e: tensor<?x5xf32>, %fx: tensor<4x4xf32>, %fi: tensor<4x6xf32>) {
  // expected-error-re@+1 {{expected a body with several banks, with other operands, or with an init that is not f32{{.*}}[moe-grouped-matmul-c9]}}
  %r = moe.grouped_matmul %x banks(%b, %b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c10
func.func @f(%x: tensor<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %d: !moe.bank<2x6x4xbf16>, %o: tensor<3xi32>, %i: tensor<?x6xf32>, %v: tensor<5xf32>, %c: !moe.bank<2x5xf32>, %e: tensor<?x5xf32>, %fx: tensor<4x4xf32>, %fi: tensor<4x6xf32>) {
  // expected-error-re@+1 {{expected a body from scalars ('f32', 'f32', 'f32') to the last of them{{.*}}[moe-grouped-matmul-c10]}}
  %r = moe.grouped_matmul %x banks(%b, %b) offsets(%o) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x6x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%g: f32, %old: f32):
    moe.yield %g : f32
  }
  return
}

// -----

// moe-grouped-matmul-c12
func.func @f(%x: tensor<4x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %t: tensor<5xi32>, %i: tensor<3x6xf32>) {
  // expected-error-re@+1 {{expected a target for each row, but got 5 targets of 4 rows{{.*}}[moe-grouped-matmul-c12]}}
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) targets(%t) outs(%i) : (tensor<4x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<5xi32>, tensor<3x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// moe-grouped-matmul-c12: of the rows that `source` has.
func.func @f(%x: tensor<5x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %s: tensor<4xi32>, %t: tensor<5xi32>, %i: tensor<3x6xf32>) {
  // expected-error-re@+1 {{expected a target for each row, but got 5 targets of 4 rows{{.*}}[moe-grouped-matmul-c12]}}
  %r = moe.grouped_matmul %x[%s] banks(%b) offsets(%o) targets(%t) outs(%i) : (tensor<5x4xf32>, tensor<4xi32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<5xi32>, tensor<3x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

// moe-entry-c1
// expected-error-re@+1 {{expected 'moe.shape' to be an array with one size per dimension of 'tensor<?x4xf32>'{{.*}}[moe-entry-c1]}}
func.func private @f(%x: tensor<?x4xf32> {moe.shape = ["n"]})

// -----

// moe-entry-c1
// expected-error-re@+1 {{expected 'moe.shape' to be an array with one size per dimension of 'index'{{.*}}[moe-entry-c1]}}
func.func private @f(%x: index {moe.shape = []})

// -----

// moe-entry-c2
// expected-error-re@+1 {{expected each size in 'moe.shape' to be a symbol{{.*}}[moe-entry-c2]}}
func.func private @f(%x: tensor<?xf32> {moe.shape = [4]})

// -----

// moe-entry-c2
// expected-error-re@+1 {{expected each size in 'moe.shape' to be a symbol{{.*}}[moe-entry-c2]}}
func.func private @f(%x: tensor<4xf32> {moe.shape = [5]})

// -----

// moe-entry-c2
// expected-error-re@+1 {{expected each size in 'moe.shape' to be a symbol{{.*}}[moe-entry-c2]}}
func.func private @f(%x: tensor<?xf32> {moe.shape = ["a * b * c"]})

// -----

// moe-entry-c2
// expected-error-re@+1 {{expected each size in 'moe.shape' to be a symbol{{.*}}[moe-entry-c2]}}
func.func private @f(%x: tensor<?xf32> {moe.shape = ["a + 1"]})

// -----

// moe-entry-c2
// expected-error-re@+1 {{expected each size in 'moe.shape' to be a symbol{{.*}}[moe-entry-c2]}}
func.func private @f(%x: tensor<?xf32> {moe.shape = [""]})

// -----

// moe-entry-c3
// expected-error-re@+1 {{expected 'moe.name' to be a string, but got 1{{.*}}[moe-entry-c3]}}
func.func private @f(%x: tensor<?xf32> {moe.name = 1 : i64})

// -----

// moe-entry-c4
// expected-error-re@+1 {{expected 'moe.range' to be [lower, upper] on an argument of integers{{.*}}[moe-entry-c4]}}
func.func private @f(%x: tensor<?xf32> {moe.range = [0, 4]})

// -----

// moe-entry-c4
// expected-error-re@+1 {{expected 'moe.range' to be [lower, upper] on an argument of integers{{.*}}[moe-entry-c4]}}
func.func private @f(%x: tensor<?xi32> {moe.range = [0]})

// -----

// moe-entry-c4: One bit has no range.
// expected-error-re@+1 {{expected 'moe.range' to be [lower, upper] on an argument of integers of more than one bit{{.*}}[moe-entry-c4]}}
func.func private @f(%x: tensor<4xi1> {moe.range = [0, 1]})

// -----

// moe-entry-c5
// expected-error-re@+1 {{expected 'moe.symbol' to be a string on an index argument{{.*}}[moe-entry-c5]}}
func.func private @f(%x: tensor<?xi32> {moe.symbol = "n"})

// -----

// moe-entry-c5
// expected-error-re@+1 {{expected 'moe.symbol' to be a string on an index argument{{.*}}[moe-entry-c5]}}
func.func private @f(%x: index {moe.symbol = 4})

// -----

// moe-entry-c6
// expected-error-re@+1 {{expected 'moe.tied' to be the index of an argument of type 'tensor<4xf32>' that no other result is tied to, but got 1{{.*}}[moe-entry-c6]}}
func.func private @f(%x: tensor<4xf32>) -> (tensor<4xf32> {moe.tied = 1})

// -----

// moe-entry-c6
// expected-error-re@+1 {{expected 'moe.tied' to be the index of an argument{{.*}}[moe-entry-c6]}}
func.func private @f(%x: tensor<5xf32>) -> (tensor<4xf32> {moe.tied = 0})

// -----

// moe-entry-c6
// expected-error-re@+1 {{that no other result is tied to{{.*}}[moe-entry-c6]}}
func.func private @f(%x: tensor<4xf32>) -> (tensor<4xf32> {moe.tied = 0}, tensor<4xf32> {moe.tied = 0})

// -----

// moe-entry-c7
// expected-error-re@+1 {{has no attribute 'moe.tied' on arguments{{.*}}[moe-entry-c7]}}
func.func private @f(%x: tensor<4xf32> {moe.tied = 0})

// -----

// moe-entry-c7
// expected-error-re@+1 {{has no attribute 'moe.range' on results{{.*}}[moe-entry-c7]}}
func.func private @f(%x: tensor<4xi32>) -> (tensor<4xi32> {moe.range = [0, 4]})

// -----

// moe-entry-c7
// expected-error-re@+1 {{has no attribute 'moe.nmae' on arguments; expected one of moe.name{{.*}}[moe-entry-c7]}}
func.func private @f(%x: tensor<4xf32> {moe.nmae = "x"})

// -----

// moe-entry-c8: Not a dictionary.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f() attributes {moe.entry = 1 : i64}

// -----

// moe-entry-c8: No results.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(memref<4xf32>) attributes {moe.entry = {inputs = [{}]}}

// -----

// moe-entry-c8: More inputs than arguments.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(memref<4xf32>) attributes {moe.entry = {inputs = [{}, {}], results = []}}

// -----

// moe-entry-c8: More results than arguments.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(memref<4xf32>) attributes {moe.entry = {inputs = [{}], results = [{}]}}

// -----

// moe-entry-c8: An argument that is nothing.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(memref<4xf32>, memref<4xf32>) attributes {moe.entry = {inputs = [{}], results = []}}

// -----

// moe-entry-c8: Tied to no input.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(memref<4xf32>) attributes {moe.entry = {inputs = [{}], results = [{moe.tied = 1 : i64}]}}

// -----

// moe-entry-c8: No buffer.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(f32) attributes {moe.entry = {inputs = [{}], results = []}}

// -----

// moe-entry-c8: Not dense.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(memref<4xf32, strided<[2]>>) attributes {moe.entry = {inputs = [{}], results = []}}

// -----

// moe-entry-c8: Not bufferized.
// expected-error-re@+1 {{as --moe-bufferize-entries leaves it, but got {{.*}}[moe-entry-c8]}}
func.func private @f(tensor<4xf32>) -> tensor<4xf32> attributes {moe.entry = {inputs = [{}], results = []}}

// -----

// moe-entry-c8
// expected-error-re@+1 {{expected 'moe.workspace' on a function to name another one, but got 1{{.*}}[moe-entry-c8]}}
func.func private @f() attributes {moe.workspace = 1 : i64}

// -----

// moe-entry-c8
// expected-error-re@+1 {{expected 'moe.workspace' on a function{{.*}}[moe-entry-c8]}}
module attributes {moe.workspace = @f} {}

// -----

// moe-entry-c8
// expected-error-re@+1 {{expected 'moe.checks' on a function to name another one, but got "f"{{.*}}[moe-entry-c8]}}
func.func private @f() attributes {moe.checks = "f"}

// -----

// moe-entry-c8: Not strings.
// expected-error-re@+1 {{expected 'moe.messages' on a module to be an array of strings, but got [1]{{.*}}[moe-entry-c8]}}
module attributes {moe.messages = [1]} {}

// -----

// moe-entry-c8: Not on a module.
// expected-error-re@+1 {{expected 'moe.messages' on a module{{.*}}[moe-entry-c8]}}
func.func private @f() attributes {moe.messages = []}

// -----

// moe-entry-c2: The attributes kept in moe.entry are checked as well.
// expected-error-re@+1 {{expected each size in 'moe.shape' to be a symbol{{.*}}[moe-entry-c2]}}
func.func private @f(memref<?xf32>) attributes {moe.entry = {inputs = [{moe.shape = [4]}], results = []}}

// -----

// moe-entry-c9
// expected-error-re@+1 {{has no attribute 'moe.limit'; expected moe.limits on a function{{.*}}[moe-entry-c9]}}
func.func private @f() attributes {moe.limit = []}

// -----

// moe-entry-c10
// expected-error-re@+1 {{expected 'moe.limits' on a function to be an array of{{.*}}[moe-entry-c10]}}
func.func private @f() attributes {moe.limits = 4}

// -----

// moe-entry-c10
// expected-error-re@+1 {{expected 'moe.limits' on a function to be an array of{{.*}}[moe-entry-c10]}}
func.func private @f() attributes {moe.limits = [[[], 4]]}

// -----

// moe-entry-c10
// expected-error-re@+1 {{expected 'moe.limits' on a function to be an array of{{.*}}[moe-entry-c10]}}
func.func private @f() attributes {moe.limits = [[["a", "b", "c", "d", "e"], 4]]}

// -----

// moe-entry-c10: Not on a module.
// expected-error-re@+1 {{expected 'moe.limits' on a function to be an array of{{.*}}[moe-entry-c10]}}
module attributes {moe.limits = []} {}

// -----

// moe-entry-c11: A misspelled symbol would never be limited.
// expected-error-re@+1 {{expected an argument that gives 'N' in 'moe.limits' its value; name a dimension alone so in 'moe.shape', or an index in 'moe.symbol'{{.*}}[moe-entry-c11]}}
func.func private @f(%a: tensor<?xf32> {moe.shape = ["n"]}) attributes {moe.limits = [[["N"], 2]]}

// -----

// moe-entry-c11: The bound of a limit.
// expected-error-re@+1 {{gives 'max' in 'moe.limits'{{.*}}[moe-entry-c11]}}
func.func private @f(%a: tensor<?xf32> {moe.shape = ["n"]}) attributes {moe.limits = [[["n"], "max"]]}

// -----

// moe-entry-c11: A product gives neither factor a value.
// expected-error-re@+1 {{gives 'b' in 'moe.shape'{{.*}}[moe-entry-c11]}}
func.func private @f(%a: tensor<?xf32> {moe.shape = ["a * b"]}, %b: tensor<?xf32> {moe.shape = ["a"]})

// -----

// moe-entry-c11: A result is as large as the arguments say.
// expected-error-re@+1 {{gives 'm' in 'moe.shape'{{.*}}[moe-entry-c11]}}
func.func private @f(%a: tensor<?xf32> {moe.shape = ["n"]}) -> (tensor<?xf32> {moe.shape = ["m"]})

// -----

// moe-entry-c11: After bufferization.
// expected-error-re@+1 {{gives 'N' in 'moe.limits'{{.*}}[moe-entry-c11]}}
func.func @f(%a: memref<?xf32>) attributes {moe.entry = {inputs = [{moe.shape = ["n"]}], results = []}, moe.limits = [[["N"], 2]]} {
  return
}

// -----

// moe-entry-c12
// expected-error-re@+1 {{expected a name of its own for each argument, but got 'a' twice; callers bind by name{{.*}}[moe-entry-c12]}}
func.func private @f(%a: tensor<4xf32> {moe.name = "a"}, %b: tensor<4xf32> {moe.name = "a"})

// -----

// moe-entry-c12
// expected-error-re@+1 {{expected a name of its own for each result, but got 'y' twice{{.*}}[moe-entry-c12]}}
func.func private @f() -> (tensor<4xf32> {moe.name = "y"}, tensor<4xf32> {moe.name = "y"})

// -----

// moe-entry-c12: The second argument is called so by default.
// expected-error-re@+1 {{but got 'arg1' twice{{.*}}[moe-entry-c12]}}
func.func private @f(%a: tensor<4xf32> {moe.name = "arg1"}, %b: tensor<4xf32>)

// -----

// moe-entry-c12: After bufferization.
// expected-error-re@+1 {{for each result, but got 'y' twice{{.*}}[moe-entry-c12]}}
func.func @f(%a: memref<4xf32>, %b: memref<4xf32>) attributes {moe.entry = {inputs = [], results = [{moe.name = "y"}, {moe.name = "y"}]}} {
  return
}

// -----

// moe-grouped-matmul-c11: codes of rows without their sums
func.func @f(%x: tensor<?x4xi8>, %b: !moe.bank<1x6x4xf32, #moe.quantized<bits = 8, scale = f32>>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected rows of i8 exactly with quantized banks and row_sums, N x the scales of a row of a bank, but got {{.*}}[moe-grouped-matmul-c11]}}
  %r = moe.grouped_matmul %x banks(%b) outs(%i) : (tensor<?x4xi8>, !moe.bank<1x6x4xf32, #moe.quantized<bits = 8, scale = f32>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c11: codes of rows times floats
func.func @f(%x: tensor<?x4xi8>, %g: tensor<?x1xi32>, %b: !moe.bank<1x6x4xf32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected rows of i8 exactly with quantized banks {{.*}}[moe-grouped-matmul-c11]}}
  %r = moe.grouped_matmul %x row_sums(%g) banks(%b) outs(%i) : (tensor<?x4xi8>, tensor<?x1xi32>, !moe.bank<1x6x4xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c11: sums of floats
func.func @f(%x: tensor<?x4xf32>, %g: tensor<?x1xi32>, %b: !moe.bank<1x6x4xf32, #moe.quantized<bits = 8, scale = f32>>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected rows of i8 exactly with quantized banks {{.*}}[moe-grouped-matmul-c11]}}
  %r = moe.grouped_matmul %x row_sums(%g) banks(%b) outs(%i) : (tensor<?x4xf32>, tensor<?x1xi32>, !moe.bank<1x6x4xf32, #moe.quantized<bits = 8, scale = f32>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c11: one sum for three scales
func.func @f(%x: tensor<?x20xi8>, %g: tensor<?x1xi32>, %b: !moe.bank<1x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = f32>>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected rows of i8 exactly with quantized banks {{.*}}[moe-grouped-matmul-c11]}}
  %r = moe.grouped_matmul %x row_sums(%g) banks(%b) outs(%i) : (tensor<?x20xi8>, tensor<?x1xi32>, !moe.bank<1x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = f32>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c13: scales of floats
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?x1xf32>, %b: !moe.bank<1x6x4xf32>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected row_scales of f32 of the shape of row_sums, but got 'tensor<?x1xf32>' and {{.*}}[moe-grouped-matmul-c13]}}
  %r = moe.grouped_matmul %x row_scales(%s) banks(%b) outs(%i) : (tensor<?x4xf32>, tensor<?x1xf32>, !moe.bank<1x6x4xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// moe-grouped-matmul-c13: one scale for three sums
func.func @f(%x: tensor<?x20xi8>, %g: tensor<?x3xi32>, %s: tensor<?x1xf32>, %b: !moe.bank<1x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = f32>>, %i: tensor<?x6xf32>) {
  // expected-error-re@+1 {{expected row_scales of f32 of the shape of row_sums, but got 'tensor<?x1xf32>' and 'tensor<?x3xi32>'{{.*}}[moe-grouped-matmul-c13]}}
  %r = moe.grouped_matmul %x row_sums(%g) row_scales(%s) banks(%b) outs(%i) : (tensor<?x20xi8>, tensor<?x3xi32>, tensor<?x1xf32>, !moe.bank<1x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = f32>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

//===----------------------------------------------------------------------===//
// moe.quantize_rows
//===----------------------------------------------------------------------===//

// -----

// moe-quantize-rows-c1
func.func @f(%x: tensor<?x4xf32>, %c: memref<?x4xi8>, %s: memref<?xf32>, %g: memref<?x1xi32>) {
  // expected-error-re@+1 {{but got both{{.*}}[moe-quantize-rows-c1]}}
  moe.quantize_rows %x into(%c, %s, %g) : (tensor<?x4xf32>, memref<?x4xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  return
}

// -----

// moe-quantize-rows-c2
func.func @f(%x: tensor<?x20xf32>) {
  // expected-error-re@+1 {{expected sums of type {{.*}}but got 'tensor<?x2xi32>'{{.*}}[moe-quantize-rows-c2]}}
  %c, %s, %g = moe.quantize_rows %x {group = 8} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x2xi32>)
  return
}

// -----

// moe-quantize-rows-c2: a scale for each run, not for each row
func.func @f(%x: tensor<?x20xf32>) {
  // expected-error-re@+1 {{expected scales of type {{.*}}but got 'tensor<?xf32>'{{.*}}[moe-quantize-rows-c2]}}
  %c, %s, %g = moe.quantize_rows %x {group = 8, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>)
  return
}

// -----

// moe-quantize-rows-c3
func.func @f(%x: tensor<?x?xf32>) {
  // expected-error-re@+1 {{expected rows of a static number of columns of at least 1, and a group of at least 0, but got 'tensor<?x?xf32>' and 0{{.*}}[moe-quantize-rows-c3]}}
  %c, %s, %g = moe.quantize_rows %x : (tensor<?x?xf32>) -> (tensor<?x?xi8>, tensor<?xf32>, tensor<?x1xi32>)
  return
}

// -----

// moe-quantize-rows-c3
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error-re@+1 {{but got 'tensor<?x4xf32>' and -8{{.*}}[moe-quantize-rows-c3]}}
  %c, %s, %g = moe.quantize_rows %x {group = -8} : (tensor<?x4xf32>) -> (tensor<?x4xi8>, tensor<?xf32>, tensor<?x1xi32>)
  return
}

// -----

// moe-row-loop-c1: Nothing to share.
// expected-error-re@+1 {{expected 'moe.row_loop' on a scf.parallel to be two positive numbers of 31 bits, but got array<i64: 4, 1>{{.*}}[moe-row-loop-c1]}}
func.func private @f() attributes {moe.row_loop = array<i64: 4, 1>}

// -----

func.func @f(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // moe-row-loop-c1: Rows that cost nothing.
  // expected-error-re@+1 {{to be two positive numbers of 31 bits, but got array<i64: 0, 1>{{.*}}[moe-row-loop-c1]}}
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
  } {moe.row_loop = array<i64: 0, 1>}
  return
}

// -----

func.func @f(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // moe-row-loop-c1: One number.
  // expected-error-re@+1 {{to be two positive numbers of 31 bits, but got array<i64: 1>{{.*}}[moe-row-loop-c1]}}
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
  } {moe.row_loop = array<i64: 1>}
  return
}

// -----

// moe-transpose-bank-c1: vectors have no transposed
func.func private @f(%bank: !moe.bank<2x4xf32>) {
  // expected-error-re@+1 {{expected a bank of matrices, neither packed nor quantized, but got{{.*}}[moe-transpose-bank-c1]}}
  %t = moe.transpose_bank %bank : !moe.bank<2x4xf32> -> !moe.bank<2x4xf32>
  return
}

// -----

// moe-transpose-bank-c2: the layout of the result is the one that the elements have
func.func private @f(%bank: !moe.bank<2x4x6xf32>) {
  // expected-error-re@+1 {{expected a result of type '!moe.bank<2x6x4xf32, strided<[1, 6]>>', but got{{.*}}[moe-transpose-bank-c2]}}
  %t = moe.transpose_bank %bank : !moe.bank<2x4x6xf32> -> !moe.bank<2x6x4xf32>
  return
}

// -----

// moe-make-bank-c3: neither is a bank that is seen transposed
func.func private @f(%a: tensor<4x6xf32>) -> !moe.bank<1x6x4xf32, strided<[1, 6]>> {
  // expected-error-re@+1 {{'func.return' hands it on{{.*}}[moe-make-bank-c3]}}
  %bank = moe.make_bank %a : tensor<4x6xf32> -> !moe.bank<1x4x6xf32>
  %t = moe.transpose_bank %bank : !moe.bank<1x4x6xf32> -> !moe.bank<1x6x4xf32, strided<[1, 6]>>
  return %t : !moe.bank<1x6x4xf32, strided<[1, 6]>>
}
