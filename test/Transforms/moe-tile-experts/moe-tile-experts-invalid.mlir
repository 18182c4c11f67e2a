// RUN: not moe-opt %s -moe-tile-experts=row-tile=-5 2>&1 | FileCheck %s
// RUN: not moe-opt %s -moe-tile-experts 2>&1 | FileCheck %s --check-prefix=TARGETS

// CHECK: error: expected row-tile to be 0 (whole) or more, but got -5 [moe-tile-experts-row-tile]
func.func private @f() {
  return
}

// TARGETS: error: 'moe.grouped_matmul' op expected a schedule with targets, {{.*}} [moe-tile-experts-targets]
func.func @targets(%x: tensor<4x4xf32>, %b: !moe.bank<2x6x4xf32>, %o: tensor<3xi32>, %t: tensor<4xi32>, %i: tensor<3x6xf32>) -> tensor<3x6xf32> {
  %r = moe.grouped_matmul %x banks(%b) offsets(%o) targets(%t) outs(%i) : (tensor<4x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<4xi32>, tensor<3x6xf32>) -> tensor<3x6xf32>
  return %r : tensor<3x6xf32>
}
