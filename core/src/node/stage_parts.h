/* SPDX-License-Identifier: Apache-2.0 */
/* What stage.c (the loop) and stage_open.c (its memory) share; nobody else includes it. */
#ifndef LSB_STAGE_PARTS_H
#define LSB_STAGE_PARTS_H

#include "node/stage.h"

/* A step in the backend. */
struct lsb_work {
	uint64_t ticket;
	struct lsb_plan plan; /* owned storage */
	struct lsb_batch batch;
	struct lsb_step_io io;
	int32_t *ids; /* [max_outputs], owned; on the last stage */
};

struct lsb_stage {
	struct lsb_stage_setup setup;
	struct lsb_link link;
	int is_first, is_last, is_inline, staged;
	struct lsb_box plan_in, hidden_in;  /* later stages */
	struct lsb_box ids_in;		    /* first of several */
	struct lsb_box *plans_out;	    /* [stages - 1], first of several */
	struct lsb_box hidden_out, ids_out; /* to the next; to the first */
	struct lsb_work *works;		    /* [tickets], a ring */
	uint32_t first_work, n_works;
	uint32_t next_step;	       /* number of the next step to start */
	uint32_t next_ids;	       /* number of the step whose ids are due */
	struct lsb_sequence **touched; /* [max_outputs] */
	uint64_t progressed_ns;
	/* What this rank is in, and since when; the times of the other states are 0. */
	uint64_t own_since_ns, ticket_since_ns;
	uint32_t own_lane, own_step; /* the step that own work was for; lane ~0u: none */
	/* of the pass */
	struct lsb_scheduler *scheduler;
	const struct lsb_token_sink *sink;
	int has_plan; /* the next work's plan has come, its hidden states have not */
	int pass_over;
};

/* Bytes of hidden states of `n_tokens`. */
uint64_t lsb_stage_hidden_bytes(const struct lsb_stage *s, uint32_t n_tokens);

#endif
