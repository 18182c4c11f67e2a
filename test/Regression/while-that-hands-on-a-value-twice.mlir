// The condition of a loop hands on the result of a branch twice.
//
// REQUIRES: moe-run
// RUN: python3 %S/../Tools/moe-run/Inputs/write_safetensors.py %t.in x:I32:1:0 y:I32:1:2
// RUN: moe-run %s --input x=%t.in:x --expect y=%t.in:y --quiet
// RUN: moe-run %s --input x=%t.in:x --expect y=%t.in:y --quiet --reference

func.func @f(%x: tensor<1xi32> {moe.name = "x"}) -> (tensor<1xi32> {moe.name = "y"}) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  %two = arith.constant 2 : i32
  %twenty = arith.constant 20 : i32
  %s = tensor.extract %x[%c0] : tensor<1xi32>
  %r:3 = scf.while (%state = %s) : (i32) -> (i32, i32, i32) {
    %go = arith.cmpi slt, %state, %one : i32
    %v = scf.if %go -> i32 {
      %n = arith.addi %state, %two : i32
      scf.yield %n : i32
    } else { scf.yield %twenty : i32 }
    scf.condition(%go) %v, %v, %state : i32, i32, i32
  } do {
  ^bb0(%first: i32, %second: i32, %old: i32):
    scf.yield %second : i32
  }
  %y = tensor.from_elements %r#2 : tensor<1xi32>
  return %y : tensor<1xi32>
}
