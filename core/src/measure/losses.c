/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/losses.h"

#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/flags.h"
#include "measure/look.h"
#include "measure/statistics.h"
#include "measure/summary.h"

enum term { BUBBLE, IMBALANCE, TRANSFER, LATE, OVERHEAD, MEMORY, COMPUTE, REST, TERMS };

static const struct {
	const char *name, *words;
} terms[TERMS] = {
	[BUBBLE] = { "bubble", "pipeline bubble" },
	[IMBALANCE] = { "imbalance", "uneven stages" },
	[TRANSFER] = { "transfer", "messages in transit" },
	[LATE] = { "late", "late hand-over" },
	[OVERHEAD] = { "overhead", "overhead" },
	[MEMORY] = { "memory", "shared memory" },
	[COMPUTE] = { "compute", "computing slower than its share" },
	[REST] = { "rest", "rest" },
};

/* One round: the point's launch and its baseline's. */
struct pair {
	double run_s, ideal_s;
	double lost_s[TERMS];
};

/* Sample `i` of a metric; NAN when there is none. */
static double sample(const json_t *point, const char *name, size_t i)
{
	const json_t *value = json_array_get(json_object_get(lsb_look_metric(point, name), "samples"), i);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Rounds of a point's launches, in their order; NULL without memory. Owned by the caller. */
static double *rounds_of(const json_t *point, size_t *n)
{
	const json_t *rounds = json_object_get(point, "rounds"), *round;
	double *out = calloc(json_array_size(rounds) + 1, sizeof(*out));
	size_t i;

	*n = json_array_size(rounds);
	json_array_foreach(rounds, i, round)
	{
		if (out)
			out[i] = json_number_value(round);
	}
	return out;
}

/* Fill *out from launch i of the point and j of the baseline; 0 when a part is not known. */
static int take_apart(const json_t *point, const json_t *baseline, size_t i, size_t j, struct pair *out)
{
	const double p = lsb_look_number(point, "nodes");
	const double work = sample(point, "generated_tokens", i) / sample(baseline, "generated_tokens", j);
	const double shared_s =
		lsb_look_number(json_object_get(json_object_get(point, "bounds"), "shared"), "more_s");
	const double grown_s = sample(point, "compute_s", i) - sample(baseline, "compute_s", j) * work / p;
	double known_s = 0;

	*out = (struct pair){ .run_s = sample(point, "run_s", i),
			      .ideal_s = sample(baseline, "run_s", j) * work / p };
	out->lost_s[BUBBLE] = sample(point, "bubble_s", i);
	out->lost_s[IMBALANCE] = sample(point, "imbalance_s", i);
	out->lost_s[TRANSFER] = sample(point, "transfer_s", i);
	out->lost_s[LATE] = sample(point, "late_s", i);
	out->lost_s[OVERHEAD] = sample(point, "overhead_s", i) - sample(baseline, "overhead_s", j) * work / p;
	out->lost_s[MEMORY] = fmax(0, fmin(grown_s, shared_s));
	out->lost_s[COMPUTE] = grown_s - out->lost_s[MEMORY];
	for (int k = 0; k < REST; k++)
		known_s += out->lost_s[k];
	out->lost_s[REST] = out->run_s - out->ideal_s - known_s;
	return isfinite(out->lost_s[REST]) && isfinite(grown_s) && out->run_s > 0;
}

const char *lsb_losses_uneven(const json_t *point)
{
	return lsb_look_number(point, "stages") > 1 ? terms[IMBALANCE].words : "uneven replicas";
}

/*
 * {"name", "words", "s", "share", "speedup", "gain", "ci95"}: of the pair `typical`, its interval over all.
 */
static json_t *term_json(const struct pair *pairs, size_t n, const struct pair *typical, enum term term,
			 double p, const char *words)
{
	const double lost_s = typical->lost_s[term], run_s = typical->run_s;
	double *shares = malloc((n + 1) * sizeof(*shares));
	json_t *ci = NULL;

	for (size_t i = 0; shares && i < n; i++)
		shares[i] = pairs[i].lost_s[term] / pairs[i].run_s;
	if (shares) {
		lsb_sort(shares, n);
		ci = lsb_look_interval(shares, n);
	}
	free(shares);
	return json_pack("{s:s, s:s, s:f, s:f, s:f, s:o, s:o}", "name", terms[term].name, "words", words, "s",
			 lost_s, "share", lost_s / run_s, "speedup", p * lost_s / run_s, "gain",
			 lost_s > 0 && lost_s < run_s ? json_real(run_s / (run_s - lost_s)) : json_null(),
			 "ci95", ci ? ci : json_null());
}

static int by_ratio(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	const double left = x->ideal_s / x->run_s, right = y->ideal_s / y->run_s;

	return (left > right) - (left < right);
}

/*
 * The pair of median ratio; of an even number the mean of the two in the middle, each
 * brought to a run of the same length so that shares are what is averaged. Sorts.
 */
static struct pair typical_of(struct pair *pairs, size_t n)
{
	struct pair a, b;
	double run_s;

	qsort(pairs, n, sizeof(*pairs), by_ratio);
	a = pairs[(n - 1) / 2];
	b = pairs[n / 2];
	run_s = (a.run_s + b.run_s) / 2;
	for (int k = 0; k < TERMS; k++)
		a.lost_s[k] = (a.lost_s[k] / a.run_s + b.lost_s[k] / b.run_s) / 2 * run_s;
	a.ideal_s = (a.ideal_s / a.run_s + b.ideal_s / b.run_s) / 2 * run_s;
	a.run_s = run_s;
	return a;
}

/* What the schedule, the link's benchmark and the measured bandwidths let expect, beside what came. */
static json_t *predicted_json(const json_t *bounds, const struct pair *pair, double p)
{
	const json_t *exposed = json_object_get(json_object_get(bounds, "link"), "exposed_s");
	const json_t *shared = json_object_get(json_object_get(bounds, "shared"), "more_s");
	const double link_s = json_number_value(exposed), memory_s = json_number_value(shared);
	const double run_s =
		pair->ideal_s + pair->lost_s[BUBBLE] + pair->lost_s[IMBALANCE] + link_s + memory_s;
	json_t *out = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "run_s", run_s, "speedup",
				p * pair->ideal_s / run_s, "measured_run_s", pair->run_s, "measured_speedup",
				p * pair->ideal_s / pair->run_s, "remainder_s", pair->run_s - run_s,
				"remainder_share", (pair->run_s - run_s) / pair->run_s);
	json_t *shares =
		json_pack("{s:f, s:f, s:o, s:o}", "bubble", pair->lost_s[BUBBLE] / pair->run_s, "imbalance",
			  pair->lost_s[IMBALANCE] / pair->run_s, "link",
			  json_is_number(exposed) ? json_real(link_s / pair->run_s) : json_null(), "memory",
			  json_is_number(shared) ? json_real(memory_s / pair->run_s) : json_null());

	json_object_set_new(out, "shares", shares);
	return out;
}

/* Rounds that both have and that can be taken apart; how many. `pairs` has room for the point's launches. */
static size_t take_pairs(const json_t *point, const json_t *baseline, struct pair *pairs)
{
	size_t n_mine, n_theirs, n = 0, n_pairs = 0;
	double *mine = rounds_of(point, &n_mine), *theirs = rounds_of(baseline, &n_theirs);
	size_t *places = calloc(2 * n_mine + 1, sizeof(*places));

	if (mine && theirs && places)
		n_pairs = lsb_pair_rounds(mine, n_mine, theirs, n_theirs, places, places + n_mine);
	for (size_t i = 0; i < n_pairs; i++)
		n += (size_t)take_apart(point, baseline, places[i], places[n_mine + i], &pairs[n]);
	free(places);
	free(theirs);
	free(mine);
	return n;
}

static void add_losses(const json_t *point, const json_t *baseline, json_t *bounds)
{
	const double p = lsb_look_number(point, "nodes");
	struct pair *pairs = calloc(json_array_size(json_object_get(point, "rounds")) + 1, sizeof(*pairs));
	struct pair typical;
	json_t *list;
	size_t n = pairs ? take_pairs(point, baseline, pairs) : 0;

	if (n) {
		typical = typical_of(pairs, n);
		list = json_array();
		for (int k = 0; k < TERMS; k++)
			json_array_append_new(
				list, term_json(pairs, n, &typical, (enum term)k, p,
						k == IMBALANCE ? lsb_losses_uneven(point) : terms[k].words));
		json_object_set_new(bounds, "losses",
				    json_pack("{s:O, s:f, s:f, s:f, s:f, s:I, s:o}", "baseline",
					      json_object_get(baseline, "id"), "ideal_s", typical.ideal_s,
					      "run_s", typical.run_s, "speedup",
					      p * typical.ideal_s / typical.run_s, "missing",
					      p - p * typical.ideal_s / typical.run_s, "pairs", (json_int_t)n,
					      "terms", list));
		json_object_set_new(bounds, "predicted", predicted_json(bounds, &typical, p));
	}
	free(pairs);
}

void lsb_losses_add(json_t *summary)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_t *bounds = json_object_get(point, "bounds");
		const json_t *id = lsb_look_scaling(point, "baseline");
		const json_t *baseline = id ? lsb_summary_point(summary, json_string_value(id)) : NULL;

		if (!json_is_object(bounds))
			continue;
		json_object_set_new(bounds, "losses", json_null());
		json_object_set_new(bounds, "predicted", json_null());
		if (baseline && lsb_look_number(point, "nodes") > 1 &&
		    lsb_look_number(baseline, "nodes") == 1 && !lsb_point_has_flag(point, "unequal_work"))
			add_losses(point, baseline, bounds);
	}
}
