# SPDX-License-Identifier: Apache-2.0
# lsb_add_check(NAME SOURCES file... [LIBS target...])
#   One Check program and one ctest entry of the same name. LSB_GOLDEN and LSB_SOURCE_DIR reach it as macros.
function(lsb_add_check name)
	if(NOT LSB_TESTS)
		return()
	endif()
	cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE lsb_flags lsb_sdk ${arg_LIBS} PkgConfig::CHECK m)
	target_compile_definitions(${name} PRIVATE LSB_GOLDEN="${LSB_GOLDEN}" LSB_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
		LSB_BINARY_DIR="${PROJECT_BINARY_DIR}")
	add_test(NAME ${name} COMMAND ${name})
	# Limits are for what hangs: far above what a test takes on a machine that others keep busy.
	set_tests_properties(${name} PROPERTIES TIMEOUT 900
		ENVIRONMENT "CK_DEFAULT_TIMEOUT=60;CK_TIMEOUT_MULTIPLIER=3")
endfunction()
