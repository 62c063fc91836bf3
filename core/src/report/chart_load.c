/* SPDX-License-Identifier: Apache-2.0 */
/* A latency over the rate of arrivals, its limit, and where the knee is. */
#include <math.h>
#include <stdio.h>

#include "measure/slo.h"
#include "measure/summary.h"
#include "report/chart.h"
#include "report/parts.h"

struct curve {
	struct lsb_text rows; /* rate, p50, p90, lo and hi of p90 */
	double highest, least, most;
	size_t n;
};

static const json_t *quantile_of(const json_t *point, const char *latency, const char *quantile)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "%s_%s_s", latency, quantile);
	return lsb_metric(point, key);
}

static void add_point(struct curve *c, const json_t *point, const char *latency)
{
	const json_t *p90 = quantile_of(point, latency, "p90"), *ci = json_object_get(p90, "ci95");
	const double rate = lsb_offered_rate(point),
		     p50 = lsb_number(quantile_of(point, latency, "p50"), "median");
	const double value = lsb_number(p90, "median");
	const double lo = json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 0)) : value;
	const double hi = json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 1)) : value;

	if (!p90 || !(rate > 0))
		return;
	lsb_text_add(&c->rows, "%.9g %.9g %.9g %.9g %.9g\n", rate, p50, value, lo, hi);
	c->highest = fmax(c->highest, fmax(value, hi));
	c->most = fmax(c->most, rate);
	c->least = c->n ? fmin(c->least, rate) : rate;
	c->n++;
}

static void add_plots(const struct curve *c, const char *latency, double limit_s, double knee,
		      struct lsb_text *to)
{
	const double top = fmax(c->highest, limit_s) * 1.12, room = (c->most - c->least) * 0.05 + 1e-9;

	lsb_text_add(to, "$r << E\n%sE\n", c->rows.data ? c->rows.data : "");
	lsb_text_add(to,
		     "set lmargin 8\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.8\n"
		     "set xrange [%.9g:%.9g]\nset yrange [0:%.9g]\n"
		     "set xlabel 'requests/s offered' textcolor " LSB_QUIET " offset 0,0.4\n"
		     "set ylabel '%s (s)' textcolor " LSB_QUIET " offset 0.5\n",
		     c->least - room, c->most + room, top, latency);
	if (limit_s > 0)
		lsb_text_add(
			to,
			"set arrow 1 from graph 0, first %.9g to graph 1, first %.9g nohead lw 1.4 dt (4,4) "
			"lc " LSB_BOUND "\n",
			limit_s, limit_s);
	if (knee > 0)
		lsb_text_add(
			to,
			"set arrow 2 from first %.9g, graph 0 to first %.9g, graph 1 nohead lw 1.4 dt (2,3) "
			"lc " LSB_QUIET "\n",
			knee, knee);
	lsb_text_add(
		to,
		"plot $r using 1:2 smooth unique with linespoints pt 7 ps 0.6 lw 1.6 lc rgb '#0101%02x', "
		"$r using 1:3 smooth unique with lines lw 2.2 lc rgb '#0101%02x', "
		"$r using 1:3:4:5 with yerrorbars pt 7 ps 0.8 lw 1.6 lc rgb '#0101%02x'\n",
		LSB_SERIES_COLOUR, LSB_SERIES_COLOUR + 1, LSB_SERIES_COLOUR + 1);
}

int lsb_chart_load(const json_t *summary, const json_t *knee, const char *latency, struct lsb_chart *out)
{
	const json_t *points = json_object_get(knee, "points"), *id;
	struct curve c = { .n = 0 };
	char key[32], shown[LSB_SHOWN];
	double limit_s = 0;
	size_t i;

	*out = (struct lsb_chart){ .name = "load", .width = 480, .height = 320 };
	(void)snprintf(out->title, sizeof(out->title), "%s over offered rate: %.80s", latency,
		       lsb_text_of(knee, "case"));
	(void)snprintf(key, sizeof(key), "%s_s", latency);
	json_array_foreach(points, i, id)
	{
		const json_t *point =
			json_is_string(id) ? lsb_summary_point(summary, json_string_value(id)) : NULL;

		limit_s = lsb_number(json_object_get(point, "slo"), key);
		add_point(&c, point, latency);
		if (quantile_of(point, latency, "p90"))
			lsb_text_add(&out->desc, "%s: p90 %s s. ", lsb_text_of(point, "label"),
				     lsb_show_estimate(quantile_of(point, latency, "p90"), shown));
	}
	if (c.n > 1 && c.most > c.least) {
		add_plots(&c, latency, limit_s, lsb_number(knee, "rate"), &out->script);
		lsb_chart_legend(out, "dot s0", "median of a launch's requests");
		lsb_chart_legend(out, "dot s1", "90th percentile, with its interval");
		if (limit_s > 0)
			lsb_chart_legend(out, "dash bound", "limit");
		if (lsb_number(knee, "rate") > 0)
			lsb_chart_legend(out, "dash quiet", "knee: the highest rate that keeps the limits");
	}
	lsb_text_free(&c.rows);
	return c.n > 1 && c.most > c.least;
}
