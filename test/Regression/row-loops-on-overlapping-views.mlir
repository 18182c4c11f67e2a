// Loops over the rows of views that overlap are not one loop.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

#rk = affine_map<(r, m, j) -> (r, j)>
#mk = affine_map<(r, m, j) -> (m, j)>
#rm = affine_map<(r, m, j) -> (r, m)>
moe.weight @a : tensor<8x64xf32> from ["a"]
func.func @f(%x: tensor<2048x64xf32> {moe.name = "x"}) -> (tensor<2048x8xf32> {moe.name = "y"}, tensor<2048x8xf32> {moe.name = "q"}) {
  %z = arith.constant 0.0 : f32
  %a = moe.get_weight @a : tensor<8x64xf32>
  %e = tensor.empty() : tensor<2050x8xf32>
  %big = linalg.fill ins(%z : f32) outs(%e : tensor<2050x8xf32>) -> tensor<2050x8xf32>
  %sl = tensor.extract_slice %big[0, 0] [2048, 8] [1, 1] : tensor<2050x8xf32> to tensor<2048x8xf32>
  %i0 = linalg.fill ins(%z : f32) outs(%sl : tensor<2048x8xf32>) -> tensor<2048x8xf32>
  %h = linalg.matmul indexing_maps = [#rk, #mk, #rm] ins(%x, %a : tensor<2048x64xf32>, tensor<8x64xf32>) outs(%i0 : tensor<2048x8xf32>) -> tensor<2048x8xf32>
  %w0, %ids0, %s0 = moe.router %h {top_k = 2 : i64, score = #moe.score<sigmoid>} : (tensor<2048x8xf32>) -> (tensor<2048x2xf32>, tensor<2048x2xi32>, tensor<2048x8xf32>)
  %in = tensor.insert_slice %h into %big[0, 0] [2048, 8] [1, 1] : tensor<2048x8xf32> into tensor<2050x8xf32>
  %l = tensor.extract_slice %in[2, 0] [2048, 8] [1, 1] : tensor<2050x8xf32> to tensor<2048x8xf32>
  %w, %ids, %s = moe.router %l {top_k = 2 : i64, score = #moe.score<sigmoid>} : (tensor<2048x8xf32>) -> (tensor<2048x2xf32>, tensor<2048x2xi32>, tensor<2048x8xf32>)
  return %s, %s0 : tensor<2048x8xf32>, tensor<2048x8xf32>
}
