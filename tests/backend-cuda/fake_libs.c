/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that backend-cuda opens at run time, in place of the machine's own: linked
 * with --wrap=dlopen and --wrap=dlsym. The plugin itself is linked into the test and
 * is found the same way.
 */
#pragma GCC diagnostic ignored "-Wpedantic" /* functions given as objects, as dlsym does */

#include <cublasLt.h>
#include <dlfcn.h>
#include <string.h>

#include "fake_cuda.h"
#include "lsbench/plugin.h"

extern const struct lsb_plugin lsb_plugin_v1;

enum { DRIVER, LT, DNN, NVML, PLUGIN, LIBRARIES };

static char handles[LIBRARIES];

void *__real_dlopen(const char *path, int flags);
void *__real_dlsym(void *so, const char *name);
void *__wrap_dlopen(const char *path, int flags);
void *__wrap_dlsym(void *so, const char *name);

void *__wrap_dlopen(const char *path, int flags)
{
	if (!path)
		return __real_dlopen(path, flags);
	if (strstr(path, "libcuda.so"))
		return fake.has_driver ? &handles[DRIVER] : NULL;
	if (strstr(path, "libcublasLt"))
		return fake.has_lt ? &handles[LT] : NULL;
	if (strstr(path, "libcudnn"))
		return fake.has_dnn ? &handles[DNN] : __real_dlopen("libcudnn.so.of-no-machine", flags);
	if (strstr(path, "libnvidia-ml"))
		return fake.has_nvml ? &handles[NVML] : NULL;
	if (strstr(path, "lsbench-backend-cuda"))
		return &handles[PLUGIN];
	return __real_dlopen(path, flags);
}

/* --- cuBLASLt: every call succeeds; the search for an algorithm finds one ------------ */

static int lt_call(void)
{
	return CUBLAS_STATUS_SUCCESS;
}

static size_t lt_version(void)
{
	return 130002;
}

static int lt_heuristic(cublasLtHandle_t lt, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
			cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
			cublasLtMatmulPreference_t preference, int most,
			cublasLtMatmulHeuristicResult_t *found, int *n)
{
	(void)lt, (void)product, (void)a, (void)b, (void)c, (void)d, (void)preference;
	memset(found, 0, (size_t)most * sizeof(*found));
	*n = 1;
	fake.searches++;
	return CUBLAS_STATUS_SUCCESS;
}

static void *lt_symbol(const char *name)
{
	if (strcmp(name, "cublasLtMatmulAlgoGetHeuristic") == 0)
		return (void *)lt_heuristic;
	return strcmp(name, "cublasLtGetVersion") == 0 ? (void *)lt_version : (void *)lt_call;
}

/* --- NVML ----------------------------------------------------------------------------- */

static int nvml_init(void)
{
	return 0;
}

static int nvml_by_bus(const char *bus, void **device)
{
	(void)bus;
	*device = &fake;
	return 0;
}

static int nvml_energy(void *device, unsigned long long *mj)
{
	(void)device;
	*mj = fake.energy_mj;
	return 0;
}

static int nvml_power(void *device, unsigned *mw)
{
	(void)device;
	*mw = 250000;
	return 0;
}

static void *nvml_symbol(const char *name)
{
	if (strstr(name, "Init"))
		return (void *)nvml_init;
	if (strstr(name, "PciBusId"))
		return (void *)nvml_by_bus;
	return strstr(name, "Energy") ? (void *)nvml_energy : (void *)nvml_power;
}

void *__wrap_dlsym(void *so, const char *name)
{
	if (so != &handles[LT] && so != &handles[DNN] && so != &handles[NVML] && so != &handles[PLUGIN])
		return __real_dlsym(so, name);
	if (fake.lacks && strcmp(fake.lacks, name) == 0)
		return NULL;
	if (so == &handles[PLUGIN])
		return (void *)(uintptr_t)&lsb_plugin_v1;
	if (so == &handles[DNN])
		return fake_dnn_symbol(name);
	return so == &handles[LT] ? lt_symbol(name) : nvml_symbol(name);
}
