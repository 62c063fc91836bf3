/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layers each stage of a pipeline holds. Pure.
 *
 * A stage costs its layers; the last one costs the output head as well, which
 * for a small model with a large vocabulary is worth several layers.
 */
#ifndef LSB_SPLIT_H
#define LSB_SPLIT_H

#include <stdint.h>

#include "lsbench/types.h"

/* What an average request costs, in multiply-accumulates: each layer, and the head. */
struct lsb_split_cost {
	double layer, head;
};

/*
 * layer = layer_macs (prompt_tok + generated_tok): every token passes each layer;
 * head = head_macs generated_tok: only tokens that are sampled pass the head.
 * Attention to earlier positions is left out: it is equal for all layers.
 */
struct lsb_split_cost lsb_split_cost(double layer_macs, double head_macs, double prompt_tok,
				     double generated_tok);

/*
 * Contiguous layers per stage into out[stages], each at least 1, so that the
 * costliest stage costs as little as possible; among those with the most
 * layers on the last stage, the rest even, earlier stages first. Costs in any
 * unit, not negative. 0, or LSB_EINVAL: no stage, or more stages than layers.
 */
int lsb_split_layers(uint32_t layers, uint32_t stages, double layer_cost, double head_cost, uint32_t *out,
		     struct lsb_error *err);

/* The cost of stage `stage` of a split. */
double lsb_split_stage_cost(const uint32_t *split, uint32_t stages, uint32_t stage, double layer_cost,
			    double head_cost);

#endif
