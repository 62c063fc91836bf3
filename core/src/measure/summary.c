/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/launch_measure.h"
#include "measure/scaling.h"
#include "measure/statistics.h"

enum { SUMMARY_SCHEMA = 1, BIMODAL_LEAST = 3 };
#define BIMODAL_GAP 0.2

json_t *lsb_summary_point(const json_t *summary, const char *id)
{
	json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const char *its = json_string_value(json_object_get(point, "id"));

		if (its && strcmp(its, id) == 0)
			return point;
	}
	return NULL;
}

/* The last launch of each round counts: a resumed run may have tried one again. New reference. */
static json_t *launches_of(const json_t *launches, const char *id, const char *status)
{
	json_t *out = json_array(), *launch;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		const char *its = json_string_value(json_object_get(launch, "point"));
		const char *how = json_string_value(json_object_get(launch, "status"));

		if (its && how && strcmp(its, id) == 0 && strcmp(how, status) == 0)
			json_array_append(out, launch);
	}
	return out;
}

/* {"median", "ci95", "n", "unit", "samples"} of one metric over `launches`; NULL when a launch lacks it. */
static json_t *metric_json(const json_t *launches, const char *name)
{
	const size_t n = json_array_size(launches);
	double *sorted = calloc(n + 1, sizeof(*sorted));
	json_t *samples = json_array(), *ci;
	struct lsb_interval interval;
	json_t *launch, *out = NULL;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		const json_t *value = json_object_get(json_object_get(launch, "metrics"), name);

		if (!sorted || !json_is_number(value))
			goto done;
		sorted[i] = json_number_value(value);
		json_array_append_new(samples, json_real(sorted[i]));
	}
	lsb_sort(sorted, n);
	ci = lsb_median_interval(sorted, n, 0.95, &interval) == 0
		     ? json_pack("[f, f]", interval.lo, interval.hi)
		     : json_null();
	out = json_pack("{s:f, s:o, s:i, s:s, s:O}", "median", lsb_median(sorted, n), "ci95", ci, "n", (int)n,
			"unit", lsb_metric_unit(name), "samples", samples);
done:
	json_decref(samples);
	free(sorted);
	return out;
}

static json_t *metrics_json(const json_t *launches)
{
	const json_t *first = json_object_get(json_array_get(launches, 0), "metrics");
	json_t *out = json_object();
	const char *name;
	const json_t *value;

	json_object_foreach((json_t *)first, name, value)
	{
		json_t *metric = metric_json(launches, name);

		if (metric)
			json_object_set_new(out, name, metric);
	}
	return out;
}

/* The launch whose run_s is nearest to the median: its ledger stands for the point. */
static const json_t *median_launch(const json_t *launches, double median)
{
	const json_t *best = NULL, *launch;
	double distance = INFINITY;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		const double run_s =
			json_number_value(json_object_get(json_object_get(launch, "metrics"), "run_s"));

		if (fabs(run_s - median) < distance) {
			distance = fabs(run_s - median);
			best = launch;
		}
	}
	return best;
}

/* Digest that all launches agree on, or null with a flag. */
static void add_outputs(json_t *point, const json_t *launches)
{
	const json_t *first = json_object_get(json_array_get(launches, 0), "outputs_sha256"), *launch;
	json_t *outputs = json_object();
	int equal = 1;
	size_t i;

	json_array_foreach(launches, i, launch) equal =
		equal && json_equal(json_object_get(launch, "outputs_sha256"), first);
	json_object_set_new(outputs, "sha256", equal && first ? json_incref((json_t *)first) : json_null());
	json_object_set_new(outputs, "equal_to_baseline", json_null());
	json_object_set_new(point, "outputs", outputs);
	if (!equal)
		lsb_point_flag(point, "nondeterministic", "launches of this point gave different answers");
}

static void add_flags(json_t *point, const json_t *entry)
{
	const json_t *samples = json_object_get(
		json_object_get(json_object_get(point, "metrics"), "tokens_per_s"), "samples");
	const size_t n = json_array_size(samples);
	double *sorted = calloc(n + 1, sizeof(*sorted));

	for (size_t i = 0; sorted && i < n; i++)
		sorted[i] = json_number_value(json_array_get(samples, i));
	if (sorted) {
		lsb_sort(sorted, n);
		if (lsb_is_bimodal(sorted, n, BIMODAL_GAP, BIMODAL_LEAST))
			lsb_point_flag(point, "bimodal",
				       "launches fall into two groups more than 20 % apart: look at each");
	}
	free(sorted);
	if (json_is_true(json_object_get(entry, "oversubscribed")))
		lsb_point_flag(point, "oversubscribed", "more compute threads than cores");
}

/* Status and reason from what was launched and what was asked for. */
static void add_status(json_t *point, const json_t *entry, const json_t *launches, const char *id,
		       size_t n_ok, int interrupted)
{
	static const char *const bad[] = { "failed", "waived" };
	const size_t reps = (size_t)json_integer_value(json_object_get(entry, "reps"));
	const char *status = n_ok >= reps  ? "ok"
			     : interrupted ? "interrupted"
			     : n_ok	   ? "incomplete"
					   : "skipped";
	json_t *reason = json_null();

	for (size_t i = 0; i < LSB_COUNT(bad) && n_ok < reps; i++) {
		json_t *list = launches_of(launches, id, bad[i]);
		const size_t n = json_array_size(list);

		if (n) {
			status = n_ok ? "incomplete" : bad[i];
			json_decref(reason);
			reason = json_incref(json_object_get(json_array_get(list, n - 1), "reason"));
		}
		json_decref(list);
	}
	json_object_set_new(point, "status", json_string(status));
	json_object_set_new(point, "reason", reason);
}

static void copy(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	if (value)
		json_object_set(to, key, value);
}

/* The RANK objects, less the answers: those stay in the journal. New reference. */
static json_t *ranks_without_requests(const json_t *ranks)
{
	json_t *out = json_array(), *rank;
	size_t i;

	json_array_foreach(ranks, i, rank)
	{
		json_t *shallow = json_copy(rank);

		json_object_del(shallow, "requests");
		json_array_append_new(out, shallow);
	}
	return out;
}

/* What the ok launches of a point say. */
static void add_measurements(json_t *point, const json_t *ok)
{
	json_t *rounds = json_array(), *launch;
	const json_t *median, *replay;
	double run_s;
	size_t i;

	json_array_foreach(ok, i, launch) json_array_append(rounds, json_object_get(launch, "round"));
	json_object_set_new(point, "rounds", rounds);
	json_object_set_new(point, "metrics", metrics_json(ok));
	run_s = json_number_value(
		json_object_get(json_object_get(json_object_get(point, "metrics"), "run_s"), "median"));
	median = median_launch(ok, run_s);
	if (!median)
		return;
	json_object_set(point, "ledger_launch", json_object_get(median, "launch"));
	json_object_set(point, "ledger", json_object_get(median, "ledger"));
	json_object_set_new(point, "ranks", ranks_without_requests(json_object_get(median, "ranks")));
	replay = json_object_get(median, "replay");
	if (replay) {
		json_object_set(point, "replay_s", json_object_get(replay, "makespan_s"));
		copy(point, replay, "memory_s");
	}
	add_outputs(point, ok);
}

static json_t *point_json(const json_t *entry, const json_t *launches, int interrupted)
{
	static const char *const copied[] = { "id",	     "case",	"label",    "params",  "kind",
					      "nodes",	     "stages",	"replicas", "batch",   "in_flight",
					      "concurrency", "prompts", "max_new",  "threads", "layers" };
	const char *id = json_string_value(json_object_get(entry, "id"));
	json_t *point = json_object(), *ok = launches_of(launches, id ? id : "", "ok");

	for (size_t i = 0; i < LSB_COUNT(copied); i++)
		copy(point, entry, copied[i]);
	json_object_set_new(point, "flags", json_array());
	json_object_set_new(point, "flag_reasons", json_object());
	json_object_set_new(point, "launches", json_integer((json_int_t)json_array_size(ok)));
	add_status(point, entry, launches, id ? id : "", json_array_size(ok), interrupted);
	add_measurements(point, ok);
	add_flags(point, entry);
	json_decref(ok);
	return point;
}

/* Whether each point's answers are those of its equal-batch baseline; null where their requests differ. */
static void compare_outputs(const json_t *header, json_t *summary)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "id"));
		const char *other = json_string_value(
			json_object_get(json_object_get(entry, "baselines"), "equal_batch"));
		json_t *point = id ? lsb_summary_point(summary, id) : NULL;
		const json_t *baseline = other ? lsb_summary_point(summary, other) : NULL;
		const json_t *mine = json_object_get(json_object_get(point, "outputs"), "sha256");
		const json_t *theirs = json_object_get(json_object_get(baseline, "outputs"), "sha256");

		if (!json_is_string(mine) || !json_is_string(theirs) ||
		    !json_equal(json_object_get(point, "prompts"), json_object_get(baseline, "prompts")))
			continue;
		json_object_set_new(json_object_get(point, "outputs"), "equal_to_baseline",
				    json_boolean(json_equal(mine, theirs)));
	}
}

int lsb_summary_build(const json_t *header, const json_t *launches, int interrupted, json_t **out,
		      struct lsb_error *err)
{
	json_t *summary = json_object(), *points = json_array();
	const json_t *entry;
	size_t i;

	if (!json_is_array(json_object_get(header, "points"))) {
		json_decref(summary);
		json_decref(points);
		return lsb_fail(err, LSB_EIO, 0, "the journal's first line names no points");
	}
	json_object_set_new(summary, "schema", json_integer(SUMMARY_SCHEMA));
	copy(summary, header, "suite");
	copy(summary, header, "title");
	copy(summary, header, "version");
	copy(summary, header, "started");
	json_object_set_new(summary, "interrupted", json_boolean(interrupted));
	json_object_set_new(summary, "points", points);
	json_array_foreach(json_object_get(header, "points"), i, entry)
		json_array_append_new(points, point_json(entry, launches, interrupted));
	lsb_scaling_add(header, summary);
	compare_outputs(header, summary);
	*out = summary;
	return LSB_OK;
}
