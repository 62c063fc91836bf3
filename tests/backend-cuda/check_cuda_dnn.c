/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention by cuDNN against plain C in double precision: head sizes and groups, both
 * elements of the cache and of the output, runs of any slots, lengths and offsets in one
 * call, rows of others between them. Without a device, or where cuDNN cannot be used, the
 * program says why and exits with 77.
 *
 * Tolerances are relative to the norm of the answer; queries, keys and values are given in
 * 16 bits, so it is probabilities and outputs that are rounded: 2e-3 for fp16, 1.5e-2 for bf16.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dnn.h"
#include "model.h"
#include "rig.h"

#define OK(call) ck_assert_msg((call) == cudaSuccess, "%s: %s", #call, cudaGetErrorString(cudaGetLastError()))

enum { SLOTS = 5, CONTEXT = 1000, TOKENS = 1100, ROWS_LOOKED_AT = 8, UNTOUCHED = 0x5a };

static const struct {
	uint32_t heads, kv_heads, head_dim;
} shapes[] = { { 8, 8, 64 },  { 9, 3, 64 },  { 16, 1, 64 },  { 12, 4, 80 },  { 10, 2, 96 },
	       { 8, 2, 104 }, { 8, 2, 128 }, { 14, 2, 128 }, { 16, 2, 128 }, { 6, 2, 256 } };
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), ELEMS = 4 };

/* Runs of a step: first row, tokens, slot, positions before them. */
static const struct run {
	uint32_t row, n, slot, before;
} steps[][CUDA_RUNS_MOST] = {
	{ { 0, 512, 1, 488 } },
	{ { 3, 256, 3, 0 }, { 264, 300, 0, 477 }, { 564, 257, 4, 0 } },
	{ { 1, 256, 2, 1 }, { 300, 800, 4, 200 } },
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static uint64_t state = 88172645463325252ull;

/* In [-2, 2). */
static float any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (float)(state >> 40) * 0x1p-22f - 2.0f;
}

static uint32_t type_of(enum cuda_elem elem)
{
	return elem == CUDA_F16 ? LSB_TYPE_F16 : LSB_TYPE_BF16;
}

/* n values as `elem` has them: coded on the device, and here. */
struct values {
	void *at;
	float *here;
};

static struct values some(enum cuda_elem elem, size_t n, size_t slack)
{
	struct values v = { .here = malloc(n * sizeof(float)) };
	unsigned char *coded = malloc(n * 2);

	for (size_t i = 0; i < n; i++)
		v.here[i] = any();
	lsb_quantize(type_of(elem), v.here, coded, n);
	lsb_dequantize(type_of(elem), coded, v.here, n);
	OK(cudaMalloc(&v.at, (n + slack) * 2));
	OK(cudaMemset(v.at, 0, (n + slack) * 2));
	OK(cudaMemcpy(v.at, coded, n * 2, cudaMemcpyHostToDevice));
	free(coded);
	return v;
}

static void drop(struct values *v)
{
	cudaFree(v->at);
	free(v->here);
}

struct scene {
	struct cuda_dnn_shape shape;
	enum cuda_elem out_elem;
	struct values q, keys, values;
	void *out;
	struct cuda_runs *runs;
	unsigned char *got, *again;
	size_t out_bytes;
	struct cuda_dnn *dnn;
};

static void scene_make(struct scene *s, size_t shape, enum cuda_elem elem, enum cuda_elem out_elem)
{
	const uint32_t heads = shapes[shape].heads, kv_heads = shapes[shape].kv_heads,
		       dim = shapes[shape].head_dim;
	const size_t cache = (size_t)SLOTS * kv_heads * CONTEXT * dim;
	struct lsb_error err = { 0 };
	const char *brief = NULL;

	*s = (struct scene){ .out_elem = out_elem,
			     .shape = { .heads = heads,
					.kv_heads = kv_heads,
					.head_dim = dim,
					.slots = SLOTS,
					.context = CONTEXT,
					.tokens = TOKENS,
					.runs = CUDA_RUNS_MOST,
					.ld_out = (heads * dim + 63) / 64 * 64,
					.elem = elem,
					.outs = 1 << out_elem } };
	s->q = some(elem, (size_t)TOKENS * heads * dim, (size_t)CUDA_RUN_SLACK * heads * dim);
	s->keys = some(elem, cache, (size_t)CUDA_RUN_SLACK * dim);
	s->values = some(elem, cache, (size_t)CUDA_RUN_SLACK * dim);
	s->out_bytes = (size_t)TOKENS * s->shape.ld_out * 2;
	s->got = malloc(s->out_bytes);
	s->again = malloc(s->out_bytes);
	OK(cudaMalloc(&s->out, s->out_bytes));
	OK(cudaMalloc((void **)&s->runs, sizeof(*s->runs)));
	OK(cudaDeviceSynchronize());
	ck_assert_msg(cuda_dnn_open(rig_host(), &s->shape, NULL, &s->dnn, &brief, &err) == LSB_OK, "%s",
		      err.msg);
}

static void scene_drop(struct scene *s)
{
	cuda_dnn_close(s->dnn);
	drop(&s->q);
	drop(&s->keys);
	drop(&s->values);
	cudaFree(s->out);
	cudaFree(s->runs);
	free(s->got);
	free(s->again);
}

static uint32_t runs_of(const struct run *step)
{
	uint32_t n = 0;

	while (n < CUDA_RUNS_MOST && step[n].n)
		n++;
	return n;
}

static void attend(struct scene *s, const struct run *step, unsigned char *to)
{
	const uint32_t n = runs_of(step);
	const struct cuda_dnn_step given = { .q = s->q.at,
					     .keys = s->keys.at,
					     .values = s->values.at,
					     .out = s->out,
					     .out_elem = s->out_elem,
					     .runs = s->runs,
					     .n_runs = n };
	struct cuda_runs runs = { 0 };
	struct lsb_error err = { 0 };

	for (uint32_t i = 0; i <= CUDA_RUNS_MOST; i++) {
		const struct run *r = &step[i < n ? i : n - 1];
		const uint32_t row = i < n ? r->row : r->row + r->n;

		runs.q_at[i] = (int32_t)(row * s->shape.heads * s->shape.head_dim);
		runs.out_at[i] = (int32_t)(row * s->shape.ld_out);
		if (i >= n)
			continue;
		runs.queries[i] = (int32_t)r->n;
		runs.positions[i] = (int32_t)(r->before + r->n);
		runs.slot[i] = (int32_t)r->slot;
	}
	OK(cudaMemcpy(s->runs, &runs, sizeof(runs), cudaMemcpyHostToDevice));
	OK(cudaMemset(s->out, UNTOUCHED, s->out_bytes));
	ck_assert_msg(cuda_dnn_attend(s->dnn, &given, &err) == LSB_OK, "%s", err.msg);
	OK(cudaDeviceSynchronize());
	OK(cudaMemcpy(to, s->out, s->out_bytes, cudaMemcpyDeviceToHost));
}

/* What query `i` of a run has to give, head by head. */
static void attend_plainly(const struct scene *s, const struct run *r, uint32_t i, uint32_t head, double *out)
{
	const uint32_t dim = s->shape.head_dim, kv = head / (s->shape.heads / s->shape.kv_heads);
	const size_t cache = ((size_t)r->slot * s->shape.kv_heads + kv) * CONTEXT * dim;
	const float *q = s->q.here + ((size_t)(r->row + i) * s->shape.heads + head) * dim;
	double p[CONTEXT], most = -INFINITY, sum = 0.0;

	for (uint32_t at = 0; at <= r->before + i; at++) {
		p[at] = 0.0;
		for (uint32_t d = 0; d < dim; d++)
			p[at] += (double)q[d] * s->keys.here[cache + (size_t)at * dim + d];
		p[at] /= sqrt(dim);
		most = p[at] > most ? p[at] : most;
	}
	for (uint32_t at = 0; at <= r->before + i; at++)
		sum += exp(p[at] - most);
	for (uint32_t d = 0; d < dim; d++)
		out[d] = 0.0;
	for (uint32_t at = 0; at <= r->before + i; at++)
		for (uint32_t d = 0; d < dim; d++)
			out[d] += exp(p[at] - most) / sum * s->values.here[cache + (size_t)at * dim + d];
}

static double run_off_by(const struct scene *s, const struct run *r)
{
	const uint32_t dim = s->shape.head_dim;
	double off = 0.0, norm = 0.0;

	for (uint32_t look = 0; look < ROWS_LOOKED_AT; look++) {
		const uint32_t i = look * (r->n - 1) / (ROWS_LOOKED_AT - 1);

		for (uint32_t head = 0; head < s->shape.heads; head++) {
			const size_t at = (size_t)(r->row + i) * s->shape.ld_out + head * dim;
			double truth[CUDA_HEAD_MAX];
			float got[CUDA_HEAD_MAX];

			attend_plainly(s, r, i, head, truth);
			lsb_dequantize(type_of(s->out_elem), s->got + at * 2, got, dim);
			for (uint32_t d = 0; d < dim; d++) {
				off += (got[d] - truth[d]) * (got[d] - truth[d]);
				norm += truth[d] * truth[d];
			}
		}
	}
	return sqrt(off / norm);
}

/* Rows that are of no run, and what stands behind the heads of those that are. */
static bool others_untouched(const struct scene *s, const struct run *step)
{
	const size_t row_bytes = (size_t)s->shape.ld_out * 2,
		     used = (size_t)s->shape.heads * s->shape.head_dim * 2;

	for (uint32_t row = 0; row < TOKENS; row++) {
		size_t from = 0;

		for (uint32_t i = 0; i < runs_of(step); i++)
			if (row >= step[i].row && row < step[i].row + step[i].n)
				from = used;
		for (size_t at = from; at < row_bytes; at++)
			if (s->got[row * row_bytes + at] != UNTOUCHED)
				return false;
	}
	return true;
}

START_TEST(attention_by_cudnn_agrees_with_plain_c)
{
	const enum cuda_elem elem = _i / SHAPES % 2 ? CUDA_BF16 : CUDA_F16,
			     out_elem = _i / SHAPES / 2 ? CUDA_BF16 : CUDA_F16;
	const double most = elem == CUDA_BF16 || out_elem == CUDA_BF16 ? 1.5e-2 : 2e-3;
	double worst = 0.0;
	struct scene s;

	scene_make(&s, _i % SHAPES, elem, out_elem);
	for (size_t step = 0; step < STEPS; step++) {
		attend(&s, steps[step], s.got);
		attend(&s, steps[step], s.again);
		ck_assert_msg(memcmp(s.got, s.again, s.out_bytes) == 0,
			      "step %zu: other bits the second time", step);
		ck_assert_msg(others_untouched(&s, steps[step]), "step %zu: rows of others were written",
			      step);
		for (uint32_t i = 0; i < runs_of(steps[step]); i++) {
			const double off = run_off_by(&s, &steps[step][i]);

			worst = off > worst ? off : worst;
			ck_assert_msg(off <= most,
				      "step %zu, run %u, heads of %u, %u over %u, %d to %d: off by %g", step,
				      i, s.shape.head_dim, s.shape.heads, s.shape.kv_heads, elem, out_elem,
				      off);
		}
	}
	printf("%u heads of %u over %u, cache %s, out %s: off by %.1e\n", s.shape.heads, s.shape.head_dim,
	       s.shape.kv_heads, elem ? "bf16" : "fp16", out_elem ? "bf16" : "fp16", worst);
	scene_drop(&s);
}
END_TEST

/* What cuDNN does not take is refused in words, when it is opened. */
START_TEST(odd_heads_are_refused_at_open)
{
	const struct cuda_dnn_shape shape = { .heads = 8,
					      .kv_heads = 8,
					      .head_dim = 100,
					      .slots = SLOTS,
					      .context = CONTEXT,
					      .tokens = TOKENS,
					      .runs = 1,
					      .ld_out = 832,
					      .elem = CUDA_F16,
					      .outs = 1 << CUDA_F16 };
	struct lsb_error err = { 0 };
	const char *brief = NULL;
	struct cuda_dnn *dnn;

	ck_assert_int_eq(cuda_dnn_open(rig_host(), &shape, NULL, &dnn, &brief, &err), LSB_EUNAVAIL);
	ck_assert_str_eq(brief, "cuDNN refuses the shape");
	ck_assert_ptr_nonnull(strstr(err.msg, "heads in steps of 8"));
}
END_TEST

/* Is there a device, and cuDNN on it? */
static bool ready(void)
{
	const struct cuda_dnn_shape shape = { .heads = 8,
					      .kv_heads = 8,
					      .head_dim = 64,
					      .slots = 1,
					      .context = CONTEXT,
					      .tokens = TOKENS,
					      .runs = 1,
					      .ld_out = 512,
					      .elem = CUDA_F16,
					      .outs = 1 << CUDA_F16 };
	struct lsb_error err = { 0 };
	const char *brief = NULL;
	struct cuda_dnn *dnn;
	int n = 0;

	if (cudaGetDeviceCount(&n) != cudaSuccess || n < 1) {
		printf("waived: no CUDA device\n");
		return false;
	}
	if (cuda_dnn_open(rig_host(), &shape, NULL, &dnn, &brief, &err)) {
		printf("waived: %s\n", err.msg);
		return false;
	}
	printf("cuDNN %zu\n", cuda_dnn_version(dnn));
	cuda_dnn_close(dnn);
	return true;
}

int main(void)
{
	Suite *suite = suite_create("cuda_dnn");
	TCase *tc = tcase_create("dnn");
	SRunner *runner;
	int failed;

	if (!ready())
		return 77;
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, attention_by_cudnn_agrees_with_plain_c, 0, SHAPES * ELEMS);
	tcase_add_test(tc, odd_heads_are_refused_at_open);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK); /* one process, one CUDA context */
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
