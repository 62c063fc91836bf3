/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage loop: one rank's part of every step.
 *
 * The first stage asks the scheduler for steps, sends their plans ahead to all
 * later stages, computes, passes hidden states on, and gets sampled ids back. A
 * later stage follows the plans in order. One loop serves all: start what can
 * start, finish the oldest ticket, and only when neither is possible block for
 * the one message that is needed next.
 *
 * Time. A rank is always in one of four states, and writes each down as it
 * leaves it: in a ticket (COMPUTE), blocked for a message (BLOCK), without any
 * request to serve (IDLE, first stages only), or doing its own work (SCHEDULE, with
 * SEND and COPY inside). So a ledger of it closes.
 *
 * Nothing here allocates, logs or locks once open.
 */
#ifndef LSB_STAGE_H
#define LSB_STAGE_H

#include <stdatomic.h>

#include "lsbench/backend.h"
#include "lsbench/transport.h"
#include "node/dispatch.h"
#include "node/link.h"
#include "node/plan.h"
#include "node/recorder.h"
#include "schedule/scheduler.h"

/* Told of ids as they become available to the workload. [hot] */
struct lsb_token_sink {
	void (*tokens)(void *user, struct lsb_sequence *const *touched, uint32_t n, uint64_t now_ns);
	void *user;
};

/* What the watchers of a run may look at and ask for; written with relaxed atomics. */
struct lsb_stage_status {
	_Atomic uint64_t steps;	    /* completed by this stage */
	_Atomic uint64_t tokens;    /* generated, on a first stage */
	_Atomic uint64_t idled;	    /* looks at the clock of a first stage that has no request to serve */
	_Atomic uint32_t cancelled; /* set: end soon with LSB_ECANCELED */
};

/* Fixed for the launch. */
struct lsb_stage_setup {
	const struct lsb_loaded *backend;
	struct lsb_backend *backend_handle;
	const struct lsb_backend_info *info;
	const struct lsb_loaded *transport; /* NULL when there is one rank */
	struct lsb_transport *transport_handle;
	struct lsb_recorder *recorder;
	struct lsb_stage_status *status;
	uint32_t stage, stages;
	int32_t first_rank; /* rank of this pipeline's stage 0 */
	uint32_t window;    /* steps on their way at most */
	uint32_t tickets;   /* steps unfinished in the backend at most */
	struct lsb_plan_limits limits;
	const struct lsb_dispatch_setup *dispatch; /* first stages that share out requests; NULL: none */
	uint64_t max_message_bytes;		   /* that the transport was promised */
	uint64_t timeout_ns;			   /* without any message or ticket */
};

struct lsb_stage;

int lsb_stage_open(const struct lsb_stage_setup *setup, struct lsb_stage **out, struct lsb_error *err);

/*
 * Let steps of a failed pass end, as they write to this stage's memory. Before
 * the transport is closed; lsb_stage_close comes after that and before the
 * backend is closed. NULL is fine for both.
 */
void lsb_stage_settle(struct lsb_stage *s);
void lsb_stage_close(struct lsb_stage *s);

/* Post all receives. Every rank has done so before any rank runs a pass. */
int lsb_stage_post(struct lsb_stage *s, struct lsb_error *err);

/* What its requests are shared out by; NULL without a setup for it. */
struct lsb_dispatch *lsb_stage_dispatch(const struct lsb_stage *s);

/* "direct" or "staged": how hidden states reach the transport. */
const char *lsb_stage_path(const struct lsb_stage *s);

/*
 * What a message of hidden states of `n_tokens` has in bytes, and the enum lsb_mem that the transport moves.
 */
uint64_t lsb_stage_hidden_bytes(const struct lsb_stage *s, uint32_t n_tokens);
uint32_t lsb_stage_wire_mem(const struct lsb_stage *s);

/* Views; the first two on a first stage alone. */
struct lsb_pass {
	struct lsb_scheduler *scheduler;
	const struct lsb_token_sink *sink;
	int shares;	   /* requests are shared out, as lsb_dispatch_begin has begun */
	uint64_t t0_ns;	   /* the run begins: the scheduler's time 0 */
	uint64_t since_ns; /* this rank's own time counts from here: when it arrived where all ranks start
			      from, so that a late start is in its ledger too */
};

/*
 * One pass over all sequences of the scheduler, or on a later stage until the first
 * says that the pass is over. [rank]
 */
int lsb_stage_pass(struct lsb_stage *s, const struct lsb_pass *pass, struct lsb_error *err);

/* lsb_host.progress of the rank: move messages on from inside a backend's step. [hot] */
int lsb_stage_progress(void *stage);

#endif
