// Rows that were cast to i8 meet a weight of f32.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

#rk = affine_map<(r, m, j) -> (r, j)>
#mk = affine_map<(r, m, j) -> (m, j)>
#km = affine_map<(r, m, j) -> (j, m)>
#rm = affine_map<(r, m, j) -> (r, m)>
#id = affine_map<(a, b) -> (a, b)>
#row = affine_map<(a, b) -> (a)>
#col = affine_map<(a, b) -> (b)>

moe.weight @w : !moe.bank<2x8x8xf32> from ["w.{e}"]
func.func @f(%x: tensor<4x8xf32> {moe.name = "x"}, %o: tensor<3xi32> {moe.name = "o"}) -> (tensor<4x8xf32> {moe.name = "y"}) {
  %b = moe.get_weight @w : !moe.bank<2x8x8xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %z = arith.constant 0.0 : f32

  %y = moe.experts %x, %o banks(%b) : (tensor<4x8xf32>, tensor<3xi32>, !moe.bank<2x8x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%r: tensor<?x8xf32>, %e: index, %w: tensor<8x8xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x8xf32>
    %t = tensor.empty(%n) : tensor<?x8xf32>
    %i = linalg.fill ins(%z : f32) outs(%t : tensor<?x8xf32>) -> tensor<?x8xf32>
    %h = linalg.matmul indexing_maps = [#rk, #mk, #rm] ins(%r, %w : tensor<?x8xf32>, tensor<8x8xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
    %hb = arith.fptosi %h : tensor<?x8xf32> to tensor<?x8xi8>
    %g = linalg.matmul indexing_maps = [#rk, #mk, #rm] ins(%hb, %w : tensor<?x8xi8>, tensor<8x8xf32>) outs(%i : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %g : tensor<?x8xf32>
  }
  return %y : tensor<4x8xf32>
}
