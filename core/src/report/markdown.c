/* SPDX-License-Identifier: Apache-2.0 */
/* report.md: what was run, what came out, what it is compared with. */
#include <string.h>

#include "measure/launch_measure.h"
#include "report/answers.h"
#include "report/links.h"
#include "report/section.h"

static void number_cell(struct lsb_table *t, const json_t *object, const char *key)
{
	lsb_table_cell(t, "%.0f", lsb_number(object, key));
}

/* --- results of one kind of case --- */

/* What is the matter with a line's numbers, in the line itself: "flag: why; ..." */
static void remarks_cell(struct lsb_table *t, const json_t *point)
{
	struct lsb_text text = { 0 };
	json_t *reason;
	const char *flag;

	json_object_foreach(json_object_get(point, "flag_reasons"), flag, reason)
	{
		lsb_text_add(&text, "%s**%s**: %s", text.length ? "; " : "", flag, json_string_value(reason));
	}
	lsb_table_cell(t, "%s", text.data ? text.data : "");
	lsb_text_free(&text);
}

static void add_results(const json_t *summary, const char *kind, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",	  "Nodes",
					     "Prompts",	  "Batch",
					     "In flight", "Wall (s)",
					     "Run (s)",	  "Tokens/s",
					     "Speedup",	  "Parallel efficiency",
					     "I/O (s)",	  "Communication (s)",
					     "Wait (s)",  "Preprocessing (s)",
					     "Remarks" };
	static const char *const factors[] = { "nodes", "prompts", "batch", "in_flight" };
	static const char *const before[] = { "wall_s", "run_s", "tokens_per_s" };
	static const char *const behind[] = { "load_s", "communication_s", "wait_s", "preprocess_s" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind) || !lsb_has_launches(point))
			continue;
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		for (size_t k = 0; k < LSB_COUNT(factors); k++)
			number_cell(&t, point, factors[k]);
		for (size_t k = 0; k < LSB_COUNT(before); k++)
			lsb_table_metric(&t, lsb_metric(point, before[k]), 1);
		if (lsb_is_own_baseline(point))
			lsb_table_cell(&t, "1 (baseline)");
		else
			lsb_table_metric(&t, lsb_scaling(point, "speedup"), 1);
		lsb_table_metric(&t, lsb_is_own_baseline(point) ? NULL : lsb_scaling(point, "efficiency"), 1);
		for (size_t k = 0; k < LSB_COUNT(behind); k++)
			lsb_table_metric(&t, lsb_metric(point, behind[k]), 1);
		remarks_cell(&t, point);
	}
	lsb_table_markdown(&t, to);
	lsb_text_add(to, "Median over launches [95 %% interval of the median].\n\n");
}

/* "label `id`, metric = value unit" of what a ratio is against. */
static void against_cell(struct lsb_table *t, const json_t *point, const json_t *ratio, const char *key)
{
	const json_t *b =
		json_object_get(json_object_get(json_object_get(point, "scaling"), "baselines"), key);
	const char *metric = lsb_text_of(ratio, "metric");
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s `%s`, %s = %s %s", lsb_text_of(b, "label"), lsb_text_of(ratio, "baseline"),
		       metric, lsb_show(lsb_number(ratio, "baseline_value"), shown), lsb_metric_unit(metric));
}

static void add_ratio_row(struct lsb_table *t, const json_t *point, const struct lsb_ratio *which)
{
	const json_t *ratio = lsb_scaling(point, which->name);

	if (!ratio)
		return;
	lsb_table_cell(t, "%s", lsb_text_of(point, "label"));
	lsb_table_cell(t, "%s", which->words);
	lsb_table_metric(t, ratio, 1);
	lsb_table_cell(t, "%s", lsb_verdict(ratio));
	lsb_table_cell(t, "%s", lsb_text_of(ratio, "formula"));
	against_cell(t, point, ratio, which->baseline);
}

/* Every ratio with its formula and its baseline. */
static void add_ratios(const json_t *summary, const char *kind, struct lsb_text *to)
{
	static const char *const heads[] = { "Point", "Ratio", "Value", "Verdict", "Formula", "Against" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind))
			continue;
		for (size_t k = lsb_is_own_baseline(point) ? LSB_RATIOS_OF_SPEEDUP : 0; k < LSB_RATIOS; k++)
			add_ratio_row(&t, point, &lsb_ratios[k]);
	}
	if (lsb_table_has_rows(&t))
		lsb_table_markdown(&t, to);
	else
		lsb_text_add(to, "Nothing to compare with was measured.\n\n");
	lsb_table_free(&t);
}

/* What cannot be said in a table of ratios: bounds, serial fractions, why there is no efficiency. */
static void add_remarks(const json_t *summary, const char *kind, struct lsb_text *to)
{
	const json_t *point;
	char shown[LSB_SHOWN];
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *scaling = json_object_get(point, "scaling"),
			     *bound = lsb_scaling(point, "bound");
		const json_t *batch = lsb_scaling(point, "batch_efficiency");

		if (!lsb_is_kind(point, kind) || !lsb_has_launches(point))
			continue;
		if (bound)
			lsb_text_add(to, "- %s: bound of the speedup %s (%s), %.0f %% of it reached",
				     lsb_text_of(point, "label"), lsb_show_estimate(bound, shown),
				     lsb_text_of(bound, "kind"), lsb_number(scaling, "bound_share") * 100);
		if (bound && lsb_scaling(point, "karp_flatt"))
			lsb_text_add(to, "; Karp-Flatt serial fraction (1/S - 1/p) / (1 - 1/p) = %s",
				     lsb_show(lsb_number(scaling, "karp_flatt"), shown));
		if (bound)
			lsb_text_add(to, ".\n");
		if (batch)
			lsb_text_add(to, "- %s: batch efficiency %s.\n", lsb_text_of(point, "label"),
				     lsb_show_estimate(batch, shown));
		if (lsb_scaling(point, "no_efficiency"))
			lsb_text_add(to, "- %s: no efficiency: %s.\n", lsb_text_of(point, "label"),
				     lsb_text_of(scaling, "no_efficiency"));
	}
}

/* All launches of points with too few for an interval. */
static void add_values(const json_t *summary, const char *kind, struct lsb_text *to)
{
	static const char *const names[] = { "wall_s", "run_s", "tokens_per_s" };
	const json_t *point, *sample;
	char shown[LSB_SHOWN];
	size_t i, k;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind) || !lsb_lacks_interval(point))
			continue;
		lsb_text_add(to, "- %s has %.0f launch%s; an interval needs 6. All values:",
			     lsb_text_of(point, "label"), lsb_number(point, "launches"),
			     lsb_number(point, "launches") == 1 ? "" : "es");
		for (size_t m = 0; m < LSB_COUNT(names); m++) {
			lsb_text_add(to, "%s %s", m ? ";" : "", names[m]);
			json_array_foreach(json_object_get(lsb_metric(point, names[m]), "samples"), k, sample)
			{
				lsb_text_add(to, " %s", lsb_show(json_number_value(sample), shown));
			}
		}
		lsb_text_add(to, ".\n");
	}
}

/* Laws through several levels of nodes: of strong scaling alone. */
static void add_fits(const json_t *summary, struct lsb_text *to)
{
	const json_t *fit;
	char shown[LSB_SHOWN];
	size_t i;

	json_array_foreach(json_object_get(summary, "fits"), i, fit)
	{
		lsb_text_add(to, "- %s, %s: ", lsb_text_of(fit, "case"), lsb_text_of(fit, "law"));
		if (json_is_number(json_object_get(fit, "serial_fraction")))
			lsb_text_add(to, "f = %s.\n", lsb_show(lsb_number(fit, "serial_fraction"), shown));
		else
			lsb_text_add(to, "%s.\n", lsb_text_of(fit, "reason"));
	}
}

static void add_kind(const json_t *summary, const char *kind, struct lsb_text *to)
{
	const json_t *point;
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		n += lsb_is_kind(point, kind) && lsb_has_launches(point);
	}
	if (lsb_count_kind(summary, kind) == 0)
		return;
	lsb_text_add(to, "## %s\n\n", lsb_kind_title(kind));
	if (n == 0) {
		lsb_text_add(to, "No point of this kind has a result.\n\n");
		return;
	}
	if (strcmp(kind, "link") == 0) {
		lsb_links_show(summary, 1, to);
		return;
	}
	add_results(summary, kind, to);
	if (strcmp(kind, "infer") != 0)
		add_ratios(summary, kind, to);
	add_remarks(summary, kind, to);
	if (strcmp(kind, "strong") == 0)
		add_fits(summary, to);
	add_values(summary, kind, to);
	lsb_text_add(to, "\n");
}

/* --- trouble --- */

/* "label `id`, ..." of points that have the same trouble. */
static void name_points(const json_t *points, struct lsb_text *to)
{
	const json_t *point;
	size_t i;

	json_array_foreach(points, i, point)
	{
		lsb_text_add(to, "%s%s `%s`", i ? ", " : "", lsb_text_of(point, "label"),
			     lsb_text_of(point, "id"));
	}
}

static void add_flags(const json_t *summary, struct lsb_text *to)
{
	json_t *troubles = lsb_troubles(summary);
	const json_t *trouble;
	size_t i;

	lsb_text_add(to, "## Flags and failures\n\n");
	json_array_foreach(troubles, i, trouble)
	{
		lsb_text_add(to, "- **%s**: ", lsb_text_of(trouble, "what"));
		name_points(json_object_get(trouble, "points"), to);
		lsb_text_add(to, ": %s.\n", lsb_text_of(trouble, "why"));
	}
	lsb_text_add(to, i ? "\n" : "None.\n\n");
	for (const struct lsb_definition *d = lsb_flag_definitions; d->name; d++) {
		int used = 0;

		json_array_foreach(troubles, i, trouble)
		{
			used |= strcmp(lsb_text_of(trouble, "what"), d->name) == 0;
		}
		if (used)
			lsb_text_add(to, "`%s`: %s.\n\n", d->name, d->text);
	}
	json_decref(troubles);
}

static void add_head(const struct lsb_report_source *source, struct lsb_text *to)
{
	const json_t *summary = source->summary;

	lsb_text_add(to, "# %s\n\n", lsb_text_of(summary, "title"));
	lsb_text_add(to, "Suite `%s`, begun %s, lsbench %s.\n\n", lsb_text_of(summary, "suite"),
		     lsb_text_of(summary, "started"), lsb_text_of(summary, "version"));
	if (json_is_true(json_object_get(summary, "interrupted")))
		lsb_text_add(to, "**The run was interrupted: points may lack launches.**\n\n");
	lsb_text_add(to, "## Summary\n\n");
	lsb_markdown_narrative(summary, to);
}

static void add_sections(const struct lsb_section *const *sections, const json_t *summary,
			 struct lsb_text *to)
{
	for (; *sections; sections++) {
		if (!(*sections)->is_there(summary))
			continue;
		lsb_text_add(to, "## %s\n\n", (*sections)->title);
		(*sections)->show(summary, 1, to);
	}
}

int lsb_report_markdown(const char *dir, const struct lsb_report_source *source, struct lsb_error *err)
{
	const json_t *summary = source->summary;
	struct lsb_text text = { 0 };

	add_head(source, &text);
	add_sections(lsb_sections_compared, summary, &text);
	lsb_markdown_configuration(summary, &text);
	for (size_t i = 0; lsb_report_kinds[i]; i++)
		add_kind(summary, lsb_report_kinds[i], &text);
	add_sections(lsb_sections_done, summary, &text);
	lsb_markdown_bounds(summary, &text);
	lsb_markdown_ledger(summary, &text);
	lsb_markdown_latency(summary, &text);
	lsb_markdown_memory(summary, &text);
	lsb_answers_markdown(summary, &text);
	lsb_markdown_nodes(summary, &text);
	lsb_markdown_checks(summary, &text);
	add_flags(summary, &text);
	lsb_markdown_definitions(summary, &text);
	lsb_markdown_environment(source->environment, source->header, &text);
	lsb_text_add(
		&text,
		"## Raw data\n\n"
		"`journal.jsonl`: every launch, from which all reports are computed (`lsbench report DIR`); "
		"`records/`: step\nrecords of the launches that kept them; `summary.json` and "
		"`summary.csv`: the numbers above and all others;\n`environment.json`: the machine; "
		"`logs/`: what the ranks said.\n");
	return lsb_report_file(dir, "report.md", &text, err);
}
