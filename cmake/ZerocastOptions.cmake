# Compiler flags of every target, and zerocast_library(): one static library per folder of src/.

add_library(zerocast_options INTERFACE)
target_compile_options(zerocast_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wnull-dereference -Wformat=2 -fno-omit-frame-pointer)
if(ZEROCAST_WERROR)
  target_compile_options(zerocast_options INTERFACE -Werror)
endif()
# GCC 12 reports false positives of these in optimised libstdc++ and fmt code once sanitizers add branches.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(zerocast_options INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized)
endif()
if(ZEROCAST_SANITIZE)
  # Stacks with lines; under AddressSanitizer -Og builds as fast as -O0, in two thirds of the time of -O1, and runs the
  # tests faster. ThreadSanitizer's build is cheap either way.
  if(ZEROCAST_SANITIZE STREQUAL "thread")
    set(sanitize_optimisation -O1)
  else()
    set(sanitize_optimisation -Og)
  endif()
  target_compile_options(zerocast_options INTERFACE -fsanitize=${ZEROCAST_SANITIZE} -fno-sanitize-recover=all
                         ${sanitize_optimisation} -g1)
  target_link_options(zerocast_options INTERFACE -fsanitize=${ZEROCAST_SANITIZE})
else()
  # What Debian hardens its own packages with, and the larger set of checked library calls. A package's build defines
  # _FORTIFY_SOURCE by itself, hence the -U.
  target_compile_options(zerocast_options INTERFACE -fstack-protector-strong -fstack-clash-protection
                         "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_compile_options(zerocast_options INTERFACE -fcf-protection)
  endif()
endif()

# zerocast_harden(PROGRAM): an installed program's stack is not executed, and its tables of addresses are filled at the
# start and read-only from then on. Debian's compiler does the rest by itself (random addresses).
function(zerocast_harden program)
  if(NOT ZEROCAST_SANITIZE)
    target_link_options(${program} PRIVATE LINKER:-z,relro,-z,now,-z,noexecstack)
  endif()
endfunction()

find_program(ZEROCAST_CCACHE ccache)
if(ZEROCAST_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${ZEROCAST_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ZEROCAST_CCACHE})
endif()
find_program(ZEROCAST_MOLD mold)
if(ZEROCAST_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# zerocast_library(NAME SOURCES ... PUBLIC ... PRIVATE ...)
# A third-party library goes under PRIVATE unless the folder's headers show its types.
function(zerocast_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(zerocast_${name} STATIC ${ARG_SOURCES})
  target_include_directories(zerocast_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(zerocast_${name} PUBLIC ${ARG_PUBLIC} PRIVATE zerocast_options ${ARG_PRIVATE})
endfunction()

# zerocast_pixel_loops(FILE...): sources that visit every pixel are optimised in sanitized builds too, which are -Og
# otherwise: they are most of what the tests' time goes into.
function(zerocast_pixel_loops)
  if(ZEROCAST_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2)
  endif()
endfunction()
