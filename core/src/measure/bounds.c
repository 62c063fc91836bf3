/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bounds.h"

#include <math.h>

#include "measure/derive.h"
#include "measure/look.h"

/* The least time of one phase on one rank, and what limits it. */
struct roof {
	double least_s, bytes_s, macs_s;
};

/* Reading and arithmetic overlap at best: the longer of both. */
static struct roof roof_of(const json_t *phase, const json_t *peaks, const char *bandwidth, const char *peak)
{
	const double read = lsb_look_number(peaks, bandwidth), matmul = lsb_look_number(peaks, peak);
	struct roof roof = {
		.bytes_s = read > 0 ? lsb_look_number(phase, "bytes") / read : 0,
		.macs_s = matmul > 0 ? lsb_look_number(phase, "macs") / matmul : 0,
	};

	roof.least_s = fmax(roof.bytes_s, roof.macs_s);
	return roof;
}

/* Of the rank that can be fastest only last: all tokens of the phase pass through it. */
static json_t *roofline_json(const json_t *work, const json_t *peaks, const char *name)
{
	double tokens = 0, bytes = 0, macs = 0, together_s = 0;
	struct roof worst = { 0 };
	size_t i, at = 0;
	const json_t *row;
	double measured_s;

	json_array_foreach(work, i, row)
	{
		const json_t *phase = json_object_get(row, name), *peak = json_array_get(peaks, i);
		const struct roof alone = roof_of(phase, peak, "read_bandwidth_alone", "matmul_peak_alone");

		tokens = fmax(tokens, lsb_look_number(phase, "tokens"));
		bytes += lsb_look_number(phase, "bytes");
		macs += lsb_look_number(phase, "macs");
		together_s = fmax(together_s,
				  roof_of(phase, peak, "read_bandwidth_all", "matmul_peak_all").least_s);
		if (alone.least_s > worst.least_s) {
			worst = alone;
			at = i;
		}
	}
	measured_s = lsb_look_number(json_object_get(json_array_get(work, at), name), "compute_s");
	if (!(worst.least_s > 0) || !(tokens > 0) || !(measured_s > 0))
		return json_null();
	return json_pack("{s:I, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "rank", (json_int_t)at,
			 "limit", worst.bytes_s >= worst.macs_s ? "memory" : "arithmetic", "bytes_per_token",
			 bytes / tokens, "macs_per_token", macs / tokens, "tokens_per_s",
			 tokens / worst.least_s, "tokens_per_s_shared",
			 together_s > 0 ? tokens / together_s : 0, "least_s", worst.least_s, "bytes_s",
			 worst.bytes_s, "macs_s", worst.macs_s, "measured_s", measured_s, "share",
			 worst.least_s / measured_s);
}

/* Seconds more, mean over ranks, that reading takes when all ranks of a launch read at once. */
static json_t *shared_json(const json_t *work, const json_t *peaks)
{
	double alone = 0, all = 0, more_s = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(work, i, row)
	{
		const json_t *peak = json_array_get(peaks, i);
		const double its_alone = lsb_look_number(peak, "read_bandwidth_alone");
		const double its_all = lsb_look_number(peak, "read_bandwidth_all");
		const double bytes = lsb_look_number(json_object_get(row, "decode"), "bytes") +
				     lsb_look_number(json_object_get(row, "prefill"), "bytes");

		if (!(its_alone > 0) || !(its_all > 0))
			return json_null();
		alone += its_alone;
		all += its_all;
		more_s += bytes / its_all - bytes / its_alone;
	}
	if (i < 2)
		return json_null();
	/* two measurements of a busy machine: that reading together is faster is noise */
	return json_pack("{s:f, s:f, s:f, s:f}", "bandwidth_alone", alone, "bandwidth_all", all, "slowdown",
			 alone / all, "more_s", fmax(0, more_s / (double)i));
}

/* The launch whose ranks measured their links, or NULL. */
static const json_t *linked_launch(const json_t *launches)
{
	const json_t *launch, *rank;
	size_t i, k;

	json_array_foreach(launches, i, launch)
	{
		json_array_foreach(json_object_get(launch, "ranks"), k, rank)
		{
			if (json_is_object(json_object_get(rank, "link")))
				return launch;
		}
	}
	return NULL;
}

/*
 * Exposed time of messages at the link's measured cost, mean over pipelines: a replay with and one without.
 */
static double exposed_s(const json_t *launch)
{
	const json_t *row;
	double sum = 0;
	size_t i, n = 0;

	json_array_foreach(json_object_get(launch, "schedule"), i, row)
	{
		const json_t *with = json_object_get(row, "link_s"),
			     *without = json_object_get(row, "replay_s");

		if (!json_is_number(with) || !json_is_number(without))
			continue;
		sum += json_number_value(with) - json_number_value(without);
		n++;
	}
	return n ? sum / (double)n : NAN;
}

/* Slowest hundredth one way, of messages of up to `bytes`; 0: not measured. */
static double p99_s(const json_t *rank, double bytes)
{
	const json_t *size;
	double most = 0;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(rank, "link"), "sizes"), i, size)
	{
		if (lsb_look_number(size, "bytes") <= bytes)
			most = fmax(most, lsb_look_number(size, "one_way_p99_s"));
	}
	return most;
}

/* The slowest link of the launch that measured them, by what a decode step's message takes. */
static json_t *link_json(const json_t *point, const json_t *launches)
{
	const json_t *launch = linked_launch(launches), *rank, *worst = NULL;
	const double batch = lsb_look_number(point, "batch"), lost_s = launch ? exposed_s(launch) : NAN;
	struct lsb_link_line slowest = { 0 };
	double most_s = 0, slow_s;
	size_t i;

	json_array_foreach(json_object_get(launch, "ranks"), i, rank)
	{
		const double bytes = batch * lsb_look_number(rank, "hidden_bytes");
		struct lsb_link_line line;

		if (lsb_derive_link(rank, &line) || line.latency_s + bytes / line.bandwidth <= most_s)
			continue;
		most_s = line.latency_s + bytes / line.bandwidth;
		slowest = line;
		worst = rank;
	}
	if (!worst)
		return json_null();
	slow_s = p99_s(worst, batch * lsb_look_number(worst, "hidden_bytes"));
	return json_pack(
		"{s:O?, s:O?, s:f, s:o, s:o, s:f, s:f, s:f, s:o}", "rank", json_object_get(worst, "rank"),
		"peer", json_object_get(json_object_get(worst, "link"), "peer"), "latency_s",
		slowest.latency_s, "latency_p99_s", slow_s > 0 ? json_real(slow_s) : json_null(), "bandwidth",
		isfinite(slowest.bandwidth) ? json_real(slowest.bandwidth) : json_null(), "residual",
		slowest.residual, "message_bytes", batch * lsb_look_number(worst, "hidden_bytes"),
		"message_s", most_s, "exposed_s", isnan(lost_s) ? json_null() : json_real(lost_s));
}

json_t *lsb_bounds_json(const json_t *point, const json_t *launches, const json_t *launch,
			const json_t *peaks)
{
	const json_t *work = json_object_get(launch, "work");

	return json_pack("{s:O?, s:o, s:o, s:o, s:o}", "ideal_speedup", json_object_get(point, "nodes"),
			 "decode", roofline_json(work, peaks, "decode"), "prefill",
			 roofline_json(work, peaks, "prefill"), "shared", shared_json(work, peaks), "link",
			 link_json(point, launches));
}
