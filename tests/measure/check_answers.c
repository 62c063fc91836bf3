/* SPDX-License-Identifier: Apache-2.0 */
/* What answers are like, and whether other answers are worse ones. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crafted_run.h"
#include "measure/answers.h"
#include "measure/quality.h"
#include "measure/statistics.h"
#include "measure/summary.h"

/* --- loops -------------------------------------------------------------------- */

static const struct {
	const char *ids;
	int is_repeated;
} endings[] = {
	{ "[]", 0 },
	{ "[7]", 0 },
	{ "[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]", 1 },
	{ "[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]", 0 }, /* shorter than a loop that counts */
	{ "[1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]", 1 },
	{ "[1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]", 0 },		/* twice is a refrain */
	{ "[9, 8, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1]", 1 }, /* cut within the loop */
	{ "[1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5]", 0 },	/* it went on */
	/* less than half of the answer */
	{ "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30, "
	  "7,7,7,7,7,7,7,7,7,7,7,7]",
	  0 },
};

START_TEST(loops_are_told_from_refrains_and_short_answers)
{
	json_t *ids = json_loads(endings[_i].ids, 0, NULL);

	ck_assert_int_eq(lsb_answer_is_repeated(ids), endings[_i].is_repeated);
	json_decref(ids);
}
END_TEST

static json_t *answer(const char *text, int tokens, const char *finish, double score)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:[], s:{}}", "text", text, "generated_tokens", tokens,
				    "finish", finish, "ids", "scores");

	if (score >= 0)
		json_object_set_new(json_object_get(request, "scores"), "rouge1", json_real(score));
	return request;
}

START_TEST(shares_are_of_completed_requests_and_scores_of_those_that_have_one)
{
	json_t *ranks =
		json_pack("[{s:[o, o]}, {s:[o, o, o]}, {}]", "requests", answer("yes", 3, "stop", 0.5),
			  answer(" \n", 1, "stop", 0.25), "requests", answer("", 0, "failed", -1),
			  answer("well", 8, "length", -1), answer("so", 4, "stop", 0.75));
	static const struct {
		const char *name;
		double value;
	} expected[] = { { "answer_tokens_mean", 4 },  { "answer_tokens_min", 1 },
			 { "answer_tokens_p50", 3.5 }, { "answer_tokens_max", 8 },
			 { "empty_share", 0.25 },      { "at_once_share", 0.25 },
			 { "repeated_share", 0 },      { "rouge1", 0.5 } };
	json_t *metrics = json_object();

	lsb_answers_measure(ranks, metrics);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ck_assert_double_eq(json_number_value(json_object_get(metrics, expected[i].name)),
				    expected[i].value);
	json_decref(ranks);
	json_decref(metrics);
}
END_TEST

START_TEST(without_answers_nothing_is_said)
{
	json_t *ranks = json_pack("[{s:[o]}]", "requests", answer("", 0, "failed", -1)),
	       *metrics = json_object();

	lsb_answers_measure(ranks, metrics);
	ck_assert_uint_eq(json_object_size(metrics), 0);
	json_decref(ranks);
	json_decref(metrics);
}
END_TEST

/* --- scores beside each other ---------------------------------------------------- */

/* scipy.stats.t.interval(0.95, n - 1, mean, sem) of the first n of these values. */
static const double sample[] = { 0.031, -0.012, 0.044, 0.007, -0.021, 0.018, 0.052, -0.003, 0.026, 0.011,
				 0.039, -0.017, 0.024, 0.009, 0.033,  0.002, 0.047, -0.008, 0.015, 0.028 };
static const struct {
	size_t n;
	double mean, lo, hi;
} intervals[] = {
	{ 6, 0.011166666667, -0.014992854, 0.037326188 },
	{ 7, 0.017000000000, -0.008429054, 0.042429054 },
	{ 10, 0.015300000000, -0.001601710, 0.032201710 },
	{ 20, 0.016250000000, 0.006106104, 0.026393896 },
};

START_TEST(mean_intervals_are_students)
{
	struct lsb_interval ci;
	double mean;

	ck_assert_int_eq(lsb_mean_interval(sample, intervals[_i].n, &mean, &ci), 0);
	ck_assert_double_eq_tol(mean, intervals[_i].mean, 1e-12);
	ck_assert_double_eq_tol(ci.lo, intervals[_i].lo, 1e-5);
	ck_assert_double_eq_tol(ci.hi, intervals[_i].hi, 1e-5);
}
END_TEST

START_TEST(five_values_have_a_mean_and_no_interval)
{
	struct lsb_interval ci;
	double mean;

	ck_assert_int_eq(lsb_mean_interval(sample, 5, &mean, &ci), -1);
	ck_assert_double_eq_tol(mean, 0.0098, 1e-12);
}
END_TEST

enum { ANSWERS = 8 };

/* `mine` scores `shift` more than theirs, and a little to and fro. */
static json_t *compared(double shift, size_t n)
{
	json_t *mine[ANSWERS] = { NULL }, *theirs[ANSWERS] = { NULL }, *out;

	for (size_t i = 0; i < n; i++) {
		theirs[i] = answer("a", 3, "stop", 0.5);
		mine[i] = answer("b", 3, "stop", 0.5 + shift + (i % 2 ? 0.01 : -0.01));
	}
	out = lsb_quality_compare((const json_t *const *)mine, (const json_t *const *)theirs, n);
	for (size_t i = 0; i < n; i++) {
		json_decref(mine[i]);
		json_decref(theirs[i]);
	}
	return out;
}

static const struct {
	double shift;
	size_t n;
	const char *verdict;
} verdicts[] = {
	{ 0, ANSWERS, "no difference seen" },
	{ -0.1, ANSWERS, "lower" },
	{ 0.1, ANSWERS, "higher" },
	{ -0.1, 4, "unknown" },
};

START_TEST(scores_differ_where_their_interval_leaves_out_zero)
{
	json_t *scores = compared(verdicts[_i].shift, verdicts[_i].n);
	const json_t *first = lsb_quality_first(scores);

	ck_assert_str_eq(json_string_value(json_object_get(first, "name")), "rouge1");
	ck_assert_str_eq(json_string_value(json_object_get(first, "verdict")), verdicts[_i].verdict);
	ck_assert_double_eq_tol(json_number_value(json_object_get(first, "difference")), verdicts[_i].shift,
				1e-12);
	ck_assert_int_eq(json_is_null(json_object_get(first, "ci95")), verdicts[_i].n < 6);
	json_decref(scores);
}
END_TEST

/* --- whole runs --------------------------------------------------------------------- */

static json_t *outputs_of(const char *id)
{
	return json_object_get(lsb_summary_point(run_summary, id), "outputs");
}

static int is_flagged(const char *id, const char *flag)
{
	return json_object_get(json_object_get(lsb_summary_point(run_summary, id), "flag_reasons"), flag) !=
	       NULL;
}

/* In all launches of two nodes the last token of every answer is another one, and scores move by `shift`. */
static void answer_otherwise(double shift)
{
	for (size_t i = 0; i < 12; i++) {
		json_t *request, *rank = json_array_get(json_object_get(run_launch(i), "ranks"), 0);
		size_t k;

		if (i >= 6)
			json_object_set_new(run_launch(i), "outputs_sha256", json_string("bbbb"));
		json_array_foreach(json_object_get(rank, "requests"), k, request)
		{
			if (i >= 6)
				json_array_set_new(json_object_get(request, "ids"), 1, json_integer(8));
			json_object_set_new(request, "scores",
					    json_pack("{s:f}", "rouge1",
						      0.5 + (i >= 6 ? shift + (k % 2 ? 0.01 : -0.01) : 0)));
		}
	}
}

static const char *summary_sentence(const char *part)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(run_findings("summary"), i, finding)
	{
		const char *text = json_string_value(json_object_get(finding, "text"));

		if (strstr(text, part))
			return text;
	}
	return NULL;
}

START_TEST(other_tokens_are_a_fault_where_the_backend_rules_them_out)
{
	answer_otherwise(0);
	run_summarise();
	ck_assert(json_is_false(json_object_get(outputs_of("two"), "equal_to_baseline")));
	ck_assert(is_flagged("two", "outputs_differ"));
	ck_assert(!is_flagged("two", "answers_differ"));
	ck_assert_ptr_nonnull(
		summary_sentence("one of the two is wrong. It is faster, but it answers differently."));
}
END_TEST

/* Five answers are too few to tell; the same five come ten times in a run of fifty. */
START_TEST(other_tokens_that_no_score_can_judge_are_flagged)
{
	run_set_rank(6, "invariant_over", 0);
	answer_otherwise(0);
	run_summarise();
	ck_assert(!is_flagged("two", "outputs_differ"));
	ck_assert(is_flagged("two", "answers_differ"));
	ck_assert_ptr_nonnull(summary_sentence("over too few answers for an interval"));
}
END_TEST

START_TEST(equal_answers_are_compared_and_not_flagged)
{
	const json_t *comparison;

	run_summarise();
	ck_assert(json_is_true(json_object_get(outputs_of("two"), "equal_to_baseline")));
	ck_assert_uint_eq(json_array_size(json_object_get(outputs_of("one"), "comparisons")), 0);
	comparison = json_array_get(json_object_get(outputs_of("two"), "comparisons"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(comparison, "against")), "equal_batch");
	ck_assert(json_is_true(json_object_get(comparison, "equality_due")));
	ck_assert_uint_eq(json_array_size(json_object_get(comparison, "scores")), 0);
	ck_assert(!is_flagged("two", "outputs_differ") && !is_flagged("two", "answers_differ"));
}
END_TEST

START_TEST(empty_answers_are_flagged_unless_they_had_to_go_on)
{
	run_set_metric(0, "empty_share", 0.4);
	run_set_metric(6, "empty_share", 0.4);
	json_object_set_new(json_array_get(json_object_get(run_header, "points"), 1), "stop",
			    json_string("eos"));
	run_summarise();
	ck_assert(!is_flagged("one", "poor_answers")); /* stop = length */
	ck_assert(is_flagged("two", "poor_answers"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("answers");
	TCase *tc = tcase_create("answers"), *runs = tcase_create("runs");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, loops_are_told_from_refrains_and_short_answers, 0,
			    sizeof(endings) / sizeof(endings[0]));
	tcase_add_test(tc, shares_are_of_completed_requests_and_scores_of_those_that_have_one);
	tcase_add_test(tc, without_answers_nothing_is_said);
	tcase_add_loop_test(tc, mean_intervals_are_students, 0, sizeof(intervals) / sizeof(intervals[0]));
	tcase_add_test(tc, five_values_have_a_mean_and_no_interval);
	tcase_add_loop_test(tc, scores_differ_where_their_interval_leaves_out_zero, 0,
			    sizeof(verdicts) / sizeof(verdicts[0]));
	tcase_add_checked_fixture(runs, run_set_up, run_tear_down);
	tcase_add_test(runs, other_tokens_are_a_fault_where_the_backend_rules_them_out);
	tcase_add_test(runs, other_tokens_that_no_score_can_judge_are_flagged);
	tcase_add_test(runs, equal_answers_are_compared_and_not_flagged);
	tcase_add_test(runs, empty_answers_are_flagged_unless_they_had_to_go_on);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, runs);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
