# -*- Python -*-
# The lit suite of moe-mlir: which files are tests, and which tools they run.
#
# Runs from a build tree (target check-moe) and from the source tree:
#   MOE_BUILD_DIR=build/release /usr/lib/llvm-22/bin/lit -sv test
#
# Environment:
#   MOE_BUILD_DIR                the build whose tools are tested
#   MOE_OPT_CHECK_IR_ROUNDTRIP   1: every moe-opt run prints and parses its
#                                input again (--verify-roundtrip)

import os
import shlex
import shutil

import lit.formats
import lit.llvm
from lit.llvm.subst import ToolSubst


def setting(name, otherwise):
    """What lit.site.cfg.py says, or `otherwise` when lit runs on the source."""
    if not hasattr(config, name):
        setattr(config, name, otherwise)
    return getattr(config, name)


source_dir = os.path.dirname(os.path.abspath(__file__))
setting("moe_build_dir", os.path.abspath(os.environ.get(
    "MOE_BUILD_DIR", os.path.join(source_dir, "..", "build", "release"))))
setting("moe_sanitize", os.environ.get("MOE_SANITIZE", ""))
setting("llvm_tools_dir", "/usr/lib/llvm-22/bin")
setting("lit_tools_dir", "")
lit.llvm.initialize(lit_config, config)
from lit.llvm import llvm_config

config.name = "MoE"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "lit.cfg.py", "CMakeLists.txt"]
config.test_source_root = source_dir
config.test_exec_root = os.path.join(config.moe_build_dir, "test")

# What a test may use: seconds for a test, seconds and KiB of address space for
# a tool. Some MLIR pattern sets never end, some tests feed hostile input.
TEST_SECONDS = 300
TOOL_SECONDS = 120
TOOL_KIB = 8_000_000

if lit_config.maxIndividualTestTimeIsSupported[0]:
    lit_config.maxIndividualTestTime = TEST_SECONDS


def limited(tool):
    """The command of a tool that runs under the limits."""
    # Sanitizers reserve terabytes of address space and limit memory themselves.
    memory = "" if config.moe_sanitize else f"ulimit -v {TOOL_KIB}; "
    script = f'{memory}exec timeout {TOOL_SECONDS} "$0" "$@"'
    return f"sh -c {shlex.quote(script)} {tool}"


def find(tool):
    return os.path.join(config.moe_build_dir, "bin", tool)


def opt_flags():
    if os.environ.get("MOE_OPT_CHECK_IR_ROUNDTRIP") == "1":
        return ["--verify-roundtrip"]
    return []


llvm_config.with_system_environment(["HOME", "TMP", "TEMP", "ASAN_OPTIONS",
                                     "UBSAN_OPTIONS"])
config.environment["FILECHECK_OPTS"] = (
    "-enable-var-scope --dump-input-filter=error")

if config.moe_sanitize:
    config.available_features.add("sanitizer")

tools = [ToolSubst("moe-opt", limited(find("moe-opt")),
                   extra_args=opt_flags())]
# The other tools are optional parts of a build; tests of theirs say
# "REQUIRES: moe-run".
for name in ["moe-bench", "moe-check-module", "moe-run", "moe-translate"]:
    if os.path.exists(find(name)):
        config.available_features.add(name)
        tools.append(ToolSubst(name, limited(find(name))))
if not os.path.exists(find("moe-opt")):
    lit_config.fatal(f"no moe-opt in {config.moe_build_dir}/bin; build it, or "
                     "set MOE_BUILD_DIR to a build folder")
config.substitutions.append(
    ("%bin", os.path.join(config.moe_build_dir, "bin")))
# A C compiler for programs that link what moe-opt emits.
host_cc = next(filter(None, map(shutil.which, ["cc", "clang-22", "gcc"])), None)
if host_cc:
    config.available_features.add("host-cc")
    config.substitutions.append(("%host_cc", host_cc))
for name in ["FileCheck", "not", "count", "split-file", "mlir-translate"]:
    tools.append(ToolSubst(name, unresolved="fatal"))
llvm_config.add_tool_substitutions(tools, [config.llvm_tools_dir])
