/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the answers of a launch are like: how long, how many are none, how good by
 * the workload's scores. A run may be fast because it says nothing. Pure.
 */
#ifndef LSB_ANSWERS_H
#define LSB_ANSWERS_H

#include <jansson.h>

/*
 * Set in a launch's `metrics`, over the completed requests of RANK objects `ranks`
 * (docs/journal.md):
 *
 *	answer_tokens_mean, _min, _p50, _max	generated tokens of an answer
 *	asked_tokens		sum of the requests' own limits, where all tell theirs
 *	empty_share		answers without a visible character
 *	at_once_share		answers that end with their first token, by the model's own will
 *	repeated_share		answers that end in a loop, see lsb_answer_is_repeated
 *	and each score by its name: the mean over the answers that have it, unless a
 *	metric of that name is there already
 */
void lsb_answers_measure(const json_t *ranks, json_t *metrics);

/*
 * Whether generated `ids` end in a loop: the same up to 16 tokens at least 3 times in
 * a row, over at least half of the answer and 12 tokens of it.
 */
int lsb_answer_is_repeated(const json_t *ids);

#endif
