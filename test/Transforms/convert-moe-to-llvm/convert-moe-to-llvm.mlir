// Weights are read from the table that the runtime fills, banks are tables of
// pointers, entries get a C function.

// RUN: moe-opt %s -split-input-file -convert-moe-to-llvm | FileCheck %s

// CHECK-NOT: moe.weight
moe.weight @norm : tensor<4xbf16> from ["model.norm"]
moe.weight @up : !moe.bank<2x8x4xbf16> from ["up.{e}"]
moe.weight @odd : !moe.bank<2x8x4xbf16, strided<[8, 1]>> from [#moe.source<"odd", shape = [2, 16, 4], offsets = [0, 1, 0], strides = [1, 2, 1]>]

// What an entry calls in the runtime.
// CHECK-DAG: llvm.func @moe_rt_enter(!llvm.ptr, !llvm.ptr, !llvm.ptr, i64, !llvm.ptr, i64) -> i32
// CHECK-DAG: llvm.func @moe_rt_workspace(!llvm.ptr, i64) -> !llvm.ptr
// CHECK-DAG: llvm.func @moe_rt_weights(!llvm.ptr) -> !llvm.ptr

// A bank that is an argument becomes a pointer, an element of it a memref. The
// function reads no weight of its own, so it does not get the table.
// CHECK-LABEL: func.func private @layer(
// CHECK-SAME: %[[BANK:.*]]: !llvm.ptr, %[[E:.*]]: index) {
// CHECK: %[[I:.*]] = arith.index_cast %[[E]] : index to i64
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[BANK]][%[[I]]] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.ptr
// CHECK: %[[BASE:.*]] = llvm.load %[[PLACE]]
// CHECK: llvm.insertvalue %[[BASE]]
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<8x4xbf16>
func.func private @layer(%b: !moe.bank<2x8x4xbf16>, %e: index) {
  %s = moe.bank_slice %b[%e] : !moe.bank<2x8x4xbf16> -> memref<8x4xbf16>
  return
}

// A function that reads weights has the context as last argument.
// CHECK-LABEL: func.func private @reads_weights(
// CHECK-SAME: %[[E:.*]]: index, %[[CTX:.*]]: !llvm.ptr) {
// CHECK: %[[TABLE:.*]] = llvm.call @moe_rt_weights(%[[CTX]])
// CHECK: %[[P0:.*]] = llvm.getelementptr %[[TABLE]][0]
// CHECK: llvm.load %[[P0]]
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<4xbf16>
// CHECK: %[[TABLE2:.*]] = llvm.call @moe_rt_weights(%[[CTX]])
// CHECK: %[[P2:.*]] = llvm.getelementptr %[[TABLE2]][2]
// CHECK: %[[ODD:.*]] = llvm.load %[[P2]]
// CHECK: llvm.getelementptr %[[ODD]][%{{.*}}]
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<8x4xbf16, strided<[8, 1]>>
func.func private @reads_weights(%e: index) {
  %n = moe.get_weight @norm : memref<4xbf16>
  %b = moe.get_weight @odd : !moe.bank<2x8x4xbf16, strided<[8, 1]>>
  %s = moe.bank_slice %b[%e] : !moe.bank<2x8x4xbf16, strided<[8, 1]>> -> memref<8x4xbf16, strided<[8, 1]>>
  return
}

// The C function: checks, loads, reserves, calls, and past that does not fail.
// CHECK-LABEL: llvm.func @moe_entry.forward(
// CHECK-SAME: %[[CTX:.*]]: !llvm.ptr, %[[IN:.*]]: !llvm.ptr, %[[NIN:.*]]: i64, %[[OUT:.*]]: !llvm.ptr, %[[NOUT:.*]]: i64) -> i32 {
// CHECK: %[[STATUS:.*]] = llvm.call @moe_rt_enter(%[[CTX]], %{{.*}}, %[[IN]], %[[NIN]], %[[OUT]], %[[NOUT]])
// CHECK: cf.cond_br %{{.*}}, ^[[FAIL:.*]](%[[STATUS]] : i32), ^{{.*}}
// CHECK: ^[[FAIL]](%[[S:.*]]: i32):
// CHECK-NEXT: llvm.return %[[S]] : i32
// CHECK: %[[BYTES:.*]] = func.call @forward.workspace(
// CHECK: %[[COUNT:.*]] = arith.index_cast %[[BYTES]]
// CHECK: %[[MEMORY:.*]] = llvm.call @moe_rt_workspace(%[[CTX]], %[[COUNT]])
// CHECK: %[[NONE:.*]] = llvm.icmp "eq" %[[MEMORY]], %{{.*}}
// CHECK: %[[NOMEM:.*]] = arith.constant 5 : i32
// CHECK: cf.cond_br %[[NONE]], ^[[FAIL]](%[[NOMEM]] : i32), ^{{.*}}
// CHECK: call @forward(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[CTX]])
// CHECK: %[[OK:.*]] = arith.constant 0 : i32
// CHECK: llvm.return %[[OK]] : i32

// The entry itself is private now; calls pass the context on.
// CHECK-LABEL: func.func private @forward(
// CHECK-SAME: %[[X:.*]]: memref<?x4xf32>, %[[PAST:.*]]: index, %{{.*}}: memref<?x4xf32>, %{{.*}}: memref<?xi8>, %[[CTX:[a-z0-9]+]]: !llvm.ptr)
// CHECK-NOT: moe.entry
// CHECK: %[[TABLE:.*]] = llvm.call @moe_rt_weights(%[[CTX]])
// CHECK: %[[P1:.*]] = llvm.getelementptr %[[TABLE]][1]
// CHECK: %[[UP:.*]] = llvm.load %[[P1]]
// CHECK: call @layer(%[[UP]], %[[PAST]])
// CHECK: call @reads_weights(%[[PAST]], %[[CTX]])
func.func @forward(%x: memref<?x4xf32>, %past: index, %y: memref<?x4xf32>, %ws: memref<?xi8>) attributes {moe.workspace = @forward.workspace, moe.entry = {inputs = [{moe.name = "x", moe.shape = ["n", 4]}, {moe.symbol = "past"}], results = [{moe.shape = ["n", 4]}]}} {
  %b = moe.get_weight @up : !moe.bank<2x8x4xbf16>
  func.call @layer(%b, %past) : (!moe.bank<2x8x4xbf16>, index) -> ()
  func.call @reads_weights(%past) : (index) -> ()
  return
}
func.func private @forward.workspace(%n: index, %past: index, %m: index) -> index {
  return %n : index
}

// CHECK: llvm.mlir.global external constant @moe_module_v1()

// -----

// A bank made of values is a table on the stack, reserved once per call even
// when the op is in a loop.
// CHECK-LABEL: func.func private @make_bank(
// CHECK-SAME: %[[A:.*]]: memref<4xf32>, %[[B:.*]]: memref<4xf32>
// CHECK-NEXT: %[[TWO:.*]] = llvm.mlir.constant(2 : i64)
// CHECK-NEXT: %[[TABLE:.*]] = llvm.alloca %[[TWO]] x !llvm.ptr
// CHECK: scf.for
// CHECK: %[[PA:.*]] = memref.extract_aligned_pointer_as_index %[[A]]
// CHECK: llvm.getelementptr %[[TABLE]][0]
// CHECK: llvm.store
// CHECK: %[[PB:.*]] = memref.extract_aligned_pointer_as_index %[[B]]
// CHECK: llvm.getelementptr %[[TABLE]][1]
// CHECK: llvm.store
// CHECK: llvm.getelementptr %[[TABLE]][%{{.*}}]
// Without an entry there is no table.
// CHECK-NOT: @moe_module_v1
func.func private @make_bank(%a: memref<4xf32>, %b: memref<4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %bank = moe.make_bank %a, %b : memref<4xf32> -> !moe.bank<2x4xf32>
    %s = moe.bank_slice %bank[%i] : !moe.bank<2x4xf32> -> memref<4xf32>
  }
  return
}

// -----

// Assertions are checked after the arguments and before memory is reserved.
// CHECK-LABEL: module {
// CHECK-NOT: moe.messages
// CHECK: llvm.func @moe_rt_refuse(!llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// CHECK-LABEL: llvm.func @moe_entry.checked(
// CHECK-SAME: %[[CTX:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: !llvm.ptr, %{{.*}}: i64) -> i32 {
// CHECK: %[[FUNCTION:.*]] = llvm.getelementptr
// CHECK: llvm.call @moe_rt_enter
// CHECK: ^[[FAIL:.*]](%{{.*}}: i32):
// CHECK: %[[NUMBER:.*]] = func.call @checked.checks(
// CHECK: %[[NONE:.*]] = arith.constant 0 : index
// CHECK: %[[APPLIES:.*]] = arith.cmpi ne, %[[NUMBER]], %[[NONE]]
// CHECK: cf.cond_br %[[APPLIES]], ^[[REFUSED:.*]], ^[[PASSED:.*]]
// CHECK: ^[[REFUSED]]:
// CHECK: %[[TABLE:.*]] = llvm.mlir.addressof @moe.messages
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[TABLE]][%{{.*}}] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.ptr
// CHECK: %[[MESSAGE:.*]] = llvm.load %[[PLACE]]
// CHECK: %[[STATUS:.*]] = llvm.call @moe_rt_refuse(%[[CTX]], %[[FUNCTION]], %[[MESSAGE]])
// CHECK: cf.br ^[[FAIL]](%[[STATUS]] : i32)
// CHECK: ^[[PASSED]]:
// CHECK: func.call @checked.workspace(
// CHECK: call @checked(
// The first message has number 1.
// CHECK: llvm.mlir.global private constant @[[TEXT:.*]]("more than 8 rows [moe-test]\00")
// CHECK: llvm.mlir.global private constant @moe.messages() {{.*}} : !llvm.array<2 x ptr>
// CHECK: llvm.mlir.zero
// CHECK: llvm.mlir.addressof @[[TEXT]]
module attributes {moe.messages = ["more than 8 rows [moe-test]"]} {
  func.func @checked(%x: memref<?xf32>, %ws: memref<?xi8>) attributes {moe.checks = @checked.checks, moe.workspace = @checked.workspace, moe.entry = {inputs = [{}], results = []}} {
    return
  }
  func.func private @checked.checks(%n: index) -> index {
    return %n : index
  }
  func.func private @checked.workspace(%n: index) -> index {
    return %n : index
  }
}

// -----

// In a parallel loop the table lies in the function that the body becomes, which
// reads weights through the context that it captures.
// CHECK-LABEL: llvm.func internal @parallel.parallel.0(
// CHECK: %[[CTX:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: %[[ALLOCA:.*]] = llvm.alloca %{{.*}} x !llvm.ptr :
// CHECK: llvm.call @moe_rt_weights(%[[CTX]])
// CHECK: llvm.getelementptr %[[ALLOCA]][0]
// CHECK: llvm.return
// CHECK-LABEL: func.func private @parallel(
// CHECK-NOT: x !llvm.ptr :
// CHECK: llvm.call @moe_rt_parallel(
moe.weight @w : tensor<4xf32> from ["w"]
func.func private @parallel(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %w = moe.get_weight @w : memref<4xf32>
    %bank = moe.make_bank %w : memref<4xf32> -> !moe.bank<1x4xf32>
    %s = moe.bank_slice %bank[%c0] : !moe.bank<1x4xf32> -> memref<4xf32>
  }
  return
}

// -----

// The context knows how many threads there are.
// CHECK-LABEL: func.func private @num_threads(
// CHECK-SAME: %[[CTX:.*]]: !llvm.ptr)
// CHECK: %[[COUNT:.*]] = llvm.call @moe_rt_num_threads(%[[CTX]]) : (!llvm.ptr) -> i64
// CHECK: %[[INDEX:.*]] = arith.index_cast %[[COUNT]] : i64 to index
// CHECK: return %[[INDEX]]
func.func private @num_threads() -> index {
  %n = moe.num_threads : index
  return %n : index
}
