/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that replicas share out during the run: balance = dynamic.
 *
 * Every first stage holds all requests. Those that have arrived when the run begins
 * go to the replicas in turn, as many as fill their slots; from then on the first
 * stage of replica 0 is the dispatcher, and the others claim from it over the
 * transport. A claim says how many requests its replica could start now or soon, and
 * how many tokens their prompts may have (lsb_scheduler_wants_soon); the grant names as
 * many as have arrived by then, or waits at the dispatcher until one has. The dispatcher takes its own part
 *likewise, in turn with the others. It answers from its loop and, while it computes, from between layers.
 *
 *	claim: n, prompt tokens (4 B each)      grant: n, is_last, indices (4 B each)
 *
 * A claimer that is gone has what it claimed; with the dispatcher goes all that
 * was not handed out. Nothing here allocates, logs or locks once it has begun.
 */
#ifndef LSB_DISPATCH_H
#define LSB_DISPATCH_H

#include "node/link.h"
#include "schedule/scheduler.h"

struct lsb_dispatch_setup {
	uint32_t replica, replicas;
	uint32_t stages;		/* of each: the first stage of replica r is rank r x stages */
	uint32_t slots;			/* of each: what a claim asks for at most */
	struct lsb_sequence *sequences; /* [n], the caller's, equal on all first stages */
	uint32_t n;
};

struct lsb_dispatch;

/* Messages pending at once at most, of any first stage. */
uint32_t lsb_dispatch_messages(uint32_t replicas);
int lsb_dispatch_open(const struct lsb_dispatch_setup *setup, struct lsb_link *link,
		      struct lsb_dispatch **out, struct lsb_error *err);
/* NULL is fine. */
void lsb_dispatch_close(struct lsb_dispatch *d);
/* Post all receives; every first stage has done so before any begins. */
int lsb_dispatch_post(struct lsb_dispatch *d, struct lsb_error *err);

/* Deal out what is there at the start, into `scheduler`, which has room for all requests. */
void lsb_dispatch_begin(struct lsb_dispatch *d, struct lsb_scheduler *scheduler);

/*
 * Go by what has come at `now_ns` of the run: claims are noted and granted, granted
 * requests scheduled, and the next claim is sent. 1: something was done, 0, or an
 * error. [hot]
 */
int lsb_dispatch_move(struct lsb_dispatch *d, uint64_t now_ns, struct lsb_error *err);
/* Something has come that lsb_dispatch_move has not seen. [hot] */
int lsb_dispatch_has_news(const struct lsb_dispatch *d);
/* A dispatcher with claims that wait: when the next request arrives; else LSB_NEVER. [hot] */
uint64_t lsb_dispatch_next_arrival(const struct lsb_dispatch *d);
/* Everything is handed out, and whoever claims has been told or is gone. [hot] */
int lsb_dispatch_is_over(const struct lsb_dispatch *d);
/* This is the dispatcher, which others wait for. [hot] */
int lsb_dispatch_serves(const struct lsb_dispatch *d);
/* A box with messages on their way, or NULL. [hot] */
const struct lsb_box *lsb_dispatch_busy(const struct lsb_dispatch *d);

/* Which replica has request `i`; -1: none, or on a claimer another one. */
int32_t lsb_dispatch_owner(const struct lsb_dispatch *d, uint32_t i);

#endif
