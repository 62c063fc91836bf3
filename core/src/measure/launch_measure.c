/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of method.md section 2, one value each per launch. A quantity
 * that a launch does not have (no energy counter, no second token) is absent.
 */
#include "measure/launch_measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/replay.h"
#include "measure/settle.h"
#include "measure/stage_times.h"
#include "measure/statistics.h"

/* Values of one latency over the requests of a launch. */
struct series {
	double *values; /* owned */
	size_t n, room;
};

/* What is gathered over all requests. */
struct totals {
	struct series ttft, tpot, itl, e2e;
	double issued, completed, generated, prompted;
	uint64_t begin_ns, end_ns; /* first admission, last answer */
	double first_s;		   /* time to the first token of request 0; 0: it gave none */
	struct lsb_text ids;	   /* all generated ids in request order, as text, for the digest */
	json_t *scores;		   /* name: sum over answers */
	int failed;		   /* out of memory */
};

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

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
	lsb_text_free(&t->ids);
	json_decref(t->scores);
}

static void add_scores(struct totals *t, const json_t *request)
{
	const char *name;
	json_t *score;

	json_object_foreach(json_object_get(request, "scores"), name, score)
	{
		json_object_set_new(t->scores, name,
				    json_real(number(t->scores, name) + json_number_value(score)));
	}
}

/* One answered request. */
static void add_request(struct totals *t, const json_t *request)
{
	const json_t *times = json_object_get(request, "token_ns");
	const uint64_t arrival = integer(request, "arrival_ns"), first = integer(request, "first_ns");
	const uint64_t last = integer(request, "last_ns");
	const double generated = number(request, "generated_tokens");

	t->completed++;
	t->generated += generated;
	t->prompted += number(request, "prompt_tokens");
	if (last > t->end_ns)
		t->end_ns = last;
	series_add(t, &t->ttft, seconds_between(arrival, first));
	series_add(t, &t->e2e, seconds_between(arrival, last));
	if (generated >= 2)
		series_add(t, &t->tpot, seconds_between(first, last) / (generated - 1));
	for (size_t i = 1; i < json_array_size(times); i++)
		series_add(t, &t->itl,
			   (double)(json_integer_value(json_array_get(times, i)) -
				    json_integer_value(json_array_get(times, i - 1))) *
				   1e-9);
	add_scores(t, request);
}

static void add_ids(struct totals *t, const json_t *request)
{
	const json_t *ids = json_object_get(request, "ids"), *id;
	size_t k;

	json_array_foreach(ids, k, id) lsb_text_add(&t->ids, "%lld ", (long long)json_integer_value(id));
	lsb_text_add(&t->ids, "\n");
}

/*
 * The requests of all ranks by index: table[i] is request i. LSB_EPEER unless
 * each of `prompts` was answered once, with as many ids and times as it says.
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
	for (size_t i = 0; i < prompts; i++)
		if (!table[i])
			return lsb_fail(err, LSB_EPEER, 0, "no rank answered for request %zu of %zu", i,
					prompts);
	return LSB_OK;
}

static int gather(const json_t *point, const json_t *ranks, struct totals *t, struct lsb_error *err)
{
	const size_t prompts = integer(point, "prompts");
	const json_t **table = calloc(prompts + 1, sizeof(*table)), *rank;
	int rc = table ? tabulate(ranks, prompts, table, err) : LSB_ENOMEM;
	size_t r;

	t->scores = json_object();
	t->begin_ns = UINT64_MAX;
	json_array_foreach(ranks, r, rank)
	{
		if (json_object_get(rank, "requests") && integer(rank, "run_t0_ns") < t->begin_ns)
			t->begin_ns = integer(rank, "run_t0_ns");
	}
	for (size_t i = 0; i < prompts && rc == LSB_OK; i++) {
		t->issued++;
		add_ids(t, table[i]);
		if (strcmp(json_string_value(json_object_get(table[i], "finish")), "failed") != 0)
			add_request(t, table[i]);
	}
	if (rc == LSB_OK && prompts && integer(table[0], "generated_tokens"))
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
		if (number(rank, key) > most)
			most = number(rank, key);
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
		all += number(rank, key);
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
		const double start = number(rank, "load_s") + number(rank, "preprocess_s");

		most = start > most ? start : most;
	}
	return most;
}

static void set_throughput(json_t *metrics, const json_t *ranks, struct totals *t)
{
	const double run_s = t->end_ns > t->begin_ns ? seconds_between(t->begin_ns, t->end_ns) : 0;
	const char *name;
	json_t *score;

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
	if (run_s > 0) {
		set(metrics, "tokens_per_s", t->generated / run_s);
		set(metrics, "total_tokens_per_s", (t->generated + t->prompted) / run_s);
		set(metrics, "requests_per_s", t->completed / run_s);
	}
	set_latency(metrics, "ttft", &t->ttft);
	set_latency(metrics, "tpot", &t->tpot);
	set_latency(metrics, "itl", &t->itl);
	set_latency(metrics, "e2e", &t->e2e);
	if (t->first_s > 0)
		set(metrics, "first_ttft_s", t->first_s);
	/* a workload names its scores; none of them may hide a metric of ours */
	json_object_foreach(t->scores, name, score)
	{
		if (t->completed > 0 && !json_object_get(metrics, name))
			set(metrics, name, json_number_value(score) / t->completed);
	}
}

/*
 * Bytes of weights and KV that a rank's steps read from memory, from its
 * compute records: each step reads the rank's layers once, the head when it
 * gives output; the KV of earlier positions is left out (a lower bound).
 */
static double bytes_read(const json_t *rank, const struct lsb_rank_records *records, int is_last)
{
	const double layers = number(json_object_get(rank, "layers"), "count");
	const double a_step = layers * number(rank, "layer_bytes"), head = number(rank, "head_bytes");
	double bytes = 0;

	for (size_t i = 0; i < records->n; i++)
		if (records->records[i].kind == LSB_REC_COMPUTE)
			bytes += a_step + (is_last && records->records[i].aux2 ? head : 0);
	return bytes;
}

static json_t *ledger_json(size_t rank, size_t stages, const struct lsb_ledger *l, double read_bytes)
{
	json_t *hidden = l->knows_hidden ? json_real(l->hidden_transfer_s) : json_null();

	return json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:f}", "rank", (json_int_t)rank,
			 "stage", (json_int_t)(rank % stages), "replica", (json_int_t)(rank / stages),
			 "compute_s", l->compute_s, "wait_s", l->wait_s, "transfer_s", l->transfer_s,
			 "overhead_s", l->overhead_s, "unattributed_s", l->unattributed_s, "wall_s",
			 l->wall_s, "hidden_transfer_s", hidden, "read_bytes", read_bytes);
}

/* What the ledgers and replays of all pipelines come to. */
struct pipelines {
	json_t *ledger;
	double communication_s, wait_s, replay_s;
	int n_unreplayed, n_unsettled,
		n_judged; /* pipelines: without replay, never settled, long enough to tell */
};

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* When a first stage had its last answer: the end of its pipeline's run, as run_s has it. */
static uint64_t last_answer_ns(const json_t *head)
{
	const json_t *request;
	uint64_t last = 0;
	size_t i;

	json_array_foreach(json_object_get(head, "requests"), i, request)
	{
		if (strcmp(json_string_value(json_object_get(request, "finish")), "failed") != 0 &&
		    integer(request, "last_ns") > last)
			last = integer(request, "last_ns");
	}
	return last ? last : integer(head, "run_t1_ns");
}

/* Ledger and replay of the pipeline whose first stage is ranks[first]. */
static int measure_pipeline(const json_t *ranks, const struct lsb_rank_records *records, size_t first,
			    size_t stages, struct pipelines *out, struct lsb_error *err)
{
	const json_t *head = json_array_get(ranks, first);
	const uint64_t t0 = integer(head, "run_t0_ns"), t1 = last_answer_ns(head);
	double makespan = 0;
	int settled;

	if (t1 <= t0)
		return lsb_fail(err, LSB_EPEER, 0, "rank %zu reports a run that ends before it begins",
				first);
	for (size_t k = 0; k < stages; k++) {
		struct lsb_ledger ledger;
		const int rc = lsb_ledger_close(records + first, stages, k, t0, t1, &ledger, err);

		if (rc)
			return rc;
		json_array_append_new(out->ledger,
				      ledger_json(first + k, stages, &ledger,
						  bytes_read(json_array_get(ranks, first + k),
							     &records[first + k], k == stages - 1)));
		out->communication_s = larger(out->communication_s, ledger.transfer_s);
		out->wait_s = larger(out->wait_s, ledger.wait_s);
	}
	/* A full recorder makes replay impossible, not the launch. */
	if (lsb_replay(records + first, stages, &makespan, NULL) || !(makespan > 0))
		out->n_unreplayed++;
	out->replay_s = larger(out->replay_s, makespan);
	settled = lsb_steps_settled(&records[first]);
	out->n_judged += settled >= 0;
	out->n_unsettled += settled == 0;
	return LSB_OK;
}

static int set_pipelines(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
			 size_t n_ranks, json_t *line, json_t *metrics, struct lsb_error *err)
{
	const size_t stages = integer(point, "stages");
	struct pipelines all = { .ledger = json_array() };
	int rc = LSB_OK;

	if (stages == 0 || n_ranks % stages)
		rc = lsb_fail(err, LSB_EINVAL, 0, "%zu ranks do not make pipelines of %zu stages", n_ranks,
			      stages);
	for (size_t first = 0; first < n_ranks && rc == LSB_OK; first += stages)
		rc = measure_pipeline(ranks, records, first, stages, &all, err);
	json_object_set_new(line, "ledger", all.ledger);
	if (rc)
		return rc;
	set(metrics, "communication_s", all.communication_s);
	set(metrics, "wait_s", all.wait_s);
	json_object_set_new(line, "settled", all.n_judged ? json_boolean(all.n_unsettled == 0) : json_null());
	if (all.n_unreplayed == 0) {
		set(metrics, "replay_s", all.replay_s);
		set(metrics, "replay_tokens_per_s", number(metrics, "generated_tokens") / all.replay_s);
	}
	return LSB_OK;
}

int lsb_measure_launch(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
		       size_t n_ranks, json_t *line, struct lsb_error *err)
{
	struct totals totals = { 0 };
	char digest[LSB_DIGEST_HEX];
	json_t *metrics = json_object();
	int rc;

	json_object_set_new(line, "metrics", metrics);
	if (json_array_size(ranks) != n_ranks)
		return lsb_fail(err, LSB_EINVAL, 0, "%zu ranks reported, %zu sent records",
				json_array_size(ranks), n_ranks);
	rc = gather(point, ranks, &totals, err);
	if (rc == LSB_OK) {
		set_throughput(metrics, ranks, &totals);
		lsb_digest(totals.ids.data ? totals.ids.data : "", totals.ids.length, digest);
		json_object_set_new(line, "outputs_sha256", json_string(digest));
		rc = set_pipelines(point, ranks, records, n_ranks, line, metrics, err);
	}
	if (rc == LSB_OK &&
	    json_object_set_new(line, "stage_times", lsb_stage_times(ranks, records, n_ranks)))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the times of %zu ranks", n_ranks);
	totals_free(&totals);
	return rc;
}

const char *lsb_metric_unit(const char *name)
{
	static const struct {
		const char *suffix, *unit;
	} units[] = { { "_per_s", "1/s" }, { "_rps", "1/s" },	    { "_bps", "B/s" },
		      { "_bytes", "B" },   { "_j_per_token", "J" }, { "_s", "s" } };
	const size_t length = strlen(name);

	for (size_t i = 0; i < LSB_COUNT(units); i++) {
		const size_t n = strlen(units[i].suffix);

		if (length > n && strcmp(name + length - n, units[i].suffix) == 0)
			return units[i].unit;
	}
	return "1";
}
