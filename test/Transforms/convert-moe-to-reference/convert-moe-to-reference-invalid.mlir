// RUN: moe-opt %s -split-input-file -verify-diagnostics -convert-moe-to-reference

func.func @tensors(%z: tensor<?x8xf32>) -> tensor<?x2xf32> {
  // expected-error-re@+1 {{expected the form on memrefs; bufferize first{{.*}}[moe-to-reference-tensor]}}
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return %w : tensor<?x2xf32>
}
