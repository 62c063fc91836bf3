/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of method.md section 2, one value each per launch. A quantity
 * that a launch does not have (no energy counter, no second token) is absent.
 */
#include "measure/launch_measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/answers.h"
#include "measure/launch_ledger.h"
#include "measure/launch_replicas.h"
#include "measure/links.h"
#include "measure/look.h"
#include "measure/open_loop.h"
#include "measure/slo.h"
#include "measure/stage_times.h"
#include "measure/statistics.h"
#include "measure/work.h"

/* Values of one latency over the requests of a launch. */
struct series {
	double *values; /* owned */
	size_t n, room;
};

/* What is gathered over all requests. */
struct totals {
	struct series ttft, tpot, itl, e2e, queue;
	double issued, completed, generated, prompted, cut;
	uint64_t begin_ns, end_ns; /* first admission, last answer */
	double first_s;		   /* time to the first token of request 0; 0: it gave none */
	struct lsb_text ids;	   /* all generated ids in request order, as text, for the digest */
	int failed;		   /* out of memory */
};

static uint64_t integer(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* Stamps of other processes: the later one need not be later. */
static double seconds_between(uint64_t from, uint64_t to)
{
	return to >= from ? (double)(to - from) * 1e-9 : -(double)(from - to) * 1e-9;
}

static void series_add(struct totals *t, struct series *series, double value)
{
	if (series->n == series->room) {
		const size_t room = series->room ? series->room * 2 : 64;
		double *values = realloc(series->values, room * sizeof(*values));

		if (!values) {
			t->failed = 1;
			return;
		}
		series->values = values;
		series->room = room;
	}
	series->values[series->n++] = value;
}

static void totals_free(struct totals *t)
{
	free(t->ttft.values);
	free(t->tpot.values);
	free(t->itl.values);
	free(t->e2e.values);
	free(t->queue.values);
	lsb_text_free(&t->ids);
}

/* One answered request. */
static void add_request(struct totals *t, const json_t *request)
{
	const json_t *times = json_object_get(request, "token_ns");
	const uint64_t arrival = integer(request, "arrival_ns"), first = integer(request, "first_ns");
	const uint64_t last = integer(request, "last_ns");
	const double generated = lsb_look_number(request, "generated_tokens");

	t->completed++;
	t->generated += generated;
	t->prompted += lsb_look_number(request, "prompt_tokens");
	series_add(t, &t->ttft, seconds_between(arrival, first));
	series_add(t, &t->e2e, seconds_between(arrival, last));
	if (json_is_integer(json_object_get(request, "admitted_ns"))) /* not in old journals */
		series_add(t, &t->queue, seconds_between(arrival, integer(request, "admitted_ns")));
	if (generated >= 2)
		series_add(t, &t->tpot, seconds_between(first, last) / (generated - 1));
	for (size_t i = 1; i < json_array_size(times); i++)
		series_add(t, &t->itl,
			   (double)(json_integer_value(json_array_get(times, i)) -
				    json_integer_value(json_array_get(times, i - 1))) *
				   1e-9);
}

static void add_ids(struct totals *t, const json_t *request)
{
	const json_t *ids = json_object_get(request, "ids"), *id;
	size_t k;

	json_array_foreach(ids, k, id) lsb_text_add(&t->ids, "%lld ", (long long)json_integer_value(id));
	lsb_text_add(&t->ids, "\n");
}

/*
 * The requests of all ranks by index: table[i] is request i, NULL where nobody
 * answered for it. LSB_EPEER unless each was answered at most once, with as many
 * ids and times as it says.
 */
static int tabulate(const json_t *ranks, size_t prompts, const json_t **table, struct lsb_error *err)
{
	const json_t *rank, *request;
	size_t r, k;

	json_array_foreach(ranks, r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), k, request)
		{
			const json_int_t i = json_integer_value(json_object_get(request, "i"));
			const size_t n = integer(request, "generated_tokens");

			if (i < 0 || (size_t)i >= prompts || table[i])
				return lsb_fail(
					err, LSB_EPEER, 0,
					"rank %zu answered for request %lld, which is not its to answer", r,
					(long long)i);
			if (json_array_size(json_object_get(request, "ids")) != n ||
			    json_array_size(json_object_get(request, "token_ns")) != n ||
			    !json_is_string(json_object_get(request, "finish")))
				return lsb_fail(
					err, LSB_EPEER, 0,
					"request %lld: the answer's ids, times and token count do not agree",
					(long long)i);
			table[i] = request;
		}
	}
	return LSB_OK;
}

/*
 * When the first request was admitted and the last answer complete, on rank 0's
 * clock. A clock of which nothing is known (a rank between was lost) counts from the
 * start line, which all ranks leave together.
 */
static void find_ends(const json_t *ranks, const struct lsb_clock *clocks, struct totals *t)
{
	const json_t *rank, *request;
	size_t r, i;

	t->begin_ns = UINT64_MAX;
	json_array_foreach(ranks, r, rank)
	{
		const uint64_t own_begin = integer(rank, "run_t0_ns");
		const int floats = !clocks[r].is_known && t->begin_ns != UINT64_MAX;
		const uint64_t begin = floats ? t->begin_ns : lsb_clock_align(&clocks[r], own_begin);

		if (json_object_get(rank, "requests") && begin < t->begin_ns)
			t->begin_ns = begin;
		json_array_foreach(json_object_get(rank, "requests"), i, request)
		{
			const uint64_t own_last = integer(request, "last_ns");
			const uint64_t last =
				floats ? begin + own_last - own_begin : lsb_clock_align(&clocks[r], own_last);

			if (strcmp(json_string_value(json_object_get(request, "finish")), "failed") != 0 &&
			    last > t->end_ns)
				t->end_ns = last;
		}
	}
}

static int gather(const json_t *point, const json_t *ranks, const struct lsb_clock *clocks, json_t *lost,
		  struct totals *t, struct lsb_error *err)
{
	const size_t prompts = integer(point, "prompts");
	const json_t **table = calloc(prompts + 1, sizeof(*table));
	int rc = table ? tabulate(ranks, prompts, table, err) : LSB_ENOMEM;

	if (rc == LSB_OK)
		rc = lsb_lost_requests(point, ranks, table, lost, err);
	if (rc == LSB_OK)
		find_ends(ranks, clocks, t);
	for (size_t i = 0; i < prompts && rc == LSB_OK; i++) {
		t->issued++;
		if (!table[i])
			continue;
		add_ids(t, table[i]);
		t->cut += json_is_true(json_object_get(table[i], "prompt_cut"));
		if (strcmp(json_string_value(json_object_get(table[i], "finish")), "failed") != 0)
			add_request(t, table[i]);
	}
	if (rc == LSB_OK && prompts && table[0] && integer(table[0], "generated_tokens"))
		t->first_s = seconds_between(integer(table[0], "arrival_ns"), integer(table[0], "first_ns"));
	free(table);
	if (rc == LSB_ENOMEM || t->failed || t->ids.failed)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the latencies of %zu requests", prompts);
	return rc;
}

static void set(json_t *metrics, const char *name, double value)
{
	json_object_set_new(metrics, name, json_real(value));
}

/* Quantiles, mean and deviation of one latency; a p99 of fewer than 100 values would only be the maximum. */
static void set_latency(json_t *metrics, const char *name, struct series *series)
{
	static const struct {
		const char *suffix;
		double q;
		size_t least;
	} quantiles[] = { { "p50", 0.5, 1 }, { "p90", 0.9, 1 }, { "p99", 0.99, 100 }, { "max", 1.0, 1 } };
	char key[64];

	if (series->n == 0)
		return;
	lsb_sort(series->values, series->n);
	for (size_t i = 0; i < LSB_COUNT(quantiles); i++) {
		if (series->n < quantiles[i].least)
			continue;
		(void)snprintf(key, sizeof(key), "%s_%s_s", name, quantiles[i].suffix);
		set(metrics, key, lsb_quantile(series->values, series->n, quantiles[i].q));
	}
	(void)snprintf(key, sizeof(key), "%s_mean_s", name);
	set(metrics, key, lsb_mean(series->values, series->n));
	(void)snprintf(key, sizeof(key), "%s_sd_s", name);
	set(metrics, key, lsb_deviation(series->values, series->n));
}

static double largest(const json_t *ranks, const char *key)
{
	const json_t *rank;
	double most = 0;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		if (lsb_look_number(rank, key) > most)
			most = lsb_look_number(rank, key);
	}
	return most;
}

static double sum(const json_t *ranks, const char *key)
{
	const json_t *rank;
	double all = 0;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		all += lsb_look_number(rank, key);
	}
	return all;
}

/* Loading and preprocessing of the rank that took longest over both: ranks do them side by side. */
static double slowest_start(const json_t *ranks)
{
	const json_t *rank;
	double most = 0;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		const double start = lsb_look_number(rank, "load_s") + lsb_look_number(rank, "preprocess_s");

		most = start > most ? start : most;
	}
	return most;
}

/* What the records themselves cost: their number times what one was measured to cost, of the run. */
static void set_recording(json_t *metrics, const json_t *ranks)
{
	const json_t *rank;
	double most = 0;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		const double run_s = lsb_look_number(rank, "run_s");
		const double share = run_s > 0 ? lsb_look_number(rank, "records") *
							 lsb_look_number(rank, "record_ns") * 1e-9 / run_s
					       : 0;

		most = share > most ? share : most;
	}
	if (most > 0)
		set(metrics, "recording_share", most);
}

/*
 * Longest that a rank was ready to run without a core, of its run; absent where the kernel does not count it.
 */
static void set_runqueue(json_t *metrics, const json_t *ranks)
{
	const json_t *rank;
	double most = -1;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		const double run_s = lsb_look_number(rank, "run_s");

		if (run_s > 0 && json_is_number(json_object_get(rank, "runqueue_s")))
			most = fmax(most, lsb_look_number(rank, "runqueue_s") / run_s);
	}
	if (most >= 0)
		set(metrics, "runqueue_share", most);
}

static void set_throughput(json_t *metrics, const json_t *ranks, struct totals *t)
{
	const double run_s = t->end_ns > t->begin_ns ? seconds_between(t->begin_ns, t->end_ns) : 0;

	set(metrics, "run_s", run_s);
	set(metrics, "load_s", largest(ranks, "load_s"));
	set(metrics, "preprocess_s", sum(ranks, "preprocess_s"));
	set(metrics, "wall_s", slowest_start(ranks) + run_s);
	set(metrics, "warmup_s", largest(ranks, "warmup_s"));
	set(metrics, "load_bytes", sum(ranks, "load_bytes"));
	set(metrics, "peak_memory_bytes", largest(ranks, "peak_memory_bytes"));
	set(metrics, "success_rate", t->issued > 0 ? t->completed / t->issued : 0);
	set(metrics, "generated_tokens", t->generated);
	set(metrics, "prompt_tokens", t->prompted);
	if (t->cut > 0)
		set(metrics, "prompts_cut", t->cut);
	if (run_s > 0) {
		set(metrics, "tokens_per_s", t->generated / run_s);
		set(metrics, "total_tokens_per_s", (t->generated + t->prompted) / run_s);
		set(metrics, "requests_per_s", t->completed / run_s);
	}
	set_recording(metrics, ranks);
	set_runqueue(metrics, ranks);
	set_latency(metrics, "ttft", &t->ttft);
	set_latency(metrics, "tpot", &t->tpot);
	set_latency(metrics, "itl", &t->itl);
	set_latency(metrics, "e2e", &t->e2e);
	set_latency(metrics, "queue", &t->queue);
	if (t->first_s > 0)
		set(metrics, "first_ttft_s", t->first_s);
}

/* The digest of all answers; without those of a lost replica there is none to compare. */
static void add_digest(const struct totals *totals, json_t *line)
{
	char digest[LSB_DIGEST_HEX];

	lsb_digest(totals->ids.data ? totals->ids.data : "", totals->ids.length, digest);
	json_object_set_new(line, "outputs_sha256", json_string(digest));
}

/* What the records show, of every rank that told. */
static int measure_records(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
			   const struct lsb_clock *clocks, size_t n_ranks, json_t *line,
			   struct lsb_error *err)
{
	struct lsb_rank_records *aligned = NULL;
	int rc = lsb_records_align(records, n_ranks, clocks, &aligned, err);

	if (rc == LSB_OK)
		rc = lsb_launch_ledger(point, ranks, aligned, clocks, n_ranks, line,
				       json_object_get(line, "metrics"), err);
	if (rc == LSB_OK)
		lsb_work_add(ranks, aligned, n_ranks, (size_t)integer(point, "stages"),
			     lsb_is_open_loop(point), line);
	if (rc == LSB_OK &&
	    json_object_set_new(line, "stage_times", lsb_stage_times(ranks, aligned, n_ranks)))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the times of %zu ranks", n_ranks);
	free(aligned);
	return rc;
}

/* All of it, with the ranks' clocks known. */
static int measure(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
		   const struct lsb_clock *clocks, size_t n_ranks, json_t *lost, json_t *line,
		   struct lsb_error *err)
{
	struct totals totals = { 0 };
	int rc = gather(point, ranks, clocks, lost, &totals, err);

	if (rc == LSB_OK) {
		set_throughput(json_object_get(line, "metrics"), ranks, &totals);
		if (integer(point, "replicas") > 1 &&
		    json_object_set_new(line, "per_replica",
					lsb_launch_replicas(point, ranks, records, lost)))
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the replicas of a launch");
	}
	if (rc == LSB_OK && lsb_is_open_loop(point))
		rc = lsb_open_loop_add(ranks, clocks, json_object_get(line, "metrics"), err);
	if (rc == LSB_OK && json_array_size(lost) == 0)
		add_digest(&totals, line);
	if (rc == LSB_OK)
		rc = measure_records(point, ranks, records, clocks, n_ranks, line, err);
	if (rc == LSB_OK)
		lsb_slo_measure(point, ranks, json_object_get(line, "metrics"));
	if (rc == LSB_OK) /* behind all others: scores hide no metric of ours */
		lsb_answers_measure(ranks, json_object_get(line, "metrics"));
	totals_free(&totals);
	return rc;
}

int lsb_measure_launch(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
		       size_t n_ranks, json_t *lost, json_t *line, struct lsb_error *err)
{
	struct lsb_clock *clocks;
	int rc;

	json_object_set_new(line, "metrics", json_object());
	if (json_array_size(ranks) != n_ranks)
		return lsb_fail(err, LSB_EINVAL, 0, "%zu ranks reported, %zu sent records",
				json_array_size(ranks), n_ranks);
	if (json_is_string(json_object_get(point, "kind")) &&
	    strcmp(json_string_value(json_object_get(point, "kind")), "link") == 0)
		return lsb_links_measure(ranks, json_object_get(line, "metrics"), err);
	clocks = lsb_clocks_fit(ranks);
	rc = clocks ? measure(point, ranks, records, clocks, n_ranks, lost, line, err)
		    : lsb_fail(err, LSB_ENOMEM, 0, "no memory for the clocks of %zu ranks", n_ranks);
	free(clocks);
	return rc;
}

const char *lsb_metric_unit(const char *name)
{
	static const struct {
		const char *suffix, *unit;
	} units[] = { { "_per_s", "1/s" },     { "_rps", "1/s" },   { "_bps", "B/s" }, { "_bytes", "B" },
		      { "_j_per_token", "J" }, { "_power_w", "W" }, { "_s", "s" } };
	const size_t length = strlen(name);

	for (size_t i = 0; i < LSB_COUNT(units); i++) {
		const size_t n = strlen(units[i].suffix);

		if (length > n && strcmp(name + length - n, units[i].suffix) == 0)
			return units[i].unit;
	}
	return "1";
}
