/* SPDX-License-Identifier: Apache-2.0 */
/* Recommendations: what advice.c, which puts them together, and its parts share. Pure. */
#ifndef LSB_ADVICE_H
#define LSB_ADVICE_H

#include <jansson.h>

#include "measure/verdict.h"

#define LSB_ADVICE_NOTABLE 0.05 /* share of the run from which a loss is worth a recommendation */

/*
 * Complete `finding` and add it to `list`, or drop it where `gain` is not worth it. `basis`: "measured",
 * only of a difference that was seen, or "predicted". Takes `finding`, and `set`, which is malloc'ed or NULL.
 */
void lsb_advise(json_t *list, json_t *finding, const char *kind, const char *basis, double gain, char *set);

/* The point of an id; NULL when there is none. */
const json_t *lsb_advice_point(const json_t *summary, const json_t *id);

/* Share of the run that a loss of the point takes; 0: it is not known. */
double lsb_advice_share(const json_t *point, const char *term);

/* What the interval of a ratio of speeds says; unknown without one. */
enum lsb_verdict_kind lsb_advice_verdict(const json_t *ratio);

/* --- one point at a time; each adds what it has to say, if anything --- */

void lsb_advise_batch(const json_t *summary, const json_t *point, json_t *list); /* advice_batch.c */
void lsb_advise_larger_batch(const json_t *summary, const json_t *point, json_t *list);
void lsb_advise_batching(const json_t *summary, const json_t *point, json_t *list);
void lsb_advise_in_flight(const json_t *point, json_t *list);
void lsb_advise_split(const json_t *point, json_t *list); /* advice_pipeline.c */
void lsb_advise_transport(const json_t *summary, const json_t *point, json_t *list);
void lsb_advise_nodes(const json_t *summary, const json_t *point, json_t *list); /* advice_nodes.c */
void lsb_advise_replicas(const json_t *summary, const json_t *point, json_t *list);

#endif
