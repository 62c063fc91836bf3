/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a step takes, learned from steps that were measured.
 *
 *	t = (fixed + layers (f(tokens) + c positions) + head f(outputs)) (1 + k busy)
 *
 * f is a layer's time for so many tokens: straight lines between the sizes that
 * were seen, since no formula holds for all kernels. `head` is the last stage's
 * work beyond its layers, in layers. k is what each other rank that computes on
 * the same machine costs, of decode steps and of chunks of prompts. Pure.
 */
#ifndef LSB_STEP_MODEL_H
#define LSB_STEP_MODEL_H

#include <stddef.h>

#include "lsbench/types.h"

enum { LSB_STEP_KNOTS = 40 };

/* Some steps of about one size, as stage_times.h tells them. */
struct lsb_step_sample {
	double layers;			   /* that the stage holds */
	int is_last;			   /* the stage has the head */
	double tokens, outputs, positions; /* of a step */
	double busy;			   /* other ranks of the machine that computed meanwhile */
	double seconds, weight;		   /* of a step; how much it counts, above 0 */
};

struct lsb_step_model {
	size_t n_knots;
	double knot_tok[LSB_STEP_KNOTS], layer_s[LSB_STEP_KNOTS]; /* f at each knot, ascending in tokens */
	double fixed_s, position_s, head_layers;
	double contention[2]; /* k: of decode steps, of chunks */
	double residual;      /* median of |predicted - measured| / measured over the samples */
};

/*
 * Least absolute relative error. `head_layers` is what the head should weigh
 * where the samples cannot tell (bytes of the head over bytes of a layer). Terms
 * that the samples do not show stay 0. LSB_EINVAL without samples, LSB_ENOMEM.
 */
int lsb_step_model_fit(const struct lsb_step_sample *samples, size_t n, double head_layers,
		       struct lsb_step_model *out, struct lsb_error *err);

/* Time of a layer for so many tokens, at position 0. */
double lsb_step_model_layer_s(const struct lsb_step_model *model, double tokens);
/* Time of a step on a stage of `layers`, alone on its machine. */
double lsb_step_model_s(const struct lsb_step_model *model, double layers, int is_last, double tokens,
			double outputs, double positions);

#endif
