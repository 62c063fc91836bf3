/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens a second over slowed links: measured as dots with their intervals, predicted as lines, a colour for
 * each case.
 */
#include <math.h>
#include <string.h>

#include "measure/break_even.h"
#include "report/chart.h"
#include "report/parts.h"

enum { LINKS_MAX = 16 };

/* What is drawn: cases as series, links as places on the axis, in the order of the rows. */
struct drawing {
	const json_t *rows;
	const char *cases[LSB_SERIES];
	const json_t *links[LINKS_MAX]; /* the first row of each */
	size_t n_cases, n_links;
	double highest;
};

static int is_same_link(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "delay_s"), json_object_get(b, "delay_s")) &&
	       json_equal(json_object_get(a, "bytes_per_s"), json_object_get(b, "bytes_per_s"));
}

static size_t find_case(const struct drawing *d, const json_t *row)
{
	size_t i = 0;

	while (i < d->n_cases && strcmp(d->cases[i], lsb_text_of(row, "case")) != 0)
		i++;
	return i;
}

static size_t find_link(const struct drawing *d, const json_t *row)
{
	size_t i = 0;

	while (i < d->n_links && !is_same_link(d->links[i], row))
		i++;
	return i;
}

static void collect(struct drawing *d)
{
	const json_t *row;
	size_t i;

	json_array_foreach(d->rows, i, row)
	{
		const size_t which = find_case(d, row), place = find_link(d, row);

		if (which == d->n_cases && which < LSB_SERIES)
			d->cases[d->n_cases++] = lsb_text_of(row, "case");
		if (place == d->n_links && place < LINKS_MAX)
			d->links[d->n_links++] = row;
		d->highest = fmax(d->highest, lsb_number(row, "measured_tokens_per_s"));
		if (json_is_number(json_object_get(row, "predicted_tokens_per_s")))
			d->highest = fmax(d->highest, lsb_number(row, "predicted_tokens_per_s"));
	}
}

/* "$s0 << E" blocks of place, measured, lo, hi, predicted. */
static void add_data(const struct drawing *d, struct lsb_chart *out)
{
	for (size_t which = 0; which < d->n_cases; which++) {
		const json_t *row;
		size_t i;

		lsb_text_add(&out->script, "$s%zu << E\n", which);
		json_array_foreach(d->rows, i, row)
		{
			const json_t *ci = json_object_get(row, "ci95"),
				     *predicted = json_object_get(row, "predicted_tokens_per_s");
			const double value = lsb_number(row, "measured_tokens_per_s");
			const int has_ci = json_array_size(ci) == 2;

			if (find_case(d, row) != which || find_link(d, row) == d->n_links)
				continue;
			lsb_text_add(&out->script, "%zu %.9g %.9g %.9g %.9g\n", find_link(d, row), value,
				     has_ci ? json_number_value(json_array_get(ci, 0)) : value,
				     has_ci ? json_number_value(json_array_get(ci, 1)) : value,
				     json_is_number(predicted) ? json_number_value(predicted) : NAN);
			lsb_text_add(&out->desc, "%s: %.4g measured", lsb_text_of(row, "label"), value);
			if (json_is_number(predicted))
				lsb_text_add(&out->desc, ", %.4g predicted", json_number_value(predicted));
			lsb_text_add(&out->desc, ". ");
		}
		lsb_text_add(&out->script, "E\n");
	}
}

static void add_axes(const struct drawing *d, struct lsb_text *to)
{
	char shown[LSB_BREAK_EVEN_SHOWN];

	lsb_text_add(to,
		     "set lmargin 8\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.8\n"
		     "set xrange [-0.3:%.1f]\nset yrange [0:%.9g]\nset xtics (",
		     (double)d->n_links - 0.7, d->highest * 1.08);
	for (size_t i = 0; i < d->n_links; i++) {
		const double delay_s = lsb_number(d->links[i], "delay_s");
		const json_t *rate = json_object_get(d->links[i], "bytes_per_s");

		lsb_text_add(to, "%s'%s", i ? ", " : "",
			     delay_s > 0 ? lsb_break_even_time(delay_s, shown) : "0");
		if (json_is_number(rate))
			lsb_text_add(to, " %s", lsb_break_even_rate(json_number_value(rate), shown));
		lsb_text_add(to, "' %zu", i);
	}
	lsb_text_add(to, ")\nset xlabel 'delay of each message' textcolor " LSB_QUIET " offset 0,0.4\n"
			 "set ylabel 'tokens a second' textcolor " LSB_QUIET " offset 0.5\nplot ");
}

int lsb_chart_sensitivity(const json_t *summary, struct lsb_chart *out)
{
	struct drawing d = { .rows = json_object_get(summary, "link_sensitivity") };
	char mark[32];

	*out = (struct lsb_chart){ .name = "sensitivity", .width = 560, .height = 320 };
	(void)snprintf(out->title, sizeof(out->title), "Tokens a second against the delay of the link");
	collect(&d);
	if (d.n_links < 2 || !(d.highest > 0))
		return 0;
	add_data(&d, out);
	add_axes(&d, &out->script);
	for (size_t i = 0; i < d.n_cases; i++) {
		const unsigned own = LSB_SERIES_COLOUR + (unsigned)i;

		lsb_text_add(&out->script,
			     "$s%zu using 1:5 with lines lw 1.5 dt 2 lc rgb '#0101%02x', "
			     "$s%zu using 1:2:3:4 with yerrorbars pt 7 ps 0.6 lw 1.4 lc rgb '#0101%02x'%s",
			     i, own, i, own, i + 1 < d.n_cases ? ", " : "\n");
		(void)snprintf(mark, sizeof(mark), "dot s%zu", i);
		lsb_chart_legend(out, mark, d.cases[i]);
	}
	lsb_chart_legend(out, "dash quiet", "predicted from all other points");
	return 1;
}
