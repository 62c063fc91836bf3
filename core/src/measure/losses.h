/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why p nodes are not p times as fast: the time of a run beside a p-th of its
 * baseline's, difference by difference. Pure.
 *
 *	run_s(p) = run_s(1) W / p + bubble + imbalance + transfer + late + overhead
 *	           + memory + compute + rest
 *
 * W is the work of the point over that of its baseline. Divided by run_s(p), the
 * terms are what is missing of the efficiency, and p times that what is missing of
 * the speedup. Bubble, imbalance, transfer and late are derive.h's; overhead and
 * compute are what exceeds the baseline's own; memory is the part of the latter
 * that reading at the same time explains (bounds.h); rest is what no term names.
 */
#ifndef LSB_LOSSES_H
#define LSB_LOSSES_H

#include <jansson.h>

/*
 * Add "losses" and "predicted" to the bounds of each point of `summary` (docs/summary.md), null where there
 * is no speedup against one node or nothing to take it apart by. After lsb_scaling_add.
 */
void lsb_losses_add(json_t *summary);

/*
 * What the term "imbalance" of `point` is called: "uneven stages", or of replicas of one stage "uneven
 * replicas".
 */
const char *lsb_losses_uneven(const json_t *point);

#endif
