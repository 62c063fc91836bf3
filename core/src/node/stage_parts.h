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
	int32_t *ids;  /* [max_outputs], owned; on the last stage */
	int needs_ids; /* on a first stage: what the scheduler said of the step */
	uint64_t submitted_ns;
};

struct lsb_stage {
	struct lsb_stage_setup setup;
	struct lsb_link link;
	int is_first, is_last, is_inline, staged;
	int tells_times;		    /* the backend computes beside its caller, and tells when */
	struct lsb_box plan_in, hidden_in;  /* later stages */
	struct lsb_box ids_in;		    /* first of several */
	struct lsb_box *plans_out;	    /* [stages - 1], first of several */
	struct lsb_box hidden_out, ids_out; /* to the next; to the first */
	struct lsb_dispatch *dispatch;	    /* first stages that share out requests, else NULL; owned */
	struct lsb_work *works;		    /* [tickets], a ring */
	uint32_t first_work, n_works;
	uint32_t wire_mem;	       /* enum lsb_mem of hidden states on the transport */
	uint32_t next_step;	       /* number of the next step to start */
	uint32_t next_ids;	       /* number of the step whose ids are due */
	struct lsb_sequence **touched; /* [max_outputs] */
	uint64_t progressed_ns;
	/* What this rank is in, and since when; the times of the other states are 0. */
	uint64_t own_since_ns, ticket_since_ns;
	uint64_t computed_ns;	     /* where the backend tells times: when it ended the step before */
	uint32_t own_lane, own_step; /* the step that own work was for; lane ~0u: none */
	/* of the pass */
	struct lsb_scheduler *scheduler;
	const struct lsb_token_sink *sink;
	uint64_t t0_ns; /* when it began: the scheduler's time 0 */
	int has_plan;	/* the next work's plan has come, its hidden states have not */
	int pass_over;
	int shares;		      /* requests are shared out */
	struct lsb_error share_error; /* of doing so from inside a step; told by the loop */
};

enum { LSB_STAGE_SLICE_NS = 50 * 1000 * 1000 }; /* longest block between looks at `cancelled` */

/* --- stage_messages.c; all [hot] ------------------------------------------------------- */

/* LSB_ECANCELED once the run was ended from outside. */
int lsb_stage_check_cancelled(const struct lsb_stage *s, struct lsb_error *err);
/* Own work ends at `now`: the rank goes into a ticket or blocks. */
void lsb_stage_close_own_work(struct lsb_stage *s, uint64_t now);
/*
 * Blocked from t0 until now, for `message` of `box` that came or is still due, or for room to send it; own
 * work begins.
 */
void lsb_stage_record_block(struct lsb_stage *s, const struct lsb_box *box, const struct lsb_message *message,
			    uint64_t t0);
/* The step of `work` is complete, as was seen when own work began: write down when it was computed. */
int lsb_stage_record_compute(struct lsb_stage *s, const struct lsb_work *work, struct lsb_error *err);
/* No request to serve and none on its way: until the next arrives at `until`, or some message comes. */
int lsb_stage_idle(struct lsb_stage *s, uint64_t until, struct lsb_error *err);
/* Wait a slice of time for any message, `until` at the longest; for one of `box` since t0. */
int lsb_stage_block_slice(struct lsb_stage *s, const struct lsb_box *box, uint64_t t0, uint64_t until,
			  struct lsb_error *err);
/* Share out requests by what has come: 1 when something was done, 0, or an error. */
int lsb_stage_share(struct lsb_stage *s, struct lsb_error *err);
/* A free buffer of `box`, which may have to be waited for. */
int lsb_stage_acquire(struct lsb_stage *s, struct lsb_box *box, struct lsb_message **out,
		      struct lsb_error *err);
/* Tell a plan to all later stages. */
int lsb_stage_send_plans(struct lsb_stage *s, const struct lsb_plan *plan, struct lsb_error *err);
/* Tell the first stage what a step gave. */
int lsb_stage_send_ids(struct lsb_stage *s, const struct lsb_work *work, struct lsb_error *err);

#endif
