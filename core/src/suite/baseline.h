/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which point another one is measured against. Pure.
 *
 * A candidate agrees in everything that is not the question: model, split of
 * the work into requests, backend, workload, sampling, threads; of several nodes
 * transport too. One rank uses no link, so its transport is not compared, nor is the
 * launcher, a difference in which is for the report to flag. Among several, one of the same case
 * comes first, then fewer groups in flight, then the earlier.
 *
 * Under kind = weak a one-node baseline has prompts / nodes of the prompts, and
 * the same distinct ones; otherwise the same number.
 */
#ifndef LSB_BASELINE_H
#define LSB_BASELINE_H

#include <stddef.h>

#include "suite/point.h"

/* Indices into the points, -1 for none. A one-node point may be its own baseline. */
struct lsb_baselines {
	ptrdiff_t equal_batch;	     /* one node, the same batch */
	ptrdiff_t equal_concurrency; /* one node, one group of batch x in_flight x replicas */
	ptrdiff_t equal_cores;	     /* one node, nodes x threads threads, the same batch */
	ptrdiff_t batch_one; /* the same nodes, batch 1 (then itself); rather with as many groups in flight */
};

/*
 * Baselines of points[index]. `baseline = CASE` looks only there for the first
 * three, `none` finds none of them; kind = link has none at all.
 */
struct lsb_baselines lsb_baselines_find(const struct lsb_point *points, size_t n, size_t index);

#endif
