# zm_add_cpu_kernels(target): the kernels of backends/cpu (kernels_*.c and gemm*.c), once
# for each instruction set and once in double precision. ZM_CPU_SUFFIX keeps their names
# apart; the backend picks at start-up.
set(zm_x86 FALSE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  set(zm_x86 TRUE)
endif()

function(zm_cpu_variant target suffix)
  set(name zmae_cpu_${suffix})
  add_library(${name} OBJECT ${zm_kernel_files})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS ON POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE ZM_CPU_SUFFIX=${suffix}
                             _POSIX_C_SOURCE=200809L)
  zm_warnings(${name})
  zm_sanitize(${name})
  if(NOT zm_sanitizers)
    target_compile_options(${name} PRIVATE -O3)
  endif()
  target_compile_options(${name} PRIVATE -ffp-contract=fast -fno-math-errno
                         -fno-trapping-math ${ARGN})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()

function(zm_add_cpu_kernels target)
  file(GLOB zm_kernel_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/backends/cpu/kernels_*.c
       ${CMAKE_SOURCE_DIR}/backends/cpu/gemm*.c)
  if(NOT zm_kernel_files)
    return()
  endif()
  zm_cpu_variant(${target} base)
  zm_cpu_variant(${target} f64 -DZM_CPU_F64)
  if(zm_x86)
    zm_cpu_variant(${target} avx2 -mavx2 -mfma)
    zm_cpu_variant(${target} avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
                   -mprefer-vector-width=512)
    target_compile_definitions(${target} PUBLIC ZM_HAVE_X86_KERNELS)
  endif()
endfunction()
