/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crafted journals of launches that do not agree, that never settle, or whose
 * ranks were kept from their cores: both sides of every threshold.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crafted.h"
#include "measure/records.h"
#include "measure/settle.h"
#include "measure/summary.h"

enum { STEPS = 40 };

static const struct crafted point = {
	"one", "pipeline", "strong", 1, 1, 1, 5, 6, "one", "one", NULL, "one", 0
};
static const struct crafted crowded = { "one", "pipeline", "strong", 1,	   1,	  1, 5,
					6,     "one",	   "one",    NULL, "one", 1 };

static json_t *launches;

static void set_up(void)
{
	launches = json_array();
}

static void tear_down(void)
{
	json_decref(launches);
}

/* n launches alike. */
static void add(int n)
{
	const struct crafted_launch l = { 0, 16, 15, 250, 250 };

	for (int i = 0; i < n; i++) {
		struct crafted_launch next = l;

		next.round = i;
		json_array_append_new(launches, crafted_ok(&point, i, &next));
	}
}

/* Give each launch its value of a metric. */
static void set_metric(const char *name, const double *values)
{
	for (size_t i = 0; i < json_array_size(launches); i++)
		json_object_set_new(json_object_get(json_array_get(launches, i), "metrics"), name,
				    json_real(values[i]));
}

/* The reason of a flag of the point, which the caller frees; NULL: it has not that flag. */
static char *reason_of(const struct crafted *of, const char *flag)
{
	json_t *header = crafted_header(of, 1), *summary = NULL, *reasons;
	struct lsb_error err = { 0 };
	const char *reason;
	char *copy;

	ck_assert_msg(lsb_summary_build(header, launches, &summary, &err) == 0, "%s", err.msg);
	reasons = json_object_get(lsb_summary_point(summary, "one"), "flag_reasons");
	reason = json_string_value(json_object_get(reasons, flag));
	copy = reason ? strdup(reason) : NULL;
	json_decref(header);
	json_decref(summary);
	return copy;
}

static int has(const char *flag)
{
	char *reason = reason_of(&point, flag);

	free(reason);
	return reason != NULL;
}

/* --- two groups of launches --- */

START_TEST(gap_of_over_a_fifth_with_three_on_each_side_is_bimodal)
{
	const double apart[] = { 10.0, 12.03, 10.0, 12.03, 10.0, 12.03 };
	char *reason;

	add(6);
	set_metric("tokens_per_s", apart);
	reason = reason_of(&point, "bimodal");
	ck_assert_ptr_nonnull(reason);
	ck_assert_ptr_nonnull(strstr(reason, "20 %"));
	free(reason);
}
END_TEST

START_TEST(gap_of_just_under_a_fifth_is_not_bimodal)
{
	const double near[] = { 10.0, 11.97, 10.0, 11.97, 10.0, 11.97 };

	add(6);
	set_metric("tokens_per_s", near);
	ck_assert(!has("bimodal"));
}
END_TEST

START_TEST(two_launches_apart_from_the_others_are_outliers_and_no_group)
{
	const double two[] = { 10, 10, 10, 10, 20, 20, 10 }, three[] = { 10, 10, 10, 10, 20, 20, 20 };

	add(7);
	set_metric("tokens_per_s", two);
	ck_assert(!has("bimodal"));
	set_metric("tokens_per_s", three);
	ck_assert(has("bimodal"));
}
END_TEST

START_TEST(launches_spread_evenly_are_wide_and_not_bimodal)
{
	const double spread[] = { 10, 11.5, 13, 14.5, 16, 17.5 };

	add(6);
	set_metric("tokens_per_s", spread);
	ck_assert(!has("bimodal"));
}
END_TEST

/* --- launches that never settle --- */

/* Whether a launch settles whose fifths of its decode steps take medians[k] microseconds each. */
static int settles(const unsigned medians[5], size_t steps)
{
	struct lsb_record records[STEPS];
	struct lsb_rank_records rank = { .records = records, .n = steps };
	uint64_t at = 1000;

	memset(records, 0, sizeof(records));
	for (size_t i = 0; i < steps; i++) {
		const size_t window = i / (steps / 5) < 5 ? i / (steps / 5) : 4;

		records[i].kind = LSB_REC_COMPUTE;
		records[i].aux = records[i].aux2 = 1;
		records[i].t0_ns = at;
		records[i].t1_ns = at += (uint64_t)medians[window] * 1000;
		if (i % 8 == 7) /* one long step a window moves no median */
			records[i].t1_ns = at += 50000000;
	}
	return lsb_steps_settled(&rank);
}

START_TEST(adjacent_fifths_within_a_tenth_are_settled)
{
	const unsigned steady[] = { 1000, 1000, 1000, 1000, 1000 }, once[] = { 1000, 2000, 4000, 4390, 9000 };
	const unsigned never[] = { 1000, 1110, 1240, 1380, 1530 }, down[] = { 9000, 7000, 5000, 3000, 1000 };

	ck_assert_int_eq(settles(steady, STEPS), 1);
	ck_assert_int_eq(settles(once, STEPS), 1);
	ck_assert_int_eq(settles(never, STEPS), 0);
	ck_assert_int_eq(settles(down, STEPS), 0);
	ck_assert_int_eq(settles(never, STEPS - 1), -1); /* 39 steps: too few to tell */
}
END_TEST

/* `unsettled` of the first `judged` of n launches; of the others it cannot be told. */
static void set_settled(size_t unsettled, size_t judged)
{
	for (size_t i = 0; i < json_array_size(launches); i++)
		json_object_set_new(json_array_get(launches, i), "settled",
				    i < unsettled ? json_false()
				    : i < judged  ? json_true()
						  : json_null());
}

START_TEST(more_than_half_of_the_launches_that_can_be_judged_make_a_point_unsteady)
{
	char *reason;

	add(6);
	set_settled(3, 6);
	ck_assert(!has("unsteady"));
	set_settled(0, 0);
	ck_assert(!has("unsteady"));
	set_settled(2, 4);
	ck_assert(!has("unsteady"));
	set_settled(3, 5);
	reason = reason_of(&point, "unsteady");
	ck_assert_ptr_nonnull(reason);
	ck_assert_int_eq(strncmp(reason, "3 of 5 launches never settled", 29), 0);
	free(reason);
}
END_TEST

/* --- ranks kept from their cores --- */

START_TEST(half_of_the_launches_with_over_two_percent_without_a_core_are_disturbed)
{
	const double fewer[] = { 0.5, 0.5, 0.02, 0, 0, 0 }, half[] = { 0.5, 0.03, 0.0201, 0, 0, 0 };
	char *reason;

	add(6);
	ck_assert(!has("disturbed")); /* a kernel that does not count */
	set_metric("runqueue_share", fewer);
	ck_assert(!has("disturbed"));
	set_metric("runqueue_share", half);
	reason = reason_of(&point, "disturbed");
	ck_assert_ptr_nonnull(reason);
	ck_assert_ptr_nonnull(strstr(reason, "in 3 of 6 launches"));
	ck_assert_ptr_nonnull(strstr(reason, "up to 50.0 %"));
	free(reason);
	reason = reason_of(&crowded, "disturbed"); /* by each other: that has its own flag */
	ck_assert_ptr_null(reason);
	reason = reason_of(&crowded, "oversubscribed");
	ck_assert_ptr_nonnull(reason);
	free(reason);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("regimes");
	TCase *tc = tcase_create("regimes");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, gap_of_over_a_fifth_with_three_on_each_side_is_bimodal);
	tcase_add_test(tc, gap_of_just_under_a_fifth_is_not_bimodal);
	tcase_add_test(tc, two_launches_apart_from_the_others_are_outliers_and_no_group);
	tcase_add_test(tc, launches_spread_evenly_are_wide_and_not_bimodal);
	tcase_add_test(tc, adjacent_fifths_within_a_tenth_are_settled);
	tcase_add_test(tc, more_than_half_of_the_launches_that_can_be_judged_make_a_point_unsteady);
	tcase_add_test(tc, half_of_the_launches_with_over_two_percent_without_a_core_are_disturbed);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
