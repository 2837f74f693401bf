# Installs the programs, and what a runtime that loads artifacts links: imp::artifact (reads .imp files), imp::layouts (index
# maps), imp::safetensors and imp::base. Headers keep their place in the tree, under include/imp.
option(IMP_INSTALL "Install programs, libraries and headers" ${PROJECT_IS_TOP_LEVEL})
if(NOT IMP_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)

install(TARGETS imp-convert imp-verify imp-inspect imp-unpack imp-bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set_target_properties(imp_xxhash PROPERTIES EXPORT_NAME xxhash)
install(TARGETS imp_base imp_safetensors imp_artifact imp_layouts imp_xxhash EXPORT imp
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(folder src/base formats/safetensors formats/imp kernels/layouts)
  install(DIRECTORY ${folder}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/imp/${folder}
    FILES_MATCHING PATTERN "*.h")
endforeach()

set(imp_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/imp)
install(EXPORT imp NAMESPACE imp:: FILE impTargets.cmake DESTINATION ${imp_package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/impConfig.cmake.in ${PROJECT_BINARY_DIR}/impConfig.cmake
  INSTALL_DESTINATION ${imp_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/impConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/impConfig.cmake ${PROJECT_BINARY_DIR}/impConfigVersion.cmake
  DESTINATION ${imp_package_dir})
install(FILES LICENSE THIRD_PARTY_NOTICES DESTINATION ${CMAKE_INSTALL_DOCDIR})
