/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that cannot be right, or say something else than they seem to: the rules
 * of method.md section 7, each looked for in a summary. What breaks one gets the
 * flag `implausible` with the reason. Pure.
 */
#ifndef LSB_PLAUSIBLE_H
#define LSB_PLAUSIBLE_H

#include <jansson.h>

/*
 * All rules on `summary`, which has scaling, bounds and losses; `header` is the
 * journal's: [{"name", "rule", "looked_at": points it applies to, "fired":
 * [{"point": id, "reason"}]}]. Sets flags. New reference.
 */
json_t *lsb_plausible_checks(const json_t *header, json_t *summary);

#endif
