/* SPDX-License-Identifier: Apache-2.0 */
#include "crafted.h"

#include <check.h>
#include <stdio.h>

static json_t *name_or_null(const char *name)
{
	return name ? json_string(name) : json_null();
}

static json_t *crafted_point(const struct crafted *c)
{
	json_t *layers = json_array(), *out;
	char label[64];

	(void)snprintf(label, sizeof(label), "%s nodes=%d batch=%d", c->name, c->nodes, c->batch);
	for (int i = 0; i < c->nodes; i++)
		json_array_append_new(layers, json_integer(30 / c->nodes));
	out = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:o, s:{s:o, s:o, s:o, s:o}}", "id", c->id,
			"case", c->name, "label", label, "kind", c->kind, "params", "model", "tiny.gguf",
			"transport", "tcp", "layers", layers, "baselines", "equal_batch",
			name_or_null(c->equal_batch), "equal_concurrency", name_or_null(c->equal_concurrency),
			"equal_cores", name_or_null(c->equal_cores), "batch_one", name_or_null(c->batch_one));
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(
		json_object_update_new(
			out,
			json_pack(
				"{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:b, s:b}",
				"nodes", c->nodes, "stages", c->nodes, "replicas", 1, "batch", c->batch,
				"in_flight", c->in_flight, "concurrency", c->batch * c->in_flight, "prompts",
				c->prompts, "distinct", 5, "max_new", 50, "threads", 1, "reps", c->reps,
				"stop", "length", "launcher", "local", "pinned", 1, "oversubscribed",
				c->oversubscribed)),
		0);
	if (c->nodes == 2)
		json_object_set_new(out, "split",
				    json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "by", "time", "chunk_s",
					      2e-3, "batch_s", 2e-4, "head_s", 1e-3, "run_s", 2.2, "equal_s",
					      2.5, "even_s", 2.1));
	else if (c->nodes > 2)
		json_object_set_new(out, "split",
				    json_pack("{s:s, s:s}", "by", "arithmetic", "why", "no clock"));
	return out;
}

json_t *crafted_header(const struct crafted *points, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, crafted_point(&points[i]));
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:{s:s}}", "lsbench_journal", 1, "version", "0.1.0",
			 "suite", "crafted", "title", "A crafted run", "started", "2026-11-22T05:45:29Z",
			 "points", list, "provenance", "lsbench", "0123456789abcdef");
}

/* Three quarters compute, the rest wait, transfer, overhead, and 1 % that nobody knows. */
static json_t *crafted_ledger(const struct crafted *point, double run_s)
{
	json_t *ledger = json_array();

	for (int i = 0; i < point->nodes; i++)
		json_array_append_new(
			ledger,
			json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:n, s:f}", "rank",
				  i, "stage", i, "replica", 0, "compute_s", 0.75 * run_s, "wait_s",
				  0.15 * run_s, "transfer_s", 0.05 * run_s, "wait_transfer_s", 0.0,
				  "overhead_s", 0.04 * run_s, "idle_s", 0.0, "unattributed_s", 0.01 * run_s,
				  "wall_s", run_s, "hidden_transfer_s", "read_bytes", run_s * 2e9));
	return ledger;
}

/* As the ledger's: three quarters compute, 2 GB a second of run time read; all tokens on every stage. */
static json_t *crafted_work(const struct crafted *point, const struct crafted_launch *l)
{
	json_t *work = json_array();

	for (int i = 0; i < point->nodes; i++)
		json_array_append_new(
			work,
			json_pack("{s:i, s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f}, s:{s:f, s:f, s:f, s:f, s:f, "
				  "s:f, s:f}}",
				  "rank", i, "decode", "steps", 200.0, "tokens",
				  l->generated_tokens - point->prompts, "compute_s", 0.5 * l->run_s, "macs",
				  1e9 * l->run_s, "bytes", 1.5e9 * l->run_s, "first_tokens", 1.0, "first_s",
				  0.003, "prefill", "steps", 10.0, "tokens", l->prompt_tokens, "compute_s",
				  0.25 * l->run_s, "macs", 2e9 * l->run_s, "bytes", 0.5e9 * l->run_s,
				  "first_tokens", 32.0, "first_s", 0.02));
	return work;
}

/* Stages that were alike would save a 32nd; messages as measured cost a quarter of a second. */
static json_t *crafted_schedule(const struct crafted *point, const struct crafted_launch *l)
{
	json_t *row = json_pack("{s:i, s:f, s:f}", "replica", 0, "replay_s", l->replay_s, "balanced_s",
				point->nodes > 1 ? l->replay_s * 31 / 32 : l->replay_s);

	if (point->nodes > 1 && l->round == 0)
		json_object_set_new(row, "link_s", json_real(l->replay_s + 0.25));
	return json_pack("[o]", row);
}

/* What a launch that measured the machine says of it. */
static void add_peaks(json_t *rank, const struct crafted *point, int i)
{
	json_object_update_new(rank, json_pack("{s:f, s:f, s:f, s:f}", "read_bandwidth_alone", 8e9,
					       "read_bandwidth_all", 8e9 / point->nodes, "matmul_peak_alone",
					       12e9, "matmul_peak_all", 12e9));
	if (point->nodes > 1 && i == 0)
		json_object_set_new(rank, "link",
				    json_pack("{s:i, s:[{s:i, s:f, s:f}, {s:i, s:f, s:f}, {s:i, s:f, s:f}]}",
					      "peer", 1, "sizes", "bytes", 0, "one_way_s", 1e-5,
					      "one_way_p99_s", 3e-5, "bytes", 10000, "one_way_s", 2e-5,
					      "one_way_p99_s", 6e-5, "bytes", 1000000, "one_way_s", 1.01e-3,
					      "one_way_p99_s", 2e-3));
}

/* Answers that depend on nothing but the prompt, which is request i modulo the baseline's five. */
static json_t *crafted_requests(const struct crafted *point, const struct crafted_launch *l)
{
	json_t *requests = json_array();

	for (int i = 0; i < point->prompts; i++)
		json_array_append_new(requests,
				      json_pack("{s:i, s:s, s:f, s:[i, i], s:I}", "i", i, "finish", "length",
						"generated_tokens", l->generated_tokens / point->prompts,
						"ids", i % 5, 7, "last_ns", (json_int_t)(l->run_s * 1e9)));
	return requests;
}

static json_t *crafted_ranks(const struct crafted *point, const struct crafted_launch *l)
{
	json_t *ranks = json_array();

	for (int i = 0; i < point->nodes; i++) {
		json_t *rank = json_pack("{s:i, s:I, s:I, s:I, s:I, s:i, s:i}", "rank", i, "weight_bytes",
					 (json_int_t)(96 << 20) / point->nodes, "load_bytes",
					 (json_int_t)(96 << 20) / point->nodes, "kv_bytes",
					 (json_int_t)(3 << 20), "peak_memory_bytes", (json_int_t)(128 << 20),
					 "records_lost", 0, "invariant_over", 15);

		json_object_update_new(rank, json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f}",
						       "host", "here", "hidden_size", 576, "hidden_bytes",
						       2304, "messages_received", 20000, "bytes_received",
						       20000000, "spawn_s", 0.125, "load_s", 1.25,
						       "preprocess_s", 0.25, "connect_s", 0.125));
		if (l->round == 0)
			add_peaks(rank, point, i);
		if (i == 0)
			json_object_set_new(rank, "requests", crafted_requests(point, l));
		json_array_append_new(ranks, rank);
	}
	return ranks;
}

json_t *crafted_ok(const struct crafted *point, int number, const struct crafted_launch *l)
{
	json_t *metrics = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "wall_s", l->run_s + 1.5, "run_s",
				    l->run_s, "tokens_per_s", l->generated_tokens / l->run_s, "load_s", 1.25,
				    "preprocess_s", 0.25, "replay_s", l->replay_s, "replay_tokens_per_s",
				    l->generated_tokens / l->replay_s);
	json_t *line;

	json_object_update_new(metrics, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
						  "communication_s", point->nodes > 1 ? 0.05 * l->run_s : 0.0,
						  "wait_s", point->nodes > 1 ? 0.15 * l->run_s : 0.0,
						  "prompt_tokens", l->prompt_tokens, "generated_tokens",
						  l->generated_tokens, "success_rate", 1.0, "ttft_p50_s",
						  l->run_s / 4, "ttft_p90_s", l->run_s / 3, "ttft_max_s",
						  l->run_s / 2, "ttft_sd_s", 0.125, "rouge1", 0.3125));
	line = json_pack("{s:i, s:s, s:i, s:s, s:n, s:o, s:o, s:o, s:o, s:o, s:b, s:s}", "launch", number,
			 "point", point->id, "round", l->round, "status", "ok", "reason", "ranks",
			 crafted_ranks(point, l), "ledger", crafted_ledger(point, l->run_s), "work",
			 crafted_work(point, l), "schedule", crafted_schedule(point, l), "metrics", metrics,
			 "settled", 1, "outputs_sha256", "aaaa");
	ck_assert_ptr_nonnull(line);
	return line;
}

json_t *crafted_bad(const struct crafted *point, int number, int round, const char *status,
		    const char *reason)
{
	return json_pack("{s:i, s:s, s:i, s:s, s:s}", "launch", number, "point", point->id, "round", round,
			 "status", status, "reason", reason);
}
