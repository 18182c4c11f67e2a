// A loop yields what it carries the other way round.
//
// size: n=5
// REQUIRES: moe-check-module
// RUN: moe-check-module %s

func.func @f(%a: tensor<?x3xf32> {moe.name = "a", moe.shape = ["n", 3]}, %b: tensor<?x3xf32> {moe.name = "b", moe.shape = ["n", 3]})
    -> (tensor<?x3xf32> {moe.name = "p", moe.shape = ["n", 3]}, tensor<?x3xf32> {moe.name = "q", moe.shape = ["n", 3]}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %r:2 = scf.for %i = %c0 to %c5 step %c1 iter_args(%p = %a, %q = %b) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
    %s = arith.addf %p, %q : tensor<?x3xf32>
    scf.yield %q, %s : tensor<?x3xf32>, tensor<?x3xf32>
  }
  return %r#0, %r#1 : tensor<?x3xf32>, tensor<?x3xf32>
}
