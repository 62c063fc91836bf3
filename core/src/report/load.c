/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service promises beside what it does: of each point the requests that keep
 * the limits, its latencies, and where rates are the question the knee.
 */
#include "measure/slo.h"
#include "report/section.h"

static const char note[] =
	"Goodput: requests that keep every limit / run time. Shares are of all requests that were issued; a "
	"failed one keeps no limit. Times count from the scheduled arrival. A rate at which the queue grows "
	"does not keep the limits, whatever its share: they would not hold for longer.";

static int has_limits(const json_t *point)
{
	return json_is_object(json_object_get(point, "slo"));
}

static int is_there(const json_t *summary)
{
	return lsb_any_point(summary, has_limits);
}

static void metric_cell(struct lsb_table *t, const json_t *metric, int is_share, int is_wide)
{
	if (metric && is_share)
		lsb_table_cell(t, "%.1f %%", lsb_number(metric, "median") * 100);
	else
		lsb_table_metric(t, metric, is_wide);
}

/* "ttft 0.2 s, tpot 0.05 s" */
static void limits_cell(struct lsb_table *t, const json_t *slo)
{
	static const char *const keys[][2] = { { "ttft_s", "ttft" },
					       { "tpot_s", "tpot" },
					       { "e2e_s", "e2e" } };
	struct lsb_text text = { 0 };

	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		if (json_is_number(json_object_get(slo, keys[i][0])))
			lsb_text_add(&text, "%s%s %.4g s", text.length ? ", " : "", keys[i][1],
				     lsb_number(slo, keys[i][0]));
	lsb_table_cell(t, "%s", text.data ? text.data : "");
	lsb_text_free(&text);
}

static struct lsb_table load_table(const json_t *summary, int is_wide)
{
	static const struct {
		const char *metric, *words, *short_words;
		int is_share;
	} columns[] = { { "goodput_rps", "Goodput (1/s)", "goodput", 0 },
			{ "slo_share", "Within the limits", "within", 1 },
			{ "slo_ttft_share", "ttft", "ttft", 1 },
			{ "slo_tpot_share", "tpot", "tpot", 1 },
			{ "slo_e2e_share", "e2e", "e2e", 1 },
			{ "ttft_p90_s", "ttft p90 (s)", "ttft p90", 0 },
			{ "tpot_p90_s", "tpot p90 (s)", "tpot p90", 0 },
			{ "e2e_p90_s", "e2e p90 (s)", "e2e p90", 0 } };
	struct lsb_table t = { 0 };
	char shown[LSB_SHOWN];
	const json_t *point;
	size_t i;

	lsb_table_column(&t, is_wide ? "Point" : "");
	lsb_table_column(&t, is_wide ? "Offered (1/s)" : "offered");
	for (i = 0; i < LSB_COUNT(columns); i++)
		lsb_table_column(&t, is_wide ? columns[i].words : columns[i].short_words);
	if (is_wide)
		lsb_table_column(&t, "Limits");
	lsb_table_column(&t, is_wide ? "Kept" : "kept");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *slo = json_object_get(point, "slo"), *met = json_object_get(slo, "met");
		const double rate = lsb_offered_rate(point);

		if (!has_limits(point) || !lsb_has_launches(point))
			continue;
		lsb_table_point(&t, point, is_wide);
		lsb_table_cell(&t, "%s", rate > 0 ? lsb_show(rate, shown) : "-");
		for (size_t k = 0; k < LSB_COUNT(columns); k++)
			metric_cell(&t, lsb_metric(point, columns[k].metric), columns[k].is_share, is_wide);
		if (is_wide)
			limits_cell(&t, slo);
		lsb_table_cell(&t, "%s (%.4g %%)", json_is_true(met) ? "yes" : "no",
			       lsb_number(slo, "share") * 100);
	}
	return t;
}

static struct lsb_table knee_table(const json_t *summary)
{
	static const char *const heads[] = { "Case", "Knee (1/s)", "Keeps them", "Does not (1/s)", "Search" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *knee;
	size_t i;

	json_array_foreach(json_object_get(summary, "knees"), i, knee)
	{
		const json_t *rate = json_object_get(knee, "rate"),
			     *ceiling = json_object_get(knee, "ceiling");

		lsb_table_cell(&t, "%s", lsb_text_of(knee, "case"));
		if (json_is_number(rate) && json_is_number(ceiling))
			lsb_table_cell(&t, "%.4g to %.4g", json_number_value(rate),
				       json_number_value(ceiling));
		else if (json_is_number(rate))
			lsb_table_cell(&t, "at least %.4g", json_number_value(rate));
		else
			lsb_table_cell(&t, "below %.4g", json_number_value(ceiling));
		lsb_table_number(&t, rate);
		lsb_table_number(&t, ceiling);
		lsb_table_cell(&t, "%s",
			       json_is_true(json_object_get(knee, "is_closed")) ? "came to its end"
										: "did not come to its end");
	}
	return t;
}

static void show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_table t = load_table(summary, is_markdown), knees = knee_table(summary);

	if (lsb_table_has_rows(&knees)) {
		lsb_table_show(&knees, is_markdown, to);
		lsb_text_add(to, is_markdown ? "" : "\n");
	}
	if (lsb_table_has_rows(&t))
		lsb_table_show(&t, is_markdown, to);
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", note);
	lsb_table_free(&knees);
	lsb_table_free(&t);
}

static void add_charts(const struct lsb_page *page)
{
	static const char *const latencies[] = { "ttft", "tpot", "e2e" };
	const json_t *knees = json_object_get(page->summary, "knees"), *knee;
	struct lsb_chart chart;
	size_t i;

	lsb_text_add(page->to, "<div class=\"figures three\">\n");
	json_array_foreach(knees, i, knee)
	{
		for (size_t k = 0; k < LSB_COUNT(latencies); k++) {
			if (lsb_chart_load(page->summary, knee, latencies[k], &chart)) {
				chart.number = (int)(i * LSB_COUNT(latencies) + k);
				lsb_html_chart(page, &chart);
			}
			lsb_chart_free(&chart);
		}
	}
	lsb_text_add(page->to, "</div>\n");
}

static void add_html(const struct lsb_page *page)
{
	struct lsb_table t = load_table(page->summary, 1), knees = knee_table(page->summary);

	if (json_array_size(json_object_get(page->summary, "knees")))
		add_charts(page);
	lsb_html_from_table(page, "The knee: the highest rate at which enough requests keep the limits",
			    &knees, 1);
	lsb_html_from_table(page, "Requests within the limits, medians over launches", &t, 1);
	lsb_html_note(page, note);
}

const struct lsb_section lsb_section_load = {
	.title = "Load and limits",
	.hint = "shares of requests that keep the limits, which report.md tells; latencies in s",
	.anchor = "load",
	.link = "Load and limits",
	.is_there = is_there,
	.show = show,
	.html = add_html,
};
