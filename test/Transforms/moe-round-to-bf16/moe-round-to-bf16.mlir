// f32 becomes bf16 on integers, without a value of bf16 before the end.

// RUN: moe-opt %s -moe-round-to-bf16 | FileCheck %s
// RUN: moe-opt %s -moe-round-to-bf16 -canonicalize | FileCheck %s --check-prefix=FOLDED

// CHECK-LABEL: func.func @vectors(
// CHECK-SAME: %[[X:.*]]: vector<8xf32>
// CHECK: arith.bitcast %[[X]] : vector<8xf32> to vector<8xi32>
// CHECK: %[[NAN:.*]] = arith.cmpf uno, %[[X]], %[[X]]
// CHECK: arith.select %[[NAN]], {{.*}} : vector<8xi1>, vector<8xi32>
// CHECK-NOT: arith.truncf
// CHECK: arith.trunci {{.*}} : vector<8xi32> to vector<8xi16>
// CHECK: arith.bitcast {{.*}} : vector<8xi16> to vector<8xbf16>
func.func @vectors(%x: vector<8xf32>) -> vector<8xbf16> {
  %y = arith.truncf %x : vector<8xf32> to vector<8xbf16>
  return %y : vector<8xbf16>
}

// What is no f32, or becomes something else, stays.
// CHECK-LABEL: func.func @others(
// CHECK: arith.truncf {{.*}} : f64 to bf16
// CHECK: arith.truncf {{.*}} : f32 to f16
func.func @others(%x: f64, %y: f32) -> (bf16, f16) {
  %a = arith.truncf %x : f64 to bf16
  %b = arith.truncf %y : f32 to f16
  return %a, %b : bf16, f16
}

// 1 + 2^-8 is halfway and goes to the even 1; 1 + 3 * 2^-8 to 1 + 2^-6. Above
// half goes up, the largest f32 to infinity; a signalling NaN becomes quiet.
// FOLDED-LABEL: func.func @values(
// FOLDED-DAG: arith.constant 1.000000e+00 : bf16
// FOLDED-DAG: arith.constant 1.015630e+00 : bf16
// FOLDED-DAG: arith.constant 0x7F80 : bf16
// FOLDED-DAG: arith.constant 0x7FC0 : bf16
func.func @values() -> (bf16, bf16, bf16, bf16) {
  %even = arith.constant 0x3F808000 : f32
  %odd = arith.constant 0x3F818000 : f32
  %large = arith.constant 0x7F7FFFFF : f32
  %nan = arith.constant 0x7F800001 : f32
  %a = arith.truncf %even : f32 to bf16
  %b = arith.truncf %odd : f32 to bf16
  %c = arith.truncf %large : f32 to bf16
  %d = arith.truncf %nan : f32 to bf16
  return %a, %b, %c, %d : bf16, bf16, bf16, bf16
}
