/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the summary says of answers: that they are the baselines', or that they are
 * not and whether they are as good. Faster with other answers is said in one breath.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/outputs.h"
#include "measure/quality.h"
#include "measure/summary.h"
#include "measure/verdict.h"

/* Baselines in words, and the ratio that says how much faster than them a point is. */
static const struct {
	const char *against, *words, *ratio;
} baselines[] = {
	{ "equal_batch", "one node at the same batch", "speedup" },
	{ "equal_concurrency", "one node with as many sequences at once", "speedup_equal_concurrency" },
	{ "equal_cores", "one node with as many threads", "speedup_equal_cores" },
	{ "batch_one", "batch 1 on as many nodes", "batch_gain" },
};

static int is_faster(const json_t *point, const char *ratio)
{
	const json_t *its = lsb_look_scaling(point, ratio), *lo = lsb_look_end(its, 0),
		     *hi = lsb_look_end(its, 1);

	return lo && hi &&
	       lsb_verdict_of_interval(json_number_value(lo), json_number_value(hi), LSB_MORE_IS_FASTER) ==
		       LSB_VERDICT_FASTER;
}

void lsb_outputs_say_quality(const json_t *comparison, char *to, size_t bytes)
{
	const json_t *first = lsb_quality_first(json_object_get(comparison, "scores"));
	const json_t *lo = lsb_look_end(first, 0), *hi = lsb_look_end(first, 1);
	const double difference = lsb_look_number(first, "difference");

	if (!first)
		(void)snprintf(to, bytes, "no score tells whether they are as good");
	else if (!lo || !hi)
		(void)snprintf(to, bytes,
			       "%s differs by %.3g on average, over too few answers for an interval",
			       lsb_look_text(first, "name"), difference);
	else
		(void)snprintf(to, bytes, "%s: %s, %+.3g [%+.3g, %+.3g] on average",
			       lsb_look_text(first, "name"), lsb_look_text(first, "verdict"), difference,
			       json_number_value(lo), json_number_value(hi));
}

static void say_other(const json_t *point, const json_t *baseline, const json_t *comparison, size_t which,
		      json_t *list)
{
	const int is_due = json_is_true(json_object_get(comparison, "equality_due"));
	char quality[256];

	lsb_outputs_say_quality(comparison, quality, sizeof(quality));
	json_array_append_new(
		list,
		lsb_finding(
			"answers that are not a baseline's", (const json_t *const[]){ point, baseline, NULL },
			"%s gave other tokens than %s, %s (%.0f %% of its tokens come before the first "
			"difference); %s.%s%s",
			lsb_finding_name(point), baselines[which].words, lsb_finding_name(baseline),
			lsb_look_number(comparison, "agreement") * 100, quality,
			is_due ? " The backend declares that they would be equal: one of the two is wrong."
			       : "",
			is_faster(point, baselines[which].ratio)
				? " It is faster, but it answers differently."
				: ""));
}

void lsb_outputs_findings(const json_t *summary, json_t *list)
{
	const json_t *points = json_object_get(summary, "points"), *point, *comparison;
	const json_t **equal = calloc(json_array_size(points) + 1, sizeof(*equal));
	size_t i, k, n = 0;

	json_array_foreach(points, i, point)
	{
		const json_t *outputs = json_object_get(point, "outputs");

		json_array_foreach(json_object_get(outputs, "comparisons"), k, comparison)
		{
			const json_t *baseline =
				lsb_summary_point(summary, lsb_look_text(comparison, "baseline"));

			for (size_t b = 0; b < LSB_COUNT(baselines) && baseline; b++)
				if (lsb_look_is(comparison, "against", baselines[b].against) &&
				    !json_is_true(json_object_get(comparison, "is_equal")))
					say_other(point, baseline, comparison, b, list);
		}
		if (equal && json_is_true(json_object_get(outputs, "equal_to_baseline")) &&
		    lsb_look_number(point, "nodes") > 1)
			equal[n++] = point;
	}
	if (n)
		json_array_append_new(list, lsb_finding("answers that are the baseline's", equal,
							"%zu point%s of several nodes gave, token by token, "
							"the answers of one node.",
							n, n > 1 ? "s" : ""));
	free(equal);
}
