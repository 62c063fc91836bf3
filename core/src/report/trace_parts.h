/* SPDX-License-Identifier: Apache-2.0 */
/* What trace.c (launches, the file) and trace_events.c (a rank's events) share; nobody else includes it. */
#ifndef LSB_REPORT_TRACE_PARTS_H
#define LSB_REPORT_TRACE_PARTS_H

#include "measure/launch_ledger.h"
#include "measure/records.h"
#include "report/parts.h"

enum lsb_track { TRACK_COMPUTE = 1, TRACK_TRANSPORT, TRACK_SCHEDULE, TRACK_ARRIVALS, TRACKS_END };

/* One message's hand-over. */
struct lsb_hand_over {
	int32_t from;
	const struct lsb_record *send;
};

/* What is being written. */
struct lsb_trace {
	struct lsb_text text;
	int has_event;
	uint64_t next_flow;
};

/* One pipeline of one launch. */
struct lsb_scene {
	struct lsb_pipeline pipeline;
	struct lsb_hand_over *sends; /* [n_sends], sorted; owned */
	size_t n_sends;
	uint64_t zero_ns; /* when the launch's run began: 0 in the trace */
	uint64_t cut_ns;  /* nothing that ends later is shown */
	int first_pid;	  /* of rank 0 of the launch */
};

/* Begin an event; the caller adds it. */
struct lsb_text *lsb_trace_event(struct lsb_trace *t);
/* A name for a process or a track, in JSON's own quoting. */
void lsb_trace_name(struct lsb_trace *t, const char *what, int pid, int tid, const char *name);
/* Microseconds in the trace. */
double lsb_trace_us(const struct lsb_scene *s, uint64_t ns);

/* Set s->sends, which arrows begin at; -1 without memory. */
int lsb_trace_sends(struct lsb_scene *s);
/* All events of stage `k` of the pipeline. */
int lsb_trace_rank(struct lsb_trace *t, const struct lsb_scene *s, size_t k, struct lsb_error *err);

#endif
