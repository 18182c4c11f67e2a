// Numbers of callers that are out of range are refused, or touch no memory but
// that of the operands: the last line of each run is a result, whatever it is.

// REQUIRES: moe-run

// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in x:F32:2,4:1,1,1,1,2,2,2,2 z:F32:2,2:0,0,0,0 good:I32:2,1:1,-1 bad:I32:2,1:1,100000000 negative:I32:2,1:-2,0 far:I32:3:-1000000000,1000000000,2000000000 back:I32:3:2,0,1 y:F32:2,4:1,1,1,1,0,0,0,0

// RUN: moe-run %s --entry=table --input x=%t.in:x --input z=%t.in:z --input table=%t.in:good --expect y=%t.in:y
// RUN: not moe-run %s --entry=table --input x=%t.in:x --input z=%t.in:z --input table=%t.in:bad 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not moe-run %s --entry=table --input x=%t.in:x --input z=%t.in:z --input table=%t.in:negative 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RANGE: element 1 of input 'table' is 100000000, expected a number from -1 to 1; correct it [moe-arg-range]
// NEGATIVE: element 0 of input 'table' is -2, expected a number from -1 to 1; correct it [moe-arg-range]

// RUN: moe-run %s --entry=computed --input x=%t.in:x --input z=%t.in:z --input table=%t.in:bad | FileCheck %s --check-prefix=COMPUTED
// COMPUTED: y: f32 [2, 4]

// RUN: moe-run %s --entry=segments --input z=%t.in:z --input bounds=%t.in:far | FileCheck %s --check-prefix=SEGMENTS
// RUN: moe-run %s --entry=segments --input z=%t.in:z --input bounds=%t.in:back | FileCheck %s --check-prefix=SEGMENTS
// SEGMENTS: counts: i32 [2]

// RUN: moe-run %s --entry=movement --input x=%t.in:x --input offsets=%t.in:far --input source=%t.in:far --input position=%t.in:bad | FileCheck %s --check-prefix=MOVEMENT
// RUN: moe-run %s --entry=movement --input x=%t.in:x --input offsets=%t.in:back --input source=%t.in:back --input position=%t.in:negative | FileCheck %s --check-prefix=MOVEMENT
// RUN: moe-run %s --row-tile=1 --entry=movement --input x=%t.in:x --input offsets=%t.in:far --input source=%t.in:far --input position=%t.in:bad | FileCheck %s --check-prefix=MOVEMENT
// RUN: moe-run %s --row-tile=1 --entry=movement --input x=%t.in:x --input offsets=%t.in:back --input source=%t.in:back --input position=%t.in:negative | FileCheck %s --check-prefix=MOVEMENT
// MOVEMENT: y: f32 [2, 4]

// RUN: moe-run %s --entry=loss --input z=%t.in:z --input table=%t.in:bad | FileCheck %s --check-prefix=LOSS
// LOSS: loss: f32 []

func.func private @layer(%x: tensor<?x4xf32>, %z: tensor<?x2xf32>, %table: tensor<?x1xi32>) -> tensor<?x4xf32> {
  %w, %ids = moe.router %z table(%table) {top_k = 1 : i64, score = #moe.score<softmax>, domain = #moe.domain<selected>, selection = #moe.selection<table>, normalize = #moe.normalize<p = 1.0>}
      : (tensor<?x2xf32>, tensor<?x1xi32>) -> (tensor<?x1xf32>, tensor<?x1xi32>)
  %plan:5 = moe.plan %w, %ids : (tensor<?x1xf32>, tensor<?x1xi32>)
      -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xf32>)
  %rows = moe.dispatch %x, %plan#2, %plan#1 : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x4xf32>
  %out = moe.experts %rows, %plan#1 : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    %n = linalg.abs ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %n : tensor<?x4xf32>
  }
  %y = moe.combine %out, %plan#3 weights(%plan#4) : (tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

func.func @table(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                 %z: tensor<?x2xf32> {moe.name = "z", moe.shape = ["t", 2]},
                 %table: tensor<?x1xi32> {moe.name = "table", moe.shape = ["t", 1]})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %y = call @layer(%x, %z, %table) : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x1xi32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The graph computes the ids: no range of the argument follows from that.
func.func @computed(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                    %z: tensor<?x2xf32> {moe.name = "z", moe.shape = ["t", 2]},
                    %table: tensor<?x1xi32> {moe.name = "table", moe.shape = ["t", 1]})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %twice = linalg.add ins(%table, %table : tensor<?x1xi32>, tensor<?x1xi32>) outs(%table : tensor<?x1xi32>) -> tensor<?x1xi32>
  %y = call @layer(%x, %z, %twice) : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x1xi32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

func.func @segments(%z: tensor<?x2xf32> {moe.name = "z", moe.shape = ["t", 2]},
                    %bounds: tensor<?xi32> {moe.name = "bounds", moe.shape = ["s"]})
    -> (tensor<2xi32> {moe.name = "counts"}) {
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>} : (tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %plan:5 = moe.plan %w, %ids segments(%bounds) {overflow = #moe.overflow<zero>, priority = #moe.priority<batch>, capacity_rule = #moe.capacity<basis = tokens, factor = 1.0>}
      : (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?xi32>)
      -> (tensor<2xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return %plan#0 : tensor<2xi32>
}

func.func @movement(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["t", 4]},
                    %offsets: tensor<3xi32> {moe.name = "offsets"},
                    %source: tensor<?xi32> {moe.name = "source", moe.shape = ["n"]},
                    %position: tensor<?x1xi32> {moe.name = "position", moe.shape = ["t", 1]})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["t", 4]}) {
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x4xf32>
  %out = moe.experts %rows, %offsets {zero = 1 : i64} : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %n = linalg.abs ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %n : tensor<?x4xf32>
  }
  %y = moe.combine %out, %position : (tensor<?x4xf32>, tensor<?x1xi32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

func.func @loss(%z: tensor<?x2xf32> {moe.name = "z", moe.shape = ["t", 2]},
                %table: tensor<?x1xi32> {moe.name = "table", moe.shape = ["t", 1]})
    -> (tensor<f32> {moe.name = "loss"}) {
  %twice = linalg.add ins(%table, %table : tensor<?x1xi32>, tensor<?x1xi32>) outs(%table : tensor<?x1xi32>) -> tensor<?x1xi32>
  %loss = moe.aux_loss %z ids(%twice) {kind = #moe.loss<fraction_probability>} : (tensor<?x2xf32>, tensor<?x1xi32>) -> tensor<f32>
  return %loss : tensor<f32>
}
