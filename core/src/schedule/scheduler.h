/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens go into the next step.
 *
 * Lives on a pipeline's first stage and is pure: it knows sequences, lanes and
 * ids, and is told the time; it knows no clock, peers or memory kinds. A sequence
 * waits until it has arrived and a slot is free for it. Each lane has `batch`
 * slots and steps by itself; the `in_flight` lanes take turns as they get ready.
 *
 * Static batching: an empty lane takes up to `batch` sequences that have arrived,
 * prefills their prompts in chunks, then decodes one token for each per step until
 * all have ended, and only then takes the next group.
 *
 * Continuous batching: a slot is given to the next sequence as soon as the one
 * before has ended, in the lane that has the fewest. A step carries a token of each
 * sequence that decodes and, beside them, prompt tokens up to `chunk` in all.
 *
 * Steps complete in the order they were handed out. The sequences of a lane that
 * decode do so together, once all ids of the lane have come. Chunks of prompts need
 * no ids: static ones are on their way together, and continuous ones go ahead of
 * the lane's ids while fewer than `stages` steps are on their way, since a stage
 * would stand idle otherwise.
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
	uint64_t arrival_ns; /* since the run began; not served before */
	/* the scheduler's */
	uint32_t n_ids;
	uint32_t n_given; /* prompt tokens handed out */
	uint32_t lane, slot;
	uint64_t admitted_ns; /* when it got its slot, since the run began */
	enum lsb_finish finish;
};

/* For qsort of pointers into one array of sequences: by arrival, of equals by place. */
int lsb_sequence_compare(const void *a, const void *b);

/* One step as handed out; arrays are the scheduler's and live until the next call of lsb_scheduler_next. */
struct lsb_step {
	uint32_t lane;
	uint32_t n_tokens, n_outputs, n_clear;
	int needs_ids; /* of all steps of its lane before it: it decodes, or its slots were another's */
	const struct lsb_token *tokens;
	const struct lsb_sampling *sampling;
	const uint32_t *clear; /* slots to forget before this step: those of prompts that begin in it */
};

struct lsb_scheduler_limits {
	uint32_t batch, in_flight;
	uint32_t chunk;		 /* prompt tokens a step at most */
	uint32_t window;	 /* steps on their way at most */
	uint32_t stages;	 /* of the pipeline; continuous batching only */
	uint32_t is_continuous;	 /* else static groups */
	uint32_t stop_at_length; /* ignore stop ids */
	uint32_t n_stop_ids;
	const int32_t *stop_ids;
	uint32_t room; /* sequences from lsb_scheduler_add that may wait at once */
};

#define LSB_NEVER UINT64_MAX

struct lsb_scheduler;

/* Most tokens that a step can have under `limits`. */
uint32_t lsb_scheduler_max_tokens(const struct lsb_scheduler_limits *limits);

/*
 * `sequences` [n] stay the caller's and are served in order of arrival, those that
 * arrive together in order; those already finished are passed over.
 */
int lsb_scheduler_open(const struct lsb_scheduler_limits *limits, struct lsb_sequence *sequences, size_t n,
		       struct lsb_scheduler **out, struct lsb_error *err);
void lsb_scheduler_close(struct lsb_scheduler *s);

/* --- sequences that come during the run ----------------------------------------------- */

/*
 * Hand over one more sequence, which stays the caller's; it is served after those
 * before it, so not before they have arrived. Returns 0, or LSB_EINVAL when `room`
 * sequences wait already. [hot]
 */
int lsb_scheduler_add(struct lsb_scheduler *s, struct lsb_sequence *sequence);
/*
 * More sequences may come (1), so the run is not done when those there are have ended; or no more (0). [hot]
 */
void lsb_scheduler_expect(struct lsb_scheduler *s, int more);
/*
 * How many sequences more could be admitted now or soon, beyond those that wait:
 * free slots, and slots whose sequence has at most two tokens left, which is what to
 * ask for where an answer takes up to two steps. A static group is wanted once all of
 * the one before are so near their end. Where stop ids may end an answer anywhere,
 * one slot is always taken to be near its end.
 *
 * *prompt_tokens gets how many tokens their prompts may have in all, the last one's
 * apart: continuous batching has no use for a prompt that two steps of each lane
 * cannot begin, and whoever asks for it keeps it from others. 0 sequences if that is
 * nothing. [hot]
 */
uint32_t lsb_scheduler_wants_soon(const struct lsb_scheduler *s, uint32_t *prompt_tokens);

/* --- steps ------------------------------------------------------------------------------ */

/*
 * The next step that may start at `now_ns` of the run: 1 and *step, or 0 when there
 * is none yet (or no more at all). Admits those who have arrived. [hot]
 */
int lsb_scheduler_next(struct lsb_scheduler *s, uint64_t now_ns, struct lsb_step *step);

/*
 * After lsb_scheduler_next had nothing: when time alone may change that, which is the
 * arrival of the next sequence if a slot is free for it. LSB_NEVER: only ids can, or
 * another sequence. [hot]
 */
uint64_t lsb_scheduler_next_arrival(const struct lsb_scheduler *s);

/*
 * The oldest step on its way gave these `n` ids, in the order of its outputs.
 * `touched` (room for `batch`) gets the sequences that each id belongs to.
 * Returns 0, or LSB_EPEER when n is not what the step asked for. [hot]
 */
int lsb_scheduler_complete(struct lsb_scheduler *s, const int32_t *ids, uint32_t n,
			   struct lsb_sequence **touched);

uint32_t lsb_scheduler_on_their_way(const struct lsb_scheduler *s);
/* All sequences have ended, no step is on its way, and no more are expected. */
int lsb_scheduler_done(const struct lsb_scheduler *s);

#endif
