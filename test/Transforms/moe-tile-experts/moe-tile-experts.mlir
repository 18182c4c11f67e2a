// Experts become loops over groups and row tiles; the body is cloned once.

// RUN: moe-opt %s -split-input-file -moe-tile-experts=row-tile=16 | FileCheck %s
// RUN: moe-opt %s -split-input-file -moe-tile-experts=row-tile=0 | FileCheck %s --check-prefix=WHOLE
// RUN: moe-opt %s -split-input-file -moe-tile-experts=row-tile=16 -remark-format=emitRemark -remarks-filter="moe-tile-experts" 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// A row-wise body is tiled: the loop over tiles ends where the group ends, and
// an expert without rows costs the reading of two offsets. Offsets are kept
// inside the rows, and in order.
// CHECK-LABEL: func.func @rowwise(
// CHECK-SAME: %[[ROWS:.*]]: tensor<?x4xf32>, %[[OFFSETS:.*]]: tensor<3xi32>, %[[BANK:.*]]: !moe.bank<2x4x4xbf16>
// CHECK-NOT: moe.experts
// CHECK: %[[EMPTY:.*]] = tensor.empty(%{{.*}}) : tensor<?x4xf32>
// CHECK: scf.for %[[E:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[OUT:.*]] = %[[EMPTY]])
// CHECK: %[[NEXT:.*]] = arith.addi %[[E]], %{{.*}}
// CHECK: %[[LOW32:.*]] = tensor.extract %[[OFFSETS]][%[[E]]]
// CHECK: %[[FIRST:.*]] = arith.index_cast %[[LOW32]]
// CHECK: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: %[[N:.*]] = tensor.dim %[[ROWS]], %{{.*}}
// CHECK: %[[MIN:.*]] = arith.minsi %[[FIRST]], %[[N]]
// CHECK: %[[LOW:.*]] = arith.maxsi %[[MIN]], %[[ZERO]]
// CHECK: %[[HIGH32:.*]] = tensor.extract %[[OFFSETS]][%[[NEXT]]]
// CHECK: %[[LAST:.*]] = arith.index_cast %[[HIGH32]]
// CHECK: %[[N2:.*]] = tensor.dim %[[ROWS]], %{{.*}}
// CHECK: %[[MIN2:.*]] = arith.minsi %[[LAST]], %[[N2]]
// CHECK: %[[HIGH:.*]] = arith.maxsi %[[MIN2]], %[[LOW]]
// As few tiles as possible, of equal size.
// CHECK: %[[MOST:.*]] = arith.constant 16 : index
// CHECK: %[[COUNT:.*]] = arith.subi %[[HIGH]], %[[LOW]]
// CHECK: arith.ceildivsi %[[COUNT]], %[[MOST]]
// CHECK: %[[TILES:.*]] = arith.maxsi
// CHECK: arith.ceildivsi %[[COUNT]], %[[TILES]]
// CHECK: %[[EVEN:.*]] = arith.maxsi
// No tile is larger than all rows are: that bounds its memory.
// CHECK: %[[ALL:.*]] = tensor.dim %[[ROWS]]
// CHECK: %[[SOME:.*]] = arith.maxsi %[[ALL]]
// CHECK: %[[BOUND:.*]] = arith.minsi %[[SOME]], %[[MOST]]
// CHECK: %[[STEP:.*]] = arith.minsi %[[EVEN]], %[[BOUND]]
// CHECK: scf.for %[[ROW:.*]] = %[[LOW]] to %[[HIGH]] step %[[STEP]] iter_args(%[[TILED:.*]] = %[[OUT]])
// CHECK: %[[LEFT:.*]] = arith.subi %[[HIGH]], %[[ROW]]
// CHECK: %[[SIZE:.*]] = arith.minsi %[[LEFT]], %[[STEP]]
// CHECK: %[[TILE:.*]] = tensor.extract_slice %[[ROWS]][%[[ROW]], 0] [%[[SIZE]], 4] [1, 1]
// CHECK: %[[W:.*]] = moe.bank_slice %[[BANK]][%[[E]]]
// CHECK: %[[Y:.*]] = linalg.matmul ins(%[[TILE]], %[[W]]
// CHECK: tensor.insert_slice %[[Y]] into %[[TILED]][%[[ROW]], 0] [%[[SIZE]], 4] [1, 1]
// CHECK-NOT: linalg.matmul
// CHECK: return
// REMARK: remark: [Passed] TileExperts | Category:moe-tile-experts | {{.*}}tiled by {{.*}}16{{.*}} rows
// row-tile=0 keeps the group whole: one loop, a size bounded by all rows.
// WHOLE-LABEL: func.func @rowwise(
// WHOLE-COUNT-1: scf.for
// WHOLE: arith.subi
// WHOLE: arith.minsi
// WHOLE-NOT: scf.for
// WHOLE: return
func.func @rowwise(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %b: !moe.bank<2x4x4xbf16>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %y = moe.experts %rows, %offsets banks(%b) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4x4xbf16>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<4x4xbf16>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %o = tensor.empty(%n) : tensor<?x4xf32>
    %h = linalg.matmul ins(%r, %w : tensor<?x4xf32>, tensor<4x4xbf16>) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// A body that mixes rows gets those of its expert whole, whatever row-tile is.
// CHECK-LABEL: func.func @mixes_rows(
// CHECK-COUNT-1: scf.for
// CHECK-NOT: scf.for
// CHECK: return
// REMARK: [Missed] TileExperts | {{.*}}rows of an expert stay together: {{.*}}'linalg.generic' does not treat each row by itself
func.func @mixes_rows(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %v: tensor<4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %sum = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>], iterator_types = ["reduction", "parallel"]} ins(%r : tensor<?x4xf32>) outs(%v : tensor<4xf32>) {
    ^bb0(%a: f32, %s: f32):
      %t = arith.addf %a, %s : f32
      linalg.yield %t : f32
    } -> tensor<4xf32>
    %h = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%sum : tensor<4xf32>) outs(%r : tensor<?x4xf32>) {
    ^bb0(%a: f32, %s: f32):
      %t = arith.addf %a, %s : f32
      linalg.yield %t : f32
    } -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// A body that knows the place of its row mixes rows.
// REMARK: [Missed] TileExperts | {{.*}}'linalg.generic' does not treat each row by itself
// CHECK-LABEL: func.func @reads_the_row_index(
// CHECK-COUNT-1: scf.for
// CHECK-NOT: scf.for
// CHECK: return
func.func @reads_the_row_index(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %h = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} outs(%r : tensor<?x4xf32>) {
    ^bb0(%s: f32):
      %i = linalg.index 0 : index
      %i32 = arith.index_cast %i : index to i32
      %f = arith.sitofp %i32 : i32 to f32
      linalg.yield %f : f32
    } -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// The number of rows, used for anything but a size, mixes rows.
// REMARK: [Missed] TileExperts | {{.*}}'arith.index_cast' does not treat each row by itself
func.func @uses_the_number_of_rows(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %i32 = arith.index_cast %n : index to i32
    %f = arith.sitofp %i32 : i32 to f32
    %h = linalg.fill ins(%f : f32) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// A result that starts from a tensor of the surrounding function has that
// tensor's rows, not those of the tile.
// REMARK: [Missed] TileExperts | {{.*}}'linalg.exp' does not treat each row by itself
func.func @starts_from_outside(%rows: tensor<?x4xf32>, %offsets: tensor<2xi32>, %outside: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<2xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%outside : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// The size of another tensor is not the number of rows, even if it is equal.
// REMARK: [Missed] TileExperts | {{.*}}'linalg.exp' does not treat each row by itself
func.func @size_of_another(%rows: tensor<?x4xf32>, %offsets: tensor<2xi32>, %outside: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<2xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %n = tensor.dim %outside, %c0 : tensor<?x4xf32>
    %empty = tensor.empty(%n) : tensor<?x4xf32>
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%empty : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// The number of rows in a second dimension makes rows depend on it.
// REMARK: [Missed] TileExperts | {{.*}}'tensor.empty' does not treat each row by itself
#row = affine_map<(a, b) -> (a)>
#all = affine_map<(a, b) -> (a, b)>
func.func @square(%rows: tensor<?x4xf32>, %offsets: tensor<2xi32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<2xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %empty = tensor.empty(%n, %n) : tensor<?x?xf32>
    %square = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x?xf32>) -> tensor<?x?xf32>
    moe.yield %r : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// Zero experts fill their rows, identity experts copy them: one range each,
// behind the groups that have a body.
// CHECK-LABEL: func.func @without_a_body(
// CHECK-SAME: %[[ROWS:.*]]: tensor<?x4xf32>, %[[OFFSETS:.*]]: tensor<6xi32>
// CHECK: %[[C2:.*]] = arith.constant 2 : index
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[C2]] step
// CHECK: linalg.exp
// CHECK: %[[C2B:.*]] = arith.constant 2 : index
// CHECK: %[[C4:.*]] = arith.constant 4 : index
// CHECK: tensor.extract %[[OFFSETS]][%[[C2B]]]
// CHECK: tensor.extract %[[OFFSETS]][%[[C4]]]
// CHECK: linalg.fill
// CHECK: tensor.insert_slice
// CHECK: %[[C5:.*]] = arith.constant 5 : index
// CHECK: tensor.extract %[[OFFSETS]][%[[C5]]]
// CHECK: %[[SAME:.*]] = tensor.extract_slice %[[ROWS]]
// CHECK: tensor.insert_slice %[[SAME]] into
// CHECK-NOT: scf.for
// CHECK: return
func.func @without_a_body(%rows: tensor<?x4xf32>, %offsets: tensor<6xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets {identity = 1 : i64, zero = 2 : i64} : (tensor<?x4xf32>, tensor<6xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// One region per expert: each has its loop over tiles.
// CHECK-LABEL: func.func @regions(
// CHECK: scf.for
// CHECK: linalg.exp
// CHECK: scf.for
// CHECK: linalg.tanh
// CHECK-NOT: scf.for
// CHECK: return
func.func @regions(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.tanh ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// Static sizes: the result has the type that was asked for.
// CHECK-LABEL: func.func @static_rows(
// CHECK: tensor.extract_slice {{.*}} : tensor<10x4xf32> to tensor<?x4xf32>
// CHECK: return %{{.*}} : tensor<10x4xf32>
func.func @static_rows(%rows: tensor<10x4xf32>, %offsets: tensor<3xi32>) -> tensor<10x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<10x4xf32>, tensor<3xi32>) -> tensor<10x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<10x4xf32>
}

// -----

// A grouped matmul is tiled the same way; its init is read and written in place.
// CHECK-LABEL: func.func @grouped_matmul(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>, %[[OFFSETS:.*]]: tensor<3xi32>, %[[BANK:.*]]: !moe.bank<2x8x4xf32>, %[[INIT:.*]]: tensor<?x8xf32>
// CHECK: scf.for %[[E:.*]] = %{{.*}} iter_args(%{{.*}} = %[[INIT]])
// CHECK: scf.for %{{.*}} = %{{.*}} iter_args(%[[OUT:.*]] = %{{.*}})
// CHECK: %[[ROWS:.*]] = tensor.extract_slice %[[X]]
// CHECK: %[[SLICE:.*]] = tensor.extract_slice %[[OUT]]
// CHECK: %[[W:.*]] = moe.bank_slice %[[BANK]][%[[E]]]
// CHECK: linalg.matmul indexing_maps = [#{{.*}}, #{{.*}}, #{{.*}}] ins(%[[ROWS]], %[[W]] : tensor<?x4xf32>, tensor<8x4xf32>) outs(%[[SLICE]]
// REMARK: [Passed] TileGroupedMatmul | {{.*}}tiled by {{.*}}16
func.func @grouped_matmul(%x: tensor<?x4xf32>, %offsets: tensor<3xi32>, %b: !moe.bank<2x8x4xf32>, %init: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = moe.grouped_matmul %x banks(%b) offsets(%offsets) outs(%init) : (tensor<?x4xf32>, !moe.bank<2x8x4xf32>, tensor<3xi32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Codes of rows with a scale for each run of 8 columns become what they stand for.
// CHECK-LABEL: func.func @row_scales(
// CHECK-SAME: %[[C:.*]]: tensor<?x20xi8>, %{{.*}}: tensor<?x3xi32>, %[[S:.*]]: tensor<?x3xf32>
// CHECK: %[[CODES:.*]] = tensor.extract_slice %[[C]]
// CHECK: %[[SCALES:.*]] = tensor.extract_slice %[[S]]
// CHECK: %[[ROWS:.*]] = linalg.generic {{.*}} ins(%[[CODES]] : tensor<?x20xi8>) outs(%{{.*}} : tensor<?x20xf32>)
// CHECK: %[[K:.*]] = linalg.index 1
// CHECK: %[[RUN_OF_K:.*]] = arith.divui %[[K]], %c8
// CHECK: %[[FACTOR:.*]] = tensor.extract %[[SCALES]][%{{.*}}, %[[RUN_OF_K]]]
// CHECK: arith.mulf %{{.*}}, %[[FACTOR]] : f32
// CHECK: linalg.matmul indexing_maps = {{.*}} ins(%[[ROWS]], %{{.*}} : tensor<?x20xf32>, tensor<6x20xf32>)
func.func @row_scales(%c: tensor<?x20xi8>, %g: tensor<?x3xi32>, %s: tensor<?x3xf32>, %b: !moe.bank<1x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = bf16>>, %init: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = moe.grouped_matmul %c row_sums(%g) row_scales(%s) banks(%b) outs(%init) : (tensor<?x20xi8>, tensor<?x3xi32>, tensor<?x3xf32>, !moe.bank<1x6x20xf32, #moe.quantized<bits = 8, group = 8, scale = bf16>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
