/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step plan on the wire: what the first stage tells every later one about
 * a step before its hidden states come, and the ids that come back.
 *
 * Host memory, little-endian, versioned, bounded. Pure.
 *
 *	plan: header (32 B), tokens (16 B each), sampling (32 B each), slots to clear (4 B each)
 *	ids:  header (8 B), ids (4 B each)
 */
#ifndef LSB_PLAN_H
#define LSB_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/backend.h"

enum { LSB_PLAN_END = 1u << 0 /* the pass is over; no step in this plan */ };

/* What a rank accepts; anything beyond is refused. */
struct lsb_plan_limits {
	uint32_t max_tokens, max_outputs, slots, context;
};

/* A plan's content; arrays have room for the limits. */
struct lsb_plan {
	uint32_t flags, step, lane;
	uint32_t n_tokens, n_outputs, n_clear;
	struct lsb_token *tokens;
	struct lsb_sampling *sampling;
	uint32_t *clear;
};

size_t lsb_plan_bytes(const struct lsb_plan_limits *limits); /* largest plan */
size_t lsb_ids_bytes(uint32_t max_outputs);		     /* largest ids message */

/* Returns the bytes written to `to`, which has lsb_plan_bytes. */
size_t lsb_plan_write(const struct lsb_plan *plan, void *to);
/* Checks everything against `limits` and fills *plan's arrays. LSB_EPROTO when wrong. */
int lsb_plan_read(const void *from, size_t bytes, const struct lsb_plan_limits *limits, struct lsb_plan *plan,
		  struct lsb_error *err);

size_t lsb_ids_write(uint32_t step, const int32_t *ids, uint32_t n, void *to);
/* *ids points into `from`. LSB_EPROTO when the message is not for `step` or too long. */
int lsb_ids_read(const void *from, size_t bytes, uint32_t step, uint32_t max_outputs, const int32_t **ids,
		 uint32_t *n, struct lsb_error *err);

int lsb_plan_open(struct lsb_plan *plan, const struct lsb_plan_limits *limits, struct lsb_error *err);
void lsb_plan_close(struct lsb_plan *plan);

#endif
