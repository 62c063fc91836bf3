/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/look.h"

enum { DECODE, CHUNKS, PHASES };

/* What was measured of each stage, phase by phase: decode steps, and chunks of prompts. */
struct stages {
	size_t n;
	unsigned total;
	unsigned layers[LSB_SPLIT_STAGES_MAX];
	double layer_s[PHASES][LSB_SPLIT_STAGES_MAX]; /* of one layer on this stage */
	double head_s[PHASES];			      /* on the last stage, beside its layers */
};

static double compute_of(const json_t *row, int phase)
{
	return lsb_look_number(json_object_get(row, phase == DECODE ? "decode" : "prefill"), "compute_s");
}

/* Times of one phase; the last stage holds the head too: its layers are taken to be like the others'. */
static void read_phase(const json_t *work, int phase, struct stages *out)
{
	const size_t last = out->n - 1;
	const double last_s = compute_of(json_array_get(work, last), phase);
	double others_s = 0;

	for (size_t k = 0; k < out->n; k++) {
		const double compute_s = compute_of(json_array_get(work, k), phase);

		out->layer_s[phase][k] = compute_s / out->layers[k];
		others_s += k < last ? compute_s : 0;
	}
	others_s /= out->total - out->layers[last];
	out->head_s[phase] = fmax(0, last_s - others_s * out->layers[last]);
	if (out->head_s[phase] > 0)
		out->layer_s[phase][last] = others_s;
}

/* The first pipeline's stages; -1 when they are not known. */
static int read_stages(const json_t *point, struct stages *out)
{
	const json_t *layers = json_object_get(point, "layers"), *work = json_object_get(point, "work");

	*out = (struct stages){ .n = json_array_size(layers) };
	if (out->n < 2 || out->n > LSB_SPLIT_STAGES_MAX || json_array_size(work) < out->n)
		return -1;
	for (size_t k = 0; k < out->n; k++) {
		const json_int_t n = json_integer_value(json_array_get(layers, k));
		const json_t *row = json_array_get(work, k);

		if (n < 1 || n > 65535 || !(compute_of(row, DECODE) + compute_of(row, CHUNKS) > 0))
			return -1;
		out->layers[k] = (unsigned)n;
		out->total += (unsigned)n;
	}
	for (int phase = 0; phase < PHASES; phase++)
		read_phase(work, phase, out);
	return 0;
}

static double stage_s(const struct stages *stages, int phase, size_t k, unsigned layers)
{
	return stages->layer_s[phase][k] * layers + (k + 1 == stages->n ? stages->head_s[phase] : 0);
}

/* Each phase takes what its slowest stage does: what one wins in the other phase does not help it. */
static double slowest(const struct stages *stages, const unsigned *layers)
{
	double sum_s = 0;

	for (int phase = 0; phase < PHASES; phase++) {
		double most_s = 0;

		for (size_t k = 0; k < stages->n; k++)
			most_s = fmax(most_s, stage_s(stages, phase, k, layers[k]));
		sum_s += most_s;
	}
	return sum_s;
}

/*
 * What deal() makes least: slowest(), and next to nothing for unevenness, which leads past stages that are
 * equally slow, where no single layer makes a difference.
 */
static double badness(const struct stages *stages, const unsigned *layers)
{
	const double slowest_s = slowest(stages, layers);
	double squares = 0;

	for (int phase = 0; phase < PHASES; phase++)
		for (size_t k = 0; k < stages->n; k++)
			squares += pow(stage_s(stages, phase, k, layers[k]), 2);
	return slowest_s + 1e-6 * squares / slowest_s;
}

/* The move of one layer that helps most into *from and *to; 0: none helps. */
static int best_move(const struct stages *stages, unsigned *layers, size_t *from, size_t *to)
{
	double least = badness(stages, layers) * (1 - 1e-12);
	int found = 0;

	for (size_t a = 0; a < stages->n; a++)
		for (size_t b = 0; b < stages->n && layers[a] > 1; b++) {
			double bad;

			layers[a]--;
			layers[b]++;
			bad = badness(stages, layers);
			layers[a]++;
			layers[b]--;
			if (bad >= least)
				continue;
			least = bad;
			*from = a;
			*to = b;
			found = 1;
		}
	return found;
}

/* Move layers one by one as long as that helps. */
static void deal(const struct stages *stages, struct lsb_split *out)
{
	size_t from, to;

	memcpy(out->layers, stages->layers, sizeof(stages->layers));
	while (best_move(stages, out->layers, &from, &to)) {
		out->layers[from]--;
		out->layers[to]++;
	}
	out->now_s = slowest(stages, stages->layers);
	out->best_s = slowest(stages, out->layers);
}

static char *layers_text(const unsigned *layers, size_t n)
{
	struct lsb_text text = { 0 };

	for (size_t k = 0; k < n; k++)
		lsb_text_add(&text, "%s%u", k ? "+" : "", layers[k]);
	if (text.failed)
		lsb_text_free(&text);
	return text.data;
}

int lsb_split_propose(const json_t *point, struct lsb_split *out)
{
	struct stages stages;
	char *now;

	*out = (struct lsb_split){ 0 };
	if (read_stages(point, &stages))
		return -1;
	out->stages = stages.n;
	deal(&stages, out);
	now = layers_text(stages.layers, stages.n);
	if (now)
		(void)snprintf(out->now, sizeof(out->now), "%s", now);
	free(now);
	return memcmp(out->layers, stages.layers, stages.n * sizeof(*out->layers)) == 0 ||
			       out->best_s >= out->now_s
		       ? -1
		       : 0;
}

char *lsb_split_text(const struct lsb_split *split)
{
	return layers_text(split->layers, split->stages);
}
