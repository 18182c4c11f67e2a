#!/usr/bin/env python3
"""Writes a function whose assertion and allocation depend on chains of N ops: of
additions, and of reshapes, sizes and allocations in turn."""

import sys

count = int(sys.argv[1])
print("func.func private @long(%m0: memref<?xf32>, %n0: index) {")
print("  %zero = arith.constant 0 : index")
for i in range(count):
    print(f"  %n{i + 1} = arith.addi %n{i}, %n0 : index")
for i in range(count // 2):
    print(f"  %s{i} = memref.dim %m{i}, %zero : memref<?xf32>")
    print(
        f"  %m{i + 1} = memref.reinterpret_cast %m0 to offset: [0],"
        f" sizes: [%s{i}], strides: [1] : memref<?xf32> to memref<?xf32>"
    )
print(f"  %size = memref.dim %m{count // 2}, %zero : memref<?xf32>")
print(f"  %ok = arith.cmpi ult, %n{count}, %size : index")
print('  cf.assert %ok, "no"')
print(f"  %a = memref.alloc(%n{count}) : memref<?xf32>")
print(f"  %b = memref.alloc(%size) : memref<?xf32>")
print('  "test.use"(%a, %b) : (memref<?xf32>, memref<?xf32>) -> ()')
print("  return\n}")
