/* SPDX-License-Identifier: Apache-2.0 */
/* Recommendations on the number of nodes, and on copies instead of stages. */
#include <math.h>

#include "base/base.h"
#include "measure/advice.h"
#include "measure/findings.h"
#include "measure/look.h"

/* --- one node or several --- */

/* What one node is measured to do with the same means. */
static const struct {
	const char *ratio, *words;
} means[] = {
	{ "speedup_equal_concurrency", "as many sequences at once" },
	{ "speedup_equal_cores", "as many cores" },
};

/* The ratio, of which `verdict` is true, that is furthest from 1; -1: there is none. */
static int furthest(const json_t *summary, const json_t *point, enum lsb_verdict_kind verdict)
{
	double most = 0;
	int at = -1;

	for (size_t i = 0; i < LSB_COUNT(means); i++) {
		const json_t *ratio = lsb_look_scaling(point, means[i].ratio);
		const double far = fabs(log(lsb_look_number(ratio, "value")));

		if (lsb_advice_verdict(ratio) == verdict && far > most &&
		    lsb_advice_point(summary, json_object_get(ratio, "baseline"))) {
			most = far;
			at = (int)i;
		}
	}
	return at;
}

/* Where one node is faster with any of its means, that is the advice, whatever the other comparison says. */
void lsb_advise_nodes(const json_t *summary, const json_t *point, json_t *list)
{
	const double nodes = lsb_look_number(point, "nodes");
	const int slower = furthest(summary, point, LSB_VERDICT_SLOWER);
	const int at = slower >= 0 ? slower : furthest(summary, point, LSB_VERDICT_FASTER);
	const json_t *ratio = at < 0 ? NULL : lsb_look_scaling(point, means[at].ratio), *other;
	const double value = lsb_look_number(ratio, "value");

	if (!ratio || nodes < 2)
		return;
	other = lsb_advice_point(summary, json_object_get(ratio, "baseline"));
	if (slower >= 0)
		lsb_advise(list,
			   lsb_finding("one node with the same means is faster, with its whole interval",
				       (const json_t *const[]){ other, point, NULL },
				       "Where the model fits one node, take one with %s: %s is %.2f times as "
				       "fast as %s.",
				       means[at].words, lsb_finding_name(other), 1 / value,
				       lsb_finding_name(point)),
			   "nodes", "measured", 1 / value, lsb_format("nodes = 1"));
	else
		lsb_advise(
			list,
			lsb_finding("several nodes are faster than one with the same means, with the whole "
				    "interval",
				    (const json_t *const[]){ point, other, NULL },
				    "Keep the %.0f nodes: %s is %.2f times as fast as one node with %s, "
				    "%s.",
				    nodes, lsb_finding_name(point), value, means[at].words,
				    lsb_finding_name(other)),
			"nodes", "measured", value, lsb_format("nodes = %.0f", nodes));
}

/* --- replicas --- */

/* Independent copies share nothing but memory: p times one node, less what reading at once costs. */
void lsb_advise_replicas(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *bounds = json_object_get(point, "bounds"), *losses = json_object_get(bounds, "losses");
	const json_t *baseline = lsb_advice_point(summary, json_object_get(losses, "baseline"));
	const json_t *decode = json_object_get(json_object_get(baseline, "bounds"), "decode");
	const double ideal_s = lsb_look_number(losses, "ideal_s"), run_s = lsb_look_number(losses, "run_s");
	const double nodes = lsb_look_number(point, "nodes");
	const double slowdown = lsb_look_number(json_object_get(bounds, "shared"), "slowdown");
	const double reading =
		baseline ? lsb_look_number(decode, "bytes_s") / lsb_look_median(baseline, "run_s") : 0;
	const double copies_s = ideal_s * (1 + fmin(1, reading) * fmax(0, slowdown - 1));

	if (!baseline || lsb_look_number(point, "replicas") > 1 || !(copies_s > 0) ||
	    lsb_look_number(point, "prompts") < nodes || !(slowdown > 0))
		return;
	lsb_advise(
		list,
		lsb_finding(
			"p copies of one node, each with a p-th of the prompts, at the bandwidth of all "
			"ranks "
			"reading",
			(const json_t *const[]){ point, baseline, NULL },
			"Where the model fits one node, %.0f replicas of %s should be %.2f times as fast as "
			"%s: copies do not wait for each other (answers to one prompt come no sooner).",
			nodes, lsb_finding_name(baseline), run_s / copies_s, lsb_finding_name(point)),
		"nodes", "predicted", run_s / copies_s,
		lsb_format("kind = replica, nodes = %.0f, stages = 1", nodes));
}
