/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/work.h"

#include "measure/derive.h"
#include "measure/look.h"
#include "measure/replay.h"

struct phase {
	double steps, tokens, outputs, compute_s;
	double heads;		      /* steps with output */
	double met;		      /* positions that its tokens attended to, themselves among them */
	double first_tokens, first_s; /* of the first step: it may find caches cold */
};

static void sum_steps(const struct lsb_rank_records *records, struct phase *decode, struct phase *prefill)
{
	for (size_t i = 0; i < records->n; i++) {
		const struct lsb_record *r = &records->records[i];
		struct phase *phase = lsb_step_is_decode(r) ? decode : prefill;

		const double took_s = r->t1_ns > r->t0_ns ? (double)(r->t1_ns - r->t0_ns) * 1e-9 : 0;

		if (r->kind != LSB_REC_COMPUTE)
			continue;
		if (phase->steps == 0) {
			phase->first_tokens = (double)r->aux;
			phase->first_s = took_s;
		}
		phase->steps++;
		phase->tokens += (double)r->aux;
		phase->outputs += (double)r->aux2;
		phase->heads += r->aux2 > 0;
		phase->met += (double)r->bytes + (double)r->aux;
		phase->compute_s += took_s;
	}
}

/* `read`: positions whose keys and values came from memory. */
static json_t *phase_json(const json_t *rank, const struct phase *phase, int is_last, double read)
{
	const double layers = lsb_look_number(json_object_get(rank, "layers"), "count");
	const double head = is_last ? 1 : 0;
	const double macs = phase->tokens * layers * lsb_look_number(rank, "layer_macs") +
			    head * phase->outputs * lsb_look_number(rank, "head_macs") +
			    2 * phase->met * layers * lsb_look_number(rank, "hidden_size");
	const double bytes = phase->steps * layers * lsb_look_number(rank, "layer_bytes") +
			     head * phase->heads * lsb_look_number(rank, "head_bytes") +
			     read * layers * lsb_look_number(rank, "kv_bytes_per_position");

	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "steps", phase->steps, "tokens",
			 phase->tokens, "compute_s", phase->compute_s, "macs", macs, "bytes", bytes,
			 "first_tokens", phase->first_tokens, "first_s", phase->first_s);
}

static json_t *work_json(const json_t *ranks, const struct lsb_rank_records *records, size_t n_ranks,
			 size_t stages)
{
	json_t *out = json_array();

	for (size_t r = 0; stages && r < n_ranks; r++) {
		const json_t *rank = json_array_get(ranks, r);
		const int is_last = r % stages == stages - 1;
		struct phase decode = { 0 }, prefill = { 0 };

		if (json_is_null(rank))
			continue;
		sum_steps(&records[r], &decode, &prefill);
		json_array_append_new(out, json_pack("{s:I, s:o, s:o}", "rank", (json_int_t)r, "decode",
						     phase_json(rank, &decode, is_last, decode.met),
						     "prefill", phase_json(rank, &prefill, is_last, 0)));
	}
	return out;
}

static void set_replay(json_t *out, const char *key, const struct lsb_rank_records *stages, size_t n_stages,
		       const struct lsb_replay_costs *costs)
{
	double makespan_s = 0;

	if (lsb_replay_with(stages, n_stages, costs, &makespan_s, NULL) == LSB_OK && makespan_s > 0)
		json_object_set_new(out, key, json_real(makespan_s));
}

/* One pipeline; `head` is its first stage's RANK object. */
static json_t *schedule_json(const json_t *head, const struct lsb_rank_records *stages, size_t n_stages,
			     size_t replica)
{
	const struct lsb_replay_costs as_measured = { 0 }, balanced = { .is_balanced = 1 };
	struct lsb_replay_costs linked = { 0 };
	struct lsb_link_line line;
	json_t *out = json_pack("{s:I}", "replica", (json_int_t)replica);

	set_replay(out, "replay_s", stages, n_stages, &as_measured);
	set_replay(out, "balanced_s", stages, n_stages, &balanced);
	if (lsb_derive_link(head, &line) == 0) {
		linked.message_s = line.latency_s;
		linked.token_s = lsb_look_number(head, "hidden_bytes") / line.bandwidth;
		set_replay(out, "link_s", stages, n_stages, &linked);
	}
	return out;
}

void lsb_work_add(const json_t *ranks, const struct lsb_rank_records *records, size_t n_ranks, size_t stages,
		  int is_open_loop, json_t *line)
{
	json_t *schedule = json_array();

	for (size_t first = 0; !is_open_loop && stages && first + stages <= n_ranks; first += stages)
		if (!json_is_null(json_array_get(ranks, first)))
			json_array_append_new(schedule,
					      schedule_json(json_array_get(ranks, first), records + first,
							    stages, first / stages));
	json_object_set_new(line, "work", work_json(ranks, records, n_ranks, stages));
	json_object_set_new(line, "schedule", schedule);
}
