/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the answers of launches and points are the same tokens. Pure. */
#ifndef LSB_OUTPUTS_H
#define LSB_OUTPUTS_H

#include <jansson.h>
#include <stddef.h>

/* "outputs" of a point from its `launches`; the flag `nondeterministic` where they differ. */
void lsb_outputs_add(json_t *point, const json_t *launches);

/*
 * Set "equal_to_baseline" and "comparisons" (docs/summary.md) of every point beside
 * its baselines, and the flags `outputs_differ` where tokens differ though the backend
 * declares that they do not, and `answers_differ` where they may but the answers are
 * not seen to be as good. Points of weak scaling repeat their baseline's prompts: each
 * answer is compared with that of the same prompt. `launches` are the journal's.
 */
void lsb_outputs_compare(const json_t *header, json_t *summary, const json_t *launches);

/* A point with the run that it is of. */
struct lsb_outputs_side {
	const json_t *header, *launches, *point;
};

/*
 * The same of any two points, of one run or of two that asked the same data: an entry
 * of "comparisons" without what it is against, or NULL where they were not asked the
 * same. New reference.
 */
json_t *lsb_outputs_pair(const struct lsb_outputs_side *mine, const struct lsb_outputs_side *baseline);

/* "rouge1: lower, -0.012 [-0.02, -0.003] on average" of a comparison with other tokens, into `to`. */
void lsb_outputs_say_quality(const json_t *comparison, char *to, size_t bytes);

/* Sentences of the executive summary on answers that are, and are not, the baselines'. */
void lsb_outputs_findings(const json_t *summary, json_t *list);

#endif
