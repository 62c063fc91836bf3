/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device can do: the two ceilings of a roofline, medians over passes.
 *
 * Reads go over the weights where they are too large for any cache, else over memory
 * taken for this. The matrix peak is that of cuBLASLt on 16-bit values.
 */
#include "cuda.h"

#include <stdlib.h>

enum {
	READ_BYTES = 1 << 30, /* least to stream: many times the L2 cache */
	PASSES_LEAST = 5,
	PASSES_MOST = 256,
	MATRIX = 8192,
};

struct pass {
	struct lsb_backend *b;
	struct cuda_lt *lt;
	const void *data;
	uint64_t bytes;
	uint64_t *sum;
	void *w, *x;
	float *c;
};

static int read_pass(const struct pass *p, struct lsb_error *err)
{
	return cuda_check(p->b,
			  cuda_read_all(p->data, p->bytes, p->b->device.sms, p->sum, p->b->forward.stream),
			  "read bandwidth cannot be measured", err);
}

static int matrix_pass(const struct pass *p, struct lsb_error *err)
{
	const struct cuda_lt_product q = { .w = p->w,
					   .x = p->x,
					   .c = p->c,
					   .rows = MATRIX,
					   .k = MATRIX,
					   .n = MATRIX,
					   .ldx = MATRIX,
					   .ldc = MATRIX,
					   .elem = CUDA_BF16 };

	return cuda_lt_multiply(p->lt, &q, p->b->forward.stream, err);
}

static int by_value(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Median seconds of one pass, after a first that does not count. */
static int median_pass(const struct pass *p, int (*run)(const struct pass *p, struct lsb_error *err),
		       uint64_t budget_ns, double *seconds, struct lsb_error *err)
{
	const struct lsb_host *host = p->b->host;
	cudaStream_t stream = p->b->forward.stream;
	cudaEvent_t start = NULL, end = NULL;
	float took[PASSES_MOST];
	uint64_t began = 0;
	size_t n = 0;
	int rc = cuda_check(p->b, cudaEventCreate(&start), "an event cannot be made", err);

	if (!rc)
		rc = cuda_check(p->b, cudaEventCreate(&end), "an event cannot be made", err);
	if (!rc)
		rc = run(p, err);
	if (!rc)
		rc = cuda_check(p->b, cudaStreamSynchronize(stream), "measuring failed", err);
	began = host->now_ns(host->context);
	while (!rc && n < PASSES_MOST &&
	       (n < PASSES_LEAST || host->now_ns(host->context) - began < budget_ns)) {
		cudaError_t failed = cudaEventRecord(start, stream);

		if (!failed)
			rc = run(p, err);
		if (!failed)
			failed = cudaEventRecord(end, stream);
		if (!failed)
			failed = cudaEventSynchronize(end);
		if (!failed)
			failed = cudaEventElapsedTime(&took[n++], start, end);
		if (!rc)
			rc = cuda_check(p->b, failed, "measuring failed", err);
	}
	if (start)
		cudaEventDestroy(start);
	if (end)
		cudaEventDestroy(end);
	if (rc)
		return rc;
	qsort(took, n, sizeof(took[0]), by_value);
	*seconds = 0.5e-3 * ((double)took[(n - 1) / 2] + took[n / 2]);
	return LSB_OK;
}

static int measure_read(struct lsb_backend *b, uint64_t budget_ns, double *value, struct lsb_error *err)
{
	struct pass p = { .b = b, .data = b->weights.arena, .bytes = b->weights.arena_bytes / 16 * 16 };
	void *own = NULL;
	double seconds;
	int rc;

	p.sum = (uint64_t *)(void *)b->forward.told; /* no step is unfinished */
	if (p.bytes < READ_BYTES) {
		rc = cuda_check(b, cudaMalloc(&own, READ_BYTES), "memory to measure read bandwidth", err);
		if (rc)
			return rc;
		p.data = own;
		p.bytes = READ_BYTES;
		rc = cuda_check(b, cuda_fill(own, READ_BYTES / 2, CUDA_F16, b->forward.stream),
				"memory cannot be filled", err);
		if (rc) {
			cudaFree(own);
			return rc;
		}
	}
	rc = median_pass(&p, read_pass, budget_ns, &seconds, err);
	if (!rc)
		*value = (double)p.bytes / seconds;
	cudaFree(own);
	return rc;
}

static int measure_matrix(struct lsb_backend *b, uint64_t budget_ns, double *value, struct lsb_error *err)
{
	const uint64_t n = (uint64_t)MATRIX * MATRIX;
	struct pass p = { .b = b, .lt = b->forward.lt };
	double seconds;
	int rc = LSB_OK;

	if (b->device.major < 8)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "%s has no bf16 matrix unit to measure",
				b->device.name);
	if (!p.lt)
		rc = cuda_lt_open(b->host, &p.lt, err);
	if (!rc)
		rc = cuda_check(b, cudaMalloc(&p.w, n * 2), "memory to measure the matrix peak", err);
	if (!rc)
		rc = cuda_check(b, cudaMalloc(&p.x, n * 2), "memory to measure the matrix peak", err);
	if (!rc)
		rc = cuda_check(b, cudaMalloc((void **)&p.c, n * 4), "memory to measure the matrix peak",
				err);
	if (!rc)
		rc = cuda_check(b, cuda_fill(p.w, n, CUDA_BF16, b->forward.stream), "memory cannot be filled",
				err);
	if (!rc)
		rc = cuda_check(b, cuda_fill(p.x, n, CUDA_BF16, b->forward.stream), "memory cannot be filled",
				err);
	if (!rc)
		rc = median_pass(&p, matrix_pass, budget_ns, &seconds, err);
	if (!rc)
		*value = (double)n * MATRIX / seconds;
	cudaFree(p.w);
	cudaFree(p.x);
	cudaFree(p.c);
	if (p.lt != b->forward.lt)
		cuda_lt_close(p.lt);
	return rc;
}

int cuda_measure(struct lsb_backend *b, uint32_t what, uint64_t budget_ns, double *value,
		 struct lsb_error *err)
{
	if (!b->opened)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a backend opened for its vocabulary has nothing to measure");
	for (uint32_t i = 0; i < b->place.max_tickets; i++)
		if (b->queue.tickets[i].state != CUDA_TICKET_FREE)
			return lsb_fail(err, LSB_EINVAL, 0,
					"steps are unfinished: wait for them before measuring");
	(void)cudaSetDevice(b->device.ordinal);
	switch (what) {
	case LSB_PEAK_READ:
		return measure_read(b, budget_ns, value, err);
	case LSB_PEAK_MATMUL:
		return measure_matrix(b, budget_ns, value, err);
	default:
		return lsb_fail(err, LSB_EINVAL, 0, "backend-cuda knows no peak number %u", what);
	}
}
