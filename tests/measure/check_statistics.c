/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics against answers of scipy and numpy, kept in golden/statistics.json. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/statistics.h"

enum { VALUES_MAX = 256 };

static json_t *golden; /* NULL: the file is not there */

static size_t values_of(const json_t *array, double *out)
{
	size_t i, n = json_array_size(array);
	const json_t *value;

	ck_assert_uint_le(n, VALUES_MAX);
	json_array_foreach(array, i, value)
	{
		out[i] = json_number_value(value);
	}
	return n;
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

START_TEST(median_interval_and_quantiles_are_numpy_s)
{
	const json_t *item, *ci;
	json_t *value;
	const char *q;
	size_t i;

	json_array_foreach(json_object_get(golden, "cases"), i, item)
	{
		double a[VALUES_MAX];
		const size_t n = values_of(json_object_get(item, "a"), a);
		struct lsb_interval interval;

		lsb_sort(a, n);
		ck_assert_double_eq_tol(lsb_median(a, n), number(item, "median_a"), 1e-12);
		json_object_foreach(json_object_get(item, "quantiles_a"), q, value)
		{
			ck_assert_double_eq_tol(lsb_quantile(a, n, strtod(q, NULL)), json_number_value(value),
						1e-12);
		}
		ci = json_object_get(item, "median_ci95_a");
		if (json_is_null(ci)) {
			ck_assert_int_eq(lsb_median_interval(a, n, 0.95, &interval), -1);
			continue;
		}
		ck_assert_int_eq(lsb_median_interval(a, n, 0.95, &interval), 0);
		ck_assert_double_eq(interval.lo, number(ci, "lo"));
		ck_assert_double_eq(interval.hi, number(ci, "hi"));
		ck_assert_double_eq_tol(interval.coverage, number(ci, "coverage"), 1e-8);
	}
}
END_TEST

START_TEST(mann_whitney_is_scipy_s_exact_test)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(golden, "cases"), i, item)
	{
		double a[VALUES_MAX], b[VALUES_MAX], u, p;
		const size_t n = values_of(json_object_get(item, "a"), a),
			     m = values_of(json_object_get(item, "b"), b);

		ck_assert_int_eq(lsb_mann_whitney(a, n, b, m, &u, &p), 0);
		ck_assert_double_eq(u, number(item, "u"));
		ck_assert_double_eq_tol(p, number(item, "p_exact"), 1e-9 + 1e-9 * number(item, "p_exact"));
	}
}
END_TEST

START_TEST(mann_whitney_of_an_empty_side_is_refused)
{
	const double one[] = { 1 };
	double u, p;

	ck_assert_int_eq(lsb_mann_whitney(one, 0, one, 1, &u, &p), -1);
	ck_assert_int_eq(lsb_mann_whitney(one, 1, one, 0, &u, &p), -1);
}
END_TEST

/* Ranks from a table of the binomial distribution, not from the code under test. */
static const struct {
	size_t n, lo, hi; /* 1-based ranks; lo == 0: no interval */
} at_95[] = { { 1, 0, 0 }, { 5, 0, 0 },	 { 6, 1, 6 },	{ 7, 1, 7 },   { 8, 1, 8 },
	      { 9, 2, 8 }, { 10, 2, 9 }, { 12, 3, 10 }, { 20, 6, 15 }, { 30, 10, 21 } };

START_TEST(interval_ranks_agree_with_the_binomial_table)
{
	double ranks[30];
	struct lsb_interval ci = { 0 };
	int rc;

	for (size_t i = 0; i < 30; i++)
		ranks[i] = (double)(i + 1);
	rc = lsb_median_interval(ranks, at_95[_i].n, 0.95, &ci);
	if (at_95[_i].lo == 0) {
		ck_assert_int_eq(rc, -1);
		return;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_double_eq(ci.lo, (double)at_95[_i].lo);
	ck_assert_double_eq(ci.hi, (double)at_95[_i].hi);
	ck_assert_double_ge(ci.coverage, 0.95);
}
END_TEST

START_TEST(paired_ratio_of_fewer_than_six_pairs_has_no_interval)
{
	const double a[] = { 2, 4, 6, 8, 10, 12 }, b[] = { 1, 2, 3, 4, 5, 6 };
	struct lsb_interval interval;
	double median;

	ck_assert_int_eq(lsb_paired_ratio(a, b, 5, &median, &interval), 0);
	ck_assert_double_eq_tol(median, 2, 1e-12);
	ck_assert_int_eq(lsb_paired_ratio(a, b, 6, &median, &interval), 1);
	ck_assert_double_eq_tol(interval.lo, 2, 1e-12);
	ck_assert_double_eq_tol(interval.hi, 2, 1e-12);
	ck_assert_int_eq(lsb_paired_ratio(a, b, 0, &median, &interval), -1);
}
END_TEST

START_TEST(paired_ratio_needs_positive_values)
{
	const double a[] = { 1, 0 }, b[] = { 1, 1 };
	struct lsb_interval interval;
	double median;

	ck_assert_int_eq(lsb_paired_ratio(a, b, 2, &median, &interval), -1);
	ck_assert_int_eq(lsb_paired_ratio(b, a, 2, &median, &interval), -1);
}
END_TEST

START_TEST(two_clusters_with_three_on_each_side_are_bimodal)
{
	const double two[] = { 3.4, 3.5, 3.5, 8.5, 8.6, 8.6 }, one[] = { 3.4, 3.5, 3.5, 3.6, 3.7, 3.9 };
	const double outlier[] = { 3.4, 3.5, 3.5, 3.5, 3.6, 8.6 };

	ck_assert_int_eq(lsb_is_bimodal(two, 6, 0.2, 3), 1);
	ck_assert_int_eq(lsb_is_bimodal(one, 6, 0.2, 3), 0);
	ck_assert_int_eq(lsb_is_bimodal(outlier, 6, 0.2, 3), 0);
	ck_assert_int_eq(lsb_is_bimodal(two, 2, 0.2, 3), 0);
}
END_TEST

START_TEST(deviation_is_of_a_sample)
{
	const double values[] = { 2, 4, 4, 4, 5, 5, 7, 9 };

	ck_assert_double_eq_tol(lsb_deviation(values, 8), sqrt(32.0 / 7.0), 1e-12);
	ck_assert_double_eq(lsb_deviation(values, 1), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statistics");
	TCase *tc = tcase_create("golden"), *rules = tcase_create("rules");
	SRunner *runner;
	int failed;

	golden = json_load_file(LSB_GOLDEN "/statistics.json", 0, NULL);
	if (golden) {
		tcase_add_test(tc, median_interval_and_quantiles_are_numpy_s);
		tcase_add_test(tc, mann_whitney_is_scipy_s_exact_test);
	}
	tcase_add_loop_test(rules, interval_ranks_agree_with_the_binomial_table, 0,
			    sizeof(at_95) / sizeof(at_95[0]));
	tcase_add_test(rules, mann_whitney_of_an_empty_side_is_refused);
	tcase_add_test(rules, paired_ratio_of_fewer_than_six_pairs_has_no_interval);
	tcase_add_test(rules, paired_ratio_needs_positive_values);
	tcase_add_test(rules, two_clusters_with_three_on_each_side_are_bimodal);
	tcase_add_test(rules, deviation_is_of_a_sample);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, rules);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (!golden)
		puts("skipped in part: " LSB_GOLDEN "/statistics.json is not there");
	json_decref(golden);
	return failed ? EXIT_FAILURE : golden ? EXIT_SUCCESS : 77;
}
