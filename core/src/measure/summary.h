/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a journal to summary.json: every number that a report may print.
 *
 * Pure: JSON in, JSON out, and the same out for the same in. The layout is the
 * contract of docs/summary.md; report/ renders it and computes nothing of its own.
 */
#ifndef LSB_SUMMARY_H
#define LSB_SUMMARY_H

#include <jansson.h>

#include "lsbench/types.h"

/*
 * `header` is the journal's first line, `launches` an array of all others. When
 * the last of them is an interrupted one, points that lack launches are marked
 * interrupted instead of incomplete. On success *out is a new reference.
 */
int lsb_summary_build(const json_t *header, const json_t *launches, json_t **out, struct lsb_error *err);

/* A point of a summary, or of a journal's first line, by id; NULL when there is none. */
json_t *lsb_summary_point(const json_t *summary, const char *id);

#endif
