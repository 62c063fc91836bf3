/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recommendations: what to change, what that gains, and the rule and points that
 * say so. A gain is measured where the suite has a point that does it already, and
 * else predicted from the point's own bounds, never from experience elsewhere.
 */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/scaling.h"
#include "measure/split.h"
#include "measure/summary.h"
#include "measure/verdict.h"

enum { OF_A_KIND = 2 }; /* recommendations of one kind and basis that are kept */

#define WORTH 1.02   /* a smaller gain is no advice */
#define NOTABLE 0.05 /* share of the run from which a loss is worth one */

/* Complete `finding` and keep it, or drop it where the gain is not worth it. */
static void advise(json_t *list, json_t *finding, const char *kind, const char *basis, double gain, char *set)
{
	if (finding && gain > WORTH) {
		json_object_set_new(finding, "kind", json_string(kind));
		json_object_set_new(finding, "basis", json_string(basis));
		json_object_set_new(finding, "gain", json_real(gain));
		json_object_set_new(finding, "set", set ? json_string(set) : json_null());
		json_array_append(list, finding);
	}
	json_decref(finding);
	free(set);
}

static const json_t *point_of(const json_t *summary, const json_t *id)
{
	return json_is_string(id) ? lsb_summary_point(summary, json_string_value(id)) : NULL;
}

static double rate_of(const json_t *point)
{
	return lsb_look_median(point, "tokens_per_s");
}

static double share_of(const json_t *point, const char *term)
{
	return lsb_look_number(lsb_finding_term(point, term), "share");
}

/* What is told of a ratio's certainty, in a sentence. */
static const char *certainty(const json_t *ratio)
{
	const json_t *lo = lsb_look_end(ratio, 0), *hi = lsb_look_end(ratio, 1);

	if (!lo || !hi)
		return "too few launches to be sure";
	return lsb_verdict_word(
		lsb_verdict_of_interval(json_number_value(lo), json_number_value(hi), LSB_MORE_IS_FASTER));
}

/* --- batch --- */

static const json_t *batch_baseline(const json_t *summary, const json_t *point)
{
	return point_of(summary, json_object_get(lsb_look_scaling(point, "batch_gain"), "baseline"));
}

/* The best measured batch over batch 1 at equal nodes; once for each baseline. */
static void advise_batch(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *baseline = batch_baseline(summary, point),
		     *gain = lsb_look_scaling(point, "batch_gain");
	const json_t *other;
	int is_largest = 1;
	size_t i;

	if (!baseline || baseline == point)
		return;
	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		if (batch_baseline(summary, other) != baseline)
			continue;
		if (rate_of(other) > rate_of(point))
			return;
		is_largest = is_largest && lsb_look_number(other, "batch") <= lsb_look_number(point, "batch");
	}
	advise(list,
	       lsb_finding("the batch with the most tokens/s at equal nodes",
			   (const json_t *const[]){ point, baseline, NULL },
			   "On %.0f node%s take batch %.0f: %s gave %.2f times the tokens/s of %s (%s)%s.",
			   lsb_look_number(point, "nodes"), lsb_look_number(point, "nodes") > 1 ? "s" : "",
			   lsb_look_number(point, "batch"), lsb_finding_name(point),
			   lsb_look_number(gain, "value"), lsb_finding_name(baseline), certainty(gain),
			   is_largest ? "; a larger one was not measured" : ""),
	       "batch", "measured", lsb_look_number(gain, "value"),
	       lsb_format("batch = %.0f", lsb_look_number(point, "batch")));
}

/*
 * Twice the batch reads the weights half as often; arithmetic stays. For the most
 * nodes, where no larger batch was measured on as many.
 */
static void advise_larger_batch(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *decode = json_object_get(json_object_get(point, "bounds"), "decode");
	const double bytes_s = lsb_look_number(decode, "bytes_s"), macs_s = lsb_look_number(decode, "macs_s");
	const double saved_s =
		fmin(bytes_s, lsb_look_number(decode, "measured_s")) - fmax(bytes_s / 2, macs_s);
	const double run_s = lsb_look_median(point, "run_s"), batch = lsb_look_number(point, "batch");
	const json_t *other;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		const double more = lsb_look_number(other, "nodes") - lsb_look_number(point, "nodes");

		if (more > 0 || (more == 0 && lsb_look_number(other, "batch") > batch))
			return;
	}
	if (!lsb_look_is(decode, "limit", "memory") || !(saved_s > 0) || saved_s >= run_s ||
	    lsb_look_number(point, "prompts") < 2 * lsb_look_number(point, "concurrency"))
		return;
	advise(list,
	       lsb_finding(
		       "decode is bound by memory, and twice the batch reads the weights half as often",
		       (const json_t *const[]){ point, NULL },
		       "%s: batch %.0f instead of %.0f should be up to %.2f times as fast, since decoding "
		       "waits for weights from memory and a larger batch reads them less often.",
		       lsb_finding_name(point), batch * 2, batch, run_s / (run_s - saved_s)),
	       "batch", "predicted", run_s / (run_s - saved_s), lsb_format("batch = %.0f", batch * 2));
}

/* --- prompts in flight --- */

static void advise_in_flight(const json_t *point, json_t *list)
{
	const double share = share_of(point, "bubble"), gain = 1 / (1 - share);
	const double stages = lsb_look_number(point, "stages"), flight = lsb_look_number(point, "in_flight");
	const double prompts = lsb_look_number(point, "prompts"),
		     slots = lsb_look_number(point, "concurrency");
	const double rounds = slots > 0 ? ceil(prompts / slots) : 0;
	const json_t *const points[] = { point, NULL };

	if (stages < 2 || share < NOTABLE || share >= 1)
		return;
	if (flight < stages)
		advise(list,
		       lsb_finding(
			       "fewer groups in flight than stages leave stages idle", points,
			       "%s: %.0f group%s in flight cannot keep %.0f stages busy; with %.0f the run "
			       "would be up to %.2f times as fast.",
			       lsb_finding_name(point), flight, flight > 1 ? "s" : "", stages, stages, gain),
		       "in_flight", "predicted", gain, lsb_format("in_flight = %.0f", stages));
	else if (rounds * slots > prompts)
		advise(list,
		       lsb_finding(
			       "prompts that do not fill the last round leave stages idle", points,
			       "%s: %.0f prompts in %.0f at once leave the last round with %.0f; with a "
			       "full queue (%.0f prompts, or a long one) the idle %.0f %% shrink, and the "
			       "rate grows up to %.2f times.",
			       lsb_finding_name(point), prompts, slots, prompts - (rounds - 1) * slots,
			       rounds * slots, share * 100, gain),
		       "prompts", "predicted", gain, lsb_format("prompts = %.0f", rounds * slots));
	else
		advise(list,
		       lsb_finding(
			       "stages idle although groups in flight are as many as stages", points,
			       "%s: stages are idle %.0f %% of the run with %.0f groups in flight; one more "
			       "lets prompts of one overlap decoding of another, for up to %.2f times.",
			       lsb_finding_name(point), share * 100, flight, gain),
		       "in_flight", "predicted", gain, lsb_format("in_flight = %.0f", flight + 1));
}

/* --- split --- */

static void advise_split(const json_t *point, json_t *list)
{
	const double imbalance_s = lsb_look_number(lsb_finding_term(point, "imbalance"), "s");
	const double run_s =
		lsb_look_number(json_object_get(json_object_get(point, "bounds"), "losses"), "run_s");
	struct lsb_split split;
	char *text;
	double saved_s;

	if (share_of(point, "imbalance") <= 0 || lsb_split_propose(point, &split))
		return;
	saved_s = fmin(split.now_s - split.best_s, imbalance_s); /* no more than the imbalance cost */
	text = lsb_split_text(&split);
	if (text && saved_s > 0 && saved_s < run_s)
		advise(list,
		       lsb_finding(
			       "the split whose slowest stage, by measured times of a layer and of the "
			       "head, is fastest",
			       (const json_t *const[]){ point, NULL },
			       "%s: split %s instead of %s evens out the stages (the slowest computes %.3g "
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

static void advise_transport(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *link = json_object_get(json_object_get(point, "bounds"), "link"), *other;
	const double share = share_of(point, "transfer") + share_of(point, "late");
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
			advise(list,
			       lsb_finding("another transport is faster by the paired test",
					   (const json_t *const[]){ other, point, NULL },
					   "Take transport %s: %s is %.2f times as fast as %s.",
					   lsb_look_text(json_object_get(other, "params"), "transport"),
					   lsb_finding_name(other), verdict.ratio, lsb_finding_name(point)),
			       "transport", "measured", verdict.ratio,
			       lsb_format("transport = %s",
					  lsb_look_text(json_object_get(other, "params"), "transport")));
	}
	if (has_other || share < NOTABLE || share >= 1)
		return;
	advise(list,
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

/* --- nodes --- */

/* What one node does with as many sequences at once, or with as many cores. */
static void advise_nodes(const json_t *summary, const json_t *point, const char *ratio_name,
			 const char *words, json_t *list)
{
	const json_t *ratio = lsb_look_scaling(point, ratio_name);
	const json_t *other = point_of(summary, json_object_get(ratio, "baseline"));
	const double value = lsb_look_number(ratio, "value"), nodes = lsb_look_number(point, "nodes");

	if (!other || nodes < 2 || !(value > 0))
		return;
	if (value < 1)
		advise(list,
		       lsb_finding(
			       "one node with the same means is faster",
			       (const json_t *const[]){ other, point, NULL },
			       "Where the model fits one node, take one with %s: %s is %.2f times as fast "
			       "as %s.",
			       words, lsb_finding_name(other), 1 / value, lsb_finding_name(point)),
		       "nodes", "measured", 1 / value, lsb_format("nodes = 1"));
	else
		advise(list,
		       lsb_finding("several nodes are faster than one with the same means",
				   (const json_t *const[]){ point, other, NULL },
				   "Keep the %.0f nodes: %s is %.2f times as fast as one node with %s, %s "
				   "(%s).",
				   nodes, lsb_finding_name(point), value, words, lsb_finding_name(other),
				   certainty(ratio)),
		       "nodes", "measured", value, lsb_format("nodes = %.0f", nodes));
}

/* Independent copies share nothing but memory: p times one node, less what reading at once costs. */
static void advise_replicas(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *bounds = json_object_get(point, "bounds"), *losses = json_object_get(bounds, "losses");
	const json_t *baseline = point_of(summary, json_object_get(losses, "baseline"));
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
	advise(list,
	       lsb_finding(
		       "p copies of one node, each with a p-th of the prompts, at the bandwidth of all ranks "
		       "reading",
		       (const json_t *const[]){ point, baseline, NULL },
		       "Where the model fits one node, %.0f replicas of %s should be %.2f times as fast as "
		       "%s: copies do not wait for each other (answers to one prompt come no sooner).",
		       nodes, lsb_finding_name(baseline), run_s / copies_s, lsb_finding_name(point)),
	       "nodes", "predicted", run_s / copies_s,
	       lsb_format("kind = replica, nodes = %.0f, stages = 1", nodes));
}

/* --- the measurement itself --- */

static void advise_launches(const json_t *summary, json_t *list)
{
	const json_t *point;
	size_t i, n = 0, few = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		n += (size_t)lsb_look_measured(point);
		few += lsb_look_measured(point) && !lsb_look_end(lsb_look_metric(point, "run_s"), 0);
	}
	if (few == 0)
		return;
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:[], s:s, s:s, s:n, s:s}", "rule",
				"an interval of a median needs 6 launches", "text",
				"Take at least 6 launches of each point (--reps 6): with fewer "
				"there is no interval, and no difference can be told from chance.",
				"points", "kind", "reps", "basis", "stated", "gain", "set", "reps = 6"));
}

/* Largest gain first. */
static int by_gain(const void *a, const void *b)
{
	const double x = lsb_look_number(*(json_t *const *)a, "gain"),
		     y = lsb_look_number(*(json_t *const *)b, "gain");

	return (x < y) - (x > y);
}

static size_t count_kind(const json_t *list, const char *kind, const char *basis)
{
	const json_t *finding;
	size_t i, n = 0;

	json_array_foreach(list, i, finding)
	{
		n += lsb_look_is(finding, "kind", kind) && lsb_look_is(finding, "basis", basis);
	}
	return n;
}

/* By gain, and of one kind only the best: many points say the same. */
static json_t *sorted(json_t *list)
{
	const size_t n = json_array_size(list);
	json_t **rows = calloc(n + 1, sizeof(json_t *)), *out = json_array();

	for (size_t i = 0; rows && i < n; i++)
		rows[i] = json_array_get(list, i);
	if (rows)
		qsort(rows, n, sizeof(json_t *), by_gain);
	for (size_t i = 0; rows && i < n; i++)
		if (count_kind(out, lsb_look_text(rows[i], "kind"), lsb_look_text(rows[i], "basis")) <
		    OF_A_KIND)
			json_array_append(out, rows[i]);
	free(rows);
	json_decref(list);
	return out;
}

json_t *lsb_findings_recommendations(const json_t *summary)
{
	json_t *list = json_array();
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_look_measured(point))
			continue;
		advise_batch(summary, point, list);
		advise_larger_batch(summary, point, list);
		advise_in_flight(point, list);
		advise_split(point, list);
		advise_transport(summary, point, list);
		advise_nodes(summary, point, "speedup_equal_concurrency", "as many sequences at once", list);
		advise_nodes(summary, point, "speedup_equal_cores", "as many cores", list);
		advise_replicas(summary, point, list);
	}
	list = sorted(list);
	advise_launches(summary, list);
	return list;
}
