/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launches of kind = link: what each pair of ranks measured, to metrics and to
 * the summary's curves (docs/journal.md, docs/summary.md). Pure.
 */
#ifndef LSB_LINKS_H
#define LSB_LINKS_H

#include <jansson.h>

#include "lsbench/types.h"

/*
 * Fill `metrics` from the "links" rows of `ranks`: latency_BYTES_s,
 * bandwidth_BYTES_bps and messages_BYTES_per_s, each the mean over all ordered
 * pairs of ranks; latency_s and messages_per_s of the smallest size and
 * bandwidth_bps of the largest. LSB_EPEER when a rank gave no rows, or other sizes.
 */
int lsb_links_measure(const json_t *ranks, json_t *metrics, struct lsb_error *err);

/* "links" of a summary's point from its launches that are ok; new reference, json_null() without any. */
json_t *lsb_links_summary(const json_t *launches);

#endif
