# embed_shader(TARGET SOURCE HEADER NAME [DEFINES...]): GLSL to SPIR-V at build time, as `const uint32_t NAME[]` in
# zerocopy_shaders/HEADER, which TARGET's sources include.
function(embed_shader target source header name)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/zerocopy_shaders)
  set(input ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  get_filename_component(beside ${input} DIRECTORY)
  file(GLOB included CONFIGURE_DEPENDS ${beside}/*.glsl)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${folder}/${header}
    COMMAND ${GLSLANG_VALIDATOR} --quiet -V --target-env vulkan1.2 ${ARGN} --vn ${name} -o ${folder}/${header} ${input}
    DEPENDS ${input} ${included}
    COMMENT "Compiling ${source} to ${header}"
    VERBATIM)
  target_sources(${target} PRIVATE ${folder}/${header})
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
