// Values of bf16 are moved as integers where the processor has no bf16.

// RUN: moe-opt %s -moe-lower-bf16 | FileCheck %s
// RUN: moe-opt %s -moe-lower-bf16=target-features=+avx2,+fma | FileCheck %s
// RUN: moe-opt %s -moe-lower-bf16=target-features=+avx2,+avx512bf16 | FileCheck %s --check-prefix=SAME

// CHECK-LABEL: llvm.func @f(
// CHECK-NOT: bf16
// CHECK: llvm.mlir.constant(16256 : i16) : i16
// CHECK: llvm.mlir.constant(dense<16256> : vector<4xi16>) : vector<4xi16>
// CHECK: llvm.load %{{.*}} : !llvm.ptr -> vector<4xi16>
// CHECK: llvm.getelementptr %{{.*}} : (!llvm.ptr) -> !llvm.ptr, i16
// CHECK: llvm.store %{{.*}} : i16, !llvm.ptr
// CHECK-NOT: bf16
// SAME: llvm.mlir.constant(1.000000e+00 : bf16) : bf16
llvm.func @f(%p: !llvm.ptr) -> vector<4xbf16> {
  %one = llvm.mlir.constant(1.0 : bf16) : bf16
  %ones = llvm.mlir.constant(dense<1.0> : vector<4xbf16>) : vector<4xbf16>
  %c = llvm.mlir.constant(true) : i1
  %v = llvm.load %p : !llvm.ptr -> vector<4xbf16>
  %s = llvm.select %c, %ones, %v : i1, vector<4xbf16>
  %q = llvm.getelementptr %p[1] : (!llvm.ptr) -> !llvm.ptr, bf16
  llvm.store %one, %q : bf16, !llvm.ptr
  llvm.return %s : vector<4xbf16>
}
