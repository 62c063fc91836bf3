/* SPDX-License-Identifier: Apache-2.0 */
/* What is recommended of crafted runs, what is not, and what is told first. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crafted_run.h"

/* Launch i of the six from `first` on takes run_s x (1 +- wobble), in turn. */
static void wobble(size_t first, double run_s, double by)
{
	for (size_t i = first; i < first + 6; i++) {
		json_t *metrics = json_object_get(run_launch(i), "metrics");
		const double its = run_s * (i % 2 ? 1 + by : 1 - by);

		json_object_set_new(metrics, "run_s", json_real(its));
		json_object_set_new(metrics, "tokens_per_s", json_real(250 / its));
	}
}

/* One and two nodes, and one node with twice the batch and one with two threads, of these run times. */
static void add_means(double concurrency_s, double cores_s)
{
	const struct crafted points[] = {
		CRAFTED_ONE,
		{ "two", "pipeline", "strong", 2, 1, 2, 5, 6, "one", "wide", "cores", "two", 0 },
		{ "wide", "wide", "strong", 1, 2, 1, 5, 6, "wide", NULL, NULL, "one", 0 },
		{ "cores", "cores", "strong", 1, 1, 1, 5, 6, "cores", NULL, NULL, "cores", 0 }
	};

	json_decref(run_header);
	run_header = crafted_header(points, 4);
	run_add(&points[2], concurrency_s, concurrency_s, 250);
	run_add(&points[3], cores_s, cores_s, 250);
}

static const json_t *recommended(const char *kind, const char *basis)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(run_findings("recommendations"), i, finding)
	{
		if (strcmp(json_string_value(json_object_get(finding, "kind")), kind) == 0 &&
		    strcmp(json_string_value(json_object_get(finding, "basis")), basis) == 0)
			return finding;
	}
	return NULL;
}

static void assert_says(const json_t *finding, const char *words)
{
	const char *text = json_string_value(json_object_get(finding, "text"));

	ck_assert_msg(text && strstr(text, words), "%s", text ? text : "no such finding");
}

START_TEST(a_difference_that_was_not_seen_is_not_recommended)
{
	add_means(9.5, 22); /* medians say 0.95 and 2.2 times */
	wobble(6, 10, 0.6);
	wobble(12, 9.5, -0.6);
	wobble(18, 22, -0.6);
	run_summarise();
	ck_assert_ptr_null(recommended("nodes", "measured"));
}
END_TEST

static void set_batching(size_t point, const char *batching)
{
	json_t *entry = json_array_get(json_object_get(run_header, "points"), point);
	json_t *params = json_deep_copy(json_object_get(entry, "params"));

	json_object_set_new(params, "batching", json_string(batching));
	json_object_set_new(entry, "params", params);
}

/* Point "slots" is "one" again, but for its batching. */
START_TEST(batching_that_is_faster_at_equal_slots_is_taken)
{
	const struct crafted points[] = {
		CRAFTED_ONE,
		{ "two", "pipeline", "strong", 2, 1, 2, 5, 6, "one", NULL, NULL, "two", 0 },
		{ "slots", "one", "strong", 1, 1, 1, 5, 6, "slots", NULL, NULL, "slots", 0 },
	};

	json_decref(run_header);
	run_header = crafted_header(points, 3);
	run_add(&points[2], 10, 10, 250); /* "one" takes 16 s */
	run_summarise();
	ck_assert_ptr_null(recommended("batching", "measured"));
	set_batching(0, "static");
	set_batching(2, "continuous");
	run_summarise();
	assert_says(recommended("batching", "measured"), "Take batching continuous");
	ck_assert_double_eq_tol(
		json_number_value(json_object_get(recommended("batching", "measured"), "gain")), 1.6, 1e-9);
}
END_TEST

/* One at a time, and batches of 4, 8 (continuous) and 16 of these run times; 8 and 16 by the same wobble. */
static void add_batches(double four_s, double eight_s, double sixteen_s)
{
	const struct crafted points[] = {
		CRAFTED_ONE,
		CRAFTED_TWO,
		{ "four", "four", "batch", 1, 4, 1, 5, 6, "four", NULL, NULL, "one", 0 },
		{ "eight", "eight", "batch", 1, 8, 1, 5, 6, "eight", NULL, NULL, "one", 0 },
		{ "more", "more", "batch", 1, 16, 1, 5, 6, "more", NULL, NULL, "one", 0 },
	};

	json_decref(run_header);
	run_header = crafted_header(points, 5);
	set_batching(3, "continuous");
	run_add(&points[2], four_s, four_s, 250);
	run_add(&points[3], eight_s, eight_s, 250);
	run_add(&points[4], sixteen_s, sixteen_s, 250);
	wobble(18, eight_s, 0.1);
	wobble(24, sixteen_s, -0.1);
	run_summarise();
}

/* A sentence of the summary has these words. */
static int is_said(const char *words)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(run_findings("summary"), i, finding)
	{
		if (strstr(json_string_value(json_object_get(finding, "text")), words))
			return 1;
	}
	return 0;
}

/* 5 prompts: two passes of a batch of 4; of 8 slots that are refilled 5 are in use. */
START_TEST(slots_have_no_passes)
{
	add_batches(10, 6, 5.8);
	ck_assert(is_said("its 5 prompts are 2 passes, so 2.50 would be the most"));
	ck_assert(is_said("its 5 slots are refilled, so 5.00 would be the most"));
}
END_TEST

START_TEST(the_smallest_batch_that_none_beats_is_taken)
{
	add_batches(10, 6, 5.8); /* 4 is beaten; 16 against 8: 0.79 to 1.18 times */
	assert_says(recommended("batch", "measured"), "take batch 8: eight nodes=1");
	assert_says(recommended("batch", "measured"), "no larger one was seen to be faster");
	ck_assert_str_eq(json_string_value(json_object_get(recommended("batch", "measured"), "set")),
			 "batch = 8, batching = continuous");
}
END_TEST

START_TEST(a_larger_batch_that_beats_all_is_taken)
{
	add_batches(10, 6, 4);
	assert_says(recommended("batch", "measured"), "take batch 16: more nodes=1");
	assert_says(recommended("batch", "measured"), "a larger one was not measured");
}
END_TEST

START_TEST(nodes_that_are_faster_are_kept)
{
	add_means(12, 15);
	run_summarise();
	assert_says(recommended("nodes", "measured"), "Keep the 2 nodes");
	ck_assert_double_eq_tol(json_number_value(json_object_get(recommended("nodes", "measured"), "gain")),
				1.5, 1e-9);
}
END_TEST

START_TEST(one_node_that_is_faster_silences_keep_the_nodes)
{
	const json_t *finding;
	size_t i;

	add_means(9, 22); /* as many sequences on one node: faster; as many cores: slower */
	run_summarise();
	assert_says(recommended("nodes", "measured"), "take one with as many sequences at once");
	json_array_foreach(run_findings("recommendations"), i, finding)
	{
		ck_assert_ptr_null(strstr(json_string_value(json_object_get(finding, "text")), "Keep the"));
	}
}
END_TEST

START_TEST(a_busy_machine_is_told_first)
{
	const json_t *first;

	wobble(6, 10, 0.6);
	run_summarise();
	first = json_array_get(run_findings("recommendations"), 0);
	assert_says(first, "Nothing can be recommended from differences that were not seen");
	assert_says(json_array_get(run_findings("summary"), 0), "is known to +- 60 % alone");
	ck_assert(json_is_null(json_object_get(first, "gain")));
}
END_TEST

START_TEST(a_run_that_the_gate_let_pass_unwillingly_is_told_first)
{
	json_object_set_new(run_header, "gated", json_pack("[s]", "load 3.2 on 2 cores"));
	run_summarise();
	assert_says(json_array_get(run_findings("recommendations"), 0), "load 3.2 on 2 cores");
}
END_TEST

START_TEST(a_quiet_run_says_nothing_of_a_busy_machine)
{
	run_summarise();
	ck_assert_ptr_null(recommended("quiet", "stated"));
	assert_says(json_array_get(run_findings("summary"), 0), "times as fast as one node");
}
END_TEST

START_TEST(what_to_mind_comes_behind_the_answer)
{
	const json_t *finding;
	int minds = 0;
	size_t i;

	run_set_rank(6, "messages_received", 1000);
	run_set_rank(6, "bytes_received", 1000000);
	run_set_metric(6, "communication_s", 1.89);
	run_summarise();
	assert_says(json_array_get(run_findings("summary"), 0), "times as fast as one node");
	json_array_foreach(run_findings("summary"), i, finding)
	{
		minds += strstr(json_string_value(json_object_get(finding, "text")), "Mind pipeline") != NULL;
	}
	ck_assert_int_eq(minds, 1);
}
END_TEST

static TCase *advice(void)
{
	TCase *tc = tcase_create("advice");

	tcase_add_checked_fixture(tc, run_set_up, run_tear_down);
	tcase_add_test(tc, a_difference_that_was_not_seen_is_not_recommended);
	tcase_add_test(tc, batching_that_is_faster_at_equal_slots_is_taken);
	tcase_add_test(tc, slots_have_no_passes);
	tcase_add_test(tc, the_smallest_batch_that_none_beats_is_taken);
	tcase_add_test(tc, a_larger_batch_that_beats_all_is_taken);
	tcase_add_test(tc, nodes_that_are_faster_are_kept);
	tcase_add_test(tc, one_node_that_is_faster_silences_keep_the_nodes);
	tcase_add_test(tc, a_busy_machine_is_told_first);
	tcase_add_test(tc, a_run_that_the_gate_let_pass_unwillingly_is_told_first);
	tcase_add_test(tc, a_quiet_run_says_nothing_of_a_busy_machine);
	tcase_add_test(tc, what_to_mind_comes_behind_the_answer);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("advice");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, advice());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
