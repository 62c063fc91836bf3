/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event at a time: each rank is idle, at its own work, computing or done, and
 * the earliest end of any of these is the next moment. While ranks of a machine
 * compute at once, what is left of their steps passes more slowly.
 */
#include <math.h>

#include "measure/simulate_parts.h"

int lsb_sim_is_decode(const struct lsb_sim_step *step)
{
	return step->tokens == step->outputs;
}

/* --- messages ------------------------------------------------------------------------ */

static void send_message(struct lsb_simulation *s, struct lsb_simulated_rank *from,
			 struct lsb_simulated_rank *to, const struct lsb_sim_step *step, double transit_s,
			 double drain_s)
{
	const double begins = fmax(s->now, from->drained);
	double arrives;

	from->drained = begins + drain_s;
	arrives = fmax(begins + transit_s, from->delivered);
	from->delivered = arrives;
	to->queue[(to->first + to->n++) % s->window] =
		(struct lsb_simulated_message){ *step, s->now, arrives };
}

/* The oldest message to `r` that has come; NULL: none has. */
static struct lsb_simulated_message *arrived(struct lsb_simulation *s, struct lsb_simulated_rank *r)
{
	return r->n && r->queue[r->first].arrives <= s->now ? &r->queue[r->first] : NULL;
}

static struct lsb_simulated_message take(struct lsb_simulation *s, struct lsb_simulated_rank *r)
{
	const struct lsb_simulated_message message = r->queue[r->first];

	r->first = (r->first + 1) % s->window;
	r->n--;
	return message;
}

/* --- steps ---------------------------------------------------------------------------- */

/* The oldest step of a pipeline gave its ids: the scheduler hears of it. */
static void complete(struct lsb_simulation *s, uint32_t pipeline, uint32_t outputs)
{
	struct lsb_simulated_pipeline *p = &s->pipelines[pipeline];

	/* as many ids as were asked for: it cannot fail */
	(void)lsb_scheduler_complete(p->scheduler, s->zeros, outputs, s->touched);
	for (uint32_t i = 0; i < outputs; i++) {
		const size_t which = (size_t)(s->touched[i] - s->sequences);

		if (s->touched[i]->n_ids == 1)
			s->first_s[which] = s->now;
		s->last_s[which] = p->end_s = s->now;
	}
}

static void absorb_ids(struct lsb_simulation *s, uint32_t pipeline)
{
	struct lsb_simulated_rank *r = lsb_simulated(s, pipeline, 0);

	while (arrived(s, r))
		complete(s, pipeline, take(s, r).step.outputs);
}

/* As the scheduler counts time. */
static uint64_t now_ns(const struct lsb_simulation *s)
{
	return (uint64_t)llround(s->now * 1e9);
}

/* What rank (pipeline, stage) can do next, if anything: 1 and *step. */
static int next_step(struct lsb_simulation *s, uint32_t pipeline, uint32_t stage, struct lsb_sim_step *step)
{
	struct lsb_simulated_rank *r = lsb_simulated(s, pipeline, stage);
	struct lsb_step next;

	if (stage > 0) {
		if (!arrived(s, r))
			return 0;
		*step = take(s, r).step;
		return 1;
	}
	if (!lsb_scheduler_next(s->pipelines[pipeline].scheduler, now_ns(s), &next)) {
		if (s->setup->stages == 1 || !arrived(s, r))
			return 0;
		absorb_ids(s, pipeline);
		if (!lsb_scheduler_next(s->pipelines[pipeline].scheduler, now_ns(s), &next))
			return 0;
	}
	*step = (struct lsb_sim_step){ .lane = next.lane,
				       .tokens = next.n_tokens,
				       .outputs = next.n_outputs,
				       .needs_ids = next.needs_ids };
	for (uint32_t i = 0; i < next.n_tokens; i++)
		step->positions += next.tokens[i].position;
	return 1;
}

static void begin_compute(struct lsb_simulation *s, uint32_t pipeline, uint32_t stage)
{
	const struct lsb_sim_costs *costs = &s->setup->costs;
	struct lsb_simulated_rank *r = lsb_simulated(s, pipeline, stage);

	if (stage == 0 && s->setup->stages > 1)
		absorb_ids(s, pipeline);
	r->state = LSB_SIM_COMPUTE;
	r->since = s->now;
	r->left = costs->step_s(costs->user, stage, &r->step);
	if (s->setup->is_async)
		r->has_ahead = next_step(s, pipeline, stage, &r->ahead);
}

/* A rank is free: go on with the next step, or idle. */
static void go_on(struct lsb_simulation *s, uint32_t pipeline, uint32_t stage)
{
	struct lsb_simulated_rank *r = lsb_simulated(s, pipeline, stage);

	r->since = s->now;
	if (r->has_ahead) {
		r->step = r->ahead;
		r->has_ahead = 0;
		begin_compute(s, pipeline, stage);
	} else if (next_step(s, pipeline, stage, &r->step)) {
		r->state = LSB_SIM_OWN;
		r->until = s->now + s->setup->costs.own_s[stage > 0];
	} else {
		r->state = stage == 0 && lsb_scheduler_done(s->pipelines[pipeline].scheduler) ? LSB_SIM_DONE
											      : LSB_SIM_IDLE;
	}
}

/* A rank's step is computed: pass on what it gave. */
static void end_step(struct lsb_simulation *s, uint32_t pipeline, uint32_t stage)
{
	const struct lsb_sim_setup *setup = s->setup;
	const struct lsb_sim_costs *costs = &setup->costs;
	struct lsb_simulated_rank *r = lsb_simulated(s, pipeline, stage);
	struct lsb_sim_rank *ledger = lsb_simulated_ledger(s, r);

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
		send_message(s, r, lsb_simulated(s, pipeline, 0), &r->step,
			     costs->ids_s(costs->user, &r->step), 0);
	go_on(s, pipeline, stage);
}

/* An idle rank goes on, as what it waited for has come: method.md section 4. A request is no message. */
static void end_idle(struct lsb_simulation *s, uint32_t pipeline, uint32_t stage)
{
	struct lsb_simulated_rank *r = lsb_simulated(s, pipeline, stage);
	struct lsb_sim_rank *ledger = lsb_simulated_ledger(s, r);
	const struct lsb_simulated_message *message = arrived(s, r);

	if (message) {
		const double sent = fmax(message->sent, r->since), came = fmax(message->arrives, sent);

		ledger->wait_s += sent - r->since;
		ledger->transfer_s += came - sent;
		ledger->overhead_s += s->now - came;
	} else if (lsb_scheduler_on_their_way(s->pipelines[pipeline].scheduler)) {
		ledger->wait_s += s->now - r->since;
	} else {
		ledger->idle_s += s->now - r->since;
	}
	go_on(s, pipeline, stage);
}

/* Replicas share out requests: who was granted some goes on. */
static void share(struct lsb_simulation *s)
{
	lsb_simulation_share(s);
	for (uint32_t i = 0; i < s->setup->replicas; i++) {
		const int has_more = s->pipelines[i].has_more;

		s->pipelines[i].has_more = 0;
		if (has_more && lsb_simulated(s, i, 0)->state == LSB_SIM_IDLE)
			end_idle(s, i, 0);
	}
}

/* --- time ------------------------------------------------------------------------------ */

static uint32_t machine_of(const struct lsb_simulation *s, uint32_t rank)
{
	return s->setup->ranks_per_machine ? rank / s->setup->ranks_per_machine : 0;
}

/* How much slower a step of `rank` is now than alone. */
static double slowdown(const struct lsb_simulation *s, uint32_t rank)
{
	const struct lsb_sim_setup *setup = s->setup;
	const uint32_t machine = machine_of(s, rank), per = setup->ranks_per_machine;
	const uint32_t first = machine * per;
	const uint32_t end = per && first + per < s->n_ranks ? first + per : s->n_ranks;
	double computing = 0, slow, full;

	for (uint32_t i = first; i < end; i++)
		computing += s->ranks[i].state == LSB_SIM_COMPUTE;
	slow = 1 + setup->contention[!lsb_sim_is_decode(&s->ranks[rank].step)] * (computing - 1);
	full = setup->cores > 0 ? computing * setup->demand / setup->cores : 0;
	return fmax(1, fmax(slow, full));
}

/* When an idle rank has something to do: a message, or on a first stage a request that arrives. */
static double end_of_idleness(const struct lsb_simulation *s, uint32_t rank)
{
	const struct lsb_simulated_rank *r = &s->ranks[rank];
	const double message_s = r->n ? r->queue[r->first].arrives + s->setup->costs.wake_s : INFINITY;
	uint64_t arrival_ns;

	if (rank % s->setup->stages || !s->setup->arrival_s)
		return message_s;
	arrival_ns = lsb_scheduler_next_arrival(s->pipelines[rank / s->setup->stages].scheduler);
	return arrival_ns == LSB_NEVER ? message_s : fmin(message_s, (double)arrival_ns * 1e-9);
}

/* When the state of `rank` ends if nothing else changes; INFINITY: not by itself. */
static double end_of_state(const struct lsb_simulation *s, uint32_t rank)
{
	const struct lsb_simulated_rank *r = &s->ranks[rank];

	switch (r->state) {
	case LSB_SIM_OWN:
		return r->until;
	case LSB_SIM_COMPUTE:
		return s->now + r->left * slowdown(s, rank);
	case LSB_SIM_IDLE:
		return end_of_idleness(s, rank);
	default:
		return INFINITY;
	}
}

/* The rank whose state ends first, or n_ranks where claims or grants move before, and when. 0: nothing does.
 */
static int next_event(const struct lsb_simulation *s, uint32_t *which, double *at)
{
	*which = s->n_ranks;
	*at = s->setup->is_dynamic ? lsb_simulation_next_share(s) : INFINITY;
	for (uint32_t i = 0; i < s->n_ranks; i++) {
		const double end = end_of_state(s, i);

		if (end < *at) {
			*at = end;
			*which = i;
		}
	}
	return isfinite(*at);
}

/* Let time pass until `at`. */
static void pass_time(struct lsb_simulation *s, double at)
{
	/* all slowdowns are those of before: states change only afterwards */
	for (uint32_t i = 0; i < s->n_ranks; i++)
		if (s->ranks[i].state == LSB_SIM_COMPUTE)
			s->ranks[i].left = fmax(0, s->ranks[i].left - (at - s->now) / slowdown(s, i));
	s->now = fmax(at, s->now);
}

static void end_state(struct lsb_simulation *s, uint32_t rank)
{
	const uint32_t pipeline = rank / s->setup->stages, stage = rank % s->setup->stages;
	struct lsb_simulated_rank *r = &s->ranks[rank];

	switch (r->state) {
	case LSB_SIM_OWN:
		lsb_simulated_ledger(s, r)->overhead_s += s->now - r->since;
		begin_compute(s, pipeline, stage);
		break;
	case LSB_SIM_COMPUTE:
		end_step(s, pipeline, stage);
		break;
	default:
		end_idle(s, pipeline, stage);
	}
}

static void run(struct lsb_simulation *s)
{
	const uint32_t stages = s->setup->stages;
	uint32_t rank;
	double at;

	if (s->setup->is_dynamic)
		lsb_simulation_deal(s);
	for (uint32_t i = 0; i < s->n_ranks; i++)
		go_on(s, i / stages, i % stages);
	if (s->setup->is_dynamic)
		share(s);
	while (next_event(s, &rank, &at)) {
		pass_time(s, at);
		if (rank < s->n_ranks)
			end_state(s, rank);
		if (s->setup->is_dynamic)
			share(s);
	}
}

int lsb_simulate(const struct lsb_sim_setup *setup, struct lsb_sim_result *out, struct lsb_error *err)
{
	struct lsb_simulation s = { .setup = setup, .out = out };
	int rc;

	*out = (struct lsb_sim_result){ 0 };
	rc = lsb_simulation_open(&s, err);
	if (rc == LSB_OK) {
		run(&s);
		lsb_simulation_sum(&s);
	}
	lsb_simulation_close(&s);
	if (rc)
		lsb_sim_result_free(out);
	return rc;
}
