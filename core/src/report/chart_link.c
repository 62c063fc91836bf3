/* SPDX-License-Identifier: Apache-2.0 */
/* A figure of the links over message size, a curve for each point, both axes logarithmic. */
#include <math.h>
#include <stdlib.h>

#include "report/chart.h"
#include "report/links.h"

struct range {
	double least, most;
};

static void widen(struct range *r, double value)
{
	if (!(value > 0) || !isfinite(value))
		return;
	r->least = r->least > 0 ? fmin(r->least, value) : value;
	r->most = fmax(r->most, value);
}

/* The rows "bytes value lo hi" of one point. */
static void add_series(const json_t *point, const struct lsb_link_curve *curve, const uint64_t *sizes,
		       size_t n, size_t series, struct range *x, struct range *y, struct lsb_text *to)
{
	lsb_text_add(to, "$s%zu << E\n", series);
	for (size_t i = 0; i < n; i++) {
		const json_t *metric = lsb_link_metric(point, curve, sizes[i]);
		const json_t *ci = json_object_get(metric, "ci95");
		const double value = lsb_number(metric, "median") * curve->factor;
		double lo = value, hi = value;

		if (!(value > 0) || !isfinite(value))
			continue;
		if (json_array_size(ci) == 2) {
			lo = json_number_value(json_array_get(ci, 0)) * curve->factor;
			hi = json_number_value(json_array_get(ci, 1)) * curve->factor;
		}
		lsb_text_add(to, "%llu %.9g %.9g %.9g\n", (unsigned long long)sizes[i], value, lo, hi);
		widen(x, (double)sizes[i]);
		widen(y, lo);
		widen(y, hi);
	}
	lsb_text_add(to, "E\n");
}

static void add_plots(const struct lsb_link_curve *curve, const struct range *x, const struct range *y,
		      size_t n, struct lsb_text *to)
{
	lsb_text_add(to,
		     "set lmargin 9\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.8\nset logscale x 2\n"
		     "set logscale y 10\nset xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\nset format y '%%g'\n"
		     "set xtics ('1' 1, '32' 32, '1K' 1024, '32K' 32768, '1M' 1048576, '16M' 16777216)\n"
		     "set xlabel 'message (bytes)' textcolor " LSB_QUIET " offset 0,0.4\n"
		     "set ylabel '%s' textcolor " LSB_QUIET " offset 0.5\nplot ",
		     x->least / 1.5, x->most * 1.5, y->least / 1.3, y->most * 1.3, curve->shown_unit);
	for (size_t i = 0; i < n; i++) {
		const unsigned own = LSB_SERIES_COLOUR + (unsigned)i;

		lsb_text_add(to,
			     "$s%zu using 1:2 with lines lw 2 lc rgb '#0101%02x', "
			     "$s%zu using 1:2:3:4 with yerrorbars pt 7 ps 0.5 lw 1.2 lc rgb '#0101%02x'%s",
			     i, own, i, own, i + 1 < n ? ", " : "\n");
	}
}

int lsb_chart_link(const struct lsb_link_group *g, size_t which, struct lsb_chart *out)
{
	const struct lsb_link_curve *curve = &lsb_link_curves[which];
	const size_t n = g->n_points < LSB_SERIES ? g->n_points : LSB_SERIES;
	struct range x = { 0 }, y = { 0 };
	char mark[32];

	*out = (struct lsb_chart){ .name = "link", .width = 480, .height = 320, .number = (int)which };
	(void)snprintf(out->title, sizeof(out->title), "%s: %s", g->name, curve->title);
	for (size_t i = 0; i < n; i++) {
		add_series(g->points[i], curve, g->sizes, g->n_sizes, i, &x, &y, &out->script);
		(void)snprintf(mark, sizeof(mark), "dot s%zu", i);
		lsb_chart_legend(out, mark, lsb_text_of(g->points[i], "label"));
		lsb_text_add(&out->desc, "%s. ", lsb_text_of(g->points[i], "label"));
	}
	if (!(x.most > x.least) || !(y.most > 0))
		return 0;
	add_plots(curve, &x, &y, n, &out->script);
	return 1;
}
