/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/bounds.h"
#include "measure/break_even.h"
#include "measure/sensitivity.h"
#include "measure/choose.h"
#include "measure/derive.h"
#include "measure/findings.h"
#include "measure/fit.h"
#include "measure/flags.h"
#include "measure/launch_measure.h"
#include "measure/look.h"
#include "measure/losses.h"
#include "measure/knee.h"
#include "measure/links.h"
#include "measure/memory.h"
#include "measure/outputs.h"
#include "measure/pool.h"
#include "measure/replicas.h"
#include "measure/scaling.h"
#include "measure/side.h"
#include "measure/statistics.h"
#include "measure/target.h"
#include "measure/symmetry.h"

enum { SUMMARY_SCHEMA = 1 };

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

/* {"median", "ci95", "n", "unit", "samples"} of `n` values in the order of their rounds. New reference. */
static json_t *metric_json(const char *name, const double *values, size_t n)
{
	double *sorted = malloc((n + 1) * sizeof(*sorted));
	json_t *samples = json_array(), *out = NULL;

	if (sorted && n) {
		memcpy(sorted, values, n * sizeof(*sorted));
		lsb_sort(sorted, n);
		for (size_t i = 0; i < n; i++)
			json_array_append_new(samples, json_real(values[i]));
		out = json_pack("{s:f, s:o, s:I, s:s, s:O}", "median", lsb_median(sorted, n), "ci95",
				lsb_look_interval(sorted, n), "n", (json_int_t)n, "unit",
				lsb_metric_unit(name), "samples", samples);
	}
	json_decref(samples);
	free(sorted);
	return out;
}

/* Every metric that all of `launches` have: a sample each, so that samples and rounds go together. */
static void add_metrics(json_t *point, const json_t *launches)
{
	const size_t n = json_array_size(launches);
	json_t *names = json_object_get(json_array_get(launches, 0), "metrics");
	json_t *out = json_object(), *value;
	double *values = calloc(n + 1, sizeof(*values));
	const char *name;

	json_object_set_new(point, "metrics", out);
	json_object_foreach(names, name, value)
	{
		size_t i = 0;

		for (; values && i < n; i++) {
			const json_t *its = json_object_get(
				json_object_get(json_array_get(launches, i), "metrics"), name);

			if (!json_is_number(its))
				break;
			values[i] = json_number_value(its);
		}
		if (values && i == n)
			json_object_set_new(out, name, metric_json(name, values, n));
	}
	free(values);
}

/* What follows from a launch's ledger and the machine's peaks; likewise only what every launch has. */
static void add_derived(json_t *point, const json_t *launches, const json_t *peaks)
{
	const size_t n = json_array_size(launches);
	json_t *out = json_object_get(point, "metrics");
	double *values = calloc(n + 1, sizeof(*values));

	for (const struct lsb_derived *d = lsb_derived_metrics; values && n && d->name; d++) {
		size_t i = 0;

		while (i < n && isfinite(values[i] = d->value(json_array_get(launches, i), peaks)))
			i++;
		if (i == n && !json_object_get(out, d->name))
			json_object_set_new(out, d->name, metric_json(d->name, values, n));
	}
	free(values);
}

/* Status and reason from what was launched and what was asked for. */
static void add_status(json_t *point, const json_t *entry, const json_t *launches, size_t n_ok,
		       int interrupted)
{
	static const char *const bad[] = { "waived", "failed", "incomplete" };
	const size_t reps = (size_t)json_integer_value(json_object_get(entry, "reps"));
	const char *status = n_ok >= reps  ? "ok"
			     : interrupted ? "interrupted"
			     : n_ok	   ? "incomplete"
					   : "skipped";
	json_t *reason = n_ok < reps ? json_sprintf("%zu of %zu launches%s", n_ok, reps,
						    interrupted ? ", then the run was interrupted" : "")
				     : json_null();

	for (size_t i = 0; i < LSB_COUNT(bad) && n_ok < reps; i++) {
		json_t *list = lsb_launches_with(launches, bad[i]);
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

/* A list of a launch, or an empty one. */
static void copy_list(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	json_object_set_new(to, key, value ? json_incref(value) : json_array());
}

/* The RANK objects that there are, less the answers: those stay in the journal. New reference. */
static json_t *ranks_without_requests(const json_t *ranks)
{
	json_t *out = json_array(), *rank;
	size_t i;

	json_array_foreach(ranks, i, rank)
	{
		json_t *shallow;

		if (json_is_null(rank)) /* of a lost replica */
			continue;
		shallow = json_copy(rank);
		json_object_del(shallow, "requests");
		json_array_append_new(out, shallow);
	}
	return out;
}

/* One launch that stands for all: what its ranks did. */
static void add_standing(json_t *point, const json_t *median)
{
	json_t *number = json_object_get(median, "launch");

	json_object_set_new(point, "ledger_launch", number ? json_incref(number) : json_null());
	copy_list(point, median, "ledger");
	copy_list(point, median, "steps");
	copy_list(point, median, "clocks");
	json_object_set_new(point, "ranks", ranks_without_requests(json_object_get(median, "ranks")));
	copy_list(point, median, "work");
}

/* The samples of a point, and the launch that stands for it. */
static void add_samples(json_t *point, const json_t *measured)
{
	json_t *rounds = json_array(), *launch;
	size_t i;

	json_array_foreach(measured, i, launch)
	{
		json_array_append(rounds, json_object_get(launch, "round"));
	}
	json_object_set_new(point, "rounds", rounds);
	add_metrics(point, measured);
	add_standing(point, lsb_launches_median(measured));
}

/* Requests are counted over all launches that had any, so that none is dropped. */
static void add_requests(json_t *point, const json_t *ok, const json_t *incomplete)
{
	json_t *all = json_array();

	json_array_extend(all, (json_t *)(uintptr_t)ok);
	json_array_extend(all, (json_t *)(uintptr_t)incomplete);
	json_object_set_new(point, "requests", lsb_requests_json(point, all));
	json_object_set_new(point, "per_replica", lsb_replicas_json(point, all));
	json_object_set_new(point, "lost", lsb_lost_json(incomplete));
	json_decref(all);
}

/* What the ok launches of a point say; every key is there even when there are none. */
static void add_measurements(json_t *point, const json_t *ok, const json_t *peaks)
{
	const json_t *median = lsb_launches_median(ok);

	add_derived(point, ok, peaks);
	json_object_set_new(point, "scaling", json_null());
	json_object_set_new(point, "memory", median ? lsb_memory_bound(peaks, median) : json_null());
	json_object_set_new(point, "bounds",
			    median ? lsb_bounds_json(point, ok, median, peaks) : json_null());
	json_object_set_new(point, "symmetry", lsb_symmetry_json(point, ok));
	json_object_set_new(point, "cold", lsb_cold_json(point, ok));
	lsb_outputs_add(point, ok);
	if (lsb_look_is(point, "kind", "link"))
		json_object_set_new(point, "links", lsb_links_summary(ok));
}

/* `launches`: all of the point, however they ended. */
static json_t *point_json(const json_t *header, const json_t *entry, const json_t *launches,
			  const json_t *pool, int interrupted)
{
	static const char *const copied[] = { "id",	     "case",	"label",    "params",  "kind",
					      "nodes",	     "stages",	"replicas", "batch",   "in_flight",
					      "concurrency", "prompts", "max_new",  "threads", "layers",
					      "reps",	     "stop",	"launcher", "pinned",  "split" };
	json_t *point = json_object(), *ok = lsb_launches_with(launches, "ok");
	json_t *incomplete = lsb_launches_with(launches, "incomplete");
	json_t *measured = lsb_launches_measured(launches);
	json_t *peaks = lsb_pool_peaks(pool, entry, ok);

	for (size_t i = 0; i < LSB_COUNT(copied); i++)
		copy(point, entry, copied[i]);
	json_object_set_new(point, "flags", json_array());
	json_object_set_new(point, "flag_reasons", json_object());
	json_object_set_new(point, "launches", json_integer((json_int_t)json_array_size(ok)));
	add_status(point, entry, launches, json_array_size(ok), interrupted);
	add_samples(point, measured);
	add_requests(point, ok, incomplete);
	add_measurements(point, ok, peaks);
	json_decref(peaks);
	json_decref(incomplete);
	json_decref(measured);
	lsb_flags_add(point, header, entry, ok);
	json_decref(ok);
	return point;
}

/* A run that was cut short ends its journal with the launch that it cut. */
static int was_interrupted(const json_t *launches)
{
	const size_t n = json_array_size(launches);

	return n && lsb_look_is(json_array_get(launches, n - 1), "status", "interrupted");
}

int lsb_summary_build(const json_t *header, const json_t *launches, json_t **out, struct lsb_error *err)
{
	const int interrupted = was_interrupted(launches);
	json_t *summary, *points, *by_point, *pool;
	const json_t *entry;
	size_t i;

	if (!json_is_array(json_object_get(header, "points")))
		return lsb_fail(err, LSB_EIO, 0, "the journal's first line names no points");
	summary = json_pack("{s:i}", "schema", (int)SUMMARY_SCHEMA);
	points = json_array();
	if (!summary || !points) {
		json_decref(summary);
		json_decref(points);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a summary");
	}
	copy(summary, header, "suite");
	copy(summary, header, "title");
	copy(summary, header, "version");
	copy(summary, header, "started");
	json_object_set_new(summary, "interrupted", json_boolean(interrupted));
	json_object_set_new(summary, "points", points);
	by_point = lsb_launches_by_point(launches);
	pool = lsb_pool_collect(header, launches);
	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "id"));

		json_array_append_new(points,
				      point_json(header, entry, id ? json_object_get(by_point, id) : NULL,
						 pool, interrupted));
	}
	json_decref(by_point);
	json_decref(pool);
	lsb_knees_add(summary);
	lsb_scaling_add(header, summary);
	lsb_target_add(header, summary);
	json_object_set_new(summary, "fits", lsb_fits(summary));
	lsb_outputs_compare(header, summary, launches);
	lsb_losses_add(summary);
	lsb_break_even_add(header, launches, summary);
	lsb_link_sensitivity_add(header, launches, summary);
	json_object_set_new(summary, "side_by_side", lsb_side_by_side(header, summary, launches));
	json_object_set_new(summary, "findings", lsb_findings(header, summary));
	*out = summary;
	return LSB_OK;
}
