/* SPDX-License-Identifier: Apache-2.0 */
/* Splits by time, of runs whose best one can be told by hand. */
#include <check.h>

#include "lsbench/host.h"
#include "measure/split_time.h"

enum { STAGES_MAX = 4, REQUESTS = 4 };

static uint32_t prompt_tok[REQUESTS], new_tok[REQUESTS], layers[STAGES_MAX];
static struct lsb_sim_setup run;
static struct lsb_layer_times times;
static struct lsb_time_split found;
static struct lsb_error err;

/* One sequence a group, as many groups as stages, of prompts of one chunk each. */
static int split(uint32_t n_layers, uint32_t stages, uint32_t chunks, uint32_t steps)
{
	run = (struct lsb_sim_setup){ .stages = stages,
				      .replicas = 1,
				      .batch = 1,
				      .in_flight = stages,
				      .chunk = 8,
				      .prompt_tok = prompt_tok,
				      .new_tok = new_tok,
				      .n_requests = stages };
	for (uint32_t i = 0; i < REQUESTS; i++) {
		prompt_tok[i] = 8 * chunks;
		new_tok[i] = 1 + steps;
	}
	return lsb_split_by_time(&run, &times, n_layers, layers, &found, &err);
}

static void setup(void)
{
	times = (struct lsb_layer_times){ .chunk_s = 1, .batch_s = 1, .chunk_tok = 8, .batch_tok = 1 };
}

START_TEST(layers_alone_are_dealt_evenly)
{
	ck_assert_int_eq(split(30, 2, 1, 50), LSB_OK);
	ck_assert_uint_eq(layers[0], 15);
	ck_assert_uint_eq(layers[1], 15);
	ck_assert_double_eq_tol(found.run_s, found.even_s, 1e-9);
	/* 2 groups of 51 steps of 15 s over 2 stages, the second of which is a step behind */
	ck_assert_double_eq_tol(found.run_s, 15 * (2 * 51 + 1), 1e-9);
}
END_TEST

START_TEST(a_head_moves_layers_to_other_stages)
{
	times.head_s = 6;
	ck_assert_int_eq(split(30, 2, 1, 50), LSB_OK);
	ck_assert_uint_eq(layers[0], 18);
	ck_assert_uint_eq(layers[1], 12);
	ck_assert_double_gt(found.even_s, 0);
}
END_TEST

START_TEST(chunks_have_no_head)
{
	times.head_s = 6;
	ck_assert_int_eq(split(30, 2, 40, 1), LSB_OK);
	ck_assert_uint_eq(layers[0], 15);
	ck_assert_double_gt(found.run_s, found.even_s); /* the few decode steps are uneven */
}
END_TEST

START_TEST(a_chunk_may_cost_less_than_its_tokens_alone)
{
	times.head_s = 6;
	times.chunk_s =
		8; /* eight times a step: 4 chunks weigh as much as 32 steps, whose head is left out */
	ck_assert_int_eq(split(30, 2, 4, 20), LSB_OK);
	ck_assert_uint_eq(layers[0], 15);
	times.chunk_s = 1;
	ck_assert_int_eq(split(30, 2, 4, 20), LSB_OK);
	ck_assert_uint_eq(layers[0], 18);
}
END_TEST

START_TEST(every_stage_holds_a_layer)
{
	times.head_s = 100;
	ck_assert_int_eq(split(9, 4, 1, 10), LSB_OK);
	ck_assert_uint_eq(layers[0], 3);
	ck_assert_uint_eq(layers[1], 3);
	ck_assert_uint_eq(layers[2], 2);
	ck_assert_uint_eq(layers[3], 1);
	ck_assert_int_eq(split(4, 4, 1, 10), LSB_OK);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(layers[i], 1);
}
END_TEST

START_TEST(what_cannot_be_split_fails)
{
	ck_assert_int_eq(split(3, 4, 1, 1), LSB_EINVAL);
	ck_assert_str_eq(err.msg,
			 "4 stages cannot share 3 layers: each holds at least one (use fewer stages)");
	ck_assert_int_eq(split(3, 1, 1, 1), LSB_EINVAL);
	times.batch_tok = 0;
	ck_assert_int_eq(split(3, 2, 1, 1), LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("split_time");
	TCase *tc = tcase_create("split_time");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, layers_alone_are_dealt_evenly);
	tcase_add_test(tc, a_head_moves_layers_to_other_stages);
	tcase_add_test(tc, chunks_have_no_head);
	tcase_add_test(tc, a_chunk_may_cost_less_than_its_tokens_alone);
	tcase_add_test(tc, every_stage_holds_a_layer);
	tcase_add_test(tc, what_cannot_be_split_fails);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
