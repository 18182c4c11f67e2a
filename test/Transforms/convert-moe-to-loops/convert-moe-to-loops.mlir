// The structure of the loops; what they compute is tested by running them.

// RUN: moe-opt %s -pass-pipeline="builtin.module(func.func(convert-moe-to-loops))" | FileCheck %s

// Threads share the tokens; each range has a row of the scratch, which is
// allocated outside of the loops.
// CHECK-LABEL: func.func @router(
// CHECK-SAME: %[[Z:.*]]: memref<?x4xf32>
// CHECK-COUNT-4: memref.alloc() : memref<64x
// CHECK-NOT: memref.alloc
// CHECK: %[[T:.*]] = memref.dim %[[Z]], %{{.*}}
// CHECK: scf.parallel (%[[RANGE:.*]]) =
// CHECK: memref.subview %{{.*}}[%[[RANGE]], 0] [1, 4]
// CHECK: scf.for
// CHECK-NOT: memref.alloc
// CHECK-NOT: moe.router
// CHECK: return
func.func @router(%z: memref<?x4xf32>, %w: memref<?x2xf32>, %ids: memref<?x2xi32>) {
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>} : (memref<?x4xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  return
}

// A softmax over the selected logits alone needs no scores of the others: there
// is one exponential per slot, none per expert.
// CHECK-LABEL: func.func @router_selected(
// CHECK-COUNT-3: memref.alloc() : memref<64x
// CHECK-NOT: memref.alloc
// CHECK-COUNT-1: math.exp
// CHECK-NOT: math.exp
// CHECK: return
func.func @router_selected(%z: memref<?x4xf32>, %w: memref<?x2xf32>, %ids: memref<?x2xi32>) {
  moe.router %z into(%w, %ids) {top_k = 2 : i64, score = #moe.score<softmax>, domain = #moe.domain<selected>} : (memref<?x4xf32>, memref<?x2xf32>, memref<?x2xi32>) -> ()
  return
}

// Without a capacity nothing is sorted or claimed. Rows are i32: as many slots
// as there are rows must fit, (2^31 - 1) / 2 tokens of 2.
// CHECK-LABEL: func.func @plan_dropless(
// CHECK-SAME: %[[IDS:[a-z0-9]+]]: memref<?x2xi32>
// CHECK: %[[T:.*]] = memref.dim %[[IDS]], %{{.*}}
// CHECK: %[[MOST:.*]] = arith.constant 1073741823 : index
// CHECK: %[[FIT:.*]] = arith.cmpi ule, %[[T]], %[[MOST]]
// CHECK: cf.assert %[[FIT]], "moe.plan of k = 2 got more than 1073741823 tokens, expected T * k < 2^31 because rows are i32; split the batch [moe-plan-slots]"
// CHECK-COUNT-1: memref.alloc() : memref<8xi32>
// CHECK-NOT: memref.alloc
// CHECK-NOT: scf.while
// CHECK-NOT: moe.plan
// CHECK: return
func.func @plan_dropless(%w: memref<?x2xf32>, %ids: memref<?x2xi32>, %counts: memref<8xi32>, %offsets: memref<9xi32>, %source: memref<?xi32>, %position: memref<?x2xi32>, %out: memref<?x2xf32>) {
  moe.plan %w, %ids into(%counts, %offsets, %source, %position, %out) : (memref<?x2xf32>, memref<?x2xi32>, memref<8xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xf32>) -> ()
  return
}

// The verifier has shown as much where the number of tokens is static.
// CHECK-LABEL: func.func @plan_static(
// CHECK-NOT: cf.assert
// CHECK: return
func.func @plan_static(%w: memref<3x2xf32>, %ids: memref<3x2xi32>, %counts: memref<8xi32>, %offsets: memref<9xi32>, %source: memref<6xi32>, %position: memref<3x2xi32>, %out: memref<3x2xf32>) {
  moe.plan %w, %ids into(%counts, %offsets, %source, %position, %out) : (memref<3x2xf32>, memref<3x2xi32>, memref<8xi32>, memref<9xi32>, memref<6xi32>, memref<3x2xi32>, memref<3x2xf32>) -> ()
  return
}

// Batch priority sorts the tokens, in scratch of T elements.
// CHECK-LABEL: func.func @plan_batch(
// CHECK-SAME: %[[W:[a-z0-9]+]]: memref<?x2xf32>, %[[IDS:[a-z0-9]+]]: memref<?x2xi32>, %[[C:[a-z0-9]+]]: index
// CHECK: cf.assert
// CHECK: %[[T:.*]] = memref.dim %[[IDS]], %{{.*}}
// CHECK-COUNT-2: memref.alloc(%[[T]]) : memref<?xi32>
// CHECK: memref.alloc(%[[T]]) : memref<?xf32>
// CHECK: scf.while
// CHECK: arith.cmpi slt, %{{.*}}, %[[C]] : index
// CHECK: return
func.func @plan_batch(%w: memref<?x2xf32>, %ids: memref<?x2xi32>, %c: index, %counts: memref<8xi32>, %offsets: memref<9xi32>, %source: memref<?xi32>, %position: memref<?x2xi32>, %out: memref<?x2xf32>) {
  moe.plan %w, %ids capacity(%c) into(%counts, %offsets, %source, %position, %out) {priority = #moe.priority<batch>, overflow = #moe.overflow<zero>} : (memref<?x2xf32>, memref<?x2xi32>, index, memref<8xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xf32>) -> ()
  return
}

// Rows are gathered up to the last offset: what lies behind is not read.
// CHECK-LABEL: func.func @dispatch(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x4xf32>, %[[SOURCE:[a-z0-9]+]]: memref<?xi32>, %[[OFFSETS:[a-z0-9]+]]: memref<3xi32>, %[[ROWS:[a-z0-9]+]]: memref<?x4xf32>
// CHECK: %[[LAST32:.*]] = memref.load %[[OFFSETS]]
// CHECK: %[[LAST:.*]] = arith.index_cast %[[LAST32]]
// CHECK: %[[N:.*]] = memref.dim %[[SOURCE]], %{{.*}}
// CHECK: %[[USED:.*]] = arith.minsi %[[LAST]], %[[N]]
// CHECK: scf.for %[[R:.*]] = %{{.*}} to %[[USED]]
// CHECK: memref.load %[[SOURCE]][%[[R]]]
// CHECK: %[[T:.*]] = memref.dim %[[X]], %{{.*}}
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %{{.*}}, %[[T]]
// CHECK: scf.if %[[INSIDE]]
// CHECK: memref.load %[[X]]
// CHECK: memref.store %{{.*}}, %[[ROWS]][%[[R]], %{{.*}}]
func.func @dispatch(%x: memref<?x4xf32>, %source: memref<?xi32>, %offsets: memref<3xi32>, %rows: memref<?x4xf32>) {
  moe.dispatch %x, %source, %offsets into(%rows) : (memref<?x4xf32>, memref<?xi32>, memref<3xi32>, memref<?x4xf32>) -> ()
  return
}

// With weights every slot writes its row, and the sources are not needed.
// CHECK-LABEL: func.func @dispatch_weighted(
// CHECK-SAME: %{{[a-z0-9]+}}: memref<?x4xf32>, %[[SOURCE:[a-z0-9]+]]: memref<?xi32>
// CHECK-NOT: memref.load %[[SOURCE]]
// CHECK: arith.mulf
// CHECK: return
func.func @dispatch_weighted(%x: memref<?x4xf32>, %source: memref<?xi32>, %offsets: memref<3xi32>, %w: memref<?x2xf32>, %p: memref<?x2xi32>, %rows: memref<?x4xf32>) {
  moe.dispatch %x, %source, %offsets weights(%w) position(%p) into(%rows) : (memref<?x4xf32>, memref<?xi32>, memref<3xi32>, memref<?x2xf32>, memref<?x2xi32>, memref<?x4xf32>) -> ()
  return
}

// Without weights nothing is multiplied.
// CHECK-LABEL: func.func @combine(
// CHECK-NOT: arith.mulf
// CHECK: return
func.func @combine(%rows: memref<?x4xf32>, %p: memref<?x2xi32>, %y: memref<?x4xf32>) {
  moe.combine %rows, %p into(%y) : (memref<?x4xf32>, memref<?x2xi32>, memref<?x4xf32>) -> ()
  return
}

// Sums and counts of each expert, in f64; ids are read, tokens need no scratch.
// CHECK-LABEL: func.func @aux_loss_fraction_probability(
// CHECK-SAME: %[[S:[a-z0-9]+]]: memref<?x4xf32>, %[[IDS:[a-z0-9]+]]: memref<?x2xi32>, %[[LOSS:[a-z0-9]+]]: memref<f32>
// CHECK: memref.alloc() : memref<4xf64>
// CHECK: memref.load %[[IDS]]
// CHECK: memref.alloc() : memref<4xf64>
// CHECK: memref.load %[[S]]
// CHECK-NOT: memref.alloc
// CHECK: memref.store %{{.*}}, %[[LOSS]][]
// CHECK-NOT: moe.aux_loss
// CHECK: return
func.func @aux_loss_fraction_probability(%s: memref<?x4xf32>, %ids: memref<?x2xi32>, %loss: memref<f32>) {
  moe.aux_loss %s ids(%ids) into(%loss) {kind = #moe.loss<fraction_probability>} : (memref<?x4xf32>, memref<?x2xi32>, memref<f32>) -> ()
  return
}

// Token by token: no scratch at all.
// CHECK-LABEL: func.func @aux_loss_z(
// CHECK-NOT: memref.alloc
// CHECK-COUNT-1: math.exp
// CHECK-COUNT-1: math.log
// CHECK: return
func.func @aux_loss_z(%z: memref<?x4xf32>, %loss: memref<f32>) {
  moe.aux_loss %z into(%loss) {kind = #moe.loss<z>} : (memref<?x4xf32>, memref<f32>) -> ()
  return
}

// CHECK-LABEL: func.func @aux_loss_importance(
// CHECK-COUNT-1: memref.alloc() : memref<4xf64>
// CHECK-NOT: memref.alloc
// CHECK: return
func.func @aux_loss_importance(%s: memref<?x4xf32>, %loss: memref<f32>) {
  moe.aux_loss %s into(%loss) {kind = #moe.loss<importance_cv2>} : (memref<?x4xf32>, memref<f32>) -> ()
  return
}

// The largest magnitude, compared as an integer; then codes with a sum for each
// run of 8 columns and for the 4 that are left, or zeros.
// CHECK-LABEL: func.func @quantize_rows(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x20xf32>, %[[C:[a-z0-9]+]]: memref<?x20xi8>, %[[S:[a-z0-9]+]]: memref<?xf32>, %[[G:[a-z0-9]+]]: memref<?x3xi32>
// CHECK: scf.parallel
// CHECK: arith.bitcast {{.*}} : f32 to i32
// CHECK: arith.maxsi
// CHECK: memref.store %{{.*}}, %[[S]]
// CHECK: scf.if
// CHECK: arith.trunci {{.*}} : i32 to i8
// CHECK: memref.store %{{.*}}, %[[C]]
// CHECK: memref.store %{{.*}}, %[[G]]
// CHECK: memref.store %{{.*}}, %[[C]]
// CHECK: memref.store %{{.*}}, %[[G]]
// CHECK: } else {
func.func @quantize_rows(%x: memref<?x20xf32>, %c: memref<?x20xi8>, %s: memref<?xf32>, %g: memref<?x3xi32>) {
  moe.quantize_rows %x into(%c, %s, %g) {group = 8} : (memref<?x20xf32>, memref<?x20xi8>, memref<?xf32>, memref<?x3xi32>) -> ()
  return
}

// The same in each run of 8 columns.
// CHECK-LABEL: func.func @run_scales(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x20xf32>, %[[C:[a-z0-9]+]]: memref<?x20xi8>, %[[S:[a-z0-9]+]]: memref<?x3xf32>
// CHECK: scf.parallel
// CHECK: scf.for %[[ROW:[^ ]*]] =
// CHECK: scf.for %[[PART:[^ ]*]] =
// CHECK: arith.maxsi
// CHECK: memref.store %{{.*}}, %[[S]][%[[ROW]], %[[PART]]]
// CHECK: scf.if
func.func @run_scales(%x: memref<?x20xf32>, %c: memref<?x20xi8>, %s: memref<?x3xf32>, %g: memref<?x3xi32>) {
  moe.quantize_rows %x into(%c, %s, %g) {group = 8, run_scales} : (memref<?x20xf32>, memref<?x20xi8>, memref<?x3xf32>, memref<?x3xi32>) -> ()
  return
}
