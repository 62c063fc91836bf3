/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-fault from inside: another transport, with a worse network.
 *
 *	emulate.c	when a slow link delivers a message (pure)
 *	misfortune.c	what befalls the n-th message or call (pure)
 *	messages.c	isend, irecv, wait_any over the inner transport
 *	plugin.c	options, open, close and what is passed through
 *
 * How a message is delayed. Nothing holds the sender up, and the delay must not
 * depend on how often either end calls in. So the sender hands every message to
 * the inner transport at once, together with a stamp: a small message under a tag
 * of its own that says when the emulated link (emulate.h) delivers it. The
 * receiver has both, but does not tell before that time: for the receiver, the
 * message is on its way until then. Ranks of one machine and time namespace share
 * a clock, so the stamp is a time; between others it counts from when the message
 * was found.
 *
 * A delay is a lower bound: what the inner transport needs runs at the same time,
 * and shows only where it is longer. A send is complete when the inner one is; the
 * emulated queue behind it has no bound.
 *
 * A message that is lost is taken and never sent; the next one under its tag takes
 * its place, as on a network that nobody repairs. A link that is reset ends the
 * inner transport on this rank: the others see what they would see of its death.
 * Wire counters are the inner transport's, stamps included.
 */
#ifndef LSB_FAULT_H
#define LSB_FAULT_H

#include "emulate.h"
#include "lsbench/host.h"
#include "lsbench/transport.h"
#include "misfortune.h"

struct fault_options {
	uint64_t delay_ns, jitter_ns, bandwidth;
	int64_t drop_after, from_rank, seed;
	int64_t drop_at, truncate_at, corrupt_at, reset_at, fail_at, only_tag;
	uint32_t fail_op, reserved; /* enum fault_op */
};

enum { STAMP_BYTES = 24 };

/* One message: two of the inner transport's. */
struct request {
	struct lsb_buf data, stamp; /* views that the inner transport holds on to */
	void *corrupted;	    /* what `data` views where the caller's bytes must not change */
	uint32_t inner[2];	    /* its requests: data, stamp */
	uint32_t left;		    /* bit i: inner[i] is not complete */
	uint32_t is_live, is_send;
	int32_t status;
	int32_t peer;
	uint64_t bytes;
	uint64_t found_ns;   /* when both were complete; arrival where the inner transport tells it */
	uint64_t arrived_ns; /* 0: unknown */
	uint8_t bytes_of_stamp[STAMP_BYTES];
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct fault_options *options;
	const struct lsb_world *world;
	const struct lsb_transport_ops *ops; /* the inner transport's */
	struct lsb_transport *inner;	     /* NULL once a link was reset */
	struct lsb_world inner_world;
	uint64_t clock; /* equal for ranks whose now_ns is of one clock */
	struct fault_rules rules;
	struct fault_misfortune misfortune;
	struct fault_link *links; /* [size], to each peer */
	uint64_t *sent;		  /* [size], messages to each peer that `from_rank` and `only_tag` mean */
	struct request *requests; /* [max_requests] */
	uint32_t *asked;	  /* [2 * max_requests], inner requests of a wait */
	struct lsb_completion *answers; /* [2 * max_requests] */
	struct lsb_error broken;	/* .code 0: whole */
};

static inline uint64_t fault_now(const struct lsb_transport *t)
{
	return t->host->now_ns(t->host->context);
}

/* LSB_OK, or the failure that is due at this call of `op`; it lasts. */
int fault_call(struct lsb_transport *t, enum fault_op op, struct lsb_error *err);
/* The link with `peer` is reset now. */
int fault_reset(struct lsb_transport *t, int32_t peer, struct lsb_error *err);

/* messages.c */
int fault_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		uint32_t *request, struct lsb_error *err);
int fault_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		uint32_t *request, struct lsb_error *err);
int fault_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		   struct lsb_completion *done, size_t *n_done, struct lsb_error *err);

#endif
