/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries of crafted journals: baselines, efficiencies, bounds, flags, and how points end. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crafted.h"
#include "measure/summary.h"

#define ONE                                                                                                  \
	{                                                                                                    \
		"one", "pipeline", "strong", 1, 1, 1, 5, 6, "one", "one", NULL, "one", 0                     \
	}
#define TWO                                                                                                  \
	{                                                                                                    \
		"two", "pipeline", "strong", 2, 1, 2, 5, 6, "one", "wide", NULL, "two", 0                    \
	}

/* One round is slower than the last, on all points alike: ratios do not see it. */
static const double drift[] = { 1.00, 1.02, 1.04, 1.06, 1.08, 1.10, 1.12, 1.14 };

static json_t *launches;
static int number;

static void set_up(void)
{
	launches = json_array();
	number = 0;
}

static void tear_down(void)
{
	json_decref(launches);
}

static void add(const struct crafted *point, int rounds, double run_s, double replay_s, double generated)
{
	for (int i = 0; i < rounds; i++) {
		const struct crafted_launch l = { i, run_s * drift[i], replay_s * drift[i],
						  50.0 * point->prompts, generated };

		json_array_append_new(launches, crafted_ok(point, number++, &l));
	}
}

static void add_bad(const struct crafted *point, int round, const char *status, const char *reason)
{
	json_array_append_new(launches, crafted_bad(point, number++, round, status, reason));
}

static json_t *summarise(const struct crafted *points, size_t n)
{
	json_t *header = crafted_header(points, n), *summary = NULL;
	struct lsb_error err = { 0 };

	ck_assert_msg(lsb_summary_build(header, launches, &summary, &err) == 0, "%s", err.msg);
	json_decref(header);
	return summary;
}

static const json_t *scaling(const json_t *summary, const char *id, const char *key)
{
	return json_object_get(json_object_get(lsb_summary_point(summary, id), "scaling"), key);
}

static double value_of(const json_t *estimate)
{
	ck_assert(json_is_object(estimate));
	return json_number_value(json_object_get(estimate, "value"));
}

static int has_flag(const json_t *summary, const char *id, const char *flag)
{
	const json_t *flags = json_object_get(lsb_summary_point(summary, id), "flags"), *its;
	size_t i;

	json_array_foreach(flags, i, its)
	{
		if (strcmp(json_string_value(its), flag) == 0)
			return 1;
	}
	return 0;
}

static const char *status(const json_t *summary, const char *id)
{
	return json_string_value(json_object_get(lsb_summary_point(summary, id), "status"));
}

/* --- ratios --- */

START_TEST(strong_scaling_pairs_rounds_and_names_both_baselines)
{
	const struct crafted points[] = {
		ONE, TWO, { "wide", "pipeline", "strong", 1, 2, 1, 5, 6, "wide", NULL, NULL, "one", 0 }
	};
	const json_t *baselines;
	json_t *summary;

	add(&points[0], 6, 16.0, 15.9, 250);
	add(&points[1], 6, 10.0, 9.6, 250);
	add(&points[2], 6, 12.0, 11.9, 250);
	summary = summarise(points, 3);
	ck_assert_double_eq_tol(value_of(scaling(summary, "two", "speedup")), 1.6, 1e-12);
	/* all rounds drift alike, so the interval has no width though run_s spreads by 10 % */
	ck_assert_double_eq_tol(json_number_value(json_array_get(
					json_object_get(scaling(summary, "two", "speedup"), "ci95"), 0)),
				1.6, 1e-12);
	ck_assert_double_eq_tol(value_of(scaling(summary, "two", "efficiency")), 0.8, 1e-12);
	ck_assert_double_eq_tol(value_of(scaling(summary, "two", "speedup_equal_concurrency")), 1.2, 1e-12);
	ck_assert_double_eq_tol(value_of(scaling(summary, "two", "bound")), 16.0 / 9.6, 1e-12);
	ck_assert_double_eq_tol(json_number_value(scaling(summary, "two", "bound_share")), 0.96, 1e-12);
	ck_assert_double_eq_tol(json_number_value(scaling(summary, "two", "karp_flatt")),
				(1 / 1.6 - 0.5) / 0.5, 1e-12);
	ck_assert_str_eq(json_string_value(json_object_get(scaling(summary, "two", "bound"), "kind")),
			 "replayed schedule");
	/* the baseline's value is of the metric that was divided, also beside the ratio of wall times */
	baselines = scaling(summary, "two", "baselines");
	ck_assert_str_eq(
		json_string_value(json_object_get(json_object_get(baselines, "equal_batch"), "metric")),
		"run_s");
	ck_assert_double_eq_tol(
		json_number_value(json_object_get(json_object_get(baselines, "equal_batch"), "value")),
		16.0 * 1.05, 1e-12);
	ck_assert_str_eq(
		json_string_value(json_object_get(json_object_get(baselines, "equal_concurrency"), "id")),
		"wide");
	ck_assert_str_eq(
		json_string_value(json_object_get(scaling(summary, "two", "speedup_wall"), "metric")),
		"wall_s");
	ck_assert_double_eq_tol(value_of(scaling(summary, "one", "speedup")), 1, 1e-12);
	ck_assert_uint_eq(json_array_size(json_object_get(lsb_summary_point(summary, "two"), "flags")), 0);
	json_decref(summary);
}
END_TEST

START_TEST(unequal_work_has_no_efficiency)
{
	const struct crafted points[] = { ONE, TWO };
	json_t *summary;

	add(&points[0], 6, 16, 15, 252);
	add(&points[1], 6, 10, 9, 250); /* 0.8 % less */
	summary = summarise(points, 2);
	ck_assert(has_flag(summary, "two", "unequal_work"));
	ck_assert(json_is_null(scaling(summary, "two", "efficiency")));
	ck_assert(json_is_string(scaling(summary, "two", "no_efficiency")));
	ck_assert(json_is_object(scaling(summary, "two", "speedup")));
	json_decref(summary);
}
END_TEST

START_TEST(oversubscribed_points_have_no_efficiency)
{
	struct crafted points[] = { ONE, TWO };
	json_t *summary;

	points[1].oversubscribed = 1;
	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 6, 10, 9, 250);
	summary = summarise(points, 2);
	ck_assert(has_flag(summary, "two", "oversubscribed"));
	ck_assert(json_is_null(scaling(summary, "two", "efficiency")));
	json_decref(summary);
}
END_TEST

START_TEST(weak_scaling_compares_rates_of_equal_work_a_node)
{
	const struct crafted points[] = { { "one", "w", "weak", 1, 1, 1, 5, 6, "one", NULL, NULL, "one", 0 },
					  { "two", "w", "weak", 2, 1, 2, 10, 6, "one", NULL, NULL, "two",
					    0 } };
	json_t *summary;

	/* the pipeline report's own figures: 253 tokens in 16.78 s, 505 in 24.67 s */
	add(&points[0], 6, 16.78, 16, 253);
	add(&points[1], 6, 24.67, 24, 505);
	summary = summarise(points, 2);
	ck_assert_double_eq_tol(value_of(scaling(summary, "two", "speedup")), 505 / 24.67 / (253 / 16.78),
				1e-9);
	ck_assert_double_eq_tol(value_of(scaling(summary, "two", "efficiency")), 0.679, 0.001);
	ck_assert(!has_flag(summary, "two", "unequal_work")); /* 505 is within 0.5 % of twice 253 */
	json_decref(summary);
}
END_TEST

START_TEST(weak_scaling_with_less_than_its_share_of_work_has_no_efficiency)
{
	const struct crafted points[] = { { "one", "w", "weak", 1, 1, 1, 5, 6, "one", NULL, NULL, "one", 0 },
					  { "two", "w", "weak", 2, 1, 2, 10, 6, "one", NULL, NULL, "two",
					    0 } };
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 6, 24, 23, 480);
	summary = summarise(points, 2);
	ck_assert(has_flag(summary, "two", "unequal_work"));
	ck_assert(json_is_null(scaling(summary, "two", "efficiency")));
	json_decref(summary);
}
END_TEST

/* 10 prompts at batch 4 are 3 passes: the most that can be gained is 10/3, not 4. */
START_TEST(batch_efficiency_counts_passes)
{
	const struct crafted points[] = { { "b1", "b", "batch", 2, 1, 2, 10, 6, NULL, NULL, NULL, "b1", 0 },
					  { "b2", "b", "batch", 2, 2, 2, 10, 6, NULL, NULL, NULL, "b1", 0 },
					  { "b4", "b", "batch", 2, 4, 2, 10, 6, NULL, NULL, NULL, "b1", 0 } };
	json_t *summary;

	add(&points[0], 6, 24.0, 23, 500);
	add(&points[1], 6, 16.0, 15, 500);
	add(&points[2], 6, 14.4, 14, 500);
	summary = summarise(points, 3);
	ck_assert_double_eq_tol(value_of(scaling(summary, "b2", "batch_gain")), 1.5, 1e-12);
	ck_assert_double_eq_tol(value_of(scaling(summary, "b2", "batch_efficiency")), 1.5 / 2, 1e-12);
	ck_assert_double_eq_tol(value_of(scaling(summary, "b4", "batch_gain")), 24 / 14.4, 1e-12);
	ck_assert_double_eq_tol(value_of(scaling(summary, "b4", "batch_efficiency")), 24 / 14.4 / (10.0 / 3),
				1e-12);
	/* no one-node run at this batch: no speedup and no parallel efficiency */
	ck_assert(json_is_null(scaling(summary, "b4", "speedup")));
	ck_assert(json_is_null(scaling(summary, "b4", "efficiency")));
	json_decref(summary);
}
END_TEST

START_TEST(an_efficiency_above_one_with_its_interval_is_implausible)
{
	const struct crafted points[] = { ONE, TWO };
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 6, 7.8, 7.7, 250);
	summary = summarise(points, 2);
	ck_assert(has_flag(summary, "two", "implausible"));
	json_decref(summary);
}
END_TEST

START_TEST(a_speedup_above_its_schedule_s_bound_is_implausible_even_without_interval)
{
	const struct crafted points[] = { ONE, TWO };
	json_t *summary;

	add(&points[0], 2, 16, 15, 250);
	add(&points[1], 2, 10, 10.5, 250); /* 5 % above what its own steps allow */
	summary = summarise(points, 2);
	ck_assert(has_flag(summary, "two", "implausible"));
	ck_assert(json_is_null(json_object_get(scaling(summary, "two", "speedup"), "ci95")));
	json_decref(summary);
}
END_TEST

START_TEST(a_baseline_without_launches_gives_no_speedup)
{
	const struct crafted points[] = { ONE, TWO };
	json_t *summary;

	add_bad(&points[0], 0, "failed", "rank 0 died");
	add(&points[1], 6, 10, 9, 250);
	summary = summarise(points, 2);
	ck_assert(json_is_null(scaling(summary, "two", "baseline")));
	ck_assert(json_is_null(scaling(summary, "two", "speedup")));
	ck_assert_str_eq(status(summary, "one"), "failed");
	json_decref(summary);
}
END_TEST

START_TEST(another_launcher_than_the_baseline_s_is_confounded)
{
	const struct crafted points[] = { ONE, TWO };
	json_t *header = crafted_header(points, 2), *summary = NULL;

	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 6, 10, 9, 250);
	json_object_set_new(json_array_get(json_object_get(header, "points"), 1), "launcher",
			    json_string("mpirun"));
	ck_assert_int_eq(lsb_summary_build(header, launches, &summary, NULL), 0);
	ck_assert(has_flag(summary, "two", "confounded"));
	ck_assert(json_is_null(scaling(summary, "two", "efficiency")));
	json_decref(summary);
	json_decref(header);
}
END_TEST

START_TEST(amdahl_needs_three_levels)
{
	const struct crafted points[] = {
		ONE, TWO, { "four", "pipeline", "strong", 4, 1, 4, 5, 6, "one", NULL, NULL, NULL, 0 }
	};
	const json_t *fit;
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 6, 16 * (0.1 + 0.9 / 2), 8, 250);
	summary = summarise(points, 2);
	fit = json_array_get(json_object_get(summary, "fits"), 0);
	ck_assert(json_is_null(json_object_get(fit, "serial_fraction")));
	ck_assert(json_is_string(json_object_get(fit, "reason")));
	json_decref(summary);
	add(&points[2], 6, 16 * (0.1 + 0.9 / 4), 5, 250);
	summary = summarise(points, 3);
	fit = json_array_get(json_object_get(summary, "fits"), 0);
	ck_assert_double_eq_tol(json_number_value(json_object_get(fit, "serial_fraction")), 0.1, 1e-9);
	json_decref(summary);
}
END_TEST

/* --- launches --- */

START_TEST(fewer_than_six_launches_have_no_interval)
{
	const struct crafted points[] = { ONE };
	const json_t *run;
	json_t *summary;

	add(&points[0], 5, 16, 15, 250);
	summary = summarise(points, 1);
	run = json_object_get(json_object_get(lsb_summary_point(summary, "one"), "metrics"), "run_s");
	ck_assert(json_is_null(json_object_get(run, "ci95")));
	ck_assert_int_eq(json_integer_value(json_object_get(run, "n")), 5);
	ck_assert_uint_eq(json_array_size(json_object_get(run, "samples")), 5);
	ck_assert_str_eq(status(summary, "one"), "incomplete");
	json_decref(summary);
}
END_TEST

START_TEST(a_round_that_was_tried_again_counts_once)
{
	const struct crafted points[] = { ONE };
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	add(&points[0], 1, 99, 15, 250); /* round 0 again */
	summary = summarise(points, 1);
	ck_assert_int_eq(json_integer_value(json_object_get(lsb_summary_point(summary, "one"), "launches")),
			 6);
	ck_assert_double_eq_tol(
		json_number_value(json_array_get(
			json_object_get(
				json_object_get(json_object_get(lsb_summary_point(summary, "one"), "metrics"),
						"run_s"),
				"samples"),
			0)),
		99, 1e-12);
	json_decref(summary);
}
END_TEST

START_TEST(an_interrupted_run_marks_only_what_lacks_launches)
{
	const struct crafted points[] = { ONE, TWO };
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 3, 10, 9, 250);
	add_bad(&points[1], 3, "interrupted", "by the user");
	summary = summarise(points, 2);
	ck_assert_str_eq(status(summary, "one"), "ok");
	ck_assert_str_eq(status(summary, "two"), "interrupted");
	ck_assert(json_is_true(json_object_get(summary, "interrupted")));
	json_decref(summary);
	add(&points[1], 6, 10, 9, 250); /* resumed */
	summary = summarise(points, 2);
	ck_assert_str_eq(status(summary, "two"), "ok");
	ck_assert(json_is_false(json_object_get(summary, "interrupted")));
	json_decref(summary);
}
END_TEST

START_TEST(waived_and_skipped_points_keep_every_key)
{
	const struct crafted points[] = { ONE, TWO };
	static const char *const keys[] = { "id",      "case",		"params", "in_flight", "concurrency",
					    "status",  "reason",	"flags",  "launches",  "metrics",
					    "scaling", "ledger_launch", "ledger", "outputs" };
	json_t *summary;

	add_bad(&points[0], 0, "waived", "no such device here");
	summary = summarise(points, 2);
	ck_assert_str_eq(status(summary, "one"), "waived");
	ck_assert_str_eq(status(summary, "two"), "skipped");
	ck_assert_str_eq(json_string_value(json_object_get(lsb_summary_point(summary, "one"), "reason")),
			 "no such device here");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		ck_assert_msg(json_object_get(lsb_summary_point(summary, "one"), keys[i]) != NULL, "%s",
			      keys[i]);
		ck_assert_msg(json_object_get(lsb_summary_point(summary, "two"), keys[i]) != NULL, "%s",
			      keys[i]);
	}
	json_decref(summary);
}
END_TEST

START_TEST(bandwidth_of_one_launch_gives_utilisation_of_all)
{
	const struct crafted points[] = { ONE };
	const json_t *mbu;
	json_t *summary;

	add(&points[0], 6, 16, 15, 250); /* reads 2 GB a second of 8 */
	summary = summarise(points, 1);
	mbu = json_object_get(json_object_get(lsb_summary_point(summary, "one"), "metrics"), "mbu");
	ck_assert_int_eq(json_integer_value(json_object_get(mbu, "n")), 6);
	ck_assert_double_eq_tol(json_number_value(json_object_get(mbu, "median")), 0.25, 1e-12);
	json_decref(summary);
}
END_TEST

START_TEST(answers_are_compared_with_the_baseline_s)
{
	const struct crafted points[] = { ONE, TWO };
	const json_t *outputs;
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	add(&points[1], 6, 10, 9, 250);
	summary = summarise(points, 2);
	outputs = json_object_get(lsb_summary_point(summary, "two"), "outputs");
	ck_assert(json_is_true(json_object_get(outputs, "equal_to_baseline")));
	json_decref(summary);
	for (size_t i = 6; i < 12; i++) {
		json_t *launch = json_array_get(launches, i);
		json_t *rank = json_array_get(json_object_get(launch, "ranks"), 0);

		json_object_set_new(launch, "outputs_sha256", json_string("bbbb"));
		json_object_set_new(json_array_get(json_object_get(rank, "requests"), 0), "ids",
				    json_pack("[i]", 99));
	}
	summary = summarise(points, 2);
	outputs = json_object_get(lsb_summary_point(summary, "two"), "outputs");
	ck_assert(json_is_false(json_object_get(outputs, "equal_to_baseline")));
	ck_assert(has_flag(summary, "two", "outputs_differ"));
	json_decref(summary);
	json_object_set_new(json_array_get(launches, 7), "outputs_sha256", json_string("cccc"));
	summary = summarise(points, 2);
	outputs = json_object_get(lsb_summary_point(summary, "two"), "outputs");
	ck_assert(json_is_null(json_object_get(outputs, "sha256")));
	ck_assert(has_flag(summary, "two", "nondeterministic"));
	json_decref(summary);
}
END_TEST

START_TEST(a_ledger_that_does_not_close_is_flagged)
{
	const struct crafted points[] = { ONE };
	json_t *summary, *row;

	add(&points[0], 1, 16, 15, 250);
	row = json_array_get(json_object_get(json_array_get(launches, 0), "ledger"), 0);
	json_object_set_new(row, "unattributed_s", json_real(16 * 0.021));
	summary = summarise(points, 1);
	ck_assert(has_flag(summary, "one", "ledger_open"));
	json_decref(summary);
}
END_TEST

START_TEST(most_launches_unsettled_or_two_groups_of_launches_are_flagged)
{
	const struct crafted points[] = { ONE };
	json_t *summary;

	add(&points[0], 6, 16, 15, 250);
	for (size_t i = 0; i < 4; i++)
		json_object_set_new(json_array_get(launches, i), "settled", json_false());
	for (size_t i = 0; i < 3; i++)
		json_object_set_new(json_object_get(json_array_get(launches, i), "metrics"), "tokens_per_s",
				    json_real(40));
	summary = summarise(points, 1);
	ck_assert(has_flag(summary, "one", "unsteady"));
	ck_assert(has_flag(summary, "one", "bimodal"));
	json_decref(summary);
}
END_TEST

START_TEST(a_header_without_points_is_refused)
{
	json_t *header = json_object(), *summary = NULL;

	ck_assert_int_eq(lsb_summary_build(header, launches, &summary, NULL), LSB_EIO);
	json_decref(header);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scaling");
	TCase *tc = tcase_create("scaling");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, strong_scaling_pairs_rounds_and_names_both_baselines);
	tcase_add_test(tc, unequal_work_has_no_efficiency);
	tcase_add_test(tc, oversubscribed_points_have_no_efficiency);
	tcase_add_test(tc, weak_scaling_compares_rates_of_equal_work_a_node);
	tcase_add_test(tc, weak_scaling_with_less_than_its_share_of_work_has_no_efficiency);
	tcase_add_test(tc, batch_efficiency_counts_passes);
	tcase_add_test(tc, an_efficiency_above_one_with_its_interval_is_implausible);
	tcase_add_test(tc, a_speedup_above_its_schedule_s_bound_is_implausible_even_without_interval);
	tcase_add_test(tc, a_baseline_without_launches_gives_no_speedup);
	tcase_add_test(tc, another_launcher_than_the_baseline_s_is_confounded);
	tcase_add_test(tc, amdahl_needs_three_levels);
	tcase_add_test(tc, fewer_than_six_launches_have_no_interval);
	tcase_add_test(tc, a_round_that_was_tried_again_counts_once);
	tcase_add_test(tc, an_interrupted_run_marks_only_what_lacks_launches);
	tcase_add_test(tc, waived_and_skipped_points_keep_every_key);
	tcase_add_test(tc, bandwidth_of_one_launch_gives_utilisation_of_all);
	tcase_add_test(tc, answers_are_compared_with_the_baseline_s);
	tcase_add_test(tc, a_ledger_that_does_not_close_is_flagged);
	tcase_add_test(tc, most_launches_unsettled_or_two_groups_of_launches_are_flagged);
	tcase_add_test(tc, a_header_without_points_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
