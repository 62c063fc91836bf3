/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a run went, per rank, closed: method.md section 4.
 *
 *	wall = compute + wait + transfer + overhead + unattributed
 *
 * Pure: records in, seconds out. All clocks are one (ranks of one boot id).
 */
#ifndef LSB_LEDGER_H
#define LSB_LEDGER_H

#include <stddef.h>

#include "lsbench/types.h"
#include "measure/record.h"

/* The records of one rank; a view. */
struct lsb_rank_records {
	int32_t rank;
	const struct lsb_record *records;
	size_t n;
};

struct lsb_ledger {
	double compute_s, wait_s, transfer_s, overhead_s, unattributed_s, wall_s;
	double hidden_transfer_s; /* under compute, of messages whose arrival is known; not part of the sum */
	int knows_hidden;	  /* 0: no message told when it arrived */
};

/*
 * Ledger of rank `which` (an index into `ranks`) over [t0, t1] nanoseconds.
 * `ranks` holds all ranks of its pipeline, since the end of a wait is the start
 * of the peer's send. LSB_ENOMEM is the only error.
 */
int lsb_ledger_close(const struct lsb_rank_records *ranks, size_t n_ranks, size_t which, uint64_t t0,
		     uint64_t t1, struct lsb_ledger *out, struct lsb_error *err);

#endif
