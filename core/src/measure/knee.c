/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/knee.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/open_loop.h"
#include "measure/slo.h"
#include "measure/summary.h"

enum { RUNGS_MAX = 256 };

struct lsb_bracket lsb_bracket_find(const struct lsb_rung *rungs, size_t n, double share)
{
	struct lsb_bracket b = { -1, -1, -1 };
	const ptrdiff_t end = (ptrdiff_t)n;
	ptrdiff_t above;

	for (ptrdiff_t i = end; i-- > 0;)
		if (rungs[i].is_over || rungs[i].share < share) /* NAN is not */
			b.fails = i;
	above = b.fails >= 0 ? b.fails : end;
	for (ptrdiff_t i = 0; i < above; i++)
		if (rungs[i].share >= share)
			b.meets = i;
	if (above - b.meets > 1)
		b.probe = (b.meets + above) / 2;
	return b;
}

/* --- ladders of a summary ------------------------------------------------------------------ */

int lsb_is_searched(const json_t *point)
{
	return lsb_look_is(json_object_get(point, "params"), "search", "knee");
}

static int is_rung(const json_t *point)
{
	struct lsb_slo slo;

	return lsb_slo_of(point, &slo) && lsb_offered_rate(point) > 0;
}

int lsb_is_same_ladder(const json_t *a, const json_t *b)
{
	json_t *pa, *pb;
	int same;

	if (!is_rung(a) || !is_rung(b))
		return 0;
	pa = json_copy(json_object_get(a, "params"));
	pb = json_copy(json_object_get(b, "params"));
	json_object_del(pa, "arrivals");
	json_object_del(pb, "arrivals");
	same = pa && pb && json_equal(pa, pb) &&
	       json_equal(json_object_get(a, "case"), json_object_get(b, "case"));
	json_decref(pa);
	json_decref(pb);
	return same;
}

struct ladder {
	json_t *points[RUNGS_MAX]; /* ascending; borrowed */
	struct lsb_rung rungs[RUNGS_MAX];
	size_t n;
	struct lsb_slo slo;
};

static void add_rung(struct ladder *l, json_t *point)
{
	const double share = lsb_slo_kept(point);
	const struct lsb_rung rung = {
		.rate = lsb_offered_rate(point),
		.share = share,
		.is_over = isnan(share) &&
			   (lsb_look_is(point, "status", "failed") || lsb_look_is(point, "status", "waived")),
	};
	size_t at = l->n;

	if (l->n == RUNGS_MAX)
		return;
	for (; at > 0 && l->rungs[at - 1].rate > rung.rate; at--) {
		l->rungs[at] = l->rungs[at - 1];
		l->points[at] = l->points[at - 1];
	}
	l->rungs[at] = rung;
	l->points[at] = point;
	l->n++;
}

/* The ladder whose first point in suite order is number `first`; empty where that is on an earlier one. */
static struct ladder ladder_of(const json_t *points, size_t first)
{
	json_t *point = json_array_get(points, first), *other;
	struct ladder l = { .n = 0 };
	size_t i;

	if (!is_rung(point))
		return l;
	(void)lsb_slo_of(point, &l.slo);
	json_array_foreach(points, i, other)
	{
		if (!lsb_is_same_ladder(point, other))
			continue;
		if (i < first)
			return (struct ladder){ .n = 0 };
		add_rung(&l, other);
	}
	return l;
}

static json_t *id_or_null(const struct ladder *l, ptrdiff_t i)
{
	return i >= 0 ? json_incref(json_object_get(l->points[i], "id")) : json_null();
}

static json_t *rate_or_null(const struct ladder *l, ptrdiff_t i)
{
	return i >= 0 ? json_real(l->rungs[i].rate) : json_null();
}

static json_t *knee_json(const struct ladder *l, const struct lsb_bracket *b)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append(ids, json_object_get(l->points[i], "id"));
	return json_pack("{s:O, s:o, s:f, s:o, s:o, s:o, s:o, s:b}", "case",
			 json_object_get(l->points[0], "case"), "points", ids, "share", l->slo.share, "meets",
			 id_or_null(l, b->meets), "rate", rate_or_null(l, b->meets), "fails",
			 id_or_null(l, b->fails), "ceiling", rate_or_null(l, b->fails), "is_closed",
			 b->probe < 0);
}

/* Why a rung of a search has no, or fewer, launches than it was to have. */
static void say_why(const struct ladder *l, const struct lsb_bracket *b, size_t i)
{
	json_t *point = l->points[i];
	const double launches = lsb_look_number(point, "launches");
	const int is_end = (ptrdiff_t)i == b->meets || (ptrdiff_t)i == b->fails;

	if (!lsb_is_searched(point) || is_end || b->probe >= 0 ||
	    !(lsb_look_is(point, "status", "skipped") || lsb_look_is(point, "status", "incomplete")) ||
	    (lsb_look_is(point, "status", "incomplete") && !(launches > 0)))
		return;
	json_object_set_new(point, "status", json_string(launches > 0 ? "ok" : "skipped"));
	if (launches > 0)
		json_object_set_new(point, "reason",
				    json_sprintf("a probe of the search for the knee: %.0f of %.0f launches",
						 launches, lsb_look_number(point, "reps")));
	else
		json_object_set_new(point, "reason",
				    json_string("not needed: the search found the knee without it"));
}

void lsb_knees_add(json_t *summary)
{
	json_t *points = json_object_get(summary, "points"), *knees = json_array(), *point;
	size_t i;

	json_array_foreach(points, i, point)
	{
		json_object_set_new(point, "slo", lsb_slo_json(point));
	}
	for (i = 0; i < json_array_size(points); i++) {
		const struct ladder l = ladder_of(points, i);
		const struct lsb_bracket b = lsb_bracket_find(l.rungs, l.n, l.slo.share);

		for (size_t k = 0; k < l.n; k++)
			say_why(&l, &b, k);
		if (l.n > 1)
			json_array_append_new(knees, knee_json(&l, &b));
	}
	json_object_set_new(summary, "knees", knees);
}

/* --- in words ----------------------------------------------------------------------------------- */

/* "94 % of the requests within ttft 0.2 s, tpot 0.05 s" */
static void say_share(const json_t *point, struct lsb_text *to)
{
	struct lsb_slo slo;

	(void)lsb_slo_of(point, &slo);
	lsb_text_add(to, "%.0f %% of the requests within", lsb_look_median(point, "slo_share") * 100);
	if (slo.ttft_s > 0)
		lsb_text_add(to, " ttft %.4g s%s", slo.ttft_s, slo.tpot_s > 0 || slo.e2e_s > 0 ? "," : "");
	if (slo.tpot_s > 0)
		lsb_text_add(to, " tpot %.4g s%s", slo.tpot_s, slo.e2e_s > 0 ? "," : "");
	if (slo.e2e_s > 0)
		lsb_text_add(to, " e2e %.4g s", slo.e2e_s);
	if (lsb_look_median(point, "queue_growth") > LSB_QUEUE_GROWTH)
		lsb_text_add(to, " in this run, but the queue grew");
}

static void say_knee(const json_t *summary, const json_t *knee, json_t *list)
{
	const json_t *meets = lsb_summary_point(summary, lsb_look_text(knee, "meets"));
	const json_t *fails = lsb_summary_point(summary, lsb_look_text(knee, "fails"));
	const double rate = lsb_look_number(knee, "rate"), ceiling = lsb_look_number(knee, "ceiling");
	struct lsb_text text = { 0 };

	lsb_text_add(&text, "%s: ", lsb_look_text(knee, "case"));
	if (meets && fails)
		lsb_text_add(&text, "the knee is between %.4g and %.4g requests/s: at %.4g, ", rate, ceiling,
			     rate);
	else if (meets)
		lsb_text_add(
			&text,
			"the knee is at or above %.4g requests/s, the highest rate that was offered: ", rate);
	else if (fails)
		lsb_text_add(&text, "the knee is below %.4g requests/s, the lowest rate that was offered: ",
			     ceiling);
	if (meets)
		say_share(meets, &text);
	if (meets && fails)
		lsb_text_add(&text, "; at %.4g, ", ceiling);
	if (fails && lsb_look_metric(fails, "slo_share"))
		say_share(fails, &text);
	else if (fails)
		lsb_text_add(&text, "no launch went well");
	lsb_text_add(&text, "; %.4g %% must be.%s", lsb_look_number(knee, "share") * 100,
		     json_is_true(json_object_get(knee, "is_closed"))
			     ? ""
			     : " The search did not come to its end.");
	if (meets || fails)
		json_array_append_new(list,
				      lsb_finding("the highest rate at which enough requests keep the limits",
						  (const json_t *const[]){ meets ? meets : fails,
									   meets ? fails : NULL, NULL },
						  "%s", text.data ? text.data : ""));
	lsb_text_free(&text);
}

void lsb_knees_findings(const json_t *summary, json_t *list)
{
	const json_t *knees = json_object_get(summary, "knees"), *knee;
	size_t i;

	json_array_foreach(knees, i, knee)
	{
		say_knee(summary, knee, list);
	}
}
