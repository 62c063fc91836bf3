/* SPDX-License-Identifier: Apache-2.0 */
/* Replayed schedules against hand-computed ones. Every stage takes 1 ms a step. */
#include <check.h>
#include <stdlib.h>

#include "measure/replay.h"
#include "measure/settle.h"

#define MS 1000000u
enum { STEPS_MAX = 4096, STAGES_MAX = 8 };

/* Steps in the order in which a first stage hands them out; all stages alike. */
struct schedule {
	struct lsb_record steps[STEPS_MAX];
	size_t n;
};

/* A chunk behind a step that decoded begins the lane's next group. */
static void add_step(struct schedule *s, uint32_t lane, int decodes)
{
	int needs_ids = decodes;

	ck_assert_uint_lt(s->n, STEPS_MAX);
	for (size_t i = s->n; i-- > 0 && !needs_ids;) {
		if (s->steps[i].group != lane)
			continue;
		needs_ids = s->steps[i].aux2 > 0;
		break;
	}
	s->steps[s->n] = (struct lsb_record){ .kind = LSB_REC_COMPUTE,
					      .t0_ns = MS,
					      .t1_ns = 2 * MS,
					      .group = lane,
					      .tag = needs_ids ? LSB_NEEDS_IDS : LSB_NEEDS_NOTHING,
					      .step = (uint32_t)s->n,
					      .aux = decodes ? 1 : 64,
					      .aux2 = (uint64_t)(decodes != 0) };
	s->n++;
}

static double replay_ms(const struct schedule *s, size_t n_stages)
{
	struct lsb_rank_records stages[STAGES_MAX];
	double makespan_s = 0;

	for (size_t k = 0; k < n_stages; k++)
		stages[k] = (struct lsb_rank_records){ (int32_t)k, s->steps, s->n, 0 };
	ck_assert_int_eq(lsb_replay(stages, n_stages, &makespan_s, NULL), 0);
	return makespan_s * 1e3;
}

/* `prompts` of `tokens` decode steps each, `lanes` at a time, handed out in turn. */
static void decode_in_lanes(struct schedule *s, int prompts, int tokens, int lanes)
{
	s->n = 0;
	for (int first = 0; first < prompts; first += lanes)
		for (int token = 0; token < tokens; token++)
			for (int lane = 0; lane < lanes && first + lane < prompts; lane++)
				add_step(s, (uint32_t)lane, 1);
}

static struct schedule schedule; /* large */

/*
 * Two lanes fill both stages for two pairs of prompts; the fifth runs alone.
 * One node needs 2 ms a step (both halves): 5 K x 2. The pipeline: 2 pairs of
 * 2 K ms each, then 2 K alone, and 1 ms to fill.
 */
START_TEST(five_equal_prompts_two_in_flight_on_two_stages_gain_1_67)
{
	const int tokens = 50;
	double pipeline;

	decode_in_lanes(&schedule, 5, tokens, 2);
	pipeline = replay_ms(&schedule, 2);
	ck_assert_double_eq_tol(pipeline, 6.0 * tokens, 1.5);
	ck_assert_double_eq_tol(5 * tokens * 2 / pipeline, 1.67, 0.01);
}
END_TEST

/* One prompt at a time: each of 20 steps passes a message on and one back, and waits for both. */
START_TEST(messages_that_cost_something_are_exposed_with_one_in_flight)
{
	const struct lsb_replay_costs costs = { .message_s = 0.25e-3, .token_s = 0.125e-3 };
	struct lsb_rank_records stages[2];
	double makespan_s = 0;

	decode_in_lanes(&schedule, 1, 20, 1);
	for (int k = 0; k < 2; k++)
		stages[k] = (struct lsb_rank_records){ k, schedule.steps, schedule.n, 0 };
	ck_assert_int_eq(lsb_replay_with(stages, 2, &costs, &makespan_s, NULL), 0);
	ck_assert_double_eq_tol(makespan_s * 1e3, 20 * (2 + 0.25 + 0.125 + 0.25), 1e-9);
}
END_TEST

/* 40 steps on stages of 1 and 3 ms keep the slow one busy; on two of 2 ms they would keep both. */
START_TEST(balanced_stages_share_each_step_evenly)
{
	static struct lsb_record slow[STEPS_MAX];
	const struct lsb_replay_costs balanced = { .is_balanced = 1 };
	struct lsb_rank_records stages[2];
	double uneven_s = 0, even_s = 0;

	decode_in_lanes(&schedule, 2, 20, 2);
	for (size_t i = 0; i < schedule.n; i++) {
		slow[i] = schedule.steps[i];
		slow[i].t1_ns = slow[i].t0_ns + 3 * MS;
	}
	stages[0] = (struct lsb_rank_records){ 0, schedule.steps, schedule.n, 0 };
	stages[1] = (struct lsb_rank_records){ 1, slow, schedule.n, 0 };
	ck_assert_int_eq(lsb_replay(stages, 2, &uneven_s, NULL), 0);
	ck_assert_int_eq(lsb_replay_with(stages, 2, &balanced, &even_s, NULL), 0);
	ck_assert_double_eq_tol(uneven_s * 1e3, 40 * 3 + 1, 1e-9);
	ck_assert_double_eq_tol(even_s * 1e3, 40 * 2 + 2, 1e-9);
}
END_TEST

START_TEST(one_in_flight_gains_nothing)
{
	decode_in_lanes(&schedule, 5, 20, 1);
	ck_assert_double_eq_tol(replay_ms(&schedule, 2), 5 * 20 * 2, 1e-9);
}
END_TEST

/* M >= S: S K M / (K M + S - 1); M < S: M (until the pipeline drains). */
static const struct {
	int stages, groups, steps;
} decodes[] = { { 2, 2, 10 }, { 2, 3, 10 }, { 3, 3, 7 }, { 4, 8, 5 },
		{ 4, 4, 1 },  { 2, 1, 10 }, { 4, 2, 9 }, { 3, 2, 20 } };

START_TEST(decode_groups_reach_the_formula_of_the_pipeline)
{
	const double s = decodes[_i].stages, m = decodes[_i].groups, k = decodes[_i].steps;
	double speedup;

	decode_in_lanes(&schedule, decodes[_i].groups, decodes[_i].steps, decodes[_i].groups);
	speedup = k * m * s / replay_ms(&schedule, (size_t)s);
	if (m >= s)
		ck_assert_double_eq_tol(speedup, s * k * m / (k * m + s - 1), 1e-9);
	else /* K rounds of S ms, and M - 1 ms until the last group's last step is through */
		ck_assert_double_eq_tol(speedup, k * m * s / (k * s + m - 1), 1e-9);
	ck_assert_double_le(speedup, m < s ? m : s);
}
END_TEST

START_TEST(prefill_chunks_overlap_within_one_prompt)
{
	for (int stages = 1; stages <= 4; stages++)
		for (int chunks = 1; chunks <= 6; chunks++) {
			schedule.n = 0;
			for (int i = 0; i < chunks; i++)
				add_step(&schedule, 0, 0);
			ck_assert_double_eq_tol(stages * chunks / replay_ms(&schedule, (size_t)stages),
						(double)stages * chunks / (chunks + stages - 1), 1e-9);
		}
}
END_TEST

START_TEST(the_first_token_waits_for_the_last_chunk_and_the_next_prompt_for_the_last_token)
{
	schedule.n = 0;
	add_step(&schedule, 0, 0);
	add_step(&schedule, 0, 0);
	schedule.steps[1].aux2 = 1;
	add_step(&schedule, 0, 1); /* after the chunks have left stage 1: 3 ms */
	add_step(&schedule, 0, 0); /* the next prompt, after the token: 5 ms */
	ck_assert_double_eq_tol(replay_ms(&schedule, 2), 7, 1e-9);
}
END_TEST

START_TEST(a_slow_stage_sets_the_pace)
{
	struct lsb_record slow[20], fast[20];
	const struct lsb_rank_records stages[] = { { 0, fast, 20, 0 }, { 1, slow, 20, 0 } };
	double makespan_s;

	decode_in_lanes(&schedule, 4, 5, 4);
	for (size_t i = 0; i < 20; i++) {
		fast[i] = slow[i] = schedule.steps[i];
		slow[i].t1_ns = slow[i].t0_ns + 3 * MS;
	}
	ck_assert_int_eq(lsb_replay(stages, 2, &makespan_s, NULL), 0);
	ck_assert_double_eq_tol(makespan_s * 1e3, 1 + 20 * 3, 1e-9);
}
END_TEST

START_TEST(stages_with_other_steps_are_refused)
{
	struct lsb_record other[4];
	const struct lsb_rank_records fewer[] = { { 0, schedule.steps, 4, 0 }, { 1, schedule.steps, 3, 0 } };
	const struct lsb_rank_records moved[] = { { 0, schedule.steps, 4, 0 }, { 1, other, 4, 0 } };
	double makespan_s;

	decode_in_lanes(&schedule, 4, 1, 2);
	for (size_t i = 0; i < 4; i++)
		other[i] = schedule.steps[i];
	ck_assert_int_eq(lsb_replay(fewer, 2, &makespan_s, NULL), LSB_EINVAL);
	other[2].step = 9;
	ck_assert_int_eq(lsb_replay(moved, 2, &makespan_s, NULL), LSB_EINVAL);
	other[2] = schedule.steps[2];
	other[2].t1_ns = 0; /* ends before it begins */
	ck_assert_int_eq(lsb_replay(moved, 2, &makespan_s, NULL), LSB_EINVAL);
	other[2] = schedule.steps[2];
	other[2].group = ~0u;
	ck_assert_int_eq(lsb_replay(moved, 2, &makespan_s, NULL), LSB_EINVAL);
}
END_TEST

START_TEST(steps_that_keep_one_pace_have_settled_and_too_few_cannot_tell)
{
	const struct lsb_rank_records all = { 0, schedule.steps, 100, 0 }, few = { 0, schedule.steps, 30, 0 };

	decode_in_lanes(&schedule, 1, 100, 1);
	ck_assert_int_eq(lsb_steps_settled(&all), 1);
	ck_assert_int_eq(lsb_steps_settled(&few), -1);
	for (size_t i = 0; i < 100; i++) /* each fifth of them twice as slow as the one before */
		schedule.steps[i].t1_ns = schedule.steps[i].t0_ns + MS * (2u << (i / 20)) / 2;
	ck_assert_int_eq(lsb_steps_settled(&all), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tc = tcase_create("replay");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, five_equal_prompts_two_in_flight_on_two_stages_gain_1_67);
	tcase_add_test(tc, one_in_flight_gains_nothing);
	tcase_add_loop_test(tc, decode_groups_reach_the_formula_of_the_pipeline, 0,
			    sizeof(decodes) / sizeof(decodes[0]));
	tcase_add_test(tc, prefill_chunks_overlap_within_one_prompt);
	tcase_add_test(tc, the_first_token_waits_for_the_last_chunk_and_the_next_prompt_for_the_last_token);
	tcase_add_test(tc, a_slow_stage_sets_the_pace);
	tcase_add_test(tc, messages_that_cost_something_are_exposed_with_one_in_flight);
	tcase_add_test(tc, balanced_stages_share_each_step_evenly);
	tcase_add_test(tc, stages_with_other_steps_are_refused);
	tcase_add_test(tc, steps_that_keep_one_pace_have_settled_and_too_few_cannot_tell);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
