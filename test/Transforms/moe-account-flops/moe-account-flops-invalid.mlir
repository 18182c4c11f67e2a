// RUN: not moe-opt %s -moe-account-flops=fail-above=1.3 2>&1 | FileCheck %s
// RUN: not moe-opt %s -moe-account-flops=fail-above=-1 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not moe-opt %s -moe-account-flops=fail-above=0.5 2>&1 | FileCheck %s --check-prefix=OPTION

// The same by the pipeline: 5 columns in vectors of 16.
// RUN: not moe-opt %S/Inputs/narrow.mlir --moe-compile="stop-after=grouped fail-on-densify=1.5 target-features=+avx2,+fma,+avx512f,+avx512vl,+avx512bw" 2>&1 | FileCheck %s --check-prefix=PIPELINE
// RUN: moe-opt %S/Inputs/narrow.mlir --moe-compile="stop-after=grouped fail-on-densify=3.5 target-features=+avx2,+fma,+avx512f,+avx512vl,+avx512bw" -o /dev/null

// CHECK: error: expected at most 1.30 times the FLOPs that are needed, but got moe.grouped_matmul: 80 FLOPs done per row, 60 needed (1.33); {{.*}}[moe-densified]
// OPTION: error: expected fail-above to be 0 (never) or a ratio of at least 1, but got {{-1|0|5}}{{.*}}[moe-account-flops-option]
// PIPELINE: narrow.mlir:{{.*}}error: expected at most 1.50 times the FLOPs that are needed, but got moe.grouped_matmul: {{.*}}(3.20); {{.*}}[moe-densified]
func.func @f(%x: tensor<?x5xf32>, %a: !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, %o: tensor<3xi32>, %i: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = moe.grouped_matmul %x banks(%a) offsets(%o) outs(%i) {schedule = #moe.cpu_schedule<row_block = 2, lanes = 4, dot = fma>}
      : (tensor<?x5xf32>, !moe.bank<2x6x5xf32, #moe.packed<panel = 8, depth = 1>>, tensor<3xi32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
