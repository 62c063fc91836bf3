/* SPDX-License-Identifier: Apache-2.0 */
/* Whether requests were answered, whether the answers are the baselines', and whether others are as good. */
#include "report/answers.h"

#include <string.h>

#include "measure/quality.h"
#include "measure/summary.h"
#include "report/html.h"

static const json_t *comparisons_of(const json_t *point)
{
	return json_object_get(json_object_get(point, "outputs"), "comparisons");
}

/*
 * How bad a comparison is: 0 same tokens, 1 other ones that score alike, 2 ones that nothing judges, 3 other
 * scores.
 */
static int badness(const json_t *comparison)
{
	const json_t *first = lsb_quality_first(json_object_get(comparison, "scores"));
	const char *verdict = lsb_text_of(first, "verdict");

	if (json_is_true(json_object_get(comparison, "is_equal")))
		return 0;
	return !first || strcmp(verdict, "unknown") == 0    ? 2
	       : strcmp(verdict, "no difference seen") == 0 ? 1
							    : 3;
}

const char *lsb_answers_word(const json_t *point)
{
	static const char *const words[] = { "same", "other, as good", "other", "other, score differs" };
	const json_t *comparison;
	int worst = -1;
	size_t i;

	json_array_foreach(comparisons_of(point), i, comparison)
	{
		worst = badness(comparison) > worst ? badness(comparison) : worst;
	}
	return worst >= 0 ? words[worst] : lsb_is_own_baseline(point) ? "baseline" : "-";
}

static const char *against_words(const char *against)
{
	static const char *const words[][2] = { { "equal_batch", "one node, equal batch" },
						{ "equal_concurrency", "one node, equal concurrency" },
						{ "equal_cores", "one node, equal cores" },
						{ "batch_one", "batch 1" } };

	for (size_t i = 0; i < LSB_COUNT(words); i++)
		if (strcmp(words[i][0], against) == 0)
			return words[i][1];
	return against;
}

static const char *label_of(const json_t *summary, const char *id)
{
	const json_t *point = lsb_summary_point(summary, id);

	return point ? lsb_text_of(point, "label") : id;
}

/* "rouge1 -0.012 [-0.02, -0.003]: lower" */
static void score_cell(struct lsb_table *t, const json_t *comparison)
{
	const json_t *first = lsb_quality_first(json_object_get(comparison, "scores"));
	const json_t *ci = json_object_get(first, "ci95");

	if (!first)
		lsb_table_cell(t, "-");
	else if (json_array_size(ci) == 2)
		lsb_table_cell(t, "%s %+.3g [%+.3g, %+.3g]: %s", lsb_text_of(first, "name"),
			       lsb_number(first, "difference"), json_number_value(json_array_get(ci, 0)),
			       json_number_value(json_array_get(ci, 1)), lsb_text_of(first, "verdict"));
	else
		lsb_table_cell(t, "%s %+.3g: unknown", lsb_text_of(first, "name"),
			       lsb_number(first, "difference"));
}

/* A row for each comparison; `others`: only of those with other tokens. */
static struct lsb_table comparison_table(const json_t *summary, int others)
{
	static const char *const heads[] = { "Point", "Beside", "Equal answers", "Tokens before a difference",
					     "Score" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point, *comparison;
	size_t i, k;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(comparisons_of(point), k, comparison)
		{
			if (others && badness(comparison) == 0)
				continue;
			lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
			lsb_table_cell(&t, "%s: %s", against_words(lsb_text_of(comparison, "against")),
				       label_of(summary, lsb_text_of(comparison, "baseline")));
			lsb_table_cell(&t, "%.0f of %.0f", lsb_number(comparison, "equal"),
				       lsb_number(comparison, "compared"));
			lsb_table_cell(&t, "%.0f %%", lsb_number(comparison, "agreement") * 100);
			score_cell(&t, comparison);
		}
	}
	return t;
}

static const char note[] =
	"Beside each baseline that was asked the same: answers with the same tokens, and the share of tokens "
	"before the first other one. The score is the first that the workload gives: mean difference over "
	"answers, with Student's 95 % interval.";

void lsb_answers_text(const json_t *summary, struct lsb_text *to)
{
	struct lsb_table t = comparison_table(summary, 1);
	const json_t *point, *comparison;
	size_t i, k, n = 0, n_same = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(comparisons_of(point), k, comparison)
		{
			n++;
			n_same += badness(comparison) == 0;
		}
	}
	if (n)
		lsb_text_add(to, "%zu of %zu comparisons with a baseline: token by token the same answers\n",
			     n_same, n);
	if (lsb_table_has_rows(&t))
		lsb_table_text(&t, to);
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (lsb_metric(point, "prompts_cut"))
			lsb_text_add(to, "%s: %.0f of %.0f prompts were cut to the workload's limits\n",
				     lsb_text_of(point, "label"),
				     lsb_number(lsb_metric(point, "prompts_cut"), "median"),
				     lsb_number(point, "prompts"));
	}
	lsb_table_free(&t);
}

/* --- which requests were answered ------------------------------------------------------- */

/* Completed requests and what their answers are like. */
static struct lsb_table success_table(const json_t *summary)
{
	static const char *const heads[] = { "Point",
					     "Requests a launch",
					     "Prompts cut",
					     "Completed",
					     "Tokens an answer",
					     "Shortest",
					     "Longest",
					     "Empty",
					     "End at once",
					     "End in a loop",
					     "SHA-256 of all ids" };
	static const char *const lengths[] = { "answer_tokens_mean", "answer_tokens_min",
					       "answer_tokens_max" };
	static const char *const shares[] = { "empty_share", "at_once_share", "repeated_share" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const char *digest = lsb_text_of(json_object_get(point, "outputs"), "sha256");

		if (!lsb_has_launches(point) || lsb_is_kind(point, "link"))
			continue;
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		lsb_table_cell(&t, "%.0f", lsb_number(point, "prompts"));
		lsb_table_cell(&t, "%.0f", lsb_number(lsb_metric(point, "prompts_cut"), "median"));
		lsb_table_cell(&t, "%.4g %%", lsb_number(lsb_metric(point, "success_rate"), "median") * 100);
		for (size_t k = 0; k < LSB_COUNT(lengths); k++)
			lsb_table_metric(&t, lsb_metric(point, lengths[k]), 0);
		for (size_t k = 0; k < LSB_COUNT(shares); k++) {
			if (lsb_metric(point, shares[k]))
				lsb_table_cell(&t, "%.3g %%",
					       lsb_number(lsb_metric(point, shares[k]), "median") * 100);
			else
				lsb_table_cell(&t, "-");
		}
		lsb_table_cell(&t, "%.16s", *digest ? digest : "launches differ");
	}
	return t;
}

void lsb_answers_markdown(const json_t *summary, struct lsb_text *to)
{
	struct lsb_table success = success_table(summary), t = comparison_table(summary, 0);

	if (lsb_table_has_rows(&success)) {
		lsb_text_add(to, "## Answers\n\n");
		lsb_table_markdown(&success, to);
	}
	if (lsb_table_has_rows(&t)) {
		lsb_table_markdown(&t, to);
		lsb_text_add(to, "%s\n\n", note);
	}
	lsb_table_free(&success);
	lsb_table_free(&t);
}

void lsb_html_answers(const struct lsb_page *page)
{
	struct lsb_table success = success_table(page->summary), t = comparison_table(page->summary, 0);

	lsb_html_open(page, "answers", "Success and answers");
	lsb_html_from_table(page, "Completed requests and their answers, medians over launches", &success, 1);
	lsb_html_from_table(page, "Answers beside the baselines'", &t, 2);
	lsb_html_note(page, note);
	lsb_html_close(page);
}
