// Operations that no pass lowers are refused before anything is compiled.

// RUN: not moe-opt %s --moe-compile 2>&1 | FileCheck %s
// CHECK: dialects.mlir:[[#@LINE+4]]:{{.*}}'complex.abs' op is of a dialect that is not lowered here; expected func, linalg, {{.*}}[moe-compile-dialect]
// CHECK-NOT: error
func.func @f(%x: tensor<1xf32> {moe.name = "x"}) -> (tensor<1xf32> {moe.name = "y"}) {
  %c = "builtin.unrealized_conversion_cast"(%x) : (tensor<1xf32>) -> complex<f32>
  %a = complex.abs %c : complex<f32>
  %y = tensor.from_elements %a : tensor<1xf32>
  return %y : tensor<1xf32>
}
