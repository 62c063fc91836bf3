/* SPDX-License-Identifier: Apache-2.0 */
/* From settings and a model to a simulated run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "measure/predict_parts.h"
#include "schedule/arrivals.h"

enum { IDS_HEADER_BYTES = 8, ID_BYTES = 4, CLAIM_BYTES = 8 }; /* node/plan.h, node/dispatch.h */

/* --- costs ---------------------------------------------------------------------------- */

static double stage_s(const struct lsb_plan_of_run *run, uint32_t stage, const struct lsb_sim_step *step)
{
	return lsb_step_model_s(&run->model->step, run->layers[stage], stage + 1 == run->setup.stages,
				step->tokens, step->outputs, step->positions);
}

static double step_s(const void *user, uint32_t stage, const struct lsb_sim_step *step)
{
	const struct lsb_plan_of_run *run = user;
	double all = 0;

	if (!run->balanced)
		return stage_s(run, stage, step);
	for (uint32_t k = 0; k < run->setup.stages; k++)
		all += stage_s(run, k, step);
	return all / run->setup.stages;
}

/* A message of `bytes` on a link that was measured (plain_s), replaced or slowed down. */
static double message_s(const struct lsb_plan_of_run *run, double plain_s, double bytes)
{
	const double given = run->latency_s + (run->bytes_per_s > 0 ? bytes / run->bytes_per_s : 0);

	if (run->free_link)
		return 0;
	if (run->replaces_link)
		return given;
	return run->is_slowed ? fmax(plain_s, given) : plain_s;
}

static double hidden_s(const void *user, const struct lsb_sim_step *step)
{
	const struct lsb_plan_of_run *run = user;
	const double bytes = step->tokens * run->model->hidden_bytes;

	return message_s(run, run->model->latency_s + bytes * run->model->byte_s, bytes);
}

static double ids_s(const void *user, const struct lsb_sim_step *step)
{
	const struct lsb_plan_of_run *run = user;

	return message_s(run, run->model->ids_s, IDS_HEADER_BYTES + (double)ID_BYTES * step->outputs);
}

static double drain_s(const void *user, const struct lsb_sim_step *step)
{
	const struct lsb_plan_of_run *run = user;

	return run->bytes_per_s > 0 && !run->free_link
		       ? step->tokens * run->model->hidden_bytes / run->bytes_per_s
		       : 0;
}

static double claim_s(const struct lsb_plan_of_run *run)
{
	return message_s(run, run->model->latency_s + CLAIM_BYTES * run->model->byte_s, CLAIM_BYTES);
}

/* --- settings -------------------------------------------------------------------------- */

static uint64_t sum_layers(const uint32_t *layers, uint32_t stages)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < stages; i++)
		sum += layers[i];
	return sum;
}

static int set_layers(const struct lsb_measured *base, const struct lsb_predict_settings *settings,
		      struct lsb_plan_of_run *out, struct lsb_error *err)
{
	const uint32_t stages = out->setup.stages, all = (uint32_t)sum_layers(base->layers, base->stages);

	if (stages > all)
		return lsb_fail(err, LSB_EINVAL, 0, "%u stages cannot share %u layers", stages, all);
	out->layers = calloc(stages, sizeof(*out->layers));
	if (!out->layers)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u stages", stages);
	for (uint32_t i = 0; i < stages; i++)
		out->layers[i] = settings->layers	  ? settings->layers[i]
				 : stages == base->stages ? base->layers[i]
							  : all / stages + (i < all % stages);
	for (uint32_t i = 0; i < stages; i++)
		if (out->layers[i] == 0)
			return lsb_fail(err, LSB_EINVAL, 0, "stage %u of %u would hold no layer", i, stages);
	if (sum_layers(out->layers, stages) != all)
		return lsb_fail(err, LSB_EINVAL, 0, "the split has %llu layers, the model %u",
				(unsigned long long)sum_layers(out->layers, stages), all);
	return LSB_OK;
}

/* Requests as the base point had them, again from the first when more are asked for. */
static int set_requests(const struct lsb_measured *base, const struct lsb_predict_settings *settings,
			struct lsb_plan_of_run *out, struct lsb_error *err)
{
	const uint32_t n = settings->prompts ? settings->prompts : base->prompts;

	out->prompt_tok = calloc(n, sizeof(*out->prompt_tok));
	out->new_tok = calloc(n, sizeof(*out->new_tok));
	if (!out->prompt_tok || !out->new_tok)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u requests", n);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t new_tok = base->new_tok[i % base->prompts], most = settings->max_new;
		/* one that was cut off at the limit would have gone on, as far as is known */
		const int was_cut = base->stops_at_length || new_tok >= base->max_new;

		out->prompt_tok[i] = base->prompt_tok[i % base->prompts];
		out->new_tok[i] = most && (was_cut || new_tok > most) ? most : new_tok;
	}
	out->setup.prompt_tok = out->prompt_tok;
	out->setup.new_tok = out->new_tok;
	out->setup.n_requests = n;
	return LSB_OK;
}

/* When they arrive: as said, or as at the base point, where more of them come as those did. */
static int set_arrivals(const struct lsb_measured *base, const struct lsb_predict_settings *settings,
			struct lsb_plan_of_run *out, struct lsb_error *err)
{
	const size_t n = out->setup.n_requests, known = base->prompts;
	struct lsb_arrivals said = { .kind = LSB_ARRIVALS_CLOSED };
	uint64_t *times_ns;
	int rc = settings->arrivals ? lsb_arrivals_parse(settings->arrivals, &said, err) : LSB_OK;

	if (rc || (settings->arrivals ? said.kind == LSB_ARRIVALS_CLOSED : !base->arrival_s))
		return rc;
	if (said.kind == LSB_ARRIVALS_WORKLOAD)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"arrivals of the workload's own are known of the base point alone: leave them as "
			"they are, or name a file");
	out->arrival_s = calloc(n, sizeof(*out->arrival_s));
	times_ns = calloc(n, sizeof(*times_ns));
	if (!out->arrival_s || !times_ns)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the arrivals of %zu requests", n);
	if (rc == LSB_OK && settings->arrivals)
		rc = lsb_arrivals_times(&said, NULL, base->seed, times_ns, n, err);
	for (size_t i = 0; i < n && rc == LSB_OK; i++) {
		const double mean_gap =
			known > 1 && base->arrival_s ? base->arrival_s[known - 1] / (double)(known - 1) : 0;
		const double again = base->arrival_s ? base->arrival_s[known - 1] + mean_gap : 0;

		out->arrival_s[i] = settings->arrivals
					    ? (double)times_ns[i] * 1e-9
					    : base->arrival_s[i % known] + again * (double)(i / known);
	}
	free(times_ns);
	out->setup.arrival_s = out->arrival_s;
	return rc;
}

static void set_link(const struct lsb_measured *base, const struct lsb_predict_settings *settings,
		     struct lsb_plan_of_run *out)
{
	out->latency_s = base->delay_s;
	out->bytes_per_s = base->bytes_per_s;
	out->is_slowed = base->is_slowed && (base->delay_s > 0 || base->bytes_per_s > 0);
	if (settings->has_latency) {
		out->latency_s = settings->latency_s;
		out->replaces_link = 1;
	}
	if (settings->has_bandwidth) {
		out->bytes_per_s = settings->bytes_per_s;
		if (!settings->has_latency && !out->is_slowed)
			out->latency_s = out->model->latency_s;
		out->replaces_link = 1;
	}
}

static uint32_t either(uint32_t wanted, uint32_t otherwise)
{
	return wanted ? wanted : otherwise;
}

int lsb_run_plan(const struct lsb_measured *base, const struct lsb_model *model, double cores,
		 const struct lsb_predict_settings *settings, struct lsb_plan_of_run *out,
		 struct lsb_error *err)
{
	const uint32_t stages = either(settings->stages, base->stages);
	struct lsb_sim_setup *s = &out->setup;
	int rc;

	*out = (struct lsb_plan_of_run){ .model = model };
	s->stages = stages;
	s->replicas = either(settings->replicas, base->replicas);
	s->batch = either(settings->batch, base->batch);
	s->in_flight =
		either(settings->in_flight, base->in_flight == base->stages ? stages : base->in_flight);
	s->chunk = either(settings->chunk, base->chunk);
	s->is_continuous = base->is_continuous;
	s->is_dynamic = base->is_dynamic && s->replicas > 1;
	s->may_stop = !base->stops_at_length;
	s->is_async = base->is_async;
	s->ranks_per_machine = settings->apart ? 1 : base->ranks_per_machine;
	s->contention[0] = model->step.contention[0];
	s->contention[1] = model->step.contention[1];
	s->cores = cores;
	s->demand = isfinite(model->demand) ? model->demand : 0;
	s->costs = (struct lsb_sim_costs){
		.step_s = step_s, .hidden_s = hidden_s, .ids_s = ids_s, .hidden_drain_s = drain_s
	};
	s->costs.own_s[0] = stages == 1 || model->stages_max < 2
				    ? model->own_alone_s
				    : model->own_first_s + model->own_stage_s * (stages - 2.0);
	s->costs.own_s[1] = model->stages_max < 2 ? model->own_alone_s : model->own_later_s;
	set_link(base, settings, out);
	s->costs.wake_s = model->wake_s[out->is_slowed && !out->replaces_link];
	rc = set_layers(base, settings, out, err);
	if (rc == LSB_OK)
		rc = set_requests(base, settings, out, err);
	if (rc == LSB_OK)
		rc = set_arrivals(base, settings, out, err);
	if (rc)
		lsb_run_free(out);
	return rc;
}

int lsb_run_simulate(struct lsb_plan_of_run *run, struct lsb_sim_result *out, struct lsb_error *err)
{
	const struct lsb_sim_costs costs = run->setup.costs;
	int rc;

	run->setup.costs.user = run; /* which may have been moved since it was planned */
	run->setup.costs.claim_s = claim_s(run);
	if (run->free_overhead)
		run->setup.costs.own_s[0] = run->setup.costs.own_s[1] = run->setup.costs.wake_s = 0;
	rc = lsb_simulate(&run->setup, out, err);
	run->setup.costs = costs;
	return rc;
}

void lsb_run_free(struct lsb_plan_of_run *run)
{
	free(run->layers);
	free(run->prompt_tok);
	free(run->new_tok);
	free(run->arrival_s);
	*run = (struct lsb_plan_of_run){ 0 };
}

double lsb_run_judged_s(const struct lsb_plan_of_run *run, const struct lsb_sim_result *result)
{
	return run->setup.arrival_s ? result->e2e_s : result->run_s;
}
