/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every launch a dot, a row for each point, rounds from top to bottom: two groups, drifts and outliers show.
 */
#include <math.h>
#include <stdlib.h>

#include "report/chart.h"
#include "report/parts.h"

enum { ROWS_MAX = 24, ROW_HEIGHT = 34, LABEL_CHARACTERS = 20, SAMPLES_MAX = 400 };

struct strip {
	struct lsb_text dots, medians, bands; /* x y; x y-from y-to; lo hi y */
	struct lsb_text tics;
	size_t n;
	double lowest, highest;
};

static double round_of(const json_t *point, size_t i)
{
	const json_t *round = json_array_get(json_object_get(point, "rounds"), i);

	return json_is_number(round) ? json_number_value(round) : (double)i;
}

static void add_row(struct strip *s, const json_t *point, struct lsb_chart *out)
{
	const json_t *metric = lsb_metric(point, "run_s"), *samples = json_object_get(metric, "samples");
	const json_t *ci = json_object_get(metric, "ci95");
	const size_t n = json_array_size(samples), step = n / SAMPLES_MAX + 1;
	const double y = (double)s->n++;
	double rounds = 1;

	for (size_t i = 0; i < n; i++)
		rounds = fmax(rounds, round_of(point, i) + 1);
	for (size_t i = 0; i < n; i += step) {
		const double value = json_number_value(json_array_get(samples, i));

		if (!isfinite(value))
			continue;
		lsb_text_add(&s->dots, "%.9g %.9g\n", value,
			     y - 0.32 + 0.64 * (round_of(point, i) + 0.5) / rounds);
		s->lowest = s->highest > 0 ? fmin(s->lowest, value) : value;
		s->highest = fmax(s->highest, value);
	}
	lsb_text_add(&s->medians, "%.9g %.9g %.9g\n", lsb_number(metric, "median"), y - 0.4, y + 0.4);
	if (json_array_size(ci) == 2)
		lsb_text_add(&s->bands, "%.9g %.9g %.9g\n", json_number_value(json_array_get(ci, 0)),
			     json_number_value(json_array_get(ci, 1)), y);
	lsb_text_add(&s->tics, "%s'@L%zu@' %.9g", s->n > 1 ? ", " : "",
		     lsb_chart_label(out, lsb_text_of(point, "label"), LABEL_CHARACTERS), y);
}

static void add_plots(const struct strip *s, struct lsb_text *to)
{
	const double room = fmax((s->highest - s->lowest) * 0.06, s->highest * 0.01);

	lsb_text_add(to, "$dots << E\n%sE\n$medians << E\n%sE\n", s->dots.data ? s->dots.data : "",
		     s->medians.data ? s->medians.data : "");
	if (s->bands.length)
		lsb_text_add(to, "$bands << E\n%sE\n", s->bands.data);
	lsb_text_add(
		to,
		"set lmargin at screen 0.33\nset rmargin 2\nset bmargin 2.9\nset tmargin 0.6\n"
		"set grid xtics noytics lc " LSB_LINE " lt 1 dt 1 lw 0.6\nset border 1 lc " LSB_LINE "\n"
		"set xrange [%.9g:%.9g]\nset xtics %.9g\nset yrange [%.9g:-0.5]\nset ytics scale 0 (%s)\n"
		"set xlabel 'run time (s)' textcolor " LSB_QUIET
		" offset 0,0.4\nset style fill solid 1 noborder\nplot ",
		fmax(0, s->lowest - room), s->highest + room,
		lsb_chart_step(s->highest - s->lowest + 2 * room, 5), (double)s->n - 0.5, s->tics.data);
	if (s->bands.length)
		lsb_text_add(to, "$bands using 1:3:1:2:($3-0.4):($3+0.4) with boxxyerror lc " LSB_BAND ", ");
	lsb_text_add(to, "$medians using 1:2:(0):($3-$2) with vectors nohead lw 2 lc " LSB_INK ", "
			 "$dots using 1:2 with points pt 7 ps 0.55 lc " LSB_MEASURED "\n");
}

int lsb_chart_launches(const json_t *summary, const char *kind, struct lsb_chart *out)
{
	struct strip s = { 0 };
	const json_t *point;
	size_t i;
	int any;

	*out = (struct lsb_chart){ .name = "launches", .width = 480 };
	(void)snprintf(out->title, sizeof(out->title), "%s: run time of every launch", lsb_kind_title(kind));
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		char shown[LSB_SHOWN];

		if (!lsb_is_kind(point, kind) ||
		    !json_array_size(json_object_get(lsb_metric(point, "run_s"), "samples")) ||
		    s.n == ROWS_MAX)
			continue;
		add_row(&s, point, out);
		lsb_text_add(&out->desc, "%s: median %s s of %.0f launches. ", lsb_text_of(point, "label"),
			     lsb_show_estimate(lsb_metric(point, "run_s"), shown),
			     lsb_number(point, "launches"));
	}
	any = s.n > 0 && s.highest > 0 && isfinite(s.highest);
	out->height = 70 + (int)s.n * ROW_HEIGHT;
	if (any) {
		add_plots(&s, &out->script);
		lsb_chart_legend(out, "dot measured",
				 "one launch; the first round is the topmost dot of a row");
		lsb_chart_legend(out, "bar ink", "median");
		if (s.bands.length)
			lsb_chart_legend(out, "box band", "95 % interval of the median");
	}
	lsb_text_free(&s.dots);
	lsb_text_free(&s.medians);
	lsb_text_free(&s.bands);
	lsb_text_free(&s.tics);
	return any;
}
