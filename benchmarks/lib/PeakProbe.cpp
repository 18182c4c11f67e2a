//===- PeakProbe.cpp - How much a processor can compute -------------------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In assembly, so that no compiler decides what such a loop is. The processor
// is asked when the program runs; this file is compiled for any.
//
//===----------------------------------------------------------------------===//

#include "PeakProbe.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>

using namespace moe::bench;

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Independent accumulators: more than the latency of a multiplication (4 to 6
/// cycles) times the instructions that start in a cycle (2), and with the two
/// factors no more than the 16 registers of AVX2.
static constexpr int accumulators = 14;

#if defined(__x86_64__)

/// As two bf16 or four int8 numbers and as f32 a number of ordinary size.
static const uint32_t factor = 0x3f803f80;

#define MOE_EACH_ACCUMULATOR(LINE)                                             \
  ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13\n" LINE "\n.endr\n"

// A function that runs instruction OP on registers whose names begin with R.
// clang-format off
#define MOE_PEAK_LOOP(NAME, OP, R)                                             \
  static void NAME(int64_t iterations) {                                       \
    __asm__ volatile(                                                          \
        "vpbroadcastd %1, %%" R "14\n"                                         \
        "vpbroadcastd %1, %%" R "15\n"                                         \
        MOE_EACH_ACCUMULATOR("vpxor %%xmm\\i, %%xmm\\i, %%xmm\\i")             \
        "1:\n"                                                                 \
        MOE_EACH_ACCUMULATOR(OP " %%" R "14, %%" R "15, %%" R "\\i")           \
        "dec %0\n"                                                             \
        "jnz 1b\n"                                                             \
        "vzeroupper\n"                                                         \
        : "+r"(iterations)                                                     \
        : "m"(factor)                                                          \
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",        \
          "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", \
          "xmm15");                                                            \
  }
// clang-format on

MOE_PEAK_LOOP(runFmaZmm, "vfmadd231ps", "zmm")
MOE_PEAK_LOOP(runFmaYmm, "vfmadd231ps", "ymm")
MOE_PEAK_LOOP(runBF16Zmm, "vdpbf16ps", "zmm")
MOE_PEAK_LOOP(runInt8Zmm, "vpdpbusd", "zmm")
// Without the prefix, the form of AVX-512.
MOE_PEAK_LOOP(runInt8Ymm, "%{vex%} vpdpbusd", "ymm")

#undef MOE_PEAK_LOOP
#undef MOE_EACH_ACCUMULATOR

#endif

static void runPortable(int64_t iterations) {
  float sums[accumulators] = {};
  for (int64_t i = 0; i < iterations; ++i)
    for (float &sum : sums) {
      sum = sum * 0.5f + 1.0f;
      __asm__ volatile("" : "+m"(sum)); // every step is done
    }
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

/// Operations of an iteration whose instruction does `perInstruction`.
static constexpr double total(int perInstruction) {
  return double(accumulators) * perInstruction;
}

static constexpr PeakKernel kernels[] = {
#if defined(__x86_64__)
    {Arithmetic::F32, "vfmadd231ps zmm",
     [] { return __builtin_cpu_supports("avx512f") != 0; }, total(32),
     runFmaZmm},
    {Arithmetic::F32, "vfmadd231ps ymm",
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
     },
     total(16), runFmaYmm},
    {Arithmetic::BF16, "vdpbf16ps zmm",
     [] { return __builtin_cpu_supports("avx512bf16") != 0; }, total(64),
     runBF16Zmm},
    {Arithmetic::Int8, "vpdpbusd zmm",
     [] { return __builtin_cpu_supports("avx512vnni") != 0; }, total(128),
     runInt8Zmm},
    {Arithmetic::Int8, "vpdpbusd ymm",
     [] { return __builtin_cpu_supports("avxvnni") != 0; }, total(64),
     runInt8Ymm},
#endif
    {Arithmetic::F32, "scalar", [] { return true; }, total(2), runPortable},
};

llvm::ArrayRef<PeakKernel> moe::bench::getPeakKernels() { return kernels; }

const PeakKernel &moe::bench::findPeakKernel(Arithmetic arithmetic) {
  auto *found = llvm::find_if(kernels, [&](const PeakKernel &kernel) {
    return kernel.arithmetic == arithmetic && kernel.isSupported();
  });
  if (found != std::end(kernels))
    return *found;
  return findPeakKernel(Arithmetic::F32);
}

//===----------------------------------------------------------------------===//
// The probe
//===----------------------------------------------------------------------===//

/// Long enough that starting and ending do not count, short enough that the
/// machine is the same in a whole round.
static constexpr double shortestProbe = 4e-3;

PeakProbe::PeakProbe(Team &team, const PeakKernel &kernel)
    : team(team), kernel(kernel) {
  // A run can be long because another program had the processor.
  auto shortest = [&] { return std::min({run(), run(), run()}); };
  while (shortest() < shortestProbe)
    iterations *= 2;
}

double PeakProbe::run() const {
  return team.run([&](int32_t) { kernel.run(iterations); });
}

double PeakProbe::measure() {
  double operations =
      kernel.operationsPerIteration * double(iterations) * team.size();
  return operations / run() / 1e9;
}
