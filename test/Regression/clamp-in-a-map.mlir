// A clamp in linalg.map.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @f(%x: tensor<4x8xf32> {moe.name = "x"}) -> (tensor<4x8xf32> {moe.name = "y"}) {
  %m = arith.constant -0.5 : f32
  %n = arith.constant 0.5 : f32
  %e = tensor.empty() : tensor<4x8xf32>
  %y = linalg.map ins(%x : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) (%a: f32, %o: f32) {
    %t = math.clampf %a to [%m, %n] : f32
    linalg.yield %t : f32
  }
  return %y : tensor<4x8xf32>
}
