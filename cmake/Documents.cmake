# What zmae writes about itself: manual pages in build/man,
# completion scripts in build/completion, and where everything installs.
# Needs the target zmae and verb_names.
include(GNUInstallDirs)
install(TARGETS zmae RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  return() # the program cannot run here
endif()

set(documents "")
# zm_document(FILE ARGUMENT...): FILE is what zmae ARGUMENT... prints.
function(zm_document file)
  # A sanitized program may leak here: the tests tell.
  add_custom_command(OUTPUT ${file}
    COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0
            $<TARGET_FILE:zmae> ${ARGN} > ${file}
    DEPENDS zmae VERBATIM)
  set(documents ${documents} ${file} PARENT_SCOPE)
endfunction()

set(pages ${CMAKE_BINARY_DIR}/man/zmae.1)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
zm_document(${pages} man)
foreach(verb ${verb_names})
  set(page ${CMAKE_BINARY_DIR}/man/zmae-${verb}.1)
  zm_document(${page} man ${verb})
  list(APPEND pages ${page})
endforeach()
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(bash_file ${CMAKE_BINARY_DIR}/completion/zmae)
set(zsh_file ${CMAKE_BINARY_DIR}/completion/_zmae)
set(fish_file ${CMAKE_BINARY_DIR}/completion/zmae.fish)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/completion)
foreach(shell bash zsh fish)
  zm_document(${${shell}_file} completion ${shell})
endforeach()
install(FILES ${bash_file} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${zsh_file} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${fish_file} DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

add_custom_target(documents ALL DEPENDS ${documents})
