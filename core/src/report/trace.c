/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.json: the step records of the launch that stands for each point, in the
 * trace event format that Perfetto and chrome://tracing open.
 *
 * Each rank is a process with tracks for compute, transport, schedule and
 * arrivals; a point's ranks stand together, and every launch's run begins at 0.
 * Within a launch all times are on rank 0's clock. Intervals of one track never
 * overlap. An arrow leads from each send to where its message was found complete.
 *
 * The file is bounded: each point has an equal share of TRACE_EVENTS_MAX, and a
 * launch with more events is cut at the time where its share is used up. What was
 * cut, and which points kept no records, is said in "otherData".
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/launch_ledger.h"
#include "measure/records.h"
#include "report/parts.h"

enum {
	TRACE_EVENTS_MAX = 400000, /* some 60 MB */
	EVENTS_A_RECORD = 3,	   /* at most: a block in three parts; a message and both ends of its arrow */
	PIDS_A_POINT = 100000,	   /* above any number of ranks */
	ARRIVAL_NS = 100,	   /* how wide an arrival, which is a moment, is drawn */
};

enum track { TRACK_COMPUTE = 1, TRACK_TRANSPORT, TRACK_SCHEDULE, TRACK_ARRIVALS, TRACKS_END };

/* One message's hand-over. */
struct hand_over {
	int32_t from;
	const struct lsb_record *send;
};

/* What is being written. */
struct trace {
	struct lsb_text text;
	int has_event;
	uint64_t next_flow;
};

/* One pipeline of one launch. */
struct scene {
	struct lsb_pipeline pipeline;
	struct hand_over *sends; /* [n_sends], sorted; owned */
	size_t n_sends;
	uint64_t zero_ns; /* when the launch's run began: 0 in the trace */
	uint64_t cut_ns;  /* nothing that ends later is shown */
	int first_pid;	  /* of rank 0 of the launch */
};

static double us(const struct scene *s, uint64_t ns)
{
	return (ns >= s->zero_ns ? (double)(ns - s->zero_ns) : -(double)(s->zero_ns - ns)) * 1e-3;
}

static int is_shown(const struct scene *s, const struct lsb_record *r)
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

static struct lsb_text *begin_event(struct trace *t)
{
	lsb_text_add(&t->text, "%s", t->has_event ? ",\n" : "\n");
	t->has_event = 1;
	return &t->text;
}

/* A name for a process or a track, in JSON's own quoting. */
static void name_event(struct trace *t, const char *what, int pid, int tid, const char *name)
{
	json_t *value = json_string(name);
	char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	lsb_text_add(begin_event(t),
		     "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":%s}}", what, pid,
		     tid, quoted ? quoted : "\"\"");
	free(quoted);
	json_decref(value);
}

/* The head of an interval; the caller adds its args and the closing braces. */
static struct lsb_text *slice(struct trace *t, const struct scene *s, int pid, enum track track,
			      uint64_t from_ns, uint64_t to_ns)
{
	struct lsb_text *to = begin_event(t);

	lsb_text_add(to, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,", pid, (int)track,
		     us(s, from_ns), us(s, to_ns) - us(s, from_ns));
	return to;
}

static void compute_slice(struct trace *t, const struct scene *s, int pid, const struct lsb_record *r)
{
	const char *phase = lsb_is_decode(r->aux, r->aux2) ? "decode" : "prefill";

	lsb_text_add(slice(t, s, pid, TRACK_COMPUTE, r->t0_ns, r->t1_ns),
		     "\"cat\":\"compute\",\"name\":\"%s group %u, %" PRIu64
		     " tok\",\"args\":{\"step\":%u,\"group\":%u,\"tokens\":%" PRIu64 ",\"outputs\":%" PRIu64
		     ",\"phase\":\"%s\"}}",
		     phase, r->group, r->aux, r->step, r->group, r->aux, r->aux2, phase);
}

static void message_slice(struct trace *t, const struct scene *s, int pid, const struct lsb_record *r,
			  enum track track, uint64_t from_ns, uint64_t to_ns, const char *what)
{
	lsb_text_add(
		slice(t, s, pid, track, from_ns, to_ns),
		"\"cat\":\"transport\",\"name\":\"%s: %s\",\"args\":{\"peer\":%d,\"tag\":%u,\"sequence\":%u,"
		"\"bytes\":%" PRIu64 "}}",
		what, tag_name(r->tag), r->peer, r->tag, r->sequence, r->bytes);
}

/* A block, as what the ledger says of it: its parts one behind the other. */
static void block_slices(struct trace *t, const struct scene *s, int pid, const struct lsb_division *d,
			 const struct lsb_record *r)
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
	const struct hand_over *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->send->peer != y->send->peer)
		return x->send->peer < y->send->peer ? -1 : 1;
	if (x->send->tag != y->send->tag)
		return x->send->tag < y->send->tag ? -1 : 1;
	return (x->send->sequence > y->send->sequence) - (x->send->sequence < y->send->sequence);
}

static int collect_sends(struct scene *s)
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
					(struct hand_over){ p->stages[k].rank, &p->stages[k].records[i] };
	qsort(s->sends, s->n_sends, sizeof(*s->sends), compare_sends);
	return 0;
}

/* A message's arrival on `rank`, drawn from `at_ns`, and the arrow to it. */
static void arrival(struct trace *t, const struct scene *s, int32_t rank, const struct lsb_record *r,
		    uint64_t at_ns)
{
	struct lsb_record wanted = { .peer = rank, .tag = r->tag, .sequence = r->sequence };
	const struct hand_over key = { r->peer, &wanted };
	const struct hand_over *found = bsearch(&key, s->sends, s->n_sends, sizeof(key), compare_sends);
	const int pid = s->first_pid + rank;

	message_slice(t, s, pid, r, TRACK_ARRIVALS, at_ns, at_ns + ARRIVAL_NS, "received");
	if (!found || !is_shown(s, found->send))
		return;
	t->next_flow++;
	lsb_text_add(begin_event(t),
		     "{\"ph\":\"s\",\"id\":%" PRIu64
		     ",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"cat\":\"message\",\"name\":\"%s\"}",
		     t->next_flow, s->first_pid + found->from, (int)TRACK_TRANSPORT,
		     us(s, found->send->t0_ns), tag_name(r->tag));
	lsb_text_add(begin_event(t),
		     "{\"ph\":\"f\",\"bp\":\"e\",\"id\":%" PRIu64
		     ",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"cat\":\"message\",\"name\":\"%s\"}",
		     t->next_flow, pid, (int)TRACK_ARRIVALS, us(s, at_ns), tag_name(r->tag));
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
static int arrivals(struct trace *t, const struct scene *s, const struct lsb_rank_records *rank)
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

/* --- a launch -------------------------------------------------------------------------- */

static int trace_rank(struct trace *t, const struct scene *s, size_t k, struct lsb_error *err)
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

/* Records that end by `cut_ns`: as many events, at least. */
static size_t count_records(const struct lsb_records *records, uint64_t cut_ns)
{
	size_t n = 0;

	for (size_t r = 0; r < records->n; r++)
		for (size_t i = 0; i < records->ranks[r].n; i++)
			n += records->ranks[r].records[i].t1_ns <= cut_ns;
	return n;
}

/* The latest time in the run until which there are at most `room` events. */
static uint64_t find_cut(const struct lsb_records *records, uint64_t t0, uint64_t t1, size_t room)
{
	uint64_t low = t0, high = t1;

	if (count_records(records, t1) <= room / EVENTS_A_RECORD)
		return t1;
	while (high - low > 1000) {
		const uint64_t middle = low + (high - low) / 2;

		if (count_records(records, middle) <= room / EVENTS_A_RECORD)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void name_ranks(struct trace *t, const json_t *point, const json_t *ranks, int first_pid)
{
	static const char *const tracks[TRACKS_END] = { NULL, "compute", "transport", "schedule",
							"arrivals" };
	const char *label = json_string_value(json_object_get(point, "label"));
	const json_t *rank;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		const char *host = json_string_value(json_object_get(rank, "host"));
		char *name;

		if (json_is_null(rank)) /* of a lost replica */
			continue;
		name = lsb_format("%s: rank %zu, stage %lld of replica %lld on %s", label ? label : "?", r,
				  (long long)json_integer_value(json_object_get(rank, "stage")),
				  (long long)json_integer_value(json_object_get(rank, "replica")),
				  host ? host : "?");
		name_event(t, "process_name", first_pid + (int)r, 0, name ? name : "");
		free(name);
		lsb_text_add(begin_event(t),
			     "{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":%d,\"tid\":0,\"args\":{"
			     "\"sort_index\":%d}}",
			     first_pid + (int)r, first_pid + (int)r);
		for (int track = TRACK_COMPUTE; track < TRACKS_END; track++)
			name_event(t, "thread_name", first_pid + (int)r, track, tracks[track]);
	}
}

/* When the first of a launch's pipelines began; 0 when none says. */
static uint64_t find_zero(const json_t *ranks, const struct lsb_clock *clocks)
{
	uint64_t zero = UINT64_MAX;
	const json_t *rank;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		const uint64_t t0 = lsb_clock_align(
			&clocks[r], (uint64_t)json_integer_value(json_object_get(rank, "run_t0_ns")));

		if (json_object_get(rank, "requests") && t0 < zero)
			zero = t0;
	}
	return zero == UINT64_MAX ? 0 : zero;
}

/* All pipelines of one launch; "shown_s" and "run_s" of the longest into `told`. */
static int trace_launch(struct trace *t, const json_t *point, const json_t *line,
			const struct lsb_records *records, int first_pid, size_t room, json_t *told,
			struct lsb_error *err)
{
	const json_t *ranks = json_object_get(line, "ranks");
	const size_t stages = (size_t)json_integer_value(json_object_get(point, "stages"));
	struct lsb_clock *clocks = lsb_clocks_of(line);
	double shown_s = 0, run_s = 0;
	int rc = clocks ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for trace.json");

	if (rc == LSB_OK && (stages == 0 || records->n % stages))
		rc = lsb_fail(err, LSB_EIO, 0, "%zu ranks do not make pipelines of %zu stages", records->n,
			      stages);
	if (rc == LSB_OK)
		name_ranks(t, point, ranks, first_pid);
	for (size_t first = 0; rc == LSB_OK && first < records->n; first += stages) {
		struct scene s = { .first_pid = first_pid };

		if (json_is_null(json_array_get(ranks, first)))
			continue;
		s.zero_ns = find_zero(ranks, clocks);
		rc = lsb_pipeline_of(ranks, records->ranks, clocks, first, stages, &s.pipeline, err);
		if (rc == LSB_OK && collect_sends(&s))
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for trace.json");
		s.cut_ns = find_cut(records, s.pipeline.t0_ns, s.pipeline.t1_ns, room);
		for (size_t k = 0; k < stages && rc == LSB_OK; k++)
			rc = trace_rank(t, &s, k, err);
		free(s.sends);
		shown_s = fmax(shown_s, us(&s, s.cut_ns) * 1e-6);
		run_s = fmax(run_s, us(&s, s.pipeline.t1_ns) * 1e-6);
	}
	json_object_set_new(told, "shown_s", json_real(shown_s));
	json_object_set_new(told, "run_s", json_real(run_s));
	json_object_set(told, "clocks", json_object_get(line, "clocks"));
	free(clocks);
	return rc;
}

/* --- the file -------------------------------------------------------------------------- */

static const json_t *find_launch(const json_t *launches, const json_t *number)
{
	const json_t *line;
	size_t i;

	json_array_foreach(launches, i, line)
	{
		if (number && json_equal(json_object_get(line, "launch"), number))
			return line;
	}
	return NULL;
}

/* One point; records that are not there, or not what they should be, are told of and left out. */
static int trace_point(struct trace *t, const char *dir, const json_t *point, const json_t *launches,
		       int first_pid, size_t room, json_t *all_told, struct lsb_error *err)
{
	const json_t *line = find_launch(launches, json_object_get(point, "ledger_launch"));
	json_t *told = json_pack("{s:O?, s:O?}", "point", json_object_get(point, "id"), "launch",
				 json_object_get(line, "launch"));
	struct lsb_records records;
	struct lsb_error why = { 0 };
	int rc = LSB_EUNAVAIL;

	if (!told || json_array_append_new(all_told, told))
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for trace.json");
	if (line)
		rc = lsb_records_read(dir, line, &records, &why);
	if (rc == LSB_OK) {
		rc = trace_launch(t, point, line, &records, first_pid, room, told, &why);
		lsb_records_free(&records);
	}
	if (rc)
		json_object_set_new(told, "left_out",
				    json_string(*why.msg ? why.msg : "no launch stands for it"));
	return rc == LSB_ENOMEM ? lsb_fail(err, rc, 0, "%s", why.msg) : LSB_OK;
}

int lsb_report_trace(const char *dir, const struct lsb_report_source *source, struct lsb_error *err)
{
	const json_t *points = json_object_get(source->summary, "points"), *point;
	const size_t n = json_array_size(points);
	struct trace t = { 0 };
	json_t *told = json_array();
	char *others = NULL;
	int rc = told ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for trace.json");
	size_t i;

	lsb_text_add(&t.text, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
	json_array_foreach(points, i, point)
	{
		if (rc == LSB_OK)
			rc = trace_point(&t, dir, point, source->launches, 1 + (int)i * PIDS_A_POINT,
					 TRACE_EVENTS_MAX / n, told, err);
	}
	if (rc == LSB_OK) {
		others = json_dumps(told, JSON_COMPACT);
		lsb_text_add(&t.text, "\n],\"otherData\":{\"points\":%s}}\n", others ? others : "[]");
		rc = lsb_report_file(dir, "trace.json", &t.text, err); /* frees the text */
	} else {
		lsb_text_free(&t.text);
	}
	free(others);
	json_decref(told);
	return rc;
}
