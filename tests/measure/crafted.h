/* SPDX-License-Identifier: Apache-2.0 */
/* Journals with known numbers: what a run would have written, without the run. */
#ifndef CRAFTED_H
#define CRAFTED_H

#include <jansson.h>
#include <stddef.h>

struct crafted {
	const char *id, *name, *kind; /* of the point, of its case */
	int nodes, batch, in_flight, prompts, reps;
	const char *equal_batch, *equal_concurrency, *equal_cores, *batch_one; /* ids or NULL */
	int oversubscribed;
};

/* One launch: run_s, replay_s and the tokens of all its requests. */
struct crafted_launch {
	int round;
	double run_s, replay_s, prompt_tokens, generated_tokens;
};

/* The journal's first line. New reference. */
json_t *crafted_header(const struct crafted *points, size_t n);
/* A launch that went well; its ledger has 1 % unattributed. New reference. */
json_t *crafted_ok(const struct crafted *point, int number, const struct crafted_launch *launch);
/* One that did not. New reference. */
json_t *crafted_bad(const struct crafted *point, int number, int round, const char *status,
		    const char *reason);

#endif
