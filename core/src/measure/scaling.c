/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every ratio is the median of per-round ratios: launches of the same round ran
 * next to each other, so what slowed both cancels. Each tells its formula, its
 * baseline and that baseline's absolute value.
 */
#include "measure/scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/flags.h"
#include "measure/launch_measure.h"
#include "measure/look.h"
#include "measure/statistics.h"
#include "measure/summary.h"

#define EQUAL_WORK 0.005 /* relative difference in tokens that still counts as the same work */

/* {"value", "ci95": [lo, hi] or null} */
static json_t *ratio_json(double value, const struct lsb_interval *interval)
{
	json_t *ci = interval ? json_pack("[f, f]", interval->lo, interval->hi) : json_null();

	return json_pack("{s:f, s:o}", "value", value, "ci95", ci);
}

static json_t *scaled(const json_t *ratio, double factor)
{
	const json_t *ci = json_object_get(ratio, "ci95");
	const struct lsb_interval interval = { .lo = json_number_value(json_array_get(ci, 0)) * factor,
					       .hi = json_number_value(json_array_get(ci, 1)) * factor };

	return ratio_json(lsb_look_number(ratio, "value") * factor, json_is_array(ci) ? &interval : NULL);
}

/* What is divided by what: a metric of the point and one of its baseline. */
struct comparison {
	const char *point, *baseline; /* metrics */
	int inverse;		      /* times: baseline over point */
	const char *formula;
};

/* The first n numbers of a list, malloc'ed; NULL without memory. */
static double *numbers(const json_t *list, size_t n)
{
	double *out = calloc(n + 1, sizeof(*out));

	for (size_t i = 0; out && i < n; i++)
		out[i] = json_number_value(json_array_get(list, i));
	return out;
}

/*
 * Median of the per-round ratios over the rounds that both have, with "pairs",
 * their number. NULL without any.
 */
static json_t *paired(const json_t *point, const json_t *baseline, const struct comparison *how)
{
	const json_t *mine = json_object_get(lsb_look_metric(point, how->point), "samples");
	const json_t *theirs = json_object_get(lsb_look_metric(baseline, how->baseline), "samples");
	const size_t n_mine = json_array_size(mine), n_theirs = json_array_size(theirs);
	double *my_rounds = numbers(json_object_get(point, "rounds"), n_mine),
	       *their_rounds = numbers(json_object_get(baseline, "rounds"), n_theirs);
	double *a = calloc(n_mine + 1, sizeof(*a)), *b = calloc(n_mine + 1, sizeof(*b)), value;
	size_t *places = calloc(2 * n_mine + 1, sizeof(*places)), n = 0;
	struct lsb_interval interval;
	json_t *out = NULL;
	int known;

	if (a && b && places && my_rounds && their_rounds)
		n = lsb_pair_rounds(my_rounds, n_mine, their_rounds, n_theirs, places, places + n_mine);
	for (size_t i = 0; i < n; i++) {
		a[i] = json_number_value(json_array_get(mine, places[i]));
		b[i] = json_number_value(json_array_get(theirs, places[n_mine + i]));
	}
	known = a && b ? lsb_paired_ratio(how->inverse ? b : a, how->inverse ? a : b, n, &value, &interval)
		       : -1;
	if (known >= 0) {
		out = ratio_json(value, known ? &interval : NULL);
		json_object_set_new(out, "pairs", json_integer((json_int_t)n));
	}
	free(a);
	free(b);
	free(places);
	free(my_rounds);
	free(their_rounds);
	return out;
}

/* --- baselines --- */

/* The point of `summary` that header point `entry` names under baselines.KEY, with launches; NULL if none. */
static const json_t *baseline_of(const json_t *entry, const json_t *summary, const char *key)
{
	const char *id = json_string_value(json_object_get(json_object_get(entry, "baselines"), key));
	const json_t *point = id ? lsb_summary_point(summary, id) : NULL;

	return point && json_array_size(json_object_get(point, "rounds")) ? point : NULL;
}

static void describe_baseline(json_t *scaling, const char *key, const json_t *baseline,
			      const char *metric_name)
{
	json_object_set_new(json_object_get(scaling, "baselines"), key,
			    json_pack("{s:O, s:O?, s:s, s:f, s:s}", "id", json_object_get(baseline, "id"),
				      "label", json_object_get(baseline, "label"), "metric", metric_name,
				      "value", lsb_look_median(baseline, metric_name), "unit",
				      lsb_metric_unit(metric_name)));
}

/* How a ratio was formed, and what of. */
static void describe_ratio(json_t *ratio, const json_t *baseline, const struct comparison *how)
{
	json_object_set(ratio, "baseline", json_object_get(baseline, "id"));
	json_object_set_new(ratio, "formula", json_string(how->formula));
	json_object_set_new(ratio, "metric", json_string(how->baseline));
	json_object_set_new(ratio, "baseline_value", json_real(lsb_look_median(baseline, how->baseline)));
}

/* The ratio `name` against baselines.KEY, when there is such a baseline that is not the point itself. */
static void add_ratio(const json_t *entry, const json_t *summary, const json_t *point, const char *key,
		      const char *name, const struct comparison *how, json_t *scaling)
{
	const json_t *baseline = baseline_of(entry, summary, key);
	json_t *ratio = baseline && baseline != point ? paired(point, baseline, how) : NULL;

	if (!ratio)
		return;
	describe_ratio(ratio, baseline, how);
	json_object_set_new(scaling, name, ratio);
	if (!json_object_get(json_object_get(scaling, "baselines"), key))
		describe_baseline(scaling, key, baseline, how->baseline);
}

/* --- efficiency --- */

static int differs(double a, double b)
{
	return fabs(a - b) > EQUAL_WORK * fmax(fabs(a), fabs(b));
}

/*
 * Name the work of the point that is not its baseline's times the requests that
 * it has more of (weak scaling); NULL when all is.
 */
static char *unequal_work(const json_t *point, const json_t *baseline)
{
	static const char *const names[] = { "prompt_tokens", "generated_tokens" };
	const double times =
		lsb_look_number(baseline, "prompts") > 0
			? lsb_look_number(point, "prompts") / lsb_look_number(baseline, "prompts")
			: 1;

	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		const double mine = lsb_look_median(point, names[i]),
			     theirs = lsb_look_median(baseline, names[i]) * times;

		if (differs(mine, theirs))
			return lsb_format("%s: %.0f here, %.0f expected from the baseline", names[i], mine,
					  theirs);
	}
	return NULL;
}

const char *lsb_wait_mode_told(const json_t *point)
{
	const json_t *rank = json_array_get(json_object_get(point, "ranks"), 0);

	return json_string_value(json_object_get(json_object_get(rank, "transport"), "wait"));
}

/* What the ranks say, else the suite; NULL: neither does, or there is nobody to wait for. */
static const char *wait_mode(const json_t *point)
{
	const char *told = lsb_wait_mode_told(point);

	if (lsb_look_number(point, "nodes") < 2)
		return NULL;
	return told ? told
		    : json_string_value(json_object_get(json_object_get(point, "params"), "transport.wait"));
}

int lsb_wait_modes_agree(const json_t *a, const json_t *b)
{
	const char *mine = wait_mode(a), *theirs = wait_mode(b);

	return !mine || !theirs || strcmp(mine, theirs) == 0;
}

/* What beside the factors differs between point and baseline, and so may be the cause; NULL: nothing. */
static const char *confounder(const json_t *point, const json_t *baseline)
{
	if (!json_equal(json_object_get(point, "launcher"), json_object_get(baseline, "launcher")))
		return "launched another way than its baseline";
	if (!json_equal(json_object_get(point, "pinned"), json_object_get(baseline, "pinned")))
		return "pinned to processors unlike its baseline";
	if (!lsb_wait_modes_agree(point, baseline))
		return "waits for messages in another mode than its baseline";
	return NULL;
}

/* Serial fraction of Karp and Flatt: (1/S - 1/p) / (1 - 1/p). */
static void add_karp_flatt(double speedup, double p, json_t *scaling)
{
	if (p > 1 && speedup > 0)
		json_object_set_new(scaling, "karp_flatt", json_real((1 / speedup - 1 / p) / (1 - 1 / p)));
}

/* What the ranks of an oversubscribed point have too few of. */
static const char *crowding(const json_t *point)
{
	const char *why =
		json_string_value(json_object_get(json_object_get(point, "flag_reasons"), "oversubscribed"));

	return why && strstr(why, "one device") ? "ranks share an accelerator" : "more threads than cores";
}

static void add_efficiency(json_t *point, const json_t *baseline, double nodes, json_t *scaling)
{
	const json_t *speedup = json_object_get(scaling, "speedup");
	char *unequal = unequal_work(point, baseline), *crowded = NULL;
	const char *confounded = confounder(point, baseline), *why = NULL;

	if (unequal)
		lsb_point_flag(point, "unequal_work", unequal);
	if (confounded)
		lsb_point_flag(point, "confounded", confounded);
	if (unequal)
		why = unequal;
	else if (confounded)
		why = confounded;
	else if (lsb_point_has_flag(point, "oversubscribed"))
		why = crowding(point);
	else if (lsb_point_has_flag(baseline, "oversubscribed"))
		why = crowded = lsb_format("%s in the baseline", crowding(baseline));
	if (why) {
		json_object_set_new(scaling, "efficiency", json_null());
		json_object_set_new(scaling, "no_efficiency", json_string(why));
	} else {
		json_object_set_new(scaling, "efficiency", scaled(speedup, 1 / nodes));
		add_karp_flatt(lsb_look_number(speedup, "value"), nodes, scaling);
	}
	free(unequal);
	free(crowded);
}

/* --- bounds --- */

/* What the point's own schedule allows, round by round as the speedup, and how much of it was reached. */
static void add_bound(const json_t *point, const json_t *baseline, const struct comparison *how,
		      json_t *scaling)
{
	const struct comparison bound = { .point = how->inverse ? "replay_s" : "replay_tokens_per_s",
					  .baseline = how->baseline,
					  .inverse = how->inverse };
	json_t *best = paired(point, baseline, &bound);

	if (!best)
		return;
	json_object_set_new(best, "kind", json_string("replayed schedule"));
	json_object_set_new(scaling, "bound", best);
	json_object_set_new(scaling, "bound_share",
			    json_real(lsb_look_number(json_object_get(scaling, "speedup"), "value") /
				      lsb_look_number(best, "value")));
}

/* --- points --- */

static const struct comparison by_time = { "run_s", "run_s", 1, "S = run_s(1) / run_s(p); E = S / p" };
static const struct comparison by_rate = { "tokens_per_s", "tokens_per_s", 0,
					   "S = tokens_per_s(p) / tokens_per_s(1); E = S / p" };
static const struct comparison by_wall = { "wall_s", "wall_s", 1, "S_wall = wall_s(1) / wall_s(p)" };
static const struct comparison by_batch = {
	"tokens_per_s", "tokens_per_s", 0,
	"G = tokens_per_s(b) / tokens_per_s(1) at equal nodes; E_b = G / (N / ceil(N / b))"
};
/* slots are filled anew one by one: there are no passes */
static const struct comparison by_slots = {
	"tokens_per_s", "tokens_per_s", 0,
	"G = tokens_per_s(b) / tokens_per_s(1) at equal nodes; E_b = G / min(N, b)"
};

/* Weak scaling and replicas do more work on more nodes: only rates compare. */
static const struct comparison *comparison_of(const char *kind)
{
	return strcmp(kind, "weak") == 0 || strcmp(kind, "replica") == 0 ? &by_rate : &by_time;
}

/* Gain over batch 1 at equal nodes, and how much of the possible gain that is. */
static void add_batch_gain(const json_t *entry, const json_t *summary, const json_t *point, json_t *scaling)
{
	const double prompts = lsb_look_number(entry, "prompts"), batch = lsb_look_number(entry, "batch");
	const char *batching =
		json_string_value(json_object_get(json_object_get(entry, "params"), "batching"));
	const int is_continuous = batching && strcmp(batching, "continuous") == 0;
	const json_t *gain;

	add_ratio(entry, summary, point, "batch_one", "batch_gain", is_continuous ? &by_slots : &by_batch,
		  scaling);
	gain = json_object_get(scaling, "batch_gain");
	if (gain && batch > 0 && prompts > 0)
		json_object_set_new(scaling, "batch_efficiency",
				    scaled(gain, is_continuous ? 1 / fmin(prompts, batch)
							       : ceil(prompts / batch) / prompts));
}

static void add_point(const json_t *entry, const json_t *summary, json_t *point)
{
	const char *kind = json_string_value(json_object_get(entry, "kind"));
	const json_t *baseline = baseline_of(entry, summary, "equal_batch");
	const double nodes = lsb_look_number(entry, "nodes");
	const struct comparison *how;
	json_t *scaling, *speedup;

	if (!kind || strcmp(kind, "infer") == 0 || strcmp(kind, "link") == 0 || !(nodes >= 1) ||
	    json_array_size(json_object_get(point, "rounds")) == 0)
		return;
	how = comparison_of(kind);
	scaling = json_pack("{s:n, s:s, s:n, s:n, s:{}}", "baseline", "formula", how->formula, "speedup",
			    "efficiency", "baselines");
	json_object_set_new(point, "scaling", scaling);
	if (baseline && (speedup = paired(point, baseline, how)) != NULL) {
		json_object_set(scaling, "baseline", json_object_get(baseline, "id"));
		describe_baseline(scaling, "equal_batch", baseline, how->baseline);
		describe_ratio(speedup, baseline, how);
		json_object_set_new(scaling, "speedup", speedup);
		add_efficiency(point, baseline, nodes, scaling);
		if (nodes > 1)
			add_bound(point, baseline, how, scaling);
		if (how == &by_time)
			add_ratio(entry, summary, point, "equal_batch", "speedup_wall", &by_wall, scaling);
	}
	add_ratio(entry, summary, point, "equal_concurrency", "speedup_equal_concurrency", how, scaling);
	add_ratio(entry, summary, point, "equal_cores", "speedup_equal_cores", how, scaling);
	if (strcmp(kind, "batch") == 0)
		add_batch_gain(entry, summary, point, scaling);
}

void lsb_scaling_add(const json_t *header, json_t *summary)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "id"));
		json_t *point = id ? lsb_summary_point(summary, id) : NULL;

		if (point)
			add_point(entry, summary, point);
	}
}
