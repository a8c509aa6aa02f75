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
# For the whole folder, so that what a target or a file says about them comes later and wins.
if(ZEROCAST_SANITIZE)
  # Stacks with lines. -Og is built faster than -O1, and runs the tests faster than -O0. ThreadSanitizer's build is cheap
  # either way.
  if(ZEROCAST_SANITIZE STREQUAL "thread")
    set(sanitize_optimisation -O1)
  else()
    set(sanitize_optimisation -Og)
  endif()
  add_compile_options(-fsanitize=${ZEROCAST_SANITIZE} -fno-sanitize-recover=all ${sanitize_optimisation} -g1)
  # AddressSanitizer notices bad pointers as they are used; with these checks besides, files take half as long again.
  if(ZEROCAST_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=null,alignment,object-size,vptr)
  endif()
  add_link_options(-fsanitize=${ZEROCAST_SANITIZE})
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

# Tests need stacks with lines; what a debugger needs besides takes a quarter of the build.
if(ZEROCAST_TESTS)
  add_compile_options("$<$<CONFIG:RelWithDebInfo>:-g1>")
endif()

find_program(ZEROCAST_CCACHE ccache)
if(ZEROCAST_CCACHE)
  # What ccache needs to be told before it keeps what precompiled headers were used for.
  set(ccache ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${ZEROCAST_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${ccache})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ccache})
endif()
find_program(ZEROCAST_MOLD mold)
if(ZEROCAST_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# zerocast_headers(TARGET): a target that compiles the headers of the standard library and of fmt once, with its options, and
# zerocast_use_headers(TARGET OF): one that takes them from there; its options have to be the same but for definitions. A
# third of the time that a file takes went into them. Every file still includes what it uses:
# CMAKE_DISABLE_PRECOMPILE_HEADERS builds without.
function(zerocast_headers target)
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/cmake/headers.cpp)
  target_link_libraries(${target} PRIVATE zerocast_options fmt::fmt)
  target_precompile_headers(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/headers.h)
endfunction()
function(zerocast_use_headers target of)
  target_precompile_headers(${target} REUSE_FROM ${of})
  target_link_libraries(${target} PRIVATE fmt::fmt)
  if(ZEROCAST_CCACHE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endfunction()
# What -pthread defines, which some libraries' flags have: everybody, or the headers are others to the compiler.
add_compile_definitions(_REENTRANT)
zerocast_headers(zerocast_headers)

# zerocast_library(NAME SOURCES ... PUBLIC ... PRIVATE ...)
# A third-party library goes under PRIVATE unless the folder's headers show its types.
function(zerocast_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(zerocast_${name} STATIC ${ARG_SOURCES})
  target_include_directories(zerocast_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(zerocast_${name} PUBLIC ${ARG_PUBLIC} PRIVATE zerocast_options ${ARG_PRIVATE})
  zerocast_use_headers(zerocast_${name} zerocast_headers)
endfunction()

# zerocast_pixel_loops(FILE...): sources that visit every pixel are optimised in sanitized builds and in tests, too, which
# are -Og otherwise: they are most of what the tests' time goes into.
function(zerocast_pixel_loops)
  if(ZEROCAST_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

# What the program does is checked for undefined behaviour, not what its tests do, and only the program is optimised: that
# halves the time that the tests take to build.
set(ZEROCAST_TEST_FLAGS "")
if(ZEROCAST_SANITIZE MATCHES "undefined")
  set(ZEROCAST_TEST_FLAGS -fno-sanitize=undefined)
elseif(NOT ZEROCAST_SANITIZE)
  set(ZEROCAST_TEST_FLAGS "$<$<CONFIG:RelWithDebInfo>:-Og>")
endif()
