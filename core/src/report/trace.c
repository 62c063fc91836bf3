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
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/trace_parts.h"

enum {
	TRACE_EVENTS_MAX = 400000, /* some 60 MB */
	EVENTS_A_RECORD = 3,	   /* at most: a block in three parts; a message and both ends of its arrow */
	PIDS_A_POINT = 100000,	   /* above any number of ranks */
};

/* --- a launch -------------------------------------------------------------------------- */

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

static void name_ranks(struct lsb_trace *t, const json_t *point, const json_t *ranks, int first_pid)
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
		lsb_trace_name(t, "process_name", first_pid + (int)r, 0, name ? name : "");
		free(name);
		lsb_text_add(lsb_trace_event(t),
			     "{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":%d,\"tid\":0,\"args\":{"
			     "\"sort_index\":%d}}",
			     first_pid + (int)r, first_pid + (int)r);
		for (int track = TRACK_COMPUTE; track < TRACKS_END; track++)
			lsb_trace_name(t, "thread_name", first_pid + (int)r, track, tracks[track]);
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
static int trace_launch(struct lsb_trace *t, const json_t *point, const json_t *line,
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
		struct lsb_scene s = { .first_pid = first_pid };

		if (json_is_null(json_array_get(ranks, first)))
			continue;
		s.zero_ns = find_zero(ranks, clocks);
		rc = lsb_pipeline_of(ranks, records->ranks, clocks, first, stages, &s.pipeline, err);
		if (rc == LSB_OK && lsb_trace_sends(&s))
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for trace.json");
		s.cut_ns = find_cut(records, s.pipeline.t0_ns, s.pipeline.t1_ns, room);
		for (size_t k = 0; k < stages && rc == LSB_OK; k++)
			rc = lsb_trace_rank(t, &s, k, err);
		free(s.sends);
		shown_s = fmax(shown_s, lsb_trace_us(&s, s.cut_ns) * 1e-6);
		run_s = fmax(run_s, lsb_trace_us(&s, s.pipeline.t1_ns) * 1e-6);
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
static int trace_point(struct lsb_trace *t, const char *dir, const json_t *point, const json_t *launches,
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
	struct lsb_trace t = { 0 };
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
