/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/statistics.h"
#include "measure/summary.h"

#define EQUAL_WORK 0.005 /* relative difference in tokens that still counts as the same work */
#define BOUND_SLACK 1.02 /* noise floor: a speedup this far above its bound is implausible */

void lsb_point_flag(json_t *point, const char *flag, const char *reason)
{
	json_t *flags = json_object_get(point, "flags"), *reasons = json_object_get(point, "flag_reasons");

	if (json_object_get(reasons, flag))
		return;
	json_array_append_new(flags, json_string(flag));
	json_object_set_new(reasons, flag, json_string(reason));
}

static const json_t *metric(const json_t *point, const char *name)
{
	return json_object_get(json_object_get(point, "metrics"), name);
}

static double median_of(const json_t *point, const char *name)
{
	return json_number_value(json_object_get(metric(point, name), "median"));
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

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

	return ratio_json(number(ratio, "value") * factor, json_is_array(ci) ? &interval : NULL);
}

/*
 * Median of the per-round ratios of one metric, point over baseline (or the
 * other way round when `inverse`), over the rounds that both have. NULL without any.
 */
static json_t *paired(const json_t *point, const json_t *baseline, const char *name, int inverse)
{
	const json_t *mine = json_object_get(metric(point, name), "samples");
	const json_t *theirs = json_object_get(metric(baseline, name), "samples");
	const json_t *my_rounds = json_object_get(point, "rounds"),
		     *their_rounds = json_object_get(baseline, "rounds");
	const size_t room = json_array_size(mine);
	double *a = calloc(room + 1, sizeof(*a)), *b = calloc(room + 1, sizeof(*b)), value;
	struct lsb_interval interval;
	json_t *out = NULL;
	size_t n = 0;
	int known;

	for (size_t i = 0; a && b && i < room; i++)
		for (size_t j = 0; j < json_array_size(theirs); j++)
			if (json_equal(json_array_get(my_rounds, i), json_array_get(their_rounds, j))) {
				a[n] = json_number_value(json_array_get(mine, i));
				b[n++] = json_number_value(json_array_get(theirs, j));
				break;
			}
	known = a && b ? lsb_paired_ratio(inverse ? b : a, inverse ? a : b, n, &value, &interval) : -1;
	if (known >= 0) {
		out = ratio_json(value, known ? &interval : NULL);
		json_object_set_new(out, "pairs", json_integer((json_int_t)n));
	}
	free(a);
	free(b);
	return out;
}

static int differs(double a, double b)
{
	return fabs(a - b) > EQUAL_WORK * fmax(fabs(a), fabs(b));
}

/* Name the work of the point and its baseline that is not equal; NULL when all is. */
static char *unequal_work(const json_t *point, const json_t *baseline)
{
	static const char *const names[] = { "prompt_tokens", "generated_tokens" };

	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		const double mine = median_of(point, names[i]), theirs = median_of(baseline, names[i]);

		if (differs(mine, theirs))
			return lsb_format("%s: %.0f here, %.0f in the baseline", names[i], mine, theirs);
	}
	return NULL;
}

/* The best throughput ratio that the replayed schedule and the shared memory allow. */
static void add_bound(const json_t *point, const json_t *baseline, double baseline_share, json_t *scaling)
{
	const double replay = number(point, "replay_s"), memory = number(point, "memory_s");
	const double limit = memory > replay ? memory : replay;
	const double tokens = median_of(point, "generated_tokens"),
		     rate = median_of(baseline, "tokens_per_s");

	if (!(replay > 0) || !(rate > 0))
		return;
	json_object_set_new(scaling, "bound",
			    json_pack("{s:f, s:s, s:f, s:f}", "value", tokens / limit / rate * baseline_share,
				      "kind",
				      memory > replay ? "shared memory bandwidth" : "replayed schedule",
				      "replay_s", replay, "memory_s", memory));
}

static void check_plausible(json_t *point, const json_t *scaling)
{
	const json_t *speedup = json_object_get(scaling, "speedup"),
		     *bound = json_object_get(scaling, "bound");
	const json_t *lo = json_array_get(json_object_get(json_object_get(scaling, "efficiency"), "ci95"), 0);

	if (json_number_value(lo) > 1.0)
		lsb_point_flag(point, "implausible",
			       "efficiency above 1 with its interval above 1: name the cause");
	if (bound && number(speedup, "value") > number(bound, "value") * BOUND_SLACK)
		lsb_point_flag(point, "implausible", "speedup above the bound of its own schedule");
}

/* Serial fraction of Karp and Flatt: (1/S - 1/p) / (1 - 1/p). */
static void add_karp_flatt(double speedup, double p, json_t *scaling)
{
	if (p > 1 && speedup > 0)
		json_object_set_new(scaling, "karp_flatt", json_real((1 / speedup - 1 / p) / (1 - 1 / p)));
}

/* How a kind of case compares with one node at equal batch. */
struct comparison {
	const char *metric, *formula;
	int inverse; /* a time: baseline over point */
};

static struct comparison comparison_of(const char *kind)
{
	if (strcmp(kind, "weak") == 0)
		return (struct comparison){ "tokens_per_s",
					    "S = tokens_per_s(p) / tokens_per_s(1); E = S / p", 0 };
	if (strcmp(kind, "replica") == 0)
		return (struct comparison){
			"tokens_per_s", "S = tokens_per_s(p) / tokens_per_s(1); E = S / p (data parallel)", 0
		};
	return (struct comparison){ "run_s", "S = run_s(1) / run_s(p); E = S / p", 1 };
}

static void add_efficiency(json_t *point, const json_t *baseline, const char *kind, double nodes,
			   json_t *scaling)
{
	char *unequal = strcmp(kind, "weak") == 0 ? NULL : unequal_work(point, baseline);
	const json_t *speedup = json_object_get(scaling, "speedup");

	if (unequal) {
		lsb_point_flag(point, "unequal_work", unequal);
		json_object_set_new(scaling, "efficiency", json_null());
		json_object_set_new(scaling, "no_efficiency", json_string(unequal));
	} else if (json_object_get(json_object_get(point, "flag_reasons"), "oversubscribed")) {
		json_object_set_new(scaling, "efficiency", json_null());
		json_object_set_new(scaling, "no_efficiency", json_string("more threads than cores"));
	} else {
		json_object_set_new(scaling, "efficiency", scaled(speedup, 1 / nodes));
		add_karp_flatt(number(speedup, "value"), nodes, scaling);
	}
	free(unequal);
}

/* The point of `summary` that header point `entry` names under baselines.KEY, with launches; NULL if none. */
static json_t *baseline_of(const json_t *entry, const json_t *summary, const char *key)
{
	const char *id = json_string_value(json_object_get(json_object_get(entry, "baselines"), key));
	json_t *point = id ? lsb_summary_point(summary, id) : NULL;

	return point && json_array_size(json_object_get(point, "rounds")) ? point : NULL;
}

static json_t *describe_baseline(const json_t *baseline, const char *metric_name)
{
	return json_pack("{s:O, s:O, s:s, s:f}", "id", json_object_get(baseline, "id"), "label",
			 json_object_get(baseline, "label"), "metric", metric_name, "value",
			 median_of(baseline, metric_name));
}

/* One extra ratio against another baseline. */
static void add_ratio(const json_t *entry, const json_t *summary, const json_t *point, const char *key,
		      const char *name, const struct comparison *how, json_t *scaling)
{
	const json_t *baseline = baseline_of(entry, summary, key);
	json_t *ratio =
		baseline && baseline != point ? paired(point, baseline, how->metric, how->inverse) : NULL;
	char label[64];

	if (!ratio)
		return;
	json_object_set_new(scaling, name, ratio);
	(void)snprintf(label, sizeof(label), "baseline_%s", key);
	json_object_set_new(scaling, label, describe_baseline(baseline, how->metric));
}

/* Batch sweeps: gain over batch 1 at equal nodes, and how much of the possible gain that is. */
static void add_batch_gain(const json_t *entry, const json_t *summary, const json_t *point, json_t *scaling)
{
	static const struct comparison by_rate = { "tokens_per_s", "", 0 };
	const double prompts = number(entry, "prompts"), batch = number(entry, "batch");
	const json_t *gain;

	add_ratio(entry, summary, point, "batch_one", "batch_gain", &by_rate, scaling);
	gain = json_object_get(scaling, "batch_gain");
	if (!gain || !(batch > 0))
		return;
	json_object_set_new(scaling, "batch_efficiency", scaled(gain, ceil(prompts / batch) / prompts));
	json_object_set_new(scaling, "batch_formula",
			    json_string("G = tokens_per_s(b) / tokens_per_s(1) at equal nodes; batch "
					"efficiency = G / (N / ceil(N / b))"));
}

static void add_point(const json_t *entry, const json_t *summary, json_t *point)
{
	const char *kind = json_string_value(json_object_get(entry, "kind"));
	const json_t *baseline = baseline_of(entry, summary, "equal_batch");
	const double nodes = number(entry, "nodes");
	struct comparison how;
	json_t *scaling, *speedup;

	if (!kind || strcmp(kind, "infer") == 0 || strcmp(kind, "link") == 0 ||
	    json_array_size(json_object_get(point, "rounds")) == 0)
		return;
	how = comparison_of(kind);
	scaling = json_object();
	json_object_set_new(point, "scaling", scaling);
	if (baseline && (speedup = paired(point, baseline, how.metric, how.inverse)) != NULL) {
		json_object_set(scaling, "baseline", json_object_get(baseline, "id"));
		json_object_set_new(scaling, "baseline_equal_batch", describe_baseline(baseline, how.metric));
		json_object_set_new(scaling, "formula", json_string(how.formula));
		json_object_set_new(scaling, "speedup", speedup);
		add_efficiency(point, baseline, kind, nodes, scaling);
		if (nodes > 1)
			add_bound(point, baseline, 1.0, scaling);
		add_ratio(entry, summary, point, "equal_batch", "speedup_wall",
			  &(struct comparison){ "wall_s", "", 1 }, scaling);
		check_plausible(point, scaling);
	}
	add_ratio(entry, summary, point, "equal_concurrency", "speedup_equal_concurrency", &how, scaling);
	add_ratio(entry, summary, point, "equal_cores", "speedup_equal_cores", &how, scaling);
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
