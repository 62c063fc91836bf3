/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a traced transport did: a bounded list of events, and the messages that
 * are on their way. Pure memory: events.c adds to it while the run is timed
 * (nothing allocates there), write.c renders it afterwards.
 */
#ifndef LSB_TRACE_EVENTS_H
#define LSB_TRACE_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum trace_kind {
	TRACE_ISEND = 0,
	TRACE_IRECV,
	TRACE_WAIT_ANY, /* consecutive waits that found nothing are one event */
	TRACE_BARRIER,
	TRACE_CONNECT,
	TRACE_PROGRESS,
	TRACE_SENT,	/* a message, from isend to its completion */
	TRACE_RECEIVED, /* likewise, from irecv */
	TRACE_KINDS,
};

struct trace_event {
	uint64_t t0_ns, t1_ns;
	uint64_t bytes;	     /* of the buffer for a call, of the message for a message */
	uint64_t arrived_ns; /* of a received message; 0: not told */
	uint32_t kind;	     /* enum trace_kind */
	int32_t peer;	     /* -1: none */
	uint32_t tag;
	int32_t status;
	uint32_t asked; /* requests of a wait; how often of a progress */
	uint32_t looks; /* waits that this event stands for */
};

/* A message on its way. */
struct trace_pending {
	uint64_t t0_ns, bytes;
	uint32_t request, tag;
	int32_t peer;
	uint32_t is_send;
};

struct trace_events {
	struct trace_event *events; /* [max] */
	size_t n, max;
	uint64_t left_out;	       /* for want of room */
	struct trace_pending *pending; /* [max_pending] */
	size_t n_pending, max_pending;
};

/* A place for an event, filled from t0 on; one that is thrown away when there is no room. */
struct trace_event *trace_add(struct trace_events *t, enum trace_kind kind, uint64_t t0_ns, uint64_t t1_ns);
/* A wait that ended with `n_done` completions. */
void trace_wait(struct trace_events *t, uint64_t t0_ns, uint64_t t1_ns, size_t asked, size_t n_done,
		int status);
/* A message has begun. */
void trace_begin(struct trace_events *t, const struct trace_pending *message);
/* A message has ended at `t1_ns`; `bytes` of it. */
void trace_end(struct trace_events *t, uint32_t request, uint64_t t1_ns, uint64_t bytes, uint64_t arrived_ns,
	       int32_t status);

/*
 * Chrome trace events (JSON object format); times in microseconds of the host's clock. 0, or -1 with errno.
 */
int trace_write(const struct trace_events *t, FILE *to, int rank, const char *transport);

#endif
