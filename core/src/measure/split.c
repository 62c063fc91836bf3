/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/look.h"

/* What was measured of each stage. */
struct stages {
	size_t n;
	unsigned total;
	unsigned layers[LSB_SPLIT_STAGES_MAX];
	double layer_s[LSB_SPLIT_STAGES_MAX]; /* of one layer on this stage */
	double head_s;			      /* on the last stage, beside its layers */
};

static double compute_of(const json_t *row)
{
	return lsb_look_number(json_object_get(row, "decode"), "compute_s") +
	       lsb_look_number(json_object_get(row, "prefill"), "compute_s");
}

/* The first pipeline's stages; -1 when they are not known. */
static int read_stages(const json_t *point, struct stages *out)
{
	const json_t *layers = json_object_get(point, "layers"), *work = json_object_get(point, "work");
	double others_s = 0, others = 0;

	*out = (struct stages){ .n = json_array_size(layers) };
	if (out->n < 2 || out->n > LSB_SPLIT_STAGES_MAX || json_array_size(work) < out->n)
		return -1;
	for (size_t k = 0; k < out->n; k++) {
		const json_int_t n = json_integer_value(json_array_get(layers, k));
		const double compute_s = compute_of(json_array_get(work, k));

		if (n < 1 || n > 65535 || !(compute_s > 0))
			return -1;
		out->layers[k] = (unsigned)n;
		out->total += (unsigned)n;
		out->layer_s[k] = compute_s / (double)n;
		if (k + 1 < out->n) {
			others_s += compute_s;
			others += (double)n;
		}
	}
	/* the last stage holds the head too: its layers are taken to be like the others' */
	out->head_s =
		compute_of(json_array_get(work, out->n - 1)) - others_s / others * out->layers[out->n - 1];
	if (out->head_s > 0)
		out->layer_s[out->n - 1] = others_s / others;
	else
		out->head_s = 0;
	return 0;
}

static double stage_s(const struct stages *stages, size_t k, unsigned layers)
{
	return stages->layer_s[k] * layers + (k + 1 == stages->n ? stages->head_s : 0);
}

/* Layer by layer to the stage that would then be done first: least largest time for equal pieces. */
static void deal(const struct stages *stages, struct lsb_split *out)
{
	unsigned left = stages->total - (unsigned)stages->n;

	for (size_t k = 0; k < stages->n; k++)
		out->layers[k] = 1;
	for (; left; left--) {
		size_t best = 0;

		for (size_t k = 1; k < stages->n; k++)
			if (stage_s(stages, k, out->layers[k] + 1) <
			    stage_s(stages, best, out->layers[best] + 1))
				best = k;
		out->layers[best]++;
	}
}

static double slowest(const struct stages *stages, const unsigned *layers)
{
	double most = 0;

	for (size_t k = 0; k < stages->n; k++)
		most = fmax(most, stage_s(stages, k, layers[k]));
	return most;
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
	out->now_s = slowest(&stages, stages.layers);
	out->best_s = slowest(&stages, out->layers);
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
