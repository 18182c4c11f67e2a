// Functions of activations become polynomials; others stay.

// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(moe-approximate-math))" | FileCheck %s

// CHECK-LABEL: func.func @activations(
// CHECK-NOT: math.{{exp|tanh|erf}}
// CHECK: return
func.func @activations(%x: f32, %v: vector<8xf32>) -> (f32, f32, vector<8xf32>) {
  %0 = math.exp %x : f32
  %1 = math.tanh %x : f32
  %2 = math.erf %v : vector<8xf32>
  return %0, %1, %2 : f32, f32, vector<8xf32>
}

// CHECK-LABEL: func.func @others(
// CHECK: math.cbrt
// CHECK: math.sin
func.func @others(%x: f32) -> f32 {
  %0 = math.cbrt %x : f32
  %1 = math.sin %0 : f32
  return %1 : f32
}
