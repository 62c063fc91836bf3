/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison as tables: for a terminal, or as a comment of a pull request. */
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/outputs.h"
#include "report/parts.h"

const char *const lsb_compare_headline[] = { "tokens_per_s", "ttft_p50_s", "tpot_p50_s", "latency_s",
					     "bandwidth_bps" };
const size_t lsb_n_compare_headline = LSB_COUNT(lsb_compare_headline);

int lsb_compare_format(const char *name, enum lsb_compare_format *out)
{
	static const char *const names[] = { "text", "markdown", "json" };

	for (size_t i = 0; i < LSB_COUNT(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum lsb_compare_format)i;
			return 0;
		}
	return -1;
}

int lsb_compare_folders(const char *a, const char *b, const struct lsb_compare_options *options, json_t **out,
			struct lsb_error *err)
{
	struct lsb_report_source sources[2] = { { 0 }, { 0 } };
	struct lsb_compare_run runs[2];
	int rc = lsb_report_open(a, &sources[0], err);

	if (rc == LSB_OK && b)
		rc = lsb_report_open(b, &sources[1], err);
	if (rc == LSB_OK) {
		runs[0] = (struct lsb_compare_run){ a, sources[0].header, sources[0].summary,
						    sources[0].launches };
		runs[1] = (struct lsb_compare_run){ b, sources[1].header, sources[1].summary,
						    sources[1].launches };
		rc = lsb_compare_runs(&runs[0], b ? &runs[1] : NULL, options, out, err);
	} else if (rc != LSB_ENOMEM) {
		rc = err->code = LSB_EIO; /* whatever is wrong with a results folder is a matter of results */
	}
	lsb_report_close(&sources[0]);
	lsb_report_close(&sources[1]);
	return rc;
}

/* --- what was compared ------------------------------------------------------------------ */

static int is_within(const json_t *comparison)
{
	return json_equal(json_object_get(comparison, "a"), json_object_get(comparison, "b"));
}

static void add_counts(const json_t *comparison, struct lsb_text *to)
{
	static const char *const counts[][2] = { { "slower", "slower" },
						 { "faster", "faster" },
						 { "no_difference", "no difference seen" },
						 { "unknown", "unknown" } };
	const json_t *verdicts = json_object_get(comparison, "verdicts");
	const double differ = lsb_number(verdicts, "outputs_differ");

	for (size_t i = 0; i < LSB_COUNT(counts); i++)
		lsb_text_add(to, "%s%.0f %s", i ? ", " : "", lsb_number(verdicts, counts[i][0]),
			     counts[i][1]);
	if (differ > 0)
		lsb_text_add(to, "; %.0f answer%s otherwise", differ, differ > 1 ? "" : "s");
	if (lsb_number(verdicts, "faster_but_other") > 0)
		lsb_text_add(to, "; %.0f faster but answering differently",
			     lsb_number(verdicts, "faster_but_other"));
	if (lsb_number(verdicts, "broken") > 0)
		lsb_text_add(to, "; %.0f that went well in A failed in B", lsb_number(verdicts, "broken"));
	if (lsb_number(comparison, "threshold") > 0)
		lsb_text_add(to, "; %.0f slower by more than %g %%",
			     lsb_number(verdicts, "slower_beyond_threshold"),
			     lsb_number(comparison, "threshold") * 100);
}

static void add_run(const json_t *run, const char *which, struct lsb_text *to)
{
	lsb_text_add(to, "%s: %s (%s, %s, lsbench %s)", which, lsb_text_of(run, "folder"),
		     lsb_text_of(run, "suite"), lsb_text_of(run, "started"), lsb_text_of(run, "version"));
}

/* A value of the provenance, short: digests by their first digits. */
static void show_value(const json_t *value, struct lsb_text *to)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value)) {
		const char *text = json_string_value(value);

		lsb_text_add(to, "%.*s", strlen(text) == 64 ? 12 : 64, text);
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item)
			lsb_text_add(to, "%s%.64s", i ? " " : "", json_string_value(item));
	} else {
		lsb_text_add(to, "none");
	}
}

static void add_differences(const json_t *comparison, const char *bullet, struct lsb_text *to)
{
	const json_t *difference;
	size_t i;

	json_array_foreach(json_object_get(comparison, "differences"), i, difference)
	{
		lsb_text_add(to, "%s%s differs: ", bullet, lsb_text_of(difference, "what"));
		show_value(json_object_get(difference, "a"), to);
		lsb_text_add(to, " and ");
		show_value(json_object_get(difference, "b"), to);
		lsb_text_add(to, "\n");
	}
}

static void add_lone(const json_t *comparison, const char *key, const char *which, const char *bullet,
		     struct lsb_text *to)
{
	const json_t *label;
	size_t i;

	json_array_foreach(json_object_get(comparison, key), i, label)
		lsb_text_add(to, "%sonly in %s: %s\n", bullet, which, json_string_value(label));
}

/* --- verdicts -------------------------------------------------------------------------------- */

/* The number, from 1, of `text` in `list`, which it joins if it is not there. */
static size_t number_of(json_t *list, const char *text)
{
	size_t i = 0;

	while (i < json_array_size(list) && strcmp(json_string_value(json_array_get(list, i)), text) != 0)
		i++;
	if (i == json_array_size(list))
		json_array_append_new(list, json_string(text));
	return i + 1;
}

/* One metric of a pair; why there is no verdict is told once, under the table, by number. */
static void add_row(struct lsb_table *t, const char *what, const char *metric, const json_t *m,
		    json_t *reasons)
{
	char shown[LSB_SHOWN];
	const char *reason = lsb_text_of(m, "reason");

	lsb_table_cell(t, "%s", what);
	lsb_table_cell(t, "%s", metric);
	lsb_table_number(t, json_object_get(m, "a"));
	lsb_table_number(t, json_object_get(m, "b"));
	lsb_table_number(t, json_object_get(m, "ratio"));
	lsb_table_cell(t, "%s", lsb_show_interval(json_object_get(m, "ci95"), 0, shown));
	if (*reason)
		lsb_table_cell(t, "%s (%zu)", lsb_text_of(m, "verdict"), number_of(reasons, reason));
	else
		lsb_table_cell(t, "%s", lsb_text_of(m, "verdict"));
}

static void add_verdicts(const json_t *comparison, int is_markdown, struct lsb_text *to)
{
	static const char *const titles[] = { "comparison", "metric", "A", "B", "B / A", "95 %", "B is" };
	struct lsb_table t = lsb_table_open(titles, LSB_COUNT(titles));
	json_t *reasons = json_array();
	const json_t *pair, *reason;
	const char *metric;
	json_t *m;
	size_t i;

	json_array_foreach(json_object_get(comparison, "pairs"), i, pair)
	{
		const char *what = lsb_text_of(pair, "what");

		json_object_foreach(json_object_get(pair, "metrics"), metric, m)
		{
			add_row(&t, what, metric, m, reasons);
			what = "";
		}
	}
	lsb_table_show(&t, is_markdown, to);
	json_array_foreach(reasons, i, reason) lsb_text_add(to, is_markdown ? "- (%zu) %s\n" : "  (%zu) %s\n",
							    i + 1, json_string_value(reason));
	json_decref(reasons);
}

/* Whether the pair has a verdict of this name for some metric. */
static int has_verdict(const json_t *pair, const char *verdict)
{
	const char *metric;
	json_t *m;

	json_object_foreach(json_object_get(pair, "metrics"), metric, m)
	{
		if (strcmp(lsb_text_of(m, "verdict"), verdict) == 0)
			return 1;
	}
	return 0;
}

/* B's answers are other ones: how many, and whether they are as good. */
static void add_answers(const json_t *pair, const char *bullet, struct lsb_text *to)
{
	const json_t *answers = json_object_get(pair, "answers");
	char quality[256] = "what they were is not in the journals";

	if (json_is_object(answers))
		lsb_outputs_say_quality(answers, quality, sizeof(quality));
	lsb_text_add(to, "%s%s: B gives other answers than A", bullet, lsb_text_of(pair, "what"));
	if (json_is_object(answers))
		lsb_text_add(to, " to %.0f of %.0f requests",
			     lsb_number(answers, "compared") - lsb_number(answers, "equal"),
			     lsb_number(answers, "compared"));
	lsb_text_add(to, "; %s%s\n", quality,
		     has_verdict(pair, "faster") ? ". B is faster but answers differently" : "");
}

/* Status and flags of a point, once for all pairs that it is in. */
static void add_flags(const json_t *side, const char *which, const char *bullet, json_t *seen,
		      struct lsb_text *to)
{
	const json_t *flags = json_object_get(side, "flags"), *flag;
	char *key = lsb_format("%s%s", which, lsb_text_of(side, "id"));
	const int is_known = !key || json_object_get(seen, key);
	size_t i;

	if (key)
		json_object_set_new(seen, key, json_true());
	free(key);
	if (is_known)
		return;
	if (strcmp(lsb_text_of(side, "status"), "ok") != 0)
		lsb_text_add(to, "%s%s%s is %s\n", bullet, which, lsb_text_of(side, "label"),
			     lsb_text_of(side, "status"));
	if (json_array_size(flags) == 0)
		return;
	lsb_text_add(to, "%s%s%s is flagged", bullet, which, lsb_text_of(side, "label"));
	json_array_foreach(flags, i, flag) lsb_text_add(to, "%s %s", i ? "," : "", json_string_value(flag));
	lsb_text_add(to, "\n");
}

/* What a reader must know of each pair beside its verdicts. */
static void add_remarks(const json_t *comparison, const char *bullet, struct lsb_text *to)
{
	const int within = is_within(comparison);
	json_t *seen = json_object();
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(comparison, "pairs"), i, pair)
	{
		const char *what = lsb_text_of(pair, "what");

		if (json_is_string(json_object_get(pair, "confounded")))
			lsb_text_add(to,
				     "%s%s: no verdict, the points differ in more than what is asked: %s\n",
				     bullet, what, lsb_text_of(pair, "confounded"));
		if (json_is_false(json_object_get(pair, "outputs_equal")))
			add_answers(pair, bullet, to);
		add_flags(json_object_get(pair, "a"), within ? "" : "A: ", bullet, seen, to);
		add_flags(json_object_get(pair, "b"), within ? "" : "B: ", bullet, seen, to);
	}
	json_decref(seen);
}

/* --- all ---------------------------------------------------------------------------------------- */

static void render_text(const json_t *comparison, struct lsb_text *to)
{
	add_run(json_object_get(comparison, "a"), is_within(comparison) ? "Within" : "A", to);
	lsb_text_add(to, "\n");
	if (!is_within(comparison)) {
		add_run(json_object_get(comparison, "b"), "B", to);
		lsb_text_add(to, "\n");
	}
	add_differences(comparison, "  ", to);
	add_lone(comparison, "only_a", "A", "  ", to);
	add_lone(comparison, "only_b", "B", "  ", to);
	lsb_text_add(to, "\n");
	add_verdicts(comparison, 0, to);
	lsb_text_add(to, "\n");
	add_remarks(comparison, "  ", to);
	add_counts(comparison, to);
	lsb_text_add(to, "\n");
}

static void render_markdown(const json_t *comparison, struct lsb_text *to)
{
	const int within = is_within(comparison);

	lsb_text_add(to, "### lsbench compare\n\n**");
	add_counts(comparison, to);
	lsb_text_add(to, "**\n\n");
	add_verdicts(comparison, 1, to);
	add_remarks(comparison, "- ", to);
	lsb_text_add(to, "\n<details><summary>What was compared</summary>\n\n- ");
	add_run(json_object_get(comparison, "a"), within ? "within" : "A", to);
	lsb_text_add(to, "\n");
	if (!within) {
		lsb_text_add(to, "- ");
		add_run(json_object_get(comparison, "b"), "B", to);
		lsb_text_add(to, "\n");
	}
	add_differences(comparison, "- ", to);
	add_lone(comparison, "only_a", "A", "- ", to);
	add_lone(comparison, "only_b", "B", "- ", to);
	lsb_text_add(to,
		     "\nB / A is the ratio of B to A with its exact 95 %% interval; a difference counts when "
		     "the interval leaves out 1 +- 2 %% and p by Holm's method over the comparisons of a "
		     "metric is at most 5 %%.\n\n</details>\n");
}

void lsb_compare_render(const json_t *comparison, enum lsb_compare_format format, struct lsb_text *to)
{
	char *text;

	switch (format) {
	case LSB_COMPARE_TEXT:
		render_text(comparison, to);
		break;
	case LSB_COMPARE_MARKDOWN:
		render_markdown(comparison, to);
		break;
	case LSB_COMPARE_JSON:
		text = json_dumps(comparison, JSON_INDENT(2));
		to->failed |= !text;
		lsb_text_add(to, "%s\n", text ? text : "");
		free(text);
		break;
	}
}
