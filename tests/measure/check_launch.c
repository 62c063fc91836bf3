/* SPDX-License-Identifier: Apache-2.0 */
/* From what ranks send to a launch's metrics, and refusal of what does not reconcile. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "measure/launch_measure.h"

#define MS 1000000ll
enum { T0 = 5000 }; /* ms */

/* A request of `n` tokens, the first at `first` ms into the run and one every `every` ms. */
static json_t *request(int i, int n, int first, int every)
{
	json_t *ids = json_array(), *times = json_array();

	for (int k = 0; k < n; k++) {
		json_array_append_new(ids, json_integer(100 + k));
		json_array_append_new(times, json_integer(k * every * MS));
	}
	return json_pack("{s:i, s:i, s:i, s:s, s:I, s:I, s:I, s:o, s:o, s:{s:f, s:f}}", "i", i,
			 "prompt_tokens", 10, "generated_tokens", n, "finish", "length", "arrival_ns",
			 (json_int_t)(T0 * MS), "first_ns", (json_int_t)((T0 + first) * MS), "last_ns",
			 (json_int_t)((T0 + first + (n - 1) * every) * MS), "token_ns", times, "ids", ids,
			 "scores", "rouge1", 0.25 * (i + 1), "run_s", 77.0);
}

static json_t *point(int nodes, int prompts)
{
	return json_pack("{s:i, s:i, s:i}", "nodes", nodes, "stages", nodes, "prompts", prompts);
}

/* Rank 0 loads 1 s and preprocesses 0.5 s, rank 1 loads 2 s. */
static json_t *two_ranks(void)
{
	return json_pack("[{s:i, s:f, s:f, s:i, s:I, s:I, s:{s:i}, s:i, s:i, s:[o, o]},"
			 " {s:i, s:f, s:f, s:i, s:I, s:I, s:{s:i}, s:i, s:i}]",
			 "rank", 0, "load_s", 1.0, "preprocess_s", 0.5, "load_bytes", 300, "run_t0_ns",
			 (json_int_t)(T0 * MS), "run_t1_ns", (json_int_t)((T0 + 100) * MS), "layers", "count",
			 2, "layer_bytes", 1000, "head_bytes", 500, "requests", request(0, 5, 20, 10),
			 request(1, 1, 70, 0), "rank", 1, "load_s", 2.0, "preprocess_s", 0.0, "load_bytes",
			 200, "run_t0_ns", (json_int_t)(T0 * MS), "run_t1_ns", (json_int_t)((T0 + 100) * MS),
			 "layers", "count", 3, "layer_bytes", 1000, "head_bytes", 500);
}

/* One step of 20 ms on rank 0, its hidden states 5 ms on the way, 30 ms on rank 1. */
static const struct lsb_record first[] = {
	{ .kind = LSB_REC_COMPUTE,
	  .t0_ns = T0 * MS,
	  .t1_ns = (T0 + 20) * MS,
	  .aux = 64,
	  .aux2 = 0,
	  .peer = -1 },
	{ .kind = LSB_REC_SEND,
	  .t0_ns = (T0 + 20) * MS,
	  .t1_ns = (T0 + 20) * MS,
	  .peer = 1,
	  .tag = LSB_TAG_HIDDEN },
};
static const struct lsb_record second[] = {
	{ .kind = LSB_REC_BLOCK,
	  .t0_ns = T0 * MS,
	  .t1_ns = (T0 + 25) * MS,
	  .peer = 0,
	  .tag = LSB_TAG_HIDDEN,
	  .aux = (T0 + 25) * MS },
	{ .kind = LSB_REC_COMPUTE,
	  .t0_ns = (T0 + 25) * MS,
	  .t1_ns = (T0 + 55) * MS,
	  .aux = 64,
	  .aux2 = 1,
	  .peer = -1 },
};
static const struct lsb_rank_records records[] = { { 0, first, 2, 0 }, { 1, second, 2, 0 } };

static int measure(json_t *ranks, json_t *line, struct lsb_error *err)
{
	json_t *its = point(2, 2);
	const int rc = lsb_measure_launch(its, ranks, records, 2, NULL, line, err);

	json_decref(its);
	return rc;
}

static double metric(const json_t *line, const char *name)
{
	const json_t *value = json_object_get(json_object_get(line, "metrics"), name);

	ck_assert_msg(json_is_number(value), "%s is not there", name);
	return json_number_value(value);
}

START_TEST(metrics_are_those_of_their_definitions)
{
	static const struct {
		const char *name;
		double value;
	} expected[] = { { "run_s", 0.070 },
			 { "wall_s",
			   2.070 }, /* the slowest rank's start, not the sum of the slowest phases */
			 { "load_s", 2.0 },
			 { "preprocess_s", 0.5 },
			 { "load_bytes", 500 },
			 { "generated_tokens", 6 },
			 { "prompt_tokens", 20 },
			 { "tokens_per_s", 6 / 0.070 },
			 { "total_tokens_per_s", 26 / 0.070 },
			 { "requests_per_s", 2 / 0.070 },
			 { "success_rate", 1 },
			 { "ttft_p50_s", 0.045 },
			 { "ttft_max_s", 0.070 },
			 { "first_ttft_s", 0.020 },
			 { "tpot_p50_s", 0.010 }, /* of the one request with two tokens or more */
			 { "itl_max_s", 0.010 },
			 { "e2e_p50_s", 0.065 },
			 { "rouge1", 0.375 },
			 { "communication_s", 0.005 },
			 { "wait_s", 0.020 },
			 { "replay_s", 0.050 },
			 { "replay_tokens_per_s", 120 },
			 /* the last stage's only step ends 55 ms into the run */
			 { "prefill_tokens_per_s", 64 / 0.055 } };
	json_t *ranks = two_ranks(), *line = json_object();
	const json_t *ledger;
	struct lsb_error err = { 0 };

	ck_assert_msg(measure(ranks, line, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ck_assert_msg(metric(line, expected[i].name) - expected[i].value < 1e-9 &&
				      expected[i].value - metric(line, expected[i].name) < 1e-9,
			      "%s is %.12g, not %.12g", expected[i].name, metric(line, expected[i].name),
			      expected[i].value);
	ck_assert_ptr_null(json_object_get(json_object_get(line, "metrics"), "ttft_p99_s"));
	ck_assert_ptr_null(json_object_get(json_object_get(line, "metrics"), "decode_tokens_per_s"));
	ledger = json_object_get(line, "ledger");
	ck_assert_uint_eq(json_array_size(ledger), 2);
	ck_assert_double_eq(json_number_value(json_object_get(json_array_get(ledger, 0), "read_bytes")),
			    2000);
	ck_assert_double_eq(json_number_value(json_object_get(json_array_get(ledger, 1), "read_bytes")),
			    3500);
	ck_assert_ptr_nonnull(json_object_get(line, "outputs_sha256"));
	json_decref(ranks);
	json_decref(line);
}
END_TEST

/* Prompt chunks of 8 and 4 tokens, then two decode steps of 2; the run goes on for 5 ms behind them. */
static const struct lsb_record phases[] = {
	{ .kind = LSB_REC_COMPUTE, .t0_ns = T0 * MS, .t1_ns = (T0 + 20) * MS, .aux = 8, .peer = -1 },
	{ .kind = LSB_REC_COMPUTE,
	  .t0_ns = (T0 + 20) * MS,
	  .t1_ns = (T0 + 30) * MS,
	  .aux = 4,
	  .aux2 = 2,
	  .peer = -1,
	  .step = 1 },
	{ .kind = LSB_REC_COMPUTE,
	  .t0_ns = (T0 + 35) * MS, /* the time before a step is the step's */
	  .t1_ns = (T0 + 45) * MS,
	  .aux = 2,
	  .aux2 = 2,
	  .peer = -1,
	  .step = 2 },
	{ .kind = LSB_REC_COMPUTE,
	  .t0_ns = (T0 + 45) * MS,
	  .t1_ns = (T0 + 65) * MS,
	  .aux = 2,
	  .aux2 = 2,
	  .peer = -1,
	  .step = 3 },
};

START_TEST(prefill_and_decode_share_out_the_steps)
{
	const struct lsb_rank_records its[] = { { 0, phases, 4, 0 }, { 1, phases, 4, 0 } };
	json_t *ranks = two_ranks(), *line = json_object(), *replicas = point(1, 2), *head, *moved;
	struct lsb_error err = { 0 };

	/* two replicas: the second request is the second rank's */
	head = json_object_get(json_array_get(ranks, 0), "requests");
	moved = json_incref(json_array_get(head, 1));
	json_array_remove(head, 1);
	json_object_set_new(json_array_get(ranks, 1), "requests", json_pack("[o]", moved));
	json_object_set_new(replicas, "nodes", json_integer(2));
	ck_assert_msg(lsb_measure_launch(replicas, ranks, its, 2, NULL, line, &err) == 0, "%s", err.msg);
	ck_assert_double_eq_tol(metric(line, "prefill_tokens_per_s"), 2 * 12 / 0.030, 1e-9);
	/* of rank 0 the last answer came 60 ms into the run, before its last step */
	ck_assert_double_eq_tol(metric(line, "decode_tokens_per_s"), (2 + 4) / ((0.015 + 0.035) / 2), 1e-9);
	json_decref(ranks);
	json_decref(line);
	json_decref(replicas);
}
END_TEST

START_TEST(a_failed_request_is_counted_and_not_averaged)
{
	json_t *ranks = two_ranks(), *line = json_object();
	json_t *lost = json_array_get(json_object_get(json_array_get(ranks, 0), "requests"), 1);

	json_object_set_new(lost, "finish", json_string("failed"));
	ck_assert_int_eq(measure(ranks, line, NULL), 0);
	ck_assert_double_eq(metric(line, "success_rate"), 0.5);
	ck_assert_double_eq(metric(line, "generated_tokens"), 5);
	ck_assert_double_eq_tol(metric(line, "run_s"), 0.060, 1e-12);
	ck_assert_double_eq_tol(metric(line, "ttft_max_s"), 0.020, 1e-12);
	json_decref(ranks);
	json_decref(line);
}
END_TEST

/* Each spoils the ranks' figures; the message has the words. */
static void drop_request(json_t *requests)
{
	json_array_remove(requests, 1);
}

static void answer_twice(json_t *requests)
{
	json_object_set_new(json_array_get(requests, 1), "i", json_integer(0));
}

static void answer_what_nobody_asked(json_t *requests)
{
	json_object_set_new(json_array_get(requests, 1), "i", json_integer(2));
}

static void answer_before_the_first(json_t *requests)
{
	json_object_set_new(json_array_get(requests, 1), "i", json_integer(-1));
}

static void count_more_tokens(json_t *requests)
{
	json_object_set_new(json_array_get(requests, 0), "generated_tokens", json_integer(6));
}

static void lose_a_time(json_t *requests)
{
	json_array_remove(json_object_get(json_array_get(requests, 0), "token_ns"), 0);
}

static void forget_how_it_ended(json_t *requests)
{
	json_object_del(json_array_get(requests, 0), "finish");
}

static const struct {
	void (*spoil)(json_t *requests);
	const char *words;
} spoilt[] = { { drop_request, "no rank answered" },
	       { answer_twice, "not its to answer" },
	       { answer_what_nobody_asked, "not its to answer" },
	       { answer_before_the_first, "not its to answer" },
	       { count_more_tokens, "do not agree" },
	       { lose_a_time, "do not agree" },
	       { forget_how_it_ended, "do not agree" } };

START_TEST(figures_that_do_not_reconcile_are_refused)
{
	json_t *ranks = two_ranks(), *line = json_object();
	struct lsb_error err = { 0 };

	spoilt[_i].spoil(json_object_get(json_array_get(ranks, 0), "requests"));
	ck_assert_int_eq(measure(ranks, line, &err), LSB_EPEER);
	ck_assert_msg(strstr(err.msg, spoilt[_i].words) != NULL, "'%s'", err.msg);
	json_decref(ranks);
	json_decref(line);
}
END_TEST

START_TEST(a_run_that_ends_before_it_begins_is_refused)
{
	json_t *ranks = two_ranks(), *line = json_object();

	json_t *requests = json_object_get(json_array_get(ranks, 0), "requests"), *request;
	size_t i;

	json_array_foreach(requests, i, request)
	{
		json_object_set_new(request, "last_ns", json_integer(1));
	}
	ck_assert_int_eq(measure(ranks, line, NULL), LSB_EPEER);
	json_decref(ranks);
	json_decref(line);
}
END_TEST

START_TEST(a_first_token_before_its_request_is_negative_and_not_huge)
{
	json_t *ranks = two_ranks(), *line = json_object();
	json_t *requests = json_object_get(json_array_get(ranks, 0), "requests");

	json_object_set_new(json_array_get(requests, 0), "first_ns", json_integer((T0 - 1) * MS));
	ck_assert_int_eq(measure(ranks, line, NULL), 0);
	ck_assert_double_lt(metric(line, "ttft_p50_s"), 1);
	json_decref(ranks);
	json_decref(line);
}
END_TEST

START_TEST(units_follow_from_names)
{
	ck_assert_str_eq(lsb_metric_unit("tokens_per_s"), "1/s");
	ck_assert_str_eq(lsb_metric_unit("ttft_p50_s"), "s");
	ck_assert_str_eq(lsb_metric_unit("load_bytes"), "B");
	ck_assert_str_eq(lsb_metric_unit("energy_j_per_token"), "J");
	ck_assert_str_eq(lsb_metric_unit("mbu"), "1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launch");
	TCase *tc = tcase_create("launch");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, metrics_are_those_of_their_definitions);
	tcase_add_test(tc, prefill_and_decode_share_out_the_steps);
	tcase_add_test(tc, a_failed_request_is_counted_and_not_averaged);
	tcase_add_loop_test(tc, figures_that_do_not_reconcile_are_refused, 0,
			    sizeof(spoilt) / sizeof(spoilt[0]));
	tcase_add_test(tc, a_run_that_ends_before_it_begins_is_refused);
	tcase_add_test(tc, a_first_token_before_its_request_is_negative_and_not_huge);
	tcase_add_test(tc, units_follow_from_names);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
