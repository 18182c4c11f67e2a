// RUN: not moe-opt %s -moe-tile-experts=row-tile=-5 2>&1 | FileCheck %s

// CHECK: error: expected row-tile to be 0 (whole) or more, but got -5 [moe-tile-experts-row-tile]
func.func private @f() {
  return
}
