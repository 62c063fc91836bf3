/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/predict.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/predict_parts.h"
#include "measure/statistics.h"

/* --- open ------------------------------------------------------------------------------ */

/* The point that `wanted` means: an id, a label or the start of one; n_points when there is none. */
static size_t find_base(const struct lsb_predictor *p, const char *wanted)
{
	size_t found = p->n_points;

	if (!wanted)
		return 0;
	for (size_t i = 0; i < p->n_points; i++)
		if (strcmp(p->points[i].id, wanted) == 0 || strcmp(p->points[i].label, wanted) == 0)
			return i;
	for (size_t i = p->n_points; i-- > 0;)
		if (strncmp(p->points[i].label, wanted, strlen(wanted)) == 0)
			found = i;
	return found;
}

static int read_points(struct lsb_predictor *p, struct lsb_error *err)
{
	const json_t *points = json_object_get(p->header, "points"), *point;
	size_t i;

	p->points = calloc(json_array_size(points) + 1, sizeof(*p->points));
	if (!p->points)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu points", json_array_size(points));
	json_array_foreach(points, i, point)
	{
		const int rc = lsb_measured_read(point, p->launches, &p->points[p->n_points]);

		if (rc < 0)
			return lsb_fail(err, rc, 0, "no memory for the launches of %s",
					json_string_value(json_object_get(point, "label")));
		p->n_points += rc == 1;
	}
	if (p->n_points == 0)
		return lsb_fail(err, LSB_EINVAL, 0,
				"no launch holds stage_times, which predictions are made from (a run of an "
				"older lsbench, or one without a launch that went well)");
	return LSB_OK;
}

int lsb_predictor_open(const json_t *header, const json_t *launches, const char *base, double cores,
		       struct lsb_predictor **out, struct lsb_error *err)
{
	struct lsb_predictor *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to predict");
	p->header = json_incref((json_t *)(uintptr_t)header);
	p->launches = json_incref((json_t *)(uintptr_t)launches);
	p->cores = cores;
	rc = read_points(p, err);
	if (rc == LSB_OK) {
		p->base = find_base(p, base);
		if (p->base == p->n_points)
			rc = lsb_fail(
				err, LSB_ESUITE, 0,
				"no point with good launches is called '%s'; the first one there is: '%s'",
				base, p->points[0].label);
	}
	if (rc == LSB_OK)
		*out = p;
	else
		lsb_predictor_close(p);
	return rc;
}

void lsb_predictor_close(struct lsb_predictor *p)
{
	if (!p)
		return;
	for (size_t i = 0; p->points && i < p->n_points; i++)
		lsb_measured_free(&p->points[i]);
	free(p->points);
	json_decref(p->header);
	json_decref(p->launches);
	free(p);
}

uint32_t lsb_predictor_replicas(const struct lsb_predictor *p)
{
	return p->points[p->base].replicas;
}

uint32_t lsb_predictor_layers(const struct lsb_predictor *p)
{
	const struct lsb_measured *m = &p->points[p->base];
	uint32_t layers = 0;

	for (uint32_t i = 0; i < m->stages; i++)
		layers += m->layers[i];
	return layers;
}

void lsb_predictor_macs(const struct lsb_predictor *p, double *layer, double *head)
{
	*layer = p->points[p->base].layer_macs;
	*head = p->points[p->base].head_macs;
}

void lsb_predictor_work(const struct lsb_predictor *p, double *prompt_tok, double *generated_tok)
{
	const struct lsb_measured *m = &p->points[p->base];

	*prompt_tok = *generated_tok = 0;
	for (uint32_t i = 0; i < m->prompts; i++) {
		*prompt_tok += (double)m->prompt_tok[i] / m->prompts;
		*generated_tok += (double)m->new_tok[i] / m->prompts;
	}
}

/* --- what the prediction leans on --------------------------------------------------------- */

static void note(json_t *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(json_t *notes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	json_array_append_new(notes, json_vsprintf(format, args));
	va_end(args);
}

/* Where the settings lie outside what was measured, and what the machine cannot give. */
static json_t *notes_of(const struct lsb_predictor *p, const struct lsb_plan_of_run *run,
			const struct lsb_predict_settings *settings)
{
	const struct lsb_sim_setup *s = &run->setup;
	const struct lsb_model *m = run->model;
	const double ranks = (double)s->stages * s->replicas, busy = ranks * s->demand;
	json_t *notes = json_array();

	if (s->stages > m->stages_max)
		note(notes, "outside what was measured: %u stages, pipelines of at most %.0f were run",
		     s->stages, m->stages_max);
	if (ranks > 1 && m->ranks_max < 2 && !settings->apart)
		note(notes,
		     "no run had several ranks on this machine: what they would do to each other (memory, "
		     "caches) is not known and left out");
	else if (ranks > m->ranks_max && !settings->apart && s->ranks_per_machine == 0)
		note(notes,
		     "outside what was measured: %.0f ranks on one machine, at most %.0f were run; what they "
		     "do to each other is taken to grow in proportion",
		     ranks, m->ranks_max);
	if (s->batch > m->batch_max || s->batch < m->batch_min)
		note(notes, "outside what was measured: batch %u, batches of %.0f to %.0f were run", s->batch,
		     m->batch_min, m->batch_max);
	if (s->in_flight > m->in_flight_max)
		note(notes, "outside what was measured: %u in flight, at most %.0f were run", s->in_flight,
		     m->in_flight_max);
	if (s->chunk > m->tokens_max)
		note(notes, "outside what was measured: chunks of %u tokens, steps had at most %.0f",
		     s->chunk, m->tokens_max);
	if (s->stages > 1 && !m->has_link && !run->replaces_link)
		note(notes, "no message on a plain link was timed: links are taken to cost nothing%s",
		     run->is_slowed ? " but what slows them down" : "");
	if (run->replaces_link)
		note(notes, "the link is the one given; own work and waking up are as measured here");
	if (settings->apart)
		note(notes, "each rank has a machine of its own, like this one: nothing is shared");
	else if (s->cores > 0 && s->ranks_per_machine == 0 && busy > s->cores + 0.5)
		note(notes, "%.0f ranks keep up to %.1f cores busy and the machine has %.0f: they take turns",
		     ranks, busy, s->cores);
	if (s->arrival_s)
		note(notes,
		     "requests arrive during the run: points are compared by the mean latency of a request "
		     "(e2e s), since arrivals decide how long the run takes");
	if (s->is_dynamic)
		note(notes, "replicas claim their requests; the dispatcher answers at once");
	if (p->points[p->base].is_partly_slowed)
		note(notes, "the point slows down one rank's messages, the prediction those of all");
	return notes;
}

/* --- a prediction --------------------------------------------------------------------------- */

static json_t *split_json(const struct lsb_plan_of_run *run)
{
	json_t *layers = json_array();

	for (uint32_t i = 0; i < run->setup.stages; i++)
		json_array_append_new(layers, json_integer(run->layers[i]));
	return layers;
}

static json_t *settings_json(const struct lsb_plan_of_run *run, const struct lsb_predict_settings *settings)
{
	const struct lsb_sim_setup *s = &run->setup;
	json_t *out = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:b}", "nodes",
				(int)(s->stages * s->replicas), "stages", (int)s->stages, "replicas",
				(int)s->replicas, "batch", (int)s->batch, "in_flight", (int)s->in_flight,
				"chunk", (int)s->chunk, "prompts", (int)s->n_requests, "layers",
				split_json(run), "apart", settings->apart);

	json_object_set_new(out, "balance", json_string(s->is_dynamic ? "dynamic" : "static"));
	if (s->arrival_s && s->n_requests > 1 && s->arrival_s[s->n_requests - 1] > 0)
		json_object_set_new(out, "offered_rps",
				    json_real((double)(s->n_requests - 1) / s->arrival_s[s->n_requests - 1]));

	if (run->replaces_link || run->is_slowed) {
		json_object_set_new(out, "link_latency_s", json_real(run->latency_s));
		json_object_set_new(out, "link_bytes_per_s",
				    run->bytes_per_s > 0 ? json_real(run->bytes_per_s) : json_null());
	}
	return out;
}

static json_t *ledger_json(const struct lsb_plan_of_run *run, const struct lsb_sim_result *r)
{
	json_t *ledger = json_array();
	const uint32_t stages = run->setup.stages;

	for (uint32_t i = 0; i < stages * run->setup.replicas; i++) {
		const struct lsb_sim_rank *l = &r->ranks[i];
		const double wall = l->compute_s + l->wait_s + l->transfer_s + l->overhead_s + l->idle_s;

		json_array_append_new(ledger, json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I}",
							"rank", (int)i, "stage", (int)(i % stages), "replica",
							(int)(i / stages), "compute_s", l->compute_s,
							"wait_s", l->wait_s, "transfer_s", l->transfer_s,
							"overhead_s", l->overhead_s, "idle_s", l->idle_s,
							"wall_s", wall, "steps", (json_int_t)l->steps));
	}
	return ledger;
}

/* What each cause costs: the run again, without it. Fills the cause that costs most into *out. */
static int add_gains(const struct lsb_plan_of_run *run, const struct lsb_sim_result *result, json_t *out,
		     struct lsb_error *err)
{
	static const struct {
		const char *name, *what;
	} causes[] = { { "link", "links that cost no time" },
		       { "overhead", "no own work, scheduling or waking up" },
		       { "imbalance", "stages that take equally long" },
		       { "sharing", "ranks that do not slow each other down" },
		       { "bubble", "twice as many groups in flight" } };
	json_t *gains = json_array();
	double most = 1, slowest = 0;
	const char *bottleneck = "compute";

	json_object_set_new(out, "gains", gains);
	for (size_t i = 0; i < LSB_COUNT(causes); i++) {
		struct lsb_plan_of_run other = *run;
		struct lsb_sim_result r;
		double gain;
		int rc;

		if (run->setup.stages * run->setup.replicas == 1 && i != 1)
			continue;
		other.free_link = i == 0;
		other.free_overhead = i == 1;
		other.balanced = i == 2;
		if (i == 3) {
			other.setup.contention[0] = other.setup.contention[1] = 0;
			other.setup.cores = 0;
		}
		other.setup.in_flight *= i == 4 ? 2 : 1;
		rc = lsb_run_simulate(&other, &r, err);
		if (rc)
			return rc;
		gain = lsb_run_judged_s(run, result) / lsb_run_judged_s(run, &r);
		lsb_sim_result_free(&r);
		json_array_append_new(gains, json_pack("{s:s, s:s, s:f}", "cause", causes[i].name, "without",
						       causes[i].what, "gain", gain));
		if (gain > most) {
			most = gain;
			bottleneck = causes[i].name;
		}
	}
	for (uint32_t i = 0; i < run->setup.stages * run->setup.replicas; i++)
		slowest = fmax(slowest, result->ranks[i].compute_s);
	/* What nobody can take away: the slowest stage computing all the time. */
	if (most < 1.05 || slowest > 0.95 * result->run_s)
		bottleneck = "compute";
	json_object_set_new(out, "bottleneck", json_string(bottleneck));
	json_object_set_new(out, "compute_share", json_real(slowest / result->run_s));
	return LSB_OK;
}

static json_t *base_json(const struct lsb_measured *m)
{
	return json_pack("{s:s, s:s, s:I, s:f, s:f, s:f}", "id", m->id, "label", m->label, "launches",
			 (json_int_t)m->n_launches, "run_s", m->run_s, "tokens_per_s", m->tokens_per_s,
			 "e2e_mean_s", m->e2e_s);
}

static json_t *model_json(const struct lsb_model *m)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "points",
			 (json_int_t)m->n_points, "residual", m->step.residual, "step_fixed_s",
			 m->step.fixed_s, "layer_decode_s", lsb_step_model_layer_s(&m->step, 1), "position_s",
			 m->step.position_s, "head_layers", m->step.head_layers, "contention_decode",
			 m->step.contention[0], "contention_prefill", m->step.contention[1], "link_latency_s",
			 m->latency_s, "link_byte_s", m->byte_s, "hidden_bytes", m->hidden_bytes);
}

int lsb_predict(const struct lsb_predictor *p, const struct lsb_predict_settings *settings, json_t **out,
		struct lsb_error *err)
{
	const struct lsb_measured *base = &p->points[p->base];
	struct lsb_plan_of_run run = { 0 };
	struct lsb_sim_result result = { 0 };
	struct lsb_model model;
	json_t *prediction = NULL;
	int rc = lsb_model_fit(p, p->base, SIZE_MAX, &model, err);

	if (rc == LSB_OK)
		rc = lsb_run_plan(base, &model, p->cores, settings, &run, err);
	if (rc == LSB_OK)
		rc = lsb_run_simulate(&run, &result, err);
	if (rc == LSB_OK) {
		prediction = json_pack("{s:o, s:o, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "base",
				       base_json(base), "settings", settings_json(&run, settings), "run_s",
				       result.run_s, "tokens_per_s", result.generated_tok / result.run_s,
				       "ttft_mean_s", result.ttft_s, "e2e_mean_s", result.e2e_s, "ledger",
				       ledger_json(&run, &result), "model", model_json(&model), "notes",
				       notes_of(p, &run, settings));
		rc = prediction ? add_gains(&run, &result, prediction, err)
				: lsb_fail(err, LSB_ENOMEM, 0, "no memory for a prediction");
	}
	lsb_sim_result_free(&result);
	lsb_run_free(&run);
	if (rc == LSB_OK)
		*out = prediction;
	else
		json_decref(prediction);
	return rc;
}

enum { HELD_OUT_MAX = 64 }; /* a fit each: of more points, evenly chosen ones */

/* --- held out -------------------------------------------------------------------------------- */

/* Point `which` from all others: its predicted run time and mean latency. */
static int predict_held_out(const struct lsb_predictor *p, size_t which, double *run_s, double *e2e_s,
			    struct lsb_error *err)
{
	static const struct lsb_predict_settings as_it_was;
	struct lsb_plan_of_run run = { 0 };
	struct lsb_sim_result result = { 0 };
	struct lsb_model model;
	int rc = lsb_model_fit(p, which, which, &model, err);

	if (rc == LSB_OK)
		rc = lsb_run_plan(&p->points[which], &model, p->cores, &as_it_was, &run, err);
	if (rc == LSB_OK)
		rc = lsb_run_simulate(&run, &result, err);
	*run_s = result.run_s;
	*e2e_s = result.e2e_s;
	lsb_sim_result_free(&result);
	lsb_run_free(&run);
	return rc;
}

int lsb_predict_holdout(const struct lsb_predictor *p, json_t **out, struct lsb_error *err)
{
	double *errors = malloc((p->n_points + 1) * sizeof(*errors));
	json_t *points = json_array();
	size_t n = 0, every;
	int rc = errors && points ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory to hold points out");

	every = p->n_points / HELD_OUT_MAX + 1;
	for (size_t i = 0; i < p->n_points && rc == LSB_OK; i += every) {
		const struct lsb_measured *m = &p->points[i];
		double run_s, e2e_s, error;

		if (strcmp(m->engine, p->points[p->base].engine) != 0 || m->is_partly_slowed)
			continue;
		if (predict_held_out(p, i, &run_s, &e2e_s, err)) {
			/* the only one of its engine: nothing to predict it from */
			rc = err->code == LSB_ENOMEM ? LSB_ENOMEM : LSB_OK;
			*err = (struct lsb_error){ 0 };
			continue;
		}
		/* Where requests arrive during the run, these decide how long it takes. */
		error = m->arrival_s && m->e2e_s > 0 ? e2e_s / m->e2e_s - 1 : run_s / m->run_s - 1;
		errors[n++] = fabs(error);
		json_array_append_new(
			points, json_pack("{s:s, s:s, s:I, s:s, s:f, s:f, s:f, s:f, s:[f, f], s:f}", "id",
					  m->id, "label", m->label, "launches", (json_int_t)m->n_launches,
					  "of", m->arrival_s ? "e2e_mean_s" : "run_s", "measured_run_s",
					  m->run_s, "predicted_run_s", run_s, "measured_e2e_mean_s", m->e2e_s,
					  "predicted_e2e_mean_s", e2e_s, "measured_range",
					  m->arrival_s ? m->e2e_least_s : m->run_least_s,
					  m->arrival_s ? m->e2e_most_s : m->run_most_s, "error", error));
	}
	if (rc == LSB_OK) {
		if (n)
			lsb_sort(errors, n);
		*out = json_pack("{s:o, s:o, s:o}", "points", json_incref(points), "median_error",
				 n ? json_real(lsb_median(errors, n)) : json_null(), "worst_error",
				 n ? json_real(errors[n - 1]) : json_null());
	}
	json_decref(points);
	free(errors);
	return rc;
}
