/* SPDX-License-Identifier: Apache-2.0 */
/* The executive summary, and all findings together. */
#include "measure/findings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/break_even.h"
#include "measure/flags.h"
#include "measure/knee.h"
#include "measure/look.h"
#include "measure/losses.h"
#include "measure/outputs.h"
#include "measure/plausible.h"
#include "measure/replicas.h"
#include "measure/side.h"
#include "measure/summary.h"
#include "measure/verdict.h"

#define SHOWN 0.005 /* share of a run below which a loss is not worth naming */

json_t *lsb_finding(const char *rule, const json_t *const *points, const char *format, ...)
{
	json_t *ids = json_array(), *out;
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (size_t i = 0; points[i]; i++)
		json_array_append(ids, json_object_get(points[i], "id"));
	out = json_pack("{s:s, s:s, s:o}", "rule", rule, "text", text, "points", ids);
	return out ? out : json_object(); /* a label that is no UTF-8 cannot get here: labels are JSON */
}

const char *lsb_finding_name(const json_t *point)
{
	const char *label = lsb_look_text(point, "label");

	return *label ? label : lsb_look_text(point, "id");
}

const json_t *lsb_finding_term(const json_t *point, const char *name)
{
	const json_t *losses = json_object_get(json_object_get(point, "bounds"), "losses"), *term;
	size_t i;

	json_array_foreach(json_object_get(losses, "terms"), i, term)
	{
		if (lsb_look_is(term, "name", name))
			return term;
	}
	return NULL;
}

int lsb_finding_metric(const json_t *point, const char *name, double *median)
{
	const json_t *metric = lsb_look_metric(point, name);

	*median = lsb_look_number(metric, "median");
	return metric != NULL;
}

/* --- the summary's sentences --- */

static const json_t *point_of(const json_t *summary, const json_t *ratio)
{
	const char *id = lsb_look_text(ratio, "baseline");

	return *id ? lsb_summary_point(summary, id) : NULL;
}

/* "1.39 [1.35, 1.42]" */
static const char *estimate(const json_t *ratio, char out[64])
{
	const json_t *lo = lsb_look_end(ratio, 0), *hi = lsb_look_end(ratio, 1);

	if (lo && hi)
		(void)snprintf(out, 64, "%.2f [%.2f, %.2f]", lsb_look_number(ratio, "value"),
			       json_number_value(lo), json_number_value(hi));
	else
		(void)snprintf(out, 64, "%.2f", lsb_look_number(ratio, "value"));
	return out;
}

/* What a ratio's interval says, in a sentence's words. */
static const char *verdict(const json_t *ratio)
{
	const json_t *lo = lsb_look_end(ratio, 0), *hi = lsb_look_end(ratio, 1);

	if (!lo || !hi)
		return "unknown whether that is a difference: too few launches";
	switch (lsb_verdict_of_interval(json_number_value(lo), json_number_value(hi), LSB_MORE_IS_FASTER)) {
	case LSB_VERDICT_FASTER:
		return "faster, with its whole interval";
	case LSB_VERDICT_SLOWER:
		return "slower, with its whole interval";
	default:
		return "no difference seen";
	}
}

static void keep(json_t *list, json_t *finding)
{
	json_array_append_new(list, finding);
}

static int lacks_result(const json_t *point)
{
	return !lsb_look_is(point, "status", "ok") &&
	       !(lsb_is_searched(point) && lsb_look_is(point, "status", "skipped"));
}

/* Points that share a status and its reason (no device, say) are one sentence, with the first of them. */
static void say_missing(const json_t *summary, const json_t *point, json_t *list)
{
	enum { CITED = 8 };
	const char *status = lsb_look_text(point, "status"), *reason = lsb_look_text(point, "reason");
	const json_t *same[CITED + 1] = { NULL }, *other;
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		if (!lacks_result(other) || !lsb_look_is(other, "status", status) ||
		    !lsb_look_is(other, "reason", reason))
			continue;
		if (n == 0 && other != point)
			return;
		if (n < CITED)
			same[n] = other;
		n++;
	}
	if (n > 1)
		keep(list, lsb_finding("points without a full result are named first", same,
				       "%s and %zu more point%s are %s: %s.", lsb_finding_name(point), n - 1,
				       n > 2 ? "s" : "", status, reason));
	else if (n)
		keep(list, lsb_finding("points without a full result are named first", same, "%s is %s: %s.",
				       lsb_finding_name(point), status, reason));
}

static void say_flag(const json_t *point, const char *flag, const char *opening, json_t *list)
{
	const json_t *reasons = json_object_get(point, "flag_reasons");

	if (json_object_get(reasons, flag))
		keep(list, lsb_finding("what breaks a rule of plausibility is told with its reason",
				       (const json_t *const[]){ point, NULL }, "%s %s: %s.", opening,
				       lsb_finding_name(point), lsb_look_text(reasons, flag)));
}

/* Numbers that a rule of plausible.h does not let pass. */
static void say_implausible(const json_t *summary, const json_t *point, json_t *list)
{
	(void)summary;
	say_flag(point, "implausible", "Do not rely on", list);
}

/* What to know beside the answer, and so behind it. */
static void say_mind(const json_t *summary, const json_t *point, json_t *list)
{
	static const char *const flags[] = { "unexplained_transfer", "no_baseline", "failed_requests" };

	(void)summary;
	for (size_t i = 0; i < LSB_COUNT(flags); i++)
		say_flag(point, flags[i], "Mind", list);
}

static void say_speedup(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *speedup = lsb_look_scaling(point, "speedup"), *baseline = point_of(summary, speedup);
	const json_t *scaled = lsb_look_scaling(point, "efficiency");
	const double nodes = lsb_look_number(point, "nodes");
	char shown[64], tail[256] = "";

	if (!baseline || baseline == point || nodes < 2)
		return;
	if (scaled)
		(void)snprintf(tail, sizeof(tail),
			       " %.0f nodes would ideally be %.0f times as fast: parallel "
			       "efficiency %.0f %%.",
			       nodes, nodes, lsb_look_number(scaled, "value") * 100);
	else
		(void)snprintf(tail, sizeof(tail), " No efficiency is given: %.200s.",
			       lsb_look_text(json_object_get(point, "scaling"), "no_efficiency"));
	keep(list, lsb_finding("points of several nodes beside one node at equal batch",
			       (const json_t *const[]){ point, baseline, NULL },
			       "%s is %s times as fast as one node at the same batch, %s (%s).%s",
			       lsb_finding_name(point), estimate(speedup, shown), lsb_finding_name(baseline),
			       verdict(speedup), tail));
}

/* Terms that matter, largest first: "pipeline bubble 0.24 (12 % of the run), ..." */
static void list_terms(const json_t *losses, int gains, struct lsb_text *to)
{
	const json_t *terms = json_object_get(losses, "terms"), *term;
	double below = INFINITY;
	size_t i, n = 0;

	for (;;) {
		const json_t *next = NULL;

		json_array_foreach(terms, i, term)
		{
			const double size = (gains ? -1 : 1) * lsb_look_number(term, "share");

			if (size > SHOWN && size < below &&
			    (!next || size > (gains ? -1 : 1) * lsb_look_number(next, "share")))
				next = term;
		}
		if (!next)
			break;
		below = (gains ? -1 : 1) * lsb_look_number(next, "share");
		lsb_text_add(to, "%s%s %.2f (%.0f %% of the run)", n++ ? ", " : "",
			     lsb_look_text(next, "words"), fabs(lsb_look_number(next, "speedup")),
			     below * 100);
	}
}

static void say_losses(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *losses = json_object_get(json_object_get(point, "bounds"), "losses");
	const json_t *baseline = json_is_object(losses) ? point_of(summary, losses) : NULL;
	struct lsb_text lost = { 0 }, won = { 0 };

	if (!baseline)
		return;
	list_terms(losses, 0, &lost);
	list_terms(losses, 1, &won);
	if (lost.length)
		keep(list,
		     lsb_finding("the time beyond a p-th of one node's, difference by difference",
				 (const json_t *const[]){ point, baseline, NULL },
				 "Why %s is not %.0f times as fast: of %.0f, %.2f are missing: %s%s%s%s.",
				 lsb_finding_name(point), lsb_look_number(point, "nodes"),
				 lsb_look_number(point, "nodes"), lsb_look_number(losses, "missing"),
				 lost.data, won.length ? "; won back: " : "", won.length ? won.data : "",
				 ""));
	lsb_text_free(&lost);
	lsb_text_free(&won);
}

static void add_share(struct lsb_text *to, const json_t *shares, const char *key, const char *words)
{
	const json_t *share = json_object_get(shares, key);

	if (json_is_number(share))
		lsb_text_add(to, "%s%s %.0f %%", to->length ? ", " : "", words,
			     json_number_value(share) * 100);
}

static void say_predicted(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *predicted = json_object_get(json_object_get(point, "bounds"), "predicted");
	const json_t *shares = json_object_get(predicted, "shares");
	struct lsb_text text = { 0 };

	(void)summary;
	if (!json_is_object(predicted))
		return;
	add_share(&text, shares, "bubble", "pipeline bubble");
	add_share(&text, shares, "imbalance", lsb_losses_uneven(point));
	add_share(&text, shares, "link", "link");
	add_share(&text, shares, "memory", "memory shared");
	lsb_text_add(&text, ", remainder %.0f %%", lsb_look_number(predicted, "remainder_share") * 100);
	keep(list, lsb_finding("the replayed schedule, the link's benchmark and the measured bandwidths",
			       (const json_t *const[]){ point, NULL },
			       "%s: predicted %.2f, measured %.2f times one node (%s of the measured run).",
			       lsb_finding_name(point), lsb_look_number(predicted, "speedup"),
			       lsb_look_number(predicted, "measured_speedup"), text.data ? text.data : ""));
	lsb_text_free(&text);
}

static void say_equal(const json_t *summary, const json_t *point, const char *name, const char *words,
		      json_t *list)
{
	const json_t *ratio = lsb_look_scaling(point, name), *baseline = point_of(summary, ratio);
	char shown[64];

	if (!baseline || baseline == point || lsb_look_number(point, "nodes") < 2)
		return;
	/* the same point is its baseline at equal batch: that has been said */
	if (json_equal(json_object_get(baseline, "id"), lsb_look_scaling(point, "baseline")))
		return;
	keep(list, lsb_finding("points of several nodes beside one node with the same means",
			       (const json_t *const[]){ point, baseline, NULL },
			       "%s is %s times as fast as one node with %s, %s: %s.", lsb_finding_name(point),
			       estimate(ratio, shown), words, lsb_finding_name(baseline), verdict(ratio)));
}

static void say_concurrency(const json_t *summary, const json_t *point, json_t *list)
{
	say_equal(summary, point, "speedup_equal_concurrency", "as many sequences at once", list);
}

static void say_cores(const json_t *summary, const json_t *point, json_t *list)
{
	say_equal(summary, point, "speedup_equal_cores", "as many threads", list);
}

static void say_batch(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *gain = lsb_look_scaling(point, "batch_gain"), *baseline = point_of(summary, gain);
	const json_t *share = lsb_look_scaling(point, "batch_efficiency");
	const double prompts = lsb_look_number(point, "prompts"), batch = lsb_look_number(point, "batch");
	const double passes = ceil(prompts / batch);
	const int refills = lsb_look_is(json_object_get(point, "params"), "batching", "continuous");
	char shown[64], why[96];

	if (!baseline || baseline == point)
		return;
	if (refills)
		(void)snprintf(why, sizeof(why), "its %.0f slots are refilled", fmin(prompts, batch));
	else
		(void)snprintf(why, sizeof(why), "its %.0f prompts are %.0f passes", prompts, passes);
	keep(list,
	     lsb_finding("points of a larger batch beside batch 1 at equal nodes",
			 (const json_t *const[]){ point, baseline, NULL },
			 "%s gives %s times the tokens/s of batch 1, %s (%s); %s, so %.2f would be the most: "
			 "batch efficiency %.0f %%.",
			 lsb_finding_name(point), estimate(gain, shown), lsb_finding_name(baseline),
			 verdict(gain), why, refills ? fmin(prompts, batch) : prompts / passes,
			 lsb_look_number(share, "value") * 100));
}

/* Only what the test shows; all comparisons are in the table. */
static void say_symmetry(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *symmetry = json_object_get(point, "symmetry"), *row;
	size_t i;

	(void)summary;
	if (lsb_look_is(symmetry, "unit", "replica")) /* replicas.c speaks of these */
		return;
	json_array_foreach(json_object_get(symmetry, "comparisons"), i, row)
	{
		const char *word = lsb_look_text(row, "verdict");

		if (strcmp(word, "faster") != 0 && strcmp(word, "slower") != 0)
			continue;
		keep(list, lsb_finding("nodes of equal role, by a test over launches",
				       (const json_t *const[]){ point, NULL },
				       "%s: %s %.0f is %s than %s 0, by %s (ratio %.2f, p = %.2g).",
				       lsb_finding_name(point), lsb_look_text(symmetry, "unit"),
				       lsb_look_number(row, "unit"), word, lsb_look_text(symmetry, "unit"),
				       lsb_look_text(symmetry, "what"), lsb_look_number(row, "ratio"),
				       lsb_look_number(row, "p_adjusted")));
	}
}

static json_t *summary_sentences(const json_t *summary, const json_t *grades)
{
	static void (*const trouble[])(const json_t *, const json_t *, json_t *) = { say_missing,
										     say_implausible };
	static void (*const rules[])(const json_t *, const json_t *,
				     json_t *) = { say_speedup, say_losses, say_predicted, say_concurrency,
						   say_cores,	say_batch,  say_symmetry,  say_mind };
	json_t *list = json_array(), *busy = lsb_finding_busy(summary, grades);
	const json_t *point;
	size_t i;

	if (busy)
		keep(list, busy);
	/*
	 * trouble first, over all points; then point by point, so that a speedup and its why stand together
	 */
	for (size_t rule = 0; rule < LSB_COUNT(trouble); rule++)
		json_array_foreach(json_object_get(summary, "points"), i, point)
		{
			trouble[rule](summary, point, list);
		}
	lsb_side_findings(summary, list); /* what the suite asks comes before what is said of any run */
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		for (size_t rule = 0; rule < LSB_COUNT(rules); rule++)
			rules[rule](summary, point, list);
	}
	lsb_knees_findings(summary, list);
	lsb_replicas_findings(summary, list);
	lsb_break_even_findings(summary, list);
	lsb_outputs_findings(summary, list);
	return list;
}

json_t *lsb_findings(const json_t *header, json_t *summary)
{
	json_t *checks = lsb_plausible_checks(header, summary); /* first: sentences speak of its flags */
	json_t *grades = lsb_findings_grades(summary);

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "generated",
			 "by rules on the numbers of this file; nothing here was written by hand", "summary",
			 summary_sentences(summary, grades), "grades", grades, "bottlenecks",
			 lsb_findings_bottlenecks(summary), "recommendations",
			 lsb_findings_recommendations(summary, grades), "checks", checks);
}
