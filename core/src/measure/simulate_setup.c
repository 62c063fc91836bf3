/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated run before its first moment and after its last. */
#include <math.h>
#include <stdlib.h>

#include "lsbench/host.h"
#include "measure/simulate_parts.h"

enum { RANKS_MAX = 4096, TOKENS_MAX = 1 << 28, SEQUENCES_MAX = 65536, ARRIVAL_MAX_S = 1000000 };

static int check(const struct lsb_sim_setup *setup, struct lsb_error *err)
{
	double tokens = 0, before_s = 0;

	if (setup->stages == 0 || setup->replicas == 0 || setup->batch == 0 || setup->in_flight == 0 ||
	    setup->chunk == 0 || setup->n_requests == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "a run needs stages, groups, chunks and requests");
	if (setup->batch > SEQUENCES_MAX || setup->in_flight > SEQUENCES_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "batch %u with %u groups in flight: each is %d at most",
				setup->batch, setup->in_flight, SEQUENCES_MAX);
	if ((uint64_t)setup->stages * setup->replicas > RANKS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "%u pipelines of %u stages are more than %d ranks",
				setup->replicas, setup->stages, RANKS_MAX);
	for (size_t i = 0; i < setup->n_requests; i++) {
		if (setup->prompt_tok[i] == 0 || setup->new_tok[i] == 0)
			return lsb_fail(err, LSB_EINVAL, 0, "request %zu has no prompt or gives no token", i);
		tokens += setup->prompt_tok[i] + (double)setup->new_tok[i];
		if (setup->arrival_s &&
		    !(setup->arrival_s[i] >= before_s && setup->arrival_s[i] < ARRIVAL_MAX_S))
			return lsb_fail(err, LSB_EINVAL, 0,
					"request %zu arrives at %g s, the one before at %g s", i,
					setup->arrival_s[i], before_s);
		before_s = setup->arrival_s ? setup->arrival_s[i] : 0;
	}
	if (tokens > TOKENS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "%.0f tokens are more than can be gone through", tokens);
	return LSB_OK;
}

/* All requests, whoever is to answer them. */
static int open_requests(struct lsb_simulation *s, struct lsb_error *err)
{
	const struct lsb_sim_setup *setup = s->setup;
	const size_t n = setup->n_requests;
	size_t room = 0, used = 0;

	for (size_t i = 0; i < n; i++)
		room += setup->new_tok[i];
	s->sequences = calloc(n, sizeof(*s->sequences));
	s->first_s = calloc(n, sizeof(*s->first_s));
	s->last_s = calloc(n, sizeof(*s->last_s));
	s->ids = calloc(room, sizeof(*s->ids));
	s->grants = calloc((size_t)setup->replicas * setup->batch * setup->in_flight, sizeof(*s->grants));
	if (!s->sequences || !s->first_s || !s->last_s || !s->ids || !s->grants)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu requests", n);
	for (size_t i = 0; i < n; i++) {
		const double arrival_s = setup->arrival_s ? setup->arrival_s[i] : 0;

		s->sequences[i] = (struct lsb_sequence){ .prompt = s->zeros,
							 .ids = s->ids + used,
							 .n_prompt = setup->prompt_tok[i],
							 .max_new = setup->new_tok[i],
							 .arrival_ns = (uint64_t)llround(arrival_s * 1e9) };
		used += setup->new_tok[i];
	}
	return LSB_OK;
}

/* The scheduler of one replica, with its requests unless they are shared out during the run. */
static int open_pipeline(struct lsb_simulation *s, uint32_t replica, struct lsb_error *err)
{
	const struct lsb_sim_setup *setup = s->setup;
	const struct lsb_scheduler_limits limits = { .batch = setup->batch,
						     .in_flight = setup->in_flight,
						     .chunk = setup->chunk,
						     .window = s->window,
						     .stages = setup->stages,
						     .is_continuous = setup->is_continuous != 0,
						     .stop_at_length = !setup->may_stop,
						     .room = (uint32_t)setup->n_requests };
	struct lsb_simulated_pipeline *p = &s->pipelines[replica];
	const int rc = lsb_scheduler_open(&limits, NULL, 0, &p->scheduler, err);

	p->granted = s->grants + (size_t)replica * setup->batch * setup->in_flight;
	for (size_t i = replica; rc == LSB_OK && !setup->is_dynamic && i < setup->n_requests;
	     i += setup->replicas)
		(void)lsb_scheduler_add(p->scheduler, &s->sequences[i]); /* there is room for all */
	return rc;
}

int lsb_simulation_open(struct lsb_simulation *s, struct lsb_error *err)
{
	const struct lsb_sim_setup *setup = s->setup;
	uint32_t longest = setup->batch;
	int rc = check(setup, err);

	if (rc)
		return rc;
	s->n_ranks = setup->stages * setup->replicas;
	s->window = setup->in_flight + setup->stages; /* as in node/session.c */
	for (size_t i = 0; i < setup->n_requests; i++)
		longest = setup->prompt_tok[i] > longest ? setup->prompt_tok[i] : longest;
	s->ranks = calloc(s->n_ranks, sizeof(*s->ranks));
	s->pipelines = calloc(setup->replicas, sizeof(*s->pipelines));
	s->touched = calloc(setup->batch, sizeof(struct lsb_sequence *));
	s->zeros = calloc(longest, sizeof(*s->zeros));
	s->messages = calloc((size_t)s->n_ranks * s->window, sizeof(*s->messages));
	s->out->ranks = calloc(s->n_ranks, sizeof(*s->out->ranks));
	if (!s->ranks || !s->pipelines || !s->touched || !s->zeros || !s->messages || !s->out->ranks)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to go through a run of %u ranks", s->n_ranks);
	for (uint32_t i = 0; i < s->n_ranks; i++)
		s->ranks[i].queue = s->messages + (size_t)i * s->window;
	rc = open_requests(s, err);
	for (uint32_t i = 0; i < setup->replicas && rc == LSB_OK; i++)
		rc = open_pipeline(s, i, err);
	return rc;
}

void lsb_simulation_close(struct lsb_simulation *s)
{
	for (uint32_t i = 0; s->pipelines && i < s->setup->replicas; i++)
		lsb_scheduler_close(s->pipelines[i].scheduler);
	free(s->pipelines);
	free(s->sequences);
	free(s->first_s);
	free(s->last_s);
	free(s->ids);
	free(s->grants);
	free(s->ranks);
	free(s->touched);
	free(s->zeros);
	free(s->messages);
}

void lsb_simulation_sum(struct lsb_simulation *s)
{
	const struct lsb_sim_setup *setup = s->setup;
	struct lsb_sim_result *out = s->out;

	out->run_s = 0;
	for (size_t i = 0; i < setup->n_requests; i++) {
		const double arrival_s = setup->arrival_s ? setup->arrival_s[i] : 0;

		out->generated_tok += s->sequences[i].n_ids;
		out->ttft_s += (s->first_s[i] - arrival_s) / (double)setup->n_requests;
		out->e2e_s += (s->last_s[i] - arrival_s) / (double)setup->n_requests;
	}
	for (uint32_t i = 0; i < setup->replicas; i++) {
		const double end_s = s->pipelines[i].end_s;

		for (uint32_t stage = 0; stage < setup->stages; stage++) {
			const struct lsb_simulated_rank *r = lsb_simulated(s, i, stage);

			lsb_simulated_ledger(s, r)->wait_s += fmax(0, end_s - r->since);
		}
		out->run_s = fmax(out->run_s, end_s);
	}
}

void lsb_sim_result_free(struct lsb_sim_result *result)
{
	free(result->ranks);
	*result = (struct lsb_sim_result){ 0 };
}
