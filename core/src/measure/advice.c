/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recommendations: what to change, what that gains, and the rule and points that
 * say so. A gain is measured where the suite has a point that does it already and
 * the difference was seen, and else predicted from the point's own bounds, never
 * from experience elsewhere. The rules are in advice_*.c; this puts them together.
 */
#include "measure/advice.h"

#include <stdlib.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/summary.h"

enum { OF_A_KIND = 2 }; /* recommendations of one kind and basis that are kept */

#define WORTH 1.02 /* a smaller gain is no advice */

void lsb_advise(json_t *list, json_t *finding, const char *kind, const char *basis, double gain, char *set)
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

const json_t *lsb_advice_point(const json_t *summary, const json_t *id)
{
	return json_is_string(id) ? lsb_summary_point(summary, json_string_value(id)) : NULL;
}

double lsb_advice_share(const json_t *point, const char *term)
{
	return lsb_look_number(lsb_finding_term(point, term), "share");
}

enum lsb_verdict_kind lsb_advice_verdict(const json_t *ratio)
{
	const json_t *lo = lsb_look_end(ratio, 0), *hi = lsb_look_end(ratio, 1);

	if (!lo || !hi)
		return LSB_VERDICT_UNKNOWN;
	return lsb_verdict_of_interval(json_number_value(lo), json_number_value(hi), LSB_MORE_IS_FASTER);
}

/* --- the measurement itself --- */

static void advise_launches(const json_t *summary, json_t *list)
{
	const json_t *point;
	size_t i, few = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
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

/*
 * Before all others: what was not seen cannot be recommended, and what is predicted stands on the same
 * figures.
 */
static void advise_quiet(const json_t *summary, const json_t *grades, json_t *list)
{
	json_t *busy = lsb_finding_busy(summary, grades), *text;

	if (!busy)
		return;
	text = json_sprintf("%s Nothing can be recommended from differences that were not seen, and what is "
			    "predicted stands on figures as unsure: measure again on a quiet machine.",
			    lsb_look_text(busy, "text"));
	if (text)
		json_object_set_new(busy, "text", text);
	json_object_update_new(
		busy, json_pack("{s:s, s:s, s:n, s:n}", "kind", "quiet", "basis", "stated", "gain", "set"));
	json_array_insert_new(list, 0, busy);
}

/* --- all of them --- */

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

/* The case that a finding is about: that of its point of most nodes. */
static const json_t *case_of(const json_t *summary, const json_t *finding)
{
	const json_t *id, *most = NULL;
	size_t i;

	json_array_foreach(json_object_get(finding, "points"), i, id)
	{
		const json_t *point = lsb_advice_point(summary, id);

		if (point && (!most || lsb_look_number(point, "nodes") > lsb_look_number(most, "nodes")))
			most = point;
	}
	return json_object_get(most, "case");
}

/* Another number of nodes was measured to gain more in the same case. */
static int is_contradicted(const json_t *summary, const json_t *list, const json_t *finding)
{
	const json_t *other;
	size_t i;

	if (!lsb_look_is(finding, "kind", "nodes") || !lsb_look_is(finding, "basis", "measured"))
		return 0;
	json_array_foreach(list, i, other)
	{
		if (lsb_look_is(other, "kind", "nodes") && lsb_look_is(other, "basis", "measured") &&
		    !lsb_look_is(other, "set", lsb_look_text(finding, "set")) &&
		    json_equal(case_of(summary, other), case_of(summary, finding)))
			return 1;
	}
	return 0;
}

/* By gain, and of one kind only the best: many points say the same. None that contradicts a better one. */
static json_t *sorted(const json_t *summary, json_t *list)
{
	const size_t n = json_array_size(list);
	json_t **rows = calloc(n + 1, sizeof(json_t *)), *out = json_array();

	for (size_t i = 0; rows && i < n; i++)
		rows[i] = json_array_get(list, i);
	if (rows)
		qsort(rows, n, sizeof(json_t *), by_gain);
	for (size_t i = 0; rows && i < n; i++)
		if (count_kind(out, lsb_look_text(rows[i], "kind"), lsb_look_text(rows[i], "basis")) <
			    OF_A_KIND &&
		    !is_contradicted(summary, out, rows[i]))
			json_array_append(out, rows[i]);
	free(rows);
	json_decref(list);
	return out;
}

json_t *lsb_findings_recommendations(const json_t *summary, const json_t *grades)
{
	json_t *list = json_array();
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!lsb_look_measured(point))
			continue;
		lsb_advise_batch(summary, point, list);
		lsb_advise_larger_batch(summary, point, list);
		lsb_advise_batching(summary, point, list);
		lsb_advise_in_flight(point, list);
		lsb_advise_split(point, list);
		lsb_advise_transport(summary, point, list);
		lsb_advise_nodes(summary, point, list);
		lsb_advise_replicas(summary, point, list);
	}
	list = sorted(summary, list);
	advise_launches(summary, list);
	advise_quiet(summary, grades, list);
	return list;
}
