/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of time intervals, ascending and without overlap once merged: union, difference, length in a window.
 */
#ifndef LSB_SPANS_H
#define LSB_SPANS_H

#include <stddef.h>
#include <stdint.h>

/* [from, to) in nanoseconds. */
struct lsb_interval_ns {
	uint64_t from, to;
};

struct lsb_spans {
	struct lsb_interval_ns *list; /* [n], owned */
	size_t n, room;
};

/* Append one interval; an empty or reversed one is left out. 0, or -1 without memory. */
int lsb_spans_add(struct lsb_spans *spans, uint64_t from, uint64_t to);
void lsb_spans_free(struct lsb_spans *spans);

/* Make ascending and free of overlap, in place. */
void lsb_spans_merge(struct lsb_spans *spans);
/* Both merged: remove from `spans` what lies under `other`. 0, or -1 without memory. */
int lsb_spans_subtract(struct lsb_spans *spans, const struct lsb_spans *other);
/* Both merged: `spans` becomes the union. 0, or -1 without memory. */
int lsb_spans_unite(struct lsb_spans *spans, const struct lsb_spans *other);

/* Of merged spans: index of the first that ends after `at`; n if there is none. */
size_t lsb_spans_find(const struct lsb_spans *spans, uint64_t at);
/* Nanoseconds of [from, to] that lie under merged spans. */
uint64_t lsb_spans_under(const struct lsb_spans *spans, uint64_t from, uint64_t to);

#endif
