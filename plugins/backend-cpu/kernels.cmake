# SPDX-License-Identifier: Apache-2.0
# lsb_cpu_kernels: the kernels of backend-cpu, one file an instruction set, chosen at run time. Only the
# file itself is compiled for its instruction set, so the library runs anywhere.
include_guard(GLOBAL)
set(lsb_kernels_dir ${CMAKE_CURRENT_LIST_DIR})

add_library(lsb_cpu_kernels STATIC ${lsb_kernels_dir}/kernels.c ${lsb_kernels_dir}/kernels_pack.c
	${lsb_kernels_dir}/kernels_plain.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
	set(lsb_avx2_options -mavx2 -mfma -mf16c -mbmi2)
	set(lsb_avx512_options ${lsb_avx2_options} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni)
	target_sources(lsb_cpu_kernels PRIVATE ${lsb_kernels_dir}/kernels_avx2.c ${lsb_kernels_dir}/kernels_avx512.c)
	target_compile_definitions(lsb_cpu_kernels PRIVATE LSB_KERNELS_X86=1)
	if(LSB_SANITIZE)
		target_compile_definitions(lsb_cpu_kernels PRIVATE LSB_FEW_TILES=1)
	endif()
	set_source_files_properties(${lsb_kernels_dir}/kernels_avx2.c PROPERTIES COMPILE_OPTIONS "${lsb_avx2_options}")
	set_source_files_properties(${lsb_kernels_dir}/kernels_avx512.c PROPERTIES COMPILE_OPTIONS
		"${lsb_avx512_options};-mprefer-vector-width=512")
endif()
target_include_directories(lsb_cpu_kernels PUBLIC ${lsb_kernels_dir})
target_link_libraries(lsb_cpu_kernels PRIVATE lsb_flags PUBLIC lsb_model m)
target_compile_options(lsb_cpu_kernels PRIVATE -O3)

# Figures of every type and instruction set on this machine: ninja bench_kernels && ./bench_kernels
add_executable(bench_kernels EXCLUDE_FROM_ALL ${lsb_kernels_dir}/../../bench/kernels.c)
target_link_libraries(bench_kernels PRIVATE lsb_flags lsb_cpu_kernels)
