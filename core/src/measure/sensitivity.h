/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much link can a pipeline bear: points whose messages were slowed on purpose, measured beside predicted.
 * Pure.
 */
#ifndef LSB_SENSITIVITY_H
#define LSB_SENSITIVITY_H

#include <jansson.h>

/*
 * Set "link_sensitivity" of `summary` (docs/summary.md): a row for each point over
 * a link that transport-fault delays, or keeps to a bandwidth, for all messages
 * alike; empty unless there are two such links. Each point is predicted from all
 * others (predict.h). `header` and `launches` are the journal's.
 */
void lsb_link_sensitivity_add(const json_t *header, const json_t *launches, json_t *summary);

#endif
