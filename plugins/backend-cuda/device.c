/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device of a rank: found, chosen, named; and what NVML tells of it.
 *
 * Neither libcuda nor NVML is linked. The CUDA runtime inside this plugin opens
 * libcuda itself; it is looked for here first, so that the reason is a sentence.
 */
#include "cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* --- errors -------------------------------------------------------------------- */

/* Errors after which the driver refuses this process everything on the device. */
static bool is_lost(cudaError_t rc)
{
	switch (rc) {
	case cudaErrorIllegalAddress:
	case cudaErrorLaunchFailure:
	case cudaErrorLaunchTimeout:
	case cudaErrorECCUncorrectable:
	case cudaErrorNvlinkUncorrectable:
	case cudaErrorHardwareStackError:
	case cudaErrorIllegalInstruction:
	case cudaErrorMisalignedAddress:
	case cudaErrorInvalidAddressSpace:
	case cudaErrorInvalidPc:
	case cudaErrorAssert:
	case cudaErrorDevicesUnavailable:
	case cudaErrorContextIsDestroyed:
	case cudaErrorUnknown:
		return true;
	default:
		return false;
	}
}

int cuda_check(const struct lsb_backend *b, cudaError_t rc, const char *what, struct lsb_error *err)
{
	if (rc == cudaSuccess)
		return LSB_OK;
	if (rc == cudaErrorMemoryAllocation)
		return lsb_fail(err, LSB_ENOMEM, rc,
				"%s: out of memory on CUDA device %d (%s, %.1f GiB in all); use fewer slots, "
				"a shorter context or more stages",
				what, b->device.ordinal, b->device.name,
				(double)b->device.total_bytes / (1 << 30));
	if (rc == cudaErrorNoKernelImageForDevice || rc == cudaErrorInvalidKernelImage)
		return lsb_fail(
			err, LSB_EUNAVAIL, rc,
			"no CUDA device (%s has compute capability %d.%d, which this build has no code for; "
			"build with LSB_CUDA_ARCHITECTURES=%d%d)",
			b->device.name, b->device.major, b->device.minor, b->device.major, b->device.minor);
	if (is_lost(rc))
		return lsb_fail(err, LSB_EDEVICE, rc,
				"%s: CUDA device %d (%s) is lost to this process: %s; look for an Xid in the "
				"kernel's log (dmesg) and at nvidia-smi, then run again",
				what, b->device.ordinal, b->device.name, cudaGetErrorString(rc));
	return lsb_fail(err, LSB_EDEVICE, rc, "%s: CUDA device %d (%s): %s", what, b->device.ordinal,
			b->device.name, cudaGetErrorString(rc));
}

int cuda_need(struct lsb_backend *b, uint64_t weight_bytes, uint64_t kv_bytes, struct lsb_error *err)
{
	const double gib = 1 << 30, needed = (double)weight_bytes + (double)kv_bytes;
	size_t left = 0, total = 0;
	const cudaError_t rc = cudaMemGetInfo(&left, &total);

	if (rc)
		return cuda_check(b, rc, "free memory cannot be asked for", err);
	if (needed <= (double)left)
		return LSB_OK;
	return lsb_fail(
		err, LSB_ENOMEM, 0,
		"stage %d of %d needs %.2f GiB of device memory (weights %.2f, KV cache of %u slots x "
		"%u positions %.2f) and some for buffers, but device %d (%s) has %.2f of %.2f GiB "
		"left; use fewer slots, a shorter context or more stages",
		b->place.stage, b->place.stages, needed / gib, (double)weight_bytes / gib, b->place.slots,
		b->place.context, (double)kv_bytes / gib, b->device.ordinal, b->device.name,
		(double)left / gib, (double)total / gib);
}

int cuda_take(struct lsb_backend *b, uint64_t bytes, void *out, const char *what, struct lsb_error *err)
{
	const uint64_t room = cuda_round_up(bytes ? bytes : 1, 256);
	void *ptr = NULL;
	cudaError_t rc = cudaMalloc(&ptr, room);

	if (rc == cudaErrorMemoryAllocation) {
		size_t left = 0, total = 0;

		(void)cudaGetLastError();
		(void)cudaMemGetInfo(&left, &total);
		return lsb_fail(err, LSB_ENOMEM, rc,
				"no device memory for %s: %.2f GiB, but device %d (%s) has %.2f of %.2f GiB "
				"left; use "
				"fewer slots, a shorter context or more stages",
				what, (double)bytes / (1 << 30), b->device.ordinal, b->device.name,
				(double)left / (1 << 30), (double)total / (1 << 30));
	}
	if (rc == cudaSuccess)
		rc = cudaMemset(ptr, 0, room);
	if (rc)
		return cuda_check(b, rc, what, err);
	b->device_bytes += room;
	memcpy(out, &ptr, sizeof(ptr));
	return LSB_OK;
}

/* --- finding ---------------------------------------------------------------------- */

static int count_devices(int *n, struct lsb_error *err)
{
	void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	int version = 0, needed = 0;
	cudaError_t rc;

	if (!driver)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"no CUDA device (libcuda.so.1 cannot be opened: there is no NVIDIA "
				"driver here)");
	rc = cudaGetDeviceCount(n);
	if (rc == cudaErrorInsufficientDriver) {
		(void)cudaDriverGetVersion(&version);
		(void)cudaRuntimeGetVersion(&needed);
		return lsb_fail(err, LSB_EUNAVAIL, rc,
				"no CUDA device (the driver knows CUDA %d.%d, this build needs %d.%d: update "
				"the driver)",
				version / 1000, version % 1000 / 10, needed / 1000, needed % 1000 / 10);
	}
	if (rc || *n < 1)
		return lsb_fail(err, LSB_EUNAVAIL, rc, "no CUDA device (%s)",
				rc ? cudaGetErrorString(rc) : "the driver shows none");
	return LSB_OK;
}

int cuda_device_probe(struct lsb_error *err)
{
	int n = 0;

	return count_devices(&n, err);
}

static int choose(struct lsb_backend *b, int n, struct lsb_error *err)
{
	int64_t wanted = b->options.device;

	if (wanted < 0)
		wanted = b->place.device;
	if (wanted < 0)
		wanted = b->place.host_rank % n; /* ranks of a host take devices in turn */
	if (wanted >= n)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"no CUDA device (number %lld is asked for, but there are %d)",
				(long long)wanted, n);
	b->device.ordinal = (int)wanted;
	return LSB_OK;
}

/* As nvidia-smi -L writes it. */
static void name_uuid(const unsigned char *uuid, char id[LSB_DEVICE_ID_MAX])
{
	size_t at = (size_t)snprintf(id, LSB_DEVICE_ID_MAX, "GPU");

	for (size_t i = 0; i < 16; i++)
		at += (size_t)snprintf(id + at, LSB_DEVICE_ID_MAX - at, "%s%02x",
				       i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static int describe(struct cuda_device *d, struct lsb_error *err)
{
	struct cudaDeviceProp p;
	const cudaError_t rc = cudaGetDeviceProperties(&p, d->ordinal);

	if (rc)
		return lsb_fail(err, LSB_EUNAVAIL, rc, "no CUDA device (number %d: %s)", d->ordinal,
				cudaGetErrorString(rc));
	snprintf(d->name, sizeof(d->name), "%.*s", (int)sizeof(d->name) - 1, p.name);
	name_uuid((const unsigned char *)p.uuid.bytes, d->id);
	d->major = p.major;
	d->minor = p.minor;
	d->sms = (uint32_t)p.multiProcessorCount;
	d->total_bytes = p.totalGlobalMem;
	if (d->major * 10 + d->minor < 75)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"no CUDA device (%s has compute capability %d.%d; 7.5 is the least that works)",
			d->name, d->major, d->minor);
	return LSB_OK;
}

/* --- NVML ----------------------------------------------------------------------------- */

/* Declared here as NVML's reference has them: its header is not part of every toolkit. */
typedef struct nvmlDevice_st *nvmlDevice_t;

struct cuda_nvml {
	void *so;
	nvmlDevice_t device;
	int (*init)(void);
	int (*by_bus)(const char *bus, nvmlDevice_t *device);
	int (*energy_mj)(nvmlDevice_t device, unsigned long long *mj);
	int (*power_mw)(nvmlDevice_t device, unsigned *mw);
};

static void *symbol(void *so, const char *name, int *missing)
{
	void *p = dlsym(so, name);

	*missing |= !p;
	return p;
}

static void nvml_open(struct lsb_backend *b)
{
	struct cuda_nvml *n = b->host->alloc(b->host->context, sizeof(*n), 64);
	unsigned long long mj;
	char bus[32];
	int missing = 0;
	void *p;

	if (!n)
		return;
	n->so = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!n->so || cudaDeviceGetPCIBusId(bus, sizeof(bus), b->device.ordinal)) {
		b->host->free(b->host->context, n);
		return;
	}
	p = symbol(n->so, "nvmlInit_v2", &missing);
	memcpy(&n->init, &p, sizeof(p));
	p = symbol(n->so, "nvmlDeviceGetHandleByPciBusId_v2", &missing);
	memcpy(&n->by_bus, &p, sizeof(p));
	p = symbol(n->so, "nvmlDeviceGetTotalEnergyConsumption", &missing);
	memcpy(&n->energy_mj, &p, sizeof(p));
	p = symbol(n->so, "nvmlDeviceGetPowerUsage", &missing);
	memcpy(&n->power_mw, &p, sizeof(p));
	if (missing || n->init() || n->by_bus(bus, &n->device)) {
		b->host->free(b->host->context, n);
		return;
	}
	b->device.nvml = n;
	if (n->energy_mj(n->device, &mj) == 0) {
		b->device.energy_mj = mj;
		b->device.energy_known = true;
	}
}

int cuda_counters(struct lsb_backend *b, struct lsb_metric *out, size_t *n, struct lsb_error *err)
{
	const size_t room = *n;
	struct lsb_metric all[4];
	size_t used = 0, left = 0, total = 0;
	unsigned long long mj;
	unsigned mw;

	if (!b->opened)
		return lsb_fail(err, LSB_EINVAL, 0, "a backend opened for its vocabulary uses no device");
	(void)cudaSetDevice(b->device.ordinal);
	all[used++] = (struct lsb_metric){ "device_bytes", "B", (double)b->device_bytes };
	if (cudaMemGetInfo(&left, &total) == cudaSuccess)
		all[used++] = (struct lsb_metric){ "device_used_bytes", "B", (double)(total - left) };
	if (b->device.energy_known && b->device.nvml->energy_mj(b->device.nvml->device, &mj) == 0)
		all[used++] =
			(struct lsb_metric){ "energy_j", "J", (double)(mj - b->device.energy_mj) * 1e-3 };
	if (b->device.nvml && b->device.nvml->power_mw(b->device.nvml->device, &mw) == 0)
		all[used++] = (struct lsb_metric){ "power_w", "W", (double)mw * 1e-3 };
	*n = used < room ? used : room;
	memcpy(out, all, *n * sizeof(*out));
	return LSB_OK;
}

/* --- open and close ------------------------------------------------------------------------ */

int cuda_device_open(struct lsb_backend *b, struct lsb_error *err)
{
	int n = 0, rc = count_devices(&n, err);

	if (!rc)
		rc = choose(b, n, err);
	if (!rc)
		rc = describe(&b->device, err);
	if (!rc)
		rc = cuda_check(b, cudaSetDevice(b->device.ordinal), "the device cannot be used", err);
	if (rc)
		return rc;
	cuda_kernels_for(b->device.major, b->device.minor);
	nvml_open(b);
	return LSB_OK;
}

void cuda_device_close(struct lsb_backend *b)
{
	if (b->device.nvml)
		b->host->free(b->host->context, b->device.nvml);
	b->device.nvml = NULL;
}
