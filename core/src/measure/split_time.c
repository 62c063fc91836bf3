/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/split_time.h"

#include <math.h>

#include "lsbench/host.h"

/* What the costs of a simulated run see. */
struct dealt {
	const struct lsb_layer_times *times;
	uint32_t stages, n_layers;
	uint32_t last; /* layers of the last stage; 0: each stage has an equal part of all, head included */
};

/* Layers of a stage when the last has `last`: the rest even, earlier stages first. */
static uint32_t layers_of(const struct dealt *d, uint32_t stage)
{
	const uint32_t others = d->stages - 1;

	if (stage == others)
		return d->last;
	return (d->n_layers - d->last) / others + (stage < (d->n_layers - d->last) % others);
}

/* A straight line through both sizes that were measured; for fewer tokens than both, through 0. */
static double layer_s(const struct lsb_layer_times *t, double tokens)
{
	if (t->chunk_tok <= t->batch_tok || tokens <= t->batch_tok)
		return t->batch_s * tokens / t->batch_tok;
	return t->batch_s +
	       (t->chunk_s - t->batch_s) * (tokens - t->batch_tok) / (double)(t->chunk_tok - t->batch_tok);
}

static double step_s(const void *user, uint32_t stage, const struct lsb_sim_step *step)
{
	const struct dealt *d = user;
	const double layer = lsb_sim_is_decode(step) || d->times->chunk_tok > d->times->batch_tok
				     ? layer_s(d->times, step->tokens)
				     : d->times->chunk_s * step->tokens / d->times->chunk_tok;
	const double head = d->times->head_s * step->outputs / d->times->batch_tok;

	if (d->last == 0)
		return (d->n_layers * layer + head) / d->stages;
	return layers_of(d, stage) * layer + (stage + 1 == d->stages ? head : 0);
}

static double no_time(const void *user, const struct lsb_sim_step *step)
{
	(void)user;
	(void)step;
	return 0;
}

static int simulate(const struct lsb_sim_setup *run, const struct dealt *d, double *run_s,
		    struct lsb_error *err)
{
	struct lsb_sim_setup setup = *run;
	struct lsb_sim_result result;
	int rc;

	setup.contention[0] = setup.contention[1] = 0;
	setup.cores = 0;
	setup.ended = NULL;
	setup.costs =
		(struct lsb_sim_costs){ .user = d, .step_s = step_s, .hidden_s = no_time, .ids_s = no_time };
	rc = lsb_simulate(&setup, &result, err);
	if (rc == LSB_OK) {
		*run_s = result.run_s;
		lsb_sim_result_free(&result);
	}
	return rc;
}

int lsb_split_by_time(const struct lsb_sim_setup *run, const struct lsb_layer_times *times, uint32_t n_layers,
		      uint32_t *layers, struct lsb_time_split *out, struct lsb_error *err)
{
	struct dealt d = { .times = times, .stages = run->stages, .n_layers = n_layers };
	uint32_t best = 0;
	int rc;

	if (run->stages < 2)
		return lsb_fail(err, LSB_EINVAL, 0, "one stage holds all layers");
	if (run->stages > n_layers)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"%u stages cannot share %u layers: each holds at least one (use fewer stages)",
			run->stages, n_layers);
	if (times->batch_tok == 0 || times->chunk_tok == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "times of steps without tokens");
	rc = simulate(run, &d, &out->even_s, err);
	for (uint32_t last = n_layers - run->stages + 1; last >= 1 && rc == LSB_OK; last--) {
		double run_s;

		d.last = last;
		rc = simulate(run, &d, &run_s, err);
		if (rc == LSB_OK && last == n_layers / run->stages)
			out->equal_s = run_s;
		if (rc == LSB_OK && (best == 0 || run_s < out->run_s * (1 - 1e-9))) {
			best = last;
			out->run_s = run_s;
		}
	}
	d.last = best;
	for (uint32_t i = 0; rc == LSB_OK && i < run->stages; i++)
		layers[i] = layers_of(&d, i);
	return rc;
}
