/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event at a time: each rank is idle, at its own work, computing or done, and
 * the earliest end of any of these is the next moment. While ranks of a machine
 * compute at once, what is left of their steps passes more slowly.
 */
#include "measure/simulate.h"

#include <math.h>
#include <stdlib.h>

#include "lsbench/host.h"
#include "schedule/scheduler.h"

enum state { IDLE, OWN, COMPUTE, DONE };
enum { RANKS_MAX = 4096, TOKENS_MAX = 1 << 28 };

/* Hidden states or ids on their way to a rank. */
struct message {
	struct lsb_sim_step step;
	double sent, arrives;
};

struct rank {
	enum state state;
	double since;		   /* of its state */
	double until;		   /* OWN: its end */
	double left;		   /* COMPUTE: seconds of the step that it would need alone */
	struct lsb_sim_step step;  /* of OWN and COMPUTE */
	struct lsb_sim_step ahead; /* asynchronous backends: what is queued behind it */
	int has_ahead;
	struct message *queue; /* [window], a ring in order of arrival */
	uint32_t first, n;
	double drained, delivered; /* of the link that it sends on */
};

struct pipeline {
	struct lsb_scheduler *scheduler;
	struct lsb_sequence *sequences; /* [n] */
	size_t n;
	double *first_s, *last_s; /* [n] when each got its first and last token */
	int32_t *ids;		  /* storage of all sequences, zeros */
};

struct simulation {
	const struct lsb_sim_setup *setup;
	struct lsb_sim_result *out;
	struct rank *ranks;
	struct pipeline *pipelines;
	struct lsb_sequence **touched; /* [batch] */
	int32_t *zeros;		       /* a prompt and ids of any request */
	struct message *messages;      /* storage of all queues */
	uint32_t n_ranks, window;
	double now;
};

int lsb_sim_is_decode(const struct lsb_sim_step *step)
{
	return step->tokens == step->outputs;
}

static struct rank *rank_of(struct simulation *s, uint32_t pipeline, uint32_t stage)
{
	return &s->ranks[pipeline * s->setup->stages + stage];
}

static struct lsb_sim_rank *ledger_of(struct simulation *s, const struct rank *r)
{
	return &s->out->ranks[r - s->ranks];
}

/* --- messages ------------------------------------------------------------------------ */

static void send_message(struct simulation *s, struct rank *from, struct rank *to,
			 const struct lsb_sim_step *step, double transit_s, double drain_s)
{
	const double begins = fmax(s->now, from->drained);
	double arrives;

	from->drained = begins + drain_s;
	arrives = fmax(begins + transit_s, from->delivered);
	from->delivered = arrives;
	to->queue[(to->first + to->n++) % s->window] = (struct message){ *step, s->now, arrives };
}

/* The oldest message to `r` that has come; NULL: none has. */
static struct message *arrived(struct simulation *s, struct rank *r)
{
	return r->n && r->queue[r->first].arrives <= s->now ? &r->queue[r->first] : NULL;
}

static struct message take(struct simulation *s, struct rank *r)
{
	const struct message message = r->queue[r->first];

	r->first = (r->first + 1) % s->window;
	r->n--;
	return message;
}

/* --- steps ---------------------------------------------------------------------------- */

/* The oldest step of a pipeline gave its ids: the scheduler hears of it. */
static void complete(struct simulation *s, uint32_t pipeline, uint32_t outputs)
{
	struct pipeline *p = &s->pipelines[pipeline];

	/* as many ids as were asked for: it cannot fail */
	(void)lsb_scheduler_complete(p->scheduler, s->zeros, outputs, s->touched);
	for (uint32_t i = 0; i < outputs; i++) {
		const size_t which = (size_t)(s->touched[i] - p->sequences);

		if (s->touched[i]->n_ids == 1)
			p->first_s[which] = s->now;
		p->last_s[which] = s->now;
	}
}

static void absorb_ids(struct simulation *s, uint32_t pipeline)
{
	struct rank *r = rank_of(s, pipeline, 0);

	while (arrived(s, r))
		complete(s, pipeline, take(s, r).step.outputs);
}

/* What rank (pipeline, stage) can do next, if anything: 1 and *step. */
static int next_step(struct simulation *s, uint32_t pipeline, uint32_t stage, struct lsb_sim_step *step)
{
	struct rank *r = rank_of(s, pipeline, stage);
	struct lsb_step next;

	if (stage > 0) {
		if (!arrived(s, r))
			return 0;
		*step = take(s, r).step;
		return 1;
	}
	if (!lsb_scheduler_next(s->pipelines[pipeline].scheduler, &next)) {
		if (s->setup->stages == 1 || !arrived(s, r))
			return 0;
		absorb_ids(s, pipeline);
		if (!lsb_scheduler_next(s->pipelines[pipeline].scheduler, &next))
			return 0;
	}
	*step = (struct lsb_sim_step){ .lane = next.lane,
				       .tokens = next.n_tokens,
				       .outputs = next.n_outputs };
	for (uint32_t i = 0; i < next.n_tokens; i++)
		step->positions += next.tokens[i].position;
	return 1;
}

static void begin_compute(struct simulation *s, uint32_t pipeline, uint32_t stage)
{
	const struct lsb_sim_costs *costs = &s->setup->costs;
	struct rank *r = rank_of(s, pipeline, stage);

	if (stage == 0 && s->setup->stages > 1)
		absorb_ids(s, pipeline);
	r->state = COMPUTE;
	r->since = s->now;
	r->left = costs->step_s(costs->user, stage, &r->step);
	if (s->setup->is_async)
		r->has_ahead = next_step(s, pipeline, stage, &r->ahead);
}

/* A rank is free: go on with the next step, or idle. */
static void go_on(struct simulation *s, uint32_t pipeline, uint32_t stage)
{
	struct rank *r = rank_of(s, pipeline, stage);

	r->since = s->now;
	if (r->has_ahead) {
		r->step = r->ahead;
		r->has_ahead = 0;
		begin_compute(s, pipeline, stage);
	} else if (next_step(s, pipeline, stage, &r->step)) {
		r->state = OWN;
		r->until = s->now + s->setup->costs.own_s[stage > 0];
	} else {
		r->state = stage == 0 && lsb_scheduler_done(s->pipelines[pipeline].scheduler) ? DONE : IDLE;
	}
}

/* A rank's step is computed: pass on what it gave. */
static void end_step(struct simulation *s, uint32_t pipeline, uint32_t stage)
{
	const struct lsb_sim_setup *setup = s->setup;
	const struct lsb_sim_costs *costs = &setup->costs;
	struct rank *r = rank_of(s, pipeline, stage);
	struct lsb_sim_rank *ledger = ledger_of(s, r);

	ledger->compute_s += s->now - r->since;
	ledger->steps++;
	if (setup->ended)
		setup->ended(setup->watcher, (uint32_t)(r - s->ranks), &r->step, r->since, s->now);
	if (setup->stages == 1)
		complete(s, pipeline, r->step.outputs);
	else if (stage + 1 < setup->stages)
		send_message(s, r, r + 1, &r->step, costs->hidden_s(costs->user, &r->step),
			     costs->hidden_drain_s ? costs->hidden_drain_s(costs->user, &r->step) : 0);
	else
		send_message(s, r, rank_of(s, pipeline, 0), &r->step, costs->ids_s(costs->user, &r->step), 0);
	go_on(s, pipeline, stage);
}

/* An idle rank goes on, as what it waited for has come: method.md section 4. */
static void end_idle(struct simulation *s, uint32_t pipeline, uint32_t stage)
{
	struct rank *r = rank_of(s, pipeline, stage);
	struct lsb_sim_rank *ledger = ledger_of(s, r);
	const struct message *message = &r->queue[r->first];
	const double sent = fmax(message->sent, r->since), came = fmax(message->arrives, sent);

	ledger->wait_s += sent - r->since;
	ledger->transfer_s += came - sent;
	ledger->overhead_s += s->now - came;
	go_on(s, pipeline, stage);
}

/* --- time ------------------------------------------------------------------------------ */

static uint32_t machine_of(const struct simulation *s, uint32_t rank)
{
	return s->setup->ranks_per_machine ? rank / s->setup->ranks_per_machine : 0;
}

/* How much slower a step of `rank` is now than alone. */
static double slowdown(const struct simulation *s, uint32_t rank)
{
	const struct lsb_sim_setup *setup = s->setup;
	const uint32_t machine = machine_of(s, rank), per = setup->ranks_per_machine;
	const uint32_t first = machine * per;
	const uint32_t end = per && first + per < s->n_ranks ? first + per : s->n_ranks;
	double computing = 0, slow, full;

	for (uint32_t i = first; i < end; i++)
		computing += s->ranks[i].state == COMPUTE;
	slow = 1 + setup->contention[!lsb_sim_is_decode(&s->ranks[rank].step)] * (computing - 1);
	full = setup->cores > 0 ? computing * setup->demand / setup->cores : 0;
	return fmax(1, fmax(slow, full));
}

/* When the state of `rank` ends if nothing else changes; INFINITY: not by itself. */
static double end_of_state(const struct simulation *s, uint32_t rank)
{
	const struct rank *r = &s->ranks[rank];

	switch (r->state) {
	case OWN:
		return r->until;
	case COMPUTE:
		return s->now + r->left * slowdown(s, rank);
	case IDLE:
		return r->n ? r->queue[r->first].arrives + s->setup->costs.wake_s : INFINITY;
	default:
		return INFINITY;
	}
}

/* The rank whose state ends first, and when; -1: none does. */
static int64_t next_event(const struct simulation *s, double *at)
{
	int64_t which = -1;

	*at = INFINITY;
	for (uint32_t i = 0; i < s->n_ranks; i++) {
		const double end = end_of_state(s, i);

		if (end < *at) {
			*at = end;
			which = i;
		}
	}
	return which;
}

/* Let time pass until `at`. */
static void pass_time(struct simulation *s, double at)
{
	/* all slowdowns are those of before: states change only afterwards */
	for (uint32_t i = 0; i < s->n_ranks; i++)
		if (s->ranks[i].state == COMPUTE)
			s->ranks[i].left = fmax(0, s->ranks[i].left - (at - s->now) / slowdown(s, i));
	s->now = fmax(at, s->now);
}

static void run(struct simulation *s)
{
	const uint32_t stages = s->setup->stages;
	int64_t rank;
	double at;

	for (uint32_t i = 0; i < s->n_ranks; i++)
		go_on(s, i / stages, i % stages);
	while ((rank = next_event(s, &at)) >= 0) {
		const uint32_t pipeline = (uint32_t)rank / stages, stage = (uint32_t)rank % stages;
		struct rank *r = &s->ranks[rank];

		pass_time(s, at);
		switch (r->state) {
		case OWN:
			ledger_of(s, r)->overhead_s += s->now - r->since;
			begin_compute(s, pipeline, stage);
			break;
		case COMPUTE:
			end_step(s, pipeline, stage);
			break;
		default:
			end_idle(s, pipeline, stage);
		}
	}
}

/* --- setup and result ------------------------------------------------------------------ */

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
static int open_pipeline(struct simulation *s, uint32_t replica, struct lsb_error *err)
{
	const struct lsb_sim_setup *setup = s->setup;
	const struct lsb_scheduler_limits limits = { .batch = setup->batch,
						     .in_flight = setup->in_flight,
						     .chunk = setup->chunk,
						     .window = s->window,
						     .stop_at_length = 1 };
	struct pipeline *p = &s->pipelines[replica];
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

static int open_all(struct simulation *s, struct lsb_error *err)
{
	const struct lsb_sim_setup *setup = s->setup;
	uint32_t longest = setup->batch;
	int rc = LSB_OK;

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

static void close_all(struct simulation *s)
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

/* Means over requests; and what ranks wait at the end for their pipeline's last answer. */
static void sum_up(struct simulation *s)
{
	const struct lsb_sim_setup *setup = s->setup;
	struct lsb_sim_result *out = s->out;

	out->run_s = 0;
	for (uint32_t i = 0; i < setup->replicas; i++) {
		const struct pipeline *p = &s->pipelines[i];
		double end = 0;

		for (size_t k = 0; k < p->n; k++) {
			end = fmax(end, p->last_s[k]);
			out->generated_tok += p->sequences[k].n_ids;
			out->ttft_s += p->first_s[k] / (double)setup->n_requests;
			out->e2e_s += p->last_s[k] / (double)setup->n_requests;
		}
		for (uint32_t stage = 0; stage < setup->stages; stage++) {
			const struct rank *r = rank_of(s, i, stage);

			ledger_of(s, r)->wait_s += fmax(0, end - r->since);
		}
		out->run_s = fmax(out->run_s, end);
	}
}

int lsb_simulate(const struct lsb_sim_setup *setup, struct lsb_sim_result *out, struct lsb_error *err)
{
	struct simulation s = { .setup = setup, .out = out };
	int rc = check(setup, err);

	*out = (struct lsb_sim_result){ 0 };
	if (rc)
		return rc;
	rc = open_all(&s, err);
	if (rc == LSB_OK) {
		run(&s);
		sum_up(&s);
	}
	close_all(&s);
	if (rc)
		lsb_sim_result_free(out);
	return rc;
}

void lsb_sim_result_free(struct lsb_sim_result *result)
{
	free(result->ranks);
	*result = (struct lsb_sim_result){ 0 };
}
