/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a chart's script to an <svg> element of the page: gnuplot's own, with ids, colours and fonts made the
 * page's.
 */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"

/* Colours #010100 and on, in the order of chart.h. */
static const char *const colours[] = { "ink", "quiet", "line", "measured", "bound", "ideal", "band",
				       "s0",  "s1",    "s2",   "s3",	   "s4",    "s5" };

void lsb_chart_free(struct lsb_chart *chart)
{
	for (size_t i = 0; i < chart->n_labels; i++)
		free(chart->labels[i]);
	lsb_text_free(&chart->desc);
	lsb_text_free(&chart->script);
	lsb_text_free(&chart->legend);
	lsb_text_free(&chart->note);
	*chart = (struct lsb_chart){ 0 };
}

size_t lsb_chart_label(struct lsb_chart *chart, const char *text, size_t width)
{
	char *label;

	if (chart->n_labels == LSB_CHART_LABELS)
		return LSB_CHART_LABELS - 1;
	label = lsb_text_cut(text, width);
	if (!label) {
		chart->script.failed = 1;
		return 0;
	}
	chart->labels[chart->n_labels] = label;
	return chart->n_labels++;
}

void lsb_chart_legend(struct lsb_chart *chart, const char *mark, const char *words)
{
	lsb_html_add(&chart->legend, "<li><span class=\"mark %s\"></span>%s</li>", mark, words);
}

double lsb_chart_step(double span, int most)
{
	const double least = span / most, power = pow(10, floor(log10(least)));

	if (!(least > 0) || !isfinite(least))
		return 1;
	return power * (least <= power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10);
}

/* --- gnuplot's SVG, piece by piece --- */

struct piece {
	const char *at, *end;
};

static int starts(const struct piece *p, const char *with)
{
	const size_t n = strlen(with);

	return (size_t)(p->end - p->at) >= n && memcmp(p->at, with, n) == 0;
}

/* Pass over all up to and with `end`; when it does not come, over all. */
static void skip(struct piece *p, const char *end)
{
	const char *found = memmem(p->at, (size_t)(p->end - p->at), end, strlen(end));

	p->at = found ? found + strlen(end) : p->end;
}

/* "rgb(  1,   1,   3)" at p: the variable for it. 1 when it was one of the page's colours. */
static int colour(struct piece *p, struct lsb_text *to)
{
	unsigned r, g, b;
	int n = 0;

	if (!starts(p, "rgb(") || p->end - p->at < 20)
		return 0;
	if (sscanf(p->at, "rgb(%3u,%4u,%4u)%n", &r, &g, &b, &n) != 3 || n == 0)
		return 0;
	if (r != 1 || g != 1 || b >= LSB_COUNT(colours))
		return 0;
	lsb_text_add(to, "var(--%s)", colours[b]);
	p->at += n;
	return 1;
}

/* "@L12@" at p: that label. */
static int label(const struct lsb_chart *chart, struct piece *p, struct lsb_text *to)
{
	unsigned number;
	int n = 0;

	if (!starts(p, "@L") || sscanf(p->at, "@L%3u@%n", &number, &n) != 1 || n == 0 ||
	    number >= chart->n_labels)
		return 0;
	lsb_html_escape(to, chart->labels[number], strlen(chart->labels[number]));
	p->at += n;
	return 1;
}

/* What is replaced wherever it stands: ids that other charts have too, and colours that are not ours. */
static int exchange(const struct lsb_chart *chart, struct piece *p, struct lsb_text *to)
{
	static const struct {
		const char *from, *to;
	} plain[] = { { "'black'", "'var(--ink)'" },
		      { "\"black\"", "\"var(--ink)\"" },
		      { "'white'", "'var(--paper)'" },
		      { "\"white\"", "\"var(--paper)\"" },
		      { "\"currentColor\"", "\"var(--ink)\"" },
		      { " font-family=\"Arial\"", "" },
		      { " id=\"gnuplot_canvas\"", "" },
		      { "\t", "" } };
	static const char *const ids[] = { "'gp", "'#gp" };

	for (size_t i = 0; i < LSB_COUNT(plain); i++)
		if (starts(p, plain[i].from)) {
			lsb_text_add(to, "%s", plain[i].to);
			p->at += strlen(plain[i].from);
			return 1;
		}
	for (size_t i = 0; i < LSB_COUNT(ids); i++)
		if (starts(p, ids[i])) {
			lsb_text_add(to, "%.*s%s%d-gp", (int)strlen(ids[i]) - 2, ids[i], chart->name,
				     chart->number);
			p->at += strlen(ids[i]);
			return 1;
		}
	return 0;
}

static void adopt(const struct lsb_chart *chart, struct piece p, struct lsb_text *to)
{
	while (p.at < p.end) {
		if (starts(&p, "<title>"))
			skip(&p, "</title>");
		else if (starts(&p, "<filter"))
			skip(&p, "</filter>");
		else if (!colour(&p, to) && !label(chart, &p, to) && !exchange(chart, &p, to))
			lsb_text_bytes(to, p.at++, 1);
	}
}

int lsb_chart_draw(const struct lsb_chart *chart, struct lsb_gnuplot *gnuplot, struct lsb_text *to,
		   struct lsb_error *err)
{
	static const char head_end[] = "</desc>", tail[] = "</svg>";
	struct lsb_text script = { 0 }, svg = { 0 };
	const char *begin, *end;
	int rc;

	lsb_text_add(&script,
		     "set terminal svg size %d,%d dynamic noenhanced font 'Arial,13' rounded name '%s%d'\n"
		     "set encoding utf8\nunset key\nset border 3 lc " LSB_LINE "\n"
		     "set tics nomirror out scale 0.4 textcolor " LSB_QUIET "\n"
		     "set grid ytics lc " LSB_LINE " lt 1 dt 1 lw 0.6\n%s",
		     chart->width, chart->height, chart->name, chart->number,
		     chart->script.data ? chart->script.data : "");
	rc = script.failed || chart->script.failed ? lsb_fail(err, LSB_ENOMEM, 0, "no memory for it")
						   : lsb_gnuplot_run(gnuplot, script.data, &svg, err);
	if (rc)
		goto done;
	begin = svg.data ? strstr(svg.data, head_end) : NULL;
	end = begin ? strstr(begin, tail) : NULL;
	if (!end) {
		rc = lsb_fail(err, LSB_EIO, 0, "gnuplot gave no SVG");
		goto done;
	}
	lsb_html_add(
		to,
		"<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s%d-t %s%d-d\">"
		"<title id=\"%s%d-t\">%s</title><desc id=\"%s%d-d\">%s</desc>\n",
		chart->width, chart->height, chart->name, chart->number, chart->name, chart->number,
		chart->name, chart->number, chart->title, chart->name, chart->number,
		chart->desc.data ? chart->desc.data : "");
	adopt(chart, (struct piece){ begin + strlen(head_end), end }, to);
	lsb_text_add(to, "</svg>\n");
done:
	lsb_text_free(&script);
	lsb_text_free(&svg);
	return rc;
}
