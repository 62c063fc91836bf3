/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schedule of a launch could have reached at best.
 *
 * Replays the steps in the order in which the first stage handed them out, with
 * the compute times that each stage measured, and messages and scheduling that
 * cost nothing. What the real run took beyond that is transfer, hand-over and
 * imbalance of single steps; what remains is the pipeline's own bubble.
 *
 * A step may start on stage k when stage k - 1 has done it and stage k has done
 * the step before it; on stage 0 also only when what it needs has come back from
 * the last stage: a step that decodes, or that gives slots away again, needs the ids
 * of its lane's steps before it. Other chunks of prompts need nothing. Pure.
 */
#ifndef LSB_REPLAY_H
#define LSB_REPLAY_H

#include "measure/ledger.h"

/*
 * Makespan in seconds of the compute records of one pipeline, `stages` in stage
 * order. LSB_EINVAL when the stages' steps do not match (records were lost).
 */
int lsb_replay(const struct lsb_rank_records *stages, size_t n_stages, double *makespan_s,
	       struct lsb_error *err);

/* Other costs than those measured; zeroed: lsb_replay. */
struct lsb_replay_costs {
	int is_balanced;  /* each step takes the mean of its stages' times on all of them */
	double message_s; /* of any message: hidden states to the next stage, ids back to the first */
	double token_s;	  /* on top of it, of each token's hidden states */
};

/* The same with `costs`. */
int lsb_replay_with(const struct lsb_rank_records *stages, size_t n_stages,
		    const struct lsb_replay_costs *costs, double *makespan_s, struct lsb_error *err);

/* Whether a compute record is a decode step: every token of it wants output; else it has prompts. */
int lsb_step_is_decode(const struct lsb_record *step);

#endif
