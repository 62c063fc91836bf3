/* SPDX-License-Identifier: Apache-2.0 */
/* Which launches of a journal count for what. Pure; launches are lines of docs/journal.md. */
#ifndef LSB_CHOOSE_H
#define LSB_CHOOSE_H

#include <jansson.h>
#include <stddef.h>

/* {id of a point: [its launches, in order]}. New reference. */
json_t *lsb_launches_by_point(const json_t *launches);

/* Launches of one point's `all` that ended as `status`; of a round tried again the last. New reference. */
json_t *lsb_launches_with(const json_t *all, const char *status);

/* The launch whose run_s is nearest to the median: its ledger stands for the point. NULL: there is none. */
const json_t *lsb_launches_median(const json_t *ok);

/*
 * Those of one point's `all` that are measured by: that went well, and where none did that lost a replica.
 * New reference.
 */
json_t *lsb_launches_measured(const json_t *all);

/*
 * Members that summary and reports want only of few launches, NULL at the end, for
 * lsb_journal_read: what single tokens, steps and clocks did is most of a journal.
 * What begins to use one of all launches takes it off the list.
 */
extern const char *const lsb_launches_dispensable[];

/*
 * Indices, ascending, of the launches that are wanted with every member: of each
 * point the first that it is measured by, whose answers are compared, and the one that
 * stands for it. `out` has room for two a point of `header`. Returns how many.
 */
size_t lsb_launches_wanted(const json_t *header, const json_t *launches, size_t *out);

#endif
