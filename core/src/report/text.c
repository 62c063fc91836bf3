/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the terminal shows: per kind of case a table of the pipeline's figures,
 * each median with its interval below it, and under the table what the ratios
 * mean and against what; then where the time went, and what is the matter.
 */
#include <stdio.h>
#include <string.h>

#include "report/answers.h"
#include "report/links.h"
#include "report/report.h"
#include "report/section.h"

struct page {
	struct lsb_text *to;
	const char *bold, *dim, *plain; /* escape sequences, or "" */
};

/* With an empty line above, and no more than one. */
static void heading(const struct page *page, const char *title, const char *hint)
{
	const char *end = page->to->data + page->to->length;
	const int is_apart = page->to->length >= 2 && end[-1] == '\n' && end[-2] == '\n';

	lsb_text_add(page->to, "%s%s%s%s%s%s%s\n", is_apart ? "" : "\n", page->bold, title, *hint ? " (" : "",
		     hint, *hint ? ")" : "", page->plain);
}

static void short_cell(struct lsb_table *t, const json_t *metric)
{
	const json_t *value = json_object_get(metric, "median");
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s",
		       json_is_number(value) ? lsb_show_short(json_number_value(value), shown) : "-");
}

static void interval_cell(struct lsb_table *t, const json_t *estimate)
{
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s", lsb_show_interval(json_object_get(estimate, "ci95"), 1, shown));
}

static const char *const with_interval[] = { "wall_s", "run_s", "tokens_per_s" };
static const char *const without[] = { "load_s", "communication_s", "wait_s", "preprocess_s" };

/* Two lines: medians, and their intervals under them. */
static void add_point(struct lsb_table *t, const json_t *point)
{
	const json_t *speedup = lsb_scaling(point, "speedup"), *efficiency = lsb_scaling(point, "efficiency");

	lsb_table_point(t, point, 0);
	for (size_t i = 0; i < LSB_COUNT(with_interval); i++)
		lsb_table_metric(t, lsb_metric(point, with_interval[i]), 0);
	lsb_table_number(t, json_object_get(speedup, "value"));
	lsb_table_number(t, json_object_get(efficiency, "value"));
	for (size_t i = 0; i < LSB_COUNT(without); i++)
		short_cell(t, lsb_metric(point, without[i]));
	lsb_table_cell(t, "%.0f", lsb_number(point, "in_flight"));
	lsb_table_cell(t, "%s", json_array_size(json_object_get(point, "flags")) ? "!" : "");
	lsb_table_cell(t, " n=%.0f %s", lsb_number(point, "launches"), lsb_text_of(point, "id"));
	for (size_t i = 0; i < LSB_COUNT(with_interval); i++)
		interval_cell(t, lsb_metric(point, with_interval[i]));
	if (lsb_is_own_baseline(point)) {
		lsb_table_cell(t, "baseline");
	} else {
		interval_cell(t, speedup);
		interval_cell(t, efficiency);
	}
	lsb_table_fill(t);
}

/* --- under a table --- */

static void baseline_line(const struct page *page, const json_t *scaling, const char *key, const char *words)
{
	const json_t *baseline = json_object_get(json_object_get(scaling, "baselines"), key);
	char shown[LSB_SHOWN];

	if (!baseline)
		return;
	lsb_text_add(page->to, "    %s: %s (%s), %s = %s %s\n", words, lsb_text_of(baseline, "label"),
		     lsb_text_of(baseline, "id"), lsb_text_of(baseline, "metric"),
		     lsb_show(lsb_number(baseline, "value"), shown), lsb_text_of(baseline, "unit"));
}

static void ratio_line(const struct page *page, const json_t *scaling, const char *key, const char *words)
{
	const json_t *ratio = json_object_get(scaling, key);
	char shown[LSB_SHOWN];

	if (json_is_object(ratio))
		lsb_text_add(page->to, "    %s %s: %s\n      %s\n", words, lsb_show_estimate(ratio, shown),
			     lsb_verdict(ratio), lsb_text_of(ratio, "formula"));
}

/* What a point's ratios mean: bound, other baselines, batch gain. */
static void add_ratios(const struct page *page, const json_t *point)
{
	const json_t *scaling = json_object_get(point, "scaling");
	const json_t *speedup = lsb_scaling(point, "speedup"), *bound = lsb_scaling(point, "bound");
	const int own = lsb_is_own_baseline(point), gains = lsb_scaling(point, "batch_gain") != NULL;
	char shown[LSB_SHOWN];

	if (!json_is_object(scaling) || (own && !gains && !lsb_scaling(point, "speedup_equal_concurrency") &&
					 !lsb_scaling(point, "speedup_equal_cores")))
		return;
	lsb_text_add(page->to, "  %s%s%s\n", page->dim, lsb_text_of(point, "label"), page->plain);
	if (speedup && !own) {
		ratio_line(page, scaling, "speedup", "speedup");
		baseline_line(page, scaling, "equal_batch", "baseline at equal batch");
	} else if (!speedup) {
		lsb_text_add(page->to,
			     "    no speedup: no baseline with one node at equal batch was measured\n");
	}
	if (bound)
		lsb_text_add(page->to, "    bound %s (%s); %.0f %% of it reached\n",
			     lsb_show_estimate(bound, shown), lsb_text_of(bound, "kind"),
			     lsb_number(scaling, "bound_share") * 100);
	ratio_line(page, scaling, "speedup_wall", "with load and preprocessing");
	if (lsb_scaling(point, "no_efficiency"))
		lsb_text_add(page->to, "    no efficiency: %s\n", lsb_text_of(scaling, "no_efficiency"));
	ratio_line(page, scaling, "speedup_equal_concurrency", "at equal concurrency");
	baseline_line(page, scaling, "equal_concurrency", "baseline at equal concurrency");
	ratio_line(page, scaling, "speedup_equal_cores", "at equal cores");
	baseline_line(page, scaling, "equal_cores", "baseline at equal cores");
	ratio_line(page, scaling, "batch_gain", "batch gain");
	if (gains) {
		lsb_text_add(page->to, "    batch efficiency %s\n",
			     lsb_show_estimate(lsb_scaling(point, "batch_efficiency"), shown));
		baseline_line(page, scaling, "batch_one", "baseline at batch 1");
	}
}

/* Fewer launches than an interval needs: then all of them. */
static void add_values(const struct page *page, const json_t *point)
{
	if (!lsb_lacks_interval(point))
		return;
	lsb_text_add(page->to, "  %s: no interval below 6 launches; all values:\n",
		     lsb_text_of(point, "label"));
	for (size_t i = 0; i < LSB_COUNT(with_interval); i++) {
		const json_t *samples = json_object_get(lsb_metric(point, with_interval[i]), "samples"),
			     *sample;
		char shown[LSB_SHOWN];
		size_t k;

		lsb_text_add(page->to, "    %s:", with_interval[i]);
		json_array_foreach(samples, k, sample)
		{
			lsb_text_add(page->to, " %s", lsb_show(json_number_value(sample), shown));
		}
		lsb_text_add(page->to, "\n");
	}
}

static void add_kind(const struct page *page, const json_t *summary, const char *kind)
{
	static const char *const heads[] = { "",	"wall s",     "run s",	"tokens/s",
					     "speedup", "efficiency", "load s", "comm s",
					     "wait s",	"prep s",     "flight", "!" };
	const json_t *point;
	struct lsb_table t;
	size_t i;

	heading(page, lsb_kind_title(kind), "");
	if (strcmp(kind, "link") == 0) {
		lsb_links_show(summary, 0, page->to);
		return;
	}
	t = lsb_table_open(heads, LSB_COUNT(heads));
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (lsb_is_kind(point, kind) && lsb_has_launches(point))
			add_point(&t, point);
	}
	lsb_table_text(&t, page->to);
	lsb_text_add(page->to, "\n");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (lsb_is_kind(point, kind) && lsb_has_launches(point)) {
			add_ratios(page, point);
			add_values(page, point);
		}
	}
}

/* --- where the time went --- */

static void add_ledger_row(struct lsb_table *t, const json_t *summary, const json_t *point, const json_t *row,
			   const json_t *rank)
{
	const double wall = lsb_number(row, "wall_s");
	char shown[LSB_SHOWN];

	lsb_table_point(t, point, 0);
	lsb_table_cell(t, "%.0f", lsb_number(row, "rank"));
	for (size_t i = 0; i < LSB_LEDGER_TERMS; i++)
		if (lsb_ledger_has(summary, i))
			lsb_table_cell(t, "%s %3.0f%%",
				       lsb_show(lsb_number(row, lsb_ledger_terms[i].key), shown),
				       lsb_percent(lsb_number(row, lsb_ledger_terms[i].key), wall));
	lsb_table_cell(t, "%s", lsb_show(wall, shown));
	lsb_table_cell(t, "%.1f", lsb_number(rank, "weight_bytes") / (1 << 20));
	lsb_table_cell(t, "%.1f", lsb_number(rank, "peak_memory_bytes") / (1 << 20));
}

static struct lsb_table ledger_table(const json_t *summary)
{
	struct lsb_table t = { 0 };

	lsb_table_column(&t, "");
	lsb_table_column(&t, "rank");
	for (size_t i = 0; i < LSB_LEDGER_TERMS; i++)
		if (lsb_ledger_has(summary, i))
			lsb_table_column(&t, lsb_ledger_terms[i].words);
	lsb_table_column(&t, "= wall s");
	lsb_table_column(&t, "weights");
	lsb_table_column(&t, "peak MiB");
	return t;
}

static void add_ledger(const struct page *page, const json_t *summary)
{
	struct lsb_table t = ledger_table(summary);
	const json_t *point, *row;
	size_t i, k;

	heading(page, "Where the time went", "s and share of the run, per rank, launch nearest the median");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ledger"), k, row)
		{
			if (lsb_ledger_is_shown(point))
				add_ledger_row(&t, summary, point, row,
					       json_array_get(json_object_get(point, "ranks"), k));
		}
	}
	lsb_table_text(&t, page->to);
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (lsb_worst_unattributed(point) > LSB_UNATTRIBUTED_MAX)
			lsb_text_add(page->to,
				     "%s: not shown, %.1f %% of a rank's time is unattributed (limit 2 %%)\n",
				     lsb_text_of(point, "label"), lsb_worst_unattributed(point) * 100);
		json_array_foreach(json_object_get(point, "lost"), k, row) lsb_text_add(
			page->to, "%s: %s\n", lsb_text_of(point, "label"), lsb_text_of(row, "text"));
	}
}

/* Why nodes are not as many times as fast; nothing where no run could be taken apart. */
static void add_losses(const struct page *page, const json_t *summary)
{
	struct lsb_text table = { 0 };

	if (lsb_text_losses(summary, &table)) {
		heading(page, "Why N nodes are not N times as fast", "share of the run lost to ...");
		lsb_text_add(page->to, "%s", table.data);
	}
	page->to->failed |= table.failed;
	lsb_text_free(&table);
}

static void add_advice(const struct page *page, const json_t *summary)
{
	struct lsb_text advice = { 0 };

	lsb_text_advice(summary, &advice);
	if (advice.length) {
		heading(page, "What to do", "");
		lsb_text_add(page->to, "%s", advice.data);
	}
	page->to->failed |= advice.failed;
	lsb_text_free(&advice);
}

static void add_sections(const struct page *page, const struct lsb_section *const *sections,
			 const json_t *summary)
{
	for (; *sections; sections++) {
		if (!(*sections)->is_there(summary))
			continue;
		heading(page, (*sections)->title, (*sections)->hint);
		(*sections)->show(summary, 0, page->to);
	}
}

/* --- what is the matter --- */

static void add_answers(const struct page *page, const json_t *summary)
{
	struct lsb_text answers = { 0 };

	lsb_answers_text(summary, &answers);
	if (answers.length) {
		heading(page, "Answers", "");
		lsb_text_add(page->to, "%s", answers.data);
	}
	page->to->failed |= answers.failed;
	lsb_text_free(&answers);
}

static void add_troubles(const struct page *page, const json_t *summary)
{
	json_t *troubles = lsb_troubles(summary);
	const json_t *trouble, *point;
	size_t i, k;

	if (json_array_size(troubles))
		heading(page, "Flags and failures", "");
	json_array_foreach(troubles, i, trouble)
	{
		struct lsb_text line = { 0 };

		lsb_text_add(&line, "%s: ", lsb_text_of(trouble, "what"));
		json_array_foreach(json_object_get(trouble, "points"), k, point)
		{
			lsb_text_add(&line, "%s%s (%s)", k ? ", " : "", lsb_text_of(point, "label"),
				     lsb_text_of(point, "id"));
		}
		lsb_text_add(&line, ": %s", lsb_text_of(trouble, "why"));
		lsb_text_wrapped(page->to, line.data ? line.data : "", 2);
		lsb_text_free(&line);
	}
	json_decref(troubles);
}

/*
 * A journal may be anyone's: whatever it puts among the text to move a cursor or
 * set a title is made harmless, but for the three sequences that are ours.
 */
static void disarm(char *text, size_t bytes)
{
	static const char *const ours[] = { "\033[1m", "\033[2m", "\033[0m" };

	for (size_t i = 0; i < bytes; i++) {
		int is_ours = 0;

		for (size_t k = 0; k < LSB_COUNT(ours) && text[i] == '\033'; k++)
			is_ours |= bytes - i >= 4 && memcmp(text + i, ours[k], 4) == 0;
		if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && !is_ours) || text[i] == 0x7F)
			text[i] = '?';
		else if (text[i] == (char)0xC2 && i + 1 < bytes && (unsigned char)text[i + 1] < 0xA0)
			text[i] = text[i + 1] = '?'; /* U+0080 to U+009F: control characters in two bytes */
	}
}

void lsb_report_text(const json_t *summary, int colour, struct lsb_text *to)
{
	const struct page page = { to, colour ? "\033[1m" : "", colour ? "\033[2m" : "",
				   colour ? "\033[0m" : "" };
	const json_t *point;
	const size_t before = to->length;
	size_t i, n_measured = 0;

	lsb_text_add(to, "%s%s%s%s\n", page.bold, lsb_text_of(summary, "title"), page.plain,
		     json_is_true(json_object_get(summary, "interrupted")) ? " (interrupted)" : "");
	lsb_text_summary(summary, to);
	lsb_text_add(to,
		     "\nMedians over launches, [95 %% interval] below; ! marks flags, told at the end.\n");
	for (i = 0; lsb_report_kinds[i]; i++)
		if (lsb_count_kind(summary, lsb_report_kinds[i]))
			add_kind(&page, summary, lsb_report_kinds[i]);
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		n_measured += json_array_size(json_object_get(point, "ledger")) > 0;
	}
	add_sections(&page, lsb_sections_done, summary);
	add_sections(&page, lsb_sections_compared, summary);
	add_losses(&page, summary);
	if (n_measured)
		add_ledger(&page, summary);
	add_advice(&page, summary);
	add_answers(&page, summary);
	add_troubles(&page, summary);
	if (to->data)
		disarm(to->data + before, to->length - before);
}
