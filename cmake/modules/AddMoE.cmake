# Wrappers that keep the CMakeLists.txt of each folder a list, not a program.

include_guard()
include(GNUInstallDirs)

if(MOE_SANITIZE)
  add_compile_options(-fsanitize=${MOE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  # LLVM is built with RTTI but exports no typeinfo for all classes that
  # -fsanitize=vptr wants.
  if(MOE_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize=vptr)
  endif()
  add_link_options(-fsanitize=${MOE_SANITIZE})
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter)
if(MOE_ENABLE_WERROR)
  add_compile_options(-Werror)
endif()

# Generated headers that any file of the compiler may include.
set(MOE_GENERATED MoEOpsIncGen MoEPassesIncGen MoETransformsPassesIncGen)

# add_moe_library(<name> <sources>... [LINK <libs>...])
# A static library of lib/, linked against the MLIR shared library.
function(add_moe_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  # Not LINK_LIBS: that keeps MLIR's static archives beside libMLIR.so.
  add_mlir_library(${name} ${ARG_UNPARSED_ARGUMENTS}
    STATIC PARTIAL_SOURCES_INTENDED DISABLE_INSTALL EXCLUDE_FROM_LIBMLIR
    DEPENDS ${MOE_GENERATED})
  # MLIR's components all stand for the one shared library.
  set(own ${ARG_LINK})
  list(FILTER own EXCLUDE REGEX "^MLIR")
  list(FILTER ARG_LINK INCLUDE REGEX "^MLIR")
  mlir_target_link_libraries(${name} PUBLIC ${ARG_LINK})
  target_link_libraries(${name} PUBLIC ${own})
endfunction()

# add_moe_tool(<name> <sources>... LINK <libs>...)
function(add_moe_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_llvm_executable(${name} PARTIAL_SOURCES_INTENDED ${ARG_UNPARSED_ARGUMENTS})
  add_dependencies(${name} ${MOE_GENERATED})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR)
  target_compile_definitions(${name} PRIVATE
    MOE_VERSION="${PROJECT_VERSION}")
  # MLIR is not where the loader looks; LLVM's own wrapper sets other paths.
  set_target_properties(${name} PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}"
    INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()
