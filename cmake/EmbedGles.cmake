# embed_gles(TARGET SOURCE HEADER NAME): a Vulkan compute shader as GLSL ES text, as `const char NAME[]` in
# zerocopy_shaders/HEADER, which TARGET's sources include. One source for both APIs: what GLSL ES does not have is put in
# other words, and the program that compiles the text goes before it with:
#
#   #version, precisions, the workgroup's size
#   const int kConstants[]    the specialization constants, by their id
#   #define SOURCE_SAMPLER    sampler2D or samplerExternalOES
#   #define SOURCE_IMAGE and, for pictures that are scaled, SCALED; with layers, LAYERS
#
# Run as a script (cmake -P) it does the rewriting.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(EMBED_GLES_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  function(embed_gles target source header name)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/zerocopy_shaders)
    set(input ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    get_filename_component(beside ${input} DIRECTORY)
    file(GLOB included CONFIGURE_DEPENDS ${beside}/*.glsl)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(
      OUTPUT ${folder}/${header}
      COMMAND ${CMAKE_COMMAND} -DINPUT=${input} -DOUTPUT=${folder}/${header} -DNAME=${name} -P ${EMBED_GLES_SCRIPT}
      DEPENDS ${input} ${included} ${EMBED_GLES_SCRIPT}
      COMMENT "Rewriting ${source} to ${header}"
      VERBATIM)
    target_sources(${target} PRIVATE ${folder}/${header})
    target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  endfunction()
  return()
endif()

file(READ ${INPUT} text)
function(rewrite from to)
  string(REGEX REPLACE "${from}" "${to}" changed "${text}")
  if(changed STREQUAL text)
    message(FATAL_ERROR "${INPUT}: nothing matches '${from}'")
  endif()
  set(text "${changed}" PARENT_SCOPE)
endfunction()
rewrite("^#version [^\n]*\n" "")
rewrite("#extension [^\n]*\n" "")
rewrite("#define LOOP [^\n]*\n" "#define LOOP\n")
get_filename_component(beside ${INPUT} DIRECTORY)
string(REGEX MATCHALL "#include \"[^\"]+\"\n" includes "${text}")
foreach(include IN LISTS includes)
  string(REGEX REPLACE "#include \"([^\"]+)\"\n" "\\1" name "${include}")
  file(READ ${beside}/${name} included)
  string(REPLACE "${include}" "${included}" text "${text}")
endforeach()
rewrite("layout\\(local_size_x_id[^\n]*\n" "")
rewrite("layout\\(constant_id = ([0-9]+)\\) const int ([A-Za-z0-9]+) = [^;]*;" "const int \\2 = kConstants[\\1];")
rewrite("layout\\(push_constant\\)" "layout(std140, binding = 0)")
rewrite("uniform sampler2D source_image" "uniform SOURCE_SAMPLER source_image")
file(WRITE ${OUTPUT} "#pragma once\n\nconst char ${NAME}[] = R\"glsl(${text})glsl\";\n")
