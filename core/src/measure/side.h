/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of one factor side by side, as a suite's [report] compare asks for it:
 * the verdicts of compare.h within the run, for its own report. Pure.
 */
#ifndef LSB_SIDE_H
#define LSB_SIDE_H

#include <jansson.h>

/*
 * "side_by_side" of docs/summary.md, of a `summary` whose points are complete;
 * `header` and `launches` are the journal's. json_null() when the suite compares nothing. New reference.
 */
json_t *lsb_side_by_side(const json_t *header, const json_t *summary, const json_t *launches);

/* What it says, as findings (findings.h), onto `list`. */
void lsb_side_findings(const json_t *summary, json_t *list);

#endif
