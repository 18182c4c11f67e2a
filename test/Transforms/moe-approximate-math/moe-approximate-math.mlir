// Exponentials become polynomials; other functions stay.

// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(moe-approximate-math))" | FileCheck %s

// CHECK-LABEL: func.func @exp(
// CHECK-NOT: math.exp
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @others(
// CHECK: math.tanh
// CHECK: math.sin
func.func @others(%x: f32) -> f32 {
  %0 = math.tanh %x : f32
  %1 = math.sin %0 : f32
  return %1 : f32
}
