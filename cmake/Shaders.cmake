# zm_add_shaders(target): compiles the shader of every kernel in shaders/kernels.def to a
# C array zm_spv_<kernel> (and tests/shaders/*.comp to zm_spv_<name>, when tests are
# built), and writes zm_shaders.inc, which includes them all for
# backends/vulkan/vk_shaders.c.
set(zm_shader_dir ${CMAKE_SOURCE_DIR}/shaders)

# One shader to one header; the compiler reports what it included.
function(zm_compile_shader source name)
  set(header ${CMAKE_BINARY_DIR}/shaders/${name}.spv.h)
  add_custom_command(
    OUTPUT ${header}
    COMMAND ${ZM_GLSLANG} --quiet -V --target-env vulkan1.1 --vn zm_spv_${name}
            -I${zm_shader_dir} --depfile ${header}.d -o ${header} ${source}
    DEPENDS ${source}
    DEPFILE ${header}.d
    COMMENT "Shader ${name}"
    VERBATIM)
  set(zm_shader_headers ${zm_shader_headers} ${header} PARENT_SCOPE)
endfunction()

function(zm_add_shaders target)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
               ${zm_shader_dir}/kernels.def)
  file(STRINGS ${zm_shader_dir}/kernels.def lines REGEX "^ZM_KERNEL\\(")
  set(zm_shader_headers)
  set(table "")
  foreach(line ${lines})
    string(REGEX REPLACE "^ZM_KERNEL\\(([a-z0-9_]+),.*" "\\1" name "${line}")
    zm_compile_shader(${zm_shader_dir}/${name}.comp ${name})
    string(APPEND table "#include \"shaders/${name}.spv.h\"\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/shaders/zm_shaders.inc CONTENT "${table}")
  if(ZM_TESTS)
    file(GLOB faulty CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/shaders/*.comp)
    foreach(source ${faulty})
      get_filename_component(name ${source} NAME_WE)
      zm_compile_shader(${source} ${name})
    endforeach()
  endif()
  target_sources(${target} PRIVATE ${zm_shader_headers})
  target_include_directories(${target} PUBLIC ${CMAKE_BINARY_DIR}
                             ${CMAKE_BINARY_DIR}/shaders)
endfunction()
