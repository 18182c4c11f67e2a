// What is true after each stage of --moe-compile, and nothing else.

// RUN: moe-opt %s -moe-compile="stop-after=graph" -o %t.graph
// RUN: moe-opt %s -moe-compile="stop-after=planned" -o %t.planned
// RUN: moe-opt %s -moe-compile="stop-after=grouped" -o %t.grouped
// RUN: moe-opt %s -moe-compile="stop-after=bufferized" -o %t.bufferized
// RUN: moe-opt %s -moe-compile="stop-after=llvm" -o %t.llvm
// RUN: FileCheck %s --input-file=%t.graph --check-prefix=GRAPH
// RUN: FileCheck %s --input-file=%t.planned --check-prefix=PLANNED
// RUN: FileCheck %s --input-file=%t.grouped --check-prefix=GROUPED
// RUN: FileCheck %s --input-file=%t.bufferized --check-prefix=BUFFERIZED
// RUN: FileCheck %s --input-file=%t.bufferized --check-prefix=INPLACE
// RUN: FileCheck %s --input-file=%t.llvm --check-prefix=LLVM

// The default is the last stage.
// RUN: moe-opt %s -moe-compile | diff - %t.llvm

// A module of any level goes on from where it is, to the same end.
// RUN: moe-opt %t.graph -moe-compile | diff - %t.llvm
// RUN: moe-opt %t.planned -moe-compile | diff - %t.llvm
// RUN: moe-opt %t.grouped -moe-compile | diff - %t.llvm
// RUN: moe-opt %t.bufferized -moe-compile | diff - %t.llvm

// RUN: not moe-opt %s -moe-compile="stop-after=nowhere" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: Cannot find option named 'nowhere'

// graph: routing is explicit SSA, weights are named, nothing is decided.
// GRAPH: moe.weight @up : !moe.bank<4x16x8xbf16>
// GRAPH: moe.router
// GRAPH: moe.plan {{.*}}capacity_rule =
// GRAPH: moe.dispatch
// GRAPH-COUNT-2: moe.yield
// GRAPH: moe.combine
// GRAPH: moe.experts
// GRAPH: func.func @forward({{.*}}tensor<32x8xf32>

// planned: the regions of experts that are alike are one; every plan with a
// capacity has a value for it and a bound on its rows.
// PLANNED-NOT: capacity_rule
// PLANNED: moe.plan {{.*}} capacity(%{{.*}}) rows(%{{.*}})
// PLANNED: moe.make_bank
// PLANNED-COUNT-1: moe.yield
// PLANNED-NOT: }, {
// PLANNED: moe.experts

// grouped: no experts are left; each body exists once. Matmuls with weights are
// grouped, and the weights packed for them.
// GROUPED-NOT: moe.experts
// GROUPED: func.func private @layer(
// GROUPED-COUNT-1: math.exp
// GROUPED-NOT: math.exp
// GROUPED: func.func private @bank_layer(
// GROUPED-COUNT-2: moe.grouped_matmul {{.*}}schedule = #moe.cpu_schedule
// GROUPED-NOT: moe.experts

// bufferized: no tensor is left but the declared weights; the entry has no
// results.
// BUFFERIZED: moe.weight @w1 : tensor<8x8xf32>
// BUFFERIZED-NOT: tensor<
// BUFFERIZED-NOT: to_tensor
// BUFFERIZED: func.func @forward({{.*}}) attributes {moe.entry

// The cache is updated in place: nothing of its size is copied or allocated.
// INPLACE-NOT: memref.alloc{{.*}}memref<32x8xf32
// INPLACE-NOT: memref.copy{{.*}}memref<32x8xf32
// INPLACE: func.func @forward(
// INPLACE-NOT: memref.alloc{{.*}}memref<32x8xf32
// INPLACE-NOT: memref.copy{{.*}}memref<32x8xf32
// INPLACE: return

// llvm: one dialect is left, no allocation, no abort, and the tables of the ABI.
// LLVM-NOT: {{^ *}}%{{.*}} = {{(moe|func|scf|cf|arith|math|memref|tensor|linalg|index|bufferization|builtin)\.}}
// LLVM-NOT: llvm.call @malloc
// LLVM-NOT: llvm.call @free
// LLVM-NOT: llvm.call @abort
// LLVM: llvm.mlir.global external constant @moe_module_v1

moe.weight @router : tensor<4x8xf32> from ["router"]
moe.weight @up : !moe.bank<4x16x8xbf16> from ["e.{e}.up"]
moe.weight @down : !moe.bank<4x8x16xbf16> from ["e.{e}.down"]
moe.weight @w0 : tensor<8x8xf32> from ["w0"]
moe.weight @w1 : tensor<8x8xf32> from ["w1"]

#nt = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]

// Two experts by regions, with a capacity. The result is written over the input,
// so that the function has none on memrefs.
func.func private @layer(%x: tensor<?x8xf32>, %z: tensor<?x2xf32>, %w0: tensor<8x8xf32>, %w1: tensor<8x8xf32>) -> tensor<?x8xf32> {
  %w, %ids = moe.router %z {top_k = 1 : i64, score = #moe.score<sigmoid>} : (tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x1xi32>)
  %counts, %offsets, %source, %pos, %pw = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = tokens_per_expert, factor = 1.5>, overflow = #moe.overflow<residual>} : (tensor<?x1xf32>, tensor<?x1xi32>) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xf32>)
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x8xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x8xf32>
  %y = moe.experts %rows, %offsets : (tensor<?x8xf32>, tensor<3xi32>) -> tensor<?x8xf32> {
  ^bb0(%r: tensor<?x8xf32>):
    %e = linalg.exp ins(%r : tensor<?x8xf32>) outs(%r : tensor<?x8xf32>) -> tensor<?x8xf32>
    %h = linalg.matmul indexing_maps = #nt ins(%e, %w0 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %h : tensor<?x8xf32>
  }, {
  ^bb0(%r: tensor<?x8xf32>):
    %e = linalg.exp ins(%r : tensor<?x8xf32>) outs(%r : tensor<?x8xf32>) -> tensor<?x8xf32>
    %h = linalg.matmul indexing_maps = #nt ins(%e, %w1 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %h : tensor<?x8xf32>
  }
  %out = moe.combine %y, %pos weights(%pw) passthrough(%x) : (tensor<?x8xf32>, tensor<?x1xi32>, tensor<?x1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %res = linalg.add ins(%x, %out : tensor<?x8xf32>, tensor<?x8xf32>) outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %res : tensor<?x8xf32>
}

// Four experts over banks, dropless.
func.func private @bank_layer(%x: tensor<?x8xf32>, %wr: tensor<4x8xf32>, %up: !moe.bank<4x16x8xbf16>, %down: !moe.bank<4x8x16xbf16>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %ze = tensor.empty(%t) : tensor<?x4xf32>
  %zf = linalg.fill ins(%zero : f32) outs(%ze : tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = linalg.matmul indexing_maps = #nt ins(%x, %wr : tensor<?x8xf32>, tensor<4x8xf32>) outs(%zf : tensor<?x4xf32>) -> tensor<?x4xf32>
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, normalize = #moe.normalize} : (tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %counts, %offsets, %source, %pos, %pw = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<4xi32>, tensor<5xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x8xf32>, tensor<?xi32>, tensor<5xi32>) -> tensor<?x8xf32>
  %y = moe.experts %rows, %offsets banks(%up, %down) : (tensor<?x8xf32>, tensor<5xi32>, !moe.bank<4x16x8xbf16>, !moe.bank<4x8x16xbf16>) -> tensor<?x8xf32> {
  ^bb0(%r: tensor<?x8xf32>, %i: index, %us: tensor<16x8xbf16>, %ds: tensor<8x16xbf16>):
    %n = tensor.dim %r, %c0 : tensor<?x8xf32>
    %e1 = tensor.empty(%n) : tensor<?x16xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %a = linalg.matmul indexing_maps = #nt ins(%r, %us : tensor<?x8xf32>, tensor<16x8xbf16>) outs(%f1 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %e2 = tensor.empty(%n) : tensor<?x8xf32>
    %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %o = linalg.matmul indexing_maps = #nt ins(%a, %ds : tensor<?x16xf32>, tensor<8x16xbf16>) outs(%f2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %o : tensor<?x8xf32>
  }
  %out = moe.combine %y, %pos weights(%pw) : (tensor<?x8xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  %res = linalg.add ins(%x, %out : tensor<?x8xf32>, tensor<?x8xf32>) outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %res : tensor<?x8xf32>
}

// Writes the rows of this step behind those of the past.
func.func private @append(%cache: tensor<32x8xf32>, %x: tensor<?x8xf32>, %past: index) -> tensor<32x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %new = tensor.insert_slice %x into %cache[%past, 0] [%t, 8] [1, 1] : tensor<?x8xf32> into tensor<32x8xf32>
  return %new : tensor<32x8xf32>
}

func.func @forward(%x: tensor<?x8xf32> {moe.name = "x", moe.shape = ["n", 8]},
                   %z: tensor<?x2xf32> {moe.name = "z", moe.shape = ["n", 2]},
                   %past: index {moe.name = "past", moe.symbol = "past"},
                   %cache: tensor<32x8xf32> {moe.name = "cache"})
    -> (tensor<?x8xf32> {moe.name = "y", moe.shape = ["n", 8]},
        tensor<32x8xf32> {moe.name = "cache", moe.tied = 3 : i64})
    attributes {moe.limits = [[["past", "n"], 32]]} {
  %wr = moe.get_weight @router : tensor<4x8xf32>
  %up = moe.get_weight @up : !moe.bank<4x16x8xbf16>
  %down = moe.get_weight @down : !moe.bank<4x8x16xbf16>
  %w0 = moe.get_weight @w0 : tensor<8x8xf32>
  %w1 = moe.get_weight @w1 : tensor<8x8xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %h = call @layer(%x, %z, %w0, %w1) : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %b = call @bank_layer(%h, %wr, %up, %down) : (tensor<?x8xf32>, tensor<4x8xf32>, !moe.bank<4x16x8xbf16>, !moe.bank<4x8x16xbf16>) -> tensor<?x8xf32>
  %new = call @append(%cache, %b, %past) : (tensor<32x8xf32>, tensor<?x8xf32>, index) -> tensor<32x8xf32>
  // The result depends on all of the cache.
  %sum0 = tensor.empty() : tensor<8xf32>
  %sum1 = linalg.fill ins(%zero : f32) outs(%sum0 : tensor<8xf32>) -> tensor<8xf32>
  %sum = linalg.reduce ins(%new : tensor<32x8xf32>) outs(%sum1 : tensor<8xf32>) dimensions = [0] (%p: f32, %q: f32) {
    %s = arith.addf %p, %q : f32
    linalg.yield %s : f32
  }
  %t = tensor.dim %b, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %y = linalg.broadcast ins(%sum : tensor<8xf32>) outs(%e : tensor<?x8xf32>) dimensions = [0]
  return %y, %new : tensor<?x8xf32>, tensor<32x8xf32>
}
