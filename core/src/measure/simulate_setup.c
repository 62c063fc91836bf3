/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated run before its first moment and after its last. */
#include <math.h>
#include <stdlib.h>

#include "lsbench/host.h"
#include "measure/simulate_parts.h"

enum { RANKS_MAX = 4096, TOKENS_MAX = 1 << 28 };

static int check(const struct lsb_sim_setup *setup, struct lsb_error *err)
{
	double tokens = 0;

	if (setup->stages == 0 || setup->replicas == 0 || setup->batch == 0 || setup->in_flight == 0 ||
	    setup->chunk == 0 || setup->n_requests == 0 || setup->batch > 65536 || setup->in_flight > 65536)
		return lsb_fail(err, LSB_EINVAL, 0, "a run needs stages, groups, chunks and requests");
	if ((uint64_t)setup->stages * setup->replicas > RANKS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "%u pipelines of %u stages are more than %d ranks",
				setup->replicas, setup->stages, RANKS_MAX);
	for (size_t i = 0; i < setup->n_requests; i++) {
		if (setup->prompt_tok[i] == 0 || setup->new_tok[i] == 0)
			return lsb_fail(err, LSB_EINVAL, 0, "request %zu has no prompt or gives no token", i);
		tokens += setup->prompt_tok[i] + (double)setup->new_tok[i];
	}
	if (tokens > TOKENS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "%.0f tokens are more than can be gone through", tokens);
	return LSB_OK;
}

/* The requests of one replica, and its scheduler. */
static int open_pipeline(struct lsb_simulation *s, uint32_t replica, struct lsb_error *err)
{
	const struct lsb_sim_setup *setup = s->setup;
	const struct lsb_scheduler_limits limits = { .batch = setup->batch,
						     .in_flight = setup->in_flight,
						     .chunk = setup->chunk,
						     .window = s->window,
						     .stages = setup->stages,
						     .is_continuous = setup->is_continuous != 0,
						     .stop_at_length = 1 };
	struct lsb_simulated_pipeline *p = &s->pipelines[replica];
	size_t room = 0, used = 0;

	for (size_t i = replica; i < setup->n_requests; i += setup->replicas) {
		p->n++;
		room += setup->new_tok[i];
	}
	p->sequences = calloc(p->n + 1, sizeof(*p->sequences));
	p->first_s = calloc(p->n + 1, sizeof(*p->first_s));
	p->last_s = calloc(p->n + 1, sizeof(*p->last_s));
	p->ids = calloc(room + 1, sizeof(*p->ids));
	if (!p->sequences || !p->first_s || !p->last_s || !p->ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu requests", p->n);
	for (size_t k = 0; k < p->n; k++) {
		const size_t i = replica + k * setup->replicas;

		p->sequences[k] = (struct lsb_sequence){ .prompt = s->zeros,
							 .ids = p->ids + used,
							 .n_prompt = setup->prompt_tok[i],
							 .max_new = setup->new_tok[i] };
		used += setup->new_tok[i];
	}
	return lsb_scheduler_open(&limits, p->sequences, p->n, &p->scheduler, err);
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
	for (uint32_t i = 0; i < setup->replicas && rc == LSB_OK; i++)
		rc = open_pipeline(s, i, err);
	return rc;
}

void lsb_simulation_close(struct lsb_simulation *s)
{
	for (uint32_t i = 0; s->pipelines && i < s->setup->replicas; i++) {
		lsb_scheduler_close(s->pipelines[i].scheduler);
		free(s->pipelines[i].sequences);
		free(s->pipelines[i].first_s);
		free(s->pipelines[i].last_s);
		free(s->pipelines[i].ids);
	}
	free(s->pipelines);
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
	for (uint32_t i = 0; i < setup->replicas; i++) {
		const struct lsb_simulated_pipeline *p = &s->pipelines[i];
		double end = 0;

		for (size_t k = 0; k < p->n; k++) {
			end = fmax(end, p->last_s[k]);
			out->generated_tok += p->sequences[k].n_ids;
			out->ttft_s += p->first_s[k] / (double)setup->n_requests;
			out->e2e_s += p->last_s[k] / (double)setup->n_requests;
		}
		for (uint32_t stage = 0; stage < setup->stages; stage++) {
			const struct lsb_simulated_rank *r = lsb_simulated(s, i, stage);

			lsb_simulated_ledger(s, r)->wait_s += fmax(0, end - r->since);
		}
		out->run_s = fmax(out->run_s, end);
	}
}

void lsb_sim_result_free(struct lsb_sim_result *result)
{
	free(result->ranks);
	*result = (struct lsb_sim_result){ 0 };
}
