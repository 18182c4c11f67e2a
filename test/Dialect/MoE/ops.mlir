// Every op, type and attribute is printed and parsed again, also in the generic
// form and as bytecode. Comments name the constraints of docs/spec/ that a case
// satisfies at their edge; invalid.mlir breaks each of them.

// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s -mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s -emit-bytecode | moe-opt --read-bytecode | FileCheck %s

//===----------------------------------------------------------------------===//
// moe.weight, #moe.source, !moe.bank
//===----------------------------------------------------------------------===//

// moe-weight-c4: each element type, ranks 0 to 8
// moe-weight-c5: one source
// CHECK: moe.weight @scalar : tensor<f32> from ["s"]
moe.weight @scalar : tensor<f32> from ["s"]
// CHECK: moe.weight @bf16 : tensor<192xbf16> from ["model.norm.weight"]
moe.weight @bf16 : tensor<192xbf16> from ["model.norm.weight"]
// CHECK: moe.weight @f16 : tensor<1xf16> from ["h"]
moe.weight @f16 : tensor<1xf16> from ["h"]
// CHECK: moe.weight @i32 : tensor<4x4xi32> from ["i"]
moe.weight @i32 : tensor<4x4xi32> from ["i"]
// CHECK: moe.weight @i64 : tensor<1x1x1x1x1x1x1x2xi64> from ["j"]
moe.weight @i64 : tensor<1x1x1x1x1x1x1x2xi64> from ["j"]
// CHECK: moe.weight private @hidden : tensor<4xf32> from ["a\22b"] {note = "kept"}
moe.weight private @hidden : tensor<4xf32> from ["a\22b"] {note = "kept"}

// moe-weight-c6: {e} in the single source of a bank
// moe-bank-c1: two dimensions are enough
// moe-bank-c3: f32
// CHECK: moe.weight @per_expert : !moe.bank<8x256xf32> from ["experts.{e}.bias"]
moe.weight @per_expert : !moe.bank<8x256xf32> from ["experts.{e}.bias"]
// moe-weight-c1: a bank of one expert from a matrix
// CHECK: moe.weight @matrix : !moe.bank<1x4x8xf32> from [#moe.source<"m", shape = [4, 8]>]
moe.weight @matrix : !moe.bank<1x4x8xf32> from [#moe.source<"m", shape = [4, 8]>]
// moe-weight-c7, moe-weight-c8: two weights that share memory
// CHECK: moe.weight @left_way : !moe.bank<8x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["gate.{e}"]
moe.weight @left_way : !moe.bank<8x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["gate.{e}"]
// CHECK: moe.weight @right_way : !moe.bank<8x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["up.{e}"] {beside = @left_way, way = 1 : i64}
moe.weight @right_way : !moe.bank<8x4x4xf32, #moe.packed<panel = 4, depth = 1, ways = 2>> from ["up.{e}"] {beside = @left_way, way = 1 : i64}
// moe-weight-c5: one source per expert
// moe-bank-c3: f16
// CHECK: moe.weight @listed : !moe.bank<2x4x4xf16> from ["left", "right"]
moe.weight @listed : !moe.bank<2x4x4xf16> from ["left", "right"]
// moe-bank-c2: sizes of 1
// moe-bank-c4: fewer than 2^63 elements
// CHECK: moe.weight @one : !moe.bank<1x1xf32> from ["x"]
moe.weight @one : !moe.bank<1x1xf32> from ["x"]

// A source without a window is the same as its name.
// CHECK: moe.weight @whole : tensor<4xf32> from ["w"]
moe.weight @whole : tensor<4xf32> from [#moe.source<"w">]

// moe-weight-c1: as many dimensions as the bank, the experts first
// moe-weight-c2: the second half of dimension 1, up to its last element
// CHECK: from [#moe.source<"gate_up", shape = [8, 512, 192], offsets = [0, 256, 0]>]
moe.weight @up : !moe.bank<8x256x192xbf16> from [#moe.source<"gate_up", shape = [8, 512, 192], offsets = [0, 256, 0]>]
// moe-weight-c2: the odd rows, up to the last one
// moe-weight-c3: interleaved rows are 2 * 192 apart, as the layout says
// moe-bank-c5: a layout with one positive stride per dimension of a slice
// moe-source-c6: stride 1 and offset 0 are the smallest
// CHECK: !moe.bank<8x256x192xbf16, strided<[384, 1]>> from [#moe.source<"gate_up", shape = [8, 512, 192], offsets = [0, 1, 0], strides = [1, 2, 1]>]
moe.weight @odd : !moe.bank<8x256x192xbf16, strided<[384, 1]>> from [#moe.source<"gate_up", shape = [8, 512, 192], offsets = [0, 1, 0], strides = [1, 2, 1]>]
// moe-weight-c3: a transposed file tensor
// moe-source-c7: a permutation
// CHECK: !moe.bank<8x256x192xbf16, strided<[1, 256]>> from [#moe.source<"t", shape = [8, 192, 256], permutation = [0, 2, 1]>]
moe.weight @transposed : !moe.bank<8x256x192xbf16, strided<[1, 256]>> from [#moe.source<"t", shape = [8, 192, 256], permutation = [0, 2, 1]>]
// moe-weight-c3: strides of dimensions of size 1 do not matter
// moe-source-c4: one entry per dimension
// CHECK: moe.weight @row : tensor<1x192xf32> from [#moe.source<"t", shape = [4, 192], offsets = [3, 0]>]
moe.weight @row : tensor<1x192xf32> from [#moe.source<"t", shape = [4, 192], offsets = [3, 0]>]
// moe-weight-c2: so one step from element to element may have any size
// CHECK: moe.weight @far : tensor<1x4xf32> from [#moe.source<"t", shape = [4, 4], offsets = [3, 0], strides = [4611686018427387904, 1]>]
moe.weight @far : tensor<1x4xf32> from [#moe.source<"t", shape = [4, 4], offsets = [3, 0], strides = [4611686018427387904, 1]>]
// moe-source-c1: all four lists
// moe-source-c2: a name
// moe-source-c3: 8 dimensions
// moe-source-c5: sizes of 1
// CHECK: from [#moe.source<"x", shape = [1, 1, 1, 1, 1, 1, 1, 2], offsets = [0, 0, 0, 0, 0, 0, 0, 1], strides = [1, 1, 1, 1, 1, 1, 1, 2], permutation = [0, 1, 2, 3, 4, 5, 6, 7]>]
moe.weight @eight : tensor<1x1x1x1x1x1x1x1xf32> from [#moe.source<"x", shape = [1, 1, 1, 1, 1, 1, 1, 2], offsets = [0, 0, 0, 0, 0, 0, 0, 1], strides = [1, 1, 1, 1, 1, 1, 1, 2], permutation = [0, 1, 2, 3, 4, 5, 6, 7]>]
// Each of the listed tensors of a bank may have a window of its own.
// CHECK: from ["a", #moe.source<"b", shape = [8, 4], offsets = [4, 0]>]
moe.weight @mixed : !moe.bank<2x4x4xf32> from ["a", #moe.source<"b", shape = [8, 4], offsets = [4, 0]>]

//===----------------------------------------------------------------------===//
// moe.get_weight, moe.make_bank, moe.bank_slice
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @weights(
func.func @weights(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>, %e: index) {
  // moe-get-weight-c1: a weight of the module
  // moe-get-weight-c2: its type
  // CHECK: %[[W:.*]] = moe.get_weight @bf16 : tensor<192xbf16>
  %w = moe.get_weight @bf16 : tensor<192xbf16>
  // CHECK: %[[UP:.*]] = moe.get_weight @up : !moe.bank<8x256x192xbf16>
  %up = moe.get_weight @up : !moe.bank<8x256x192xbf16>
  // moe-bank-slice-c1: the weight of one expert
  // CHECK: moe.bank_slice %[[UP]][%{{.*}}] : !moe.bank<8x256x192xbf16> -> tensor<256x192xbf16>
  %s = moe.bank_slice %up[%e] : !moe.bank<8x256x192xbf16> -> tensor<256x192xbf16>
  // moe-make-bank-c1: one operand per expert
  // moe-make-bank-c2: dense slices
  // moe-make-bank-c3: a bank that is used where it is made, and in calls
  // CHECK: moe.make_bank %{{.*}}, %{{.*}} : tensor<4x4xf32> -> !moe.bank<2x4x4xf32>
  // CHECK: call @takes_bank(
  %bank = moe.make_bank %a, %b : tensor<4x4xf32> -> !moe.bank<2x4x4xf32>
  func.call @takes_bank(%bank) : (!moe.bank<2x4x4xf32>) -> ()
  // moe-transpose-bank-c1: matrices
  // moe-transpose-bank-c2: the strides in the other order
  // CHECK: moe.transpose_bank %{{.*}} : !moe.bank<2x4x4xf32> -> !moe.bank<2x4x4xf32, strided<[1, 4]>>
  %t = moe.transpose_bank %bank : !moe.bank<2x4x4xf32> -> !moe.bank<2x4x4xf32, strided<[1, 4]>>
  return
}

func.func private @takes_bank(!moe.bank<2x4x4xf32>)

// CHECK-LABEL: func.func @weights_on_memrefs(
func.func @weights_on_memrefs(%a: memref<4x4xf32>, %b: memref<4x4xf32>, %e: index) {
  // moe-get-weight-c2: the dense buffer of the declared tensor
  // CHECK: moe.get_weight @bf16 : memref<192xbf16>
  %w = moe.get_weight @bf16 : memref<192xbf16>
  %odd = moe.get_weight @odd : !moe.bank<8x256x192xbf16, strided<[384, 1]>>
  // moe-bank-slice-c1: the layout of the bank
  // CHECK: moe.bank_slice %{{.*}}[%{{.*}}] : !moe.bank<8x256x192xbf16, strided<[384, 1]>> -> memref<256x192xbf16, strided<[384, 1]>>
  %s = moe.bank_slice %odd[%e] : !moe.bank<8x256x192xbf16, strided<[384, 1]>> -> memref<256x192xbf16, strided<[384, 1]>>
  // CHECK: moe.bank_slice %{{.*}}[%{{.*}}] : !moe.bank<8x256x192xbf16, strided<[384, 1]>> -> tensor<256x192xbf16>
  %t = moe.bank_slice %odd[%e] : !moe.bank<8x256x192xbf16, strided<[384, 1]>> -> tensor<256x192xbf16>
  // CHECK: moe.make_bank %{{.*}}, %{{.*}} : memref<4x4xf32> -> !moe.bank<2x4x4xf32>
  %bank = moe.make_bank %a, %b : memref<4x4xf32> -> !moe.bank<2x4x4xf32>
  // moe-make-bank-c2: views at any offset
  // CHECK: moe.make_bank %{{.*}}, %{{.*}} : memref<2x2xf32, strided<[4, 1]>>, memref<2x2xf32, strided<[4, 1], offset: 8>> -> !moe.bank<2x2x2xf32, strided<[4, 1]>>
  %v0 = memref.subview %a[0, 0] [2, 2] [1, 1] : memref<4x4xf32> to memref<2x2xf32, strided<[4, 1]>>
  %v1 = memref.subview %a[2, 0] [2, 2] [1, 1] : memref<4x4xf32> to memref<2x2xf32, strided<[4, 1], offset: 8>>
  %views = moe.make_bank %v0, %v1 : memref<2x2xf32, strided<[4, 1]>>, memref<2x2xf32, strided<[4, 1], offset: 8>> -> !moe.bank<2x2x2xf32, strided<[4, 1]>>
  return
}

//===----------------------------------------------------------------------===//
// moe.router
//===----------------------------------------------------------------------===//

// moe-router-c1: tensors and results
// moe-router-c3: a static number of experts, any number of tokens
// CHECK-LABEL: func.func @router(
func.func @router(%z: tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>) {
  // Attributes with their default are not printed.
  // CHECK: moe.router %{{.*}} {score = #moe.score<softmax>, top_k = 2 : i64} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<all>, key = #moe.key<score>, selection = #moe.selection<topk>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return %w, %ids : tensor<?x2xf32>, tensor<?x2xi32>
}

// moe-router-c2: weights T x k, ids T x k and scores T x E
// moe-router-c4: k = E, and k = 1
// moe-router-c5: bias and expert_scale of E elements
// moe-router-c6: groups that divide E
// moe-router-c7: all experts of a group are summed
// moe-router-c12: a finite scale
// moe-group-limit-c1: all groups are kept
// moe-group-limit-c2: top = 1 is the default
// CHECK-LABEL: func.func @router_options(
func.func @router_options(%z: tensor<3x8xf32>, %v: tensor<8xf32>) {
  // CHECK: moe.router %{{.*}} bias(%{{.*}}) expert_scale(%{{.*}}) {group_limit = #moe.group_limit<groups = 4, keep = 2, score = sum_top, top = 2, fill = zero>
  // CHECK-SAME: key = #moe.key<logit>, normalize = #moe.normalize<p = 2.000000e+00, eps_mode = add, eps = 9.9{{[0-9]*}}E-21>, scale = 2.500000e+00 : f64, score = #moe.score<sigmoid>
  // CHECK-SAME: -> (tensor<3x8xf32>, tensor<3x8xi32>, tensor<3x8xf32>)
  %w, %ids, %s = moe.router %z bias(%v) expert_scale(%v) {top_k = 8 : i64, score = #moe.score<sigmoid>, key = #moe.key<logit>, group_limit = #moe.group_limit<groups = 4, keep = 2, score = sum_top, top = 2, fill = zero>, normalize = #moe.normalize<p = 2.0, eps_mode = add, eps = 1.0e-20>, scale = 2.5} : (tensor<3x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<3x8xf32>, tensor<3x8xi32>, tensor<3x8xf32>)
  // CHECK: group_limit = #moe.group_limit<groups = 8, keep = 8>
  %w1, %ids1 = moe.router %z {top_k = 1 : i64, score = #moe.score<sqrt_softplus>, group_limit = #moe.group_limit<groups = 8, keep = 8>} : (tensor<3x8xf32>) -> (tensor<3x1xf32>, tensor<3x1xi32>)
  return
}

// moe-logit-norm-c1, moe-logit-norm-c2: each kind
// CHECK-LABEL: func.func @logit_norms(
func.func @logit_norms(%z: tensor<?x8xf32>) {
  // CHECK: logit_norm = #moe.logit_norm<zscore, 1.000000e+00>
  %a:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<identity>, logit_norm = #moe.logit_norm<zscore, 1.0>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  // CHECK: logit_norm = #moe.logit_norm<softcap, 3.000000e+01>
  %b:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, logit_norm = #moe.logit_norm<softcap, 30.0>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  // CHECK: logit_norm = #moe.logit_norm<scale, -5.000000e-01>
  %c:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, logit_norm = #moe.logit_norm<scale, -0.5>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// moe-normalize-c1: p other than 1
// moe-normalize-c2: eps = 0 with and without a mode
// CHECK-LABEL: func.func @normalizations(
func.func @normalizations(%z: tensor<?x8xf32>) {
  // CHECK: normalize = #moe.normalize,
  %a:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, normalize = #moe.normalize} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  // CHECK: normalize = #moe.normalize<p = 5.000000e-01>,
  %b:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, normalize = #moe.normalize<p = 0.5>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  // CHECK: normalize = #moe.normalize<eps_mode = clamp>,
  %c:2 = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, normalize = #moe.normalize<eps_mode = clamp>} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// moe-router-c8: a threshold of 0, with its domain and selection
// moe-router-c9: softmax, neither bias nor groups
// CHECK-LABEL: func.func @sparse_mixer(
func.func @sparse_mixer(%z: tensor<?x8xf32>) {
  // CHECK: domain = #moe.domain<threshold>, score = #moe.score<softmax>, selection = #moe.selection<sequential>, threshold = 0.000000e+00 : f64
  %w, %ids = moe.router %z {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<threshold>, selection = #moe.selection<sequential>, threshold = 0.0} : (tensor<?x8xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// moe-router-c10: a table, with nothing that would need keys
// moe-router-c11: of T x k
// CHECK-LABEL: func.func @hash_routing(
func.func @hash_routing(%z: tensor<?x8xf32>, %t: tensor<?x2xi32>) {
  // CHECK: moe.router %{{.*}} table(%{{.*}}) {domain = #moe.domain<selected>
  %w, %ids = moe.router %z table(%t) {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<selected>, selection = #moe.selection<table>} : (tensor<?x8xf32>, tensor<?x2xi32>) -> (tensor<?x2xf32>, tensor<?x2xi32>)
  return
}

// moe-router-c1: memrefs and into, also with a layout
// CHECK-LABEL: func.func @router_on_memrefs(
func.func @router_on_memrefs(%z: memref<?x8xf32>, %b: memref<8xf32, strided<[2]>>, %w: memref<?x2xf32>, %ids: memref<?x2xi32>, %s: memref<?x8xf32>) {
  // CHECK: moe.router %{{.*}} into(%{{.*}}, %{{.*}}) {score = #moe.score<softmax>, top_k = 2 : i64} : (memref<?x8xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x8xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  // CHECK: moe.router %{{.*}} bias(%{{.*}}) into(%{{.*}}, %{{.*}}, %{{.*}})
  moe.router %z bias(%b) into(%w, %ids, %s) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x8xf32>, memref<8xf32, strided<[2]>>, memref<?x2xf32>, memref<?x2xi32>, memref<?x8xf32>) -> ()
  return
}

//===----------------------------------------------------------------------===//
// moe.plan
//===----------------------------------------------------------------------===//

// moe-plan-c1: five results
// moe-plan-c2: of E, E + 1, N, T x k and T x k elements
// moe-plan-c3: T x k weights and ids
// moe-plan-c5: nothing drops, so overflow is none
// moe-plan-c6: no segments, no priority
// CHECK-LABEL: func.func @plan_dropless(
func.func @plan_dropless(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %n: index) {
  // CHECK: moe.plan %{{.*}}, %{{.*}} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  %a:5 = moe.plan %w, %ids {overflow = #moe.overflow<none>, priority = #moe.priority<positional>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  // CHECK: moe.plan %{{.*}}, %{{.*}} rows(%{{.*}}) {renormalize = #moe.normalize}
  %b:5 = moe.plan %w, %ids rows(%n) {renormalize = #moe.normalize} : (tensor<?x2xf32>, tensor<?x2xi32>, index) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// moe-plan-c3: k = 1, and T static in one of the two
// moe-plan-c8: one expert
// moe-plan-c9: 2^31 - 1 slots
// moe-plan-c10: exactly T * k rows
// CHECK-LABEL: func.func @plan_static(
func.func @plan_static(%w: tensor<?x1xf32>, %ids: tensor<2147483647x1xi32>) {
  // CHECK: moe.plan {{.*}} -> (tensor<1xi32>, tensor<2xi32>, tensor<2147483647xi32>, tensor<2147483647x1xi32>, tensor<2147483647x1xf32>)
  %a:5 = moe.plan %w, %ids : (tensor<?x1xf32>, tensor<2147483647x1xi32>) -> (tensor<1xi32>, tensor<2xi32>, tensor<2147483647xi32>, tensor<2147483647x1xi32>, tensor<2147483647x1xf32>)
  return
}

// moe-plan-c11: 2^31 - 2 experts
// CHECK-LABEL: func.func @plan_many_experts(
func.func @plan_many_experts(%w: tensor<?x1xf32>, %ids: tensor<?x1xi32>) {
  // CHECK: moe.plan {{.*}} -> (tensor<2147483646xi32>, tensor<2147483647xi32>,
  %a:5 = moe.plan %w, %ids : (tensor<?x1xf32>, tensor<?x1xi32>) -> (tensor<2147483646xi32>, tensor<2147483647xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xf32>)
  return
}

// moe-plan-c4: the operand, or the rule
// moe-plan-c5: zero or residual
// moe-plan-c6: segments and priorities
// moe-plan-c7: priority_scores of T elements with priority = batch
// moe-capacity-c1: factors 0 and 2^31 - 1
// moe-capacity-c2: multiple_of 1 and at_least 0 are the defaults
// CHECK-LABEL: func.func @plan_capacity(
func.func @plan_capacity(%w: tensor<?x2xf32>, %ids: tensor<?x2xi32>, %c: index, %s: tensor<?xi32>, %p: tensor<?xf32>) {
  // CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%{{.*}}) segments(%{{.*}}) priority_scores(%{{.*}}) {overflow = #moe.overflow<residual>, priority = #moe.priority<batch>}
  %a:5 = moe.plan %w, %ids capacity(%c) segments(%s) priority_scores(%p) {priority = #moe.priority<batch>, overflow = #moe.overflow<residual>} : (tensor<?x2xf32>, tensor<?x2xi32>, index, tensor<?xi32>, tensor<?xf32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  // CHECK: capacity_rule = #moe.capacity<basis = slots_per_expert, factor = 1.250000e+00, rounding = nearest_even, multiple_of = 8, at_least = 4>, overflow = #moe.overflow<zero>
  %b:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = slots_per_expert, factor = 1.25, rounding = nearest_even, multiple_of = 8, at_least = 4>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  // CHECK: capacity_rule = #moe.capacity<basis = fixed, factor = 0x41DFFFFFFFC00000>
  %d:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = fixed, factor = 2147483647.0>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  // CHECK: capacity_rule = #moe.capacity<basis = tokens_per_expert, factor = 0.000000e+00, rounding = floor>
  %e:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = tokens_per_expert, factor = 0.0, rounding = floor>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  // CHECK: capacity_rule = #moe.capacity<basis = tokens, factor = 1.000000e+00>
  %f:5 = moe.plan %w, %ids {capacity_rule = #moe.capacity<basis = tokens, factor = 1.0>, overflow = #moe.overflow<zero>} : (tensor<?x2xf32>, tensor<?x2xi32>) -> (tensor<8xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// CHECK-LABEL: func.func @plan_on_memrefs(
func.func @plan_on_memrefs(%w: memref<?x2xf32>, %ids: memref<?x2xi32>, %c: index, %s: memref<?xi32>, %counts: memref<8xi32>, %offsets: memref<9xi32>, %source: memref<?xi32>, %position: memref<?x2xi32>, %out: memref<?x2xf32>) {
  // CHECK: moe.plan %{{.*}}, %{{.*}} capacity(%{{.*}}) segments(%{{.*}}) into(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {overflow = #moe.overflow<zero>}
  moe.plan %w, %ids capacity(%c) segments(%s) into(%counts, %offsets, %source, %position, %out) {overflow = #moe.overflow<zero>} : (memref<?x2xf32>, memref<?x2xi32>, index, memref<?xi32>, memref<8xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xf32>) -> ()
  return
}

//===----------------------------------------------------------------------===//
// moe.dispatch and moe.combine
//===----------------------------------------------------------------------===//

// moe-dispatch-c1: tensors and results
// moe-dispatch-c2: N x H rows
// moe-dispatch-c3: weights and position, or neither
// moe-dispatch-c4: of the same shape
// moe-dispatch-c5: two offsets
// CHECK-LABEL: func.func @dispatch(
func.func @dispatch(%x: tensor<?x192xf32>, %source: tensor<?xi32>, %offsets: tensor<2xi32>, %w: tensor<?x2xf32>, %p: tensor<?x2xi32>) {
  // CHECK: moe.dispatch %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x192xf32>, tensor<?xi32>, tensor<2xi32>) -> tensor<?x192xf32>
  %a = moe.dispatch %x, %source, %offsets : (tensor<?x192xf32>, tensor<?xi32>, tensor<2xi32>) -> tensor<?x192xf32>
  // CHECK: moe.dispatch %{{.*}}, %{{.*}}, %{{.*}} weights(%{{.*}}) position(%{{.*}})
  %b = moe.dispatch %x, %source, %offsets weights(%w) position(%p) : (tensor<?x192xf32>, tensor<?xi32>, tensor<2xi32>, tensor<?x2xf32>, tensor<?x2xi32>) -> tensor<?x192xf32>
  return
}

// CHECK-LABEL: func.func @dispatch_on_memrefs(
func.func @dispatch_on_memrefs(%x: memref<?x192xf32>, %source: memref<?xi32>, %offsets: memref<9xi32>, %rows: memref<?x192xf32>) {
  // CHECK: moe.dispatch %{{.*}}, %{{.*}}, %{{.*}} into(%{{.*}}) : (memref<?x192xf32>, memref<?xi32>, memref<9xi32>, memref<?x192xf32>) -> ()
  moe.dispatch %x, %source, %offsets into(%rows) : (memref<?x192xf32>, memref<?xi32>, memref<9xi32>, memref<?x192xf32>) -> ()
  return
}

// moe-combine-c1: tensors and results
// moe-combine-c2: T x H
// moe-combine-c3: weights of the shape of position
// moe-combine-c4: passthrough of T x H, with weights
// CHECK-LABEL: func.func @combine(
func.func @combine(%rows: tensor<?x192xf32>, %p: tensor<?x2xi32>, %w: tensor<?x2xf32>, %x: tensor<?x192xf32>) {
  // CHECK: moe.combine %{{.*}}, %{{.*}} : (tensor<?x192xf32>, tensor<?x2xi32>) -> tensor<?x192xf32>
  %a = moe.combine %rows, %p : (tensor<?x192xf32>, tensor<?x2xi32>) -> tensor<?x192xf32>
  // CHECK: moe.combine %{{.*}}, %{{.*}} weights(%{{.*}}) passthrough(%{{.*}})
  %b = moe.combine %rows, %p weights(%w) passthrough(%x) : (tensor<?x192xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x192xf32>) -> tensor<?x192xf32>
  return
}

// CHECK-LABEL: func.func @combine_on_memrefs(
func.func @combine_on_memrefs(%rows: memref<?x192xf32>, %p: memref<?x2xi32>, %y: memref<?x192xf32>) {
  // CHECK: moe.combine %{{.*}}, %{{.*}} into(%{{.*}}) : (memref<?x192xf32>, memref<?x2xi32>, memref<?x192xf32>) -> ()
  moe.combine %rows, %p into(%y) : (memref<?x192xf32>, memref<?x2xi32>, memref<?x192xf32>) -> ()
  return
}

//===----------------------------------------------------------------------===//
// moe.aux_loss
//===----------------------------------------------------------------------===//

// moe-aux-loss-c1: tensors and a result
// moe-aux-loss-c2: of rank 0
// moe-aux-loss-c4: ids for the kind that counts them, and for no other
// moe-aux-loss-c5: T is static in one of the two
// moe-aux-loss-c6: normalize_k for the kind that counts slots
// CHECK-LABEL: func.func @aux_loss(
func.func @aux_loss(%s: tensor<?x8xf32>, %ids: tensor<5x2xi32>) {
  // CHECK: moe.aux_loss %{{.*}} ids(%{{.*}}) {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, tensor<5x2xi32>) -> tensor<f32>
  %a = moe.aux_loss %s ids(%ids) {kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, tensor<5x2xi32>) -> tensor<f32>
  // CHECK: moe.aux_loss %{{.*}} ids(%{{.*}}) {kind = #moe.loss<fraction_probability>, normalize_k}
  %b = moe.aux_loss %s ids(%ids) {normalize_k, kind = #moe.loss<fraction_probability>} : (tensor<?x8xf32>, tensor<5x2xi32>) -> tensor<f32>
  // CHECK: moe.aux_loss %{{.*}} {kind = #moe.loss<z>} : (tensor<?x8xf32>) -> tensor<f32>
  %c = moe.aux_loss %s {kind = #moe.loss<z>} : (tensor<?x8xf32>) -> tensor<f32>
  // CHECK: moe.aux_loss %{{.*}} {kind = #moe.loss<importance_cv2>} : (tensor<?x8xf32>) -> tensor<f32>
  %d = moe.aux_loss %s {kind = #moe.loss<importance_cv2>} : (tensor<?x8xf32>) -> tensor<f32>
  return
}

// moe-aux-loss-c1: memrefs and into, also with a layout
// moe-aux-loss-c3: one expert
// moe-aux-loss-c5: one slot
// CHECK-LABEL: func.func @aux_loss_on_memrefs(
func.func @aux_loss_on_memrefs(%s: memref<?x1xf32, strided<[2, 1]>>, %ids: memref<?x1xi32>, %loss: memref<f32>) {
  // CHECK: moe.aux_loss %{{.*}} ids(%{{.*}}) into(%{{.*}}) {kind = #moe.loss<fraction_probability>} : (memref<?x1xf32, strided<[2, 1]>>, memref<?x1xi32>, memref<f32>) -> ()
  moe.aux_loss %s ids(%ids) into(%loss) {kind = #moe.loss<fraction_probability>} : (memref<?x1xf32, strided<[2, 1]>>, memref<?x1xi32>, memref<f32>) -> ()
  return
}

//===----------------------------------------------------------------------===//
// moe.experts, moe.yield, moe.grouped_matmul
//===----------------------------------------------------------------------===//

// moe-experts-c1: E + 1 offsets
// moe-experts-c3: banks of E experts
// moe-experts-c4: as many result rows as rows
// moe-experts-c6: one region
// moe-experts-c7: with banks
// moe-experts-c8: (rows, index, slices)
// moe-experts-c9: the rows of the result
// moe-experts-c10: of a static width
// CHECK-LABEL: func.func @experts_uniform(
func.func @experts_uniform(%rows: tensor<?x8xf32>, %offsets: tensor<5xi32>, %b: !moe.bank<4x8x8xf32>) -> tensor<?x6xf32> {
  // CHECK: moe.experts %{{.*}}, %{{.*}} banks(%{{.*}}) : (tensor<?x8xf32>, tensor<5xi32>, !moe.bank<4x8x8xf32>) -> tensor<?x6xf32> {
  // CHECK-NEXT: ^bb0(%[[R:.*]]: tensor<?x8xf32>, %{{.*}}: index, %{{.*}}: tensor<8x8xf32>):
  %y = moe.experts %rows, %offsets banks(%b) : (tensor<?x8xf32>, tensor<5xi32>, !moe.bank<4x8x8xf32>) -> tensor<?x6xf32> {
  ^bb0(%r: tensor<?x8xf32>, %e: index, %w: tensor<8x8xf32>):
    %c0 = arith.constant 0 : index
    %n = tensor.dim %r, %c0 : tensor<?x8xf32>
    %o = tensor.empty(%n) : tensor<?x6xf32>
    // CHECK: moe.yield %{{.*}} : tensor<?x6xf32>
    moe.yield %o : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// moe-experts-c2: one expert with a body
// moe-experts-c5: identity and zero experts, equally wide
// CHECK-LABEL: func.func @experts_without_a_body(
func.func @experts_without_a_body(%rows: tensor<?x8xf32>, %offsets: tensor<5xi32>) -> tensor<?x8xf32> {
  // CHECK: moe.experts %{{.*}}, %{{.*}} {identity = 1 : i64, zero = 2 : i64}
  %y = moe.experts %rows, %offsets {identity = 1 : i64, zero = 2 : i64} : (tensor<?x8xf32>, tensor<5xi32>) -> tensor<?x8xf32> {
  ^bb0(%r: tensor<?x8xf32>):
    moe.yield %r : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}

// moe-experts-c6: one region per expert
// moe-experts-c7: without banks
// moe-experts-c8: (rows)
// CHECK-LABEL: func.func @experts_by_region(
func.func @experts_by_region(%rows: tensor<?x8xf32>, %offsets: tensor<3xi32>) -> tensor<?x8xf32> {
  %y = moe.experts %rows, %offsets : (tensor<?x8xf32>, tensor<3xi32>) -> tensor<?x8xf32> {
  ^bb0(%r: tensor<?x8xf32>):
    moe.yield %r : tensor<?x8xf32>
  // CHECK: }, {
  }, {
  ^bb0(%r: tensor<?x8xf32>):
    %h = math.exp %r : tensor<?x8xf32>
    moe.yield %h : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}

// moe-grouped-matmul-c1: all on tensors, or all on memrefs
// moe-grouped-matmul-c2: a result of the type of init, or none
// moe-grouped-matmul-c3: N x K times E x M x K
// moe-grouped-matmul-c4: E + 1 offsets
// moe-bank-c6, moe-packed-c1: a matrix; the largest panel
// moe-cpu-schedule-c1: the largest block and vector
// CHECK-LABEL: func.func private @packed(
// CHECK-SAME: !moe.bank<8x4x4xf32, #moe.packed<panel = 4096, depth = 1>>, !moe.bank<8x4x4xbf16, #moe.packed<panel = 16, depth = 2, ways = 2>>
// CHECK-SAME: moe_test.schedule = #moe.cpu_schedule<row_block = 64, lanes = 64, dot = bf16_pairs>
func.func private @packed(!moe.bank<8x4x4xf32, #moe.packed<panel = 4096, depth = 1>>, !moe.bank<8x4x4xbf16, #moe.packed<panel = 16, depth = 2, ways = 2>>)
    attributes {moe_test.schedule = #moe.cpu_schedule<row_block = 64, lanes = 64, dot = bf16_pairs>}

// moe-bank-c7: as many columns per scale as fit
// moe-weight-c9: stored as bf16
// CHECK: moe.weight @quantized : !moe.bank<8x4x65536xf32, #moe.quantized<bits = 8, scale = f32>> from ["q.{e}"] {stored = bf16}
moe.weight @quantized : !moe.bank<8x4x65536xf32, #moe.quantized<bits = 8, scale = f32>> from ["q.{e}"] {stored = bf16}

// moe-bank-c3: words of codes
// moe-weight-c5: no source
// moe-weight-c10: of a quantized bank
// moe-weight-c11: as many slices
// moe-weight-c12: words along rows, and zeros for more rows than there are
// moe-weight-c13: zeros, and 8 codes in an order
// moe-encoded-c1: an offset
// moe-encoded-c2: the codes of a word
// CHECK: moe.weight @stored.codes : !moe.bank<2x2x16xi32, strided<[1, 2]>>
moe.weight @stored.codes : !moe.bank<2x2x16xi32, strided<[1, 2]>> from [#moe.source<"w.{e}.q", shape = [16, 2], permutation = [1, 0]>]
moe.weight @stored.scales : !moe.bank<2x9x2xf16> from ["w.{e}.s"]
moe.weight @stored.zeros : !moe.bank<2x2x2xi32> from ["w.{e}.z"]
moe.weight @stored.groups : !moe.bank<2x16xi32> from ["w.{e}.g"]
// CHECK: moe.weight @stored : !moe.bank<2x9x16xf32, #moe.quantized<bits = 4, group = 8, scale = f16, zero_points = true>> from []
// CHECK-SAME: {encoded = #moe.encoded<codes = @stored.codes, scales = @stored.scales, zeros = @stored.zeros, zero_offset = 1, groups = @stored.groups, order = [0, 2, 4, 6, 1, 3, 5, 7]>}
moe.weight @stored : !moe.bank<2x9x16xf32, #moe.quantized<bits = 4, group = 8, scale = f16, zero_points = true>> from [] {encoded = #moe.encoded<codes = @stored.codes, scales = @stored.scales, zeros = @stored.zeros, zero_offset = 1, groups = @stored.groups, order = [0, 2, 4, 6, 1, 3, 5, 7]>}

// moe-weight-c12: columns in blocks, and exponents as scales
// moe-quantized-c4: e2m1
moe.weight @blocks : !moe.bank<2x4x2x16xui8> from ["blocks"]
moe.weight @exponents : !moe.bank<2x4x2xui8> from ["exponents"]
// CHECK: moe.weight @floats : !moe.bank<2x4x64xf32, #moe.quantized<bits = 4, group = 32, scale = bf16, codes = e2m1>> from []
// CHECK-SAME: {encoded = #moe.encoded<codes = @blocks, scales = @exponents>}
moe.weight @floats : !moe.bank<2x4x64xf32, #moe.quantized<bits = 4, group = 32, scale = bf16, codes = e2m1>> from [] {encoded = #moe.encoded<codes = @blocks, scales = @exponents>}

// moe-bank-c8: packed by words of 8 codes
// moe-quantized-c1: each number of bits
// moe-quantized-c2: the smallest and the largest group
// moe-quantized-c3: each type of scales
// CHECK-LABEL: func.func private @formats(
// CHECK-SAME: !moe.bank<8x4x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16, zero_points = true>, #moe.packed<panel = 16, depth = 8>>
// CHECK-SAME: !moe.bank<8x4x70000xf32, #moe.quantized<bits = 4, group = 65536, scale = f16>>
func.func private @formats(!moe.bank<8x4x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16, zero_points = true>, #moe.packed<panel = 16, depth = 8>>,
                           !moe.bank<8x4x70000xf32, #moe.quantized<bits = 4, group = 65536, scale = f16, zero_points = false>>)

// moe-quantize-rows-c1: all on tensors, or all on memrefs
// moe-quantize-rows-c2: codes, scales, and a sum for each run, the last one shorter
// moe-quantize-rows-c3: one column
// moe-grouped-matmul-c11: codes times codes, with as many sums as scales
// moe-grouped-matmul-c13: and as many scales of rows
// CHECK-LABEL: func.func @quantize_rows(
func.func @quantize_rows(%x: tensor<?x20xf32>, %one: memref<?x1xbf16>, %c1: memref<?x1xi8>, %s1: memref<?xf32>, %g1: memref<?x1xi32>,
                         %b: !moe.bank<1x6x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>, %i: tensor<?x6xf32>) -> tensor<?x6xf32> {
  // CHECK: %[[Q:.*]]:3 = moe.quantize_rows %{{.*}} {group = 8 : i64} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>)
  %c, %s, %g = moe.quantize_rows %x {group = 8} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?xf32>, tensor<?x3xi32>)
  // CHECK: moe.quantize_rows %{{.*}} into(%{{.*}}, %{{.*}}, %{{.*}}) : (memref<?x1xbf16>, memref<?x1xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  moe.quantize_rows %one into(%c1, %s1, %g1) : (memref<?x1xbf16>, memref<?x1xi8>, memref<?xf32>, memref<?x1xi32>) -> ()
  // CHECK: moe.grouped_matmul %[[Q]]#0 row_sums(%[[Q]]#2) banks(%{{.*}}) outs(%{{.*}}) :
  %y = moe.grouped_matmul %c row_sums(%g) banks(%b) outs(%i) : (tensor<?x20xi8>, tensor<?x3xi32>, !moe.bank<1x6x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  // CHECK: %[[P:.*]]:3 = moe.quantize_rows %{{.*}} {group = 8 : i64, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
  %d, %t, %h = moe.quantize_rows %x {group = 8, run_scales} : (tensor<?x20xf32>) -> (tensor<?x20xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
  // CHECK: moe.grouped_matmul %[[P]]#0 row_sums(%[[P]]#2) row_scales(%[[P]]#1) banks(%{{.*}}) outs(%{{.*}}) :
  %z = moe.grouped_matmul %d row_sums(%h) row_scales(%t) banks(%b) outs(%y) : (tensor<?x20xi8>, tensor<?x3xi32>, tensor<?x3xf32>, !moe.bank<1x6x20xf32, #moe.quantized<bits = 4, group = 8, scale = bf16>>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %z : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @num_threads(
func.func @num_threads() -> index {
  // CHECK: moe.num_threads : index
  %n = moe.num_threads : index
  return %n : index
}

// moe-grouped-matmul-c5: two banks
// moe-grouped-matmul-c6: per_row has the size of rows, not of source
// moe-grouped-matmul-c7: per_column is E x M
// moe-grouped-matmul-c8: elements are R x M
// moe-grouped-matmul-c9: no body with one bank
// moe-grouped-matmul-c10: bf16 in and out
// moe-grouped-matmul-c12: as many targets as sources
// CHECK-LABEL: func.func @grouped_matmul_with_body(
func.func @grouped_matmul_with_body(%rows: tensor<3x4xbf16>, %source: tensor<5xi32>, %a: !moe.bank<2x6x4xf32>, %offsets: tensor<3xi32>,
                                    %scale: tensor<3xf32>, %bias: !moe.bank<2x6xbf16>, %old: tensor<5x6xf32>, %init: tensor<5x6xbf16>,
                                    %one: !moe.bank<1x6x4xf32>, %f32: tensor<3x6xf32>) {
  // CHECK: moe.grouped_matmul %{{.*}}[%{{.*}}] banks(%{{.*}}, %{{.*}}) offsets(%{{.*}}) per_row(%{{.*}}) per_column(%{{.*}}) elements(%{{.*}}) outs(%{{.*}}) :
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32, %{{.*}}: bf16, %{{.*}}: f32, %{{.*}}: bf16):
  // CHECK-NEXT: moe.yield %{{.*}} : bf16
  %y = moe.grouped_matmul %rows[%source] banks(%a, %a) offsets(%offsets) per_row(%scale) per_column(%bias) elements(%old) outs(%init)
      : (tensor<3x4xbf16>, tensor<5xi32>, !moe.bank<2x6x4xf32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<3xf32>, !moe.bank<2x6xbf16>, tensor<5x6xf32>, tensor<5x6xbf16>) -> tensor<5x6xbf16> {
  ^bb0(%s0: f32, %s1: f32, %w: f32, %b: bf16, %e: f32, %i: bf16):
    moe.yield %b : bf16
  }
  // CHECK: moe.grouped_matmul %{{.*}}[%{{.*}}] banks(%{{.*}}) offsets(%{{.*}}) targets(%{{.*}}) outs(%{{.*}}) : {{.*}} -> tensor<3x6xf32>
  %t = moe.grouped_matmul %rows[%source] banks(%a) offsets(%offsets) targets(%source) outs(%f32)
      : (tensor<3x4xbf16>, tensor<5xi32>, !moe.bank<2x6x4xf32>, tensor<3xi32>, tensor<5xi32>, tensor<3x6xf32>) -> tensor<3x6xf32>
  // CHECK: moe.grouped_matmul %{{.*}} banks(%{{.*}}) outs(%{{.*}}) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = fma>} :
  %z = moe.grouped_matmul %rows banks(%one) outs(%f32) {schedule = #moe.cpu_schedule<row_block = 6, lanes = 16, dot = fma>}
      : (tensor<3x4xbf16>, !moe.bank<1x6x4xf32>, tensor<3x6xf32>) -> tensor<3x6xf32>
  return
}

// CHECK-LABEL: func.func @grouped_matmul(
func.func @grouped_matmul(%rows: tensor<?x4xf32>, %b: !moe.bank<2x6x4xbf16>, %offsets: tensor<3xi32>, %init: tensor<?x6xf32>,
                          %mrows: memref<?x4xf32>, %moffsets: memref<3xi32>, %minit: memref<?x6xf32>) {
  // CHECK: moe.grouped_matmul %{{.*}} banks(%{{.*}}) offsets(%{{.*}}) outs(%{{.*}}) : (tensor<?x4xf32>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %y = moe.grouped_matmul %rows banks(%b) offsets(%offsets) outs(%init) : (tensor<?x4xf32>, !moe.bank<2x6x4xbf16>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  // CHECK: moe.grouped_matmul %{{.*}} banks(%{{.*}}) offsets(%{{.*}}) outs(%{{.*}}) : (memref<?x4xf32>, !moe.bank<2x6x4xbf16>, memref<3xi32>, memref<?x6xf32>) -> (){{$}}
  moe.grouped_matmul %mrows banks(%b) offsets(%moffsets) outs(%minit) : (memref<?x4xf32>, !moe.bank<2x6x4xbf16>, memref<3xi32>, memref<?x6xf32>) -> ()
  return
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

// moe-entry-c1: one size per dimension
// moe-entry-c2: symbols, products of two, and the static extent
// moe-entry-c3: names
// moe-entry-c4: a range on integers
// moe-entry-c5: the value of an index argument
// moe-entry-c6: a result in place of an argument
// moe-entry-c7: each attribute where it belongs
// moe-entry-c8: on a function
// moe-entry-c9: moe.limits on the function
// moe-entry-c10: one to four terms, a symbol or an integer as bound
// moe-entry-c11: every symbol has its value from an argument
// moe-entry-c12: an argument and a result may have one name
// CHECK-LABEL: func.func @entry(
// CHECK-SAME: %{{.*}}: tensor<?x?xi64> {moe.name = "ids", moe.range = [0, 32000], moe.shape = ["batch", "seq"]}
// CHECK-SAME: %{{.*}}: index {moe.name = "past", moe.symbol = "past"}
// CHECK-SAME: -> (tensor<?x4xf32> {moe.name = "rows", moe.shape = ["batch * seq", 4]}, tensor<?x4xf32> {moe.name = "cache", moe.tied = 2 : i64})
// CHECK-SAME: moe.limits = {{\[}}{{\[}}["past", "seq"], "max"], {{\[}}["past", "seq", "batch", "max"], 2147483647]]
func.func @entry(%ids: tensor<?x?xi64> {moe.name = "ids", moe.shape = ["batch", "seq"], moe.range = [0, 32000]},
                 %past: index {moe.name = "past", moe.symbol = "past"},
                 %cache: tensor<?x4xf32> {moe.name = "cache", moe.shape = ["max", 4]})
    -> (tensor<?x4xf32> {moe.name = "rows", moe.shape = ["batch * seq", 4]},
        tensor<?x4xf32> {moe.name = "cache", moe.tied = 2})
    attributes {moe.limits = [[["past", "seq"], "max"], [["past", "seq", "batch", "max"], 2147483647]]} {
  return %cache, %cache : tensor<?x4xf32>, tensor<?x4xf32>
}

// moe-row-loop-c1: the cheapest row and the longest range
// CHECK-LABEL: func.func @row_loop(
func.func @row_loop(%ranges: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: moe.row_loop = array<i64: 1, 2147483647>
  scf.parallel (%i) = (%c0) to (%ranges) step (%c1) {
  } {moe.row_loop = array<i64: 1, 2147483647>}
  return
}
