/* SPDX-License-Identifier: Apache-2.0 */
/* Recommendations on what the stages hold and how they hand over: the split, the transport. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/advice.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/scaling.h"
#include "measure/split.h"

/* --- split --- */

void lsb_advise_split(const json_t *point, json_t *list)
{
	const double imbalance_s = lsb_look_number(lsb_finding_term(point, "imbalance"), "s");
	const double run_s =
		lsb_look_number(json_object_get(json_object_get(point, "bounds"), "losses"), "run_s");
	struct lsb_split split;
	char *text;
	double saved_s;

	if (lsb_advice_share(point, "imbalance") <= 0 || lsb_split_propose(point, &split))
		return;
	saved_s = fmin(split.now_s - split.best_s, imbalance_s); /* no more than the imbalance cost */
	text = lsb_split_text(&split);
	if (text && saved_s > 0 && saved_s < run_s)
		lsb_advise(
			list,
			lsb_finding(
				"the split whose slowest stages in chunks of prompts and in decode steps, by "
				"measured times of a layer and of the head, together are fastest",
				(const json_t *const[]){ point, NULL },
				"%s: split %s instead of %s evens out the stages (the slowest compute %.3g "
				"instead of %.3g s), for about %.2f times the speed.",
				lsb_finding_name(point), text, split.now, split.best_s, split.now_s,
				run_s / (run_s - saved_s)),
			"split", "predicted", run_s / (run_s - saved_s), lsb_format("split = %s", text));
	free(text);
}

/* --- transport --- */

/* The same factors but for the transport and its options, of which the wait mode must not differ. */
static int is_other_transport(const json_t *a, const json_t *b)
{
	json_t *mine = json_object_get(a, "params"), *theirs = json_object_get(b, "params"), *value;
	const char *key;

	if (json_equal(json_object_get(mine, "transport"), json_object_get(theirs, "transport")) ||
	    !lsb_wait_modes_agree(a, b))
		return 0;
	json_object_foreach(mine, key, value)
	{
		if (strncmp(key, "transport", 9) != 0 && !json_equal(value, json_object_get(theirs, key)))
			return 0;
	}
	return 1;
}

void lsb_advise_transport(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *link = json_object_get(json_object_get(point, "bounds"), "link"), *other;
	const double share = lsb_advice_share(point, "transfer") + lsb_advice_share(point, "late");
	int has_other = 0;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		struct lsb_verdict verdict;

		if (!lsb_look_measured(other) || lsb_look_number(point, "nodes") < 2 ||
		    !is_other_transport(point, other))
			continue;
		has_other = 1;
		lsb_verdict_points(other, point, "tokens_per_s", 1, &verdict);
		if (verdict.kind == LSB_VERDICT_FASTER)
			lsb_advise(list,
				   lsb_finding("another transport is faster by the paired test",
					       (const json_t *const[]){ other, point, NULL },
					       "Take transport %s: %s is %.2f times as fast as %s.",
					       lsb_look_text(json_object_get(other, "params"), "transport"),
					       lsb_finding_name(other), verdict.ratio,
					       lsb_finding_name(point)),
				   "transport", "measured", verdict.ratio,
				   lsb_format("transport = %s",
					      lsb_look_text(json_object_get(other, "params"), "transport")));
	}
	if (has_other || share < LSB_ADVICE_NOTABLE || share >= 1)
		return;
	lsb_advise(
		list,
		lsb_finding(
			"transfer and late hand-over are over 5 % of the run",
			(const json_t *const[]){ point, NULL },
			"%s: %.0f %% of the run go to transfer and late hand-over%s; a transport, or a wait "
			"mode (poll), that hands over at once is worth at most %.2f times.",
			lsb_finding_name(point), share * 100,
			lsb_look_number(link, "exposed_s") > 0 &&
					lsb_look_number(link, "exposed_s") <
						0.5 * share * lsb_look_median(point, "run_s")
				? ", most of it not transmission (the link as measured would need less than "
				  "half) but processes that woke late"
				: "",
			1 / (1 - share)),
		"transport", "predicted", 1 / (1 - share), NULL);
}
