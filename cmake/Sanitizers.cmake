# zm_sanitize(target): AddressSanitizer and UBSan under ZM_SANITIZE, and the same with
# libFuzzer's coverage under ZM_FUZZ. Every finding ends the program.
set(zm_sanitizers "")
if(ZM_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "ZM_FUZZ needs CC=clang (libFuzzer)")
  endif()
  set(zm_sanitizers fuzzer-no-link,address,undefined)
elseif(ZM_SANITIZE)
  set(zm_sanitizers address,undefined)
endif()

function(zm_sanitize target)
  if(zm_sanitizers)
    target_compile_options(${target} PRIVATE -g -O1 -fno-omit-frame-pointer
                           -fsanitize=${zm_sanitizers} -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${zm_sanitizers})
  endif()
endfunction()
