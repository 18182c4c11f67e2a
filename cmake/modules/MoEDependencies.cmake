# Every dependency of the project, with its version and its Debian package.
# scripts/setup installs the packages listed in scripts/packages.txt.

set(MOE_LLVM_VERSION 22.1)

# moe_missing(<what> <package>): fails with one sentence.
function(moe_missing what package)
  message(FATAL_ERROR
    "moe-mlir needs ${what}. Run scripts/setup, or install it with: "
    "apt-get install ${package}")
endfunction()

list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
find_package(MLIR CONFIG QUIET)
if(NOT MLIR_FOUND)
  moe_missing("MLIR ${MOE_LLVM_VERSION}"
              "libmlir-22-dev mlir-22-tools llvm-22-dev")
endif()
if(NOT LLVM_PACKAGE_VERSION VERSION_GREATER_EQUAL ${MOE_LLVM_VERSION} OR
   NOT LLVM_PACKAGE_VERSION VERSION_LESS 23)
  moe_missing("MLIR ${MOE_LLVM_VERSION}, but found ${LLVM_PACKAGE_VERSION} in \
${MLIR_DIR}" "libmlir-22-dev mlir-22-tools llvm-22-dev")
endif()
find_package(nlohmann_json 3.11 CONFIG QUIET)
if(NOT nlohmann_json_FOUND)
  moe_missing("nlohmann_json 3.11" "nlohmann-json3-dev")
endif()
find_path(XXHASH_INCLUDE_DIR xxhash.h)
if(NOT XXHASH_INCLUDE_DIR)
  moe_missing("xxHash 0.8" "libxxhash-dev")
endif()
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(SENTENCEPIECE QUIET IMPORTED_TARGET sentencepiece)
endif()
if(NOT SENTENCEPIECE_FOUND)
  moe_missing("SentencePiece" "libsentencepiece-dev pkg-config")
endif()
if(MOE_INCLUDE_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    moe_missing("GoogleTest" "libgtest-dev libgmock-dev")
  endif()
endif()

# Debian's MLIR is one shared library; MLIRConfig does not say so itself.
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_RUNTIME_OUTPUT_INTDIR "${PROJECT_BINARY_DIR}/bin")
set(LLVM_LIBRARY_OUTPUT_INTDIR "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(HandleLLVMOptions)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories("${PROJECT_SOURCE_DIR}/include"
                    "${PROJECT_BINARY_DIR}/include")
separate_arguments(MOE_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${MOE_LLVM_DEFINITIONS})

find_program(MOE_LIT lit HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
