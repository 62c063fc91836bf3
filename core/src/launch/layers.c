/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/split_time.h"
#include "suite/split.h"

enum {
	DEEPEST_TOK = 4096,	     /* of all prompts that are timed, a batch's */
	STAGE_BYTES_MAX = 512 << 20, /* of the layers that are timed: beyond any cache, and soon read */
	GROUPS_MAX = 4,		     /* that the run is gone through with, each lane's */
};
#define SHORTEST_S 20e-6 /* of a chunk through a stage; below it, times are the clock's and the caller's */

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* --- asking ------------------------------------------------------------------------------ */

/* Positions that sequences have when they are timed, and prompt tokens of a full step of them. */
static uint32_t positions_of(const struct lsb_point *point, const struct lsb_mean_request *mean)
{
	const double most = fmax(1, DEEPEST_TOK / point->batch);

	return (uint32_t)fmax(1, fmin(mean->prompt_tok, most));
}

static uint32_t chunk_of(const struct lsb_point *point, const struct lsb_mean_request *mean)
{
	return (uint32_t)fmin(point->chunk, (double)positions_of(point, mean) * point->batch);
}

json_t *lsb_layers_question(const struct lsb_point *point, const json_t *answer,
			    const struct lsb_mean_request *mean, const uint32_t *cpus)
{
	const json_t *model = json_object_get(answer, "model");
	const double all = number(model, "layers"), bytes = number(model, "layer_bytes");
	const double fit = bytes > 0 ? floor(STAGE_BYTES_MAX / bytes) : all;
	json_t *list;

	/* elsewhere, machines may be others than this one */
	if (point->stages < 2 || point->n_split || point->n_hosts || all < point->stages)
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < point->nodes * point->threads; i++)
		json_array_append_new(list, json_integer(cpus[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "model_layers", (json_int_t)all,
			 "layers", (json_int_t)fmax(1, fmin(fit, floor(all / point->stages))), "chunk",
			 (json_int_t)chunk_of(point, mean), "batch", (json_int_t)point->batch, "positions",
			 (json_int_t)positions_of(point, mean), "ranks", (json_int_t)point->nodes, "threads",
			 (json_int_t)point->threads, "cpus", list);
}

/* --- choosing ---------------------------------------------------------------------------- */

static int as_written(const struct lsb_point *point, uint32_t n_layers, uint32_t *layers,
		      struct lsb_error *err)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < point->n_split; i++)
		sum += point->split[i];
	if (point->n_split != point->stages || sum != n_layers)
		return lsb_fail(err, LSB_ESUITE, 0,
				"split gives %llu layers to %u stages, and the model has %u layers for %u",
				(unsigned long long)sum, point->n_split, n_layers, point->stages);
	memcpy(layers, point->split, point->n_split * sizeof(*layers));
	return LSB_OK;
}

/* The layers that a journal has for this point; 0 when it has none. */
static int as_recorded(const struct lsb_point *point, uint32_t n_layers, const json_t *recorded,
		       uint32_t *layers)
{
	const json_t *list = json_object_get(recorded, "layers"), *value;
	uint64_t sum = 0;
	size_t i;

	if (json_array_size(list) != point->stages)
		return 0;
	json_array_foreach(list, i, value)
	{
		const json_int_t n = json_integer_value(value);

		if (n < 1 || n > n_layers)
			return 0;
		layers[i] = (uint32_t)n;
		sum += (uint64_t)n;
	}
	return sum == n_layers;
}

/* Lengths of requests as the run will ask them: up to some groups of each lane, of one replica. */
static size_t take_requests(const struct lsb_point *point, const json_t *answer, uint32_t *prompt_tok,
			    uint32_t *new_tok, size_t room)
{
	const json_t *prompts = json_object_get(answer, "prompt_tokens");
	const json_t *limits = json_object_get(answer, "max_new");
	const size_t n_items = json_array_size(prompts);
	size_t n = 0;

	for (size_t i = 0; i < point->prompts && n < room; i += point->replicas) {
		const size_t item = i % point->distinct % n_items;
		const json_int_t prompt = json_integer_value(json_array_get(prompts, item));
		const json_int_t limit = json_integer_value(json_array_get(limits, item));

		prompt_tok[n] = prompt > 0 ? (uint32_t)prompt : 1;
		new_tok[n++] = limit > 0 && limit < point->max_new ? (uint32_t)limit : point->max_new;
	}
	return n;
}

static int by_time(const struct lsb_point *point, const json_t *answer, uint32_t n_layers,
		   const struct lsb_layer_times *times, uint32_t *layers, struct lsb_time_split *found,
		   struct lsb_error *err)
{
	const size_t room = (size_t)GROUPS_MAX * point->batch * point->in_flight;
	uint32_t *lengths = calloc(2 * room, sizeof(*lengths));
	struct lsb_sim_setup run = {
		.stages = point->stages,
		.replicas = 1,
		.batch = point->batch,
		.in_flight = point->in_flight,
		.chunk = point->chunk,
		.is_continuous = point->batching == LSB_BATCHING_CONTINUOUS,
		.prompt_tok = lengths,
		.new_tok = lengths + room,
	};
	int rc;

	if (!lengths)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to choose a split");
	run.n_requests = take_requests(point, answer, lengths, lengths + room, room);
	rc = lsb_split_by_time(&run, times, n_layers, layers, found, err);
	free(lengths);
	return rc;
}

/* Why there are no times to go by; NULL: there are. */
static const char *lacks_times(const json_t *costs, uint32_t layers_of_stage)
{
	const char *why = json_string_value(json_object_get(costs, "error"));

	if (!costs)
		return "the ranks may run on other machines";
	if (!why)
		why = json_string_value(json_object_get(costs, "waived"));
	if (!why && number(costs, "chunk_s") * layers_of_stage < SHORTEST_S)
		why = "steps are too short to be timed";
	return why;
}

int lsb_layers_choose(const struct lsb_point *point, const json_t *answer,
		      const struct lsb_mean_request *mean, const json_t *costs, const json_t *recorded,
		      uint32_t *layers, json_t **how, struct lsb_error *err)
{
	const json_t *model = json_object_get(answer, "model");
	const uint32_t n_layers = (uint32_t)json_integer_value(json_object_get(model, "layers"));
	struct lsb_layer_times times = { .chunk_tok = chunk_of(point, mean), .batch_tok = point->batch };
	struct lsb_time_split found;
	const char *why;
	int rc;

	*how = NULL;
	if (point->n_split)
		return as_written(point, n_layers, layers, err);
	if (point->stages == 1) {
		layers[0] = n_layers;
		return LSB_OK;
	}
	if (as_recorded(point, n_layers, recorded, layers)) {
		*how = json_incref(json_object_get(recorded, "split"));
		return LSB_OK;
	}
	why = lacks_times(costs, n_layers / point->stages);
	if (why) {
		const struct lsb_split_cost cost =
			lsb_split_cost(number(model, "layer_macs"), number(model, "head_macs"),
				       mean->prompt_tok, mean->new_tok);

		*how = json_pack("{s:s, s:s}", "by", "arithmetic", "why", why);
		rc = lsb_split_layers(n_layers, point->stages, cost.layer, cost.head, layers, err);
		return rc == LSB_EINVAL ? lsb_fail(err, LSB_ESUITE, 0, "%u stages for a model of %u layers",
						   point->stages, n_layers)
					: rc;
	}
	times.chunk_s = number(costs, "chunk_s");
	times.batch_s = number(costs, "batch_s");
	times.head_s = number(costs, "head_s");
	rc = by_time(point, answer, n_layers, &times, layers, &found, err);
	if (rc == LSB_OK)
		*how = json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "by", "time", "chunk_s",
				 times.chunk_s, "batch_s", times.batch_s, "head_s", times.head_s, "run_s",
				 found.run_s, "equal_s", found.equal_s, "even_s", found.even_s);
	return rc;
}
