/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libcuda.so.1 for machines without one: as much of a driver as the CUDA runtime
 * asks for before it knows whether there is a device. FAKE_DRIVER_VERSION is what it
 * claims to know (11040 is CUDA 11.4), FAKE_DRIVER_INIT what cuInit returns. The real
 * plugin, loaded by the real lsbench, meets it through LD_LIBRARY_PATH.
 */
#pragma GCC diagnostic ignored "-Wpedantic" /* functions given as objects, as dlsym does */

#include <cuda.h>
#include <stdlib.h>
#include <string.h>

#define CALL __attribute__((visibility("default")))

static int number(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

CALL CUresult CUDAAPI cuDriverGetVersion(int *version)
{
	*version = number("FAKE_DRIVER_VERSION", CUDA_VERSION);
	return CUDA_SUCCESS;
}

CALL CUresult CUDAAPI cuInit(unsigned int flags)
{
	(void)flags;
	return (CUresult)number("FAKE_DRIVER_INIT", CUDA_ERROR_NO_DEVICE);
}

CALL CUresult CUDAAPI cuGetExportTable(const void **table, const CUuuid *id)
{
	(void)id;
	*table = NULL;
	return CUDA_ERROR_NOT_FOUND;
}

static CUresult other_call(void)
{
	return CUDA_ERROR_NOT_INITIALIZED;
}

#undef cuGetProcAddress
CALL CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **out, int version, cuuint64_t flags,
					  CUdriverProcAddressQueryResult *status)
{
	static const struct {
		const char *name;
		void *call;
	} calls[] = { { "cuDriverGetVersion", (void *)cuDriverGetVersion },
		      { "cuInit", (void *)cuInit },
		      { "cuGetExportTable", (void *)cuGetExportTable },
		      { "cuGetProcAddress", (void *)cuGetProcAddress_v2 } };

	(void)version;
	(void)flags;
	if (status)
		*status = CU_GET_PROC_ADDRESS_SUCCESS;
	*out = (void *)other_call;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(symbol, calls[i].name) == 0)
			*out = calls[i].call;
	return CUDA_SUCCESS;
}
