/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a point and what became of them, in all and by replica. Pure. */
#ifndef LSB_REPLICAS_H
#define LSB_REPLICAS_H

#include <jansson.h>

/*
 * points[].requests of docs/summary.md, over a point's launches that were measured,
 * those among them that lost a replica. JSON null without launches. New reference.
 */
json_t *lsb_requests_json(const json_t *point, const json_t *launches);

/* points[].per_replica, likewise. JSON null for a point of one replica. */
json_t *lsb_replicas_json(const json_t *point, const json_t *launches);

/*
 * points[].lost: a row for each rank of a replica that one of `launches` lost, with
 * what was known of it by then, and a sentence of it. New reference.
 */
json_t *lsb_lost_json(const json_t *launches);

/* Sentences for the executive summary: requests that failed, and replicas that are slower than others. */
void lsb_replicas_findings(const json_t *summary, json_t *list);

#endif
