/* SPDX-License-Identifier: Apache-2.0 */
/* How much link a pipeline bears: points whose links were slowed on purpose, measured beside predicted. */
#include <string.h>

#include "measure/break_even.h"
#include "report/section.h"

static const char note[] =
	"Tokens a second of pipelines whose messages transport-fault slowed on purpose. Left: of what the "
	"case's fastest link gives. Predicted: the simulated run (docs/predict.md), from all other points of "
	"the run, never from the point itself; error: predicted / measured - 1.";

static int is_there(const json_t *summary)
{
	return json_array_size(json_object_get(summary, "link_sensitivity")) > 0;
}

/* The most that a point of the same case was measured at. */
static double best_of_case(const json_t *rows, const char *name)
{
	const json_t *row;
	double best = 0;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const double its = lsb_number(row, "measured_tokens_per_s");

		if (strcmp(lsb_text_of(row, "case"), name) == 0 && its > best)
			best = its;
	}
	return best;
}

static void number_cell(struct lsb_table *t, const json_t *row, const char *key, const char *format,
			double factor)
{
	const json_t *value = json_object_get(row, key);

	if (json_is_number(value))
		lsb_table_cell(t, format, json_number_value(value) * factor);
	else
		lsb_table_cell(t, "-");
}

static struct lsb_table table_of(const json_t *summary, int has_room)
{
	static const char *const heads[] = { "",       "delay",	    "bandwidth", "measured tokens/s",
					     "left %", "predicted", "error %" };
	const json_t *rows = json_object_get(summary, "link_sensitivity"), *row;
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	char shown[LSB_BREAK_EVEN_SHOWN], value[LSB_SHOWN], interval[LSB_SHOWN];
	const char *last = "";
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *name = lsb_text_of(row, "case");
		const json_t *rate = json_object_get(row, "bytes_per_s");
		const double measured = lsb_number(row, "measured_tokens_per_s"),
			     delay_s = lsb_number(row, "delay_s");

		lsb_table_cell(&t, "%s", strcmp(name, last) == 0 && !has_room ? "" : name);
		lsb_table_cell(&t, "%s", delay_s > 0 ? lsb_break_even_time(delay_s, shown) : "0");
		lsb_table_cell(&t, "%s",
			       json_is_number(rate) ? lsb_break_even_rate(json_number_value(rate), shown)
						    : "any");
		lsb_show_interval(json_object_get(row, "ci95"), !has_room, interval);
		lsb_table_cell(&t, "%s%s%s", lsb_show_short(measured, value), *interval ? " " : "", interval);
		lsb_table_cell(&t, "%.0f", 100 * measured / best_of_case(rows, name));
		number_cell(&t, row, "predicted_tokens_per_s", "%.1f", 1);
		number_cell(&t, row, "error", "%+.1f", 100);
		last = name;
	}
	return t;
}

static void show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_table t = table_of(summary, is_markdown);

	lsb_table_show(&t, is_markdown, to);
	lsb_text_add(to, "\n");
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", note);
}

static void add_html(const struct lsb_page *page)
{
	struct lsb_table t = table_of(page->summary, 1);
	struct lsb_chart chart;

	if (lsb_chart_sensitivity(page->summary, &chart))
		lsb_html_chart(page, &chart);
	else
		lsb_chart_free(&chart);
	lsb_html_from_table(page, "Tokens a second over slowed links, measured and predicted", &t, 1);
	lsb_html_note(page, note);
}

const struct lsb_section lsb_section_sensitivity = {
	.title = "Sensitivity to the link",
	.hint = "predicted: from all other points",
	.anchor = "sensitivity",
	.link = "Sensitivity to the link",
	.is_there = is_there,
	.show = show,
	.html = add_html,
};
