/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens go into the next step.
 *
 * Lives on a pipeline's first stage and is pure: it knows sequences, lanes and
 * ids, not clocks, peers or memory kinds. Static groups: a lane takes up to
 * `batch` waiting sequences, prefills their prompts in chunks, then decodes one
 * token for each per step until all have ended, and takes the next group. The
 * `in_flight` lanes are independent; ready lanes take turns.
 *
 * Steps complete in the order they were handed out. A lane may have several
 * prefill chunks on their way, since a chunk needs no ids of the one before;
 * a decode step waits for the ids of the step before it.
 */
#ifndef LSB_SCHEDULER_H
#define LSB_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/backend.h"

enum lsb_finish { LSB_FINISH_NONE, LSB_FINISH_STOP, LSB_FINISH_LENGTH, LSB_FINISH_FAILED };

/* One request on its way. The caller owns prompt and ids and fills the first part. */
struct lsb_sequence {
	const int32_t *prompt; /* [n_prompt], at least one */
	int32_t *ids;	       /* [max_new], what was generated */
	struct lsb_sampling sampling;
	uint32_t n_prompt, max_new;
	/* the scheduler's */
	uint32_t n_ids;
	uint32_t lane, slot;
	enum lsb_finish finish;
};

/* One step as handed out; arrays are the scheduler's and live until the next call of lsb_scheduler_next. */
struct lsb_step {
	uint32_t lane;
	uint32_t n_tokens, n_outputs, n_clear;
	const struct lsb_token *tokens;
	const struct lsb_sampling *sampling;
	const uint32_t *clear; /* slots to forget before this step */
};

struct lsb_scheduler_limits {
	uint32_t batch, in_flight;
	uint32_t chunk;		 /* prompt tokens a step at most */
	uint32_t window;	 /* steps on their way at most */
	uint32_t stop_at_length; /* ignore stop ids */
	uint32_t n_stop_ids;
	const int32_t *stop_ids;
};

struct lsb_scheduler;

/* Most tokens and outputs that a step can have under `limits`. */
uint32_t lsb_scheduler_max_tokens(const struct lsb_scheduler_limits *limits);

/* `sequences` [n] stay the caller's and are served in order; those already finished are passed over. */
int lsb_scheduler_open(const struct lsb_scheduler_limits *limits, struct lsb_sequence *sequences, size_t n,
		       struct lsb_scheduler **out, struct lsb_error *err);
void lsb_scheduler_close(struct lsb_scheduler *s);

/* The next step that may start now: 1 and *step, or 0 when there is none yet (or no more at all). [hot] */
int lsb_scheduler_next(struct lsb_scheduler *s, struct lsb_step *step);

/*
 * The oldest step on its way gave these `n` ids, in the order of its outputs.
 * `touched` (room for `batch`) gets the sequences that each id belongs to.
 * Returns 0, or LSB_EPEER when n is not what the step asked for. [hot]
 */
int lsb_scheduler_complete(struct lsb_scheduler *s, const int32_t *ids, uint32_t n,
			   struct lsb_sequence **touched);

uint32_t lsb_scheduler_on_their_way(const struct lsb_scheduler *s);
/* All sequences have ended and no step is on its way. */
int lsb_scheduler_done(const struct lsb_scheduler *s);

#endif
