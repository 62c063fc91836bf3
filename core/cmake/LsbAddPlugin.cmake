# SPDX-License-Identifier: Apache-2.0
# lsb_add_plugin(KIND NAME SOURCES file... [LIBS target...] [FOLDER dir] [NO_INSTALL])
#   A plugin lsbench-KIND-NAME.so: a module with hidden visibility that exports lsb_plugin_v1 alone, with no
#   undefined symbols left. Target: KIND-NAME. Goes to plugins/ of the build folder (or FOLDER).
set(LSB_PLUGIN_MAP ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(lsb_add_plugin kind name)
	cmake_parse_arguments(arg "NO_INSTALL" "FOLDER" "SOURCES;LIBS" ${ARGN})
	set(target ${kind}-${name})
	add_library(${target} MODULE ${arg_SOURCES})
	set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME lsbench-${kind}-${name}
		C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden LINK_DEPENDS ${LSB_PLUGIN_MAP})
	if(TARGET lsb_flags)
		target_link_libraries(${target} PRIVATE lsb_flags lsb_sdk)
	else()
		target_link_libraries(${target} PRIVATE lsbench::sdk)
	endif()
	target_link_libraries(${target} PRIVATE ${arg_LIBS})
	target_link_options(${target} PRIVATE -Wl,--version-script=${LSB_PLUGIN_MAP})
	if(NOT LSB_SANITIZE) # a sanitizer's runtime is the executable's
		target_link_options(${target} PRIVATE -Wl,-z,defs)
	endif()
	if(NOT arg_FOLDER)
		set(arg_FOLDER ${PROJECT_BINARY_DIR}/plugins)
	endif()
	set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${arg_FOLDER})
	if(NOT arg_NO_INSTALL)
		include(GNUInstallDirs)
		install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/lsbench/plugins)
	endif()
endfunction()
