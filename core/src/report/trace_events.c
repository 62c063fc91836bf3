/* SPDX-License-Identifier: Apache-2.0 */
/* The records of one rank as events of trace.json: intervals on its tracks, arrivals, and arrows between
 * ranks. */
#include <inttypes.h>
#include <stdlib.h>

#include "report/trace_parts.h"

enum { ARRIVAL_NS = 100 }; /* how wide an arrival, which is a moment, is drawn */

double lsb_trace_us(const struct lsb_scene *s, uint64_t ns)
{
	return (ns >= s->zero_ns ? (double)(ns - s->zero_ns) : -(double)(s->zero_ns - ns)) * 1e-3;
}

static int is_shown(const struct lsb_scene *s, const struct lsb_record *r)
{
	return r->t1_ns >= r->t0_ns && r->t0_ns >= s->pipeline.t0_ns && r->t1_ns <= s->cut_ns;
}

static const char *tag_name(uint32_t tag)
{
	return tag == LSB_TAG_PLAN     ? "plan"
	       : tag == LSB_TAG_HIDDEN ? "hidden states"
	       : tag == LSB_TAG_IDS    ? "ids"
	       : tag == LSB_TAG_CLAIM  ? "claim"
	       : tag == LSB_TAG_GRANT  ? "grant"
				       : "message";
}

/* --- events ---------------------------------------------------------------------------- */

struct lsb_text *lsb_trace_event(struct lsb_trace *t)
{
	lsb_text_add(&t->text, "%s", t->has_event ? ",\n" : "\n");
	t->has_event = 1;
	return &t->text;
}

void lsb_trace_name(struct lsb_trace *t, const char *what, int pid, int tid, const char *name)
{
	json_t *value = json_string(name);
	char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	lsb_text_add(lsb_trace_event(t),
		     "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":%s}}", what, pid,
		     tid, quoted ? quoted : "\"\"");
	free(quoted);
	json_decref(value);
}

/* The head of an interval; the caller adds its args and the closing braces. */
static struct lsb_text *slice(struct lsb_trace *t, const struct lsb_scene *s, int pid, enum lsb_track track,
			      uint64_t from_ns, uint64_t to_ns)
{
	struct lsb_text *to = lsb_trace_event(t);

	lsb_text_add(to, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,", pid, (int)track,
		     lsb_trace_us(s, from_ns), lsb_trace_us(s, to_ns) - lsb_trace_us(s, from_ns));
	return to;
}

static void compute_slice(struct lsb_trace *t, const struct lsb_scene *s, int pid, const struct lsb_record *r)
{
	const char *phase = lsb_is_decode(r->aux, r->aux2) ? "decode" : "prefill";

	lsb_text_add(slice(t, s, pid, TRACK_COMPUTE, r->t0_ns, r->t1_ns),
		     "\"cat\":\"compute\",\"name\":\"%s group %u, %" PRIu64
		     " tok\",\"args\":{\"step\":%u,\"group\":%u,\"tokens\":%" PRIu64 ",\"outputs\":%" PRIu64
		     ",\"phase\":\"%s\"}}",
		     phase, r->group, r->aux, r->step, r->group, r->aux, r->aux2, phase);
}

static void message_slice(struct lsb_trace *t, const struct lsb_scene *s, int pid, const struct lsb_record *r,
			  enum lsb_track track, uint64_t from_ns, uint64_t to_ns, const char *what)
{
	lsb_text_add(
		slice(t, s, pid, track, from_ns, to_ns),
		"\"cat\":\"transport\",\"name\":\"%s: %s\",\"args\":{\"peer\":%d,\"tag\":%u,\"sequence\":%u,"
		"\"bytes\":%" PRIu64 "}}",
		what, tag_name(r->tag), r->peer, r->tag, r->sequence, r->bytes);
}

/* A block, as what the ledger says of it: its parts one behind the other. */
static void block_slices(struct lsb_trace *t, const struct lsb_scene *s, int pid,
			 const struct lsb_division *d, const struct lsb_record *r)
{
	static const enum lsb_part parts[] = { LSB_PART_WAIT, LSB_PART_WAIT_TRANSFER, LSB_PART_TRANSFER };
	uint64_t at = r->t0_ns;

	for (size_t i = 0; i < LSB_COUNT(parts); i++) {
		const struct lsb_spans *spans = &d->parts[parts[i]];
		const size_t k = lsb_spans_find(spans, at);

		if (k == spans->n || spans->list[k].from > at || spans->list[k].to > r->t1_ns)
			continue;
		message_slice(t, s, pid, r, TRACK_TRANSPORT, at, spans->list[k].to, lsb_part_name(parts[i]));
		at = spans->list[k].to;
	}
	if (at < r->t1_ns)
		message_slice(t, s, pid, r, TRACK_TRANSPORT, at, r->t1_ns, "hand-over");
}

/* --- arrows ---------------------------------------------------------------------------- */

static int compare_sends(const void *a, const void *b)
{
	const struct lsb_hand_over *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->send->peer != y->send->peer)
		return x->send->peer < y->send->peer ? -1 : 1;
	if (x->send->tag != y->send->tag)
		return x->send->tag < y->send->tag ? -1 : 1;
	return (x->send->sequence > y->send->sequence) - (x->send->sequence < y->send->sequence);
}

int lsb_trace_sends(struct lsb_scene *s)
{
	const struct lsb_pipeline *p = &s->pipeline;
	size_t n = 0;

	for (size_t k = 0; k < p->n; k++)
		n += p->stages[k].n;
	s->sends = malloc((n + 1) * sizeof(*s->sends));
	if (!s->sends)
		return -1;
	for (size_t k = 0; k < p->n; k++)
		for (size_t i = 0; i < p->stages[k].n; i++)
			if (p->stages[k].records[i].kind == LSB_REC_SEND)
				s->sends[s->n_sends++] =
					(struct lsb_hand_over){ p->stages[k].rank, &p->stages[k].records[i] };
	qsort(s->sends, s->n_sends, sizeof(*s->sends), compare_sends);
	return 0;
}

/* A message's arrival on `rank`, drawn from `at_ns`, and the arrow to it. */
static void arrival(struct lsb_trace *t, const struct lsb_scene *s, int32_t rank, const struct lsb_record *r,
		    uint64_t at_ns)
{
	struct lsb_record wanted = { .peer = rank, .tag = r->tag, .sequence = r->sequence };
	const struct lsb_hand_over key = { r->peer, &wanted };
	const struct lsb_hand_over *found = bsearch(&key, s->sends, s->n_sends, sizeof(key), compare_sends);
	const int pid = s->first_pid + rank;

	message_slice(t, s, pid, r, TRACK_ARRIVALS, at_ns, at_ns + ARRIVAL_NS, "received");
	if (!found || !is_shown(s, found->send))
		return;
	t->next_flow++;
	lsb_text_add(lsb_trace_event(t),
		     "{\"ph\":\"s\",\"id\":%" PRIu64
		     ",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"cat\":\"message\",\"name\":\"%s\"}",
		     t->next_flow, s->first_pid + found->from, (int)TRACK_TRANSPORT,
		     lsb_trace_us(s, found->send->t0_ns), tag_name(r->tag));
	lsb_text_add(lsb_trace_event(t),
		     "{\"ph\":\"f\",\"bp\":\"e\",\"id\":%" PRIu64
		     ",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"cat\":\"message\",\"name\":\"%s\"}",
		     t->next_flow, pid, (int)TRACK_ARRIVALS, lsb_trace_us(s, at_ns), tag_name(r->tag));
}

static int compare_arrivals(const void *a, const void *b)
{
	const struct lsb_record *x = *(const struct lsb_record *const *)a,
				*y = *(const struct lsb_record *const *)b;

	if (x->t1_ns != y->t1_ns)
		return x->t1_ns < y->t1_ns ? -1 : 1;
	return x < y ? -1 : 1;
}

/* All messages that came to a rank. Arrivals at one moment are drawn side by side. */
static int arrivals(struct lsb_trace *t, const struct lsb_scene *s, const struct lsb_rank_records *rank)
{
	const struct lsb_record **list = malloc((rank->n + 1) * sizeof(*list));
	uint64_t at = 0;
	size_t n = 0;

	if (!list)
		return -1;
	for (size_t i = 0; i < rank->n; i++) {
		const struct lsb_record *r = &rank->records[i];

		if (r->kind == LSB_REC_RECV && r->t1_ns >= s->pipeline.t0_ns && r->t1_ns <= s->cut_ns)
			list[n++] = r;
	}
	qsort(list, n, sizeof(*list), compare_arrivals);
	for (size_t i = 0; i < n; i++) {
		at = list[i]->t1_ns > at ? list[i]->t1_ns : at;
		arrival(t, s, rank->rank, list[i], at);
		at += ARRIVAL_NS;
	}
	free(list);
	return 0;
}

int lsb_trace_rank(struct lsb_trace *t, const struct lsb_scene *s, size_t k, struct lsb_error *err)
{
	const struct lsb_pipeline *p = &s->pipeline;
	const struct lsb_rank_records *rank = &p->stages[k];
	const int pid = s->first_pid + rank->rank;
	struct lsb_division division;
	int rc = lsb_divide(p->stages, p->n, k, p->t0_ns, p->t1_ns, &division, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < rank->n; i++) {
		const struct lsb_record *r = &rank->records[i];

		if (!is_shown(s, r))
			continue;
		if (r->kind == LSB_REC_COMPUTE)
			compute_slice(t, s, pid, r);
		else if (r->kind == LSB_REC_BLOCK)
			block_slices(t, s, pid, &division, r);
		else if (r->kind == LSB_REC_SEND)
			message_slice(t, s, pid, r, TRACK_TRANSPORT, r->t0_ns, r->t1_ns, "send");
		else if (r->kind == LSB_REC_COPY)
			message_slice(t, s, pid, r, TRACK_TRANSPORT, r->t0_ns, r->t1_ns, "copy");
		else if (r->kind == LSB_REC_IDLE)
			lsb_text_add(slice(t, s, pid, TRACK_SCHEDULE, r->t0_ns, r->t1_ns),
				     "\"cat\":\"schedule\",\"name\":\"no request\",\"args\":{}}");
		else if (r->kind == LSB_REC_TICKET)
			lsb_text_add(slice(t, s, pid, TRACK_SCHEDULE, r->t0_ns, r->t1_ns),
				     "\"cat\":\"schedule\",\"name\":\"ticket\",\"args\":{\"step\":%u}}",
				     r->step);
		else if (r->kind == LSB_REC_SCHEDULE)
			lsb_text_add(slice(t, s, pid, TRACK_SCHEDULE, r->t0_ns, r->t1_ns),
				     "\"cat\":\"schedule\",\"name\":\"own work\",\"args\":{}}");
	}
	lsb_division_free(&division);
	if (arrivals(t, s, rank))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for trace.json");
	return rc;
}
