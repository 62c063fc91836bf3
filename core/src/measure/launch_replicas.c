/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/launch_replicas.h"

#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/look.h"
#include "measure/statistics.h"

/* --- what was lost --------------------------------------------------------------------- */

/* The entry of `lost` for a replica, or NULL. */
static json_t *lost_entry(const json_t *lost, json_int_t replica)
{
	json_t *entry;
	size_t i;

	json_array_foreach(lost, i, entry)
	{
		if (json_integer_value(json_object_get(entry, "replica")) == replica)
			return entry;
	}
	return NULL;
}

/*
 * Whose request i was: of static balance by the rule, of dynamic as the dispatcher
 * on rank 0 tells; where nobody had taken it, or the dispatcher is lost and so what
 * it knew, its replica's.
 */
static json_int_t owner_of(const json_t *point, const json_t *ranks, size_t i)
{
	const json_t *claims = json_object_get(json_array_get(ranks, 0), "claims");
	const json_t *claim = json_array_get(claims, i);

	if (!lsb_look_is(point, "balance", "dynamic"))
		return (json_int_t)i % (json_int_t)fmax(lsb_look_number(point, "replicas"), 1);
	return json_is_integer(claim) ? json_integer_value(claim) : 0;
}

int lsb_lost_requests(const json_t *point, const json_t *ranks, const json_t *const *table, json_t *lost,
		      struct lsb_error *err)
{
	const size_t prompts = (size_t)lsb_look_number(point, "prompts");
	json_t *entry;
	size_t k;

	json_array_foreach(lost, k, entry) json_object_set_new(entry, "requests", json_array());
	for (size_t i = 0; i < prompts; i++) {
		if (table[i])
			continue;
		entry = json_array_size(lost) ? lost_entry(lost, owner_of(point, ranks, i)) : NULL;
		if (!entry)
			return lsb_fail(err, LSB_EPEER, 0, "no rank answered for request %zu of %zu", i,
					prompts);
		json_array_append_new(json_object_get(entry, "requests"), json_integer((json_int_t)i));
	}
	return LSB_OK;
}

/* --- a row a replica ------------------------------------------------------------------- */

/* Latencies of one replica's completed requests, in seconds: [n] each. */
struct latencies {
	double *ttft, *tpot, *e2e; /* one block, owned by `ttft` */
	size_t n, n_tpot;
};

static double seconds(const json_t *request, const char *from, const char *to)
{
	/* Stamps of one clock, too large for a double's mantissa. */
	return (double)(json_integer_value(json_object_get(request, to)) -
			json_integer_value(json_object_get(request, from))) *
	       1e-9;
}

static void set_quantile(json_t *row, const char *key, double *values, size_t n, double q)
{
	lsb_sort(values, n);
	json_object_set_new(row, key, n ? json_real(lsb_quantile(values, n, q)) : json_null());
}

/* Requests, tokens and latencies of a first stage into its replica's row. 0, or -1 without memory. */
static int add_requests(json_t *row, const json_t *head)
{
	const json_t *requests = json_object_get(head, "requests"), *request;
	const size_t n = json_array_size(requests);
	struct latencies l = { .ttft = malloc((3 * n + 1) * sizeof(double)) };
	double prompted = 0, generated = 0, span_s = 0;
	size_t i;

	if (!l.ttft)
		return -1;
	l.tpot = l.ttft + n;
	l.e2e = l.tpot + n;
	json_array_foreach(requests, i, request)
	{
		const double tokens = lsb_look_number(request, "generated_tokens");

		if (lsb_look_is(request, "finish", "failed"))
			continue;
		prompted += lsb_look_number(request, "prompt_tokens");
		generated += tokens;
		l.ttft[l.n] = seconds(request, "arrival_ns", "first_ns");
		l.e2e[l.n++] = seconds(request, "arrival_ns", "last_ns");
		if (tokens >= 2)
			l.tpot[l.n_tpot++] = seconds(request, "first_ns", "last_ns") / (tokens - 1);
		span_s = fmax(span_s, (double)(json_integer_value(json_object_get(request, "last_ns")) -
					       json_integer_value(json_object_get(head, "run_t0_ns"))) *
					      1e-9);
	}
	json_object_update_new(row, json_pack("{s:I, s:I, s:I, s:f, s:f, s:f}", "requests", (json_int_t)n,
					      "completed", (json_int_t)l.n, "failed", (json_int_t)(n - l.n),
					      "prompt_tokens", prompted, "generated_tokens", generated,
					      "run_s", span_s));
	json_object_set_new(row, "tokens_per_s", span_s > 0 ? json_real(generated / span_s) : json_null());
	set_quantile(row, "ttft_p50_s", l.ttft, l.n, 0.5);
	set_quantile(row, "ttft_max_s", l.ttft, l.n, 1);
	set_quantile(row, "tpot_p50_s", l.tpot, l.n_tpot, 0.5);
	set_quantile(row, "e2e_p50_s", l.e2e, l.n, 0.5);
	set_quantile(row, "e2e_max_s", l.e2e, l.n, 1);
	free(l.ttft);
	return 0;
}

/* Tokens that each stage of a pipeline computed; null where a record is missing. New reference. */
static json_t *computed_tokens(const json_t *ranks, const struct lsb_rank_records *records, size_t first,
			       size_t stages)
{
	json_t *out = json_array();

	for (size_t r = first; r < first + stages; r++) {
		double tokens = 0;

		for (size_t i = 0; i < records[r].n; i++)
			if (records[r].records[i].kind == LSB_REC_COMPUTE)
				tokens += (double)records[r].records[i].aux;
		json_array_append_new(out, lsb_look_number(json_array_get(ranks, r), "records_lost") > 0
						   ? json_null()
						   : json_real(tokens));
	}
	return out;
}

/* A lost replica's ranks told nothing: what it was asked is what was lost with it. */
static void add_lost(json_t *row, const json_t *entry)
{
	const json_int_t n = (json_int_t)json_array_size(json_object_get(entry, "requests"));

	json_object_update_new(row, json_pack("{s:I, s:i, s:I, s:O}", "requests", n, "completed", 0, "failed",
					      n, "lost", json_object_get(entry, "reason")));
}

json_t *lsb_launch_replicas(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
			    const json_t *lost)
{
	const size_t stages = (size_t)lsb_look_number(point, "stages");
	const size_t n = stages ? json_array_size(ranks) / stages : 0;
	json_t *out = json_array();

	for (size_t replica = 0; replica < n; replica++) {
		const json_t *entry = lost_entry(lost, (json_int_t)replica);
		json_t *row = json_pack("{s:I}", "replica", (json_int_t)replica);

		json_array_append_new(out, row);
		if (entry) {
			add_lost(row, entry);
			continue;
		}
		if (add_requests(row, json_array_get(ranks, replica * stages))) {
			json_decref(out);
			return NULL;
		}
		json_object_set_new(row, "computed_tokens",
				    computed_tokens(ranks, records, replica * stages, stages));
	}
	return out;
}
