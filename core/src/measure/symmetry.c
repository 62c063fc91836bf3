/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/symmetry.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/look.h"
#include "measure/statistics.h"
#include "measure/verdict.h"

/* --- nodes beside each other --- */

/* What is compared: replicas as wholes, or the stages of the first pipeline. */
struct unit {
	const char *name, *metric, *what;
	size_t n, stages;
	enum lsb_metric_sense sense;
};

/* Requests of a replica in one launch. */
struct answers {
	double issued, completed, tokens, begin_ns, end_ns;
};

static struct answers answers_of(const json_t *head)
{
	struct answers all = { .begin_ns = lsb_look_number(head, "run_t0_ns") };
	const json_t *request;
	size_t i;

	json_array_foreach(json_object_get(head, "requests"), i, request)
	{
		all.issued++;
		if (lsb_look_is(request, "finish", "failed"))
			continue;
		all.completed++;
		all.tokens += lsb_look_number(request, "generated_tokens");
		all.end_ns = fmax(all.end_ns, lsb_look_number(request, "last_ns"));
	}
	return all;
}

static double replica_rate(const json_t *launch, size_t replica, size_t stages)
{
	const struct answers a =
		answers_of(json_array_get(json_object_get(launch, "ranks"), replica * stages));

	return a.end_ns > a.begin_ns ? a.tokens / (a.end_ns - a.begin_ns) * 1e9 : NAN;
}

/* Decode's compute seconds for each gigabyte that the stage's steps read. */
static double stage_pace(const json_t *launch, size_t stage)
{
	const json_t *decode =
		json_object_get(json_array_get(json_object_get(launch, "work"), stage), "decode");
	const double bytes = lsb_look_number(decode, "bytes");

	return bytes > 0 ? lsb_look_number(decode, "compute_s") / bytes * 1e9 : NAN;
}

/* [unit][launch] values; NULL when one is missing. Owned by the caller. */
static double *values_of(const struct unit *unit, const json_t *launches)
{
	const size_t n = json_array_size(launches);
	double *values;

	if (unit->n > (SIZE_MAX / sizeof(*values) - 1) / (n + 1)) /* a damaged journal says anything */
		return NULL;
	values = calloc(unit->n * n + 1, sizeof(*values));
	for (size_t u = 0; values && u < unit->n; u++)
		for (size_t i = 0; values && i < n; i++) {
			const json_t *launch = json_array_get(launches, i);
			const double value = unit->sense == LSB_MORE_IS_FASTER
						     ? replica_rate(launch, u, unit->stages)
						     : stage_pace(launch, u);

			if (!isfinite(value) || !(value > 0)) {
				free(values);
				return NULL;
			}
			values[u * n + i] = value;
		}
	return values;
}

/* {"unit", "rank", "host", "median", "samples", "success_rate"} */
static json_t *row_json(const struct unit *unit, size_t u, const double *values, const json_t *launches)
{
	const size_t n = json_array_size(launches);
	const size_t rank = unit->sense == LSB_MORE_IS_FASTER ? u * unit->stages : u;
	double *sorted = malloc((n + 1) * sizeof(*sorted)), issued = 0, completed = 0;
	json_t *samples = json_array(), *out;
	const json_t *host = NULL;

	for (size_t i = 0; i < n; i++) {
		const json_t *its =
			json_array_get(json_object_get(json_array_get(launches, i), "ranks"), rank);
		const struct answers a = answers_of(its);

		issued += a.issued;
		completed += a.completed;
		host = json_object_get(its, "host");
		json_array_append_new(samples, json_real(values[i]));
		if (sorted)
			sorted[i] = values[i];
	}
	if (sorted)
		lsb_sort(sorted, n);
	out = json_pack("{s:I, s:I, s:O?, s:f, s:o, s:o}", "unit", (json_int_t)u, "rank", (json_int_t)rank,
			"host", host, "median", sorted ? lsb_median(sorted, n) : NAN, "samples", samples,
			"success_rate", issued > 0 ? json_real(completed / issued) : json_null());
	free(sorted);
	return out;
}

static void add_comparisons(const struct unit *unit, const double *values, size_t n, json_t *out)
{
	const size_t n_pairs = unit->n - 1; /* each with the first: one family */
	struct lsb_verdict *verdicts = calloc(n_pairs + 1, sizeof(*verdicts));
	double *rounds = calloc(n + 1, sizeof(*rounds));

	for (size_t i = 0; rounds && i < n; i++)
		rounds[i] = (double)i;
	for (size_t k = 0; verdicts && rounds && k < n_pairs; k++) {
		const struct lsb_launch_values first = { values, rounds, n };
		const struct lsb_launch_values it = { values + (k + 1) * n, rounds, n };

		lsb_verdict_compare(&it, &first, unit->sense, &verdicts[k]);
	}
	if (verdicts && rounds)
		lsb_verdict_family(verdicts, n_pairs);
	for (size_t k = 0; verdicts && rounds && k < n_pairs; k++) {
		json_t *row = lsb_verdict_json(&verdicts[k]);

		json_object_set_new(row, "unit", json_integer((json_int_t)k + 1));
		json_object_set_new(row, "against", json_integer(0));
		json_array_append_new(out, row);
	}
	free(verdicts);
	free(rounds);
}

json_t *lsb_symmetry_json(const json_t *point, const json_t *launches)
{
	const size_t replicas = (size_t)lsb_look_number(point, "replicas"),
		     stages = (size_t)lsb_look_number(point, "stages"), n = json_array_size(launches);
	const struct unit by_replica = { "replica", "tokens_per_s", "tokens a second of its own requests",
					 replicas,  stages,	    LSB_MORE_IS_FASTER },
			  by_stage = { "stage",
				       "s_per_gb",
				       "compute seconds of decode for each GB that its steps read",
				       stages,
				       stages,
				       LSB_MORE_IS_SLOWER };
	const struct unit *unit = replicas > 1 ? &by_replica : &by_stage;
	json_t *rows = json_array(), *comparisons = json_array();
	double *values = unit->n > 1 && n ? values_of(unit, launches) : NULL;

	if (!values) {
		json_decref(rows);
		json_decref(comparisons);
		return json_null();
	}
	for (size_t u = 0; u < unit->n; u++)
		json_array_append_new(rows, row_json(unit, u, values + u * n, launches));
	add_comparisons(unit, values, n, comparisons);
	free(values);
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "unit", unit->name, "metric", unit->metric, "what",
			 unit->what, "rows", rows, "comparisons", comparisons);
}

/* --- how a launch begins --- */

/* Seconds from a rank's start to the start line, of the slowest. */
static double ready_s(const json_t *launch)
{
	const json_t *rank;
	double most = 0;
	size_t i;

	json_array_foreach(json_object_get(launch, "ranks"), i, rank)
	{
		most = fmax(most, lsb_look_number(rank, "spawn_s") + lsb_look_number(rank, "load_s") +
					  lsb_look_number(rank, "preprocess_s") +
					  lsb_look_number(rank, "connect_s"));
	}
	return most > 0 ? most : NAN;
}

/* First step of the run beside the later ones, by the time of a token of prompt; of the first rank. */
static double first_step_ratio(const json_t *launch)
{
	const json_t *prefill =
		json_object_get(json_array_get(json_object_get(launch, "work"), 0), "prefill");
	const double first_tokens = lsb_look_number(prefill, "first_tokens");
	const double tokens = lsb_look_number(prefill, "tokens") - first_tokens;
	const double first_s = lsb_look_number(prefill, "first_s");
	const double later_s = lsb_look_number(prefill, "compute_s") - first_s;

	return first_tokens > 0 && tokens > 0 && later_s > 0 ? first_s / first_tokens / (later_s / tokens)
							     : NAN;
}

static json_t *median_json(const json_t *launches, double (*value)(const json_t *))
{
	const size_t n = json_array_size(launches);
	double *sorted = malloc((n + 1) * sizeof(*sorted));
	json_t *out = NULL;
	size_t k = 0;

	for (size_t i = 0; sorted && i < n; i++) {
		const double its = value(json_array_get(launches, i));

		if (isfinite(its))
			sorted[k++] = its;
	}
	if (k && k == n) {
		lsb_sort(sorted, k);
		out = json_real(lsb_median(sorted, k));
	}
	free(sorted);
	return out ? out : json_null();
}

json_t *lsb_cold_json(const json_t *point, const json_t *launches)
{
	static const char *const names[] = { "load_s", "warmup_s", "first_ttft_s" };
	json_t *out;

	if (json_array_size(launches) == 0)
		return json_null();
	out = json_pack(
		"{s:o, s:o, s:o}", "ready_s", median_json(launches, ready_s), "first_step_ratio",
		median_json(launches, first_step_ratio), "warmup_requests",
		json_integer(strtol(lsb_look_text(json_object_get(point, "params"), "warmup"), NULL, 10)));
	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		const json_t *metric = lsb_look_metric(point, names[i]);

		json_object_set_new(out, names[i],
				    metric ? json_real(lsb_look_number(metric, "median")) : json_null());
	}
	return out;
}
