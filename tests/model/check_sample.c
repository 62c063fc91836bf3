/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling against a brute-force version that sorts, and against the
 * distribution it must have. All seeds are fixed: nothing here is left to chance.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

enum { MOST = 3000 };

struct candidate {
	double logit;
	uint32_t id;
};

static int by_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/*
 * Sorts and cuts as sample.h says, then draws in order of id. `near` tells that
 * the answer hangs on rounding: the cut or the draw is within 1e-6 of another.
 */
static int32_t brute_force(const float *logits, uint32_t vocab, const struct lsb_sampling *s,
			   uint32_t position, int *near)
{
	static struct candidate c[MOST];
	static double p[MOST];
	double sum = 0.0, kept = 0.0, goal, reached = 0.0;
	uint32_t n = s->top_k && s->top_k < vocab ? s->top_k : vocab, last = 0;
	int32_t chosen = -1;

	*near = 0;
	for (uint32_t i = 0; i < vocab; i++)
		c[i] = (struct candidate){ isnan(logits[i]) ? -INFINITY : (double)logits[i], i };
	qsort(c, vocab, sizeof(*c), by_order);
	for (uint32_t i = 0; i < n; i++)
		sum += exp((c[i].logit - c[0].logit) / (double)s->temperature);
	memset(p, 0, sizeof(p));
	for (uint32_t i = 0; i < n && (i == 0 || s->top_p >= 1.0f || kept < (double)s->top_p * sum); i++) {
		p[c[i].id] = exp((c[i].logit - c[0].logit) / (double)s->temperature);
		kept += p[c[i].id];
		last = i;
	}
	if (s->top_p < 1.0f)
		*near = fabs(kept - (double)s->top_p * sum) < 1e-6 * sum ||
			fabs(kept - p[c[last].id] - (double)s->top_p * sum) < 1e-6 * sum;
	goal = (double)lsb_uniform(s->seed, s->request, position) * kept;
	for (uint32_t i = 0; i < vocab; i++) {
		*near |= fabs(reached - goal) < 1e-6 * kept;
		reached += p[i];
		if (p[i] > 0.0 && chosen < 0 && reached > goal)
			chosen = (int32_t)i;
	}
	return chosen;
}

static uint32_t state = 1;

static float next(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(state >> 8) * 0x1p-24f;
}

/* Logits of many kinds: smooth, with many ties, with infinities and NaNs, peaked. */
static void fill(float *logits, uint32_t vocab, int kind)
{
	for (uint32_t i = 0; i < vocab; i++) {
		logits[i] = 12.0f * (next() - 0.5f);
		if (kind == 1)
			logits[i] = floorf(logits[i] / 3.0f);
		if (kind == 2 && next() < 0.3f)
			logits[i] = next() < 0.5f ? -INFINITY : NAN;
		if (kind == 3)
			logits[i] *= 8.0f;
	}
	if (kind == 1)
		logits[vocab / 2] = -0.0f;
	logits[vocab / 3] = 1.0f;
}

START_TEST(agrees_with_sorting)
{
	static const float temperatures[] = { 0.3f, 0.8f, 1.0f, 2.5f };
	static const float top_ps[] = { 1.0f, 0.95f, 0.5f, 0.1f, 0.01f };
	static const uint32_t top_ks[] = { 0, 1, 2, 40, 2000, 100000 };
	static float logits[MOST];
	uint32_t *work = malloc(2 * MOST * sizeof(*work));
	size_t compared = 0, left_out = 0;

	state = (uint32_t)_i + 1;
	for (uint32_t trial = 0; trial < 600; trial++) {
		const uint32_t vocab = 3 + (uint32_t)(next() * (trial % 3 ? 200 : MOST - 3));
		const struct lsb_sampling s = { .temperature = temperatures[trial % 4],
						.top_p = top_ps[trial % 5],
						.top_k = top_ks[trial / 5 % 6],
						.seed = 3,
						.request = trial };
		int near;
		int32_t want;

		fill(logits, vocab, _i);
		want = brute_force(logits, vocab, &s, trial, &near);
		if (near) {
			left_out++;
			continue;
		}
		compared++;
		ck_assert_int_eq(lsb_sample(logits, vocab, &s, trial, work), want);
	}
	ck_assert_uint_gt(compared, 10 * left_out);
	free(work);
}
END_TEST

START_TEST(temperature_0_takes_the_largest_and_the_lowest_id_on_a_tie)
{
	const float logits[6] = { 1.0f, 3.0f, NAN, 3.0f, -1.0f, 2.0f };
	const struct lsb_sampling s = { .temperature = 0.0f, .top_p = 0.1f, .top_k = 1 };
	uint32_t *work = malloc(12 * sizeof(*work));

	ck_assert_int_eq(lsb_sample(logits, 6, &s, 0, work), 1);
	free(work);
}
END_TEST

START_TEST(top_k_1_is_greedy)
{
	const float logits[5] = { 1.0f, 3.0f, 0.0f, 3.0f, -1.0f };
	struct lsb_sampling s = { .temperature = 5.0f, .top_p = 1.0f, .top_k = 1 };
	uint32_t *work = malloc(10 * sizeof(*work));

	for (s.request = 0; s.request < 100; s.request++)
		ck_assert_int_eq(lsb_sample(logits, 5, &s, 0, work), 1);
	free(work);
}
END_TEST

/* Whatever the logits and settings, an id of the vocabulary comes back. */
START_TEST(senseless_logits_and_settings_give_some_id)
{
	static const float odd[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0.0f, 1e-45f };
	static const float temperatures[] = { 1.0f, 0.0f, -1.0f, NAN, INFINITY, 1e-45f, 3e38f };
	static const float top_ps[] = { 1.0f, 0.5f, 0.0f, -1.0f, NAN, 2.0f };
	float logits[8];
	uint32_t *work = malloc(16 * sizeof(*work));

	for (uint32_t trial = 0; trial < 20000; trial++) {
		const struct lsb_sampling s = { .temperature = temperatures[trial % 7],
						.top_p = top_ps[trial % 6],
						.top_k = trial % 11,
						.request = trial };
		const uint32_t vocab = 1 + trial % 8;
		int32_t id;

		for (uint32_t i = 0; i < vocab; i++)
			logits[i] = odd[(uint32_t)(next() * 7)];
		id = lsb_sample(logits, vocab, &s, trial, work);
		ck_assert(id >= 0 && (uint32_t)id < vocab);
	}
	for (int i = 0; i < 8; i++)
		logits[i] = NAN;
	ck_assert_int_eq(
		lsb_sample(logits, 8, &(struct lsb_sampling){ .temperature = 1.0f, .top_p = 1.0f }, 0, work),
		0);
	free(work);
}
END_TEST

START_TEST(nan_and_minus_infinity_are_never_drawn)
{
	const float logits[5] = { NAN, 0.0f, -INFINITY, 0.0f, NAN };
	struct lsb_sampling s = { .temperature = 1.0f, .top_p = 1.0f };
	uint32_t *work = malloc(10 * sizeof(*work));

	for (s.request = 0; s.request < 1000; s.request++)
		ck_assert_int_eq(lsb_sample(logits, 5, &s, 9, work) % 2, 1);
	free(work);
}
END_TEST

/* Pearson's statistic over 20 ids and 40000 draws; 43.8 is the 0.1 % point for 19 degrees of freedom. */
START_TEST(draws_follow_the_softmax)
{
	enum { IDS = 20, DRAWS = 40000 };
	float logits[IDS];
	double p[IDS], sum = 0.0, statistic = 0.0;
	uint32_t seen[IDS] = { 0 }, *work = malloc(2 * IDS * sizeof(*work));
	struct lsb_sampling s = { .temperature = 0.7f, .top_p = 1.0f, .seed = 42 };

	for (int i = 0; i < IDS; i++) {
		logits[i] = sinf((float)i);
		p[i] = exp((double)logits[i] / 0.7);
		sum += p[i];
	}
	for (uint32_t d = 0; d < DRAWS; d++) {
		s.request = d / 200;
		seen[lsb_sample(logits, IDS, &s, d % 200, work)]++;
	}
	for (int i = 0; i < IDS; i++) {
		const double expected = DRAWS * p[i] / sum;

		statistic += (seen[i] - expected) * (seen[i] - expected) / expected;
	}
	ck_assert_double_lt(statistic, 43.8);
	free(work);
}
END_TEST

/*
 * The three counters are not interchangeable, and each spreads evenly. 1.63/sqrt(n): Kolmogorov's 1 % point.
 */
START_TEST(uniform_is_uniform_in_each_counter)
{
	enum { BINS = 100, DRAWS = 20000 };

	for (int which = 0; which < 3; which++) {
		uint32_t seen[BINS] = { 0 };
		double below = 0.0, most = 0.0;

		for (uint64_t i = 0; i < DRAWS; i++) {
			const float u =
				lsb_uniform(which == 0 ? i : 1, which == 1 ? i : 1, which == 2 ? i : 1);

			ck_assert(u >= 0.0f && u < 1.0f);
			seen[(int)(u * BINS)]++;
		}
		for (int b = 0; b < BINS; b++) {
			below += seen[b];
			most = fmax(most, fabs(below / DRAWS - (b + 1.0) / BINS));
		}
		ck_assert_double_lt(most, 1.63 / sqrt(DRAWS));
	}
	ck_assert_float_ne(lsb_uniform(1, 2, 3), lsb_uniform(3, 2, 1));
	ck_assert_float_ne(lsb_uniform(1, 2, 3), lsb_uniform(2, 1, 3));
	ck_assert_float_ne(lsb_uniform(1, 2, 3), lsb_uniform(1, 3, 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sample");
	TCase *tc = tcase_create("draws");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, agrees_with_sorting, 0, 4);
	tcase_add_test(tc, temperature_0_takes_the_largest_and_the_lowest_id_on_a_tie);
	tcase_add_test(tc, top_k_1_is_greedy);
	tcase_add_test(tc, senseless_logits_and_settings_give_some_id);
	tcase_add_test(tc, nan_and_minus_infinity_are_never_drawn);
	tcase_add_test(tc, draws_follow_the_softmax);
	tcase_add_test(tc, uniform_is_uniform_in_each_counter);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
