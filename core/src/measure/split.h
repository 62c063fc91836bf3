/* SPDX-License-Identifier: Apache-2.0 */
/* Layers to stages so that none waits for another, from the times that stages took. Pure. */
#ifndef LSB_SPLIT_H
#define LSB_SPLIT_H

#include <jansson.h>

enum { LSB_SPLIT_STAGES_MAX = 64, LSB_SPLIT_TEXT = 512 };

struct lsb_split {
	size_t stages;
	unsigned layers[LSB_SPLIT_STAGES_MAX];
	double now_s,
		best_s; /* of the slowest stage in chunks, and in decode steps: as it was, as proposed */
	char now[LSB_SPLIT_TEXT]; /* the split as it was, "16+14" */
};

/*
 * Propose a split for a point of a summary with "work" and "layers". A layer takes
 * what it took on its stage (nodes may differ); the head what the last stage's time
 * exceeds its layers at the other stages' mean; in chunks of prompts and in decode
 * steps each. Where phases follow each other, a stage that is fast in one and slow in the other is no
 * faster for it, so the sum of both phases' slowest stages is made least. 0, or -1: nothing to propose.
 */
int lsb_split_propose(const json_t *point, struct lsb_split *out);

/* "17+13"; malloc'ed, NULL without memory. */
char *lsb_split_text(const struct lsb_split *split);

#endif
