// A reduction of integer powers.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @f(%x: tensor<16x37xf32> {moe.name = "x"}) -> (tensor<16xf32> {moe.name = "y"}) {
  %k = arith.constant 2 : i32
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16xf32>
  %i = linalg.fill ins(%z : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<16x37xf32>) outs(%i : tensor<16xf32>) {
  ^bb0(%a: f32, %s: f32):
    %p = math.fpowi %a, %k : f32, i32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<16xf32>
  return %y : tensor<16xf32>
}
