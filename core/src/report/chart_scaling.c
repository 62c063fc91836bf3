/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speedup over nodes: measured with its interval, the bound of the own schedule, ideal, and what the extra
 * nodes bought.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/parts.h"

/* Points that differ in nodes, and in what follows from that, alone. */
struct series {
	char *key; /* the factors that they share, as text; owned */
	const json_t *first;
	struct lsb_text rows; /* nodes, speedup, lo, hi, bound, at equal concurrency */
};

struct curves {
	struct series series[LSB_SERIES];
	size_t n;
	double most_nodes, highest;
	int has_bound, has_concurrency, failed;
	json_t *levels; /* nodes: true */
};

static char *key_of(const json_t *point)
{
	static const char *const follows[] = { "nodes",	  "stages", "replicas", "split",    "in_flight",
					       "prompts", "layers", "threads",	"distinct", "context" };
	json_t *factors = json_copy(json_object_get(point, "params"));
	char *text, *key;

	for (size_t i = 0; i < LSB_COUNT(follows); i++)
		json_object_del(factors, follows[i]);
	text = json_dumps(factors, JSON_COMPACT | JSON_SORT_KEYS);
	key = lsb_format("%s %s", lsb_text_of(json_object_get(point, "scaling"), "baseline"),
			 text ? text : "");
	free(text);
	json_decref(factors);
	return key;
}

static struct series *series_of(struct curves *c, const json_t *point)
{
	char *key = key_of(point);

	for (size_t i = 0; key && i < c->n; i++)
		if (strcmp(c->series[i].key, key) == 0) {
			free(key);
			return &c->series[i];
		}
	if (!key || c->n == LSB_SERIES) {
		free(key);
		return NULL;
	}
	c->series[c->n] = (struct series){ .key = key, .first = point };
	return &c->series[c->n++];
}

/* A number for gnuplot; NaN where there is none. */
static double value_or_nan(const json_t *number, double *highest)
{
	const double value = json_is_number(number) ? json_number_value(number) : NAN;

	if (value > *highest && value < 1e6)
		*highest = value;
	return value;
}

static void add_member(struct curves *c, const json_t *point)
{
	const json_t *speedup = lsb_scaling(point, "speedup"), *ci = json_object_get(speedup, "ci95");
	struct series *s = series_of(c, point);
	const double nodes = lsb_number(point, "nodes");
	double value, lo, hi, bound, concurrency;
	char level[24];

	if (!s)
		return;
	value = value_or_nan(json_object_get(speedup, "value"), &c->highest);
	lo = value_or_nan(json_array_get(ci, 0), &c->highest);
	hi = value_or_nan(json_array_get(ci, 1), &c->highest);
	bound = value_or_nan(json_object_get(lsb_scaling(point, "bound"), "value"), &c->highest);
	concurrency = value_or_nan(json_object_get(lsb_scaling(point, "speedup_equal_concurrency"), "value"),
				   &c->highest);
	if (!(lo <= hi))
		lo = hi = value; /* no interval: none is drawn */
	lsb_text_add(&s->rows, "%.0f %.9g %.9g %.9g %.9g %.9g\n", nodes, value, lo, hi, bound, concurrency);
	c->has_bound |= isfinite(bound);
	c->has_concurrency |= isfinite(concurrency);
	c->most_nodes = fmax(c->most_nodes, nodes);
	(void)snprintf(level, sizeof(level), "%.0f", nodes);
	json_object_set_new(c->levels, level, json_true());
}

static void collect(const json_t *summary, const char *kind, struct curves *c)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const double nodes = lsb_number(point, "nodes");

		if (lsb_is_kind(point, kind) && lsb_has_launches(point) && nodes >= 2 && nodes < 1e6 &&
		    json_is_number(json_object_get(lsb_scaling(point, "speedup"), "value")))
			add_member(c, point);
	}
}

static void describe(const json_t *summary, const char *kind, struct lsb_text *to)
{
	const json_t *point;
	char shown[LSB_SHOWN];
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind) || lsb_is_own_baseline(point) || !lsb_scaling(point, "speedup"))
			continue;
		lsb_text_add(to, "%s: speedup %s", lsb_text_of(point, "label"),
			     lsb_show_estimate(lsb_scaling(point, "speedup"), shown));
		if (lsb_scaling(point, "bound"))
			lsb_text_add(to, ", bound %s",
				     lsb_show(lsb_number(lsb_scaling(point, "bound"), "value"), shown));
		lsb_text_add(to, ". ");
	}
}

/* "$s0 << E" blocks: every series begins at one node, where its baseline is. */
static void add_data(const struct curves *c, struct lsb_text *to)
{
	for (size_t i = 0; i < c->n; i++)
		lsb_text_add(to, "$s%zu << E\n1 1 1 1 1 NaN\n%sE\n", i,
			     c->series[i].rows.data ? c->series[i].rows.data : "");
}

static void add_plots(const struct curves *c, struct lsb_text *to)
{
	const char *level;
	json_t *value;

	lsb_text_add(to,
		     "set lmargin 6\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.8\n"
		     "set xrange [0.8:%.9g]\nset yrange [0:%.9g]\nset xtics ('1' 1",
		     c->most_nodes + 0.2, fmax(c->highest, c->most_nodes) * 1.06);
	json_object_foreach(c->levels, level, value)
	{
		lsb_text_add(to, ", '%s' %s", level, level);
	}
	lsb_text_add(to,
		     ")\nset xlabel 'nodes' textcolor " LSB_QUIET " offset 0,0.4\n"
		     "set ylabel 'speedup' textcolor " LSB_QUIET " offset 1\n"
		     "plot [1:%.9g] x with lines lw 1.2 dt (4,4) lc " LSB_IDEAL,
		     c->most_nodes);
	for (size_t i = 0; i < c->n; i++) {
		const int own = LSB_SERIES_COLOUR + (int)i;

		if (c->has_bound)
			lsb_text_add(to,
				     ", $s%zu using 1:5 with linespoints lw 1.4 dt (9,4) pt 7 ps 0.5 "
				     "lc " LSB_BOUND,
				     i);
		if (c->has_concurrency)
			lsb_text_add(to, ", $s%zu using 1:6 with points pt 12 ps 1 lw 1.6 lc " LSB_QUIET, i);
		lsb_text_add(to,
			     ", $s%zu using 1:2 with lines lw 2.2 lc rgb '#0101%02x'"
			     ", $s%zu using 1:2:3:4 with yerrorbars pt 7 ps 0.8 lw 1.6 lc rgb '#0101%02x'",
			     i, (unsigned)own, i, (unsigned)own);
	}
	lsb_text_add(to, "\n");
}

static void add_legend(const struct curves *c, struct lsb_chart *out)
{
	for (size_t i = 0; i < c->n; i++) {
		char mark[32];

		(void)snprintf(mark, sizeof(mark), "dot s%zu", i);
		lsb_chart_legend(out, mark,
				 c->n == 1 ? "measured, with its 95 % interval"
					   : lsb_text_of(c->series[i].first, "label"));
	}
	if (c->has_bound)
		lsb_chart_legend(out, "dash bound", "best that the run's own schedule allows");
	if (c->has_concurrency)
		lsb_chart_legend(out, "diamond quiet", "against one node with as many sequences at once");
	lsb_chart_legend(out, "dash ideal", "ideal");
}

int lsb_chart_scaling(const json_t *summary, const char *kind, struct lsb_chart *out)
{
	struct curves c = { .levels = json_object() };
	const int any = (collect(summary, kind, &c), c.n > 0);

	*out = (struct lsb_chart){ .name = "scaling", .width = 480, .height = 320 };
	(void)snprintf(out->title, sizeof(out->title), "%s: speedup over nodes", lsb_kind_title(kind));
	if (any) {
		describe(summary, kind, &out->desc);
		add_data(&c, &out->script);
		add_plots(&c, &out->script);
		add_legend(&c, out);
	}
	for (size_t i = 0; i < c.n; i++) {
		free(c.series[i].key);
		lsb_text_free(&c.series[i].rows);
	}
	json_decref(c.levels);
	return any;
}
