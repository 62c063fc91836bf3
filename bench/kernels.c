/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of the CPU kernels on one core: bench_kernels [ISA [TYPE]].
 *
 * A matrix product is timed on panels that fit the second-level cache (rows x
 * cols as the default model's FFN output) with 1 to 512 tokens, and with one
 * token on panels too large for any cache. Each figure is the best of several
 * short rounds, so that what other processes do shows least; pin the process
 * (taskset -c 0) and compare figures of one run only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.h"
#include "model.h"

enum { ROWS = 576, COLS = 1536, TOKENS_MAX = 512, ROUNDS = 7, N_TOKENS = 7 };
static const size_t token_counts[N_TOKENS] = { 1, 2, 4, 8, 16, 64, 512 };
static const size_t large_bytes = (size_t)160 << 20;
static const double round_s = 0.01;

static const uint32_t types[] = { LSB_TYPE_F32,	 LSB_TYPE_F16,	LSB_TYPE_BF16, LSB_TYPE_Q4_0,
				  LSB_TYPE_Q4_1, LSB_TYPE_Q5_0, LSB_TYPE_Q5_1, LSB_TYPE_Q8_0,
				  LSB_TYPE_Q4_K, LSB_TYPE_Q5_K, LSB_TYPE_Q6_K };

struct product {
	const struct lsb_kernels *k;
	uint32_t type;
	size_t n_panels, n_tokens;
	const void *panels, *act;
	float *y;
};

/* Time on the processor: what other processes take away does not count. */
static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (!p) {
		fprintf(stderr, "bench_kernels: no memory for %zu bytes\n", bytes);
		exit(1);
	}
	return p;
}

static void run_product(void *arg)
{
	const struct product *p = arg;

	p->k->matmul(p->type, p->k->act_kind(p->type), COLS, p->panels, 0, p->n_panels, p->act, p->n_tokens,
		     p->y, p->n_panels * LSB_PANEL);
}

/* Seconds of one call, the best of ROUNDS rounds of about round_s each. */
static double time_call(void (*call)(void *), void *arg)
{
	double best = 1e30, start = now_s();
	long calls = 1;

	call(arg);
	for (double once = now_s() - start; (double)calls * once < round_s;)
		calls *= 2;
	for (int round = 0; round < ROUNDS; round++) {
		start = now_s();
		for (long i = 0; i < calls; i++)
			call(arg);
		const double each = (now_s() - start) / (double)calls;

		best = each < best ? each : best;
	}
	return best;
}

static float noise(size_t i)
{
	return (float)((i * 2654435761u >> 8) % 2001) / 1000.0f - 1.0f;
}

/* n_panels copies of panels made of seeded numbers. */
static char *make_panels(const struct lsb_kernels *k, uint32_t type, size_t n_panels)
{
	const size_t bytes = k->panel_bytes(type, COLS),
		     row = COLS / lsb_type_block(type) * lsb_type_bytes(type);
	char *panels = allocate(n_panels * bytes);
	float *values = allocate(LSB_PANEL * COLS * sizeof(float));
	char *file = allocate(LSB_PANEL * row);

	for (size_t i = 0; i < LSB_PANEL * COLS; i++)
		values[i] = noise(i);
	lsb_quantize(type, values, file, LSB_PANEL * COLS);
	k->pack(type, COLS, file, row, LSB_PANEL, panels);
	for (size_t p = 1; p < n_panels; p++)
		memcpy(panels + p * bytes, panels, bytes);
	free(values);
	free(file);
	return panels;
}

static void bench_type(const struct lsb_kernels *k, uint32_t type)
{
	const size_t bytes = k->panel_bytes(type, COLS), n_large = large_bytes / bytes,
		     n_small = ROWS / LSB_PANEL;
	const size_t act_bytes = k->act_bytes(k->act_kind(type), COLS);
	char *panels = make_panels(k, type, n_large), *act = allocate(TOKENS_MAX * act_bytes);
	float *x = allocate(COLS * sizeof(float)), *y;
	struct product p = {
		.k = k, .type = type, .n_panels = n_large, .n_tokens = 1, .panels = panels, .act = act
	};
	double s;

	y = allocate((n_large + n_small * TOKENS_MAX) * LSB_PANEL * sizeof(float));
	p.y = y;
	for (size_t t = 0; t < TOKENS_MAX; t++) {
		for (size_t i = 0; i < COLS; i++)
			x[i] = noise(t * COLS + i);
		k->act_store(k->act_kind(type), x, COLS, act + t * act_bytes);
	}
	s = time_call(run_product, &p);
	printf("%-7s %-5s %6.1f", k->name, lsb_type_name(type), (double)(n_large * bytes) / s * 1e-9);
	p.n_panels = n_small;
	for (size_t i = 0; i < N_TOKENS; i++) {
		p.n_tokens = token_counts[i];
		s = time_call(run_product, &p);
		if (i == 0)
			printf(" %7.1f  |", (double)(n_small * bytes) / s * 1e-9);
		printf(" %7.1f", 2e-9 * ROWS * COLS * (double)p.n_tokens / s);
		fflush(stdout);
	}
	printf("\n");
	free(panels);
	free(act);
	free(x);
	free(y);
}

struct attention_call {
	const struct lsb_kernels *k;
	size_t n_q;
	uint32_t last[TOKENS_MAX * 3];
	uint16_t *kv;
	float *q, *out;
	void *work;
};

struct read_call {
	const struct lsb_kernels *k;
	const void *p;
	uint64_t sum;
};

static void run_read(void *arg)
{
	struct read_call *r = arg;

	r->sum += r->k->read_all(r->p, large_bytes);
}

/* What the DRAM column can reach. */
static void bench_read(const struct lsb_kernels *k)
{
	struct read_call r = { .k = k };
	void *p = memset(allocate(large_bytes), 1, large_bytes);

	r.p = p;
	printf("%-7s read_all of %zu MiB: %.1f GB/s\n", k->name, large_bytes >> 20,
	       (double)large_bytes / time_call(run_read, &r) * 1e-9);
	free(p);
}

enum { HEAD = 64, KV_STRIDE = 3 * HEAD };

static void run_attention(void *arg)
{
	const struct attention_call *a = arg;

	a->k->attention(a->q, HEAD, a->n_q, a->last, a->kv, a->kv, KV_STRIDE, HEAD, 0.125f, a->out, HEAD,
			a->work);
}

/*
 * One KV head of the default model: three query heads, one token at position 447 or all of a 512-token
 * prompt.
 */
static void bench_attention(const struct lsb_kernels *k)
{
	struct attention_call a = { .k = k, .n_q = 3, .last = { 447, 447, 447 } };
	double s, pairs = 0.0;

	a.kv = allocate(TOKENS_MAX * KV_STRIDE * sizeof(uint16_t));
	a.q = allocate(TOKENS_MAX * 3 * HEAD * sizeof(float));
	a.out = allocate(TOKENS_MAX * 3 * HEAD * sizeof(float));
	a.work = allocate(k->attention_work(TOKENS_MAX, HEAD));
	for (size_t i = 0; i < TOKENS_MAX * 3 * HEAD; i++)
		a.q[i] = noise(i);
	k->to_f16(a.q, TOKENS_MAX * KV_STRIDE, a.kv);
	s = time_call(run_attention, &a);
	printf("%-7s attention, 3 queries at 447: %.1f us (%.1f GB/s of K and V)", k->name, s * 1e6,
	       448 * HEAD * 4 / s * 1e-9);
	a.n_q = TOKENS_MAX * 3;
	for (size_t i = 0; i < a.n_q; i++) {
		a.last[i] = (uint32_t)(i / 3);
		pairs += a.last[i] + 1.0;
	}
	s = time_call(run_attention, &a);
	printf("; prompt of 512: %.0f us (%.1f GFLOP/s)\n", s * 1e6, pairs * HEAD * 4 / s * 1e-9);
	free(a.kv);
	free(a.q);
	free(a.out);
	free(a.work);
}

struct vector_call {
	const struct lsb_kernels *k;
	float *a, *b, *c;
};

static void run_norm(void *arg)
{
	const struct vector_call *v = arg;

	v->k->rms_norm(v->a, v->b, 576, 1e-5f, v->c);
}

static void run_silu(void *arg)
{
	const struct vector_call *v = arg;

	v->k->silu_mul(v->a, v->b, COLS, v->c);
}

static void run_rope(void *arg)
{
	const struct vector_call *v = arg;

	v->k->rope(v->c, 12, 64, 64, v->b);
}

static void run_store(void *arg)
{
	const struct vector_call *v = arg;

	v->k->act_store(LSB_ACT_I8, v->a, COLS, v->c);
}

static void bench_vectors(const struct lsb_kernels *k)
{
	struct vector_call v = { k, allocate(COLS * 4), allocate(COLS * 4), allocate(COLS * 4) };
	const double ns = 1e9;

	for (size_t i = 0; i < COLS; i++)
		v.a[i] = v.b[i] = v.c[i] = noise(i);
	printf("%-7s rms_norm(576) %.0f ns", k->name, ns * time_call(run_norm, &v));
	printf(", silu_mul(1536) %.0f ns", ns * time_call(run_silu, &v));
	printf(", rope(12 x 64) %.0f ns", ns * time_call(run_rope, &v));
	printf(", act_store(1536) %.0f ns\n", ns * time_call(run_store, &v));
	free(v.a);
	free(v.b);
	free(v.c);
}

int main(int argc, char **argv)
{
	static const char *const isas[] = { "avx512", "avx2", "plain" };

	printf("one core, panels of %d x %d (and %zu MiB of them for DRAM)\n", ROWS, COLS, large_bytes >> 20);
	printf("%-7s %-5s %6s %7s  | GOP/s with this many tokens\n", "", "", "DRAM", "cache");
	printf("%-7s %-5s %6s %7s  |", "isa", "type", "GB/s", "GB/s");
	for (size_t i = 0; i < N_TOKENS; i++)
		printf(" %7zu", token_counts[i]);
	printf("\n");
	for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
		const struct lsb_kernels *k = lsb_kernels_find(isas[i]);

		if (!k || (argc > 1 && strcmp(argv[1], isas[i])))
			continue;
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
			if (argc < 3 || !strcmp(argv[2], lsb_type_name(types[t])))
				bench_type(k, types[t]);
		bench_read(k);
		bench_attention(k);
		bench_vectors(k);
	}
	return 0;
}
