# SPDX-License-Identifier: Apache-2.0
# lsb_find_mpi(): the MPI library that transport-mpi is built with, as LSB_MPI asks for.
#   Sets LSB_MPI_FOUND, LSB_MPI_TEXT (for people), LSB_MPIEXEC (its launcher), LSB_MPI_DEFINITIONS, and has the imported
#   target MPI::MPI_C. Where several libraries are installed, their wrappers are told apart by suffix (mpicc.mpich).
set(LSB_MPI auto CACHE STRING "MPI of transport-mpi: auto, openmpi, mpich (or a path to its mpicc), none")
set_property(CACHE LSB_MPI PROPERTY STRINGS auto openmpi mpich none)

macro(lsb_find_mpi)
	set(LSB_MPI_FOUND FALSE)
	set(LSB_MPI_TEXT "no (LSB_MPI=${LSB_MPI})")
	set(LSB_MPI_DEFINITIONS "")
	if(NOT LSB_MPI STREQUAL "none")
		set(lsb_mpi_wanted "")
		if(LSB_MPI STREQUAL "openmpi" OR LSB_MPI STREQUAL "mpich")
			set(lsb_mpi_wanted ${LSB_MPI})
			set(MPI_EXECUTABLE_SUFFIX .${LSB_MPI})
		elseif(NOT LSB_MPI STREQUAL "auto")
			set(MPI_C_COMPILER ${LSB_MPI} CACHE FILEPATH "MPI compiler wrapper")
		endif()
		set(MPI_CXX_SKIP_MPICXX TRUE)
		find_package(MPI QUIET COMPONENTS C)
		if(MPI_C_FOUND)
			include(CheckCSourceCompiles)
			set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
			check_c_source_compiles("#include <mpi.h>
				#ifndef OPEN_MPI
				#error another
				#endif
				int main(void) { return 0; }" LSB_MPI_IS_OPENMPI)
			check_c_source_compiles("#include <mpi.h>
				#ifdef OPEN_MPI
				#include <mpi-ext.h>
				#endif
				int main(void) { return MPIX_Query_cuda_support(); }" LSB_MPI_QUERIES_CUDA)
			unset(CMAKE_REQUIRED_LIBRARIES)
			set(lsb_mpi_name another)
			if(LSB_MPI_IS_OPENMPI)
				set(lsb_mpi_name openmpi)
			elseif(MPI_C_LIBRARY_VERSION_STRING MATCHES "MPICH" OR MPI_C_COMPILER MATCHES "mpich" OR
					MPI_C_LIBRARIES MATCHES "mpich")
				set(lsb_mpi_name mpich)
			endif()
			if(NOT lsb_mpi_wanted OR lsb_mpi_wanted STREQUAL lsb_mpi_name)
				set(LSB_MPI_FOUND TRUE)
				set(LSB_MPIEXEC ${MPIEXEC_EXECUTABLE})
				set(LSB_MPI_TEXT "${lsb_mpi_name}, MPI ${MPI_C_VERSION}, ${MPI_C_LIBRARIES}")
			else()
				set(LSB_MPI_TEXT "no: found ${lsb_mpi_name}, wanted ${lsb_mpi_wanted}")
			endif()
			if(LSB_MPI_QUERIES_CUDA)
				set(LSB_MPI_DEFINITIONS LSB_MPI_QUERIES_CUDA)
			endif()
		endif()
	endif()
endmacro()
