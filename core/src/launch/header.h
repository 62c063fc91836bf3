/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's first line: what a run is. Pure but for the time of day.
 */
#ifndef LSB_HEADER_H
#define LSB_HEADER_H

#include "launch/prepare.h"

/* UTC now as "2026-11-22T05:45:29Z". */
void lsb_time_text(char out[32]);

/* docs/journal.md, line 1. `gated` (may be NULL) lists why the machine is unfit. New reference, or NULL. */
json_t *lsb_header_build(const struct lsb_prepared *p, uint64_t order_seed, int argc, char *const *argv,
			 json_t *gated);

/*
 * Whether a run that began as `before` may go on as `now`: LSB_OK, or LSB_EIO
 * naming everything that changed (suite, points, program, plugins, models, data).
 */
int lsb_header_compare(const json_t *before, const json_t *now, struct lsb_error *err);

#endif
