# What `make install` puts where: libraries, headers, pkg-config and CMake package files, the command and its man page.
include(CMakePackageConfigHelpers)

if(TARGET vmaccel_shared)
  install(TARGETS vmaccel_shared vmaccel_static EXPORT vmaccel_targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT vmaccel_targets NAMESPACE vmaccel:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vmaccel FILE vmaccel-targets.cmake)
endif()
install(DIRECTORY include/vmaccel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
string(REGEX REPLACE "[^/]+" ".." VMA_PC_UP "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
configure_file(cmake/vmaccel.pc.in vmaccel.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/vmaccel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
configure_package_config_file(cmake/vmaccel-config.cmake.in vmaccel-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vmaccel)
write_basic_package_version_file(vmaccel-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/vmaccel-config.cmake ${CMAKE_BINARY_DIR}/vmaccel-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vmaccel)
if(TARGET vmaccel_command)
  install(TARGETS vmaccel_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES docs/vmaccel.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
