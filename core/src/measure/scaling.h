/* SPDX-License-Identifier: Apache-2.0 */
/* Speedup, efficiency and bounds of a summary's points against their baselines (docs/method.md). Pure. */
#ifndef LSB_SCALING_H
#define LSB_SCALING_H

#include <jansson.h>

/*
 * Set "scaling" of every point of `summary` whose case compares (docs/summary.md),
 * and the flags `unequal_work` and `confounded` where they hold.
 * `header` is the journal's.
 */
void lsb_scaling_add(const json_t *header, json_t *summary);

/* How the ranks of a point say that they waited for messages ("hybrid"); NULL when they do not tell. */
const char *lsb_wait_mode_told(const json_t *point);

/*
 * Whether two points wait for messages in the same way, as far as their ranks or
 * their suite tell. A point of one rank waits for nobody and agrees with all.
 */
int lsb_wait_modes_agree(const json_t *a, const json_t *b);

#endif
