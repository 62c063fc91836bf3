/* SPDX-License-Identifier: Apache-2.0 */
#include "node/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"

int lsb_recorder_open(struct lsb_recorder *r, size_t room, struct lsb_error *err)
{
	*r = (struct lsb_recorder){ 0 };
	if (room >= SIZE_MAX / sizeof(*r->records) - 1)
		return lsb_fail(err, LSB_EINVAL, 0, "%zu records do not fit into memory", room);
	/* One more than told: the scratch record of a full recorder. */
	r->records = malloc((room + 1) * sizeof(*r->records));
	if (!r->records)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu records", room);
	memset(r->records, 0, (room + 1) * sizeof(*r->records));
	r->room = room;
	return LSB_OK;
}

void lsb_recorder_close(struct lsb_recorder *r)
{
	free(r->records);
	*r = (struct lsb_recorder){ 0 };
}

void lsb_recorder_reset(struct lsb_recorder *r)
{
	r->n = 0;
	r->lost = 0;
}

struct lsb_record *lsb_recorder_next(struct lsb_recorder *r, enum lsb_record_kind kind, uint64_t t0_ns,
				     uint64_t t1_ns)
{
	struct lsb_record *record = &r->records[r->n];

#ifdef LSB_NO_RECORDS
	(void)kind, (void)t0_ns, (void)t1_ns;
	return record;
#endif
	if (r->n < r->room)
		r->n++;
	else
		r->lost++;
	*record =
		(struct lsb_record){ .t0_ns = t0_ns, .t1_ns = t1_ns, .kind = kind, .peer = -1, .group = ~0u };
	return record;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double lsb_recorder_cost_ns(struct lsb_recorder *r)
{
	enum { TIMES = 9, RECORDS = 256 };
	uint64_t took[TIMES];

	for (int i = 0; i < TIMES; i++) {
		took[i] = lsb_now_ns();
		for (uint32_t k = 0; k < RECORDS; k++) {
			const uint64_t t0 = lsb_now_ns();
			struct lsb_record *record = lsb_recorder_next(r, LSB_REC_BLOCK, t0, lsb_now_ns());

			record->peer = 0;
			record->tag = LSB_TAG_HIDDEN;
			record->sequence = record->step = k;
			record->bytes = record->aux = t0;
		}
		took[i] = lsb_now_ns() - took[i];
		lsb_recorder_reset(r);
	}
	qsort(took, TIMES, sizeof(*took), compare);
	return (double)took[TIMES / 2] / RECORDS;
}
