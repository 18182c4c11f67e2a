// Functions that no later pass lowers become others.

// RUN: moe-opt %s -moe-expand-math | FileCheck %s
// RUN: moe-opt %s -moe-expand-math=library | FileCheck %s --check-prefix=LIBRARY

// CHECK-LABEL: func.func @clamp(
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK-NOT: math.clampf
func.func @clamp(%x: f32, %a: f32, %b: f32) -> f32 {
  %y = math.clampf %x to [%a, %b] : f32
  return %y : f32
}

// In f64, whose powers are right in f32 after rounding.
// CHECK-LABEL: func.func @power(
// CHECK: arith.extf %{{.*}} : vector<4xf32> to vector<4xf64>
// CHECK: math.powf
// CHECK: arith.truncf
func.func @power(%x: vector<4xf32>, %n: vector<4xi32>) -> vector<4xf32> {
  %y = math.fpowi %x, %n : vector<4xf32>, vector<4xi32>
  return %y : vector<4xf32>
}

// CHECK-LABEL: func.func @near_zero(
// CHECK-NOT: math.log1p
// CHECK-NOT: math.expm1
// LIBRARY-LABEL: func.func @near_zero(
// LIBRARY: call @log1pf(
// LIBRARY: call @expm1f(
func.func @near_zero(%x: f32) -> (f32, f32) {
  %l = math.log1p %x : f32
  %e = math.expm1 %x : f32
  return %l, %e : f32, f32
}

// CHECK-LABEL: func.func @narrow(
// CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[SIN:.*]] = math.sin %[[WIDE]] : f32
// CHECK: arith.truncf %[[SIN]] : f32 to bf16
func.func @narrow(%x: bf16) -> bf16 {
  %y = math.sin %x : bf16
  return %y : bf16
}

// CHECK-LABEL: func.func @kinds(
// CHECK-NOT: math.isinf
// CHECK-NOT: math.isnormal
func.func @kinds(%x: f32) -> (i1, i1) {
  %i = math.isinf %x : f32
  %n = math.isnormal %x : f32
  return %i, %n : i1, i1
}
