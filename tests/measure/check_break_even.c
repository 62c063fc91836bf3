/* SPDX-License-Identifier: Apache-2.0 */
/* Laws whose break-even is known in closed form. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/break_even.h"
#include "measure/findings.h"
#include "measure/simulate.h"

/* A token is a step of 1 ms, a latency each way, and 1000 bytes. */
static double line(const void *user, double latency_s, double bytes_per_s)
{
	(void)user;
	return 1 / (0.001 + 2 * latency_s + (bytes_per_s > 0 ? 1000 / bytes_per_s : 0));
}

static const struct lsb_break_even_law straight = { line, NULL, 0.0001, 1e8 };

START_TEST(of_a_straight_law_both_limits_are_its_roots)
{
	/* 500 tokens/s: 2 ms = 1 ms + 2 L + 10 us, and 2 ms = 1 ms + 0.2 ms + 1000 / B */
	const struct lsb_break_even l = lsb_break_even_latency(&straight, 500),
				    b = lsb_break_even_bandwidth(&straight, 500);

	ck_assert_int_eq(l.kind, LSB_PAYS_UP_TO);
	ck_assert_double_eq_tol(l.value / 0.000495, 1, 0.002);
	ck_assert_int_eq(b.kind, LSB_PAYS_UP_TO);
	ck_assert_double_eq_tol(b.value / (1000 / 0.0008), 1, 0.002);
}
END_TEST

START_TEST(what_no_link_reaches_never_pays_and_what_any_link_reaches_always)
{
	ck_assert_int_eq(lsb_break_even_latency(&straight, 1001).kind, LSB_PAYS_NEVER);
	ck_assert_int_eq(lsb_break_even_bandwidth(&straight, 1001).kind, LSB_PAYS_NEVER);
	/* without latency it would pay, at the latency that there is no bandwidth is enough */
	ck_assert_int_eq(lsb_break_even_latency(&straight, 900).kind, LSB_PAYS_UP_TO);
	ck_assert_int_eq(lsb_break_even_bandwidth(&straight, 900).kind, LSB_PAYS_NEVER);
	ck_assert_int_eq(lsb_break_even_latency(&straight, 0.4).kind, LSB_PAYS_ALWAYS);
	ck_assert_int_eq(lsb_break_even_bandwidth(&straight, 0.4).kind, LSB_PAYS_ALWAYS);
}
END_TEST

/* --- through the simulated run -------------------------------------------------------------- */

enum { TOKENS = 100 };
#define STEP_S 0.002

static double same_step(const void *user, uint32_t stage, const struct lsb_sim_step *step)
{
	(void)user;
	(void)stage;
	(void)step;
	return STEP_S;
}

static double latency_of(const void *user, const struct lsb_sim_step *step)
{
	(void)step;
	return *(const double *)user;
}

/* Two requests of one prompt token, one at a time, over two equal stages. */
static double pipeline(const void *user, double latency_s, double bytes_per_s)
{
	static const uint32_t prompt_tok[2] = { 1, 1 }, new_tok[2] = { TOKENS, TOKENS };
	const struct lsb_sim_setup setup = { .stages = 2,
					     .replicas = 1,
					     .batch = 1,
					     .in_flight = 2,
					     .chunk = 1,
					     .prompt_tok = prompt_tok,
					     .new_tok = new_tok,
					     .n_requests = 2,
					     .costs = { .user = &latency_s,
							.step_s = same_step,
							.hidden_s = latency_of,
							.ids_s = latency_of } };
	struct lsb_sim_result result;
	double rate;

	(void)user;
	(void)bytes_per_s;
	ck_assert_int_eq(lsb_simulate(&setup, &result, NULL), LSB_OK);
	rate = result.generated_tok / result.run_s;
	lsb_sim_result_free(&result);
	return rate;
}

/*
 * A token takes both stages and both ways, 2 c + 2 L, and the second request is c behind the first:
 * K (2 c + 2 L) + c. One node does both after one another, 2 K 2 c. Equal at L = c - c / (2 K).
 */
START_TEST(two_equal_stages_with_two_requests_break_even_at_a_latency_of_a_step)
{
	const struct lsb_break_even_law law = { .tokens_per_s = pipeline };
	const double one_node = 2 * TOKENS / (2 * TOKENS * 2 * STEP_S);
	const struct lsb_break_even found = lsb_break_even_latency(&law, one_node);

	ck_assert_int_eq(found.kind, LSB_PAYS_UP_TO);
	ck_assert_double_eq_tol(found.value / (STEP_S - STEP_S / (2 * TOKENS)), 1, 0.002);
}
END_TEST

/* --- in words ---------------------------------------------------------------------------------- */

static json_t *summary_of(const char *pays, const char *label)
{
	json_t *answer = json_pack(
		"{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:{s:s, s:f, s:[f, f]}, s:{s:s, s:f, s:n}}",
		"against", "equal_batch", "baseline", "01", "target_tokens_per_s", 40.0,
		"measured_tokens_per_s", 50.0, "predicted_tokens_per_s", 51.0, "free_link_tokens_per_s", 39.0,
		"error", 0.02, "link_latency_s", 0.0001, "latency", "pays", pays, "value", 0.0031, "range",
		0.0028, 0.0034, "bandwidth", "pays", pays, "value", 2.1e6, "range");
	json_t *two = json_pack("{s:s, s:s, s:s, s:i, s:[o]}", "id", "02", "case", "two", "label", label,
				"nodes", 2, "break_even", answer);

	return json_pack("{s:[{s:s, s:s, s:i}, O, o]}", "points", "id", "01", "label", "one", "nodes", 1, two,
			 two);
}

static void expect(const char *pays, const char *words)
{
	json_t *summary = summary_of(pays, "two transport=tcp"), *list = json_array();
	const char *text;

	lsb_break_even_findings(summary, list);
	ck_assert_uint_eq(json_array_size(list), 1); /* the second point says the same */
	text = json_string_value(json_object_get(json_array_get(list, 0), "text"));
	ck_assert_msg(strstr(text, words) != NULL, "'%s' lacks '%s'", text, words);
	ck_assert_ptr_nonnull(strstr(text, "off by +2.0 %"));
	json_decref(list);
	json_decref(summary);
}

START_TEST(the_sentence_names_limits_ranges_and_the_error)
{
	expect("up_to",
	       "at most 3.1 ms [2.8 ms, 3.4 ms] (measured: 100 us), or at the measured latency over at "
	       "least 2.1 MB/s");
	expect("never", "no link makes them pay off: even links that cost nothing would give 39 tokens/s");
	expect("always", "they pay off even where a message takes 1 s");
	expect("unknown", "not known: measured they give 50 tokens/s, by the model 51");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("break_even");
	TCase *tc = tcase_create("break_even");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, of_a_straight_law_both_limits_are_its_roots);
	tcase_add_test(tc, what_no_link_reaches_never_pays_and_what_any_link_reaches_always);
	tcase_add_test(tc, two_equal_stages_with_two_requests_break_even_at_a_latency_of_a_step);
	tcase_add_test(tc, the_sentence_names_limits_ranges_and_the_error);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
