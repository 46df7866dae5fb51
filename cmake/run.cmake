# vma_program(VARIABLE TARGET): a path at which scripts can start the target. Cross compiled, that is a script which starts it under
# the emulator; VMACCEL_SELF tells the command how to start itself again, which a Windows program knows.
function(vma_program out target)
  if(NOT CMAKE_CROSSCOMPILING)
    set(${out} $<TARGET_FILE:${target}> PARENT_SCOPE)
    return()
  endif()
  string(JOIN " " emulator ${CMAKE_CROSSCOMPILING_EMULATOR})
  set(self "VMACCEL_SELF=$0 ")
  if(WIN32)
    set(self "")
  endif()
  set(script ${CMAKE_BINARY_DIR}/run/$<TARGET_FILE_NAME:${target}>)
  file(GENERATE OUTPUT ${script}
    CONTENT "#!/bin/sh\n${self}exec ${emulator} $<TARGET_FILE:${target}> \"$@\"\n"
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  set(${out} ${script} PARENT_SCOPE)
endfunction()
