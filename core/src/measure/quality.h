/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether other answers are worse ones: the workload's scores of two runs beside
 * each other, request by request. Pure.
 */
#ifndef LSB_QUALITY_H
#define LSB_QUALITY_H

#include <jansson.h>
#include <stddef.h>

/*
 * Scores of REQUEST objects `mine` [n] beside `theirs` [n], which answer the same
 * prompts: [{"name", "difference", "ci95", "n", "verdict"}] in the workload's order.
 * `difference` is the mean of mine - theirs over the `n` requests whose answers both
 * have that score; `ci95` Student's interval of it, null below 6; `verdict` is higher,
 * lower, no difference seen (0 is within the interval) or unknown (no interval). Entries
 * of either list may be NULL. New reference.
 */
json_t *lsb_quality_compare(const json_t *const *mine, const json_t *const *theirs, size_t n);

/* The score that a workload is judged by: the first that it gives. NULL without any. Borrowed. */
const json_t *lsb_quality_first(const json_t *scores);

#endif
