/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance = dynamic in a simulated run: who gets which request, as node/dispatch.h
 * says. A claim goes to the dispatcher, waits there until a request has arrived, and
 * its grant goes back; the dispatcher itself, replica 0, needs neither. Answering
 * takes no time.
 */
#include <math.h>

#include "measure/simulate_parts.h"

enum { DISPATCHER = 0 };

static size_t slots_of(const struct lsb_simulation *s)
{
	return (size_t)s->setup->batch * s->setup->in_flight;
}

static int all_handed_out(const struct lsb_simulation *s)
{
	return s->next == s->setup->n_requests;
}

static int has_arrived(const struct lsb_simulation *s)
{
	const double *arrival_s = s->setup->arrival_s;

	return !all_handed_out(s) && (!arrival_s || arrival_s[s->next] <= s->now);
}

static void schedule(struct lsb_simulation *s, struct lsb_simulated_pipeline *p, size_t request)
{
	(void)lsb_scheduler_add(p->scheduler, &s->sequences[request]); /* there is room for all */
	p->has_more = 1;
}

void lsb_simulation_deal(struct lsb_simulation *s)
{
	const uint32_t replicas = s->setup->replicas;

	while (s->next < replicas * slots_of(s) && has_arrived(s)) {
		schedule(s, &s->pipelines[s->next % replicas], s->next);
		s->next++;
	}
	for (uint32_t r = 0; r < replicas; r++)
		lsb_scheduler_expect(s->pipelines[r].scheduler, !all_handed_out(s));
}

/* What has come where it goes: claims wait, grants are scheduled. */
static void arrive(struct lsb_simulation *s, uint32_t replica)
{
	struct lsb_simulated_pipeline *p = &s->pipelines[replica];

	if ((p->claim != LSB_SIM_CLAIM && p->claim != LSB_SIM_GRANT) || p->claim_s > s->now)
		return;
	if (p->claim == LSB_SIM_CLAIM) {
		p->claim = LSB_SIM_WAITS;
		return;
	}
	for (uint32_t i = 0; i < p->n_granted; i++)
		schedule(s, p, p->granted[i]);
	p->n_granted = 0;
	p->claim = LSB_SIM_NO_CLAIM;
	lsb_scheduler_expect(p->scheduler, !all_handed_out(s));
}

/* Ask for as many as can start now or soon. */
static void claim(struct lsb_simulation *s, uint32_t replica)
{
	struct lsb_simulated_pipeline *p = &s->pipelines[replica];
	const int is_own =
		replica == DISPATCHER && p->claim == LSB_SIM_WAITS; /* which goes by what is wanted now */
	uint32_t room;
	const uint32_t wants = lsb_scheduler_wants_soon(p->scheduler, &room);

	if ((p->claim != LSB_SIM_NO_CLAIM && !is_own) || all_handed_out(s))
		return;
	p->wanted = wants < slots_of(s) ? wants : (uint32_t)slots_of(s);
	p->room = room;
	p->claim = wants == 0 ? LSB_SIM_NO_CLAIM : replica == DISPATCHER ? LSB_SIM_WAITS : LSB_SIM_CLAIM;
	p->claim_s = s->now + s->setup->costs.claim_s;
}

/* One to each claim that waits, in turn, as long as there are both; then the grants leave. */
static void hand_out(struct lsb_simulation *s)
{
	const uint32_t replicas = s->setup->replicas;

	for (uint32_t passed = 0; passed < replicas && has_arrived(s); s->turn = (s->turn + 1) % replicas) {
		struct lsb_simulated_pipeline *p = &s->pipelines[s->turn];
		const uint32_t prompt_tok = s->setup->prompt_tok[s->next];

		if (p->claim != LSB_SIM_WAITS || p->n_granted == p->wanted || p->room == 0) {
			passed++;
			continue;
		}
		p->granted[p->n_granted++] = s->next++;
		p->room -= prompt_tok < p->room ? prompt_tok : p->room;
		passed = 0;
	}
	for (uint32_t r = 0; r < replicas; r++) {
		struct lsb_simulated_pipeline *p = &s->pipelines[r];

		if (p->claim != LSB_SIM_WAITS || (p->n_granted == 0 && !all_handed_out(s)))
			continue;
		p->claim = LSB_SIM_GRANT;
		p->claim_s = s->now + (r == DISPATCHER ? 0 : s->setup->costs.claim_s);
		arrive(s, r);
	}
	if (all_handed_out(s)) /* who claims nothing is not told, and need not be: it expects no more */
		for (uint32_t r = 0; r < replicas; r++)
			if (s->pipelines[r].claim == LSB_SIM_NO_CLAIM)
				lsb_scheduler_expect(s->pipelines[r].scheduler, 0);
}

void lsb_simulation_share(struct lsb_simulation *s)
{
	for (uint32_t r = 0; r < s->setup->replicas; r++) {
		arrive(s, r);
		claim(s, r);
	}
	hand_out(s);
}

double lsb_simulation_next_share(const struct lsb_simulation *s)
{
	const int has_more = !all_handed_out(s) && s->setup->arrival_s;
	double next = INFINITY;

	for (uint32_t r = 0; r < s->setup->replicas; r++) {
		const struct lsb_simulated_pipeline *p = &s->pipelines[r];

		if (p->claim == LSB_SIM_CLAIM || p->claim == LSB_SIM_GRANT)
			next = fmin(next, p->claim_s);
		else if (p->claim == LSB_SIM_WAITS && has_more)
			next = fmin(next, s->setup->arrival_s[s->next]);
	}
	return next;
}
