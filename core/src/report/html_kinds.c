/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results of each kind of case: table, curves, every launch, and each ratio with its formula and
 * baseline.
 */
#include <stdio.h>
#include <string.h>

#include "measure/launch_measure.h"
#include "report/html.h"

static void whole(const struct lsb_page *page, const json_t *point, const char *key)
{
	lsb_html_add(page->to, "<td class=\"n\">%.0f</td>", lsb_number(point, key));
}

static void add_results(const struct lsb_page *page, const char *kind)
{
	static const char *const heads[] = { "Point",
					     "#Nodes",
					     "#Prompts",
					     "#Batch",
					     "#In flight",
					     "#n",
					     "#Wall (s)",
					     "#Run (s)",
					     "#Tokens/s",
					     "#Speedup",
					     "#Efficiency",
					     "#I/O: load (s)",
					     "#Commu\u00adnication (s)",
					     "#Wait (s)",
					     "#Prepro\u00adcessing (s)" };
	static const char *const factors[] = { "nodes", "prompts", "batch", "in_flight", "launches" };
	static const char *const before[] = { "wall_s", "run_s", "tokens_per_s" };
	static const char *const behind[] = { "load_s", "communication_s", "wait_s", "preprocess_s" };
	const json_t *point;
	size_t i;

	lsb_html_table(page, "Medians over launches, with the 95 % interval of the median", heads,
		       LSB_COUNT(heads));
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind) || !lsb_has_launches(point))
			continue;
		lsb_html_row(page, point, 1);
		for (size_t k = 0; k < LSB_COUNT(factors); k++)
			whole(page, point, factors[k]);
		for (size_t k = 0; k < LSB_COUNT(before); k++)
			lsb_html_estimate(page, lsb_metric(point, before[k]));
		if (lsb_is_own_baseline(point)) {
			lsb_text_add(
				page->to,
				"<td class=\"n\" colspan=\"2\">1 <span class=\"ci\">(baseline)</span></td>");
		} else {
			lsb_html_estimate(page, lsb_scaling(point, "speedup"));
			lsb_html_estimate(page, lsb_scaling(point, "efficiency"));
		}
		for (size_t k = 0; k < LSB_COUNT(behind); k++)
			lsb_html_estimate(page, lsb_metric(point, behind[k]));
		lsb_html_row_end(page);
	}
	lsb_html_table_end(page);
}

static void add_ratio(const struct lsb_page *page, struct lsb_html_rows *rows, const json_t *point,
		      const struct lsb_ratio *which)
{
	const json_t *ratio = lsb_scaling(point, which->name);
	const json_t *baselines = json_object_get(json_object_get(point, "scaling"), "baselines");
	const json_t *baseline = json_object_get(baselines, which->baseline);
	const char *metric = lsb_text_of(ratio, "metric");
	char shown[LSB_SHOWN];

	if (!ratio)
		return;
	lsb_html_rows_add(page, rows, point);
	lsb_html_cell(page, "%s", which->words);
	lsb_html_estimate(page, ratio);
	lsb_html_cell(page, "%s", lsb_verdict(ratio));
	lsb_html_cell(page, "<a href=\"#p-%s\">%s</a>: %s = %s %s", lsb_text_of(ratio, "baseline"),
		      lsb_text_of(baseline, "label"), metric,
		      lsb_show(lsb_number(ratio, "baseline_value"), shown), lsb_metric_unit(metric));
	lsb_html_cell(page, "<span class=\"formula\">%s</span>", lsb_text_of(ratio, "formula"));
	lsb_html_row_end(page);
}

static void add_ratios(const struct lsb_page *page, const char *kind)
{
	static const char *const heads[] = { "Point", "Ratio", "#Value", "Verdict", "Against", "Formula" };
	struct lsb_html_rows rows = { "What it is compared with", heads, LSB_COUNT(heads), 0 };
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind))
			continue;
		for (size_t k = lsb_is_own_baseline(point) ? LSB_RATIOS_OF_SPEEDUP : 0; k < LSB_RATIOS; k++)
			add_ratio(page, &rows, point, &lsb_ratios[k]);
	}
	if (!lsb_html_rows_end(page, &rows))
		lsb_text_add(page->to, "<p>Nothing to compare with was measured.</p>\n");
}

/* What no table of ratios can say: bounds, serial fractions, why there is no efficiency. */
static void add_remarks(const struct lsb_page *page, const json_t *point)
{
	const json_t *scaling = json_object_get(point, "scaling"), *bound = lsb_scaling(point, "bound");
	const json_t *batch = lsb_scaling(point, "batch_efficiency");
	char shown[LSB_SHOWN];

	if (bound && !lsb_is_own_baseline(point)) {
		lsb_text_add(page->to, "<li>");
		lsb_html_point(page, point);
		lsb_text_add(page->to, ": bound of the speedup ");
		lsb_html_estimate_inline(page, bound);
		lsb_html_add(page->to, " (%s), %.0f %% of it reached", lsb_text_of(bound, "kind"),
			     lsb_number(scaling, "bound_share") * 100);
		if (lsb_scaling(point, "karp_flatt"))
			lsb_html_add(page->to,
				     "; Karp-Flatt serial fraction (1/S \u2212 1/p) / (1 \u2212 1/p) = %s",
				     lsb_show(lsb_number(scaling, "karp_flatt"), shown));
		lsb_text_add(page->to, ".</li>\n");
	}
	if (batch) {
		lsb_text_add(page->to, "<li>");
		lsb_html_point(page, point);
		lsb_text_add(page->to, ": batch efficiency ");
		lsb_html_estimate_inline(page, batch);
		lsb_html_add(page->to, ", %s.</li>\n", lsb_text_of(batch, "formula"));
	}
	if (lsb_scaling(point, "no_efficiency")) {
		lsb_text_add(page->to, "<li>");
		lsb_html_point(page, point);
		lsb_html_add(page->to, ": no efficiency: %s.</li>\n", lsb_text_of(scaling, "no_efficiency"));
	}
}

/* All launches of a point with too few for an interval. */
static void add_values(const struct lsb_page *page, const json_t *point)
{
	const json_t *samples = json_object_get(lsb_metric(point, "run_s"), "samples"), *sample;
	char shown[LSB_SHOWN];
	size_t i;

	if (!lsb_lacks_interval(point))
		return;
	lsb_text_add(page->to, "<li>");
	lsb_html_point(page, point);
	lsb_html_add(page->to, " has %.0f launch%s; an interval needs 6. Run times in s:",
		     lsb_number(point, "launches"), lsb_number(point, "launches") == 1 ? "" : "es");
	json_array_foreach(samples, i, sample)
	{
		lsb_html_add(page->to, " %s", lsb_show(json_number_value(sample), shown));
	}
	lsb_text_add(page->to, ".</li>\n");
}

static void add_fits(const struct lsb_page *page)
{
	const json_t *fit;
	char shown[LSB_SHOWN];
	size_t i;

	json_array_foreach(json_object_get(page->summary, "fits"), i, fit)
	{
		lsb_html_add(page->to, "<li>%s, %s: ", lsb_text_of(fit, "case"), lsb_text_of(fit, "law"));
		if (json_is_number(json_object_get(fit, "serial_fraction")))
			lsb_html_add(page->to, "f = %s.</li>\n",
				     lsb_show(lsb_number(fit, "serial_fraction"), shown));
		else
			lsb_html_add(page->to, "%s.</li>\n", lsb_text_of(fit, "reason"));
	}
}

static void add_charts(const struct lsb_page *page, const char *kind, int number)
{
	struct lsb_chart chart;

	lsb_text_add(page->to, "<div class=\"figures\">\n");
	if (lsb_chart_scaling(page->summary, kind, &chart)) {
		chart.number = number;
		lsb_html_chart(page, &chart);
	}
	lsb_chart_free(&chart);
	if (strcmp(kind, "batch") == 0) {
		if (lsb_chart_batch(page->summary, &chart))
			lsb_html_chart(page, &chart);
		lsb_chart_free(&chart);
	}
	if (lsb_chart_launches(page->summary, kind, &chart)) {
		chart.number = number;
		lsb_html_chart(page, &chart);
	}
	lsb_chart_free(&chart);
	lsb_text_add(page->to, "</div>\n");
}

static void add_kind(const struct lsb_page *page, const char *kind, int number)
{
	const json_t *point;
	size_t i, n = 0;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		n += lsb_is_kind(point, kind) && lsb_has_launches(point);
	}
	lsb_html_open(page, kind, lsb_kind_title(kind));
	if (n == 0) {
		lsb_text_add(page->to, "<p>No point of this kind has a result.</p>\n");
		lsb_html_close(page);
		return;
	}
	if (strcmp(kind, "link") == 0) {
		lsb_html_links(page);
		lsb_html_close(page);
		return;
	}
	add_results(page, kind);
	add_charts(page, kind, number);
	if (strcmp(kind, "infer") != 0)
		add_ratios(page, kind);
	lsb_text_add(page->to, "<ul class=\"remarks\">\n");
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind) || !lsb_has_launches(point))
			continue;
		add_remarks(page, point);
		add_values(page, point);
	}
	if (strcmp(kind, "strong") == 0)
		add_fits(page);
	lsb_text_add(page->to, "</ul>\n");
	lsb_html_close(page);
}

void lsb_html_kinds(const struct lsb_page *page)
{
	for (size_t i = 0; lsb_report_kinds[i]; i++)
		if (lsb_count_kind(page->summary, lsb_report_kinds[i]))
			add_kind(page, lsb_report_kinds[i], (int)i);
}
