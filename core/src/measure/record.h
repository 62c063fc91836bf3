/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rank writes down while it runs: fixed-size intervals.
 *
 * Written by node/ into a buffer sized from the plan, read by measure/. Times
 * are the rank's CLOCK_MONOTONIC in nanoseconds. The file records/<launch>.bin
 * and the control channel carry them as they lie in memory (little-endian).
 */
#ifndef LSB_RECORD_H
#define LSB_RECORD_H

#include <stdint.h>

/* Kinds of interval; on one rank those marked T never overlap each other. */
enum lsb_record_kind {
	LSB_REC_COMPUTE =
		1, /* T: blocked in (or polling only for) a backend ticket; or, where the backend computes
		      beside its caller and tells when, when it was at the step, whatever the rank did
		      meanwhile, and a TICKET record says when that was blocked. aux = tokens, aux2 = outputs,
		      bytes = sum of the tokens' positions, which is what their attention looks back at */
	LSB_REC_BLOCK = 2, /* T: blocked in the transport until message (peer, tag, sequence) came; aux =
			      arrived_ns or 0 */
	LSB_REC_SEND =
		3, /* T: inside isend of (peer, tag, sequence); t0 is when the message was handed over */
	LSB_REC_COPY = 4,     /* T: staging between memory kinds */
	LSB_REC_SCHEDULE = 5, /* T: building a step, posting receives, handling ids */
	LSB_REC_IDLE = 7,     /* T: a first stage without any request to serve, until the next arrives */
	LSB_REC_TICKET = 8,   /* T: blocked in a ticket whose COMPUTE record has the backend's own times */
	LSB_REC_RECV = 6, /* point: message (peer, tag, sequence) was complete at t1 (found complete without
			     or after blocking); t0 = when its receive was posted; aux = arrived_ns or 0 */
};

/* Tags of the data plane. Sequence counts messages of one (from, to, tag), from 0, over warm-up and run. */
enum lsb_tag {
	LSB_TAG_PLAN = 1,
	LSB_TAG_HIDDEN = 2,
	LSB_TAG_IDS = 3,
	LSB_TAG_CLOCK = 4, /* never recorded */
	LSB_TAG_PROBE = 5, /* after the run, to measure the link; never recorded */
	LSB_TAG_CLAIM = 6, /* a first stage asks the dispatcher for requests ... */
	LSB_TAG_GRANT = 7, /* ... and gets them (node/dispatch.h) */
	LSB_TAG_LAST = LSB_TAG_GRANT,
};

/* What a step had to wait for beside its turn. */
enum lsb_step_needs {
	LSB_NEEDS_NOTHING = 0,
	LSB_NEEDS_IDS = 1, /* of all steps of its lane before it */
};

struct lsb_record {
	uint64_t t0_ns, t1_ns;
	uint64_t bytes;
	uint64_t aux, aux2;
	uint32_t kind;	   /* enum lsb_record_kind */
	int32_t peer;	   /* rank, or -1 */
	uint32_t tag;	   /* enum lsb_tag, or 0; of COMPUTE enum lsb_step_needs */
	uint32_t sequence; /* of the message, or the step's number on this stage */
	uint32_t group;	   /* lane of in_flight, or ~0u */
	uint32_t step;	   /* the step's number over the launch, warm-up included */
};

_Static_assert(sizeof(struct lsb_record) == 64, "records are 64 bytes");

#endif
