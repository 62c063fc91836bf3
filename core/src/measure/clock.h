/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks of a launch's ranks, brought to that of rank 0 (method.md section 4).
 *
 * Neighbours rank r and r + 1 exchange small messages before and after the run;
 * rank r reports, of each batch, the exchange with the shortest round trip: when
 * it was, how much more the neighbour's clock showed, and how long the round trip
 * took (RANK "clock", docs/journal.md). Ranks of equal clock id share a clock if all
 * those, where there are any, agree that they may; otherwise a line through the offsets is the
 * neighbour's clock, and its error half the shortest round trip plus the largest
 * distance of an offset from the line. Errors add up along the chain to rank 0.
 *
 * Pure: JSON and records in, clocks and records out.
 */
#ifndef LSB_CLOCK_H
#define LSB_CLOCK_H

#include <jansson.h>

#include "measure/ledger.h"

/* A rank's clock as rank 0 sees it: at `own_ns` it was `root_ns` there, and it goes on at `rate`. */
struct lsb_clock {
	uint64_t own_ns, root_ns;
	double rate;	   /* seconds of rank 0 per second of this rank */
	uint64_t error_ns; /* bound; 0: shared */
	int is_shared;	   /* it is rank 0's clock; then nothing else counts */
	int is_known;	   /* 0: nothing is known, times of this rank are taken as they are */
};

/* The clocks of `ranks` (RANK objects by rank), malloc'ed for the caller to free; NULL without memory. */
struct lsb_clock *lsb_clocks_fit(const json_t *ranks);

/* A time of a rank on rank 0's clock. */
uint64_t lsb_clock_align(const struct lsb_clock *clock, uint64_t own_ns);

/*
 * The records of all ranks on rank 0's clock, with the clocks' errors: *out is
 * malloc'ed as one block with what it views, for the caller to free. LSB_ENOMEM.
 */
int lsb_records_align(const struct lsb_rank_records *records, size_t n_ranks, const struct lsb_clock *clocks,
		      struct lsb_rank_records **out, struct lsb_error *err);

/* The journal's "clocks" object of one rank. New reference. */
json_t *lsb_clock_json(size_t rank, const struct lsb_clock *clock, size_t misordered);
/* Back from the journal: the clocks of a launch's line, as from lsb_clocks_fit. */
struct lsb_clock *lsb_clocks_of(const json_t *line);

#endif
