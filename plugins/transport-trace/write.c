/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as text, in the Trace Event Format that chrome://tracing and Perfetto
 * open: calls are complete events ("X") of the rank's thread, messages pairs of
 * asynchronous ones ("b", "e"), as several are on their way at once.
 */
#include <inttypes.h>

#include "events.h"

static const char *const names[TRACE_KINDS] = { "isend",   "irecv",    "wait_any", "barrier",
						"connect", "progress", "send",	   "receive" };

/* "1234.567": microseconds of a time in nanoseconds. */
#define US(ns) (uint64_t)(ns) / 1000, (unsigned)((ns) % 1000)
#define US_FORMAT "%" PRIu64 ".%03u"

static void write_call(const struct trace_event *e, FILE *to, int rank)
{
	fprintf(to,
		"{\"name\":\"%s\",\"cat\":\"call\",\"ph\":\"X\",\"pid\":%d,\"tid\":0,\"ts\":" US_FORMAT
		",\"dur\":" US_FORMAT ",\"args\":{\"status\":%d",
		names[e->kind], rank, US(e->t0_ns), US(e->t1_ns - e->t0_ns), e->status);
	if (e->peer >= 0)
		fprintf(to, ",\"peer\":%d,\"tag\":%u,\"bytes\":%" PRIu64, e->peer, e->tag, e->bytes);
	if (e->kind == TRACE_WAIT_ANY)
		fprintf(to, ",\"asked\":%u,\"looks\":%u", e->asked, e->looks);
	fputs("}}", to);
}

static void write_message(const struct trace_event *e, FILE *to, int rank, size_t id)
{
	const char *way = e->kind == TRACE_SENT ? "to" : "from";

	for (int end = 0; end < 2; end++) {
		fprintf(to,
			"%s{\"name\":\"%s %s %d tag "
			"%u\",\"cat\":\"message\",\"ph\":\"%c\",\"pid\":%d,\"tid\":0,"
			"\"id\":\"%d.%zu\",\"ts\":" US_FORMAT ",\"args\":{",
			end ? ",\n" : "", names[e->kind], way, e->peer, e->tag, end ? 'e' : 'b', rank, rank,
			id, US(end ? e->t1_ns : e->t0_ns));
		if (end)
			fprintf(to, "\"peer\":%d,\"tag\":%u,\"bytes\":%" PRIu64 ",\"status\":%d", e->peer,
				e->tag, e->bytes, e->status);
		if (end && e->arrived_ns)
			fprintf(to, ",\"arrived_us\":" US_FORMAT, US(e->arrived_ns));
		fputs("}}", to);
	}
}

int trace_write(const struct trace_events *t, FILE *to, int rank, const char *transport)
{
	fprintf(to,
		"{\"displayTimeUnit\":\"ms\",\"otherData\":{\"clock\":\"CLOCK_MONOTONIC of the rank's host, "
		"us\","
		"\"rank\":%d,\"transport\":\"%s\",\"events\":%zu,\"left_out\":%" PRIu64
		",\"never_completed\":%zu},\n\"traceEvents\":[\n"
		"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":0,"
		"\"args\":{\"name\":\"rank %d, transport %s\"}}",
		rank, transport, t->n, t->left_out, t->n_pending, rank, rank, transport);
	for (size_t i = 0; i < t->n; i++) {
		fputs(",\n", to);
		if (t->events[i].kind == TRACE_SENT || t->events[i].kind == TRACE_RECEIVED)
			write_message(&t->events[i], to, rank, i);
		else
			write_call(&t->events[i], to, rank);
	}
	fputs("\n]}\n", to);
	return ferror(to) ? -1 : 0;
}
