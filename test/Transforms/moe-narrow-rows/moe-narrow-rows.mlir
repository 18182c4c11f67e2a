// Rows that meet bf16 weights become bf16: those of the graph once, those of
// another grouped matmul in its body.

// RUN: moe-opt %s -pass-pipeline='builtin.module(func.func(moe-narrow-rows))' | FileCheck %s
// RUN: moe-opt %s -pass-pipeline='builtin.module(func.func(moe-narrow-rows{activations=int8}))' | FileCheck %s --check-prefix=INT8
// RUN: moe-opt %s -pass-pipeline='builtin.module(func.func(moe-narrow-rows{activations=int8-grouped}))' | FileCheck %s --check-prefix=GROUPED
// RUN: moe-opt %s -pass-pipeline='builtin.module(func.func(moe-narrow-rows{activations=f32}))' | FileCheck %s --check-prefix=F32
// F32-NOT: truncf
// F32-NOT: moe.quantize_rows

// CHECK-LABEL: func.func @gated(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>
// CHECK: %[[N:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x4xf32>)
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK-NOT: linalg.generic
// CHECK: %[[INIT:.*]] = tensor.empty(%{{.*}}) : tensor<?x6xbf16>
// CHECK: %[[H:.*]] = moe.grouped_matmul %[[N]] banks({{.*}}) outs(%[[INIT]])
// CHECK-NEXT: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %{{.*}}: bf16):
// CHECK: %[[P:.*]] = arith.mulf %[[G]], %[[U]] : f32
// CHECK: %[[T:.*]] = arith.truncf %[[P]] : f32 to bf16
// CHECK: moe.yield %[[T]] : bf16
// CHECK: moe.grouped_matmul %[[H]]
// The rows are converted once.
// CHECK: moe.grouped_matmul %[[N]]
func.func @gated(%x: tensor<?x4xf32>, %n: index, %offsets: tensor<3xi32>, %gate: !moe.bank<2x6x4xbf16>, %up: !moe.bank<2x6x4xbf16>, %down: !moe.bank<2x4x6xbf16>, %i: tensor<?x4xf32>, %j: tensor<?x6xf32>) -> (tensor<?x4xf32>, tensor<?x6xf32>) {
  %e = tensor.empty(%n) : tensor<?x6xf32>
  %h = moe.grouped_matmul %x banks(%gate, %up) offsets(%offsets) outs(%e) : (tensor<?x4xf32>, !moe.bank<2x6x4xbf16>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%g: f32, %u: f32, %old: f32):
    %p = arith.mulf %g, %u : f32
    moe.yield %p : f32
  }
  %y = moe.grouped_matmul %h banks(%down) offsets(%offsets) outs(%i) : (tensor<?x6xf32>, !moe.bank<2x4x6xbf16>, tensor<3xi32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul %x banks(%gate) offsets(%offsets) outs(%j) : (tensor<?x4xf32>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x6xf32>
}

// Something else reads the rows too: they stay f32 there.
// CHECK-LABEL: func.func @shared(
// CHECK: %[[H:.*]] = moe.grouped_matmul {{.*}} -> tensor<?x4xf32>
// CHECK: %[[N:.*]] = linalg.generic {{.*}} ins(%[[H]] : tensor<?x4xf32>)
// CHECK: %[[Y:.*]] = moe.grouped_matmul %[[N]]
// CHECK: return %[[H]], %[[Y]]
func.func @shared(%x: tensor<?x4xf32>, %n: index, %offsets: tensor<3xi32>, %a: !moe.bank<2x4x4xf32>, %b: !moe.bank<2x4x4xbf16>, %i: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %h = moe.grouped_matmul %x banks(%a) offsets(%offsets) outs(%e) : (tensor<?x4xf32>, !moe.bank<2x4x4xf32>, tensor<3xi32>, tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%s: f32, %old: f32):
    moe.yield %s : f32
  }
  %y = moe.grouped_matmul %h banks(%b) offsets(%offsets) outs(%i) : (tensor<?x4xf32>, !moe.bank<2x4x4xbf16>, tensor<3xi32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %h, %y : tensor<?x4xf32>, tensor<?x4xf32>
}

// With activations=int8, rows that meet codes become codes: once for each run of
// columns with a scale, and the body has the scale of the row.
// CHECK-LABEL: func.func @codes(
// CHECK-NOT: moe.quantize_rows
// INT8-LABEL: func.func @codes(
// INT8-SAME: %[[X:[^:]*]]: tensor<?x20xf32>
// INT8: %[[Q:.*]]:3 = moe.quantize_rows %[[X]] : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x1xi32>)
// INT8: moe.grouped_matmul %[[Q]]#0[%{{.*}}] row_sums(%[[Q]]#2) banks(%{{.*}}, %{{.*}}) offsets(%{{.*}}) per_row(%[[Q]]#1)
// INT8-NEXT: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %[[S:.*]]: f32, %{{.*}}: f32):
// INT8-DAG: %[[GS:.*]] = arith.mulf %[[G]], %[[S]]
// INT8-DAG: %[[US:.*]] = arith.mulf %[[U]], %[[S]]
// INT8: arith.mulf %[[GS]], %[[US]]
// An op without a body gets one.
// INT8: moe.grouped_matmul %[[Q]]#0[%{{.*}}] row_sums(%[[Q]]#2) banks(%{{.*}}) offsets(%{{.*}}) per_row(%[[Q]]#1)
// INT8-NEXT: ^bb0(%[[A:.*]]: f32, %[[AS:.*]]: f32, %[[OLD:.*]]: f32):
// INT8-NEXT: %[[P:.*]] = arith.mulf %[[A]], %[[AS]]
// INT8-NEXT: %[[R:.*]] = arith.addf %[[OLD]], %[[P]]
// INT8-NEXT: moe.yield %[[R]]
func.func @codes(%x: tensor<?x20xf32>, %s: tensor<?xi32>, %o: tensor<3xi32>, %a: !moe.bank<2x6x20xf32, #moe.quantized<bits = 8, scale = f32>>, %i: tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %y = moe.grouped_matmul %x[%s] banks(%a, %a) offsets(%o) outs(%i) : (tensor<?x20xf32>, tensor<?xi32>, !moe.bank<2x6x20xf32, #moe.quantized<bits = 8, scale = f32>>, !moe.bank<2x6x20xf32, #moe.quantized<bits = 8, scale = f32>>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%g: f32, %u: f32, %old: f32):
    %p = arith.mulf %g, %u : f32
    moe.yield %p : f32
  }
  %z = moe.grouped_matmul %x[%s] banks(%a) offsets(%o) outs(%i) : (tensor<?x20xf32>, tensor<?xi32>, !moe.bank<2x6x20xf32, #moe.quantized<bits = 8, scale = f32>>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y, %z : tensor<?x6xf32>, tensor<?x6xf32>
}

// Weights whose rows have one scale: so have the rows that meet them.
// GROUPED-LABEL: func.func @codes(
// GROUPED: moe.quantize_rows %{{.*}} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x1xi32>)
// GROUPED-NOT: row_scales

// Scales of 8 columns: three sums for each row, and three scales if wanted.
// GROUPED-LABEL: func.func @runs(
// GROUPED: %[[Q:.*]]:3 = moe.quantize_rows %{{.*}} {group = 8 : i64, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
// GROUPED: moe.grouped_matmul %[[Q]]#0 row_sums(%[[Q]]#2) row_scales(%[[Q]]#1) banks(%{{.*}}) outs(%{{.*}}) : {{.*}} -> tensor<?x6xf32>
// GROUPED-NEXT: return
// INT8-LABEL: func.func @runs(
// INT8: moe.quantize_rows %{{.*}} {group = 8 : i64} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>)
func.func @runs(%x: tensor<?x20xf32>, %a: !moe.bank<1x6x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>, %i: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = moe.grouped_matmul %x banks(%a) outs(%i) : (tensor<?x20xf32>, !moe.bank<1x6x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
