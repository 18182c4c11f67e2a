// Scores that a router hands out, and scores that say who claims a slot first: both as
// worked out by hand, compiled and by the oracle.

// REQUIRES: moe-run

// ln 3 against 0 is 3/4 against 1/4; the sigmoid of ln 3 is 3/4, of 0 is 1/2.
// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in z:F32:2,2:0,1.0986123,1.0986123,0 softmax:F32:2,2:.25,.75,.75,.25 sigmoid:F32:2,2:.5,.75,.75,.5 \
// RUN:   ids:I32:3,1:1,1,1 w:F32:3,1:.5,.6,.7 p:F32:3:2,1,3 counts:I32:2:0,2 kept:F32:3,1:.5,0,.7
// RUN: moe-run %s --entry=scores --input z=%t.in:z --expect softmax=%t.in:softmax --expect sigmoid=%t.in:sigmoid --rtol=1e-6 --atol=0
// RUN: moe-run %s --entry=scores --reference --input z=%t.in:z --expect softmax=%t.in:softmax --expect sigmoid=%t.in:sigmoid --rtol=1e-6 --atol=0
func.func @scores(%z: tensor<2x2xf32> {moe.name = "z"})
    -> (tensor<2x2xf32> {moe.name = "softmax"}, tensor<2x2xf32> {moe.name = "sigmoid"}) {
  %w0, %i0, %s0 = moe.router %z {top_k = 1 : i64, score = #moe.score<softmax>}
      : (tensor<2x2xf32>) -> (tensor<2x1xf32>, tensor<2x1xi32>, tensor<2x2xf32>)
  %w1, %i1, %s1 = moe.router %z {top_k = 1 : i64, score = #moe.score<sigmoid>}
      : (tensor<2x2xf32>) -> (tensor<2x1xf32>, tensor<2x1xi32>, tensor<2x2xf32>)
  return %s0, %s1 : tensor<2x2xf32>, tensor<2x2xf32>
}

// All three want expert 1, which takes two: those of scores 3 and 2. By their
// weights they would be tokens 1 and 2, by position 0 and 1.
// RUN: moe-run %s --entry=priority --input ids=%t.in:ids --input w=%t.in:w --input p=%t.in:p --expect counts=%t.in:counts --expect kept=%t.in:kept --rtol=0 --atol=0
// RUN: moe-run %s --entry=priority --reference --input ids=%t.in:ids --input w=%t.in:w --input p=%t.in:p --expect counts=%t.in:counts --expect kept=%t.in:kept --rtol=0 --atol=0
func.func @priority(%ids: tensor<3x1xi32> {moe.name = "ids"}, %w: tensor<3x1xf32> {moe.name = "w"}, %p: tensor<3xf32> {moe.name = "p"})
    -> (tensor<2xi32> {moe.name = "counts"}, tensor<3x1xf32> {moe.name = "kept"}) {
  %capacity = arith.constant 2 : index
  %counts, %offsets, %source, %position, %kept = moe.plan %w, %ids capacity(%capacity) priority_scores(%p) {priority = #moe.priority<batch>, overflow = #moe.overflow<zero>}
      : (tensor<3x1xf32>, tensor<3x1xi32>, index, tensor<3xf32>) -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<3x1xi32>, tensor<3x1xf32>)
  return %counts, %kept : tensor<2xi32>, tensor<3x1xf32>
}
