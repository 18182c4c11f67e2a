# cmake -DBUILD_DIR=... -DPREFIX=... -P install.cmake
# Installs a build into an empty folder, and says what was installed.

file(REMOVE_RECURSE "${PREFIX}")
execute_process(
  COMMAND "${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${PREFIX}"
  COMMAND_ERROR_IS_FATAL ANY)
foreach(header moe-c/Model.h moe_rt/arguments.h moe_rt/context.h moe_rt/error.h
        moe_rt/safetensors.h MoE/Runtime/Abi.h)
  if(NOT EXISTS "${PREFIX}/include/${header}")
    message(FATAL_ERROR "include/${header} was not installed")
  endif()
endforeach()
foreach(file share/doc/moe-mlir/LICENSE share/doc/moe-mlir/README.md
        examples/layer.mlir examples/aot/host.c)
  if(NOT EXISTS "${PREFIX}/${file}")
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()
# The tools start without anything in the environment.
foreach(command
        "moe-opt;--version" "moe-translate;--version"
        "moe-run;examples/layer.mlir;--random-weights=1;--random-inputs=1;--size;tokens=5")
  list(POP_FRONT command tool)
  execute_process(
    COMMAND env -i "${PREFIX}/bin/${tool}" ${command}
    WORKING_DIRECTORY "${PREFIX}"
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(EXISTS "${PREFIX}/include/moe_rt/boundary.h")
  message(FATAL_ERROR "include/moe_rt/boundary.h is not for callers")
endif()
