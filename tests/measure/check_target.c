/* SPDX-License-Identifier: Apache-2.0 */
/* When repetitions have given what they are for. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crafted.h"
#include "measure/flags.h"
#include "measure/summary.h"
#include "measure/target.h"

START_TEST(fewer_than_six_rounds_have_no_width)
{
	const double it[] = { 10, 10, NAN, 10, 10, 10 };

	ck_assert(isinf(lsb_target_half_width(it, NULL, 6)));
	ck_assert(isinf(lsb_target_half_width(it, NULL, 0)));
}
END_TEST

START_TEST(width_is_of_the_interval_over_the_median)
{
	const double it[] = { 90, 100, 100, 110, 100, 100 }; /* n = 6: least to largest */

	ck_assert_double_eq_tol(lsb_target_half_width(it, NULL, 6), 0.1, 1e-12);
}
END_TEST

START_TEST(wider_of_metric_and_ratio_counts)
{
	const double steady[] = { 10, 10, 10, 10, 10, 10 }, wild[] = { 5, 10, 5, 10, 5, 10 };
	const double gaps[] = { 10, NAN, 10, 10, 10, 10 };

	ck_assert_double_eq(lsb_target_half_width(steady, steady, 6), 0);
	ck_assert_double_gt(lsb_target_half_width(steady, wild, 6), 0.3);
	ck_assert_double_gt(lsb_target_half_width(wild, wild, 6),
			    0.3); /* its own, though the ratio is sure */
	ck_assert(isinf(lsb_target_half_width(steady, gaps, 6)));
}
END_TEST

/* The point of a run with max_reps = 8 whose run_s are 10 and 10 * spread in turn. New reference. */
static json_t *summary_of(double spread, int launches)
{
	const struct crafted point = { .id = "a",
				       .name = "one",
				       .kind = "infer",
				       .nodes = 1,
				       .batch = 1,
				       .in_flight = 1,
				       .prompts = 5,
				       .reps = 6 };
	json_t *header = crafted_header(&point, 1), *lines = json_array(), *summary = NULL;

	json_object_set_new(json_array_get(json_object_get(header, "points"), 0), "max_reps",
			    json_integer(8));
	for (int i = 0; i < launches; i++) {
		const struct crafted_launch l = { i, i % 2 ? 10 * spread : 10, 9, 250, 250 };

		json_array_append_new(lines, crafted_ok(&point, i, &l));
	}
	ck_assert_int_eq(lsb_summary_build(header, lines, &summary, NULL), 0);
	json_decref(header);
	json_decref(lines);
	return summary;
}

static const struct {
	double spread;
	int launches, met, flagged;
} runs[] = { { 1.001, 6, 1, 0 }, { 1.001, 8, 1, 0 }, { 1.2, 7, 0, 0 }, { 1.2, 8, 0, 1 } };

START_TEST(only_a_point_that_used_up_max_reps_misses_its_target)
{
	json_t *summary = summary_of(runs[_i].spread, runs[_i].launches);
	const json_t *point = json_array_get(json_object_get(summary, "points"), 0);

	ck_assert_int_eq(json_is_true(json_object_get(json_object_get(point, "target"), "met")),
			 runs[_i].met);
	ck_assert_int_eq(lsb_point_has_flag(point, "target_missed"), runs[_i].flagged);
	json_decref(summary);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("target");
	TCase *tc = tcase_create("target");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, fewer_than_six_rounds_have_no_width);
	tcase_add_test(tc, width_is_of_the_interval_over_the_median);
	tcase_add_test(tc, wider_of_metric_and_ratio_counts);
	tcase_add_loop_test(tc, only_a_point_that_used_up_max_reps_misses_its_target, 0,
			    sizeof(runs) / sizeof(runs[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
