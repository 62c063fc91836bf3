/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CUDA runtime in host memory, so that the C files of backend-cuda run where there is
 * no GPU: allocations are counted and may fail, steps complete at once or lose the
 * device, kernels compute nothing. cuBLASLt, cuDNN, NVML and the driver's library
 * are there or not as asked: dlopen and dlsym are wrapped (fake_libs.c).
 */
#ifndef LSB_FAKE_CUDA_H
#define LSB_FAKE_CUDA_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

/* What the fake cuDNN refuses. */
enum fake_dnn_refusal { FAKE_DNN_NOTHING, FAKE_DNN_HANDLE, FAKE_DNN_TENSORS, FAKE_DNN_PLANS, FAKE_DNN_RUNS };

struct fake_cuda {
	/* What the machine has. */
	bool has_driver, has_lt, has_dnn, has_nvml;
	size_t dnn_version; /* 9.19.0 is 91900 */
	const char *lacks;  /* a symbol that libraries do not have; NULL: all there */
	int devices, driver_version;
	cudaError_t count_error;
	int major, minor;
	uint64_t total_bytes;
	/* What goes wrong, from now on. */
	uint32_t failing;	   /* this allocation fails, counted from 1; 0: none */
	cudaError_t prepare_error; /* kernels cannot be used */
	cudaError_t launch_error;  /* a graph cannot be launched */
	cudaError_t stream_error;  /* steps never complete; who asks the stream hears why */
	enum fake_dnn_refusal dnn_refuses;
	/* What was seen. */
	uint32_t dnn_runs;	    /* calls to run a plan */
	uint32_t allocations, live; /* asked for; not given back */
	uint32_t searches;	    /* for an algorithm of cuBLASLt's */
	uint64_t used_bytes;
	uint64_t energy_mj; /* NVML's counter */
	int device;	    /* chosen last */
	char ranges[256];   /* names of NVTX ranges, each with a ';' behind it (fake_nvtx.c) */
	int open_ranges;
};

extern struct fake_cuda fake;

/* A machine with two devices of capability 9.0 and no cuDNN, nothing wrong, nothing allocated. */
void fake_reset(void);
/* A call of the fake cuDNN (fake_dnn.c). */
void *fake_dnn_symbol(const char *name);

#endif
