/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens a second over batch size, a curve for each number of nodes, and the ceiling of its passes. */
#include <math.h>
#include <stdlib.h>

#include "report/chart.h"
#include "report/parts.h"

struct curves {
	double nodes[LSB_SERIES];	  /* of each series */
	struct lsb_text rows[LSB_SERIES]; /* batch, tokens/s, lo, hi, ceiling */
	size_t n;
	double highest, most, least;
	int has_ceiling;
};

static size_t series_of(struct curves *c, double nodes)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->nodes[i] <= nodes && c->nodes[i] >= nodes)
			return i;
	if (c->n < LSB_SERIES)
		c->nodes[c->n++] = nodes;
	else
		return LSB_SERIES;
	return c->n - 1;
}

/*
 * tokens/s of the batch-1 point times N / ceil(N / b): N prompts are whole passes. NaN without such a point.
 */
static double ceiling_of(const json_t *point)
{
	const json_t *gain = lsb_scaling(point, "batch_gain");
	const double batch = lsb_number(point, "batch"), prompts = lsb_number(point, "prompts");
	const double one = lsb_number(
		json_object_get(json_object_get(json_object_get(point, "scaling"), "baselines"), "batch_one"),
		"value");

	if (batch <= 1 && lsb_has_launches(point))
		return lsb_number(lsb_metric(point, "tokens_per_s"), "median");
	return gain && one > 0 && prompts >= 1 ? one * prompts / ceil(prompts / batch) : NAN;
}

static void add_point(struct curves *c, const json_t *point)
{
	const json_t *rate = lsb_metric(point, "tokens_per_s"), *ci = json_object_get(rate, "ci95");
	const double batch = lsb_number(point, "batch"), value = lsb_number(rate, "median");
	const double lo =
		json_is_number(json_array_get(ci, 0)) ? json_number_value(json_array_get(ci, 0)) : value;
	const double hi =
		json_is_number(json_array_get(ci, 1)) ? json_number_value(json_array_get(ci, 1)) : value;
	const double ceiling = ceiling_of(point);
	const size_t s = series_of(c, lsb_number(point, "nodes"));

	if (s == LSB_SERIES || !(batch >= 1) || !(value > 0))
		return;
	lsb_text_add(&c->rows[s], "%.0f %.9g %.9g %.9g %.9g\n", batch, value, lo, hi, ceiling);
	c->highest = fmax(c->highest, fmax(value, isfinite(hi) ? hi : 0));
	c->most = fmax(c->most, batch);
	c->least = c->least > 0 ? fmin(c->least, batch) : batch;
	c->has_ceiling |= batch > 1 && isfinite(ceiling);
}

static void add_plots(const struct curves *c, struct lsb_text *to)
{
	for (size_t i = 0; i < c->n; i++)
		lsb_text_add(to, "$s%zu << E\n%sE\n", i, c->rows[i].data ? c->rows[i].data : "");
	lsb_text_add(to,
		     "set lmargin 8\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.8\nset logscale x 2\n"
		     "set xrange [%.9g:%.9g]\nset yrange [0:%.9g]\nset xtics 2\n"
		     "set xlabel 'batch (sequences that step together)' textcolor " LSB_QUIET
		     " offset 0,0.4\n"
		     "set ylabel 'tokens/s' textcolor " LSB_QUIET " offset 0.5\nplot ",
		     c->least / 1.15, c->most * 1.15, c->highest * 1.12);
	for (size_t i = 0; i < c->n; i++) {
		const unsigned own = LSB_SERIES_COLOUR + (unsigned)i;

		if (c->has_ceiling)
			lsb_text_add(to,
				     "$s%zu using 1:5 smooth unique with lines lw 1.2 dt (4,4) lc rgb "
				     "'#0101%02x', ",
				     i, own);
		lsb_text_add(to,
			     "$s%zu using 1:2 smooth unique with lines lw 2.2 lc rgb '#0101%02x', "
			     "$s%zu using 1:2:3:4 with yerrorbars pt 7 ps 0.8 lw 1.6 lc rgb '#0101%02x'%s",
			     i, own, i, own, i + 1 < c->n ? ", " : "\n");
	}
}

int lsb_chart_batch(const json_t *summary, struct lsb_chart *out)
{
	struct curves c = { 0 };
	const json_t *point;
	char shown[LSB_SHOWN], mark[32], words[64];
	size_t i;
	int any;

	*out = (struct lsb_chart){
		.name = "batch", .width = 480, .height = 320, .title = "Tokens per second over batch size"
	};
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, "batch") || !lsb_has_launches(point))
			continue;
		add_point(&c, point);
		lsb_text_add(&out->desc, "%s: %s tokens/s. ", lsb_text_of(point, "label"),
			     lsb_show_estimate(lsb_metric(point, "tokens_per_s"), shown));
	}
	any = c.n > 0 && c.most > c.least;
	if (any)
		add_plots(&c, &out->script);
	for (i = 0; i < c.n; i++) {
		(void)snprintf(mark, sizeof(mark), "dot s%zu", i);
		(void)snprintf(words, sizeof(words), "%.0f %s", c.nodes[i],
			       c.nodes[i] > 1 ? "nodes" : "node");
		lsb_chart_legend(out, mark, words);
		lsb_text_free(&c.rows[i]);
	}
	if (c.has_ceiling)
		lsb_chart_legend(
			out, "dash quiet",
			"ceiling: batch 1 times N / \u2308N / b\u2309, if a larger batch cost nothing");
	return any;
}
