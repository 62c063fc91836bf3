# SPDX-License-Identifier: Apache-2.0
# Installs what authors of plugins need: the SDK's headers, the CMake package and the pkg-config file. The program and the
# plugins install themselves. Nothing installed knows where it lies: the tree can be moved.
include(CMakePackageConfigHelpers)
set(lsb_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lsbench)

add_library(lsbench::sdk ALIAS lsb_sdk)
set_target_properties(lsb_sdk PROPERTIES EXPORT_NAME sdk)
install(TARGETS lsb_sdk EXPORT lsbench-targets)
install(EXPORT lsbench-targets NAMESPACE lsbench:: DESTINATION ${lsb_package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/core/include/lsbench DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/lsbench-config.cmake.in
	${PROJECT_BINARY_DIR}/package/lsbench-config.cmake INSTALL_DESTINATION ${lsb_package_dir}
	PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/lsbench-config-version.cmake
	COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/lsbench-config.cmake
	${PROJECT_BINARY_DIR}/package/lsbench-config-version.cmake
	${CMAKE_CURRENT_LIST_DIR}/LsbAddPlugin.cmake ${CMAKE_CURRENT_LIST_DIR}/plugin.map DESTINATION ${lsb_package_dir})

file(RELATIVE_PATH lsb_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" lsb_pc_prefix "${lsb_pc_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/lsbench.pc.in ${PROJECT_BINARY_DIR}/package/lsbench.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/lsbench.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
