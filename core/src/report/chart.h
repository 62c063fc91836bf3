/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts with axes: a gnuplot script of numbers alone, drawn by a child, and made
 * part of the page. Text of the data never reaches gnuplot: the script holds
 * "@L0@", "@L1@", ... in its place, which are filled in, escaped, afterwards.
 * Colours are the page's: "@name@"-like numbers in, CSS variables out.
 */
#ifndef LSB_REPORT_CHART_H
#define LSB_REPORT_CHART_H

#include <jansson.h>

#include "base/base.h"

/* The program, looked for once; one that failed to answer in time is not asked again. */
struct lsb_gnuplot {
	char path[4096]; /* "" when it cannot be used */
	char why[256];	 /* then: why not */
	unsigned timeout_ms;
};

/* Look on PATH. */
void lsb_gnuplot_find(struct lsb_gnuplot *out);
/*
 * What it writes for `script`: *out is malloc'ed. LSB_EIO with a message when it
 * cannot be started, fails, says nothing, or takes too long.
 */
int lsb_gnuplot_run(struct lsb_gnuplot *gnuplot, const char *script, struct lsb_text *out,
		    struct lsb_error *err);

/* Colours of a script, as gnuplot wants them; each comes out as var(--NAME). Same order as in chart.c. */
#define LSB_INK "rgb '#010100'"
#define LSB_QUIET "rgb '#010101'"
#define LSB_LINE "rgb '#010102'"
#define LSB_MEASURED "rgb '#010103'"
#define LSB_BOUND "rgb '#010104'"
#define LSB_IDEAL "rgb '#010105'"
#define LSB_BAND "rgb '#010106'"
/* Colours of series: "rgb '#01010X'" with X from LSB_SERIES_COLOUR on. */
enum { LSB_SERIES_COLOUR = 7, LSB_SERIES = 6, LSB_CHART_LABELS = 64 };

struct lsb_chart {
	const char *name;		/* in ids: [a-z]+ */
	char title[160];		/* what it shows; of the data, so not yet escaped */
	struct lsb_text desc;		/* for those who cannot see it: the data in words */
	struct lsb_text script;		/* without "set terminal" */
	struct lsb_text legend;		/* markup */
	struct lsb_text note;		/* under it; text */
	char *labels[LSB_CHART_LABELS]; /* owned; of the data */
	size_t n_labels;
	int width, height; /* of its own units */
	int number;	   /* makes ids unique when a kind of chart occurs more than once */
};

void lsb_chart_free(struct lsb_chart *chart);
/*
 * Number of a placeholder for `text`, cut to `width` characters; the last one again when there are too many.
 */
size_t lsb_chart_label(struct lsb_chart *chart, const char *text, size_t width);
/* Mark of the legend: `mark` is a CSS class of style.css, `words` trusted markup's text. */
void lsb_chart_legend(struct lsb_chart *chart, const char *mark, const char *words);
/* 1, 2 or 5 times a power of ten, so that a span has at most `most` steps of it. */
double lsb_chart_step(double span, int most);
/* The chart as an <svg> element. LSB_EIO with a message when it cannot be drawn. */
int lsb_chart_draw(const struct lsb_chart *chart, struct lsb_gnuplot *gnuplot, struct lsb_text *to,
		   struct lsb_error *err);

/* --- a file each; 1 when there is something to draw --- */

int lsb_chart_scaling(const json_t *summary, const char *kind, struct lsb_chart *out);
int lsb_chart_batch(const json_t *summary, struct lsb_chart *out);
int lsb_chart_launches(const json_t *summary, const char *kind, struct lsb_chart *out);
struct lsb_link_group;
/* Of kind = link: latency, bandwidth or message rate over size; `which` indexes lsb_link_curves. */
int lsb_chart_link(const struct lsb_link_group *group, size_t which, struct lsb_chart *out);
int lsb_chart_sensitivity(const json_t *summary, struct lsb_chart *out);
/* Of one of the summary's knees: "ttft", "tpot" or "e2e" over the rate of arrivals. */
int lsb_chart_load(const json_t *summary, const json_t *knee, const char *latency, struct lsb_chart *out);
int lsb_chart_latency(const json_t *summary, const json_t *launches, const char *latency,
		      struct lsb_chart *out);

#endif
