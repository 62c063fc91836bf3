/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this rank's share of the machine can do: the two ceilings of a roofline.
 *
 * Both are medians over passes, so that neither a pass that another tenant
 * disturbed nor one that ran while the other ranks had already stopped decides.
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	READ_BYTES = 48 << 20, /* least to stream: beyond the caches, within the rank's memory allowance */
	PASSES_LEAST = 3,
	PASSES_MOST = 512,
	MATMUL_TOKENS = 64,
};

struct reading {
	struct lsb_backend *b;
	const unsigned char *data;
	size_t bytes;
	_Atomic uint64_t sum; /* kept, so that no pass can be optimised away */
};

static void read_pass(void *arg, uint32_t worker)
{
	struct reading *r = arg;
	size_t from, to;

	cpu_share(r->bytes / CPU_LINE, worker, cpu_pool_threads(r->b->pool), &from, &to);
	r->sum += r->b->k->read_all(r->data + from * CPU_LINE, (to - from) * CPU_LINE);
}

struct product {
	struct lsb_backend *b;
	size_t tokens;
};

static void matmul_pass(void *arg, uint32_t worker)
{
	const struct product *p = arg;

	(void)worker;
	cpu_forward_multiply(p->b, &p->b->weights.layers[0].gate_up, p->tokens, p->b->forward.gate_up);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Median nanoseconds of one pass of `job`, after a first that does not count. */
static double median_pass(struct lsb_backend *b, cpu_job *job, void *arg, uint64_t budget_ns)
{
	const struct lsb_host *host = b->host;
	uint64_t took[PASSES_MOST], began, now;
	size_t n = 0;

	cpu_pool_run(b->pool, job, arg);
	began = now = host->now_ns(host->context);
	while (n < PASSES_MOST && (n < PASSES_LEAST || now - began < budget_ns)) {
		const uint64_t start = now;

		cpu_pool_run(b->pool, job, arg);
		now = host->now_ns(host->context);
		took[n++] = now - start;
	}
	qsort(took, n, sizeof(took[0]), by_value);
	return 0.5 * (double)(took[(n - 1) / 2] + took[n / 2]);
}

static int measure_read(struct lsb_backend *b, uint64_t budget_ns, double *value, struct lsb_error *err)
{
	struct reading r = { .b = b, .data = b->weights.arena, .bytes = b->weights.arena_bytes };
	unsigned char *own = NULL;
	double ns;

	if (r.bytes < READ_BYTES) {
		int rc = cpu_map(READ_BYTES, true, &own, "measuring read bandwidth", err);

		if (rc)
			return rc;
		memset(own, 1, READ_BYTES); /* untouched pages would all be the one zero page */
		r.data = own;
		r.bytes = READ_BYTES;
	}
	ns = median_pass(b, read_pass, &r, budget_ns);
	*value = (double)(r.bytes / CPU_LINE * CPU_LINE) / (ns * 1e-9);
	if (own)
		munmap(own, READ_BYTES);
	return LSB_OK;
}

static int measure_matmul(struct lsb_backend *b, uint64_t budget_ns, double *value, struct lsb_error *err)
{
	const struct cpu_matrix *m = &b->weights.layers[0].gate_up;
	struct product p = { .b = b, .tokens = b->plan.tile < MATMUL_TOKENS ? b->plan.tile : MATMUL_TOKENS };
	uint64_t macs = 0;
	float *x;
	int rc = cpu_alloc(b, m->cols, sizeof(*x), 1, &x, "measuring the matrix peak", err);

	if (rc)
		return rc;
	for (size_t i = 0; i < m->cols; i++)
		x[i] = (float)(i % 17) / 8.0f - 1.0f;
	for (uint32_t kind = 0; kind < LSB_ACTS; kind++)
		for (size_t t = 0; (m->kinds & (1u << kind)) && t < p.tokens; t++)
			b->k->act_store((enum lsb_act)kind, x, m->cols,
					b->forward.act[kind] +
						t * b->k->act_bytes((enum lsb_act)kind, m->cols));
	cpu_free(b, x);
	for (uint32_t i = 0; i < m->n_parts; i++)
		macs += (uint64_t)m->part[i].rows * m->part[i].cols;
	*value = (double)(macs * p.tokens) / (median_pass(b, matmul_pass, &p, budget_ns) * 1e-9);
	return LSB_OK;
}

int cpu_measure(struct lsb_backend *b, uint32_t what, uint64_t budget_ns, double *value,
		struct lsb_error *err)
{
	if (!b->pool)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a backend opened for its vocabulary has nothing to measure");
	if (b->queue.submitted != b->queue.computed)
		return lsb_fail(err, LSB_EINVAL, 0, "steps are unfinished: wait for them before measuring");
	switch (what) {
	case LSB_PEAK_READ:
		return measure_read(b, budget_ns, value, err);
	case LSB_PEAK_MATMUL:
		return measure_matmul(b, budget_ns, value, err);
	default:
		return lsb_fail(err, LSB_EINVAL, 0, "backend-cpu knows no peak number %u", what);
	}
}
