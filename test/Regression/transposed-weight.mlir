// A weight is transposed beside its product, as torch exports nn.Linear.
//
// size: t=5
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

moe.weight @w : !moe.bank<8x512x256xf32> from ["e.{e}"]
func.func @layer(%x: tensor<?x256xf32> {moe.name = "x", moe.shape = ["t", 256]}, %logits: tensor<?x8xf32> {moe.name = "l", moe.shape = ["t", 8]}) -> (tensor<?x512xf32> {moe.name = "y", moe.shape = ["t", 512]}) {
  %bank = moe.get_weight @w : !moe.bank<8x512x256xf32>
  %w, %ids = moe.router %logits {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %counts, %offsets, %source, %position, %kept = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x256xf32>, tensor<?xi32>, tensor<9xi32>) -> tensor<?x256xf32>
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x256xf32>, tensor<9xi32>, !moe.bank<8x512x256xf32>) -> tensor<?x512xf32> {
  ^bb0(%r: tensor<?x256xf32>, %expert: index, %weight: tensor<512x256xf32>):
    %c0 = arith.constant 0 : index
    %n = tensor.dim %r, %c0 : tensor<?x256xf32>
    %z = arith.constant 0.0 : f32
    %te = tensor.empty() : tensor<256x512xf32>
    %t = linalg.transpose ins(%weight : tensor<512x256xf32>) outs(%te : tensor<256x512xf32>) permutation = [1, 0]
    %e = tensor.empty(%n) : tensor<?x512xf32>
    %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x512xf32>) -> tensor<?x512xf32>
    %h = linalg.matmul ins(%r, %t : tensor<?x256xf32>, tensor<256x512xf32>) outs(%f : tensor<?x512xf32>) -> tensor<?x512xf32>
    %g = linalg.exp ins(%h : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) -> tensor<?x512xf32>
    moe.yield %g : tensor<?x512xf32>
  }
  %out = moe.combine %y, %position weights(%kept) : (tensor<?x512xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x512xf32>
  return %out : tensor<?x512xf32>
}
