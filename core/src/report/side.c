/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Side by side: verdicts over the values of the factor that the suite compares, and
 * the links at which several nodes break even. Tables are built once and laid out
 * for the terminal, for Markdown and for HTML.
 */
#include <string.h>

#include "measure/break_even.h"
#include "report/links.h"
#include "report/section.h"

static const json_t *pairs_of(const json_t *summary)
{
	return json_object_get(json_object_get(summary, "side_by_side"), "pairs");
}

/* Metrics of links, by size, in a pair: of the `which`-th the metrics; 0 when there are no more. */
static int link_row(const json_t *pair, size_t which, uint64_t *bytes, const json_t **latency,
		    const json_t **bandwidth)
{
	const json_t *metrics = json_object_get(pair, "metrics");
	char name[64];
	const char *key;
	json_t *metric;

	json_object_foreach((json_t *)(uintptr_t)metrics, key, metric)
	{
		unsigned long long its;

		if (sscanf(key, "latency_%20llu_s", &its) != 1 || which--)
			continue;
		*bytes = its;
		*latency = metric;
		(void)snprintf(name, sizeof(name), "bandwidth_%llu_bps", its);
		*bandwidth = json_object_get(metrics, name);
		return 1;
	}
	return 0;
}

static void value_cell(struct lsb_table *t, const json_t *object, const char *key, double factor)
{
	const json_t *value = json_object_get(object, key);
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s",
		       json_is_number(value) ? lsb_show_short(json_number_value(value) * factor, shown)
					     : "-");
}

/* "1.07 [1.05, 1.10]" and the verdict, with its reason where there is room. */
static void verdict_cells(struct lsb_table *t, const json_t *metric, int has_room)
{
	const json_t *ratio = json_object_get(metric, "ratio"), *ci = json_object_get(metric, "ci95");
	const char *reason = has_room ? lsb_text_of(metric, "reason") : "";
	char value[LSB_SHOWN], interval[LSB_SHOWN];

	if (json_is_number(ratio))
		lsb_table_cell(t, "%s %s", lsb_show_short(json_number_value(ratio), value),
			       lsb_show_interval(ci, !has_room, interval));
	else
		lsb_table_cell(t, "-");
	lsb_table_cell(t, "%s%s%s", metric ? lsb_text_of(metric, "verdict") : "-", *reason ? ": " : "",
		       reason);
}

/* A row for each pair of points that answer requests, and metric. */
static struct lsb_table answers_table(const json_t *summary, int has_room)
{
	static const char *const heads[] = { "", "metric", "against", "it", "ratio", "verdict" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *pair;
	const char *name;
	json_t *metric;
	size_t i;

	json_array_foreach(pairs_of(summary), i, pair)
	{
		const char *what = lsb_text_of(pair, "what");

		if (!json_object_get(json_object_get(pair, "metrics"), "tokens_per_s"))
			continue;
		json_object_foreach(json_object_get(pair, "metrics"), name, metric)
		{
			lsb_table_cell(&t, "%s", what);
			lsb_table_cell(&t, "%s", name);
			value_cell(&t, metric, "a", 1);
			value_cell(&t, metric, "b", 1);
			verdict_cells(&t, metric, has_room);
			what = "";
		}
	}
	return t;
}

/* A row for each size of one pair of links. */
static struct lsb_table link_table(const json_t *pair, int has_room)
{
	static const char *const heads[] = { "message", "against \xc2\xb5s", "it \xc2\xb5s", "latency",
					     "verdict", "bandwidth",	     "verdict" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *latency, *bandwidth;
	char shown[LSB_SHOWN];
	uint64_t bytes;

	for (size_t i = 0; link_row(pair, i, &bytes, &latency, &bandwidth); i++) {
		lsb_table_cell(&t, "%s", lsb_link_size(bytes, shown));
		value_cell(&t, latency, "a", 1e6);
		value_cell(&t, latency, "b", 1e6);
		verdict_cells(&t, latency, has_room);
		verdict_cells(&t, bandwidth, has_room);
	}
	return t;
}

/* --- break-even ------------------------------------------------------------------------------ */

/* "3.1 ms [2.8 ms, 3.4 ms]" */
static void limit_cell(struct lsb_table *t, const json_t *limit, const char *always,
		       const char *(*show)(double, char[LSB_BREAK_EVEN_SHOWN]))
{
	const char *pays = lsb_text_of(limit, "pays");
	const json_t *range = json_object_get(limit, "range");
	char value[LSB_BREAK_EVEN_SHOWN], lo[LSB_BREAK_EVEN_SHOWN], hi[LSB_BREAK_EVEN_SHOWN];

	if (strcmp(pays, "up_to") != 0)
		lsb_table_cell(t, "%s", strcmp(pays, "always") == 0 ? always : pays);
	else if (json_array_size(range) == 2)
		lsb_table_cell(t, "%s [%s, %s]", show(lsb_number(limit, "value"), value),
			       show(json_number_value(json_array_get(range, 0)), lo),
			       show(json_number_value(json_array_get(range, 1)), hi));
	else
		lsb_table_cell(t, "%s", show(lsb_number(limit, "value"), value));
}

static void break_even_row(struct lsb_table *t, const json_t *point, const json_t *answer, int has_room)
{
	const json_t *now = json_object_get(answer, "link_latency_s");
	char shown[LSB_SHOWN];

	lsb_table_point(t, point, has_room);
	lsb_table_cell(t, "%s",
		       strcmp(lsb_text_of(answer, "against"), "equal_batch") == 0 ? "equal batch"
										  : "equal at once");
	value_cell(t, answer, "target_tokens_per_s", 1);
	value_cell(t, answer, "measured_tokens_per_s", 1);
	lsb_table_cell(t, "%+.1f", lsb_number(answer, "error") * 100);
	lsb_table_cell(t, "%s",
		       json_is_number(now) ? lsb_break_even_time(json_number_value(now), shown) : "-");
	limit_cell(t, json_object_get(answer, "latency"), "1 s and more", lsb_break_even_time);
	limit_cell(t, json_object_get(answer, "bandwidth"), "1 kB/s and less", lsb_break_even_rate);
}

static struct lsb_table break_even_table(const json_t *summary, int has_room)
{
	static const char *const heads[] = { "",	"one node with", "its tokens/s", "nodes' tokens/s",
					     "model %", "latency now",	 "pays up to",	 "pays from" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point, *answer;
	size_t i, k;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "break_even"), k, answer)
			break_even_row(&t, point, answer, has_room);
	}
	return t;
}

/* --- laid out ----------------------------------------------------------------------------------- */

static const char verdicts_note[] = "The ratio is it / against, the median of what launches of the same "
				    "round give (so it need not be the ratio of the medians), with its exact "
				    "95 % interval. Faster and slower need an interval that leaves out 1 "
				    "\xc2\xb1 2 % and, over all comparisons of a metric, p of at most 5 % "
				    "(docs/compare.md); an interval that is wide says that launches "
				    "differed, by other work on the machine for one.";
static const char break_even_note[] =
	"The measured run simulated over other links (docs/predict.md) until it is as fast as one node. "
	"Latency now: of a message that was waited for, from its hand-over to its arrival. Pays up to: the "
	"latency at the measured bandwidth; pays from: the bandwidth at the measured latency; in brackets "
	"what the model's own error at the link as it is would make of that. Unknown: measured, the nodes "
	"are on the other side of the one node than by the model. Ranks that share a machine here are taken "
	"to go on sharing it.";

static int is_there(const json_t *summary)
{
	return json_array_size(pairs_of(summary)) > 0 ||
	       *lsb_text_of(json_object_get(summary, "side_by_side"), "reason");
}

static int has_break_even(const json_t *point)
{
	return json_array_size(json_object_get(point, "break_even")) > 0;
}

static int break_even_is_there(const json_t *summary)
{
	return lsb_any_point(summary, has_break_even);
}

static void show_table(struct lsb_table *t, int is_markdown, struct lsb_text *to)
{
	if (lsb_table_has_rows(t)) {
		lsb_table_show(t, is_markdown, to);
		lsb_text_add(to, "\n");
	}
	lsb_table_free(t);
}

static void show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	const json_t *pair, *latency, *bandwidth;
	struct lsb_table t = answers_table(summary, is_markdown);
	uint64_t bytes;
	size_t i;

	if (*lsb_text_of(json_object_get(summary, "side_by_side"), "reason"))
		lsb_text_add(to, "Nothing to compare: %s.\n\n",
			     lsb_text_of(json_object_get(summary, "side_by_side"), "reason"));
	show_table(&t, is_markdown, to);
	json_array_foreach(pairs_of(summary), i, pair)
	{
		if (!link_row(pair, 0, &bytes, &latency, &bandwidth))
			continue;
		lsb_text_add(to, "%s%s\n\n", is_markdown ? "### " : "", lsb_text_of(pair, "what"));
		t = link_table(pair, is_markdown);
		show_table(&t, is_markdown, to);
	}
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", verdicts_note);
}

static void show_break_even(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_table t = break_even_table(summary, is_markdown);

	show_table(&t, is_markdown, to);
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", break_even_note);
}

static void add_break_even(const struct lsb_page *page)
{
	struct lsb_table t = break_even_table(page->summary, 1);

	lsb_html_from_table(page, "Links at which the nodes are as fast as one node, predicted", &t, 2);
	lsb_html_note(page, break_even_note);
}

static void add_html(const struct lsb_page *page)
{
	const char *reason = lsb_text_of(json_object_get(page->summary, "side_by_side"), "reason");
	struct lsb_table t = answers_table(page->summary, 1);
	const json_t *pair, *latency, *bandwidth;
	uint64_t bytes;
	size_t i;

	if (*reason)
		lsb_html_add(page->to, "<p>Nothing to compare: %s.</p>\n", reason);
	lsb_html_from_table(page, "Runs", &t, 2);
	json_array_foreach(pairs_of(page->summary), i, pair)
	{
		if (!link_row(pair, 0, &bytes, &latency, &bandwidth))
			continue;
		t = link_table(pair, 1);
		lsb_html_from_table(page, lsb_text_of(pair, "what"), &t, 1);
	}
	lsb_html_note(page, verdicts_note);
}

const struct lsb_section lsb_section_side = {
	.title = "Side by side",
	.hint = "ratio: it / against",
	.anchor = "side",
	.link = "Side by side",
	.is_there = is_there,
	.show = show,
	.html = add_html,
};

const struct lsb_section lsb_section_break_even = {
	.title = "When several nodes pay off",
	.hint = "latency at the measured bandwidth, and the other way",
	.anchor = "break-even",
	.link = "Break-even",
	.is_there = break_even_is_there,
	.show = show_break_even,
	.html = add_break_even,
};
