/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may take how long: a rank to join, to say something, to take a step, and
 * the launch as a whole. Each finding names a rank and its host.
 */
#include <string.h>

#include "base/base.h"
#include "launch/ranks.h"

#define MS 1000000u /* nanoseconds */
#define SECONDS(ns) ((double)(ns)*1e-9)

enum {
	SILENCE_MS = 5000,
	JOIN_MS = 20000, /* for ranks elsewhere to come */
};

static int runs_stage_loop(const struct rank *r)
{
	return strcmp(r->phase, "run") == 0 || strcmp(r->phase, "warmup") == 0;
}

/*
 * A pipeline in whose stage loop no rank has taken a step for `stall_ns`. One
 * stage may well wait for the others that long, so the pipeline is judged as a
 * whole, and the rank named is the one that is furthest behind.
 */
static struct rank *find_stalled(const struct running *l, uint64_t now)
{
	const int32_t stages = (int32_t)l->jobs[0].stages;

	for (int32_t first = 0; first + stages <= l->n; first += stages) {
		struct rank *slowest = NULL;
		int moving = rank_is_lost(&l->ranks[first]);

		for (int32_t i = first; i < first + stages && !moving; i++) {
			struct rank *r = &l->ranks[i];

			if (r->state == RANK_DONE)
				continue;
			moving = r->state != RANK_STARTED || !runs_stage_loop(r) ||
				 now - r->step_ns <= l->what->stall_ns;
			if (!slowest || r->steps < slowest->steps)
				slowest = r;
		}
		if (slowest && !moving)
			return slowest;
	}
	return NULL;
}

/* Ranks that have not come: all of them, by number and host. */
static void note_absent(struct running *l)
{
	const struct rank *first = NULL;
	struct lsb_text names = { 0 };

	for (int32_t i = 0; i < l->n; i++) {
		if (l->ranks[i].state != RANK_JOIN)
			continue;
		lsb_text_add(&names, "%s%d on %s", first ? ", " : "", i, rank_host(&l->ranks[i]));
		first = first ? first : &l->ranks[i];
	}
	if (first)
		cause_note(l, first, CAUSE_ABSENCE, LSB_ETIMEDOUT, l->listener ? LOG_LAUNCHER : LOG_RANK,
			   "%s started, and after %d s there is no sign of rank %.300s%s%.200s%s",
			   l->launcher->name, JOIN_MS / 1000, names.data ? names.data : "?",
			   l->listener ? "; they were to dial " : "",
			   l->listener ? listener_addresses(l) : "",
			   l->listener ? " (control_address chooses another)" : "");
	lsb_text_free(&names);
}

void launch_check_deadlines(struct running *l, uint64_t now)
{
	const uint64_t silence_ns = l->what->silence_ns ? l->what->silence_ns : SILENCE_MS * (uint64_t)MS;
	const struct rank *last = NULL;
	struct rank *stalled;

	for (int32_t i = 0; i < l->n; i++) {
		struct rank *r = &l->ranks[i];

		if (rank_is_lost(r))
			continue;
		if (!last || r->state < last->state)
			last = r;
		if (!r->ended && r->state != RANK_DONE && r->state != RANK_JOIN &&
		    now - r->heard_ns > silence_ns)
			rank_fail(r, CAUSE_ABSENCE, LSB_ETIMEDOUT, LOG_RANK,
				  "rank %d on %s has said nothing for %.1f s in phase '%s'", r->number,
				  rank_host(r), SECONDS(now - r->heard_ns), r->phase);
	}
	if (l->ending || !last)
		return;
	if (last->state == RANK_JOIN && now - l->begun_ns > JOIN_MS * (uint64_t)MS)
		note_absent(l);
	stalled = l->started_ns && l->what->stall_ns ? find_stalled(l, now) : NULL;
	if (stalled)
		rank_fail(stalled, CAUSE_ABSENCE, LSB_ETIMEDOUT, LOG_RANK,
			  "the stage loop of rank %d on %s has stood still for %.1f s, after %llu steps, in "
			  "phase '%s'",
			  stalled->number, stalled->host, SECONDS(now - stalled->step_ns),
			  (unsigned long long)stalled->steps, stalled->phase);
	if (l->what->timeout_ns && now - l->begun_ns > l->what->timeout_ns)
		cause_note(l, last, CAUSE_ABSENCE, LSB_ETIMEDOUT, LOG_RANK,
			   "the launch is not over after its timeout of %.1f s; rank %d on %s is in phase "
			   "'%s'",
			   SECONDS(l->what->timeout_ns), last->number, rank_host(last), last->phase);
	if (l->cause.weight)
		launch_end(l, ENDING_FAILED);
}
