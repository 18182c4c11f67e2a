// Offsets and sources of callers that are out of range touch no memory but that
// of the operands, in kernels and in loops.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in x:F32:2,4:1,1,1,1,2,2,2,2 none:F32:0,4: two:F32:2,6:1,1,1,1,1,1,2,2,2,2,2,2 empty:F32:0,6: far:I32:3:-1000000000,1000000000,2000000000 back:I32:3:2,0,1

// The kernels of packed weights, and the loops of other banks.
// RUN: moe-run %s --random-weights=1 --entry=packed --input x=%t.in:x --input offsets=%t.in:far --input source=%t.in:far | FileCheck %s --check-prefix=GROUPED
// RUN: moe-run %s --random-weights=1 --entry=packed --input x=%t.in:x --input offsets=%t.in:back --input source=%t.in:back | FileCheck %s --check-prefix=GROUPED
// RUN: moe-run %s --random-weights=1 --entry=packed --input x=%t.in:none --input offsets=%t.in:far --input source=%t.in:far | FileCheck %s --check-prefix=GROUPED
// RUN: moe-run %s --random-weights=1 --entry=loops --input x=%t.in:x --input offsets=%t.in:far --input source=%t.in:far | FileCheck %s --check-prefix=GROUPED
// RUN: moe-run %s --random-weights=1 --entry=loops --input x=%t.in:x --input offsets=%t.in:back --input source=%t.in:back | FileCheck %s --check-prefix=GROUPED
// RUN: moe-run %s --random-weights=1 --entry=loops --input x=%t.in:none --input offsets=%t.in:far --input source=%t.in:far | FileCheck %s --check-prefix=GROUPED
// GROUPED: y: f32 [3, 6]

// Targets, of one thread and of several.
// RUN: moe-run %s --random-weights=1 --entry=targets --input x=%t.in:x --input offsets=%t.in:far --input targets=%t.in:far --input init=%t.in:two | FileCheck %s --check-prefix=TARGETS
// RUN: moe-run %s --random-weights=1 --entry=targets --input x=%t.in:x --input offsets=%t.in:back --input targets=%t.in:back --input init=%t.in:two --threads=3 | FileCheck %s --check-prefix=TARGETS
// RUN: moe-run %s --random-weights=1 --entry=targets --input x=%t.in:x --input offsets=%t.in:far --input targets=%t.in:far --input init=%t.in:empty | FileCheck %s --check-prefix=NONE
// TARGETS: y: f32 [2, 6]
// NONE: y: f32 [0, 6]

moe.weight @panels : !moe.bank<2x6x4xf32> from ["panels.{e}"]
moe.weight @left : tensor<6x4xf32> from ["left"]
moe.weight @right : tensor<6x4xf32> from ["right"]

func.func private @grouped(%x: tensor<?x4xf32>, %offsets: tensor<3xi32>, %source: tensor<?xi32>, %bank: !moe.bank<2x6x4xf32>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %source, %c0 : tensor<?xi32>
  %e = tensor.empty(%n) : tensor<?x6xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %y = moe.grouped_matmul %x[%source] banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<?x4xf32>, tensor<?xi32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

func.func @packed(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                  %offsets: tensor<3xi32> {moe.name = "offsets"},
                  %source: tensor<?xi32> {moe.name = "source", moe.shape = ["n"]})
    -> (tensor<?x6xf32> {moe.name = "y", moe.shape = ["n", 6]}) {
  %bank = moe.get_weight @panels : !moe.bank<2x6x4xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %source, %c0 : tensor<?xi32>
  %e = tensor.empty(%n) : tensor<?x6xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %y = moe.grouped_matmul %x[%source] banks(%bank) offsets(%offsets) outs(%init)
      : (tensor<?x4xf32>, tensor<?xi32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

func.func @loops(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                 %offsets: tensor<3xi32> {moe.name = "offsets"},
                 %source: tensor<?xi32> {moe.name = "source", moe.shape = ["n"]})
    -> (tensor<?x6xf32> {moe.name = "y", moe.shape = ["n", 6]}) {
  %left = moe.get_weight @left : tensor<6x4xf32>
  %right = moe.get_weight @right : tensor<6x4xf32>
  %bank = moe.make_bank %left, %right : tensor<6x4xf32> -> !moe.bank<2x6x4xf32>
  %y = call @grouped(%x, %offsets, %source, %bank) : (tensor<?x4xf32>, tensor<3xi32>, tensor<?xi32>, !moe.bank<2x6x4xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

func.func @targets(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                   %offsets: tensor<3xi32> {moe.name = "offsets"},
                   %targets: tensor<?xi32> {moe.name = "targets", moe.shape = ["n"]},
                   %init: tensor<?x6xf32> {moe.name = "init", moe.shape = ["m", 6]})
    -> (tensor<?x6xf32> {moe.name = "y", moe.shape = ["m", 6]}) {
  %bank = moe.get_weight @panels : !moe.bank<2x6x4xf32>
  %y = moe.grouped_matmul %x[%targets] banks(%bank) offsets(%offsets) targets(%targets) outs(%init)
      : (tensor<?x4xf32>, tensor<?xi32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<?xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
