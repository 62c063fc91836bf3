/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distribution of a latency over requests: the share that was answered within a time, a curve for each point.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/parts.h"

enum { STEPS_MAX = 200, VALUES_MAX = 1 << 20 };

struct values {
	double *seconds; /* owned */
	size_t n, room;
};

static void keep(struct values *v, double seconds)
{
	if (!isfinite(seconds) || seconds < 0 || v->n >= VALUES_MAX)
		return;
	if (v->n == v->room) {
		const size_t room = v->room ? v->room * 2 : 256;
		double *more = realloc(v->seconds, room * sizeof(*more));

		if (!more)
			return; /* a coarser curve */
		v->seconds = more;
		v->room = room;
	}
	v->seconds[v->n++] = seconds;
}

static double between(const json_t *request, const char *from, const char *to)
{
	return (double)(json_integer_value(json_object_get(request, to)) -
			json_integer_value(json_object_get(request, from))) *
	       1e-9;
}

/* The formulas of docs/method.md. */
static void keep_request(struct values *v, const json_t *request, const char *latency)
{
	const double tokens = lsb_number(request, "generated_tokens");

	if (tokens < 1 || strcmp(lsb_text_of(request, "finish"), "failed") == 0)
		return;
	if (strcmp(latency, "ttft") == 0)
		keep(v, between(request, "arrival_ns", "first_ns"));
	else if (strcmp(latency, "e2e") == 0)
		keep(v, between(request, "arrival_ns", "last_ns"));
	else if (tokens >= 2)
		keep(v, between(request, "first_ns", "last_ns") / (tokens - 1));
}

static void collect(const json_t *launches, const char *id, const char *latency, struct values *v)
{
	const json_t *launch, *rank, *request;
	size_t i, k, m;

	json_array_foreach(launches, i, launch)
	{
		if (strcmp(lsb_text_of(launch, "point"), id) != 0 ||
		    strcmp(lsb_text_of(launch, "status"), "ok") != 0)
			continue;
		json_array_foreach(json_object_get(launch, "ranks"), k, rank)
		{
			json_array_foreach(json_object_get(rank, "requests"), m, request)
			{
				keep_request(v, request, latency);
			}
		}
	}
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The curve as rows "seconds share", at most STEPS_MAX of them, the last at 100. */
static void add_curve(struct values *v, struct lsb_text *to)
{
	const size_t rows = v->n < STEPS_MAX ? v->n : STEPS_MAX;

	qsort(v->seconds, v->n, sizeof(*v->seconds), ascending);
	lsb_text_add(to, "%.9g 0\n", v->seconds[0]);
	for (size_t i = 1; i <= rows; i++) {
		const size_t rank = v->n * i / rows; /* v->n <= 2^20 */

		lsb_text_add(to, "%.9g %.9g\n", v->seconds[rank - 1], 100.0 * (double)rank / (double)v->n);
	}
}

static const char *name_of(const char *latency)
{
	return strcmp(latency, "ttft") == 0   ? "time to first token"
	       : strcmp(latency, "tpot") == 0 ? "time per output token"
					      : "end to end";
}

static void add_plots(size_t n, const char *latency, double highest, struct lsb_text *to)
{
	const int in_ms = highest < 0.5;
	const double scale = in_ms ? 1e3 : 1;

	lsb_text_add(
		to,
		"set lmargin 7\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.8\nset xrange [0:%.9g]\n"
		"set yrange [0:100]\nset ytics 25\nset xtics %.9g\nset xlabel '%s (%s)' textcolor " LSB_QUIET
		" offset 0,0.4\nset ylabel '%% of requests' textcolor " LSB_QUIET " offset 0.5\nplot ",
		highest * scale * 1.04, lsb_chart_step(highest * scale, 6), name_of(latency),
		in_ms ? "ms" : "s");
	for (size_t i = 0; i < n; i++)
		lsb_text_add(to, "$s%zu using ($1*%.0f):2 with steps lw 2 dt %s lc rgb '#0101%02x'%s", i,
			     scale, i % 2 ? "(8,3)" : "1", LSB_SERIES_COLOUR + (unsigned)i,
			     i + 1 < n ? ", " : "\n");
}

int lsb_chart_latency(const json_t *summary, const json_t *launches, const char *latency,
		      struct lsb_chart *out)
{
	const json_t *point;
	double highest = 0;
	size_t i, n = 0;

	*out = (struct lsb_chart){ .name = "latency", .width = 480, .height = 300 };
	(void)snprintf(out->title, sizeof(out->title), "Distribution of %s", name_of(latency));
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		struct values v = { 0 };
		char mark[32];

		if (n < LSB_SERIES && lsb_has_launches(point))
			collect(launches, lsb_text_of(point, "id"), latency, &v);
		if (v.n) {
			lsb_text_add(&out->script, "$s%zu << E\n", n);
			add_curve(&v, &out->script);
			lsb_text_add(&out->script, "E\n");
			lsb_text_add(&out->desc,
				     "%s: half of %zu requests within %.4g s, the slowest %.4g s. ",
				     lsb_text_of(point, "label"), v.n, v.seconds[(v.n - 1) / 2],
				     v.seconds[v.n - 1]);
			highest = fmax(highest, v.seconds[v.n - 1]);
			(void)snprintf(mark, sizeof(mark), "%s s%zu", n % 2 ? "dash" : "bar", n);
			lsb_chart_legend(out, mark, lsb_text_of(point, "label"));
			n++;
		}
		free(v.seconds);
	}
	if (n && highest > 0)
		add_plots(n, latency, highest, &out->script);
	return n > 0 && highest > 0;
}
