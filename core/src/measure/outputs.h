/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the answers of launches and points are the same tokens. Pure. */
#ifndef LSB_OUTPUTS_H
#define LSB_OUTPUTS_H

#include <jansson.h>

/* "outputs" of a point from its `launches`; the flag `nondeterministic` where they differ. */
void lsb_outputs_add(json_t *point, const json_t *launches);

/*
 * Set "equal_to_baseline" and what goes with it (docs/summary.md) of every point
 * beside its equal-batch baseline, and the flag `outputs_differ`. Points of weak
 * scaling repeat their baseline's prompts: each answer is compared with that of the
 * same prompt. `launches` are the journal's.
 */
void lsb_outputs_compare(const json_t *header, json_t *summary, const json_t *launches);

#endif
