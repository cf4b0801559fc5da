# zm_warnings(target): the warnings that every file of zmae is free of.
function(zm_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion)
  if(ZM_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
