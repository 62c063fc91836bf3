/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a rank writes its records: a buffer of fixed size, touched before the
 * timed part, that stops (and counts what it lost) when it is full.
 */
#ifndef LSB_RECORDER_H
#define LSB_RECORDER_H

#include <stddef.h>

#include "base/base.h"
#include "measure/record.h"

struct lsb_recorder {
	struct lsb_record *records; /* [room], owned */
	size_t n, room;
	uint64_t lost;
};

int lsb_recorder_open(struct lsb_recorder *r, size_t room, struct lsb_error *err);
void lsb_recorder_close(struct lsb_recorder *r);

/*
 * A look at the clock that only a record needs. Built with LSB_NO_RECORDS, which
 * only bench/harness.py --without asks for, there are no records and no such
 * looks: what then is faster is what recording costs.
 */
static inline uint64_t lsb_recorder_now(void)
{
#ifdef LSB_NO_RECORDS
	return 0;
#else
	return lsb_now_ns();
#endif
}

/* Forget all records: the timed part begins. */
void lsb_recorder_reset(struct lsb_recorder *r);

/*
 * What one record costs, in nanoseconds: two looks at the clock and the filling of
 * one, the median over some hundreds at a time. Forgets all records.
 */
double lsb_recorder_cost_ns(struct lsb_recorder *r);

/* A fresh record to fill, zeroed; never NULL: a full recorder hands out a scratch one. [hot] */
struct lsb_record *lsb_recorder_next(struct lsb_recorder *r, enum lsb_record_kind kind, uint64_t t0_ns,
				     uint64_t t1_ns);

#endif
