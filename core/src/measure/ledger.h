/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a run went, per rank and per step, closed: method.md section 4.
 *
 *	wall = compute + wait + transfer + wait_transfer + overhead + idle + unattributed
 *
 * Pure: records in, intervals and seconds out. All times are of one clock: those
 * of ranks on several machines are aligned first (clock.h), and carry the error
 * of that.
 */
#ifndef LSB_LEDGER_H
#define LSB_LEDGER_H

#include <stddef.h>

#include "lsbench/types.h"
#include "measure/record.h"
#include "measure/spans.h"

/* The records of one rank; a view. */
struct lsb_rank_records {
	int32_t rank;
	const struct lsb_record *records;
	size_t n;
	/*
	 * How far its clock may be off rank 0's: grows along the chain of ranks, so that of a pair it is the
	 * difference. 0: they share a clock.
	 */
	uint64_t clock_error_ns;
};

/* What a rank does with its time; every moment is in one part at most. */
enum lsb_part {
	LSB_PART_COMPUTE,
	LSB_PART_WAIT,		/* the peer was late */
	LSB_PART_TRANSFER,	/* exposed communication */
	LSB_PART_WAIT_TRANSFER, /* one of these two: the clocks are not known well enough to tell */
	LSB_PART_OVERHEAD,	/* scheduling, hand-over, staging, wake-up */
	LSB_PART_IDLE,		/* its pipeline had no request to serve */
	LSB_PARTS,
};

/* "compute", "wait", "transfer", "wait+transfer", "overhead", "idle": as reports name them. */
const char *lsb_part_name(enum lsb_part part);

/* All of one rank's run, divided. */
struct lsb_division {
	uint64_t t0, t1;		   /* of the run, ns */
	struct lsb_spans parts[LSB_PARTS]; /* within [t0, t1]; merged, and none overlaps another; owned */
	double hidden_transfer_s;	   /* under compute, of messages whose arrival is known */
	int knows_hidden;		   /* 0: no message told when it arrived */
	size_t misordered;		   /* messages that arrived before they were sent: clocks disagree */
};

/*
 * Divide the time [t0, t1] of rank `which` (an index into `ranks`). `ranks` holds
 * all ranks of its pipeline, the first stage first, since the end of a wait is the start
 * of the peer's send, and what the first stage idles the others do not wait. LSB_ENOMEM is the only error.
 * lsb_division_free gives the spans back.
 */
int lsb_divide(const struct lsb_rank_records *ranks, size_t n_ranks, size_t which, uint64_t t0, uint64_t t1,
	       struct lsb_division *out, struct lsb_error *err);
void lsb_division_free(struct lsb_division *division);

struct lsb_ledger {
	double compute_s, wait_s, transfer_s, wait_transfer_s, overhead_s, idle_s, unattributed_s, wall_s;
	double hidden_transfer_s; /* not part of the sum */
	int knows_hidden;
};

/*
 * What of a division lies in [from, to], within its run. Hidden transfer is of the whole run, or not known.
 */
struct lsb_ledger lsb_ledger_window(const struct lsb_division *division, uint64_t from, uint64_t to);

/* Ledger of rank `which` over [t0, t1]: as lsb_divide, summed. */
int lsb_ledger_close(const struct lsb_rank_records *ranks, size_t n_ranks, size_t which, uint64_t t0,
		     uint64_t t1, struct lsb_ledger *out, struct lsb_error *err);

/* --- steps (ledger_steps.c) ------------------------------------------------------------ */

/*
 * One step of one rank: all time since the end of its compute of the step before,
 * so what it had to wait for, and its own compute. Behind a rank's last step comes
 * one entry for the rest of the run, with `step` LSB_NO_STEP.
 */
struct lsb_step_ledger {
	uint32_t step, group;
	uint64_t tokens, outputs;
	uint64_t from_ns, to_ns;
	struct lsb_ledger parts;
};

#define LSB_NO_STEP UINT32_MAX

/* Whether a compute record or a step is one of decoding: every token wants output. */
int lsb_is_decode(uint64_t tokens, uint64_t outputs);

/*
 * The steps of the rank whose records and division these are; *out is malloc'ed,
 * for the caller to free. The sum over all entries is the rank's ledger.
 */
int lsb_ledger_steps(const struct lsb_rank_records *rank, const struct lsb_division *division,
		     struct lsb_step_ledger **out, size_t *n_out, struct lsb_error *err);

#endif
