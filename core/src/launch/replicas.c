/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipelines that do not need each other. Once all ranks have started, what goes
 * wrong with one of them costs its replica alone: its other ranks are told to
 * quit, and killed when they do not; the others work to their end. When the last
 * replica is lost the launch is, for the weightiest reason of all.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base.h"
#include "launch/ranks.h"

#define MS 1000000u /* nanoseconds */

struct replica *rank_replica(const struct rank *r)
{
	return &r->launch->replicas[(uint32_t)r->number / r->launch->jobs[0].stages];
}

int rank_is_lost(const struct rank *r)
{
	return rank_replica(r)->lost_ns != 0;
}

static void lose_all(struct running *l)
{
	for (uint32_t i = 0; i < l->n_replicas; i++)
		if (l->replicas[i].cause.weight > l->cause.weight)
			l->cause = l->replicas[i].cause;
	launch_end(l, ENDING_FAILED);
}

void rank_fail(struct rank *r, enum cause_weight weight, int code, enum log_wanted wants_log,
	       const char *format, ...)
{
	struct running *l = r->launch;
	struct replica *p = rank_replica(r);
	const int all_lost = l->n_lost == l->n_replicas, is_late = l->ending && !p->lost_ns;
	const int is_alone = !l->started_ns || l->n_replicas == 1 || all_lost || is_late;
	va_list args;

	va_start(args, format);
	cause_set(is_alone ? &l->cause : &p->cause, r, weight, code, wants_log, format, args);
	va_end(args);
	if (is_alone) {
		launch_end(l, ENDING_FAILED);
	} else if (!p->lost_ns) {
		p->lost_ns = lsb_now_ns();
		if (++l->n_lost == l->n_replicas) {
			lose_all(l);
			return;
		}
		/* Nobody waits for these any more. */
		launch_rank_ran(l);
		launch_rank_done(l);
	}
}

/* QUIT, then SIGKILL. No SIGTERM between: nothing is left to be said, and a stopped process hears none. */
static void enforce(struct running *l, struct replica *p, uint64_t now)
{
	const uint64_t passed_ms = (now - p->lost_ns) / MS;
	const uint64_t grace_ms = 2 * (l->launcher->has_agents ? LSB_AGENTS_GRACE_MS : LSB_GRACE_MS);
	const int32_t stages = (int32_t)l->jobs[0].stages, first = (int32_t)(p - l->replicas) * stages;
	const int quits =
		!p->quit_sent && (p->cause.weight > CAUSE_CONSEQUENCE || passed_ms >= LSB_SETTLE_MS);

	for (int32_t i = first; i < first + stages; i++) {
		if (quits)
			rank_send(&l->ranks[i], LSB_FRAME_QUIT, "{}", 2);
		if (passed_ms >= grace_ms && !p->killed)
			launch_kill_rank(&l->ranks[i]);
	}
	p->quit_sent |= quits;
	p->killed |= passed_ms >= grace_ms;
}

void replicas_tick(struct running *l, uint64_t now)
{
	for (uint32_t i = 0; i < l->n_replicas; i++)
		if (l->replicas[i].lost_ns)
			enforce(l, &l->replicas[i], now);
}

/* Seconds into the run, by the controller's clock. */
static double seconds_in(const struct running *l, uint64_t at_ns)
{
	return at_ns > l->started_ns ? (double)(at_ns - l->started_ns) * 1e-9 : 0;
}

/*
 * What is known of the ranks of a lost replica: as far as each had told when it was last heard. New
 * reference.
 */
static json_t *last_words(const struct running *l, const struct replica *p)
{
	const int32_t stages = (int32_t)l->jobs[0].stages, first = (int32_t)(p - l->replicas) * stages;
	json_t *ranks = json_array();

	for (int32_t i = first; i < first + stages; i++) {
		const struct rank *r = &l->ranks[i];

		json_array_append_new(ranks,
				      json_pack("{s:i, s:s, s:s, s:f, s:I, s:I}", "rank", (int)i, "host",
						rank_host(r), "phase", r->phase, "heard_s",
						seconds_in(l, r->heard_ns), "steps", (json_int_t)r->steps,
						"generated_tokens", (json_int_t)r->tokens));
	}
	return ranks;
}

json_t *replicas_lost(const struct running *l)
{
	json_t *lost = json_array();

	for (uint32_t i = 0; i < l->n_replicas; i++) {
		const struct replica *p = &l->replicas[i];
		char why[sizeof(((struct lsb_outcome *)0)->reason)];

		if (!p->lost_ns)
			continue;
		cause_tell(l, &p->cause, why, sizeof(why));
		json_array_append_new(lost, json_pack("{s:i, s:i, s:i, s:s, s:f, s:o}", "replica", (int)i,
						      "rank", (int)p->cause.rank, "code", p->cause.code,
						      "reason", why, "lost_s", seconds_in(l, p->lost_ns),
						      "ranks", last_words(l, p)));
	}
	return lost;
}
