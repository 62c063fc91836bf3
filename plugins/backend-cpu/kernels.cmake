# SPDX-License-Identifier: Apache-2.0
# lsb_cpu_kernels: the kernels of backend-cpu, one file an instruction set, chosen at run time.
include_guard(GLOBAL)
set(lsb_kernels_dir ${CMAKE_CURRENT_LIST_DIR})

add_library(lsb_cpu_kernels STATIC ${lsb_kernels_dir}/kernels.c ${lsb_kernels_dir}/kernels_pack.c
	${lsb_kernels_dir}/kernels_plain.c)
target_include_directories(lsb_cpu_kernels PUBLIC ${lsb_kernels_dir})
target_link_libraries(lsb_cpu_kernels PRIVATE lsb_flags PUBLIC lsb_model m)
target_compile_options(lsb_cpu_kernels PRIVATE -O3)
