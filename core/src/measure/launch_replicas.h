/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a launch's journal line that tells its replicas apart (docs/journal.md). Pure. */
#ifndef LSB_LAUNCH_REPLICAS_H
#define LSB_LAUNCH_REPLICAS_H

#include <jansson.h>

#include "measure/ledger.h"

/*
 * Say of each replica in `lost` (the journal's array) which requests were lost with
 * it: "requests". `table` [prompts] are the REQUEST objects by index, NULL where
 * nobody answered. LSB_EPEER when that is nobody's loss.
 */
int lsb_lost_requests(const json_t *point, const json_t *ranks, const json_t *const *table, json_t *lost,
		      struct lsb_error *err);

/*
 * One row a replica: what it was asked, completed and lost, its tokens as its
 * requests have them and as its ranks computed them, its latencies. `ranks` and
 * `records` by rank; `lost` with its requests. New reference; NULL without memory.
 */
json_t *lsb_launch_replicas(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
			    const json_t *lost);

#endif
