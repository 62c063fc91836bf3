/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep_records = median: of each point's step records only those of the launch
 * that stands for it stay on disk.
 *
 * Which one that is shows at the end; until then the files of all launches that
 * may still become it are there. What was noted is all that is needed, so a run
 * that was killed goes on from its journal.
 */
#ifndef LSB_LAUNCH_KEEP_H
#define LSB_LAUNCH_KEEP_H

#include <jansson.h>

#include "lsbench/types.h"

struct lsb_kept {
	struct lsb_kept_point {
		double *run_s;	   /* [n] */
		int64_t *launches; /* [n] */
		size_t n, room;
	} * points; /* [n_points], owned */
	size_t n_points;
};

int lsb_kept_open(struct lsb_kept *kept, size_t n_points, struct lsb_error *err);
void lsb_kept_close(struct lsb_kept *kept);

/* A launch of `point` is in the journal as `line`; one that is not ok, or without records, is left out. */
int lsb_kept_note(struct lsb_kept *kept, size_t point, const json_t *line, struct lsb_error *err);
/* Delete the records in `folder` of noted launches that cannot stand for `point` though `left` more come. */
void lsb_kept_prune(const struct lsb_kept *kept, size_t point, size_t left, const char *folder);

#endif
