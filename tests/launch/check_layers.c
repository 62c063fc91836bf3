/* SPDX-License-Identifier: Apache-2.0 */
/* Who decides on a split: the suite, the journal, times, arithmetic. */
#include <check.h>
#include <string.h>

#include "launch/layers.h"

static const struct lsb_mean_request mean = { .prompt_tok = 64, .new_tok = 64 };
static uint32_t written[] = { 20, 10 };
static const uint32_t cpus[] = { 0, 1 };
static struct lsb_point point;
static uint32_t layers[2];
static struct lsb_error err;
static json_t *answer, *how;

/* Two stages of a model of 30 layers whose head weighs as 6 of them. */
static void setup(void)
{
	point = (struct lsb_point){ .nodes = 2,
				    .stages = 2,
				    .replicas = 1,
				    .batch = 1,
				    .in_flight = 2,
				    .prompts = 4,
				    .distinct = 4,
				    .max_new = 64,
				    .chunk = 64,
				    .threads = 1 };
	answer = json_pack("{s:{s:i, s:i, s:i, s:i}, s:[i], s:[i]}", "model", "layers", 30, "layer_macs", 100,
			   "head_macs", 1200, "layer_bytes", 100 << 20, "prompt_tokens", 64, "max_new", 0);
	how = NULL;
}

static void teardown(void)
{
	json_decref(answer);
	json_decref(how);
}

/* Choose, with `costs` and `recorded` as JSON text or NULL. */
static int choose(const char *costs, const char *recorded)
{
	json_t *c = costs ? json_loads(costs, 0, NULL) : NULL;
	json_t *r = recorded ? json_loads(recorded, 0, NULL) : NULL;
	int rc;

	ck_assert(!costs == !c && !recorded == !r);
	json_decref(how);
	rc = lsb_layers_choose(&point, answer, &mean, c, r, layers, &how, &err);
	json_decref(c);
	json_decref(r);
	return rc;
}

static void assert_chosen(uint32_t first, const char *by)
{
	ck_assert_uint_eq(layers[0], first);
	ck_assert_uint_eq(layers[1], 30 - first);
	ck_assert_str_eq(json_string_value(json_object_get(how, "by")), by);
}

START_TEST(times_decide_where_there_are_any)
{
	/* decode steps decide: a chunk takes as long as one of them */
	ck_assert_int_eq(choose("{\"chunk_s\": 0.001, \"batch_s\": 0.001, \"head_s\": 0.006}", NULL), 0);
	assert_chosen(18, "time");
	ck_assert_double_eq_tol(json_number_value(json_object_get(how, "head_s")), 0.006, 1e-12);
	ck_assert_double_gt(json_number_value(json_object_get(how, "even_s")), 0);
	ck_assert_double_ge(json_number_value(json_object_get(how, "equal_s")),
			    json_number_value(json_object_get(how, "run_s")));
}
END_TEST

START_TEST(arithmetic_decides_where_there_are_none)
{
	static const struct {
		const char *costs, *why;
	} cases[] = {
		{ NULL, "the ranks may run on other machines" },
		{ "{\"error\": \"it crashed\", \"code\": -1}", "it crashed" },
		{ "{\"waived\": \"no device\"}", "no device" },
		{ "{\"chunk_s\": 1e-9, \"batch_s\": 1e-9, \"head_s\": 1}",
		  "steps are too short to be timed" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(choose(cases[i].costs, NULL), 0);
		assert_chosen(18, "arithmetic"); /* 128 tokens of 100 a layer, 64 of 1200 */
		ck_assert_str_eq(json_string_value(json_object_get(how, "why")), cases[i].why);
	}
}
END_TEST

START_TEST(a_journal_is_kept_to)
{
	ck_assert_int_eq(choose(NULL, "{\"layers\": [29, 1], \"split\": {\"by\": \"time\"}}"), 0);
	assert_chosen(29, "time");
	/* one that does not fit the model is none */
	ck_assert_int_eq(choose(NULL, "{\"layers\": [29, 2], \"split\": {\"by\": \"time\"}}"), 0);
	assert_chosen(18, "arithmetic");
}
END_TEST

START_TEST(what_the_suite_says_is_done_or_refused)
{
	point.split = written;
	point.n_split = 2;
	ck_assert_int_eq(choose("{\"chunk_s\": 1, \"batch_s\": 1, \"head_s\": 0}", "{\"layers\": [15, 15]}"),
			 0);
	ck_assert_uint_eq(layers[0], 20);
	ck_assert_ptr_null(how);
	point.n_split = 1;
	ck_assert_int_eq(choose(NULL, NULL), LSB_ESUITE);
}
END_TEST

START_TEST(stages_without_layers_are_refused)
{
	json_object_set_new(json_object_get(answer, "model"), "layers", json_integer(1));
	ck_assert_int_eq(choose(NULL, NULL), LSB_ESUITE);
	ck_assert_str_eq(err.msg, "2 stages for a model of 1 layers");
}
END_TEST

START_TEST(only_what_is_to_be_chosen_here_is_timed)
{
	json_t *question = lsb_layers_question(&point, answer, &mean, cpus);

	ck_assert_ptr_nonnull(question);
	/* 100 MiB each: five of them are half a gibibyte */
	ck_assert_int_eq(json_integer_value(json_object_get(question, "layers")), 5);
	ck_assert_int_eq(json_integer_value(json_object_get(question, "ranks")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(question, "cpus")), 2);
	json_decref(question);
	point.n_hosts = 1;
	ck_assert_ptr_null(lsb_layers_question(&point, answer, &mean, cpus));
	point.n_hosts = 0;
	point.n_split = 2;
	ck_assert_ptr_null(lsb_layers_question(&point, answer, &mean, cpus));
	point.n_split = 0;
	point.stages = 1;
	ck_assert_ptr_null(lsb_layers_question(&point, answer, &mean, cpus));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layers");
	TCase *tc = tcase_create("layers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, times_decide_where_there_are_any);
	tcase_add_test(tc, arithmetic_decides_where_there_are_none);
	tcase_add_test(tc, a_journal_is_kept_to);
	tcase_add_test(tc, what_the_suite_says_is_done_or_refused);
	tcase_add_test(tc, stages_without_layers_are_refused);
	tcase_add_test(tc, only_what_is_to_be_chosen_here_is_timed);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
