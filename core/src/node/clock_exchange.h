/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much more a neighbour's clock shows: small messages to and fro over the
 * launch's own transport (method.md section 4; measure/clock.h makes clocks of
 * what is found here).
 *
 * Rank r asks rank r + 1, for the pairs that do not share a clock. First the
 * pairs whose lower rank is even, then the others, so that nobody is asked while
 * asking. Of each batch of exchanges only the one with the shortest round trip is
 * kept. Before the run and after it, never while it is timed.
 */
#ifndef LSB_CLOCK_EXCHANGE_H
#define LSB_CLOCK_EXCHANGE_H

#include "lsbench/transport.h"
#include "node/stage.h"
#include "plugin/loader.h"

enum {
	LSB_CLOCK_BATCHES = 4,	     /* of exchanges, each time */
	LSB_CLOCK_TIMES = 2,	     /* before the run, after it */
	LSB_CLOCK_MESSAGE_BYTES = 24 /* number of the exchange, and two times or a flag */
};

/* One kept exchange, in nanoseconds. */
struct lsb_clock_sample {
	uint64_t at_ns;	   /* on this rank's clock, in the middle of it */
	int64_t offset_ns; /* what rank + 1 showed more */
	uint64_t rtt_ns;   /* less the time that rank + 1 had it */
};

struct lsb_clock_exchange {
	const struct lsb_loaded *transport;
	struct lsb_transport *transport_handle;
	const struct lsb_stage_status *status; /* to see whether the run was ended from outside */
	int32_t rank;
	int asks, answers;   /* rank + 1 has a clock of its own; rank - 1 has */
	uint64_t timeout_ns; /* for one message */
	/* A question may come while this rank asks: its memory is apart. */
	struct lsb_clock_message {
		unsigned char bytes[LSB_CLOCK_MESSAGE_BYTES];
		struct lsb_buf buf; /* of these */
	} question, reply, sent;
	uint32_t posted; /* request of the question that is expected */
	struct lsb_clock_sample samples[LSB_CLOCK_TIMES * LSB_CLOCK_BATCHES];
	size_t n_samples;
};

/* Expect the first question. All ranks have done so before any calls lsb_clock_exchange_run. */
int lsb_clock_exchange_post(struct lsb_clock_exchange *x, struct lsb_error *err);
/* Ask and answer; adds up to LSB_CLOCK_BATCHES samples. [rank] */
int lsb_clock_exchange_run(struct lsb_clock_exchange *x, struct lsb_error *err);

#endif
