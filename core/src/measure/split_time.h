/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layers each stage of a pipeline holds, by what they take. Pure.
 *
 * Layers are whole, and a stage that has its share of the chunks of prompts has
 * more than its share of decode steps where the head is heavy: which of both
 * counts for more depends on the prompts, the batch and the schedule. So the run
 * is gone through (simulate.h) for each number of layers of the last stage, the
 * others even, and the shortest is taken.
 */
#ifndef LSB_SPLIT_TIME_H
#define LSB_SPLIT_TIME_H

#include "measure/simulate.h"

/* Times of steps, in any unit: of one layer for a chunk, and for a batch; of the head for a batch. */
struct lsb_layer_times {
	double chunk_s, batch_s, head_s;
	uint32_t chunk_tok, batch_tok;
};

struct lsb_time_split {
	double run_s;	/* of the run with the split found, messages and sharing left out */
	double equal_s; /* with as many layers on each stage, as nearly as that can be */
	double even_s;	/* were each step the same on all stages, which whole layers may not allow */
};

/*
 * Fill layers[run->stages], each at least 1. `run` lends its schedule and requests;
 * its costs are not looked at. LSB_EINVAL: fewer than two stages, more than
 * layers, or a run that cannot be; LSB_ENOMEM.
 */
int lsb_split_by_time(const struct lsb_sim_setup *run, const struct lsb_layer_times *times, uint32_t n_layers,
		      uint32_t *layers, struct lsb_time_split *out, struct lsb_error *err);

#endif
