/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the ranks of one launch sent to the numbers of its journal line.
 *
 * Pure: JSON and records in, JSON out (docs/journal.md).
 */
#ifndef LSB_LAUNCH_MEASURE_H
#define LSB_LAUNCH_MEASURE_H

#include <jansson.h>

#include "measure/ledger.h"

/*
 * Adds "metrics", "per_replica", "ledger", "settled" and "stage_times" to `line`, and
 * where no replica was lost "outputs_sha256". `point` is the journal's point object,
 * `ranks` the RANK objects by rank (null: of a replica in `lost`, whose requests have
 * failed and are added to it), `records` theirs in the same order. LSB_EPEER when the
 * ranks' figures do not reconcile.
 */
int lsb_measure_launch(const json_t *point, const json_t *ranks, const struct lsb_rank_records *records,
		       size_t n_ranks, json_t *lost, json_t *line, struct lsb_error *err);

/* Unit of a metric by its name: "s", "B", "1/s", "B/s", "J", "1". A string constant. */
const char *lsb_metric_unit(const char *name);

#endif
