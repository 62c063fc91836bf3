/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/launch_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/look.h"
#include "measure/open_loop.h"
#include "measure/replay.h"
#include "measure/settle.h"

static uint64_t integer(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* --- a pipeline's run ------------------------------------------------------------------ */

/* When a first stage had its last answer: the end of its pipeline's run, as run_s has it. */
static uint64_t last_answer_ns(const json_t *head)
{
	const json_t *request;
	uint64_t last = 0;
	size_t i;

	json_array_foreach(json_object_get(head, "requests"), i, request)
	{
		const char *finish = json_string_value(json_object_get(request, "finish"));

		if (finish && strcmp(finish, "failed") != 0 && integer(request, "last_ns") > last)
			last = integer(request, "last_ns");
	}
	return last ? last : integer(head, "run_t1_ns");
}

int lsb_pipeline_of(const json_t *ranks, const struct lsb_rank_records *records,
		    const struct lsb_clock *clocks, size_t first, size_t stages, struct lsb_pipeline *out,
		    struct lsb_error *err)
{
	const json_t *head = json_array_get(ranks, first);

	*out = (struct lsb_pipeline){
		.stages = records + first,
		.n = stages,
		.t0_ns = lsb_clock_align(&clocks[first], integer(head, "run_t0_ns")),
		.t1_ns = lsb_clock_align(&clocks[first], last_answer_ns(head)),
	};
	return out->t1_ns > out->t0_ns ? LSB_OK
				       : lsb_fail(err, LSB_EPEER, 0,
						  "rank %zu reports a run that ends before it begins", first);
}

/* --- what is told of it ---------------------------------------------------------------- */

/*
 * Bytes of weights that a rank's steps read from memory, from its compute
 * records: each step reads the rank's layers once, the head when it gives
 * output; the KV of earlier positions is left out (a lower bound).
 */
static double bytes_read(const json_t *rank, const struct lsb_rank_records *records, int is_last)
{
	const double layers = lsb_look_number(json_object_get(rank, "layers"), "count");
	const double a_step = layers * lsb_look_number(rank, "layer_bytes"),
		     head = lsb_look_number(rank, "head_bytes");
	double bytes = 0;

	for (size_t i = 0; i < records->n; i++)
		if (records->records[i].kind == LSB_REC_COMPUTE)
			bytes += a_step + (is_last && records->records[i].aux2 ? head : 0);
	return bytes;
}

static json_t *parts_json(const struct lsb_ledger *l)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "compute_s", l->compute_s, "wait_s",
			 l->wait_s, "transfer_s", l->transfer_s, "wait_transfer_s", l->wait_transfer_s,
			 "overhead_s", l->overhead_s, "idle_s", l->idle_s, "unattributed_s",
			 l->unattributed_s, "wall_s", l->wall_s);
}

static json_t *ledger_json(size_t rank, size_t stages, const struct lsb_ledger *l, double read_bytes)
{
	json_t *out = json_pack("{s:I, s:I, s:I}", "rank", (json_int_t)rank, "stage",
				(json_int_t)(rank % stages), "replica", (json_int_t)(rank / stages));

	if (out) {
		json_object_update_new(out, parts_json(l));
		json_object_set_new(out, "hidden_transfer_s",
				    l->knows_hidden ? json_real(l->hidden_transfer_s) : json_null());
		json_object_set_new(out, "read_bytes", json_real(read_bytes));
	}
	return out;
}

static json_t *step_json(const struct lsb_step_ledger *step)
{
	json_t *out = parts_json(&step->parts);

	if (out)
		json_object_update_new(out, json_pack("{s:I, s:I, s:I}", "step", (json_int_t)step->step,
						      "group", (json_int_t)step->group, "tokens",
						      (json_int_t)step->tokens));
	return out;
}

static int compare_walls(const void *a, const void *b)
{
	const struct lsb_step_ledger *x = a, *y = b;

	if (x->parts.wall_s != y->parts.wall_s)
		return x->parts.wall_s < y->parts.wall_s ? -1 : 1;
	return (x->step > y->step) - (x->step < y->step);
}

/* Of the steps of one kind: the one of median length (the lower of two) and the longest. Sorts `steps`. */
static void add_kind(json_t *list, size_t rank, const char *kind, struct lsb_step_ledger *steps, size_t n)
{
	if (n == 0)
		return;
	qsort(steps, n, sizeof(*steps), compare_walls);
	json_array_append_new(list,
			      json_pack("{s:I, s:s, s:I, s:o, s:o}", "rank", (json_int_t)rank, "kind", kind,
					"n", (json_int_t)n, "median", step_json(&steps[(n - 1) / 2]), "worst",
					step_json(&steps[n - 1])));
}

/* The steps of each phase on last stages, where a step is done: what they computed, in which time. */
enum { PREFILL, DECODE, PHASES };
struct phase {
	double tokens, s;
};

static void add_phase(struct phase *phase, const struct lsb_step_ledger *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		phase->tokens += (double)steps[i].tokens;
		phase->s += steps[i].parts.wall_s;
	}
}

/*
 * Median and worst step of one rank, prefill and decode apart; `phases` [PHASES] of a last stage, else NULL.
 */
static int add_steps(json_t *list, size_t rank, const struct lsb_rank_records *records,
		     const struct lsb_division *division, struct phase *phases, struct lsb_error *err)
{
	struct lsb_step_ledger *steps, swap;
	size_t n, n_prefill = 0;
	const int rc = lsb_ledger_steps(records, division, &steps, &n, err);

	if (rc)
		return rc;
	n--; /* the rest of the run is no step */
	for (size_t i = 0; i < n; i++) {
		if (lsb_is_decode(steps[i].tokens, steps[i].outputs))
			continue;
		swap = steps[n_prefill];
		steps[n_prefill++] = steps[i];
		steps[i] = swap;
	}
	if (phases) {
		add_phase(&phases[PREFILL], steps, n_prefill);
		add_phase(&phases[DECODE], steps + n_prefill, n - n_prefill);
	}
	add_kind(list, rank, "prefill", steps, n_prefill);
	add_kind(list, rank, "decode", steps + n_prefill, n - n_prefill);
	free(steps);
	return LSB_OK;
}

/* --- all pipelines --------------------------------------------------------------------- */

struct totals {
	json_t *ledger, *steps, *clocks;
	int is_open_loop;
	double communication_s, wait_s, replay_s;
	size_t n_pipelines;
	struct phase phases[PHASES];
	int n_unreplayed, n_unsettled,
		n_judged; /* pipelines: without replay, never settled, long enough to tell */
};

static int measure_rank(const json_t *ranks, const struct lsb_pipeline *p, const struct lsb_clock *clocks,
			size_t first, size_t k, struct totals *out, struct lsb_error *err)
{
	const size_t rank = first + k;
	const int is_last = k == p->n - 1;
	struct lsb_division division;
	struct lsb_ledger ledger;
	int rc = lsb_divide(p->stages, p->n, k, p->t0_ns, p->t1_ns, &division, err);

	if (rc)
		return rc;
	ledger = lsb_ledger_window(&division, p->t0_ns, p->t1_ns);
	json_array_append_new(out->ledger,
			      ledger_json(rank, p->n, &ledger,
					  bytes_read(json_array_get(ranks, rank), &p->stages[k], is_last)));
	json_array_append_new(out->clocks, lsb_clock_json(rank, &clocks[rank], division.misordered));
	rc = add_steps(out->steps, rank, &p->stages[k], &division, is_last ? out->phases : NULL, err);
	lsb_division_free(&division);
	out->communication_s = larger(out->communication_s, ledger.transfer_s);
	out->wait_s = larger(out->wait_s, ledger.wait_s);
	return rc;
}

static int measure_pipeline(const json_t *ranks, const struct lsb_rank_records *records,
			    const struct lsb_clock *clocks, size_t first, size_t stages, struct totals *out,
			    struct lsb_error *err)
{
	struct lsb_pipeline pipeline;
	double makespan = 0;
	int settled, rc = lsb_pipeline_of(ranks, records, clocks, first, stages, &pipeline, err);

	for (size_t k = 0; k < stages && rc == LSB_OK; k++)
		rc = measure_rank(ranks, &pipeline, clocks, first, k, out, err);
	if (rc)
		return rc;
	/*
	 * A full recorder makes replay impossible, not the launch. A schedule that waits for arrivals has no
	 * least length.
	 */
	if (out->is_open_loop || lsb_replay(pipeline.stages, stages, &makespan, NULL) || !(makespan > 0))
		out->n_unreplayed++;
	out->replay_s = larger(out->replay_s, makespan);
	out->n_pipelines++;
	settled = lsb_steps_settled(pipeline.stages);
	out->n_judged += settled >= 0;
	out->n_unsettled += settled == 0;
	return LSB_OK;
}

static void set(json_t *metrics, const char *name, double value)
{
	json_object_set_new(metrics, name, json_real(value));
}

/* Tokens of all pipelines over their mean time in steps of the phase; absent without any. */
static void set_phase(json_t *metrics, const char *name, const struct phase *phase, size_t pipelines)
{
	if (phase->s > 0)
		set(metrics, name, phase->tokens / (phase->s / (double)pipelines));
}

int lsb_launch_ledger(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
		      const struct lsb_clock *clocks, size_t n_ranks, json_t *line, json_t *metrics,
		      struct lsb_error *err)
{
	const size_t stages = integer(point, "stages");
	struct totals all = { .ledger = json_array(),
			      .steps = json_array(),
			      .clocks = json_array(),
			      .is_open_loop = lsb_is_open_loop(point) };
	int rc = LSB_OK;

	if (stages == 0 || n_ranks % stages)
		rc = lsb_fail(err, LSB_EINVAL, 0, "%zu ranks do not make pipelines of %zu stages", n_ranks,
			      stages);
	for (size_t first = 0; first < n_ranks && rc == LSB_OK; first += stages)
		if (!json_is_null(json_array_get(ranks, first))) /* a lost one took its records with it */
			rc = measure_pipeline(ranks, records, clocks, first, stages, &all, err);
	json_object_set_new(line, "ledger", all.ledger);
	json_object_set_new(line, "steps", all.steps);
	json_object_set_new(line, "clocks", all.clocks);
	if (rc)
		return rc;
	set(metrics, "communication_s", all.communication_s);
	set(metrics, "wait_s", all.wait_s);
	set_phase(metrics, "prefill_tokens_per_s", &all.phases[PREFILL], all.n_pipelines);
	set_phase(metrics, "decode_tokens_per_s", &all.phases[DECODE], all.n_pipelines);
	json_object_set_new(line, "settled", all.n_judged ? json_boolean(all.n_unsettled == 0) : json_null());
	if (all.n_unreplayed == 0) {
		set(metrics, "replay_s", all.replay_s);
		set(metrics, "replay_tokens_per_s",
		    lsb_look_number(metrics, "generated_tokens") / all.replay_s);
	}
	return LSB_OK;
}
