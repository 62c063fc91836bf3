/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated run (measure/simulate.h) against the real stage loop: the same
 * steps in the same order, and with the times that were measured the makespan
 * that the replay of the real records has. Where steps have but one order, which
 * no load can change: one stage, or one group in flight.
 */
#include <check.h>
#include <stdlib.h>

#include "measure/replay.h"
#include "measure/simulate.h"
#include "pipeline.h"

enum { STEPS_MAX = 4096 };

/* The compute records of each stage of a real run, and how far the simulated one has come. */
struct real {
	const struct lsb_record *steps[QUEUES_RANKS_MAX][STEPS_MAX];
	size_t n[QUEUES_RANKS_MAX], at[QUEUES_RANKS_MAX];
};

static double step_s(const void *user, uint32_t stage, const struct lsb_sim_step *step)
{
	struct real *real = (struct real *)(uintptr_t)user;
	const struct lsb_record *record;

	ck_assert_uint_lt(real->at[stage], real->n[stage]);
	record = real->steps[stage][real->at[stage]++];
	ck_assert_uint_eq(record->aux, step->tokens);
	ck_assert_uint_eq(record->aux2, step->outputs);
	ck_assert_uint_eq(record->group, step->lane);
	ck_assert_double_eq((double)record->bytes, step->positions);
	return (double)(record->t1_ns - record->t0_ns) * 1e-9;
}

static double nothing(const void *user, const struct lsb_sim_step *step)
{
	(void)user;
	(void)step;
	return 0;
}

static const struct {
	uint32_t stages, in_flight, batch, chunk;
} runs[] = { { 1, 1, 1, 64 }, { 1, 3, 2, 64 }, { 1, 4, 1, 64 },
	     { 2, 1, 1, 64 }, { 3, 1, 2, 64 }, { 4, 1, 2, 64 } };

START_TEST(steps_and_makespan_are_those_of_the_real_loop)
{
	struct pipeline p = { .stages = runs[_i].stages,
			      .in_flight = runs[_i].in_flight,
			      .batch = runs[_i].batch,
			      .chunk = runs[_i].chunk,
			      .prompts = PROMPTS_MAX,
			      .max_new = NEW_MAX,
			      .fail_at_step = -1,
			      .fail_at = UINT64_MAX };
	struct lsb_rank_records records[QUEUES_RANKS_MAX];
	uint32_t prompt_tok[PROMPTS_MAX], new_tok[PROMPTS_MAX];
	static struct real real; /* large */
	struct lsb_sim_setup setup = {
		.stages = p.stages,
		.replicas = 1,
		.batch = p.batch,
		.in_flight = p.in_flight,
		.chunk = p.chunk,
		.prompt_tok = prompt_tok,
		.new_tok = new_tok,
		.n_requests = PROMPTS_MAX,
		.costs = { .user = &real, .step_s = step_s, .hidden_s = nothing, .ids_s = nothing }
	};
	struct lsb_sim_result result;
	int32_t tokens[PROMPT_MAX];
	double makespan_s;

	pipeline_run(&p);
	real = (struct real){ 0 };
	for (uint32_t k = 0; k < p.stages; k++) {
		const struct lsb_recorder *r = &p.recorders[k];

		ck_assert_int_eq(p.rc[k], LSB_OK);
		records[k] = (struct lsb_rank_records){ (int32_t)k, r->records, r->n, 0 };
		for (size_t i = 0; i < r->n; i++)
			if (r->records[i].kind == LSB_REC_COMPUTE) {
				ck_assert_uint_lt(real.n[k], STEPS_MAX);
				real.steps[k][real.n[k]++] = &r->records[i];
			}
	}
	for (uint32_t i = 0; i < PROMPTS_MAX; i++) {
		prompt_tok[i] = pipeline_prompt(i, tokens);
		new_tok[i] = p.n_ids[i];
	}
	ck_assert_int_eq(lsb_simulate(&setup, &result, NULL), LSB_OK);
	ck_assert_int_eq(lsb_replay(records, p.stages, &makespan_s, NULL), LSB_OK);
	for (uint32_t k = 0; k < p.stages; k++)
		ck_assert_uint_eq(real.at[k], real.n[k]);
	ck_assert_double_eq_tol(result.run_s, makespan_s, 1e-9 * (double)real.n[0]);
	lsb_sim_result_free(&result);
	pipeline_free(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("simulated");
	TCase *tc = tcase_create("simulated");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, steps_and_makespan_are_those_of_the_real_loop, 0,
			    sizeof(runs) / sizeof(runs[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
