/* SPDX-License-Identifier: Apache-2.0 */
/* Faster, slower, no difference seen or unknown: when which is said, and that chance is not taken for one. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/verdict.h"

enum { LAUNCHES_MAX = 64 };

static struct lsb_launch_values launches(const double *values, const double *rounds, size_t n)
{
	return (struct lsb_launch_values){ .values = values, .rounds = rounds, .n = n };
}

static struct lsb_verdict compare(const double *a, const double *b, size_t n, int in_pairs,
				  enum lsb_metric_sense sense)
{
	double rounds[LAUNCHES_MAX];
	struct lsb_launch_values it, baseline;
	struct lsb_verdict v;

	for (size_t i = 0; i < n; i++)
		rounds[i] = (double)i;
	it = launches(a, in_pairs ? rounds : NULL, n);
	baseline = launches(b, in_pairs ? rounds : NULL, n);
	lsb_verdict_compare(&it, &baseline, sense, &v);
	return v;
}

/* a[i] = ratio * b[i] with b of 1 % spread. */
static void scaled(double ratio, size_t n, double *a, double *b)
{
	for (size_t i = 0; i < n; i++) {
		b[i] = 10 + 0.1 * (double)((i * 7) % 5);
		a[i] = ratio * b[i];
	}
}

START_TEST(sense_comes_from_the_metric_s_unit)
{
	ck_assert_int_eq(lsb_metric_sense("tokens_per_s"), LSB_MORE_IS_FASTER);
	ck_assert_int_eq(lsb_metric_sense("goodput_rps"), LSB_MORE_IS_FASTER);
	ck_assert_int_eq(lsb_metric_sense("link_bps"), LSB_MORE_IS_FASTER);
	ck_assert_int_eq(lsb_metric_sense("run_s"), LSB_MORE_IS_SLOWER);
	ck_assert_int_eq(lsb_metric_sense("ttft_p99_s"), LSB_MORE_IS_SLOWER);
	ck_assert_int_eq(lsb_metric_sense("peak_memory_bytes"), LSB_NO_SPEED);
	ck_assert_int_eq(lsb_metric_sense("rouge1"), LSB_NO_SPEED);
}
END_TEST

static const struct {
	double ratio;
	enum lsb_metric_sense sense;
	enum lsb_verdict_kind kind;
} told[] = {
	{ 1.05, LSB_MORE_IS_FASTER, LSB_VERDICT_FASTER },
	{ 1.05, LSB_MORE_IS_SLOWER, LSB_VERDICT_SLOWER },
	{ 1.05, LSB_NO_SPEED, LSB_VERDICT_HIGHER },
	{ 0.95, LSB_MORE_IS_FASTER, LSB_VERDICT_SLOWER },
	{ 0.95, LSB_MORE_IS_SLOWER, LSB_VERDICT_FASTER },
	{ 0.95, LSB_NO_SPEED, LSB_VERDICT_LOWER },
	{ 1.015, LSB_MORE_IS_FASTER, LSB_VERDICT_NO_DIFFERENCE }, /* sure, but within the noise floor */
	{ 0.985, LSB_MORE_IS_FASTER, LSB_VERDICT_NO_DIFFERENCE },
	{ 1, LSB_MORE_IS_SLOWER, LSB_VERDICT_NO_DIFFERENCE },
};

START_TEST(ten_clear_pairs_are_told_by_sense_and_noise_floor)
{
	double a[10], b[10];
	struct lsb_verdict v;

	scaled(told[_i].ratio, 10, a, b);
	v = compare(a, b, 10, 1, told[_i].sense);
	ck_assert_int_eq(v.kind, told[_i].kind);
	ck_assert_uint_eq(v.n_pairs, 10);
	ck_assert_double_eq_tol(v.ratio, told[_i].ratio, 1e-12);
	ck_assert_str_eq(v.reason, "");
}
END_TEST

START_TEST(five_pairs_are_too_few_and_six_are_not)
{
	double a[6], b[6];
	struct lsb_verdict v;

	scaled(2, 6, a, b);
	v = compare(a, b, 5, 1, LSB_MORE_IS_FASTER);
	ck_assert_int_eq(v.kind, LSB_VERDICT_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(v.reason, "6 rounds"));
	ck_assert_double_eq_tol(v.ratio, 2, 1e-12);
	ck_assert(!v.has_interval);
	v = compare(a, b, 6, 1, LSB_MORE_IS_FASTER);
	ck_assert_int_eq(v.kind, LSB_VERDICT_FASTER);
	ck_assert_double_eq_tol(v.p, 2.0 / 64, 1e-12);
}
END_TEST

START_TEST(three_and_three_samples_are_too_few_and_four_and_four_are_not)
{
	double a[4], b[4];
	struct lsb_verdict v;

	scaled(2, 4, a, b);
	v = compare(a, b, 3, 0, LSB_MORE_IS_FASTER);
	ck_assert_int_eq(v.kind, LSB_VERDICT_UNKNOWN);
	v = compare(a, b, 4, 0, LSB_MORE_IS_FASTER);
	ck_assert_int_eq(v.kind, LSB_VERDICT_FASTER);
	ck_assert_uint_eq(v.n_pairs, 0);
	ck_assert_double_eq_tol(v.p, 2.0 / 70, 1e-12); /* one of (8 choose 4) orders, two-sided */
}
END_TEST

START_TEST(pairs_see_what_drift_hides_from_samples)
{
	double a[10], b[10];

	for (size_t i = 0; i < 10; i++) {
		b[i] = 10 * pow(1.2, (double)i); /* the machine slows down all the while */
		a[i] = 1.05 * b[i];
	}
	ck_assert_int_eq(compare(a, b, 10, 1, LSB_MORE_IS_SLOWER).kind, LSB_VERDICT_SLOWER);
	ck_assert_int_eq(compare(a, b, 10, 0, LSB_MORE_IS_SLOWER).kind, LSB_VERDICT_NO_DIFFERENCE);
}
END_TEST

START_TEST(only_rounds_that_both_have_are_pairs)
{
	const double a[] = { 2, 2, 2, 2, 2, 2, 900 }, b[] = { 700, 1, 1, 1, 1, 1, 1 };
	const double rounds_a[] = { 1, 2, 3, 4, 5, 6, 7 }, rounds_b[] = { 0, 6, 5, 4, 3, 2, 1 };
	const struct lsb_launch_values it = launches(a, rounds_a, 7), baseline = launches(b, rounds_b, 7);
	struct lsb_verdict v;

	lsb_verdict_compare(&it, &baseline, LSB_MORE_IS_SLOWER, &v);
	ck_assert_uint_eq(v.n_pairs, 6);
	ck_assert_double_eq_tol(v.interval.lo, 2, 1e-12);
	ck_assert_double_eq_tol(v.interval.hi, 2, 1e-12);
	ck_assert_int_eq(v.kind, LSB_VERDICT_SLOWER);
}
END_TEST

START_TEST(values_without_a_ratio_are_unknown)
{
	const double bad[] = { 0, -1, NAN, INFINITY };
	double a[10], b[10];
	struct lsb_verdict v;

	scaled(2, 10, a, b);
	ck_assert_int_eq(compare(a, b, 0, 1, LSB_MORE_IS_FASTER).kind, LSB_VERDICT_UNKNOWN);
	for (size_t i = 0; i < 4; i++) {
		a[3] = bad[i];
		v = compare(a, b, 10, 1, LSB_MORE_IS_FASTER);
		ck_assert_int_eq(v.kind, LSB_VERDICT_UNKNOWN);
		ck_assert_ptr_nonnull(strstr(v.reason, "not positive"));
		ck_assert_int_eq(compare(b, a, 10, 0, LSB_MORE_IS_FASTER).kind, LSB_VERDICT_UNKNOWN);
	}
}
END_TEST

/* --- families --- */

START_TEST(family_takes_back_what_one_of_many_shows_by_chance)
{
	/* 9 of 10 pairs one way: p = 0.0215, and among four 0.086 */
	const double a[] = { 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 0.9 };
	const double b[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct lsb_verdict v[4];

	for (size_t i = 0; i < 4; i++)
		v[i] = compare(i ? b : a, b, 10, 1, LSB_MORE_IS_SLOWER);
	ck_assert_int_eq(v[0].kind, LSB_VERDICT_SLOWER);
	lsb_verdict_family(v, 1);
	ck_assert_int_eq(v[0].kind, LSB_VERDICT_SLOWER);
	lsb_verdict_family(v, 4);
	ck_assert_int_eq(v[0].kind, LSB_VERDICT_NO_DIFFERENCE);
	ck_assert_ptr_nonnull(strstr(v[0].reason, "Holm"));
	ck_assert_double_eq_tol(v[0].p_adjusted, 4 * v[0].p, 1e-12);
	ck_assert_double_eq(v[1].p_adjusted, 1);
}
END_TEST

START_TEST(family_too_large_for_its_launches_is_unknown)
{
	double a[6], b[6];
	struct lsb_verdict v[2];

	scaled(2, 6, a, b);
	v[0] = v[1] = compare(a, b, 6, 1, LSB_MORE_IS_FASTER); /* p = 0.031: no 6 pairs could give less */
	lsb_verdict_family(v, 2);
	ck_assert_int_eq(v[0].kind, LSB_VERDICT_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(v[0].reason, "too few launches"));
}
END_TEST

START_TEST(verdicts_without_p_do_not_count_in_a_family)
{
	double a[6], b[6];
	struct lsb_verdict v[3];

	scaled(2, 6, a, b);
	v[0] = v[2] = compare(a, b, 0, 1, LSB_MORE_IS_FASTER);
	v[1] = compare(a, b, 6, 1, LSB_MORE_IS_FASTER);
	lsb_verdict_family(v, 3);
	ck_assert_int_eq(v[1].kind, LSB_VERDICT_FASTER);
	ck_assert_double_eq(v[1].p, v[1].p_adjusted);
}
END_TEST

START_TEST(holm_s_own_example)
{
	/* Computed by hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, then never below the one before. */
	const double p[] = { 0.01, 0.04, 0.03, 0.005 }, expected[] = { 0.03, 0.06, 0.06, 0.02 };
	double adjusted[4];

	ck_assert_int_eq(lsb_holm(p, 4, adjusted), 0);
	for (size_t i = 0; i < 4; i++)
		ck_assert_double_eq_tol(adjusted[i], expected[i], 1e-12);
}
END_TEST

/* --- the same thing as A and as B --- */

/* Steele, Lea and Flood's splitmix64, made a number of (0, 1). */
static double draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

/* Run times as machines have them: drift, 3 % noise, now and then another tenant. */
static void simulate(uint64_t *state, size_t n, double *a, double *b)
{
	double pace = 1;

	for (size_t i = 0; i < n; i++) {
		double *sides[2] = { &a[i], &b[i] };

		pace *= 1 + 0.05 * (draw(state) - 0.5);
		for (size_t side = 0; side < 2; side++) {
			const double normal =
				sqrt(-2 * log(draw(state))) * cos(6.283185307179586 * draw(state));

			*sides[side] = pace * exp(0.03 * normal) * (draw(state) < 0.1 ? 1.4 : 1);
		}
	}
}

START_TEST(same_thing_twice_differs_no_oftener_than_the_level_says)
{
	enum { SEEDS = 2000, N = 10 };
	size_t n_false = 0, n_small_p = 0, n_first_twenty = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		uint64_t state = seed * 0x2545f4914f6cdd1du + 1;
		double a[N], b[N];
		struct lsb_verdict v;

		simulate(&state, N, a, b);
		v = compare(a, b, N, _i, LSB_MORE_IS_SLOWER);
		ck_assert_int_ne(v.kind, LSB_VERDICT_UNKNOWN);
		n_false += v.kind != LSB_VERDICT_NO_DIFFERENCE;
		n_small_p += v.p <= LSB_VERDICT_LEVEL;
		n_first_twenty += seed < 20 && v.kind != LSB_VERDICT_NO_DIFFERENCE;
	}
	ck_assert_uint_le(n_first_twenty, 4);
	ck_assert_uint_le(n_false, n_small_p); /* the interval is the test's own, and the floor takes more */
	ck_assert_uint_le(n_small_p, SEEDS / 20);
}
END_TEST

START_TEST(real_difference_of_a_tenth_is_seen)
{
	size_t n_seen = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		uint64_t state = seed * 0x2545f4914f6cdd1du + 1;
		double a[20], b[20];
		struct lsb_verdict v;

		simulate(&state, 20, a, b);
		for (size_t i = 0; i < 20; i++)
			a[i] *= 1.1;
		v = compare(a, b, 20, 1, LSB_MORE_IS_SLOWER);
		ck_assert_int_ne(v.kind, LSB_VERDICT_FASTER);
		n_seen += v.kind == LSB_VERDICT_SLOWER;
	}
	ck_assert_uint_ge(n_seen, 80);
}
END_TEST

/* --- of a summary --- */

static json_t *point_of(const double *values, size_t n, int first_round)
{
	json_t *samples = json_array(), *rounds = json_array();

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(samples, json_real(values[i]));
		json_array_append_new(rounds, json_integer((json_int_t)i + first_round));
	}
	return json_pack("{s:o, s:{s:{s:o}}}", "rounds", rounds, "metrics", "run_s", "samples", samples);
}

START_TEST(points_pair_only_within_a_run)
{
	double a[10], b[10];
	struct lsb_verdict v;
	json_t *it, *baseline, *json;

	scaled(2, 10, a, b);
	it = point_of(a, 10, 0);
	baseline = point_of(b, 10, 2);
	lsb_verdict_points(it, baseline, "run_s", 1, &v);
	ck_assert_uint_eq(v.n_pairs, 8);
	lsb_verdict_points(it, baseline, "run_s", 0, &v);
	ck_assert_uint_eq(v.n_pairs, 0);
	ck_assert_int_eq(v.kind, LSB_VERDICT_SLOWER);
	json = lsb_verdict_json(&v);
	ck_assert_str_eq(json_string_value(json_object_get(json, "verdict")), "slower");
	ck_assert(json_is_null(json_object_get(json, "reason")));
	ck_assert_uint_eq(json_array_size(json_object_get(json, "ci95")), 2);
	json_decref(json);
	lsb_verdict_points(it, baseline, "wall_s", 1, &v);
	ck_assert_int_eq(v.kind, LSB_VERDICT_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(v.reason, "metric"));
	json = lsb_verdict_json(&v);
	ck_assert(json_is_null(json_object_get(json, "ratio")) && json_is_null(json_object_get(json, "p")));
	json_decref(json);
	json_decref(it);
	json_decref(baseline);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verdict");
	TCase *one = tcase_create("one"), *family = tcase_create("family"), *same = tcase_create("same"),
	      *summary = tcase_create("summary");
	SRunner *runner;
	int failed;

	tcase_add_test(one, sense_comes_from_the_metric_s_unit);
	tcase_add_loop_test(one, ten_clear_pairs_are_told_by_sense_and_noise_floor, 0,
			    sizeof(told) / sizeof(told[0]));
	tcase_add_test(one, five_pairs_are_too_few_and_six_are_not);
	tcase_add_test(one, three_and_three_samples_are_too_few_and_four_and_four_are_not);
	tcase_add_test(one, pairs_see_what_drift_hides_from_samples);
	tcase_add_test(one, only_rounds_that_both_have_are_pairs);
	tcase_add_test(one, values_without_a_ratio_are_unknown);
	tcase_add_test(family, family_takes_back_what_one_of_many_shows_by_chance);
	tcase_add_test(family, family_too_large_for_its_launches_is_unknown);
	tcase_add_test(family, verdicts_without_p_do_not_count_in_a_family);
	tcase_add_test(family, holm_s_own_example);
	tcase_add_loop_test(same, same_thing_twice_differs_no_oftener_than_the_level_says, 0, 2);
	tcase_add_test(same, real_difference_of_a_tenth_is_seen);
	tcase_add_test(summary, points_pair_only_within_a_run);
	suite_add_tcase(suite, one);
	suite_add_tcase(suite, family);
	suite_add_tcase(suite, same);
	suite_add_tcase(suite, summary);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
