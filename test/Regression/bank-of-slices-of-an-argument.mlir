// Slices of one stacked argument are a bank without a copy.
//
// size: T=5
// REQUIRES: moe-check-module
// RUN: moe-check-module %s
// RUN: moe-opt %s --moe-compile=stop-after=bufferized | FileCheck %s
// CHECK-NOT: memref.copy{{.*}}64x64

func.func @layer(%x: tensor<?x64xf32> {moe.name = "x", moe.shape = ["T", 64]}, %l: tensor<?x4xf32> {moe.name = "l", moe.shape = ["T", 4]},
                 %w: tensor<4x64x64xf32> {moe.name = "w"}) -> (tensor<?x64xf32> {moe.name = "y", moe.shape = ["T", 64]}) {
  %s0 = tensor.extract_slice %w[0,0,0][1,64,64][1,1,1] : tensor<4x64x64xf32> to tensor<64x64xf32>
  %s1 = tensor.extract_slice %w[1,0,0][1,64,64][1,1,1] : tensor<4x64x64xf32> to tensor<64x64xf32>
  %s2 = tensor.extract_slice %w[2,0,0][1,64,64][1,1,1] : tensor<4x64x64xf32> to tensor<64x64xf32>
  %s3 = tensor.extract_slice %w[3,0,0][1,64,64][1,1,1] : tensor<4x64x64xf32> to tensor<64x64xf32>
  %bank = moe.make_bank %s0, %s1, %s2, %s3 : tensor<64x64xf32> -> !moe.bank<4x64x64xf32>
  %wt, %ids = moe.router %l {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %counts, %offsets, %source, %position, %kept = moe.plan %wt, %ids : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<4xi32>, tensor<5xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x64xf32>, tensor<?xi32>, tensor<5xi32>) -> tensor<?x64xf32>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x64xf32>, tensor<5xi32>, !moe.bank<4x64x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%r: tensor<?x64xf32>, %e: index, %we: tensor<64x64xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x64xf32>
    %em = tensor.empty(%n) : tensor<?x64xf32>
    %i = linalg.fill ins(%zero : f32) outs(%em : tensor<?x64xf32>) -> tensor<?x64xf32>
    %h = linalg.contract indexing_maps = [affine_map<(m,n,k)->(m,k)>,affine_map<(m,n,k)->(n,k)>,affine_map<(m,n,k)->(m,n)>] ins(%r, %we : tensor<?x64xf32>, tensor<64x64xf32>) outs(%i : tensor<?x64xf32>) -> tensor<?x64xf32>
    moe.yield %h : tensor<?x64xf32>
  }
  %out = moe.combine %y, %position weights(%kept) : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x64xf32>
  return %out : tensor<?x64xf32>
}
