/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/split.h"

#include "lsbench/host.h"

struct lsb_split_cost lsb_split_cost(double layer_macs, double head_macs, double prompt_tok,
				     double generated_tok)
{
	return (struct lsb_split_cost){ .layer = layer_macs * (prompt_tok + generated_tok),
					.head = head_macs * generated_tok };
}

double lsb_split_stage_cost(const uint32_t *split, uint32_t stages, uint32_t stage, double layer_cost,
			    double head_cost)
{
	return split[stage] * layer_cost + (stage + 1 == stages ? head_cost : 0.0);
}

/*
 * Only the last stage differs from the others, so its layers decide: try each
 * number, spread the rest evenly, keep the best.
 */
int lsb_split_layers(uint32_t layers, uint32_t stages, double layer_cost, double head_cost, uint32_t *out,
		     struct lsb_error *err)
{
	const uint32_t others = stages - 1;
	uint32_t best = 0;
	double best_cost = 0.0;

	if (stages == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "a pipeline needs at least one stage");
	if (stages > layers)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"%u stages cannot share %u layers: each holds at least one (use fewer stages)",
			stages, layers);
	if (!(layer_cost >= 0.0) || !(head_cost >= 0.0))
		return lsb_fail(err, LSB_EINVAL, 0,
				"the costs of a layer and of the head must not be negative");
	if (others == 0) {
		out[0] = layers;
		return LSB_OK;
	}
	for (uint32_t last = layers - others; last >= 1; last--) {
		const uint32_t most = (layers - last + others - 1) / others;
		const double of_last = last * layer_cost + head_cost, of_others = most * layer_cost;
		const double cost = of_last > of_others ? of_last : of_others;

		if (best == 0 || cost < best_cost) {
			best = last;
			best_cost = cost;
		}
	}
	for (uint32_t s = 0; s < others; s++)
		out[s] = (layers - best) / others + (s < (layers - best) % others);
	out[others] = best;
	return LSB_OK;
}
