// Private functions that return a buffer of their own are inlined.

// RUN: moe-opt %s -moe-inline-fresh-results | FileCheck %s
// RUN: moe-opt %s -pass-pipeline="builtin.module(moe-compile)" -o /dev/null

// CHECK-NOT: @fresh(
func.func private @fresh(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %y = linalg.exp ins(%x : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// In place of an argument, also through a cast and a loop: stays a function.
// CHECK-LABEL: func.func private @in_place(
func.func private @in_place(%x: tensor<?x4xf32>, %n: index) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %x) -> tensor<?x4xf32> {
    %y = linalg.exp ins(%acc : tensor<?x4xf32>) outs(%acc : tensor<?x4xf32>) -> tensor<?x4xf32>
    scf.yield %y : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}

// A function that only calls such a function returns a new buffer too.
// CHECK-NOT: @calls_fresh(
func.func private @calls_fresh(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = call @fresh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @entry(
// CHECK: linalg.exp
// CHECK: call @in_place(
// CHECK: linalg.exp
// CHECK: return
func.func @entry(%x: tensor<?x4xf32> {moe.shape = ["n", 4]}) -> (tensor<?x4xf32> {moe.shape = ["n", 4]}) {
  %c2 = arith.constant 2 : index
  %0 = call @fresh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = call @in_place(%0, %c2) : (tensor<?x4xf32>, index) -> tensor<?x4xf32>
  %2 = call @calls_fresh(%1) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}
