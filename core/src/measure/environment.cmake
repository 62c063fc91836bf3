# SPDX-License-Identifier: Apache-2.0
# What environment.c says of the build: known when it is configured.
execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} rev-parse HEAD
	OUTPUT_VARIABLE lsb_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} status --porcelain --untracked-files=no
	OUTPUT_VARIABLE lsb_changes OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(lsb_commit AND lsb_changes)
	string(APPEND lsb_commit "+changes")
endif()
set_source_files_properties(environment.c PROPERTIES COMPILE_DEFINITIONS
	"LSB_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\";LSB_BUILD_COMPILER=\"${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}\";LSB_BUILD_COMMIT=\"${lsb_commit}\";LSB_BUILD_SANITIZE=\"${LSB_SANITIZE}\"")
