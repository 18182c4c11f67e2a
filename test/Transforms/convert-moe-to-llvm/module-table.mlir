// The tables of MoE/Runtime/Abi.h, as LLVM IR: what the runtime reads. One line
// per struct, with the text "{ ptr @" at its start.

// RUN: moe-opt %s -moe-compile="target-cpu=znver4 target-features=+avx2" | mlir-translate --mlir-to-llvmir | sed -e "s/ { ptr @/\n{ ptr @/g" | FileCheck %s
// RUN: moe-opt %s -moe-compile | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=UNSTAMPED

moe.weight @norm : tensor<4xbf16> from ["model.norm"]
moe.weight @up : !moe.bank<2x8x4xf16> from [#moe.source<"gate_up", shape = [2, 16, 4], offsets = [0, 8, 0]>]
moe.weight @each : !moe.bank<2x8x4xf32, strided<[1, 8]>> from [#moe.source<"w.{e}", shape = [4, 8], permutation = [1, 0]>]
moe.weight @two : !moe.bank<2x3xf32> from ["a", "b"]

func.func @forward(%x: tensor<?x4xf32> {moe.name = "x", moe.shape = ["batch * n", 4]},
                   %ids: tensor<?x?xi64> {moe.shape = ["batch", "n"], moe.range = [0, 100]},
                   %past: index {moe.name = "past", moe.symbol = "past"},
                   %cache: tensor<?xf32> {moe.name = "cache", moe.shape = ["max"]})
    -> (tensor<?x4xf32> {moe.name = "y", moe.shape = ["batch * n", 4]},
        tensor<?xf32> {moe.name = "cache", moe.tied = 3 : i64})
    attributes {moe.limits = [[["past", "n"], "max"], [["n"], 16]]} {
  return %x, %cache : tensor<?x4xf32>, tensor<?xf32>
}

// Symbols in the order of their first use.
// CHECK-DAG: @[[BATCH:.*]] = private constant [6 x i8] c"batch\00"
// CHECK-DAG: @[[N:.*]] = private constant [2 x i8] c"n\00"
// CHECK-DAG: @[[PAST:.*]] = private constant [5 x i8] c"past\00"
// CHECK-DAG: @[[MAX:.*]] = private constant [4 x i8] c"max\00"
// CHECK-DAG: @[[X:.*]] = private constant [2 x i8] c"x\00"
// An argument without a name is called by its position.
// CHECK-DAG: @[[ARG1:.*]] = private constant [5 x i8] c"arg1\00"
// CHECK-DAG: @[[CACHE:.*]] = private constant [6 x i8] c"cache\00"
// CHECK-DAG: @[[Y:.*]] = private constant [2 x i8] c"y\00"

// name, dtype, rank, shape, value_symbol, tied_input, has_range, reserved, range
// CHECK: @moe.inputs.forward = private constant [4 x
// CHECK-NEXT: { ptr @[[X]], i32 2, i32 2, {{.*}} [{ i64, [2 x i32] } { i64 1, [2 x i32] [i32 0, i32 1] }, { i64, [2 x i32] } { i64 4, [2 x i32] [i32 -1, i32 -1] }, {{.*}}], i32 -1, i32 -1, i32 0, i32 0, i64 0, i64 0 }
// CHECK-NEXT: { ptr @[[ARG1]], i32 5, i32 2, {{.*}} [{ i64, [2 x i32] } { i64 1, [2 x i32] [i32 0, i32 -1] }, { i64, [2 x i32] } { i64 1, [2 x i32] [i32 1, i32 -1] }, {{.*}}], i32 -1, i32 -1, i32 1, i32 0, i64 0, i64 100 }
// CHECK-NEXT: { ptr @[[PAST]], i32 5, i32 0, {{.*}}, i32 2, i32 -1, i32 0, i32 0, i64 0, i64 0 }
// CHECK-NEXT: { ptr @[[CACHE]], i32 2, i32 1, {{.*}} [{ i64, [2 x i32] } { i64 1, [2 x i32] [i32 3, i32 -1] }, {{.*}}], i32 -1, i32 -1, i32 0, i32 0, i64 0, i64 0 }

// A tied result has the shape of its argument.
// CHECK: @moe.outputs.forward = private constant [2 x
// CHECK-NEXT: { ptr @[[Y]], i32 2, i32 2, {{.*}} [{ i64, [2 x i32] } { i64 1, [2 x i32] [i32 0, i32 1] }
// CHECK-NEXT: { ptr @[[CACHE]], i32 2, i32 1, {{.*}} [{ i64, [2 x i32] } { i64 1, [2 x i32] [i32 3, i32 -1] }, {{.*}}], i32 -1, i32 3, i32 0, i32 0, i64 0, i64 0 }

// CHECK: @moe.symbols.forward = private constant [4 x ptr] [ptr @[[BATCH]], ptr @[[N]], ptr @[[PAST]], ptr @[[MAX]]]

// past + n <= max + 0, n <= 16
// CHECK: @moe.limits.forward = private constant [2 x {{.*}}] [{ i32, [4 x i32], i32, i64 } { i32 2, [4 x i32] [i32 2, i32 1, i32 -1, i32 -1], i32 3, i64 0 }, { i32, [4 x i32], i32, i64 } { i32 1, [4 x i32] [i32 1, i32 -1, i32 -1, i32 -1], i32 -1, i64 16 }]

// CHECK: @moe.functions = private constant [1 x
// CHECK-NEXT: ptr @moe_entry.forward, ptr @moe.inputs.forward, ptr @moe.outputs.forward, ptr @moe.symbols.forward, ptr @moe.limits.forward, i64 4, i64 2, i64 4, i64 2 }]

// tensor, rank, per_expert, shape, offset, expert_stride
// CHECK: @moe.sources.norm = private constant [1 x
// CHECK-NEXT: i32 1, i32 0, [8 x i64] [i64 4, i64 0, {{.*}}], i64 0, i64 0 }]
// CHECK: @moe.sources.up = private constant [1 x
// CHECK-NEXT: i32 3, i32 0, [8 x i64] [i64 2, i64 16, i64 4, i64 0, {{.*}}], i64 32, i64 64 }]
// CHECK: @moe.sources.each = private constant [1 x
// CHECK-NEXT: i32 2, i32 1, [8 x i64] [i64 4, i64 8, i64 0, {{.*}}], i64 0, i64 0 }]
// CHECK: @moe.sources.two = private constant [2 x

// name, dtype, rank, experts, shape, strides, num_sources, sources, packing
// CHECK: @moe.weights = private constant [4 x
// CHECK-NEXT: i32 4, i32 1, i64 0, [8 x i64] [i64 4, i64 0, {{[^]]*}}], [8 x i64] [i64 1, i64 0, {{[^]]*}}], i64 1, ptr @moe.sources.norm, {{.*}} zeroinitializer }
// CHECK-NEXT: i32 3, i32 2, i64 2, [8 x i64] [i64 8, i64 4, i64 0, {{[^]]*}}], [8 x i64] [i64 4, i64 1, i64 0, {{[^]]*}}], i64 1, ptr @moe.sources.up, {{.*}} zeroinitializer }
// CHECK-NEXT: i32 2, i32 2, i64 2, [8 x i64] [i64 8, i64 4, i64 0, {{[^]]*}}], [8 x i64] [i64 1, i64 8, i64 0, {{[^]]*}}], i64 1, ptr @moe.sources.each, {{.*}} zeroinitializer }
// CHECK-NEXT: i32 2, i32 1, i64 2, [8 x i64] [i64 3, i64 0, {{[^]]*}}], [8 x i64] [i64 1, i64 0, {{[^]]*}}], i64 2, ptr @moe.sources.two, {{.*}} zeroinitializer }

// CHECK: @moe_module_v1 = constant {{.*}} { i32 [[#]], i32 56, ptr @[[CPU:.*]], ptr @[[FEATURES:.*]], ptr @moe.functions, ptr @moe.weights, i64 1, i64 4 }
// CHECK: define i32 @moe_entry.forward(ptr %0, ptr %1, i64 %2, ptr %3, i64 %4)

// UNSTAMPED: @[[EMPTY:.*]] = private constant [1 x i8] zeroinitializer
// UNSTAMPED: @moe_module_v1 = constant {{.*}} ptr @[[EMPTY]], ptr @[[EMPTY]],
