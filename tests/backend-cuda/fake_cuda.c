/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_cuda.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

struct fake_cuda fake;

/* A graph, and whatever else has a handle here: the step that it finishes, if any. */
struct fake_object {
	const struct cuda_step *finishes;
};

static struct fake_object *captured; /* what is being captured */

void fake_reset(void)
{
	fake = (struct fake_cuda){ .has_driver = true,
				   .has_lt = true,
				   .has_nvml = true,
				   .dnn_version = 91900,
				   .devices = 2,
				   .driver_version = 13000,
				   .major = 9,
				   .total_bytes = 1 << 30 };
	captured = NULL;
}

/* --- memory: host memory, its size before it --------------------------------------------- */

enum { HEAD = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* weights are read by several threads */

static cudaError_t take_locked(void **out, size_t bytes, bool on_device)
{
	unsigned char *block;

	*out = NULL;
	if (++fake.allocations == fake.failing || (on_device && fake.used_bytes + bytes > fake.total_bytes))
		return cudaErrorMemoryAllocation;
	block = calloc(1, HEAD + bytes);
	if (!block)
		return cudaErrorMemoryAllocation;
	memcpy(block, &(uint64_t){ on_device ? bytes : 0 }, sizeof(uint64_t));
	fake.used_bytes += on_device ? bytes : 0;
	fake.live++;
	*out = block + HEAD;
	return cudaSuccess;
}

static cudaError_t take(void **out, size_t bytes, bool on_device)
{
	cudaError_t rc;

	pthread_mutex_lock(&lock);
	rc = take_locked(out, bytes, on_device);
	pthread_mutex_unlock(&lock);
	return rc;
}

static cudaError_t give(void *ptr)
{
	unsigned char *block = ptr ? (unsigned char *)ptr - HEAD : NULL;
	uint64_t bytes;

	if (!block)
		return cudaSuccess;
	memcpy(&bytes, block, sizeof(bytes));
	pthread_mutex_lock(&lock);
	fake.used_bytes -= bytes;
	fake.live--;
	pthread_mutex_unlock(&lock);
	free(block);
	return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
	return take(out, bytes, true);
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags)
{
	(void)flags;
	return take(out, bytes, false);
}

cudaError_t cudaFree(void *ptr)
{
	return give(ptr);
}

cudaError_t cudaFreeHost(void *ptr)
{
	return give(ptr);
}

cudaError_t cudaMemset(void *ptr, int value, size_t bytes)
{
	memset(ptr, value, bytes);
	return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
	(void)kind;
	memcpy(to, from, bytes);
	return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
			    cudaStream_t stream)
{
	(void)stream;
	return cudaMemcpy(to, from, bytes, kind);
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *total)
{
	*left = fake.total_bytes - fake.used_bytes;
	*total = fake.total_bytes;
	return cudaSuccess;
}

/* --- devices ------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *n)
{
	*n = fake.devices;
	return fake.count_error;
}

cudaError_t cudaDriverGetVersion(int *version)
{
	*version = fake.driver_version;
	return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
	*version = CUDART_VERSION;
	return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
	fake.device = device;
	return device < fake.devices ? cudaSuccess : cudaErrorInvalidDevice;
}

#undef cudaGetDeviceProperties
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
	*p = (struct cudaDeviceProp){ .major = fake.major,
				      .minor = fake.minor,
				      .multiProcessorCount = 8,
				      .totalGlobalMem = fake.total_bytes };
	snprintf(p->name, sizeof(p->name), "NVIDIA Fake %d", device);
	p->uuid.bytes[15] = (char)device;
	return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *bus, int room, int device)
{
	snprintf(bus, (size_t)room, "0000:%02x:00.0", device);
	return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
	return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
	return error == cudaErrorLaunchFailure ? "unspecified launch failure" : "an error";
}

cudaError_t cudaGetLastError(void)
{
	return cudaSuccess;
}

/* --- streams, events, graphs -------------------------------------------------------------- */

static cudaError_t object_make(void *out)
{
	struct fake_object *o;
	cudaError_t rc = take((void **)&o, sizeof(*o), false);

	memcpy(out, &o, sizeof(o));
	return rc;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
	(void)flags;
	return object_make(out);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
	return give(stream);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
	(void)stream;
	return fake.stream_error;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
	return cudaStreamSynchronize(stream);
}

cudaError_t cudaEventCreate(cudaEvent_t *out)
{
	return object_make(out);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
	return give(event);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
	(void)event, (void)stream;
	return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
	(void)event;
	return fake.stream_error;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
	(void)start, (void)end;
	*ms = 1.0f;
	return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
	(void)stream, (void)mode;
	return object_make(&captured);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out)
{
	(void)stream;
	memcpy(out, &captured, sizeof(captured));
	captured = NULL;
	return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags)
{
	const struct fake_object *from = (const void *)graph;
	struct fake_object *to;
	const cudaError_t rc = object_make(&to);

	(void)flags;
	if (!rc)
		*to = *from;
	memcpy(out, &to, sizeof(to));
	return rc;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t graph, cudaStream_t stream)
{
	(void)graph, (void)stream;
	return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
	return give(graph);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
	return give(graph);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
	if (fake.launch_error)
		return fake.launch_error;
	return cuda_finish(((const struct fake_object *)(const void *)graph)->finishes, stream);
}

/* --- kernels: sizes that hold every form, and nothing computed -------------------------------- */

void cuda_kernels_for(int major, int minor)
{
	(void)major, (void)minor;
}

enum cuda_form cuda_form_of(uint32_t type, int bf16_ok)
{
	return type == 0	       ? CUDA_FORM_F32
	       : type == 1	       ? CUDA_FORM_F16
	       : type == 30 && bf16_ok ? CUDA_FORM_BF16
				       : CUDA_FORM_P8;
}

enum cuda_elem cuda_form_elem(enum cuda_form form)
{
	return form == CUDA_FORM_F32 ? CUDA_F32 : form == CUDA_FORM_BF16 ? CUDA_BF16 : CUDA_F16;
}

uint64_t cuda_form_bytes(enum cuda_form form, uint64_t rows, uint64_t k)
{
	return rows * k * (form == CUDA_FORM_F32 ? 4 : 2);
}

uint32_t cuda_split_k(enum cuda_form form, uint32_t n)
{
	(void)form, (void)n;
	return 1024;
}

uint64_t cuda_sample_bytes(uint32_t vocab)
{
	return vocab;
}

cudaError_t cuda_multiply_prepare(void)
{
	return fake.prepare_error;
}

cudaError_t cuda_attend_prepare(void)
{
	return cudaSuccess;
}

/* As the device's last kernel does: the step is complete, unless the device is gone. */
cudaError_t cuda_finish(const struct cuda_step *step, cudaStream_t stream)
{
	(void)stream;
	if (captured) {
		captured->finishes = step;
	} else if (!fake.stream_error) {
		step->result->started_ns = step->result->ended_ns = step->number;
		step->result->done = step->number;
	}
	return cudaSuccess;
}

#define NOTHING(name, ...)                                                                                   \
	cudaError_t name(__VA_ARGS__)                                                                        \
	{                                                                                                    \
		return cudaSuccess;                                                                          \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
NOTHING(cuda_multiply, const struct cuda_product *p, cudaStream_t stream)
NOTHING(cuda_unpack, const struct cuda_matrix *m, void *out, cudaStream_t stream)
NOTHING(cuda_pack, const struct cuda_matrix *m, void *w, uint32_t type, const void *raw, uint64_t row_bytes,
	uint32_t row0, uint32_t n_rows, int second, cudaStream_t stream)
NOTHING(cuda_generate, const struct cuda_matrix *m, void *w, uint32_t type, const uint64_t *keys,
	float spread, uint32_t row0, uint32_t n_rows, int second, cudaStream_t stream)
NOTHING(cuda_begin, const struct cuda_step *step, const struct cuda_token *tokens, uint32_t n,
	uint32_t hidden, const void *embed, uint32_t type, uint64_t row_bytes, float *x, cudaStream_t stream)
NOTHING(cuda_norm, float *x, const struct cuda_pending *add, const float *w, float eps, uint32_t hidden,
	const uint32_t *rows, uint32_t n, enum cuda_elem elem, void *act, uint32_t ld_act,
	cudaStream_t stream)
NOTHING(cuda_silu, const struct cuda_pending *gate_up, uint32_t pair, uint32_t ffn, uint32_t n,
	enum cuda_elem elem, void *act, uint32_t ld_act, cudaStream_t stream)
NOTHING(cuda_reduce, const struct cuda_pending *from, uint32_t rows, uint32_t n, float *to,
	cudaStream_t stream)
NOTHING(cuda_give, const struct cuda_step *step, const float *x, const struct cuda_pending *add,
	uint32_t hidden, uint32_t n, cudaStream_t stream)
NOTHING(cuda_sample, const struct cuda_step *step, const float *logits, uint32_t vocab,
	const struct cuda_sampling *sampling, uint32_t first, uint32_t n, void *work, cudaStream_t stream)
NOTHING(cuda_attend, const struct cuda_attention *a, cudaStream_t stream)
NOTHING(cuda_append, const struct cuda_attention *a, cudaStream_t stream)
NOTHING(cuda_attend_many, const struct cuda_attention *a, cudaStream_t stream)
NOTHING(cuda_read_all, const void *p, uint64_t bytes, uint32_t sms, uint64_t *sum, cudaStream_t stream)
NOTHING(cuda_fill, void *p, uint64_t n, enum cuda_elem elem, cudaStream_t stream)
