/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/replicas.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/statistics.h"

/* --- all requests ---------------------------------------------------------------------- */

/* `counts`: by reason {"requests", "lost"}. */
static void count_reason(json_t *counts, const char *reason, json_int_t n, int is_lost)
{
	const json_int_t before =
		json_integer_value(json_object_get(json_object_get(counts, reason), "requests"));

	json_object_set_new(counts, reason, json_pack("{s:I, s:b}", "requests", before + n, "lost", is_lost));
}

/* Failed requests of one launch by their reason; how many. */
static json_int_t count_failed(const json_t *launch, json_t *counts)
{
	const json_t *rank, *request, *entry;
	json_int_t failed = 0;
	size_t r, i;

	json_array_foreach(json_object_get(launch, "ranks"), r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), i, request)
		{
			if (!lsb_look_is(request, "finish", "failed"))
				continue;
			count_reason(counts, lsb_look_text(request, "reason"), 1, 0);
			failed++;
		}
	}
	json_array_foreach(json_object_get(launch, "lost"), i, entry)
	{
		const json_int_t n = (json_int_t)json_array_size(json_object_get(entry, "requests"));
		char *why = lsb_format("replica %lld: %s",
				       (long long)json_integer_value(json_object_get(entry, "replica")),
				       lsb_look_text(entry, "reason"));

		count_reason(counts, why ? why : "", n, 1);
		failed += n;
		free(why);
	}
	return failed;
}

json_t *lsb_requests_json(const json_t *point, const json_t *launches)
{
	const json_int_t issued =
		(json_int_t)(lsb_look_number(point, "prompts") * (double)json_array_size(launches));
	json_t *counts = json_object(), *reasons = json_array(), *count;
	const json_t *launch;
	json_int_t failed = 0;
	const char *reason;
	size_t i;

	json_array_foreach(launches, i, launch) failed += count_failed(launch, counts);
	json_object_foreach(counts, reason, count)
	{
		json_object_set_new(count, "reason", json_string(reason));
		json_array_append(reasons, count);
	}
	json_decref(counts);
	if (i == 0 || lsb_look_is(point, "kind", "link")) {
		json_decref(reasons);
		return json_null();
	}
	return json_pack("{s:I, s:I, s:I, s:o}", "issued", issued, "completed", issued - failed, "failed",
			 failed, "reasons", reasons);
}

/* --- by replica ------------------------------------------------------------------------ */

static const json_t *row_of(const json_t *launch, size_t replica)
{
	return json_array_get(json_object_get(launch, "per_replica"), replica);
}

static double sum(const json_t *launches, size_t replica, const char *key)
{
	const json_t *launch;
	double all = 0;
	size_t i;

	json_array_foreach(launches, i, launch) all += lsb_look_number(row_of(launch, replica), key);
	return all;
}

/* Median over the launches that have it; JSON null without. */
static json_t *median(const json_t *launches, size_t replica, const char *key)
{
	double *values = malloc((json_array_size(launches) + 1) * sizeof(*values));
	const json_t *launch;
	json_t *out = NULL;
	size_t i, n = 0;

	json_array_foreach(launches, i, launch)
	{
		const json_t *its = json_object_get(row_of(launch, replica), key);

		if (values && json_is_number(its))
			values[n++] = json_number_value(its);
	}
	if (n) {
		lsb_sort(values, n);
		out = json_real(lsb_median(values, n));
	}
	free(values);
	return out ? out : json_null();
}

/* Tokens that each of its stages computed, over all launches; null where one could not tell. */
static json_t *computed(const json_t *launches, size_t replica)
{
	json_t *out = json_array();
	const json_t *launch;
	size_t i, stages = 0;

	json_array_foreach(launches, i, launch)
	{
		const size_t its =
			json_array_size(json_object_get(row_of(launch, replica), "computed_tokens"));

		stages = its > stages ? its : stages;
	}
	for (size_t stage = 0; stage < stages; stage++) {
		double tokens = 0;
		int known = 1;

		json_array_foreach(launches, i, launch)
		{
			const json_t *row = row_of(launch, replica);
			const json_t *its = json_array_get(json_object_get(row, "computed_tokens"), stage);

			known &= json_is_number(its) || json_object_get(row, "lost");
			tokens += json_number_value(its);
		}
		json_array_append_new(out, known ? json_integer((json_int_t)tokens) : json_null());
	}
	return out;
}

/* Where it ran, of the launch that last knew; launches that lost it, and why the last did. */
static void add_fate(json_t *row, const json_t *launches, size_t replica, size_t stages)
{
	json_t *host = json_null(), *reason = json_null();
	const json_t *launch;
	json_int_t lost = 0;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		json_t *why = json_object_get(row_of(launch, replica), "lost");
		json_t *its = json_object_get(
			json_array_get(json_object_get(launch, "ranks"), replica * stages), "host");

		host = its ? its : host;
		lost += why != NULL;
		reason = why ? why : reason;
	}
	json_object_set(row, "host", host);
	json_object_set_new(row, "lost", json_integer(lost));
	json_object_set(row, "reason", reason);
}

json_t *lsb_replicas_json(const json_t *point, const json_t *launches)
{
	static const char *const medians[] = { "tokens_per_s", "ttft_p50_s", "ttft_max_s",
					       "tpot_p50_s",   "e2e_p50_s",  "e2e_max_s" };
	static const char *const sums[] = { "requests", "completed", "failed", "prompt_tokens",
					    "generated_tokens" };
	const size_t n = json_array_size(json_object_get(json_array_get(launches, 0), "per_replica"));
	const size_t stages = (size_t)lsb_look_number(point, "stages");
	const double issued = lsb_look_number(point, "prompts") * (double)json_array_size(launches);
	json_t *out = n ? json_array() : json_null();

	for (size_t replica = 0; replica < n; replica++) {
		json_t *row = json_pack("{s:I}", "replica", (json_int_t)replica);
		double requests;

		for (size_t i = 0; i < LSB_COUNT(sums); i++)
			json_object_set_new(row, sums[i],
					    json_integer((json_int_t)sum(launches, replica, sums[i])));
		requests = lsb_look_number(row, "requests");
		json_object_set_new(row, "share", issued > 0 ? json_real(requests / issued) : json_null());
		json_object_set_new(row, "success_rate",
				    requests > 0 ? json_real(lsb_look_number(row, "completed") / requests)
						 : json_null());
		for (size_t i = 0; i < LSB_COUNT(medians); i++)
			json_object_set_new(row, medians[i], median(launches, replica, medians[i]));
		json_object_set_new(row, "computed_tokens", computed(launches, replica));
		add_fate(row, launches, replica, stages);
		json_array_append_new(out, row);
	}
	return out;
}

/* --- what was lost --------------------------------------------------------------------- */

/* A rank that told nothing at its end: as far as it had been heard. */
static json_t *lost_rank(const json_t *launch, const json_t *entry, const json_t *rank)
{
	json_t *row =
		json_pack("{s:O, s:O, s:O}", "launch", json_object_get(launch, "launch"), "replica",
			  json_object_get(entry, "replica"), "lost_s", json_object_get(entry, "lost_s"));
	const double tokens = lsb_look_number(rank, "generated_tokens");
	char *answered = tokens > 0 ? lsb_format(" and %.0f generated tokens", tokens) : NULL;
	char *text = lsb_format(
		"rank %.0f on %s, of replica %.0f, has no ledger in launch %.0f: what it measured is lost "
		"with it, "
		"%.1f s into the run. It was last heard of at %.1f s in phase '%s', after %.0f steps%s",
		lsb_look_number(rank, "rank"), lsb_look_text(rank, "host"), lsb_look_number(entry, "replica"),
		lsb_look_number(launch, "launch"), lsb_look_number(entry, "lost_s"),
		lsb_look_number(rank, "heard_s"), lsb_look_text(rank, "phase"),
		lsb_look_number(rank, "steps"), answered ? answered : "");

	if (row) {
		json_object_update(row, (json_t *)(uintptr_t)rank);
		json_object_set_new(row, "text", json_string(text ? text : ""));
	}
	free(answered);
	free(text);
	return row;
}

json_t *lsb_lost_json(const json_t *launches)
{
	json_t *out = json_array();
	const json_t *launch, *entry, *rank;
	size_t i, k, r;

	json_array_foreach(launches, i, launch)
	{
		json_array_foreach(json_object_get(launch, "lost"), k, entry)
		{
			json_array_foreach(json_object_get(entry, "ranks"), r, rank)
				json_array_append_new(out, lost_rank(launch, entry, rank));
		}
	}
	return out;
}

/* --- in words -------------------------------------------------------------------------- */

static void say_failed(const json_t *point, json_t *list)
{
	const json_t *requests = json_object_get(point, "requests"), *reason;
	size_t i;

	json_array_foreach(json_object_get(requests, "reasons"), i, reason)
	{
		json_array_append_new(
			list,
			lsb_finding(
				"requests that failed are counted with their reason, never dropped",
				(const json_t *const[]){ point, NULL },
				"%s: %.0f of its %.0f requests failed: %s.%s", lsb_finding_name(point),
				lsb_look_number(reason, "requests"), lsb_look_number(requests, "issued"),
				lsb_look_text(reason, "reason"),
				json_is_true(json_object_get(reason, "lost"))
					? " What the replica had already answered of them is lost with it "
					  "and counted as failed."
					: ""));
	}
}

static size_t count_verdicts(const json_t *comparisons, const char *word)
{
	const json_t *row;
	size_t i, n = 0;

	json_array_foreach(comparisons, i, row) n += lsb_look_is(row, "verdict", word);
	return n;
}

/*
 * A straggler is a replica that the test over launches shows to be slower than
 * replica 0, or replica 0 where all others are shown to be faster.
 */
static void say_straggler(const json_t *point, json_t *list)
{
	const json_t *symmetry = json_object_get(point, "symmetry"), *row;
	const json_t *comparisons = json_object_get(symmetry, "comparisons");
	const size_t n = json_array_size(comparisons);
	const int first_lags = n && count_verdicts(comparisons, "faster") == n;
	size_t i;

	if (!lsb_look_is(symmetry, "unit", "replica"))
		return;
	json_array_foreach(comparisons, i, row)
	{
		const size_t which = first_lags ? 0 : i + 1;
		const json_t *its = json_array_get(json_object_get(point, "per_replica"), which);
		const double ratio = lsb_look_number(row, "ratio");

		if (!lsb_look_is(row, "verdict", first_lags ? "faster" : "slower") || !(ratio > 0))
			continue;
		json_array_append_new(
			list,
			lsb_finding("replicas beside each other, by a test over launches",
				    (const json_t *const[]){ point, NULL },
				    "%s: replica %zu on %s is a straggler: it gives %.2f times the tokens "
				    "a second of replica %zu (p = %.2g), and served %.0f %% of the "
				    "requests.",
				    lsb_finding_name(point), which, lsb_look_text(its, "host"),
				    first_lags ? 1 / ratio : ratio, first_lags ? i + 1 : 0,
				    lsb_look_number(row, "p_adjusted"), lsb_look_number(its, "share") * 100));
		if (first_lags)
			return;
	}
}

void lsb_replicas_findings(const json_t *summary, json_t *list)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		say_failed(point, list);
		say_straggler(point, list);
	}
}
