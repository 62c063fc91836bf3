/* SPDX-License-Identifier: Apache-2.0 */
/* What compare.c and compare_pairs.c share; nobody else includes it. */
#ifndef LSB_COMPARE_PARTS_H
#define LSB_COMPARE_PARTS_H

#include <jansson.h>
#include <stddef.h>

#include "lsbench/types.h"

/* Two points of a summary, and what they are compared over. */
struct lsb_pair {
	const json_t *a, *b;
	char *what; /* owned */
};

struct lsb_pairs {
	struct lsb_pair *list;
	size_t n;
};

/* Points of equal id; what has no partner goes into `only_a`, `only_b` as labels. */
int lsb_pairs_of_runs(const json_t *a, const json_t *b, json_t *only_a, json_t *only_b, struct lsb_pairs *out,
		      struct lsb_error *err);
/* Points that differ in one factor ("KEY" or "KEY=A,B"): the first value against each other one. */
int lsb_pairs_of_axis(const json_t *summary, const char *axis, struct lsb_pairs *out, struct lsb_error *err);
/* Two points, or the points of two cases that have equal sweep values. */
int lsb_pairs_of_names(const json_t *summary, const char *first, const char *second, struct lsb_pairs *out,
		       struct lsb_error *err);
void lsb_pairs_free(struct lsb_pairs *pairs);

#endif
