/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes of equal role beside each other: are they alike? Told only by a test over
 * launches; values of one launch are never taken for independent samples. Also how
 * a launch begins, before it is warm. Pure.
 */
#ifndef LSB_SYMMETRY_H
#define LSB_SYMMETRY_H

#include <jansson.h>

/*
 * points[].symmetry of docs/summary.md, of a point's `launches`: replicas by their
 * tokens a second, stages by the time that a byte of weights and keys takes them in
 * decode (stages hold unequal parts). JSON null for a point of one rank. New reference.
 */
json_t *lsb_symmetry_json(const json_t *point, const json_t *launches);

/* points[].cold, likewise: medians over launches of what happens once. JSON null without launches. */
json_t *lsb_cold_json(const json_t *point, const json_t *launches);

#endif
