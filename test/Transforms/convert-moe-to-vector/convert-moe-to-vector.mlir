// A grouped matmul becomes ranges of equal cost over (group, panel), blocks of
// rows, and a kernel that keeps its sums in registers.

// RUN: moe-opt %s -split-input-file -convert-moe-to-vector="max-ranges=3" -canonicalize -cse | FileCheck %s

// CHECK-LABEL: func.func @fma(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x5xf32>, %[[SOURCE:[^:]*]]: memref<?xi32>, %[[BANK:[^:]*]]: !moe.bank
// The cost of the units before each group: empty groups cost nothing.
// CHECK: %[[START:.*]] = memref.alloc() : memref<3xindex>
// CHECK: scf.parallel
// A unit is a panel and a part of the blocks of rows: four blocks at least.
// CHECK: %[[BLOCKS:.*]] = arith.ceildivui %{{.*}}, %c2
// CHECK: arith.divui %[[BLOCKS]], %c4
// CHECK: %[[SLICE:.*]] = moe.bank_slice %[[BANK]]
// CHECK: scf.for %[[UNIT:.*]] =
// CHECK: arith.divui %[[UNIT]], %[[PARTS:.*]] : index
// CHECK: %[[PART:.*]] = arith.remui %[[UNIT]], %[[PARTS]] : index
// CHECK: %[[TIMES:.*]] = arith.muli %[[PART]], %[[BLOCKS]]
// CHECK: %[[FROM:.*]] = arith.divui %[[TIMES]], %[[PARTS]]
// CHECK: scf.for %{{.*}} = %[[FROM]]
// A block of two rows, then one of one.
// CHECK: scf.index_switch
// CHECK: case 1 {
// CHECK: %[[ROW:.*]] = memref.load %[[SOURCE]]
// A source that does not exist reads row 0.
// CHECK: arith.cmpi ult
// CHECK: arith.select
// CHECK: %{{.*}}:3 = scf.for {{.*}} -> (vector<4xf32>, vector<4xf32>, i64)
// CHECK: vector.load %[[SLICE]]{{.*}} vector<4xf32>
// CHECK: vector.load %[[SLICE]]{{.*}} vector<4xf32>
// CHECK: vector.fma
// CHECK: vector.fma
// CHECK-NOT: vector.fma
// Meanwhile the next panel comes into the cache.
// CHECK: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// The last of the 6 columns: the second vector has two.
// CHECK: vector.create_mask
// CHECK: vector.maskedload
// CHECK: vector.maskedstore
// CHECK: default {
// CHECK: -> (vector<4xf32>, vector<4xf32>, vector<4xf32>, vector<4xf32>, i64)
func.func @fma(%x: memref<?x5xf32>, %source: memref<?xi32>, %b: !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, %o: memref<3xi32>, %y: memref<?x6xf32>) {
  moe.grouped_matmul %x[%source] banks(%b) offsets(%o) outs(%y) {schedule = #moe.cpu_schedule<row_block = 2, lanes = 4, dot = fma>}
      : (memref<?x5xf32>, memref<?xi32>, !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, memref<3xi32>, memref<?x6xf32>) -> ()
  return
}

// -----

// Pairs of bf16, an odd number of them: the last step pairs with a zero. The
// body runs on vectors, and does not read what was there.
// CHECK-LABEL: func.func @pairs(
// CHECK: scf.for {{.*}} -> (vector<16xf32>, i64)
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK: vector.from_elements
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK: arith.mulf {{.*}} : vector<16xf32>
// CHECK: arith.truncf {{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK-NOT: vector.load
// CHECK: vector.store
func.func @pairs(%x: memref<?x5xbf16>, %b: !moe.bank<1x16x5xbf16, #moe.packed<panel = 16, depth = 2>>, %y: memref<?x16xbf16>) {
  moe.grouped_matmul %x banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 1, lanes = 16, dot = bf16_pairs>}
      : (memref<?x5xbf16>, !moe.bank<1x16x5xbf16, #moe.packed<panel = 16, depth = 2>>, memref<?x16xbf16>) -> () {
  ^bb0(%s: f32, %old: bf16):
    %p = arith.mulf %s, %s : f32
    %t = arith.truncf %p : f32 to bf16
    moe.yield %t : bf16
  }
  return
}

// -----

// Quads of codes: sums of integers start from what the zero of the codes adds,
// and meet the scale once. Of 9 columns the last quad has one.
// CHECK-LABEL: func.func @quads(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x9xi8>, %[[SUMS:[^:]*]]: memref<?x1xi32>
// CHECK: %[[SUM:.*]] = memref.load %[[SUMS]]
// CHECK: arith.muli %[[SUM]], %c-128_i32
// CHECK: %{{.*}}:2 = scf.for {{.*}} -> (vector<16xi32>, i64)
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: vector.from_elements
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: arith.sitofp {{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: vector.fma
func.func @quads(%x: memref<?x9xi8>, %s: memref<?x1xi32>, %b: !moe.bank<1x16x9xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 16, depth = 4>>, %y: memref<?x16xf32>) {
  moe.grouped_matmul %x row_sums(%s) banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 1, lanes = 16, dot = i8_quads>}
      : (memref<?x9xi8>, memref<?x1xi32>, !moe.bank<1x16x9xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 16, depth = 4>>, memref<?x16xf32>) -> ()
  return
}

// -----

// 4 bits with scales and zeros for 8 columns: a loop over these runs, and the
// rest of 4 columns. Both halves of the bytes are multiplied.
// CHECK-LABEL: func.func @nibbles(
// CHECK: scf.for {{.*}} -> (vector<16xf32>, i64)
// CHECK: arith.andi {{.*}} : vector<16xi32>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: arith.shrui {{.*}} : vector<16xi32>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: arith.extf {{.*}} : vector<16xbf16> to vector<16xf32>
// The zero times the sum of the row.
// CHECK: vector.fma
// CHECK: vector.fma
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK-NOT: llvm.call_intrinsic
// CHECK: return
func.func @nibbles(%x: memref<?x20xi8>, %s: memref<?x3xi32>, %b: !moe.bank<1x16x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16, zero_points = true>, #moe.packed<panel = 16, depth = 8>>, %y: memref<?x16xf32>) {
  moe.grouped_matmul %x row_sums(%s) banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 1, lanes = 16, dot = i8_quads>}
      : (memref<?x20xi8>, memref<?x3xi32>, !moe.bank<1x16x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16, zero_points = true>, #moe.packed<panel = 16, depth = 8>>, memref<?x16xf32>) -> ()
  return
}

// -----

// Codes of 4 bits are operands of twice their bytes, so that four rows in one
// block take as long to multiply as the panel takes to read: the next panel
// comes into the cache, 256 bytes of codes and 32 of scales for each step.
// CHECK-LABEL: func.func @prefetch(
// CHECK: %[[FEW:.*]] = arith.cmpi slt, %{{.*}}, %c4 : index
// CHECK: arith.select %[[FEW]], %c0_i64, %{{.*}} : i64
// CHECK: case 1 {
// CHECK-COUNT-5: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: case 2 {
func.func @prefetch(%x: memref<?x64xi8>, %s: memref<?x2xi32>, %b: !moe.bank<1x64x64xf32, #moe.quantized<bits = 4, group = 32, scale = bf16>, #moe.packed<panel = 64, depth = 8>>, %y: memref<?x64xf32>) {
  moe.grouped_matmul %x row_sums(%s) banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = i8_quads>}
      : (memref<?x64xi8>, memref<?x2xi32>, !moe.bank<1x64x64xf32, #moe.quantized<bits = 4, group = 32, scale = bf16>, #moe.packed<panel = 64, depth = 8>>, memref<?x64xf32>) -> ()
  return
}

// -----

// A scale for each run of a row multiplies the same sums as that of the codes.
// CHECK-LABEL: func.func @row_scales(
// CHECK-SAME: %{{.*}}: memref<?x16xi8>, %{{.*}}: memref<?x2xi32>, %[[SCALES:[^:]*]]: memref<?x2xf32>
// CHECK: scf.for %[[PART:[^ ]*]] = {{.*}} -> (vector<16xf32>, i64)
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: %[[SCALE:.*]] = memref.load %[[SCALES]][%{{.*}}, %[[PART]]]
// CHECK: %[[ALL:.*]] = vector.broadcast %[[SCALE]]
// CHECK: %[[SUM:.*]] = arith.sitofp {{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SUM]], %[[ALL]]
// CHECK: vector.fma %[[SCALED]]
func.func @row_scales(%x: memref<?x16xi8>, %g: memref<?x2xi32>, %s: memref<?x2xf32>, %b: !moe.bank<1x16x16xf32, #moe.quantized<bits = 8, group = 8, scale = bf16>, #moe.packed<panel = 16, depth = 4>>, %y: memref<?x16xf32>) {
  moe.grouped_matmul %x row_sums(%g) row_scales(%s) banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 1, lanes = 16, dot = i8_quads>}
      : (memref<?x16xi8>, memref<?x2xi32>, memref<?x2xf32>, !moe.bank<1x16x16xf32, #moe.quantized<bits = 8, group = 8, scale = bf16>, #moe.packed<panel = 16, depth = 4>>, memref<?x16xf32>) -> ()
  return
}

// -----

// Rows of floats: codes become floats, four of them from a word.
// CHECK-LABEL: func.func @decoded(
// CHECK: scf.for {{.*}} -> (vector<8xf32>, i64)
// CHECK-COUNT-4: vector.fma
// CHECK-NOT: vector.fma
// CHECK: scf.yield
// CHECK-NOT: call_intrinsic
// CHECK: return
func.func @decoded(%x: memref<?x8xf32>, %b: !moe.bank<1x8x8xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 8, depth = 4>>, %y: memref<?x8xf32>) {
  moe.grouped_matmul %x banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 1, lanes = 8, dot = fma>}
      : (memref<?x8xf32>, !moe.bank<1x8x8xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 8, depth = 4>>, memref<?x8xf32>) -> ()
  return
}

// -----

// With targets, threads share the panels of all groups that have rows.
// CHECK-LABEL: func.func @targets(
// CHECK-SAME: %[[H:[^:]*]]: memref<?x4xf32>, %[[BANK:[^:]*]]: !moe.bank<{{.*}}>, %[[OFFSETS:[^:]*]]: memref<4xi32>, %[[TARGETS:[^:]*]]: memref<?xi32>, %[[Y:[^:]*]]: memref<?x40xf32>
// CHECK: %[[BUSY:.*]] = memref.alloc() : memref<3xindex>
// CHECK: moe.num_threads
// Of 5 panels: what divides both, and the blocks of targets for the rest.
// CHECK: arith.remui %{{.*}}, %c5
// CHECK: scf.parallel
// CHECK: %[[GROUP:.*]] = memref.load %[[BUSY]]
// The search for the first and the last row of the block.
// CHECK: math.ctlz
// CHECK-COUNT-2: memref.load %[[TARGETS]]
// CHECK: moe.bank_slice %[[BANK]][%[[GROUP]]]
// CHECK: case 1 {
// A target that does not exist is row 0.
// CHECK: %[[TARGET:.*]] = memref.load %[[TARGETS]]
// CHECK: arith.cmpi ult
// CHECK: %[[ROW:.*]] = arith.select
// What is added to comes into the cache first.
// CHECK-COUNT-2: memref.prefetch %[[Y]][%[[ROW]], %{{.*}}], read, locality<2>, data
// CHECK: vector.fma
// CHECK: %[[OLD:.*]] = vector.load %[[Y]][%[[ROW]],
// CHECK: %[[NEW:.*]] = arith.addf %[[OLD]]
// CHECK: vector.store %[[NEW]], %[[Y]][%[[ROW]],
func.func @targets(%h: memref<?x4xf32>, %b: !moe.bank<3x40x4xf32, #moe.packed<panel = 8, depth = 1>>, %o: memref<4xi32>, %t: memref<?xi32>, %y: memref<?x40xf32>) {
  moe.grouped_matmul %h banks(%b) offsets(%o) targets(%t) outs(%y) {schedule = #moe.cpu_schedule<row_block = 2, lanes = 4, dot = fma>}
      : (memref<?x4xf32>, !moe.bank<3x40x4xf32, #moe.packed<panel = 8, depth = 1>>, memref<4xi32>, memref<?xi32>, memref<?x40xf32>) -> ()
  return
}

// -----

// Elements of a vector that do not lie side by side, of which the last 2 of 8
// do not exist.
// CHECK-LABEL: func.func @strided_vector(
// CHECK: %[[BIAS:.*]] = moe.bank_slice %{{.*}} : !moe.bank<2x6xf32, strided<[2]>> -> memref<6xf32, strided<[2]>>
// CHECK-COUNT-8: memref.load %[[BIAS]]
// CHECK-NOT: memref.load %[[BIAS]]
// CHECK: vector.from_elements {{.*}} : vector<8xf32>
// CHECK: vector.maskedstore
func.func @strided_vector(%x: memref<?x4xf32>, %b: !moe.bank<2x6x4xf32, #moe.packed<panel = 8, depth = 1>>, %o: memref<3xi32>, %v: !moe.bank<2x6xf32, strided<[2]>>, %y: memref<?x6xf32>) {
  moe.grouped_matmul %x banks(%b) offsets(%o) per_column(%v) outs(%y) {schedule = #moe.cpu_schedule<row_block = 1, lanes = 8, dot = fma>}
      : (memref<?x4xf32>, !moe.bank<2x6x4xf32, #moe.packed<panel = 8, depth = 1>>, memref<3xi32>, !moe.bank<2x6xf32, strided<[2]>>, memref<?x6xf32>) -> () {
  ^bb0(%s: f32, %bias: f32, %old: f32):
    %p = arith.addf %s, %bias : f32
    moe.yield %p : f32
  }
  return
}

// -----

// Rows pass by the panels, if that makes four ranges for each thread: then there
// is nothing to do panel by panel. Blocks that are smaller by more than a row are
// done row by row.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x5xf32>
// CHECK: %[[ROWS:.*]] = memref.dim
// CHECK: %[[THREADS:.*]] = moe.num_threads
// CHECK: %[[WANTED:.*]] = arith.ceildivui %[[ROWS]], %[[GRAIN:.*]] : index
// CHECK: %[[RANGES:.*]] = arith.minsi %[[WANTED]], %c64
// CHECK: %[[FEWEST:.*]] = arith.muli %[[THREADS]], %c4
// CHECK: %[[ENOUGH:.*]] = arith.cmpi sge, %[[RANGES]], %[[FEWEST]]
// CHECK: %[[MOST:.*]] = arith.select %[[ENOUGH]], %c0, %c3
// CHECK: arith.minsi %{{.*}}, %[[MOST]]
// CHECK: scf.parallel
// CHECK: scf.parallel (%[[I:.*]]) = (%c0) to (%[[RANGES]])
// CHECK: %[[END:.*]] = arith.select %[[ENOUGH]], %c1, %c0
// CHECK: scf.for %{{.*}} = %c0 to %[[END]]
// CHECK: scf.index_switch
// CHECK: case 2 {
// CHECK: case 3 {
// CHECK: default {
// CHECK-NEXT: scf.for
// CHECK: moe.row_loop = array<i64: 10, 12>
func.func @rows(%x: memref<?x5xf32>, %b: !moe.bank<1x6x5xf32, #moe.packed<panel = 8, depth = 1>>, %y: memref<?x6xf32>) {
  moe.grouped_matmul %x banks(%b) outs(%y) {schedule = #moe.cpu_schedule<row_block = 3, lanes = 4, dot = fma, order = rows>}
      : (memref<?x5xf32>, !moe.bank<1x6x5xf32, #moe.packed<panel = 8, depth = 1>>, memref<?x6xf32>) -> ()
  return
}
