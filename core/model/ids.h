/* SPDX-License-Identifier: Apache-2.0 */
/* Where an encoder puts its ids: counts on when the room is used up. */
#ifndef LSB_IDS_H
#define LSB_IDS_H

#include <stddef.h>
#include <stdint.h>

struct lsb_ids {
	int32_t *ids; /* [capacity] */
	size_t capacity, n;
};

static inline void lsb_ids_put(struct lsb_ids *out, int32_t id)
{
	if (out->n < out->capacity)
		out->ids[out->n] = id;
	out->n++;
}

#endif
