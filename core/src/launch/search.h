/* SPDX-License-Identifier: Apache-2.0 */
/* Which launch `search = knee` asks for next: measure/knee.h on the launches that were made. */
#ifndef LSB_SEARCH_H
#define LSB_SEARCH_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* What has been launched of a point. */
struct lsb_searched {
	const double *shares;	/* [reps] of each round's requests within the limits, NAN: none */
	const uint32_t *rounds; /* [reps] 1: launched */
	uint32_t reps;
	int is_over;
};

/*
 * The next launch over all ladders of `header`: 1 and its point and round, or 0 when
 * every knee is found with all repetitions. points [n] as the header's; those that are
 * not searched are passed over.
 */
int lsb_search_next(const json_t *header, const struct lsb_searched *points, size_t n, size_t *point,
		    uint32_t *round);

#endif
