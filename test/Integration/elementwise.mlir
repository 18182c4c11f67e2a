// Elementwise operations on tensors compile like linalg; as bodies of experts they
// are computed of all rows at once.

// RUN: moe-opt %s -moe-compile="stop-after=grouped" | FileCheck %s --check-prefix=GROUPED
// RUN: moe-run %s --entry=alone --random-inputs=1 --size=t=3 --quiet --output=%t.a.safetensors
// RUN: moe-run %s --entry=experts --random-inputs=1 --size=t=70 --quiet --output=%t.b.safetensors
// RUN: moe-run %s --entry=experts --random-inputs=1 --size=t=70 --quiet --row-tile=7 --expect y=%t.b.safetensors:y --rtol=0 --atol=0

// GROUPED-LABEL: func.func @experts
// GROUPED-NOT: scf.for
// GROUPED: linalg.generic
// GROUPED: math.exp
// GROUPED-NOT: scf.for
// GROUPED: moe.combine

func.func @alone(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %y = math.exp %x : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

func.func @experts(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                   %logits: tensor<?x3xf32> {moe.name = "logits", moe.shape = ["t", 3]})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %w, %ids = moe.router %logits {top_k = 2 : i64, score = #moe.score<softmax>}
    : (tensor<?x3xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %plan:5 = moe.plan %w, %ids : (tensor<?x2xf32>, tensor<?x2xi32>)
    -> (tensor<3xi32>, tensor<4xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %rows = moe.dispatch %x, %plan#2, %plan#1
    : (tensor<?x4xf32>, tensor<?xi32>, tensor<4xi32>) -> tensor<?x4xf32>
  %e = moe.experts %rows, %plan#1 : (tensor<?x4xf32>, tensor<4xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %i: index):
    %a = math.exp %r : tensor<?x4xf32>
    %b = arith.addf %a, %r : tensor<?x4xf32>
    moe.yield %b : tensor<?x4xf32>
  }
  %y = moe.combine %e, %plan#3 weights(%plan#4)
    : (tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
