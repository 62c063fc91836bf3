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

static void estimate_cell(struct lsb_table *t, const json_t *estimate)
{
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s", lsb_show_estimate(estimate, shown));
}

/* --- configuration --- */

/* Factors that have a column of their own, or say how often and not what. */
static int has_column(const char *key)
{
	static const char *const keys[] = { "nodes",   "stages",       "replicas", "split",
					    "batch",   "in_flight",    "prompts",  "threads",
					    "kind",    "reps",	       "max_reps", "order",
					    "timeout", "distinct",     "baseline", "hosts",
					    "pair_by", "keep_records", "context",  "stall_timeout" };

	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return 1;
	return 0;
}

/* The value of a factor that all points share; NULL when they differ. */
static const char *shared_value(const json_t *points, const char *key)
{
	const json_t *first = json_object_get(json_object_get(json_array_get(points, 0), "params"), key),
		     *point;
	size_t i;

	json_array_foreach(points, i, point)
	{
		if (!json_equal(json_object_get(json_object_get(point, "params"), key), first))
			return NULL;
	}
	return json_string_value(first);
}

/* A path's last part: where a model lies is no factor. */
static const char *last_part(const char *text)
{
	const char *slash = strrchr(text, '/');

	return slash ? slash + 1 : text;
}

void lsb_markdown_shared(const json_t *points, struct lsb_text *to)
{
	json_t *params = json_object_get(json_array_get(points, 0), "params"), *value;
	const char *key;
	size_t n = 0;

	json_object_foreach(params, key, value)
	{
		const char *shared = has_column(key) ? NULL : shared_value(points, key);

		if (shared)
			lsb_text_add(to, "%s%s = `%s`", n++ ? ", " : "The same for all points: ", key,
				     last_part(shared));
	}
	lsb_text_add(to, n ? ".\n\n" : "");
}

void lsb_markdown_varied(const json_t *points, const json_t *point, struct lsb_text *to)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(point, "params"), key, value)
	{
		if (!has_column(key) && !shared_value(points, key) && json_is_string(value))
			lsb_text_add(to, "%s%s=%s", to->length ? " " : "", key,
				     last_part(json_string_value(value)));
	}
}

static void varied_cell(struct lsb_table *t, const json_t *points, const json_t *point)
{
	struct lsb_text text = { 0 };

	lsb_markdown_varied(points, point, &text);
	lsb_table_cell(t, "%s", text.data ? text.data : "");
	lsb_text_free(&text);
}

static void layers_cell(struct lsb_table *t, const json_t *point)
{
	struct lsb_text text = { 0 };
	const json_t *count;
	size_t i;

	json_array_foreach(json_object_get(point, "layers"), i, count)
	{
		lsb_text_add(&text, "%s%lld", i ? "+" : "", (long long)json_integer_value(count));
	}
	lsb_table_cell(t, "%s", text.data ? text.data : "-");
	lsb_text_free(&text);
}

static void add_configuration(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",	     "Id",	 "Kind",      "Nodes",	 "Stages",
					     "Layers",	     "Batch",	 "In flight", "At once", "Prompts",
					     "Threads/rank", "Launches", "Status",    "Other" };
	static const char *const numbers[] = { "batch", "in_flight", "concurrency", "prompts", "threads" };
	const json_t *points = json_object_get(summary, "points"), *point;
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	size_t i;

	lsb_text_add(to, "## Configuration\n\n");
	lsb_markdown_shared(points, to);
	json_array_foreach(points, i, point)
	{
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		lsb_table_cell(&t, "`%s`", lsb_text_of(point, "id"));
		lsb_table_cell(&t, "%s", lsb_text_of(point, "kind"));
		number_cell(&t, point, "nodes");
		lsb_table_cell(&t, "%.0f x %.0f", lsb_number(point, "replicas"), lsb_number(point, "stages"));
		layers_cell(&t, point);
		for (size_t k = 0; k < LSB_COUNT(numbers); k++)
			number_cell(&t, point, numbers[k]);
		lsb_table_cell(&t, "%.0f of %.0f", lsb_number(point, "launches"), lsb_number(point, "reps"));
		lsb_table_cell(&t, "%s", lsb_text_of(point, "status"));
		varied_cell(&t, points, point);
	}
	lsb_table_markdown(&t, to);
	lsb_text_add(to,
		     "Nodes are ranks, arranged as replicas x stages; \"at once\" is batch x in flight, the "
		     "sequences on their way together.\n\n");
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
			estimate_cell(&t, lsb_metric(point, before[k]));
		if (lsb_is_own_baseline(point))
			lsb_table_cell(&t, "1 (baseline)");
		else
			estimate_cell(&t, lsb_scaling(point, "speedup"));
		estimate_cell(&t, lsb_is_own_baseline(point) ? NULL : lsb_scaling(point, "efficiency"));
		for (size_t k = 0; k < LSB_COUNT(behind); k++)
			estimate_cell(&t, lsb_metric(point, behind[k]));
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

static void add_ratio_row(struct lsb_table *t, const json_t *point, const char *name, const char *words,
			  const char *baseline)
{
	const json_t *ratio = lsb_scaling(point, name);

	if (!ratio)
		return;
	lsb_table_cell(t, "%s", lsb_text_of(point, "label"));
	lsb_table_cell(t, "%s", words);
	estimate_cell(t, ratio);
	lsb_table_cell(t, "%s", lsb_verdict(ratio));
	lsb_table_cell(t, "%s", lsb_text_of(ratio, "formula"));
	against_cell(t, point, ratio, baseline);
}

/* Every ratio with its formula and its baseline. */
static void add_ratios(const json_t *summary, const char *kind, struct lsb_text *to)
{
	static const struct {
		const char *name, *words, *baseline;
	} ratios[] = { { "speedup", "speedup at equal batch", "equal_batch" },
		       { "speedup_wall", "with load and preprocessing", "equal_batch" },
		       { "speedup_equal_concurrency", "speedup at equal concurrency", "equal_concurrency" },
		       { "speedup_equal_cores", "speedup at equal cores", "equal_cores" },
		       { "batch_gain", "batch gain", "batch_one" } };
	static const char *const heads[] = { "Point", "Ratio", "Value", "Verdict", "Formula", "Against" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_is_kind(point, kind))
			continue;
		for (size_t k = lsb_is_own_baseline(point) ? 2 : 0; k < LSB_COUNT(ratios); k++)
			add_ratio_row(&t, point, ratios[k].name, ratios[k].words, ratios[k].baseline);
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
		lsb_text_add(to, "- %s has %.0f launches; an interval needs 6. All values:",
			     lsb_text_of(point, "label"), lsb_number(point, "launches"));
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
	add_configuration(summary, &text);
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
