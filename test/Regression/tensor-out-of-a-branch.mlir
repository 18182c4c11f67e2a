// A tensor leaves a branch on the index of the expert.
//
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @f(%x: tensor<4x8xf32> {moe.name = "x"}, %o: tensor<3xi32> {moe.name = "o"}) -> (tensor<4x8xf32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %y = moe.experts %x, %o : (tensor<4x8xf32>, tensor<3xi32>) -> tensor<4x8xf32> {
  ^bb0(%r: tensor<?x8xf32>, %e: index):
    %p = arith.cmpi eq, %e, %c0 : index
    %s = scf.if %p -> tensor<?x8xf32> {
      %t = math.tanh %r : tensor<?x8xf32>
      scf.yield %t : tensor<?x8xf32>
    } else {
      scf.yield %r : tensor<?x8xf32>
    }
    %u = math.sin %s : tensor<?x8xf32>
    %v = arith.addf %u, %s : tensor<?x8xf32>
    moe.yield %v : tensor<?x8xf32>
  }
  return %y : tensor<4x8xf32>
}
