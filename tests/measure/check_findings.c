/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a summary says of crafted journals: losses that add up, splits, grades,
 * sentences that cite points. Rules of plausibility: check_plausible.c.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crafted_run.h"
#include "measure/split.h"
#include "measure/summary.h"

/* --- losses --- */

static double share(const char *name)
{
	const json_t *bounds = json_object_get(lsb_summary_point(run_summary, "two"), "bounds"), *term;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(bounds, "losses"), "terms"), i, term)
	{
		if (strcmp(json_string_value(json_object_get(term, "name")), name) == 0)
			return json_number_value(json_object_get(term, "share"));
	}
	ck_abort_msg("no loss is called %s", name);
	return 0;
}

START_TEST(losses_add_up_to_what_is_missing_of_the_efficiency)
{
	const json_t *term, *losses;
	double sum = 0;
	size_t i;

	/* consistent with a schedule of 9.6 s: waits 2.4 s, of which 2.1 s follow from it */
	run_set_ledger(0, "compute_s", 15.8);
	run_set_ledger(0, "wait_s", 0);
	run_set_ledger(0, "transfer_s", 0);
	run_set_ledger(0, "overhead_s", 0.2);
	run_set_ledger(0, "unattributed_s", 0);
	run_set_ledger(6, "compute_s", 7.5);
	run_set_ledger(6, "wait_s", 2.25);
	run_set_ledger(6, "transfer_s", 0.125);
	run_set_ledger(6, "overhead_s", 0.125);
	run_set_ledger(6, "unattributed_s", 0);
	run_summarise();
	losses = json_object_get(json_object_get(lsb_summary_point(run_summary, "two"), "bounds"), "losses");
	json_array_foreach(json_object_get(losses, "terms"), i, term)
	{
		sum += json_number_value(json_object_get(term, "share"));
	}
	ck_assert_double_eq_tol(sum, 1 - 0.8, 1e-9);
	ck_assert_double_eq_tol(share("bubble"), (9.6 * 31 / 32 - 7.5) / 10, 1e-9);
	ck_assert_double_eq_tol(share("imbalance"), 9.6 / 32 / 10, 1e-9);
	ck_assert_double_eq_tol(share("late"), (2.25 - 2.1) / 10, 1e-9);
	ck_assert_double_eq_tol(share("transfer"), 0.0125, 1e-9);
	ck_assert_double_eq_tol(share("overhead"), (0.125 - 0.1) / 10, 1e-9);
	ck_assert_double_eq_tol(share("memory"), 0, 1e-9);
	ck_assert_double_eq_tol(share("compute"), (7.5 - 7.9) / 10, 1e-9); /* won back */
	ck_assert_double_eq_tol(share("rest"), 0, 1e-9);
	ck_assert_double_eq_tol(json_number_value(json_object_get(losses, "missing")), 0.4, 1e-9);
}
END_TEST

START_TEST(memory_shared_explains_no_more_than_what_computing_grew)
{
	run_set_ledger(0, "compute_s", 14);
	run_set_ledger(6, "compute_s", 7.5); /* half a second more than half of 14 */
	run_summarise();
	/* reading 20 GB at 4 instead of 8 GB/s would cost 2.5 s */
	ck_assert_double_eq_tol(share("memory"), 0.05, 1e-9);
	ck_assert_double_eq_tol(share("compute"), 0, 1e-9);
}
END_TEST

START_TEST(a_prediction_names_its_remainder)
{
	const json_t *predicted;
	double link, memory;

	run_summarise();
	predicted = json_object_get(json_object_get(lsb_summary_point(run_summary, "two"), "bounds"),
				    "predicted");
	link = json_number_value(json_object_get(json_object_get(predicted, "shares"), "link"));
	memory = json_number_value(json_object_get(json_object_get(predicted, "shares"), "memory"));
	ck_assert_double_eq_tol(link, 0.025, 1e-9);  /* the replay with messages takes 0.25 s more */
	ck_assert_double_eq_tol(memory, 0.25, 1e-9); /* 20 GB at 4 and at 8 GB/s */
	ck_assert_double_eq_tol(json_number_value(json_object_get(predicted, "remainder_share")),
				0.2 - share("bubble") - share("imbalance") - link - memory, 1e-9);
}
END_TEST

START_TEST(unequal_work_is_not_taken_apart)
{
	run_set_metric(6, "generated_tokens", 240);
	run_summarise();
	ck_assert(json_is_null(
		json_object_get(json_object_get(lsb_summary_point(run_summary, "two"), "bounds"), "losses")));
}
END_TEST

/* --- answers --- */

START_TEST(weak_scaling_compares_the_answers_of_equal_prompts)
{
	const struct crafted points[] = { { "one", "w", "weak", 1, 1, 1, 5, 6, "one", NULL, NULL, "one", 0 },
					  { "two", "w", "weak", 2, 1, 2, 10, 6, "one", NULL, NULL, "two",
					    0 } };
	const json_t *outputs;
	json_t *requests;

	json_array_clear(run_launches);
	json_decref(run_header);
	run_header = crafted_header(points, 2);
	run_add(&points[0], 16, 15, 250);
	run_add(&points[1], 24, 23, 500);
	for (size_t i = 6; i < 12; i++)
		json_object_set_new(run_launch(i), "outputs_sha256", json_string("of ten"));
	run_summarise();
	outputs = json_object_get(lsb_summary_point(run_summary, "two"), "outputs");
	ck_assert(json_is_true(json_object_get(outputs, "equal_to_baseline")));
	ck_assert_int_eq(json_integer_value(json_object_get(outputs, "compared")), 10);
	/* request 7 asks what request 2 asks */
	requests = json_object_get(json_array_get(json_object_get(run_launch(6), "ranks"), 0), "requests");
	json_object_set_new(json_array_get(requests, 7), "ids", json_pack("[i, i]", 2, 8));
	run_summarise();
	outputs = json_object_get(lsb_summary_point(run_summary, "two"), "outputs");
	ck_assert(json_is_false(json_object_get(outputs, "equal_to_baseline")));
	ck_assert_int_eq(json_integer_value(json_object_get(outputs, "equal")), 9);
	ck_assert_int_eq(json_integer_value(json_object_get(outputs, "first_divergence")), 1);
	ck_assert_double_eq_tol(json_number_value(json_object_get(outputs, "agreement")), 0.95, 1e-12);
}
END_TEST

/* --- splits --- */

/* A point of two stages that take these compute seconds. */
static json_t *staged(int a, int b, double a_s, double b_s)
{
	return json_pack("{s:[i, i], s:[{s:{s:f}}, {s:{s:f}}]}", "layers", a, b, "work", "decode",
			 "compute_s", a_s, "decode", "compute_s", b_s);
}

START_TEST(a_split_evens_out_stages_and_knows_the_head)
{
	json_t *point = staged(16, 14, 16, 20); /* a layer takes 1 s, so the head 6 s */
	struct lsb_split split;
	char *text;

	ck_assert_int_eq(lsb_split_propose(point, &split), 0);
	text = lsb_split_text(&split);
	ck_assert_str_eq(text, "18+12");
	ck_assert_str_eq(split.now, "16+14");
	ck_assert_double_eq_tol(split.now_s, 20, 1e-12);
	ck_assert_double_eq_tol(split.best_s, 18, 1e-12);
	free(text);
	json_decref(point);
}
END_TEST

START_TEST(a_split_serves_both_phases)
{
	/* decode steps alone would want 19+11, chunks alone 15+15: chunks take longer */
	json_t *point = json_pack("{s:[i, i], s:[{s:{s:f}, s:{s:f}}, {s:{s:f}, s:{s:f}}]}", "layers", 16, 14,
				  "work", "decode", "compute_s", 16.0, "prefill", "compute_s", 32.0, "decode",
				  "compute_s", 22.0, "prefill", "compute_s", 28.0);
	struct lsb_split split;

	ck_assert_int_eq(lsb_split_propose(point, &split), 0);
	ck_assert_uint_eq(split.layers[0], 15);
	ck_assert_double_eq_tol(split.now_s, 22 + 32, 1e-12);
	ck_assert_double_eq_tol(split.best_s, 23 + 30, 1e-12);
	json_decref(point);
}
END_TEST

START_TEST(a_split_gets_past_stages_that_are_equally_slow)
{
	json_t *point = json_pack("{s:[i, i, i, i], s:[{s:{s:f}}, {s:{s:f}}, {s:{s:f}}, {s:{s:f}}]}",
				  "layers", 10, 10, 2, 2, "work", "decode", "compute_s", 10.0, "decode",
				  "compute_s", 10.0, "decode", "compute_s", 2.0, "decode", "compute_s", 2.0);
	struct lsb_split split;

	ck_assert_int_eq(lsb_split_propose(point, &split), 0);
	for (size_t k = 0; k < 4; k++)
		ck_assert_uint_eq(split.layers[k], 6);
	json_decref(point);
}
END_TEST

START_TEST(a_split_that_is_even_is_left_alone)
{
	json_t *point = staged(18, 12, 18, 18);
	struct lsb_split split;

	ck_assert_int_eq(lsb_split_propose(point, &split), -1);
	json_decref(point);
}
END_TEST

START_TEST(a_split_without_times_is_not_proposed)
{
	json_t *point = staged(15, 15, 0, 3);
	struct lsb_split split;

	ck_assert_int_eq(lsb_split_propose(point, &split), -1);
	json_object_del(point, "work");
	ck_assert_int_eq(lsb_split_propose(point, &split), -1);
	json_decref(point);
}
END_TEST

/* --- sentences --- */

START_TEST(every_sentence_cites_points_and_a_rule)
{
	static const char *const parts[] = { "summary", "bottlenecks", "recommendations" };
	const json_t *finding;
	size_t i, n = 0;

	run_summarise();
	for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
		json_array_foreach(run_findings(parts[k]), i, finding)
		{
			ck_assert_uint_gt(json_array_size(json_object_get(finding, "points")), 0);
			ck_assert_uint_gt(json_string_length(json_object_get(finding, "text")), 20);
			ck_assert_uint_gt(json_string_length(json_object_get(finding, "rule")), 10);
			n++;
		}
	ck_assert_uint_gt(n, 5);
}
END_TEST

START_TEST(the_summary_says_why_two_nodes_are_not_twice_as_fast)
{
	const json_t *finding;
	const char *text = NULL;
	size_t i;

	run_summarise();
	json_array_foreach(run_findings("summary"), i, finding)
	{
		const char *its = json_string_value(json_object_get(finding, "text"));

		if (strstr(its, "is not 2 times as fast"))
			text = its;
	}
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "pipeline bubble 0.36 (18 % of the run)"));
}
END_TEST

START_TEST(a_grade_is_of_the_worst_point_and_tells_its_rule)
{
	const json_t *grade;
	size_t i;

	run_summarise();
	json_array_foreach(run_findings("grades"), i, grade)
	{
		if (strcmp(json_string_value(json_object_get(grade, "name")), "Scaling") != 0)
			continue;
		ck_assert_str_eq(json_string_value(json_object_get(grade, "grade")), "B"); /* 80 % */
		ck_assert_str_eq(json_string_value(json_object_get(grade, "point")), "two");
		ck_assert_ptr_nonnull(
			strstr(json_string_value(json_object_get(grade, "rule")), "B from 75 %"));
		return;
	}
	ck_abort_msg("scaling has no grade");
}
END_TEST

START_TEST(few_launches_are_advised_against)
{
	const json_t *finding;
	int found = 0;
	size_t i;

	json_array_remove(run_launches, 11);
	run_summarise();
	json_array_foreach(run_findings("recommendations"), i, finding)
	{
		found |= strcmp(json_string_value(json_object_get(finding, "kind")), "reps") == 0;
	}
	ck_assert(found);
}
END_TEST

START_TEST(prompts_that_are_all_on_their_way_are_not_told_to_overlap_more)
{
	struct crafted points[] = { CRAFTED_ONE, CRAFTED_TWO };
	const json_t *finding;
	int found = 0;
	size_t i;

	points[0].prompts = points[1].prompts = 2;
	run_tear_down();
	run_launches = json_array();
	run_header = crafted_header(points, 2);
	run_add(&points[0], 16, 15, 100);
	run_add(&points[1], 10, 9.6, 100);
	run_summarise();
	json_array_foreach(run_findings("recommendations"), i, finding)
	{
		ck_assert_str_ne(json_string_value(json_object_get(finding, "kind")), "in_flight");
		found |= strstr(json_string_value(json_object_get(finding, "text")),
				"all 2 prompts are on their way at once") != NULL;
	}
	ck_assert(found);
}
END_TEST

START_TEST(points_that_are_waived_for_one_reason_are_one_sentence)
{
	static const struct crafted points[] = { CRAFTED_ONE, CRAFTED_TWO };
	const json_t *finding;
	size_t i, n = 0;

	json_array_clear(run_launches);
	for (i = 0; i < 2; i++)
		json_array_append_new(run_launches,
				      crafted_bad(&points[i], (int)i, 0, "waived", "there is no device"));
	run_summarise();
	json_array_foreach(run_findings("summary"), i, finding)
	{
		const char *text = json_string_value(json_object_get(finding, "text"));

		if (!strstr(text, "there is no device"))
			continue;
		n++;
		ck_assert_ptr_nonnull(strstr(text, " and 1 more point are waived: "));
		ck_assert_uint_eq(json_array_size(json_object_get(finding, "points")), 2);
	}
	ck_assert_uint_eq(n, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("findings");
	TCase *tc = tcase_create("findings");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, run_set_up, run_tear_down);
	tcase_add_test(tc, losses_add_up_to_what_is_missing_of_the_efficiency);
	tcase_add_test(tc, memory_shared_explains_no_more_than_what_computing_grew);
	tcase_add_test(tc, a_prediction_names_its_remainder);
	tcase_add_test(tc, unequal_work_is_not_taken_apart);
	tcase_add_test(tc, weak_scaling_compares_the_answers_of_equal_prompts);
	tcase_add_test(tc, a_split_evens_out_stages_and_knows_the_head);
	tcase_add_test(tc, a_split_serves_both_phases);
	tcase_add_test(tc, a_split_gets_past_stages_that_are_equally_slow);
	tcase_add_test(tc, a_split_that_is_even_is_left_alone);
	tcase_add_test(tc, a_split_without_times_is_not_proposed);
	tcase_add_test(tc, every_sentence_cites_points_and_a_rule);
	tcase_add_test(tc, the_summary_says_why_two_nodes_are_not_twice_as_fast);
	tcase_add_test(tc, a_grade_is_of_the_worst_point_and_tells_its_rule);
	tcase_add_test(tc, few_launches_are_advised_against);
	tcase_add_test(tc, prompts_that_are_all_on_their_way_are_not_told_to_overlap_more);
	tcase_add_test(tc, points_that_are_waived_for_one_reason_are_one_sentence);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
