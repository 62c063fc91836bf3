/* SPDX-License-Identifier: Apache-2.0 */
/* What is the matter with a point: flags, each with its reason (docs/summary.md lists them). Pure. */
#ifndef LSB_FLAGS_H
#define LSB_FLAGS_H

#include <jansson.h>

/* Add `flag` to a point once, with why (kept in "flag_reasons"). */
void lsb_point_flag(json_t *point, const char *flag, const char *reason);
/* The same, and where the flag is there already its reason grows: "one; other". */
void lsb_point_flag_more(json_t *point, const char *flag, const char *reason);
int lsb_point_has_flag(const json_t *point, const char *flag);

/* Flags that follow from the point's own launches `ok` and its `entry` in the journal's `header`. */
void lsb_flags_add(json_t *point, const json_t *header, const json_t *entry, const json_t *ok);

#endif
