/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend tells of its accelerator over a run: memory held, energy used.
 * A backend without counters, or whose counters fail, leaves no figure and fails
 * nothing.
 */
#ifndef LSB_COUNTERS_H
#define LSB_COUNTERS_H

#include <jansson.h>

#include "lsbench/types.h"
#include "plugin/loader.h"

enum { LSB_COUNTERS_MAX = 16 };

struct lsb_backend;

struct lsb_counters {
	struct lsb_metric values[LSB_COUNTERS_MAX]; /* names live as long as the plugin */
	size_t n;
};

/* As they stand. `backend` may be NULL. [main] */
void lsb_counters_read(const struct lsb_loaded *backend, struct lsb_backend *handle,
		       struct lsb_counters *out);

/* Make `to`, read later, what was used since `from`: sums (unit "J") become differences. */
void lsb_counters_since(const struct lsb_counters *from, struct lsb_counters *to);

/* Set "counters" of a RANK object; nothing where there are none. */
void lsb_counters_tell(const struct lsb_counters *c, json_t *rank);

#endif
