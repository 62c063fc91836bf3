/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each rank of a pipeline did when, ready to be drawn: bars of the parts of
 * the ledger over some consecutive steps. Pure.
 */
#ifndef LSB_TIMELINE_H
#define LSB_TIMELINE_H

#include "measure/ledger.h"

/* One bar; times in seconds from the start of the run. */
struct lsb_timeline_bar {
	double from_s, to_s;
	enum lsb_part part;
	uint32_t step, group;	  /* of compute; else LSB_NO_STEP */
	uint64_t tokens, outputs; /* of compute */
};

struct lsb_timeline_rank {
	int32_t rank;
	struct lsb_timeline_bar *bars; /* [n], by time, none overlaps another; owned */
	size_t n;
};

struct lsb_timeline {
	double from_s, to_s;		       /* what is shown, in seconds from the start of the run */
	double run_s;			       /* the whole run */
	size_t first_step, n_steps, all_steps; /* shown steps, of all, by place in the run */
	struct lsb_timeline_rank *ranks;       /* [n_ranks], in the order of `stages`; owned */
	size_t n_ranks;
};

/*
 * The run [t0, t1] of one pipeline from where its first stage begins step number
 * `first_step` (counted from 0 in the order of the run) to where its last stage
 * has computed `n_steps` of them. LSB_EINVAL when there are no such steps,
 * LSB_ENOMEM. lsb_timeline_free gives the bars back.
 */
int lsb_timeline_build(const struct lsb_rank_records *stages, size_t n_stages, uint64_t t0, uint64_t t1,
		       size_t first_step, size_t n_steps, struct lsb_timeline *out, struct lsb_error *err);
void lsb_timeline_free(struct lsb_timeline *timeline);

#endif
