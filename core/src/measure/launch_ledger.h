/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a launch's journal line that comes from its step records (docs/journal.md). Pure. */
#ifndef LSB_LAUNCH_LEDGER_H
#define LSB_LAUNCH_LEDGER_H

#include <jansson.h>

#include "measure/clock.h"

/* One pipeline of a launch: its ranks' records, and its run on rank 0's clock. */
struct lsb_pipeline {
	const struct lsb_rank_records *stages; /* [n] */
	size_t n;
	uint64_t t0_ns, t1_ns; /* first request admitted, last answer complete */
};

/*
 * The pipeline whose first stage is ranks[first]. `ranks` are the RANK objects,
 * `records` theirs on rank 0's clock. LSB_EPEER when its run ends before it begins.
 */
int lsb_pipeline_of(const json_t *ranks, const struct lsb_rank_records *records,
		    const struct lsb_clock *clocks, size_t first, size_t stages, struct lsb_pipeline *out,
		    struct lsb_error *err);

/*
 * Add "ledger", "steps", "clocks" and "settled" to `line`, and what they come to
 * to `metrics`: of the ranks that told, those of a lost replica are null in `ranks`.
 * `records` are on rank 0's clock.
 */
int lsb_launch_ledger(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
		      const struct lsb_clock *clocks, size_t n_ranks, json_t *line, json_t *metrics,
		      struct lsb_error *err);

#endif
