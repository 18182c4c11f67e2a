//===- CpuFeatures.cpp - Does this CPU have what a module needs -----------===//
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The feature names are those of the compiler's x86 backend. They are read from
// the CPU itself: /proc/cpuinfo leaves out some of what the compiler reports
// for its host (for example shstk), and __builtin_cpu_supports knows a subset.
//
//===----------------------------------------------------------------------===//

#include "core/CpuFeatures.h"
#include "core/Boundary.h"

#include <algorithm>
#include <iterator>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

using namespace moe::rt;

#if defined(__x86_64__)

namespace {
enum Register : uint8_t { EAX, EBX, ECX, EDX };

/// Registers that the operating system must save for a feature to be usable.
enum class Saved : uint8_t { Nothing, Ymm, Zmm, Tiles, Egpr };

/// Where the CPU says that it has a feature.
struct Feature {
  std::string_view name;
  uint32_t leaf, subleaf;
  Register reg;
  uint8_t bit;
  Saved saved = Saved::Nothing;
};
} // namespace

static constexpr Feature features[] = {
    {"x87", 1, 0, EDX, 0},
    {"cx8", 1, 0, EDX, 8},
    {"cmov", 1, 0, EDX, 15},
    {"mmx", 1, 0, EDX, 23},
    {"fxsr", 1, 0, EDX, 24},
    {"sse", 1, 0, EDX, 25},
    {"sse2", 1, 0, EDX, 26},
    {"sse3", 1, 0, ECX, 0},
    {"pclmul", 1, 0, ECX, 1},
    {"ssse3", 1, 0, ECX, 9},
    {"fma", 1, 0, ECX, 12, Saved::Ymm},
    {"cx16", 1, 0, ECX, 13},
    {"sse4.1", 1, 0, ECX, 19},
    {"sse4.2", 1, 0, ECX, 20},
    {"crc32", 1, 0, ECX, 20},
    {"movbe", 1, 0, ECX, 22},
    {"popcnt", 1, 0, ECX, 23},
    {"aes", 1, 0, ECX, 25},
    {"xsave", 1, 0, ECX, 26, Saved::Ymm},
    {"avx", 1, 0, ECX, 28, Saved::Ymm},
    {"f16c", 1, 0, ECX, 29, Saved::Ymm},
    {"rdrnd", 1, 0, ECX, 30},
    {"fsgsbase", 7, 0, EBX, 0},
    {"sgx", 7, 0, EBX, 2},
    {"bmi", 7, 0, EBX, 3},
    {"avx2", 7, 0, EBX, 5, Saved::Ymm},
    {"bmi2", 7, 0, EBX, 8},
    {"invpcid", 7, 0, EBX, 10},
    {"rtm", 7, 0, EBX, 11},
    {"avx512f", 7, 0, EBX, 16, Saved::Zmm},
    {"evex512", 7, 0, EBX, 16, Saved::Zmm},
    {"avx512dq", 7, 0, EBX, 17, Saved::Zmm},
    {"rdseed", 7, 0, EBX, 18},
    {"adx", 7, 0, EBX, 19},
    {"avx512ifma", 7, 0, EBX, 21, Saved::Zmm},
    {"clflushopt", 7, 0, EBX, 23},
    {"clwb", 7, 0, EBX, 24},
    {"avx512cd", 7, 0, EBX, 28, Saved::Zmm},
    {"sha", 7, 0, EBX, 29},
    {"avx512bw", 7, 0, EBX, 30, Saved::Zmm},
    {"avx512vl", 7, 0, EBX, 31, Saved::Zmm},
    {"avx512vbmi", 7, 0, ECX, 1, Saved::Zmm},
    {"pku", 7, 0, ECX, 4},
    {"waitpkg", 7, 0, ECX, 5},
    {"avx512vbmi2", 7, 0, ECX, 6, Saved::Zmm},
    {"shstk", 7, 0, ECX, 7},
    {"gfni", 7, 0, ECX, 8},
    {"vaes", 7, 0, ECX, 9, Saved::Ymm},
    {"vpclmulqdq", 7, 0, ECX, 10, Saved::Ymm},
    {"avx512vnni", 7, 0, ECX, 11, Saved::Zmm},
    {"avx512bitalg", 7, 0, ECX, 12, Saved::Zmm},
    {"avx512vpopcntdq", 7, 0, ECX, 14, Saved::Zmm},
    {"rdpid", 7, 0, ECX, 22},
    {"kl", 7, 0, ECX, 23},
    {"cldemote", 7, 0, ECX, 25},
    {"movdiri", 7, 0, ECX, 27},
    {"movdir64b", 7, 0, ECX, 28},
    {"enqcmd", 7, 0, ECX, 29},
    {"uintr", 7, 0, EDX, 5},
    {"avx512vp2intersect", 7, 0, EDX, 8, Saved::Zmm},
    {"serialize", 7, 0, EDX, 14},
    {"tsxldtrk", 7, 0, EDX, 16},
    {"pconfig", 7, 0, EDX, 18},
    {"amx-bf16", 7, 0, EDX, 22, Saved::Tiles},
    {"avx512fp16", 7, 0, EDX, 23, Saved::Zmm},
    {"amx-tile", 7, 0, EDX, 24, Saved::Tiles},
    {"amx-int8", 7, 0, EDX, 25, Saved::Tiles},
    {"sha512", 7, 1, EAX, 0, Saved::Ymm},
    {"sm3", 7, 1, EAX, 1, Saved::Ymm},
    {"sm4", 7, 1, EAX, 2, Saved::Ymm},
    {"raoint", 7, 1, EAX, 3},
    {"avxvnni", 7, 1, EAX, 4, Saved::Ymm},
    {"avx512bf16", 7, 1, EAX, 5, Saved::Zmm},
    {"cmpccxadd", 7, 1, EAX, 7},
    {"amx-fp16", 7, 1, EAX, 21, Saved::Tiles},
    {"hreset", 7, 1, EAX, 22},
    {"avxifma", 7, 1, EAX, 23, Saved::Ymm},
    {"movrs", 7, 1, EAX, 31},
    {"avxvnniint8", 7, 1, EDX, 4, Saved::Ymm},
    {"avxneconvert", 7, 1, EDX, 5, Saved::Ymm},
    {"amx-complex", 7, 1, EDX, 8, Saved::Tiles},
    {"avxvnniint16", 7, 1, EDX, 10, Saved::Ymm},
    {"prefetchi", 7, 1, EDX, 14},
    {"usermsr", 7, 1, EDX, 15},
    {"avx10.1", 7, 1, EDX, 19, Saved::Zmm},
    {"avx10.1-512", 7, 1, EDX, 19, Saved::Zmm},
    {"egpr", 7, 1, EDX, 21, Saved::Egpr},
    {"push2pop2", 7, 1, EDX, 21, Saved::Egpr},
    {"ppx", 7, 1, EDX, 21, Saved::Egpr},
    {"ndd", 7, 1, EDX, 21, Saved::Egpr},
    {"ccmp", 7, 1, EDX, 21, Saved::Egpr},
    {"nf", 7, 1, EDX, 21, Saved::Egpr},
    {"cf", 7, 1, EDX, 21, Saved::Egpr},
    {"zu", 7, 1, EDX, 21, Saved::Egpr},
    {"xsaveopt", 0xd, 1, EAX, 0, Saved::Ymm},
    {"xsavec", 0xd, 1, EAX, 1, Saved::Ymm},
    {"xsaves", 0xd, 1, EAX, 3, Saved::Ymm},
    {"ptwrite", 0x14, 0, EBX, 4},
    {"widekl", 0x19, 0, EBX, 2},
    {"amx-fp8", 0x1e, 1, EAX, 4, Saved::Tiles},
    {"amx-tf32", 0x1e, 1, EAX, 6, Saved::Tiles},
    {"amx-avx512", 0x1e, 1, EAX, 7, Saved::Tiles},
    {"amx-movrs", 0x1e, 1, EAX, 8, Saved::Tiles},
    {"sahf", 0x80000001, 0, ECX, 0},
    {"lzcnt", 0x80000001, 0, ECX, 5},
    {"sse4a", 0x80000001, 0, ECX, 6},
    {"sse-unaligned-mem", 0x80000001, 0, ECX, 7},
    {"prfchw", 0x80000001, 0, ECX, 8},
    {"xop", 0x80000001, 0, ECX, 11, Saved::Ymm},
    {"lwp", 0x80000001, 0, ECX, 15},
    {"fma4", 0x80000001, 0, ECX, 16, Saved::Ymm},
    {"tbm", 0x80000001, 0, ECX, 21},
    {"mwaitx", 0x80000001, 0, ECX, 29},
    {"64bit", 0x80000001, 0, EDX, 29},
    {"clzero", 0x80000008, 0, EBX, 0},
    {"rdpru", 0x80000008, 0, EBX, 4},
    {"wbnoinvd", 0x80000008, 0, EBX, 9},
};

/// Names that only steer the compiler's choices: every x86-64 CPU runs the
/// result. A name that ends in '-' stands for all that begin with it.
static constexpr std::string_view tuning[] = {
    "64bit-mode",
    "allow-light-256-bit",
    "branch-hint",
    "branchfusion",
    "ermsb",
    "false-deps-",
    "fast-",
    "faster-",
    "fsrm",
    "harden-sls-",
    "idivl-to-divb",
    "idivq-to-divl",
    "inline-asm-use-gpr32",
    "lea-sp",
    "lea-uses-ag",
    "lvi-",
    "macrofusion",
    "no-bypass-delay",
    "no-bypass-delay-",
    "nopl",
    "pad-short-functions",
    "prefer-",
    "retpoline",
    "retpoline-",
    "sbb-dep-breaking",
    "seses",
    "slow-",
    "soft-float",
    "tagged-globals",
    "tuning-",
    "use-",
    "vzeroupper",
};

static bool isTuning(std::string_view name) {
  return std::any_of(std::begin(tuning), std::end(tuning),
                     [name](std::string_view entry) {
                       if (entry.back() == '-')
                         return name.substr(0, entry.size()) == entry;
                       return name == entry;
                     });
}

static bool readCpuBit(const Feature &feature) {
  uint32_t values[4] = {};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &values[EAX],
                         &values[EBX], &values[ECX], &values[EDX]))
    return false;
  return (values[feature.reg] >> feature.bit) & 1;
}

/// The register XCR0: which state the operating system saves for threads.
static uint64_t readSavedState() {
  constexpr Feature osxsave = {"osxsave", 1, 0, ECX, 27};
  if (!readCpuBit(osxsave))
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

static bool isSaved(Saved saved) {
  constexpr uint64_t ymm = 0x6, zmm = 0xe6, tiles = 0x60000, egpr = 0x80000;
  uint64_t needed = 0;
  switch (saved) {
  case Saved::Nothing:
    return true;
  case Saved::Ymm:
    needed = ymm;
    break;
  case Saved::Zmm:
    needed = zmm;
    break;
  case Saved::Tiles:
    needed = tiles;
    break;
  case Saved::Egpr:
    needed = egpr;
    break;
  }
  return (readSavedState() & needed) == needed;
}

/// AVX10.2 has no bit of its own: it is a version number in leaf 0x24.
static bool hasAvx10Version(uint32_t version) {
  constexpr Feature avx10 = {"avx10", 7, 1, EDX, 19, Saved::Zmm};
  uint32_t eax, ebx, ecx, edx;
  return readCpuBit(avx10) && isSaved(avx10.saved) &&
         __get_cpuid_count(0x24, 0, &eax, &ebx, &ecx, &edx) &&
         (ebx & 0xff) >= version;
}

FeatureState moe::rt::findCpuFeature(std::string_view name) {
  if (isTuning(name))
    return FeatureState::Present;
  if (name == "avx10.2" || name == "avx10.2-512")
    return hasAvx10Version(2) ? FeatureState::Present : FeatureState::Missing;
  auto found = std::find_if(
      std::begin(features), std::end(features),
      [name](const Feature &feature) { return feature.name == name; });
  if (found == std::end(features))
    return FeatureState::Unknown;
  return readCpuBit(*found) && isSaved(found->saved) ? FeatureState::Present
                                                     : FeatureState::Missing;
}

#else

FeatureState moe::rt::findCpuFeature(std::string_view) {
  return FeatureState::Unknown;
}

#endif

static int32_t checkRequiredFeature(std::string_view name, const char *cpu,
                                    moe_error *error) {
  std::string shown(name);
  switch (findCpuFeature(name)) {
  case FeatureState::Present:
    return MOE_OK;
  case FeatureState::Missing:
    return moe_error_set(error, MOE_UNSUPPORTED,
                         "the module was compiled for CPU '%s' with feature "
                         "'%s', which this CPU lacks; compile it again for "
                         "this machine [moe-cpu-feature-missing]",
                         Shown(cpu).text, Shown(shown.c_str()).text);
  case FeatureState::Unknown:
    break;
  }
  return moe_error_set(error, MOE_UNSUPPORTED,
                       "the module was compiled for CPU '%s' with feature "
                       "'%s', which this runtime cannot check; compile it "
                       "again without that feature [moe-cpu-feature-unknown]",
                       Shown(cpu).text, Shown(shown.c_str()).text);
}

int32_t moe::rt::checkCpuFeatures(const char *list, const char *cpu,
                                  moe_error *error) {
  std::string_view rest = list ? list : "";
  while (!rest.empty()) {
    size_t end = std::min(rest.find(','), rest.size());
    std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (item.empty() || item.front() == '-')
      continue;
    if (item.front() == '+')
      item.remove_prefix(1);
    if (int32_t status = checkRequiredFeature(item, cpu, error))
      return status;
  }
  return MOE_OK;
}
