/* SPDX-License-Identifier: Apache-2.0 */
/* Speedup, efficiency and bounds of a summary's points against their baselines: method.md sections 5 to 7.
 * Pure. */
#ifndef LSB_SCALING_H
#define LSB_SCALING_H

#include <jansson.h>

/*
 * Add "scaling" to every point of `summary` whose case compares, and the flags
 * `unequal_work` and `implausible` where they hold. `header` is the journal's.
 */
void lsb_scaling_add(const json_t *header, json_t *summary);

/* Add `flag` to a point once, with why (kept in "flag_reasons"). */
void lsb_point_flag(json_t *point, const char *flag, const char *reason);

#endif
