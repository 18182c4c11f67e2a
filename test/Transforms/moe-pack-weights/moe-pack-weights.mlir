// Weights that only grouped matmuls read get the layout of their kernels.

// RUN: moe-opt %s -split-input-file -moe-pack-weights="target-features=+avx2,+fma,+avx512f,+avx512vl,+avx512bw" | FileCheck %s
// RUN: moe-opt %s -split-input-file -moe-pack-weights="target-features=+avx2,+fma" | FileCheck %s --check-prefix=AVX2

// Two banks of one op share memory; the weight has one type wherever it is read.
// CHECK: moe.weight @gate : !moe.bank<2x64x32xf32, #moe.packed<panel = [[P:[0-9]+]], depth = 1, ways = 2>> from ["g.{e}"]
// CHECK: moe.weight @up : !moe.bank<2x64x32xf32, #moe.packed<panel = [[P]], depth = 1, ways = 2>> from ["u.{e}"] {beside = @gate, way = 1 : i64}
// CHECK: func.func private @layer({{.*}}, %{{.*}}: !moe.bank<2x64x32xf32, #moe.packed<panel = [[P]], depth = 1, ways = 2>>
// CHECK: moe.grouped_matmul {{.*}} {schedule = #moe.cpu_schedule<row_block = {{[0-9]+}}, lanes = 16, dot = fma>}
// AVX2: moe.grouped_matmul {{.*}} {schedule = #moe.cpu_schedule<row_block = {{[0-9]+}}, lanes = 8, dot = fma>}
moe.weight @gate : !moe.bank<2x64x32xf32> from ["g.{e}"]
moe.weight @up : !moe.bank<2x64x32xf32> from ["u.{e}"]
func.func private @layer(%x: tensor<?x32xf32>, %o: tensor<3xi32>, %a: !moe.bank<2x64x32xf32>, %b: !moe.bank<2x64x32xf32>, %i: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = moe.grouped_matmul %x banks(%a, %b) offsets(%o) outs(%i) : (tensor<?x32xf32>, !moe.bank<2x64x32xf32>, !moe.bank<2x64x32xf32>, tensor<3xi32>, tensor<?x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%g: f32, %u: f32, %old: f32):
    %p = arith.mulf %g, %u : f32
    moe.yield %p : f32
  }
  return %y : tensor<?x64xf32>
}
func.func @forward(%x: tensor<?x32xf32>, %o: tensor<3xi32>, %i: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = moe.get_weight @gate : !moe.bank<2x64x32xf32>
  %b = moe.get_weight @up : !moe.bank<2x64x32xf32>
  %y = func.call @layer(%x, %o, %a, %b, %i) : (tensor<?x32xf32>, tensor<3xi32>, !moe.bank<2x64x32xf32>, !moe.bank<2x64x32xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// Something else reads the bank, in another function: it stays as it is.
// CHECK: moe.weight @w : !moe.bank<2x64x32xf32> from
// CHECK-NOT: schedule
moe.weight @w : !moe.bank<2x64x32xf32> from ["w.{e}"]
func.func @matmul(%x: tensor<?x32xf32>, %o: tensor<3xi32>, %i: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = moe.get_weight @w : !moe.bank<2x64x32xf32>
  %y = moe.grouped_matmul %x banks(%a) offsets(%o) outs(%i) : (tensor<?x32xf32>, !moe.bank<2x64x32xf32>, tensor<3xi32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func @slice(%e: index) -> tensor<64x32xf32> {
  %a = moe.get_weight @w : !moe.bank<2x64x32xf32>
  %s = moe.bank_slice %a[%e] : !moe.bank<2x64x32xf32> -> tensor<64x32xf32>
  return %s : tensor<64x32xf32>
}

// -----

// Codes by the word, with the instruction for what the rows are; codes of 4 bits
// with several scales in a row need registers for two kinds of sums.
// RUN: moe-opt %s -split-input-file -moe-pack-weights="target-features=+avx2,+fma,+avx512f,+avx512vl,+avx512bw,+avx512vnni" | FileCheck %s --check-prefix=VNNI
// VNNI: moe.weight @eight : !moe.bank<2x64x32xf32, #moe.quantized<bits = 8, scale = f32>, #moe.packed<panel = 32, depth = 4>>
// VNNI: moe.weight @four : !moe.bank<2x64x32xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>, #moe.packed<panel = 32, depth = 8>>
// VNNI: moe.grouped_matmul {{.*}} {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = i8_quads>}
// VNNI: moe.grouped_matmul {{.*}} {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = fma>}
// CHECK: moe.weight @eight : !moe.bank<2x64x32xf32, {{.*}}#moe.packed<panel = {{[0-9]+}}, depth = 4>>
// CHECK: moe.grouped_matmul {{.*}} {schedule = #moe.cpu_schedule<row_block = {{[0-9]+}}, lanes = 16, dot = fma>}
moe.weight @eight : !moe.bank<2x64x32xf32, #moe.quantized<bits = 8, scale = f32>> from ["e.{e}"] {stored = bf16}
moe.weight @four : !moe.bank<2x64x32xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>> from ["f.{e}"]
func.func @codes(%x: tensor<?x32xi8>, %s: tensor<?x1xi32>, %f: tensor<?x32xf32>, %o: tensor<3xi32>, %i: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %a = moe.get_weight @eight : !moe.bank<2x64x32xf32, #moe.quantized<bits = 8, scale = f32>>
  %b = moe.get_weight @four : !moe.bank<2x64x32xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>
  %y = moe.grouped_matmul %x row_sums(%s) banks(%a) offsets(%o) outs(%i) : (tensor<?x32xi8>, tensor<?x1xi32>, !moe.bank<2x64x32xf32, #moe.quantized<bits = 8, scale = f32>>, tensor<3xi32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = moe.grouped_matmul %f banks(%b) offsets(%o) outs(%i) : (tensor<?x32xf32>, !moe.bank<2x64x32xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>, tensor<3xi32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// What a router reads is computed by rows, as long as the matrix takes at most
// half of the second-level cache.
// RUN: moe-opt %s -split-input-file -moe-pack-weights="target-features=+avx2,+fma target-l2-bytes=131072" | FileCheck %s --check-prefix=SMALL
// CHECK-LABEL: func.func @route(
// CHECK: moe.grouped_matmul {{.*}}dot = fma, order = rows>}
// CHECK: moe.grouped_matmul {{.*}}dot = fma>}
// SMALL-LABEL: func.func @route(
// SMALL: moe.grouped_matmul {{.*}}dot = fma>}
moe.weight @router : !moe.bank<1x64x512xf32> from ["router"]
moe.weight @other : !moe.bank<1x64x512xf32> from ["other"]
func.func @route(%x: tensor<?x512xf32>, %i: tensor<?x64xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x64xf32>) {
  %a = moe.get_weight @router : !moe.bank<1x64x512xf32>
  %b = moe.get_weight @other : !moe.bank<1x64x512xf32>
  %z = moe.grouped_matmul %x banks(%a) outs(%i) : (tensor<?x512xf32>, !moe.bank<1x64x512xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %y = moe.grouped_matmul %x banks(%b) outs(%i) : (tensor<?x512xf32>, !moe.bank<1x64x512xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x64xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return %w, %ids, %y : tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x64xf32>
}
