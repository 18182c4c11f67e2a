// RUN: moe-opt %s -convert-moe-to-vector -split-input-file -verify-diagnostics

// A schedule and packed banks are chosen before.
func.func @plain(%x: memref<?x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: memref<3xi32>, %y: memref<?x6xf32>) {
  // expected-error-re@+1 {{expected memrefs, packed banks and a schedule; run moe-pack-weights and bufferize first{{.*}}[moe-to-vector-form]}}
  moe.grouped_matmul %x banks(%b) offsets(%o) outs(%y) : (memref<?x4xf32>, !moe.bank<2x6x4xf32>, memref<3xi32>, memref<?x6xf32>) -> ()
  return
}

// -----

// 6 rows of a panel are no whole vectors of 4.
func.func @panel(%x: memref<?x4xf32>, %b: !moe.bank<2x6x4xf32, #moe.packed<panel = 6, depth = 1>>, %o: memref<3xi32>, %y: memref<?x6xf32>) {
  // expected-error-re@+1 {{expected panels of whole vectors with the depth of the dot instruction, but got {{.*}}[moe-to-vector-schedule]}}
  moe.grouped_matmul %x banks(%b) offsets(%o) outs(%y) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 4, dot = fma>}
      : (memref<?x4xf32>, !moe.bank<2x6x4xf32, #moe.packed<panel = 6, depth = 1>>, memref<3xi32>, memref<?x6xf32>) -> ()
  return
}

// -----

// Pairs of bf16 lie together.
func.func @depth(%x: memref<?x4xbf16>, %b: !moe.bank<2x6x4xbf16, #moe.packed<panel = 16, depth = 1>>, %o: memref<3xi32>, %y: memref<?x6xf32>) {
  // expected-error-re@+1 {{expected panels of whole vectors with the depth of the dot instruction, but got {{.*}}[moe-to-vector-schedule]}}
  moe.grouped_matmul %x banks(%b) offsets(%o) outs(%y) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = bf16_pairs>}
      : (memref<?x4xbf16>, !moe.bank<2x6x4xbf16, #moe.packed<panel = 16, depth = 1>>, memref<3xi32>, memref<?x6xf32>) -> ()
  return
}

// -----

// Quads are codes on both sides.
func.func @quads(%x: memref<?x4xf32>, %b: !moe.bank<1x16x4xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 16, depth = 4>>, %y: memref<?x16xf32>) {
  // expected-error-re@+1 {{expected panels of whole vectors with the depth of the dot instruction, but got {{.*}}[moe-to-vector-schedule]}}
  moe.grouped_matmul %x banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = i8_quads>}
      : (memref<?x4xf32>, !moe.bank<1x16x4xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 16, depth = 4>>, memref<?x16xf32>) -> ()
  return
}

// -----

// Ranges of rows know no groups.
func.func @groups(%x: memref<?x4xf32>, %b: !moe.bank<2x8x4xf32, #moe.packed<panel = 8, depth = 1>>, %o: memref<3xi32>, %y: memref<?x8xf32>) {
  // expected-error-re@+1 {{expected 'order = rows' only of one group with all rows in their order; use 'order = panels'{{.*}}[moe-to-vector-order]}}
  moe.grouped_matmul %x banks(%b) offsets(%o) outs(%y) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 4, dot = fma, order = rows>}
      : (memref<?x4xf32>, !moe.bank<2x8x4xf32, #moe.packed<panel = 8, depth = 1>>, memref<3xi32>, memref<?x8xf32>) -> ()
  return
}
