/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that nobody made, against formulas, hand-computed times, and the replay of their own steps. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/replay.h"
#include "measure/simulate.h"

enum { REQUESTS_MAX = 64, STEPS_MAX = 20000, RANKS_MAX = 8 };

/* A run under test: costs as plain numbers, and the steps that came of it. */
struct trial {
	struct lsb_sim_setup setup;
	uint32_t prompt_tok[REQUESTS_MAX], new_tok[REQUESTS_MAX];
	double stage_s[RANKS_MAX]; /* of a step on each stage, and of each of its tokens */
	double token_s;
	double hidden_s, ids_s, drain_s;
	struct lsb_record *steps[RANKS_MAX]; /* [STEPS_MAX], where `watch` was called */
	size_t n_steps[RANKS_MAX];
	struct lsb_sim_result result;
};

static double step_s(const void *user, uint32_t stage, const struct lsb_sim_step *step)
{
	const struct trial *t = user;

	return t->stage_s[stage] + t->token_s * step->tokens;
}

static double hidden_s(const void *user, const struct lsb_sim_step *step)
{
	(void)step;
	return ((const struct trial *)user)->hidden_s;
}

static double ids_s(const void *user, const struct lsb_sim_step *step)
{
	(void)step;
	return ((const struct trial *)user)->ids_s;
}

static double drain_s(const void *user, const struct lsb_sim_step *step)
{
	(void)step;
	return ((const struct trial *)user)->drain_s;
}

static struct trial trial(uint32_t stages, uint32_t in_flight, size_t n, uint32_t prompt, uint32_t new)
{
	struct trial t = { .setup = { .stages = stages,
				      .replicas = 1,
				      .batch = 1,
				      .in_flight = in_flight,
				      .chunk = 64,
				      .n_requests = n,
				      .costs = { .step_s = step_s,
						 .hidden_s = hidden_s,
						 .ids_s = ids_s,
						 .hidden_drain_s = drain_s } } };

	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		t.prompt_tok[i] = prompt;
		t.new_tok[i] = new;
	}
	for (size_t k = 0; k < RANKS_MAX; k++)
		t.stage_s[k] = 0.001;
	return t;
}

static void run(struct trial *t)
{
	struct lsb_error err = { 0 };

	t->setup.prompt_tok = t->prompt_tok;
	t->setup.new_tok = t->new_tok;
	t->setup.costs.user = t;
	ck_assert_msg(lsb_simulate(&t->setup, &t->result, &err) == LSB_OK, "%s", err.msg);
}

static double run_ms(struct trial *t)
{
	double ms;

	run(t);
	ms = t->result.run_s * 1e3;
	lsb_sim_result_free(&t->result);
	return ms;
}

/* --- requests that arrive during the run ------------------------------------------------ */

/* One at a time of 3 steps, 1 ms each: each queues behind what the ones before have left. */
START_TEST(latency_counts_from_arrival_and_queues_grow_where_more_comes_than_is_served)
{
	static const double gaps_ms[] = { 5, 3, 2, 0.5 };
	const double gap_ms = gaps_ms[_i], late_ms = fmax(0, 3 - gap_ms);
	const size_t n = 20;
	struct trial t = trial(1, 1, n, 4, 3);
	double arrival_s[REQUESTS_MAX];

	for (size_t i = 0; i < n; i++)
		arrival_s[i] = (double)i * gap_ms * 1e-3;
	t.setup.arrival_s = arrival_s;
	run(&t);
	ck_assert_double_eq_tol(t.result.e2e_s * 1e3, 3 + late_ms * (double)(n - 1) / 2, 1e-6);
	ck_assert_double_eq_tol(t.result.ttft_s * 1e3, 1 + late_ms * (double)(n - 1) / 2, 1e-6);
	ck_assert_double_eq_tol(t.result.run_s * 1e3, (double)(n - 1) * fmax(gap_ms, 3) + 3, 1e-6);
	ck_assert_double_eq_tol(t.result.ranks[0].compute_s * 1e3, 3 * (double)n, 1e-6);
	ck_assert_double_eq_tol(t.result.ranks[0].idle_s * 1e3, (double)(n - 1) * fmax(0, gap_ms - 3), 1e-6);
	ck_assert_double_eq(t.result.ranks[0].wait_s, 0);
	lsb_sim_result_free(&t.result);
}
END_TEST

START_TEST(arrivals_that_go_back_are_refused)
{
	struct trial t = trial(1, 1, 2, 4, 3);
	const double arrival_s[] = { 1, 0.5 };
	struct lsb_error err = { 0 };

	t.setup.arrival_s = arrival_s;
	t.setup.prompt_tok = t.prompt_tok;
	t.setup.new_tok = t.new_tok;
	t.setup.costs.user = &t;
	ck_assert_int_eq(lsb_simulate(&t.setup, &t.result, &err), LSB_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "request 1 arrives at 0.5 s"));
}
END_TEST

/* --- requests that replicas share out --------------------------------------------------- */

/* 40 requests of 10 steps, one of them of 200: whoever has it, the other takes the rest. */
START_TEST(a_long_request_costs_its_own_length_where_replicas_claim)
{
	const int is_continuous = _i & 1, has_arrivals = _i >> 1 & 1;
	const size_t n = 41;
	struct trial t = trial(1, 1, n, 4, 10);
	double arrival_s[REQUESTS_MAX] = { 0 }, steps = 0, fixed_ms;

	t.setup.replicas = 2;
	t.setup.is_continuous = is_continuous;
	t.setup.costs.claim_s = 20e-6;
	t.new_tok[0] = 200;
	for (size_t i = 0; has_arrivals && i < n; i++)
		arrival_s[i] = (double)(i + 1) * 0.1e-3;
	t.setup.arrival_s = has_arrivals ? arrival_s : NULL;
	fixed_ms = run_ms(&t);
	ck_assert_double_ge(fixed_ms, 200 + 20 * 10); /* replica 0 has the long one and half of the rest */
	t.setup.is_dynamic = 1;
	run(&t);
	ck_assert_double_eq(t.result.generated_tok, 200 + 40 * 10);
	for (size_t r = 0; r < 2; r++)
		steps += (double)t.result.ranks[r].steps;
	ck_assert_double_eq(steps, 200 + 40 * 10); /* each was answered once */
	/* all work by two, and at the end one of them alone for at most three requests: one it had, one it
	 * claimed two tokens before its end, and one in arrival */
	ck_assert_double_le(t.result.run_s * 1e3, (200 + 40 * 10) / 2 + 3 * 10 + (has_arrivals ? 5 : 0));
	lsb_sim_result_free(&t.result);
}
END_TEST

START_TEST(one_replica_that_claims_is_one_that_has_all)
{
	struct trial t = trial(2, 2, 15, 70, 9);
	double fixed_ms;

	t.hidden_s = t.ids_s = 0.2e-3;
	fixed_ms = run_ms(&t);
	t.setup.is_dynamic = 1;
	ck_assert_double_eq_tol(run_ms(&t), fixed_ms, 1e-9);
}
END_TEST

/* --- against replay.c ------------------------------------------------------------------ */

static void watch(void *watcher, uint32_t rank, const struct lsb_sim_step *step, double t0_s, double t1_s)
{
	struct trial *t = watcher;
	const size_t n = t->n_steps[rank]++;

	ck_assert_uint_lt(n, STEPS_MAX);
	t->steps[rank][n] = (struct lsb_record){ .kind = LSB_REC_COMPUTE,
						 .t0_ns = (uint64_t)llround(t0_s * 1e9),
						 .t1_ns = (uint64_t)llround(t1_s * 1e9),
						 .group = step->lane,
						 .tag = step->needs_ids ? LSB_NEEDS_IDS : LSB_NEEDS_NOTHING,
						 .step = (uint32_t)n,
						 .aux = step->tokens,
						 .aux2 = step->outputs };
}

/*
 * Where messages cost nothing, a simulated run lasts as long as the replay of its
 * steps. With continuous batching the replay may be shorter, never longer: it lets
 * prompts go ahead that the scheduler keeps for their lane's next step.
 */
static void hold_against_replay(int _i, int is_continuous)
{
	const uint32_t stages = 1 + (uint32_t)_i % 4, in_flight = 1 + (uint32_t)_i / 4 % 5;
	struct trial t = trial(stages, in_flight, 11, 0, 0);
	struct lsb_rank_records records[RANKS_MAX];
	double makespan_s;

	t.setup.batch = 1 + (uint32_t)_i % 3;
	t.setup.chunk = 16;
	t.setup.is_async = _i >= 40;
	t.setup.is_continuous = is_continuous;
	t.token_s = 0.00002;
	t.setup.ended = watch;
	t.setup.watcher = &t;
	for (size_t i = 0; i < 11; i++) {
		t.prompt_tok[i] = 18 + 2 * ((uint32_t)(i * 37 + (size_t)_i) % 45);
		t.new_tok[i] = 2 + (uint32_t)(i * 13) % 17;
	}
	for (uint32_t k = 0; k < stages; k++) {
		t.stage_s[k] = 0.0005 * (1 + (k * 7 + (uint32_t)_i) % 5);
		t.steps[k] = calloc(STEPS_MAX, sizeof(struct lsb_record));
	}
	run(&t);
	for (uint32_t k = 0; k < stages; k++)
		records[k] = (struct lsb_rank_records){ (int32_t)k, t.steps[k], t.n_steps[k], 0 };
	ck_assert_int_eq(lsb_replay(records, stages, &makespan_s, NULL), LSB_OK);
	ck_assert_double_le(makespan_s, t.result.run_s + 1e-9 * (double)t.n_steps[0]);
	if (!is_continuous || stages == 1)
		ck_assert_double_eq_tol(t.result.run_s, makespan_s, 1e-9 * (double)t.n_steps[0]);
	for (uint32_t k = 0; k < stages; k++)
		free(t.steps[k]);
	lsb_sim_result_free(&t.result);
}

START_TEST(a_run_without_links_is_the_replay_of_its_own_steps)
{
	hold_against_replay(_i, 0);
	hold_against_replay(_i, 1);
}
END_TEST

/* Answers of very different length on one stage whose steps all take 1 ms, prompts of one token. */
START_TEST(continuous_batching_refills_what_static_groups_leave_empty)
{
	for (int is_continuous = 0; is_continuous < 2; is_continuous++) {
		struct trial t = trial(1, 1, 16, 1, 1);

		t.setup.batch = 4;
		t.setup.is_continuous = is_continuous;
		for (size_t i = 0; i < 16; i++)
			t.new_tok[i] = i % 4 ? 10 : 40;
		/*
		 * four groups as long as their longest; or 280 tokens, 4 a step but for the end of the last
		 */
		if (is_continuous)
			ck_assert_double_le(run_ms(&t), 120);
		else
			ck_assert_double_eq_tol(run_ms(&t), 160, 1e-6);
	}
}
END_TEST

/* --- against formulas ------------------------------------------------------------------ */

/* Prompts of one token: each request is K steps. */
START_TEST(groups_reach_the_formula_of_the_pipeline)
{
	static const struct {
		uint32_t stages, groups, steps;
	} decodes[] = { { 2, 2, 10 }, { 2, 3, 10 }, { 3, 3, 7 }, { 4, 8, 5 },
			{ 4, 4, 1 },  { 2, 1, 10 }, { 4, 2, 9 } };

	for (size_t i = 0; i < sizeof(decodes) / sizeof(decodes[0]); i++) {
		const uint32_t s = decodes[i].stages, m = decodes[i].groups, k = decodes[i].steps;
		struct trial t = trial(s, m, m, 1, k);
		const double ms = m >= s ? k * m + s - 1 : k * s + m - 1;

		ck_assert_double_eq_tol(run_ms(&t), ms, 1e-6);
	}
}
END_TEST

START_TEST(each_hop_of_a_lone_request_costs_its_message_and_its_waking_up)
{
	struct trial t = trial(3, 1, 1, 1, 10);

	t.hidden_s = 0.002;
	t.ids_s = 0.0005;
	t.setup.costs.wake_s = 0.0001;
	t.setup.costs.own_s[0] = t.setup.costs.own_s[1] = 0.00005;
	/* 10 rounds of 3 steps, 2 hidden states and one message of ids */
	ck_assert_double_eq_tol(run_ms(&t), 10 * (3 * (1 + 0.05) + 2 * 2 + 0.5 + 3 * 0.1), 1e-6);
}
END_TEST

START_TEST(the_ledger_of_each_rank_adds_up_to_the_run)
{
	struct trial t = trial(4, 3, 7, 100, 9);

	t.hidden_s = 0.0007;
	t.ids_s = 0.0003;
	t.drain_s = 0.0001;
	t.stage_s[2] = 0.0035;
	t.setup.costs.wake_s = 0.0001;
	t.setup.costs.own_s[0] = t.setup.costs.own_s[1] = 0.00003;
	run(&t);
	for (size_t k = 0; k < 4; k++) {
		const struct lsb_sim_rank *r = &t.result.ranks[k];

		ck_assert_double_eq_tol(r->compute_s + r->wait_s + r->transfer_s + r->overhead_s,
					t.result.run_s, 1e-9);
		ck_assert_uint_eq(r->steps, t.result.ranks[0].steps);
	}
	ck_assert_double_eq(t.result.generated_tok, 7 * 9);
	ck_assert_double_gt(t.result.ranks[0].wait_s, t.result.ranks[2].wait_s); /* stage 2 sets the pace */
	ck_assert_double_le(t.result.ttft_s, t.result.e2e_s);
	ck_assert_double_le(t.result.e2e_s, t.result.run_s);
	lsb_sim_result_free(&t.result);
}
END_TEST

/* Chunks of one long prompt leave stage 0 every 1 ms, and the link passes one every 4 ms. */
START_TEST(a_narrow_link_sets_the_pace)
{
	struct trial t = trial(2, 1, 1, 64 * 20, 1);

	t.drain_s = 0.004;
	t.hidden_s = 0.004;
	ck_assert_double_eq_tol(run_ms(&t), 1 + 20 * 4 + 1, 1e-6);
}
END_TEST

/* --- what ranks of a machine do to each other ---------------------------------------------- */

START_TEST(ranks_that_share_a_machine_slow_each_other_down_and_others_do_not)
{
	struct trial t = trial(1, 1, 4, 1, 10);

	t.setup.replicas = 4;
	t.setup.contention[0] = 0.25;
	ck_assert_double_eq_tol(run_ms(&t), 10 * (1 + 0.25 * 3), 1e-6);
	t.setup.ranks_per_machine = 2;
	ck_assert_double_eq_tol(run_ms(&t), 10 * (1 + 0.25 * 1), 1e-6);
	t.setup.ranks_per_machine = 1;
	ck_assert_double_eq_tol(run_ms(&t), 10, 1e-6);
	/* one at a time: a lone request has no company */
	t.setup.ranks_per_machine = 0;
	t.setup.replicas = 1;
	t.setup.stages = 4;
	t.setup.n_requests = 1;
	ck_assert_double_eq_tol(run_ms(&t), 10 * 4, 1e-6);
}
END_TEST

START_TEST(more_busy_ranks_than_cores_share_them)
{
	struct trial t = trial(1, 1, 6, 1, 10);

	t.setup.replicas = 6;
	t.setup.cores = 2;
	t.setup.demand = 1;
	ck_assert_double_eq_tol(run_ms(&t), 10 * 3, 1e-6);
	t.setup.demand = 0.01; /* they sleep */
	ck_assert_double_eq_tol(run_ms(&t), 10, 1e-6);
}
END_TEST

/* A rank that is slowed down for half of its step: 1 ms alone, then 1 ms at half the pace. */
START_TEST(company_counts_only_while_it_lasts)
{
	struct trial t = trial(1, 1, 2, 1, 1);

	t.setup.replicas = 2;
	t.setup.contention[0] = t.setup.contention[1] = 1;
	t.prompt_tok[1] = 2;
	t.token_s = 0.001;
	t.stage_s[0] = 0;
	/* 1 and 2 ms of work: both at half the pace for 2 ms, then 1 ms alone */
	ck_assert_double_eq_tol(run_ms(&t), 3, 1e-6);
}
END_TEST

START_TEST(setups_that_cannot_run_are_refused)
{
	struct trial t = trial(1, 1, 1, 0, 1);
	struct lsb_error err = { 0 };

	t.setup.prompt_tok = t.prompt_tok;
	t.setup.new_tok = t.new_tok;
	ck_assert_int_eq(lsb_simulate(&t.setup, &t.result, &err), LSB_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "request 0"));
	t.prompt_tok[0] = 1;
	t.setup.stages = 5000;
	ck_assert_int_eq(lsb_simulate(&t.setup, &t.result, &err), LSB_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "ranks"));
	t.setup.stages = 0;
	ck_assert_int_eq(lsb_simulate(&t.setup, &t.result, &err), LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("simulate");
	TCase *tc = tcase_create("simulate");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, continuous_batching_refills_what_static_groups_leave_empty);
	tcase_add_loop_test(tc, a_run_without_links_is_the_replay_of_its_own_steps, 0, 80);
	tcase_add_test(tc, groups_reach_the_formula_of_the_pipeline);
	tcase_add_test(tc, each_hop_of_a_lone_request_costs_its_message_and_its_waking_up);
	tcase_add_test(tc, the_ledger_of_each_rank_adds_up_to_the_run);
	tcase_add_test(tc, a_narrow_link_sets_the_pace);
	tcase_add_test(tc, ranks_that_share_a_machine_slow_each_other_down_and_others_do_not);
	tcase_add_test(tc, more_busy_ranks_than_cores_share_them);
	tcase_add_test(tc, company_counts_only_while_it_lasts);
	tcase_add_test(tc, setups_that_cannot_run_are_refused);
	tcase_add_loop_test(tc, latency_counts_from_arrival_and_queues_grow_where_more_comes_than_is_served,
			    0, 4);
	tcase_add_test(tc, arrivals_that_go_back_are_refused);
	tcase_add_loop_test(tc, a_long_request_costs_its_own_length_where_replicas_claim, 0, 4);
	tcase_add_test(tc, one_replica_that_claims_is_one_that_has_all);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
