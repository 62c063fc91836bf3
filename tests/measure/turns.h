/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of two ranks that take turns, as the stage loop writes them: contiguous, with times known to the
 * maker.
 */
#ifndef TURNS_H
#define TURNS_H

#include "measure/ledger.h"

enum { TURNS_MAX = 64, TURNS_RECORDS = 8 * TURNS_MAX };

/* In nanoseconds; rank 1's clock shows `shift_ns` more than rank 0's. */
struct turns {
	struct lsb_record records[2][TURNS_RECORDS];
	struct lsb_rank_records ranks[2];
	uint64_t t0, t1; /* on rank 0's clock */
	/* Totals on rank 0's clock: what the ledger must find. */
	uint64_t computed[2], waited[2], transferred[2], own[2];
};

/*
 * `n` steps: rank 0 works for `own`, computes, sends; rank 1 computes, works,
 * sends ids back. Durations are drawn from `seed`; every message takes from
 * `flight_ns` to twice that. The first step is a chunk of a prompt.
 */
void turns_make(struct turns *t, unsigned seed, size_t n, uint64_t flight_ns, int64_t shift_ns);

#endif
