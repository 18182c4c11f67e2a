// Bodies of experts become grouped matmuls, with what follows element by element.

// RUN: moe-opt %s -moe-group-matmuls | FileCheck %s
// RUN: moe-opt %s -moe-group-matmuls --remarks-filter="moe-group-matmuls" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#rows = affine_map<(r, m, j) -> (r, j)>
#weight = affine_map<(r, m, j) -> (m, j)>
#result = affine_map<(r, m, j) -> (r, m)>
#both = affine_map<(r, m) -> (r, m)>

// Gate and up read the same rows and are one op, whose rows dispatch would have
// gathered; down is another.
// CHECK-LABEL: func.func @gated(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>, %[[SOURCE:[^:]*]]: tensor<?xi32>, %[[OFFSETS:[^:]*]]: tensor<3xi32>, %[[GATE:[^:]*]]: !moe.bank<2x6x4xf32>, %[[UP:[^:]*]]: !moe.bank<2x6x4xf32>, %[[DOWN:[^:]*]]: !moe.bank<2x4x6xf32>
// CHECK: %[[H:.*]] = moe.grouped_matmul %[[X]][%[[SOURCE]]] banks(%[[GATE]], %[[UP]]) offsets(%[[OFFSETS]]) outs(%{{.*}})
// CHECK-NEXT: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[P:.*]] = arith.mulf %[[G]], %[[U]]
// CHECK-NEXT: moe.yield %[[P]]
// CHECK: %[[Y:.*]] = moe.grouped_matmul %[[H]] banks(%[[DOWN]]) offsets(%[[OFFSETS]]) outs(%{{.*}})
// CHECK: return %[[Y]]
// REMARK: moe-group-matmuls.mlir:[[#@LINE+6]]:{{.*}}the body became grouped matmuls
func.func @gated(%x: tensor<?x4xf32>, %source: tensor<?xi32>, %offsets: tensor<3xi32>, %gate: !moe.bank<2x6x4xf32>, %up: !moe.bank<2x6x4xf32>, %down: !moe.bank<2x4x6xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x4xf32>
  // The experts.
  %y = moe.experts %rows, %offsets banks(%gate, %up, %down) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x6x4xf32>, !moe.bank<2x6x4xf32>, !moe.bank<2x4x6xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %wg: tensor<6x4xf32>, %wu: tensor<6x4xf32>, %wd: tensor<4x6xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %e6 = tensor.empty(%n) : tensor<?x6xf32>
    %i6 = linalg.fill ins(%zero : f32) outs(%e6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %g = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %wg : tensor<?x4xf32>, tensor<6x4xf32>) outs(%i6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %u = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %wu : tensor<?x4xf32>, tensor<6x4xf32>) outs(%i6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = linalg.generic {indexing_maps = [#both, #both, #both], iterator_types = ["parallel", "parallel"]}
        ins(%g, %u : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e6 : tensor<?x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      linalg.yield %p : f32
    } -> tensor<?x6xf32>
    %e4 = tensor.empty(%n) : tensor<?x4xf32>
    %i4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %d = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%h, %wd : tensor<?x6xf32>, tensor<4x6xf32>) outs(%i4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %d : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// A matmul of other rows that meets another is an op of its own, read as elements.
// CHECK-LABEL: func.func @low_rank(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>, %[[SOURCE:[^:]*]]: tensor<?xi32>, %[[OFFSETS:[^:]*]]: tensor<3xi32>, %[[FULL:[^:]*]]: !moe.bank<2x6x4xf32>, %[[A:[^:]*]]: !moe.bank<2x2x4xf32>, %[[B:[^:]*]]: !moe.bank<2x6x2xf32>
// CHECK: %[[LOW:.*]] = moe.grouped_matmul %[[X]][%[[SOURCE]]] banks(%[[A]])
// CHECK: %[[LIFTED:.*]] = moe.grouped_matmul %[[LOW]] banks(%[[B]])
// CHECK: moe.grouped_matmul %[[X]][%[[SOURCE]]] banks(%[[FULL]]) offsets(%[[OFFSETS]]) elements(%[[LIFTED]])
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[E:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[P:.*]] = arith.subf %[[E]], %[[S]]
// CHECK-NEXT: moe.yield %[[P]]
// CHECK-NOT: moe.experts
// REMARK: moe-group-matmuls.mlir:[[#@LINE+5]]:{{.*}}the body became grouped matmuls
func.func @low_rank(%x: tensor<?x4xf32>, %source: tensor<?xi32>, %offsets: tensor<3xi32>, %full: !moe.bank<2x6x4xf32>, %a: !moe.bank<2x2x4xf32>, %b: !moe.bank<2x6x2xf32>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %rows = moe.dispatch %x, %source, %offsets : (tensor<?x4xf32>, tensor<?xi32>, tensor<3xi32>) -> tensor<?x4xf32>
  %y = moe.experts %rows, %offsets banks(%full, %a, %b) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x6x4xf32>, !moe.bank<2x2x4xf32>, !moe.bank<2x6x2xf32>) -> tensor<?x6xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<6x4xf32>, %wa: tensor<2x4xf32>, %wb: tensor<6x2xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %e2 = tensor.empty(%n) : tensor<?x2xf32>
    %i2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %e6 = tensor.empty(%n) : tensor<?x6xf32>
    %i6 = linalg.fill ins(%zero : f32) outs(%e6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %low = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %wa : tensor<?x4xf32>, tensor<2x4xf32>) outs(%i2 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %lifted = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%low, %wb : tensor<?x2xf32>, tensor<6x2xf32>) outs(%i6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %plain = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %w : tensor<?x4xf32>, tensor<6x4xf32>) outs(%i6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %d = linalg.generic {indexing_maps = [#both, #both, #both], iterator_types = ["parallel", "parallel"]}
        ins(%lifted, %plain : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e6 : tensor<?x6xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %t = arith.subf %p, %q : f32
      linalg.yield %t : f32
    } -> tensor<?x6xf32>
    moe.yield %d : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// What is neither, but the same function of each row, is cloned on all rows.
// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[ROWS:[^:]*]]: tensor<?x4xf32>
// CHECK-NOT: moe.experts
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}}"reduction"{{.*}} ins(%[[ROWS]] :
// CHECK: %[[N:.*]] = linalg.generic {{.*}} ins(%[[ROWS]], %[[SUM]] :
// CHECK: moe.grouped_matmul %[[N]] banks(
// REMARK: moe-group-matmuls.mlir:[[#@LINE+4]]:{{.*}}the body became grouped matmuls
func.func @norm(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %bank: !moe.bank<2x6x4xf32>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x6x4xf32>) -> tensor<?x6xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<6x4xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%n) : tensor<?xf32>
    %i1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
    %sum = linalg.generic {indexing_maps = [#both, affine_map<(r, m) -> (r)>], iterator_types = ["parallel", "reduction"]}
        ins(%r : tensor<?x4xf32>) outs(%i1 : tensor<?xf32>) {
    ^bb0(%a: f32, %old: f32):
      %p = arith.mulf %a, %a : f32
      %q = arith.addf %old, %p : f32
      linalg.yield %q : f32
    } -> tensor<?xf32>
    %e4 = tensor.empty(%n) : tensor<?x4xf32>
    %norm = linalg.generic {indexing_maps = [#both, affine_map<(r, m) -> (r)>, #both], iterator_types = ["parallel", "parallel"]}
        ins(%r, %sum : tensor<?x4xf32>, tensor<?xf32>) outs(%e4 : tensor<?x4xf32>) {
    ^bb0(%a: f32, %b: f32, %old: f32):
      %p = arith.divf %a, %b : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    %e6 = tensor.empty(%n) : tensor<?x6xf32>
    %i6 = linalg.fill ins(%zero : f32) outs(%e6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%norm, %w : tensor<?x4xf32>, tensor<6x4xf32>) outs(%i6 : tensor<?x6xf32>) -> tensor<?x6xf32>
    moe.yield %h : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// A body that yields its rows is its rows.
// CHECK-LABEL: func.func @identity(
// CHECK-SAME: %[[ROWS:[^:]*]]: tensor<?x4xf32>
// CHECK-NEXT: return %[[ROWS]]
func.func @identity(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// A captured vector is a bank of the same vector for all, and what two later
// matmuls are computed from is one op.
// CHECK-LABEL: func.func @shared(
// CHECK-SAME: %[[BIAS:[^:]*]]: tensor<4xf32>, %[[FACTOR:[^:]*]]: f32
// CHECK: %[[H:.*]] = moe.grouped_matmul %{{.*}} banks(%[[W:.*]]) offsets(
// CHECK: %[[BANK:.*]] = moe.make_bank %[[BIAS]], %[[BIAS]] : tensor<4xf32> -> !moe.bank<2x4xf32>
// CHECK: moe.grouped_matmul %[[H]] banks(%[[W]]) {{.*}} per_column(%[[BANK]]) elements(%[[H]])
// CHECK: arith.mulf %{{.*}}, %[[FACTOR]]
// CHECK-NOT: moe.grouped_matmul
func.func @shared(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %bank: !moe.bank<2x4x4xf32>, %bias: tensor<4xf32>, %factor: f32) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<4x4xf32>):
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %e4 = tensor.empty(%n) : tensor<?x4xf32>
    %i4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%r, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%i4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %d = linalg.matmul indexing_maps = [#rows, #weight, #result] ins(%h, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%i4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %s = linalg.generic {indexing_maps = [#both, #both, affine_map<(r, m) -> (m)>, #both], iterator_types = ["parallel", "parallel"]}
        ins(%d, %h, %bias : tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>) outs(%e4 : tensor<?x4xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %old: f32):
      %p = arith.addf %a, %b : f32
      %q = arith.addf %p, %c : f32
      %t = arith.mulf %q, %factor : f32
      linalg.yield %t : f32
    } -> tensor<?x4xf32>
    moe.yield %s : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// What depends on the expert otherwise stays.
// CHECK-LABEL: func.func @other(
// CHECK: moe.experts
// CHECK-NOT: moe.grouped_matmul
// REMARK: moe-group-matmuls.mlir:[[#@LINE+3]]:{{.*}}experts stay as they are: {{.*}}'linalg.generic' is neither a matmul with a bank, nor elementwise
func.func @other(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %bank: !moe.bank<2x4x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %y = moe.experts %rows, %offsets banks(%bank) : (tensor<?x4xf32>, tensor<3xi32>, !moe.bank<2x4x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index, %w: tensor<4x4xf32>):
    %scale = tensor.extract %w[%c0, %c0] : tensor<4x4xf32>
    %s = linalg.generic {indexing_maps = [#both, #both], iterator_types = ["parallel", "parallel"]}
        ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) {
    ^bb0(%a: f32, %old: f32):
      %p = arith.mulf %a, %scale : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    moe.yield %s : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
