# SPDX-License-Identifier: Apache-2.0
# run(MESSAGE command...): run, or fail with what it printed. Its output is in `output`.
function(run what)
	execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
	if(NOT status EQUAL 0)
		message(FATAL_ERROR "${what} failed (${status}):\n${output}")
	endif()
	set(output "${output}" PARENT_SCOPE)
endfunction()

function(want_in_output text)
	string(FIND "${output}" "${text}" at)
	if(at EQUAL -1)
		message(FATAL_ERROR "wanted '${text}' in:\n${output}")
	endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
unset(ENV{LSBENCH_PLUGINS})
run("install" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/moved)
set(lsbench ${WORK}/moved/bin/lsbench)

run("configure" ${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${WORK}/moved
	-DCMAKE_C_COMPILER=${CC} "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror")
run("build" ${CMAKE_COMMAND} --build ${WORK}/build)
run("check" ${lsbench} check ${WORK}/build/plugins/lsbench-workload-countdown.so --set requests=5)
run("describe from a folder" ${lsbench} describe workload-countdown --plugins ${WORK}/build/plugins)

run("install the plugin" ${CMAKE_COMMAND} --install ${WORK}/build --prefix ${WORK}/moved)
run("plugins" ${lsbench} plugins)
want_in_output("${WORK}/moved/bin/../${LIBDIR}/lsbench/plugins/lsbench-workload-countdown.so")
run("describe" ${lsbench} describe workload-countdown)
want_in_output("workload.requests = integer")

# Without CMake: pkg-config and one call of the compiler.
find_program(pkgconf NAMES pkg-config)
if(pkgconf)
	set(ENV{PKG_CONFIG_PATH} ${WORK}/moved/${LIBDIR}/pkgconfig)
	run("pkg-config --cflags" ${pkgconf} --cflags lsbench)
	separate_arguments(flags UNIX_COMMAND "${output}")
	run("pkg-config map" ${pkgconf} --variable=map lsbench)
	string(STRIP "${output}" map)
	file(MAKE_DIRECTORY ${WORK}/by-hand)
	run("compile by hand" ${CC} -shared -fPIC ${flags} ${SOURCE}/countdown.c -Wl,--version-script=${map}
		-o ${WORK}/by-hand/lsbench-workload-countdown.so)
	run("check by hand" ${lsbench} check ${WORK}/by-hand/lsbench-workload-countdown.so)
endif()
