/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentences at the top of report.md: each from one rule on the data, each
 * citing the points that it speaks of. A rule without data says nothing.
 */
#include <string.h>

#include "report/parts.h"

/* "label (id)" */
static void cite(struct lsb_text *to, const json_t *point)
{
	lsb_text_add(to, "%s (`%s`)", lsb_text_of(point, "label"), lsb_text_of(point, "id"));
}

/* Rule 1: every point of several nodes against one node at equal batch, with its bound. */
static void say_speedup(const json_t *point, struct lsb_text *to)
{
	const json_t *scaling = json_object_get(point, "scaling"), *speedup = lsb_scaling(point, "speedup");
	const json_t *baseline = json_object_get(json_object_get(scaling, "baselines"), "equal_batch");
	const json_t *bound = lsb_scaling(point, "bound");
	char shown[LSB_SHOWN];

	if (!speedup || lsb_is_own_baseline(point) || lsb_number(point, "nodes") < 2)
		return;
	lsb_text_add(to, "- ");
	cite(to, point);
	lsb_text_add(to, " reached %s times its baseline at equal batch, ",
		     lsb_show_estimate(speedup, shown));
	cite(to, baseline);
	lsb_text_add(to, ": %s.", lsb_verdict(speedup));
	if (bound)
		lsb_text_add(to, " Its own schedule allows %s at best; %.0f %% of that was reached.",
			     lsb_show(lsb_number(bound, "value"), shown),
			     lsb_number(scaling, "bound_share") * 100);
	lsb_text_add(to, "\n");
}

/* Rule 2: what the extra nodes bought, against the same sequences at once on one node. */
static void say_concurrency(const json_t *point, struct lsb_text *to)
{
	const json_t *ratio = lsb_scaling(point, "speedup_equal_concurrency");
	const json_t *baseline = json_object_get(
		json_object_get(json_object_get(point, "scaling"), "baselines"), "equal_concurrency");
	char shown[LSB_SHOWN];

	if (!ratio || lsb_number(point, "nodes") < 2)
		return;
	lsb_text_add(to, "- Against one node with as many sequences at once, ");
	cite(to, baseline);
	lsb_text_add(to, ", ");
	cite(to, point);
	lsb_text_add(to, " reached %s times: %s.\n", lsb_show_estimate(ratio, shown), lsb_verdict(ratio));
}

/* Rule 3: the largest exposed term of a ledger that closes, if it is over 5 % of the ranks' time. */
static void say_bottleneck(const json_t *point, struct lsb_text *to)
{
	static const struct {
		const char *key, *words;
	} terms[] = { { "wait_s", "waiting for a late peer" },
		      { "transfer_s", "exposed transfer" },
		      { "overhead_s", "overhead" } };
	double sums[LSB_COUNT(terms)] = { 0 }, wall = 0;
	const json_t *row;
	size_t i, largest = 0;

	if (lsb_number(point, "nodes") < 2 || lsb_worst_unattributed(point) > LSB_UNATTRIBUTED_MAX)
		return;
	json_array_foreach(json_object_get(point, "ledger"), i, row)
	{
		wall += lsb_number(row, "wall_s");
		for (size_t k = 0; k < LSB_COUNT(terms); k++)
			sums[k] += lsb_number(row, terms[k].key);
	}
	for (size_t k = 1; k < LSB_COUNT(terms); k++)
		if (sums[k] > sums[largest])
			largest = k;
	if (!(sums[largest] > 0.05 * wall))
		return;
	lsb_text_add(to, "- The largest exposed term of ");
	cite(to, point);
	lsb_text_add(to, " is %s: %.0f %% of its ranks' time.\n", terms[largest].words,
		     sums[largest] / wall * 100);
}

/* Rule 4: what a larger batch gave. */
static void say_batch(const json_t *point, struct lsb_text *to)
{
	const json_t *gain = lsb_scaling(point, "batch_gain"),
		     *efficiency = lsb_scaling(point, "batch_efficiency");
	const json_t *baseline =
		json_object_get(json_object_get(json_object_get(point, "scaling"), "baselines"), "batch_one");
	char shown[LSB_SHOWN];

	if (!gain)
		return;
	lsb_text_add(to, "- ");
	cite(to, point);
	lsb_text_add(to, " gained %s times over batch 1, ", lsb_show_estimate(gain, shown));
	cite(to, baseline);
	lsb_text_add(to, ": %s; batch efficiency %s.\n", lsb_verdict(gain),
		     lsb_show(lsb_number(efficiency, "value"), shown));
}

/* Rule 5: what has no full result. */
static void say_missing(const json_t *point, struct lsb_text *to)
{
	if (strcmp(lsb_text_of(point, "status"), "ok") == 0)
		return;
	lsb_text_add(to, "- ");
	cite(to, point);
	lsb_text_add(to, " is %s: %s.\n", lsb_text_of(point, "status"), lsb_text_of(point, "reason"));
}

/* Rule 6: answers that are not the baseline's. */
static void say_outputs(const json_t *point, struct lsb_text *to)
{
	if (!json_is_false(json_object_get(json_object_get(point, "outputs"), "equal_to_baseline")))
		return;
	lsb_text_add(to, "- ");
	cite(to, point);
	lsb_text_add(to, " gave other tokens than its baseline.\n");
}

/* Rule 7: numbers that cannot be right. */
static void say_implausible(const json_t *point, struct lsb_text *to)
{
	const char *why = lsb_text_of(json_object_get(point, "flag_reasons"), "implausible");

	if (!*why)
		return;
	lsb_text_add(to, "- Do not rely on ");
	cite(to, point);
	lsb_text_add(to, ": %s.\n", why);
}

void lsb_markdown_narrative(const json_t *summary, struct lsb_text *to)
{
	static void (*const rules[])(const json_t *, struct lsb_text *) = { say_missing, say_implausible,
									    say_speedup, say_concurrency,
									    say_batch,	 say_bottleneck,
									    say_outputs };
	const size_t before = to->length;
	const json_t *point;
	size_t i;

	for (size_t rule = 0; rule < LSB_COUNT(rules); rule++)
		json_array_foreach(json_object_get(summary, "points"), i, point)
		{
			rules[rule](point, to);
		}
	if (to->length == before)
		lsb_text_add(to, "Nothing to compare: no point has a baseline.\n");
	lsb_text_add(
		to,
		"\nThese sentences follow from rules on the numbers below; ids in backquotes name points. "
		"\"Faster\" and\n\"slower\" are said only where the 95 %% interval is outside 1 +- 2 %%; "
		"without an interval the answer is\n\"unknown\".\n\n");
}
