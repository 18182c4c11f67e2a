// RUN: moe-opt %s -split-input-file -verify-diagnostics -pass-pipeline="builtin.module(func.func(convert-moe-to-loops))"

func.func @tensors(%z: tensor<?x8xf32>) -> tensor<?x2xf32> {
  // expected-error-re@+1 {{expected the form on memrefs; bufferize first{{.*}}[moe-lower-routing-tensor]}}
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return %w : tensor<?x2xf32>
}

// -----

func.func @rule(%w: memref<?x2xf32>, %ids: memref<?x2xi32>, %c: memref<8xi32>, %o: memref<9xi32>, %s: memref<?xi32>, %p: memref<?x2xi32>, %v: memref<?x2xf32>) {
  // expected-error-re@+1 {{expected a capacity as a value; run moe-plan-capacity first{{.*}}[moe-lower-routing-capacity-rule]}}
  moe.plan %w, %ids into(%c, %o, %s, %p, %v) {overflow = #moe.overflow<zero>, capacity_rule = #moe.capacity<basis = tokens, factor = 0.5>} : (memref<?x2xf32>, memref<?x2xi32>, memref<8xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xf32>) -> ()
  return
}
