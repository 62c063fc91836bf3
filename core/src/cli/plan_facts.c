/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a point and what its plugins say, to its split, its cache and its work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "cli/plan.h"
#include "launch/arrivals.h"
#include "launch/memory.h"
#include "suite/split.h"

static double number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) && json_number_value(value) > 0 ? json_number_value(value) : 0.0;
}

/* Which of `n` workload items request i of the point asks. */
static size_t item_of(const struct lsb_point *p, uint32_t i, size_t n)
{
	return (i % p->distinct) % n;
}

/* New tokens of a request: the point's limit, or the workload's own if that is lower. */
static uint32_t new_tokens(const struct lsb_point *p, const json_t *limits, size_t item)
{
	const json_int_t own = json_integer_value(json_array_get(limits, item));

	return own > 0 && own < p->max_new ? (uint32_t)own : p->max_new;
}

static int count_tokens(const struct lsb_point *p, const json_t *reply, struct lsb_plan_facts *f,
			struct lsb_error *err)
{
	const json_t *tokens = json_object_get(reply, "prompt_tokens"),
		     *limits = json_object_get(reply, "max_new"), *cut = json_object_get(reply, "prompt_cut");
	const size_t n = json_array_size(tokens);
	double prompt = 0, generated = 0;

	if (n == 0)
		return lsb_fail(err, LSB_EPLUGIN, 0, "workload '%s' did not say how long its prompts are",
				p->workload.name);
	f->prompt_min_tok = f->generated_min_tok = UINT32_MAX;
	for (uint32_t i = 0; i < p->prompts; i++) {
		const size_t item = item_of(p, i, n);
		const json_int_t said = json_integer_value(json_array_get(tokens, item));
		const uint32_t length = said < 0 ? 0 : said > INT32_MAX ? INT32_MAX : (uint32_t)said;
		const uint32_t fresh = new_tokens(p, limits, item);
		const json_int_t own = json_integer_value(json_array_get(limits, item));

		prompt += length;
		generated += fresh;
		f->generated_min_tok = fresh < f->generated_min_tok ? fresh : f->generated_min_tok;
		f->generated_max_tok = fresh > f->generated_max_tok ? fresh : f->generated_max_tok;
		f->prompts_cut += json_is_true(json_array_get(cut, item));
		f->cut_max_new = own > p->max_new && own > f->cut_max_new ? own : f->cut_max_new;
		f->prompt_min_tok = length < f->prompt_min_tok ? length : f->prompt_min_tok;
		f->prompt_max_tok = length > f->prompt_max_tok ? length : f->prompt_max_tok;
		if ((uint64_t)length + fresh > f->wanted_context)
			f->wanted_context = (uint64_t)length + fresh;
	}
	f->prompt_mean_tok = prompt / p->prompts;
	f->generated_mean_tok = generated / p->prompts;
	return LSB_OK;
}

static const char *place_of_split(const struct lsb_point *p)
{
	for (size_t i = 0; i < p->n_values; i++)
		if (strcmp(p->values[i].key, "split") == 0)
			return p->values[i].where;
	return "default";
}

/* The split as written, which must be of this model, or by cost. */
static int choose_split(const struct lsb_point *p, uint32_t layers, struct lsb_split_cost cost,
			struct lsb_plan_facts *f, struct lsb_error *err)
{
	uint64_t sum = 0;
	struct lsb_error why;

	f->layers = calloc(p->stages, sizeof(*f->layers));
	f->stage_mac = calloc(p->stages, sizeof(*f->stage_mac));
	if (!f->layers || !f->stage_mac)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to plan");
	if (!p->split) {
		if (lsb_split_layers(layers, p->stages, cost.layer, cost.head, f->layers, &why))
			return lsb_fail(err, LSB_ESUITE, 0, "point '%s': %s", p->label, why.msg);
	} else {
		for (uint32_t s = 0; s < p->stages; s++) {
			f->layers[s] = p->split[s];
			sum += p->split[s];
		}
		if (sum != layers)
			return lsb_fail(err, LSB_ESUITE, 0, "%s: split has %llu layers, the model has %u",
					place_of_split(p), (unsigned long long)sum, layers);
	}
	for (uint32_t s = 0; s < p->stages; s++)
		f->stage_mac[s] = lsb_split_stage_cost(f->layers, p->stages, s, cost.layer, cost.head);
	return LSB_OK;
}

static void measure_cache(const struct lsb_point *p, const json_t *model, struct lsb_plan_facts *f)
{
	const uint64_t slots = (uint64_t)p->batch * p->in_flight;

	f->context = p->context ? p->context : f->wanted_context;
	f->model_context = (uint64_t)number_of(model, "context");
	f->kv_bytes_per_layer =
		(uint64_t)(number_of(model, "kv_bytes_per_position") * (double)f->context * (double)slots);
}

int lsb_plan_facts_find(const struct lsb_point *p, const json_t *reply, const struct lsb_plan_rate *rate,
			struct lsb_plan_facts *f, struct lsb_error *err)
{
	const json_t *model = json_object_get(reply, "model");
	struct lsb_split_cost cost;
	int rc;

	*f = (struct lsb_plan_facts){ .seconds = -1 };
	(void)snprintf(f->waived, sizeof(f->waived), "%s", lsb_cli_text(reply, "waived"));
	if (p->kind == LSB_CASE_LINK || *f->waived)
		return LSB_OK;
	if (number_of(model, "layers") < 1 || number_of(model, "layers") > UINT32_MAX)
		return lsb_fail(err, LSB_EPLUGIN, 0, "backend '%s' did not say what the model's shape is",
				p->backend.name);
	(void)snprintf(f->model_name, sizeof(f->model_name), "%s", lsb_cli_text(model, "name"));
	rc = count_tokens(p, reply, f, err);
	if (rc)
		return rc;
	cost = lsb_split_cost(number_of(model, "layer_macs"), number_of(model, "head_macs"),
			      f->prompt_mean_tok, f->generated_mean_tok);
	rc = choose_split(p, (uint32_t)number_of(model, "layers"), cost, f, err);
	if (rc) {
		lsb_plan_facts_free(f);
		return rc;
	}
	measure_cache(p, model, f);
	f->memory_bytes = lsb_point_memory(p, model, f->context, f->layers);
	for (uint32_t s = 0; s < p->stages; s++)
		f->mac += f->stage_mac[s] * p->prompts;
	if (rate->macs_per_s > 0)
		f->seconds = f->mac / (rate->macs_per_s * p->threads) / p->replicas;
	rc = lsb_check_arrivals(p, NULL, &f->arrivals_s, err);
	if (rc)
		lsb_plan_facts_free(f);
	if (f->seconds >= 0 && f->arrivals_s > f->seconds)
		f->seconds = f->arrivals_s; /* a launch takes as long as its requests take to arrive */
	return rc;
}

void lsb_plan_facts_free(struct lsb_plan_facts *f)
{
	free(f->layers);
	free(f->stage_mac);
	f->layers = NULL;
	f->stage_mac = NULL;
}
