/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layers each stage of a point holds, and why: as its suite says, as the run
 * that is resumed had them, by the times that layers and head take, or by their
 * arithmetic where nobody could time them.
 */
#ifndef LSB_LAUNCH_LAYERS_H
#define LSB_LAUNCH_LAYERS_H

#include <jansson.h>

#include "lsbench/host.h"
#include "suite/point.h"

/* Requests of a point, on average. */
struct lsb_mean_request {
	double prompt_tok, new_tok;
};

/* The members of the question "costs" (plugin/inspect.h) that the point decides; NULL: nothing to time. */
json_t *lsb_layers_question(const struct lsb_point *point, const json_t *answer,
			    const struct lsb_mean_request *mean, const uint32_t *cpus);

/*
 * Choose into layers[point->stages]. `answer` is to the question "plan", `costs` to
 * "costs": NULL, or {"waived"} or {"error"} with the reason, when there is none.
 * `recorded` is the point in the first line of the journal that is gone on with, or NULL. *how becomes the
 * journal's points[].split (docs/journal.md), a new reference, NULL where there was nothing to choose.
 * LSB_ESUITE: a split that does not fit the model.
 */
int lsb_layers_choose(const struct lsb_point *point, const json_t *answer,
		      const struct lsb_mean_request *mean, const json_t *costs, const json_t *recorded,
		      uint32_t *layers, json_t **how, struct lsb_error *err);

#endif
