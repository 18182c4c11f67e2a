//===- Object.cpp - From the LLVM dialect to object bytes
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Target/Object.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include <mutex>

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

static const llvm::Target *lookupTarget(const std::string &triple,
                                        std::string &error) {
  initializeNativeTarget();
  return llvm::TargetRegistry::lookupTarget(llvm::Triple(triple), error);
}

CPUTarget CPUTarget::host() {
  CPUTarget target;
  target.triple = llvm::sys::getProcessTriple();
  target.cpu = llvm::sys::getHostCPUName().str();
  for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
    if (!feature.getValue())
      continue;
    if (!target.features.empty())
      target.features += ',';
    target.features += '+' + feature.getKey().str();
  }
  return target;
}

std::optional<CPUTarget> CPUTarget::get(StringRef cpu, std::string &error) {
  CPUTarget target;
  target.triple = llvm::sys::getProcessTriple();
  target.cpu = cpu.str();
  const llvm::Target *found = lookupTarget(target.triple, error);
  if (!found)
    return std::nullopt;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
      found->createMCSubtargetInfo(llvm::Triple(target.triple), "", ""));
  if (!subtarget->isCPUStringValid(cpu)) {
    error = "expected a processor that LLVM knows, but got '" + cpu.str() +
            "'; llc -mcpu=help lists them [moe-target-cpu]";
    return std::nullopt;
  }
  subtarget.reset(
      found->createMCSubtargetInfo(llvm::Triple(target.triple), cpu, ""));
  for (const llvm::SubtargetFeatureKV &feature :
       subtarget->getEnabledProcessorFeatures()) {
    if (!target.features.empty())
      target.features += ',';
    target.features += std::string("+") + feature.Key;
  }
  return target;
}

std::unique_ptr<llvm::MemoryBuffer> moe::emitObject(ModuleOp module,
                                                    const CPUTarget &target) {
  auto fail = [&](const Twine &what) {
    module.emitError() << what.str();
    return nullptr;
  };
  std::string error;
  const llvm::Target *found = lookupTarget(target.triple, error);
  if (!found)
    return fail("no code generator for " + target.triple + ": " + error +
                " [moe-target-triple]");
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      llvm::Triple(target.triple), target.cpu, target.features,
      llvm::TargetOptions(), llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive, /*JIT=*/false));
  if (!machine)
    return fail("no code generator for processor '" + target.cpu +
                "' [moe-target-machine]");

  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(module, context, "moe");
  if (!llvmModule)
    return fail("expected a module in the LLVM dialect; lower it with "
                "--moe-compile [moe-target-translate]");
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *llvmModule) {
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
  }
  auto optimize = makeOptimizingTransformer(/*optLevel=*/3, /*sizeLevel=*/0,
                                            machine.get());
  if (llvm::Error failure = optimize(llvmModule.get()))
    return fail(llvm::toString(std::move(failure)) + " [moe-target-optimize]");

  SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr,
                                   llvm::CodeGenFileType::ObjectFile))
    return fail("processor '" + target.cpu +
                "' has no object format [moe-target-object]");
  codegen.run(*llvmModule);
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(bytes), "moe.o", /*RequiresNullTerminator=*/false);
}
