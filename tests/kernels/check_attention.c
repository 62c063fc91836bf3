/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_data.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t head_dims[] = { 64, 80, 96, 100, 128, 6, 256 };
enum { N_DIMS = sizeof(head_dims) / sizeof(head_dims[0]), POSITIONS = 203, QUERIES = 70 };

/* A KV cache of one head among two (hence the stride), queries, and where each stops. */
struct scene {
	size_t head_dim, stride;
	uint16_t *k, *v;
	float *q;
	uint32_t last[QUERIES];
};

static struct scene scene_make(size_t head_dim)
{
	struct scene s = { .head_dim = head_dim, .stride = 2 * head_dim };
	const size_t n = POSITIONS * s.stride;

	s.k = aligned_bytes(n * sizeof(uint16_t));
	s.v = aligned_bytes(n * sizeof(uint16_t));
	s.q = aligned_bytes(QUERIES * head_dim * sizeof(float));
	for (size_t i = 0; i < n; i++) {
		s.k[i] = lsb_f32_to_f16(random_value(31, i));
		s.v[i] = lsb_f32_to_f16(random_value(32, i));
	}
	for (size_t i = 0; i < QUERIES * head_dim; i++)
		s.q[i] = 4.0f * random_value(33, i);
	for (size_t i = 0; i < QUERIES; i++) /* three heads of consecutive tokens, then anything */
		s.last[i] = i < 48 ? (uint32_t)(120 + i / 3) : (uint32_t)(i * 37 % POSITIONS);
	s.last[50] = 0;
	s.last[51] = 31;
	s.last[52] = 32;
	s.last[53] = POSITIONS - 1;
	return s;
}

static void scene_free(struct scene *s)
{
	free(s->k);
	free(s->v);
	free(s->q);
}

static void attend(const struct lsb_kernels *k, const struct scene *s, size_t first, size_t n, float *out)
{
	uint32_t max = 0;
	void *work;

	for (size_t i = 0; i < n; i++)
		max = s->last[first + i] > max ? s->last[first + i] : max;
	work = aligned_bytes(k->attention_work(max + 1, s->head_dim));
	k->attention(s->q + first * s->head_dim, s->head_dim, n, s->last + first, s->k, s->v, s->stride,
		     s->head_dim, 1.0f / sqrtf((float)s->head_dim), out + first * s->head_dim, s->head_dim,
		     work);
	free(work);
}

static void naive(const struct scene *s, size_t query, double *out)
{
	double p[POSITIONS], sum = 0.0;

	for (size_t i = 0; i <= s->last[query]; i++) {
		double dot = 0.0;

		for (size_t d = 0; d < s->head_dim; d++)
			dot += (double)s->q[query * s->head_dim + d] *
			       lsb_f16_to_f32(s->k[i * s->stride + d]);
		p[i] = exp(dot / sqrt((double)s->head_dim));
		sum += p[i];
	}
	for (size_t d = 0; d < s->head_dim; d++) {
		out[d] = 0.0;
		for (size_t i = 0; i <= s->last[query]; i++)
			out[d] += p[i] / sum * lsb_f16_to_f32(s->v[i * s->stride + d]);
	}
}

START_TEST(attention_agrees_with_its_definition_in_double_precision)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_DIMS);
	struct scene s = scene_make(head_dims[_i % N_DIMS]);
	float *out = aligned_bytes(QUERIES * s.head_dim * sizeof(float));
	double want[256];

	if (!k)
		return;
	attend(k, &s, 0, QUERIES, out);
	for (size_t i = 0; i < QUERIES; i++) {
		naive(&s, i, want);
		/*
		 * Scores below 40 in magnitude carry an error of a few fp32 ulps, 1e-5, into exp; values are
		 * below 1.
		 */
		for (size_t d = 0; d < s.head_dim; d++)
			ck_assert_double_eq_tol(out[i * s.head_dim + d], want[d], 2e-5);
	}
	free(out);
	scene_free(&s);
}
END_TEST

START_TEST(a_query_has_the_same_bits_alone_and_among_others)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_DIMS);
	struct scene s = scene_make(head_dims[_i % N_DIMS]);
	const size_t bytes = QUERIES * s.head_dim * sizeof(float);
	float *alone = aligned_bytes(bytes), *out = aligned_bytes(bytes);

	if (!k)
		return;
	for (size_t i = 0; i < QUERIES; i++)
		attend(k, &s, i, 1, alone);
	for (size_t n = 2; n <= QUERIES; n += n < 12 ? 1 : 13) {
		memset(out, 0xa5, bytes);
		for (size_t i = 0; i < QUERIES; i += n)
			attend(k, &s, i, i + n < QUERIES ? n : QUERIES - i, out);
		ck_assert_mem_eq(out, alone, bytes);
	}
	free(alone);
	free(out);
	scene_free(&s);
}
END_TEST

/* A slot's cache holds a former sequence's values, or nothing yet, beyond the last position. */
START_TEST(what_lies_beyond_the_last_position_does_not_matter)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_DIMS);
	struct scene s = scene_make(head_dims[_i % N_DIMS]);
	const size_t bytes = QUERIES * s.head_dim * sizeof(float);
	float *clean = aligned_bytes(bytes), *dirty = aligned_bytes(bytes);

	if (!k)
		return;
	for (size_t i = 0; i < QUERIES; i++)
		s.last[i] = s.last[i] < 140 ? s.last[i] : 140;
	attend(k, &s, 0, QUERIES, clean);
	memset(s.k + 141 * s.stride, 0x7e, (POSITIONS - 141) * s.stride * sizeof(uint16_t)); /* NaNs */
	memset(s.v + 141 * s.stride, 0x7e, (POSITIONS - 141) * s.stride * sizeof(uint16_t));
	attend(k, &s, 0, QUERIES, dirty);
	ck_assert_mem_eq(clean, dirty, bytes);
	free(clean);
	free(dirty);
	scene_free(&s);
}
END_TEST

/* The same for a later token's values, seen by its own query only. */
START_TEST(a_later_token_of_the_chunk_cannot_spoil_an_earlier_one)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_DIMS);
	struct scene s = scene_make(head_dims[_i % N_DIMS]);
	float *out = aligned_bytes(QUERIES * s.head_dim * sizeof(float));

	if (!k)
		return;
	for (size_t i = 0; i < s.head_dim; i++)
		s.v[130 * s.stride + i] = s.k[130 * s.stride + i] = 0x7c00; /* infinity, as of an overflow */
	attend(k, &s, 0, 48, out);
	for (size_t i = 0; i < 30 * s.head_dim; i++) /* queries 0..29 end at 120..129 */
		ck_assert(isfinite(out[i]));
	ck_assert(!isfinite(out[30 * s.head_dim]));
	free(out);
	scene_free(&s);
}
END_TEST

START_TEST(large_scores_do_not_overflow)
{
	const struct lsb_kernels *k = isa_or_skip(_i);
	struct scene s = scene_make(64);
	float *out = aligned_bytes(QUERIES * 64 * sizeof(float));

	if (!k)
		return;
	for (size_t i = 0; i < QUERIES * 64; i++)
		s.q[i] *= 1000.0f;
	attend(k, &s, 0, QUERIES, out);
	for (size_t i = 0; i < QUERIES * 64; i++)
		ck_assert(fabsf(out[i]) <= 1.0f);
	free(out);
	scene_free(&s);
}
END_TEST

START_TEST(avx2_and_avx512_attention_give_the_same_bits)
{
	const struct lsb_kernels *a = isa_or_skip(1), *b = isa_or_skip(2);
	struct scene s = scene_make(head_dims[_i]);
	const size_t bytes = QUERIES * s.head_dim * sizeof(float);
	float *oa = aligned_bytes(bytes), *ob = aligned_bytes(bytes);

	if (!a || !b)
		return;
	attend(a, &s, 0, QUERIES, oa);
	attend(b, &s, 0, QUERIES, ob);
	ck_assert_mem_eq(oa, ob, bytes);
	free(oa);
	free(ob);
	scene_free(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernels_attention");
	TCase *tc = tcase_create("attention");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, attention_agrees_with_its_definition_in_double_precision, 0, N_ISAS * N_DIMS);
	tcase_add_loop_test(tc, a_query_has_the_same_bits_alone_and_among_others, 0, N_ISAS * N_DIMS);
	tcase_add_loop_test(tc, what_lies_beyond_the_last_position_does_not_matter, 0, N_ISAS * N_DIMS);
	tcase_add_loop_test(tc, a_later_token_of_the_chunk_cannot_spoil_an_earlier_one, 0, N_ISAS * N_DIMS);
	tcase_add_loop_test(tc, large_scores_do_not_overflow, 0, N_ISAS);
	tcase_add_loop_test(tc, avx2_and_avx512_attention_give_the_same_bits, 0, N_DIMS);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
