// The dtype of every element type that an entry may have: the table of
// MoE/Runtime/Abi.h, which has the names of the types in MLIR.

// RUN: moe-opt %s -moe-compile | mlir-translate --mlir-to-llvmir | sed -e "s/ { ptr @/\n{ ptr @/g" | FileCheck %s

// CHECK: @moe.inputs.forward = private constant [11 x
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 1, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 2, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 3, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 4, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 5, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 6, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 7, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 8, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 9, i32 1,
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 10, i32 1,
// An index is a scalar of 64 bits.
// CHECK-NEXT: { ptr @{{[^,]*}}, i32 5, i32 0,
func.func @forward(%f64: tensor<2xf64>, %f32: tensor<2xf32>, %f16: tensor<2xf16>, %bf16: tensor<2xbf16>,
                   %i64: tensor<2xi64>, %i32: tensor<2xi32>, %i16: tensor<2xi16>, %i8: tensor<2xi8>,
                   %ui8: tensor<2xui8>, %i1: tensor<2xi1>, %index: index) {
  return
}
