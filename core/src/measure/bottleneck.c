/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds a point back most: of several nodes the largest term of what is
 * missing of p times as fast, of one node what its decoding is limited by.
 */
#include <math.h>

#include "measure/findings.h"
#include "measure/look.h"

#define SMALL 0.02 /* share of the run below which nothing is called a bottleneck */

/* The largest loss that has a name. */
static const json_t *largest_term(const json_t *point)
{
	const json_t *losses = json_object_get(json_object_get(point, "bounds"), "losses"), *term,
		     *largest = NULL;
	size_t i;

	json_array_foreach(json_object_get(losses, "terms"), i, term)
	{
		if (!lsb_look_is(term, "name", "rest") &&
		    (!largest || lsb_look_number(term, "share") > lsb_look_number(largest, "share")))
			largest = term;
	}
	return largest && lsb_look_number(largest, "share") > SMALL ? largest : NULL;
}

static json_t *of_nodes(const json_t *point, const json_t *term)
{
	const json_t *const points[] = { point, NULL };
	const double share = lsb_look_number(term, "share"), gain = lsb_look_number(term, "gain");
	json_t *out = lsb_finding("the largest named term of what is missing of p times one node", points,
				  "%s: the largest loss: %s, %.3g s or %.0f %% of its run; without it the "
				  "run would be %.2f times as fast.",
				  lsb_finding_name(point), lsb_look_text(term, "words"),
				  lsb_look_number(term, "s"), share * 100, gain);

	json_object_set(out, "term", json_object_get(term, "name"));
	json_object_set(out, "point", json_object_get(point, "id"));
	json_object_set_new(out, "share", json_real(share));
	json_object_set_new(out, "gain", json_real(gain));
	return out;
}

/* Decode of one node: the roofline's limit, or what keeps it from that. */
static json_t *of_roofline(const json_t *point)
{
	const json_t *const points[] = { point, NULL };
	const json_t *bounds = json_object_get(point, "bounds"), *decode = json_object_get(bounds, "decode");
	const double share = lsb_look_number(decode, "share"),
		     compute_s = lsb_look_number(decode, "measured_s");
	const double run_s = lsb_look_median(point, "run_s");
	json_t *out;

	if (!json_is_object(decode) || !(share > 0) || !(run_s > 0))
		return NULL;
	out = lsb_finding(
		"decode beside its roofline", points,
		"%s: decoding takes %.0f %% of the run and is bound by %s; it runs at %.0f %% of that "
		"roofline (%.0f tokens/s)%s.",
		lsb_finding_name(point), fmin(1, compute_s / run_s) * 100,
		lsb_look_is(decode, "limit", "memory") ? "memory bandwidth" : "arithmetic", share * 100,
		lsb_look_number(decode, "tokens_per_s"),
		share > 1 ? ", more than memory alone allows: weights come from caches, too, or the machine "
			    "was busier when its bandwidth was measured"
			  : "");
	json_object_set_new(out, "term", json_string(lsb_look_text(decode, "limit")));
	json_object_set(out, "point", json_object_get(point, "id"));
	json_object_set_new(out, "share", json_real(fmin(1, compute_s / run_s)));
	json_object_set_new(out, "gain",
			    share < 1 ? json_real(1 / (1 - compute_s / run_s * (1 - share))) : json_real(1));
	return out;
}

json_t *lsb_findings_bottlenecks(const json_t *summary)
{
	json_t *out = json_array();
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *term = largest_term(point);
		json_t *finding = NULL;

		if (!lsb_look_measured(point))
			continue;
		if (term)
			finding = of_nodes(point, term);
		else if (lsb_look_number(point, "nodes") == 1)
			finding = of_roofline(point);
		if (finding)
			json_array_append_new(out, finding);
	}
	return out;
}
