# `cmake --install`: the rooms as cooper::NAME for find_package(cooper), and the command with the schema of its files.
include(CMakePackageConfigHelpers)

set(cooper_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cooper)
install(EXPORT cooperTargets NAMESPACE cooper:: DESTINATION ${cooper_package_dir} COMPONENT cooper_development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/cooperConfig.cmake.in ${PROJECT_BINARY_DIR}/cooperConfig.cmake
                              INSTALL_DESTINATION ${cooper_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cooperConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cooperConfig.cmake ${PROJECT_BINARY_DIR}/cooperConfigVersion.cmake
        DESTINATION ${cooper_package_dir} COMPONENT cooper_development)

if(COOPER_CLI)
  install(TARGETS cooper_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT cooper_command)
  install(FILES ${PROJECT_SOURCE_DIR}/lib/build/project/cooper.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/cooper
          COMPONENT cooper_command)
endif()
