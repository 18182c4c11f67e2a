//===- Object.cpp - From the LLVM dialect to object bytes
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Target/Object.h"
#include "Partition.h"
#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/Threading.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include <mutex>
#include <unistd.h>

using namespace mlir;
using namespace mlir::moe;

/// LLVM's own registration of the native target, once per process.
static void initializeNativeTarget() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

/// The error for a triple that LLVM cannot make object code for here.
static std::string noCodeGenerator(const std::string &triple) {
  return "expected the triple of a system that this build generates code for, "
         "but got '" +
         triple + "'; use " + llvm::sys::getProcessTriple() +
         " [moe-target-triple]";
}

/// The code generator for `triple`, or null and the reason in `error`.
static const llvm::Target *lookupTarget(const std::string &triple,
                                        std::string &error) {
  initializeNativeTarget();
  std::string reason;
  const llvm::Target *found =
      llvm::TargetRegistry::lookupTarget(llvm::Triple(triple), reason);
  if (!found)
    error = noCodeGenerator(triple);
  return found;
}

/// False for a processor without the instructions that all code for `triple`
/// has; LLVM would end the process.
static bool runsCodeFor(const llvm::Triple &triple,
                        const llvm::MCSubtargetInfo &processor) {
  return triple.getArch() != llvm::Triple::x86_64 ||
         processor.checkFeatures("+64bit");
}

/// What LLVM knows of a processor, or null and the reason in `error`.
static std::unique_ptr<llvm::MCSubtargetInfo>
describeProcessor(const std::string &triple, StringRef cpu,
                  std::string &error) {
  const llvm::Target *found = lookupTarget(triple, error);
  if (!found)
    return nullptr;
  auto describe = [&](StringRef name) {
    return std::unique_ptr<llvm::MCSubtargetInfo>(
        found->createMCSubtargetInfo(llvm::Triple(triple), name, ""));
  };
  // Given a name that it does not know, LLVM would warn and go on without it.
  std::unique_ptr<llvm::MCSubtargetInfo> processor;
  if (describe("")->isCPUStringValid(cpu))
    processor = describe(cpu);
  if (processor && runsCodeFor(llvm::Triple(triple), *processor))
    return processor;
  error = "expected a processor that LLVM knows and that runs code for " +
          triple + ", but got '" + cpu.str() +
          "'; llc -mcpu=help lists all [moe-target-cpu]";
  return nullptr;
}

/// Features that no generated code uses, so that no processor must have them:
/// instructions that manage the system, of which a virtual machine often lacks
/// some, and those that LLVM makes of intrinsics only.
static bool isOfSystem(StringRef feature) {
  static constexpr StringLiteral names[] = {
      "cldemote", "clflushopt", "clwb",   "clzero",    "enqcmd",    "fsgsbase",
      "hreset",   "invpcid",    "kl",     "lwp",       "movdir64b", "movdiri",
      "mwaitx",   "pconfig",    "pku",    "prefetchi", "ptwrite",   "rdpid",
      "rdpru",    "rdrnd",      "rdseed", "rtm",       "serialize", "sgx",
      "shstk",    "tsxldtrk",   "uintr",  "usermsr",   "waitpkg",   "wbnoinvd",
      "widekl",   "xsave",      "xsavec", "xsaveopt",  "xsaves"};
  return llvm::is_contained(names, feature);
}

/// Says whether generated code may use a feature.
static void addFeature(CPUTarget &target, StringRef feature, bool isPresent) {
  if (isPresent && isOfSystem(feature))
    return;
  if (!target.features.empty())
    target.features += ',';
  target.features += (isPresent ? '+' : '-') + feature.str();
}

CPUTarget CPUTarget::host() {
  CPUTarget target;
  target.triple = llvm::sys::getProcessTriple();
  target.cpu = llvm::sys::getHostCPUName().str();
  // A virtual machine may lack what its processor is known for.
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    addFeature(target, feature.getKey(), feature.getValue());
#if defined(_SC_LEVEL1_DCACHE_ASSOC) && defined(_SC_LEVEL2_CACHE_SIZE)
  // Less than 1 where the system does not know.
  target.l1Ways = std::max<int64_t>(0, sysconf(_SC_LEVEL1_DCACHE_ASSOC));
  target.l2Bytes = std::max<int64_t>(0, sysconf(_SC_LEVEL2_CACHE_SIZE));
#endif
  return target;
}

std::optional<CPUTarget> CPUTarget::get(StringRef cpu, std::string &error) {
  CPUTarget target;
  target.triple = llvm::sys::getProcessTriple();
  target.cpu = cpu.str();
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget =
      describeProcessor(target.triple, cpu, error);
  if (!subtarget)
    return std::nullopt;
  for (const llvm::SubtargetFeatureKV &feature :
       subtarget->getEnabledProcessorFeatures())
    addFeature(target, feature.Key, /*isPresent=*/true);
  return target;
}

/// The code generator for `target`, or null and the reason in `error`.
static std::unique_ptr<llvm::TargetMachine>
createMachine(const CPUTarget &target, std::string &error) {
  if (!describeProcessor(target.triple, target.cpu, error))
    return nullptr;
  const llvm::Target *found = lookupTarget(target.triple, error);
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      llvm::Triple(target.triple), target.cpu, target.features,
      llvm::TargetOptions(), llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive, /*JIT=*/false));
  if (!machine)
    error = noCodeGenerator(target.triple);
  return machine;
}

/// LLVM's -O3 without unrolling: the loops of kernels are as long as their
/// registers allow, and more copies of them take longer to compile and to run.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  tuning.LoopInterleaving = true;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = true;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
}

namespace {

/// Skips a pass of the code generator that takes a quarter of its time and does
/// nothing for kernels, which step through memory by addresses of their own.
class WithoutStrengthReduction : public llvm::OptPassGate {
public:
  bool isEnabled() const override { return true; }
  bool shouldRunPass(StringRef name, StringRef) const override {
    return name != "Loop Strength Reduction";
  }
};

} // namespace

/// Optimizes `module` and compiles it to bytes in memory.
static std::unique_ptr<llvm::MemoryBuffer>
generate(llvm::Module &module, const CPUTarget &target, std::string &error) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, error);
  if (!machine)
    return nullptr;
  optimize(module, *machine);
  SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr,
                                   llvm::CodeGenFileType::ObjectFile)) {
    error = noCodeGenerator(target.triple);
    return nullptr;
  }
  // Without state, it serves all threads, and outlives every context.
  static WithoutStrengthReduction gate;
  module.getContext().setOptPassGate(gate);
  codegen.run(module);
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(bytes), "moe.o", /*RequiresNullTerminator=*/false);
}

/// The same in a context of its own.
static std::unique_ptr<llvm::MemoryBuffer>
generate(const Bitcode &bitcode, const CPUTarget &target, std::string &error) {
  llvm::LLVMContext context;
  StringRef bytes(bitcode.data(), bitcode.size());
  auto module = llvm::parseBitcodeFile({bytes, "moe"}, context);
  if (!module) {
    error = llvm::toString(module.takeError());
    return nullptr;
  }
  return generate(**module, target, error);
}

/// `module` in LLVM IR for `target`; null after an error.
static std::unique_ptr<llvm::Module> translate(ModuleOp module,
                                               const CPUTarget &target,
                                               llvm::LLVMContext &context) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, error);
  if (!machine) {
    module.emitError() << error;
    return nullptr;
  }
  std::unique_ptr<llvm::Module> translated =
      translateModuleToLLVMIR(module, context, "moe");
  if (!translated) {
    module.emitError("expected a module in the LLVM dialect; lower it with "
                     "--moe-compile [moe-target-translate]");
    return nullptr;
  }
  translated->setDataLayout(machine->createDataLayout());
  translated->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *translated) {
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
  }
  return translated;
}

std::optional<std::string> moe::emitLLVMIR(ModuleOp module,
                                           const CPUTarget &target) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = translate(module, target, context);
  if (!translated)
    return std::nullopt;
  std::string text;
  llvm::raw_string_ostream(text) << *translated;
  return text;
}

std::unique_ptr<llvm::MemoryBuffer> moe::emitObject(ModuleOp module,
                                                    const CPUTarget &target) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = translate(module, target, context);
  if (!translated)
    return nullptr;
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> object =
      generate(*translated, target, error);
  if (!object)
    module.emitError() << error;
  return object;
}

Objects moe::emitObjects(ModuleOp module, const CPUTarget &target,
                         unsigned most) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = translate(module, target, context);
  if (!translated)
    return {};
  if (most == 0)
    most = llvm::hardware_concurrency().compute_thread_count();
  SmallVector<Bitcode> parts = partition(*translated, most);
  Objects objects(parts.size());
  SmallVector<std::string> errors(parts.size());
  parallelFor(module.getContext(), 0, parts.size(), [&](size_t i) {
    objects[i] = generate(parts[i], target, errors[i]);
  });
  for (auto [object, error] : llvm::zip(objects, errors))
    if (!object) {
      module.emitError() << error;
      return {};
    }
  return objects;
}
