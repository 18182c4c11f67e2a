// Bodies that differ in the values they take from outside become one body over
// banks; other differences are named in a remark and leave the op as it is.

// RUN: moe-opt %s -split-input-file -moe-fuse-experts | FileCheck %s
// RUN: moe-opt %s -split-input-file -moe-fuse-experts -remark-format=emitRemark -remarks-filter="moe-fuse-experts" 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// What differs (the matrices) becomes a bank, what is shared (the bias) stays.
// CHECK-LABEL: func.func @weights_differ(
// CHECK-SAME: %[[ROWS:.*]]: tensor<?x4xf32>, %[[OFFSETS:.*]]: tensor<3xi32>, %[[W0:.*]]: tensor<4x4xbf16>, %[[W1:.*]]: tensor<4x4xbf16>, %[[BIAS:.*]]: tensor<?x4xf32>
// CHECK: %[[BANK:.*]] = moe.make_bank %[[W0]], %[[W1]] : tensor<4x4xbf16> -> !moe.bank<2x4x4xbf16>
// CHECK: moe.experts %[[ROWS]], %[[OFFSETS]] banks(%[[BANK]])
// CHECK-NEXT: ^bb0(%[[R:.*]]: tensor<?x4xf32>, %{{.*}}: index, %[[W:.*]]: tensor<4x4xbf16>):
// CHECK-NEXT: %[[Y:.*]] = linalg.matmul ins(%[[R]], %[[W]] : {{.*}}) outs(%[[BIAS]] : tensor<?x4xf32>)
// CHECK-NEXT: moe.yield %[[Y]]
// CHECK-NEXT: }
// CHECK-NEXT: return
// REMARK: remark: [Passed] FuseExperts | Category:moe-fuse-experts | {{.*}}2{{.*}} bodies became one over {{.*}}1{{.*}} banks
func.func @weights_differ(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %w0: tensor<4x4xbf16>, %w1: tensor<4x4xbf16>, %bias: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.matmul ins(%r, %w0 : tensor<?x4xf32>, tensor<4x4xbf16>) outs(%bias : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.matmul ins(%r, %w1 : tensor<?x4xf32>, tensor<4x4xbf16>) outs(%bias : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// Equal bodies need no bank; identity and zero experts are kept.
// CHECK-LABEL: func.func @equal_bodies(
// CHECK-NOT: moe.make_bank
// CHECK: moe.experts %{{.*}}, %{{.*}} {identity = 1 : i64, zero = 1 : i64} : (tensor<?x4xf32>, tensor<5xi32>) -> tensor<?x4xf32> {
// CHECK-NEXT: ^bb0(%[[R:.*]]: tensor<?x4xf32>, %{{.*}}: index):
// CHECK-NEXT: linalg.exp ins(%[[R]]
// CHECK-NOT: linalg.exp
// CHECK: return
// REMARK: 2{{.*}} bodies became one over {{.*}}0{{.*}} banks
func.func @equal_bodies(%rows: tensor<?x4xf32>, %offsets: tensor<5xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets {identity = 1 : i64, zero = 1 : i64} : (tensor<?x4xf32>, tensor<5xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// The first body may use one value where the second uses two: that would need
// two banks for one value, and is not equal.
// CHECK-LABEL: func.func @one_value_against_two(
// CHECK: }, {
// REMARK: [Missed] FuseExperts | Category:moe-fuse-experts | {{.*}}experts 0 and {{.*}}1{{.*}} are not fused: {{.*}}'linalg.mul' differs in its operands
func.func @one_value_against_two(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.mul ins(%a, %a : tensor<?x4xf32>, tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.mul ins(%a, %b : tensor<?x4xf32>, tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @different_op(
// CHECK: }, {
// REMARK: not fused: {{.*}}'linalg.exp' differs in being 'linalg.tanh' elsewhere
func.func @different_op(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.tanh ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @different_attribute(
// CHECK: }, {
// REMARK: not fused: {{.*}}'arith.constant' differs in its attributes
func.func @different_attribute(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %c = arith.constant 1.0 : f32
    %h = linalg.fill ins(%c : f32) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %c = arith.constant 2.0 : f32
    %h = linalg.fill ins(%c : f32) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// Experts of different widths (heterogeneous) stay apart.
// CHECK-LABEL: func.func @different_width(
// CHECK: }, {
// REMARK: not fused: {{.*}}'tensor.empty' differs in its types
func.func @different_width(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %e = tensor.empty() : tensor<8xf32>
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %e = tensor.empty() : tensor<16xf32>
    moe.yield %r : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @different_length(
// CHECK: }, {
// REMARK: not fused: {{.*}}'moe.yield' differs in being 'linalg.exp' elsewhere
func.func @different_length(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.exp ins(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @different_region(
// CHECK: }, {
// REMARK: not fused: {{.*}}'arith.addf' differs in being 'arith.mulf' elsewhere
#id = affine_map<(a, b) -> (a, b)>
func.func @different_region(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%r : tensor<?x4xf32>) {
    ^bb0(%o: f32):
      %s = arith.addf %o, %o : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%r : tensor<?x4xf32>) {
    ^bb0(%o: f32):
      %s = arith.mulf %o, %o : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// A value that differs but has no place in a bank: here its size is dynamic.
// CHECK-LABEL: func.func @not_a_slice(
// CHECK-NOT: moe.make_bank
// CHECK: }, {
// REMARK: experts are not fused: a value of type {{.*}}tensor<?x4xf32>{{.*}} differs between them and cannot be a slice of a bank
func.func @not_a_slice(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.mul ins(%r, %a : tensor<?x4xf32>, tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.mul ins(%r, %b : tensor<?x4xf32>, tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// A bank has no empty slices; what was found to fit before it is not kept.
// CHECK-LABEL: func.func @empty_slice(
// CHECK-NOT: moe.make_bank
// CHECK: }, {
// REMARK: experts are not fused: a value of type {{.*}}tensor<0x4xf32>{{.*}} differs between them
func.func @empty_slice(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %a: tensor<4xf32>, %b: tensor<4xf32>, %ea: tensor<0x4xf32>, %eb: tensor<0x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.broadcast ins(%a : tensor<4xf32>) outs(%r : tensor<?x4xf32>) dimensions = [0]
    %u = tensor.cast %ea : tensor<0x4xf32> to tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %h = linalg.broadcast ins(%b : tensor<4xf32>) outs(%r : tensor<?x4xf32>) dimensions = [0]
    %u = tensor.cast %eb : tensor<0x4xf32> to tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// The same blocks, entered the other way round.
// CHECK-LABEL: func.func @branches(
// CHECK: }, {
// REMARK: not fused: {{.*}}'cf.cond_br' differs in where it branches to
func.func @branches(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>, %c: i1) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>):
    %v = scf.execute_region -> tensor<?x4xf32> {
      cf.cond_br %c, ^a, ^b
    ^a:
      %n = math.absf %r : tensor<?x4xf32>
      scf.yield %n : tensor<?x4xf32>
    ^b:
      %m = math.exp %r : tensor<?x4xf32>
      scf.yield %m : tensor<?x4xf32>
    }
    moe.yield %v : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    %v = scf.execute_region -> tensor<?x4xf32> {
      cf.cond_br %c, ^b, ^a
    ^a:
      %n = math.absf %r : tensor<?x4xf32>
      scf.yield %n : tensor<?x4xf32>
    ^b:
      %m = math.exp %r : tensor<?x4xf32>
      scf.yield %m : tensor<?x4xf32>
    }
    moe.yield %v : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// One region is what the pass produces: nothing to do, and no remark.
// CHECK-LABEL: func.func @one_region(
// CHECK: moe.experts
// REMARK-NOT: remark:
func.func @one_region(%rows: tensor<?x4xf32>, %offsets: tensor<3xi32>) -> tensor<?x4xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x4xf32>, tensor<3xi32>) -> tensor<?x4xf32> {
  ^bb0(%r: tensor<?x4xf32>, %e: index):
    moe.yield %r : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
