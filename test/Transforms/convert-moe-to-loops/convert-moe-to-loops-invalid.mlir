// RUN: moe-opt %s -split-input-file -verify-diagnostics -pass-pipeline="builtin.module(func.func(convert-moe-to-loops))"

func.func @tensors(%z: tensor<?x8xf32>) -> tensor<?x2xf32> {
  // expected-error-re@+1 {{expected the form on memrefs; bufferize first{{.*}}[moe-to-loops-tensor]}}
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return %w : tensor<?x2xf32>
}
