/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points against points: of two runs, or of one.
 *
 * Points of two runs pair by id, which is a hash of their factors alone; what else
 * differs (program, plugins, model, machine) is listed. Points of one run pair when
 * they differ in one factor, or because they were named. The first of a pair is
 * the baseline and the second is judged (verdict.h). Pure.
 */
#ifndef LSB_COMPARE_H
#define LSB_COMPARE_H

#include <jansson.h>
#include <stddef.h>

#include "lsbench/types.h"

/*
 * A run: its results folder, the journal's first line, its summary (docs/summary.md)
 * and its launches, whose answers are compared where they differ. Borrowed.
 */
struct lsb_compare_run {
	const char *name;
	const json_t *header, *summary, *launches;
};

struct lsb_compare_options {
	/*
	 * Of one run: a factor whose values are compared, as "transport" or "transport=tcp,mpi"; or two
	 * points or cases (an id, a case, the start of a label). Neither: of two runs.
	 */
	const char *axis;
	const char *first, *second;
	const char *const *metrics; /* [n_metrics] */
	size_t n_metrics;
	double threshold; /* slower by more than this share fails: 0.05 for 5 % */
};

/*
 * `b` is NULL to compare within `a`. *out is a new object, COMPARISON of
 * docs/compare.md. LSB_ESUITE when the options name nothing that is there, or no
 * two points pair; LSB_ENOMEM.
 */
int lsb_compare_runs(const struct lsb_compare_run *a, const struct lsb_compare_run *b,
		     const struct lsb_compare_options *options, json_t **out, struct lsb_error *err);

#endif
