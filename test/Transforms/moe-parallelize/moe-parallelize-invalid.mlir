// RUN: not moe-opt %s -pass-pipeline="builtin.module(func.func(moe-parallelize{grain=0}))" 2>&1 | FileCheck %s

// CHECK: error: expected grain and max-chunks of at least 1, but got 0 and 64 [moe-parallelize-options]
func.func private @f() {
  return
}
