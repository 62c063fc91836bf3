/* SPDX-License-Identifier: Apache-2.0 */
/* How long requests took: distributions over requests, and quantiles as one number a launch. */
#include <stdio.h>
#include <string.h>

#include "report/html.h"

static const char *const kinds[] = { "ttft", "tpot", "itl", "e2e" };

static int has(const json_t *point, const char *kind)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "%s_p50_s", kind);
	return lsb_metric(point, key) != NULL;
}

static size_t count(const json_t *summary)
{
	const json_t *point;
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		for (size_t k = 0; k < LSB_COUNT(kinds); k++)
			n += (size_t)has(point, kinds[k]);
	}
	return n;
}

/* Standard deviation / mean: the consistency of the hand-made reports, with a formula. */
static void variation_cell(const struct lsb_page *page, const json_t *point, const char *kind)
{
	char key[64], shown[LSB_SHOWN];
	double mean, sd;

	(void)snprintf(key, sizeof(key), "%s_mean_s", kind);
	mean = lsb_number(lsb_metric(point, key), "median");
	(void)snprintf(key, sizeof(key), "%s_sd_s", kind);
	sd = lsb_number(lsb_metric(point, key), "median");
	if (mean > 0)
		lsb_html_add(page->to, "<td class=\"n\">%s</td>", lsb_show(sd / mean, shown));
	else
		lsb_text_add(page->to, "<td class=\"n\">\u2013</td>");
}

static void add_quantiles(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",	 "Latency",   "#p50 (s)", "#p90 (s)",  "#p99 (s)",
					     "#max (s)", "#mean (s)", "#sd (s)",  "#sd / mean" };
	static const char *const suffixes[] = { "p50", "p90", "p99", "max", "mean", "sd" };
	const json_t *point;
	char key[64];
	size_t i;

	lsb_html_table(page,
		       "Quantiles of each launch's requests: median over launches, with its 95 % interval",
		       heads, LSB_COUNT(heads));
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		for (size_t k = 0; k < LSB_COUNT(kinds); k++) {
			if (!has(point, kinds[k]))
				continue;
			lsb_html_row(page, point, 0);
			lsb_html_cell(page, "%s", kinds[k]);
			for (size_t s = 0; s < LSB_COUNT(suffixes); s++) {
				(void)snprintf(key, sizeof(key), "%s_%s_s", kinds[k], suffixes[s]);
				lsb_html_estimate(page, lsb_metric(point, key));
			}
			variation_cell(page, point, kinds[k]);
			lsb_html_row_end(page);
		}
	}
	lsb_html_table_end(page);
}

void lsb_html_latency(const struct lsb_page *page)
{
	static const char *const drawn[] = { "ttft", "tpot", "e2e" };
	struct lsb_chart chart;

	lsb_html_open(page, "latency", "Latency and its consistency");
	if (count(page->summary) == 0) {
		lsb_text_add(page->to, "<p>No point has answered requests.</p>\n");
		lsb_html_close(page);
		return;
	}
	lsb_text_add(page->to,
		     "<p>ttft: first token available \u2212 arrival. tpot: (last \u2212 first token) / "
		     "(tokens \u2212 1), one value a request. itl: every gap between two tokens. e2e: last "
		     "token \u2212 arrival. A request arrives when it is due: with <code>arrivals = "
		     "closed</code> all do as the run begins, so that ttft and e2e hold the time in the "
		     "queue.</p>\n"
		     "<div class=\"figures three\">\n");
	for (size_t i = 0; i < LSB_COUNT(drawn); i++) {
		if (lsb_chart_latency(page->summary, page->source->launches, drawn[i], &chart)) {
			chart.number = (int)i;
			lsb_html_chart(page, &chart);
		}
		lsb_chart_free(&chart);
	}
	lsb_text_add(
		page->to,
		"</div>\n<p class=\"quiet\">Curves: share of all requests of all launches. They show the "
		"spread, and are in no interval: the launch is the unit of all statistics.</p>\n");
	add_quantiles(page);
	lsb_html_close(page);
}
