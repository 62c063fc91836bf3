/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps and messages of each rank took, in a few lines: enough to
 * predict other settings from the journal alone, without the step records.
 *
 * Pure: records in, JSON out; layout in docs/journal.md, STAGE_TIMES.
 */
#ifndef LSB_STAGE_TIMES_H
#define LSB_STAGE_TIMES_H

#include <jansson.h>

#include "measure/ledger.h"

/* Numbers of one line of "steps": steps of about the same tokens, outputs and positions. */
enum lsb_step_line {
	LSB_STEP_TOKENS,    /* mean over the line's steps */
	LSB_STEP_OUTPUTS,   /* likewise: ids that a step gives */
	LSB_STEP_POSITIONS, /* likewise: sum of the tokens' positions */
	LSB_STEP_COUNT,	    /* steps */
	LSB_STEP_MEDIAN_S,  /* compute time of a step */
	LSB_STEP_MEAN_S,
	LSB_STEP_BUSY, /* other ranks of the same machine that computed meanwhile, mean */
	LSB_STEP_LINE,
};

/* Numbers of one line of "messages": such as their receiver had waited for since before they were sent. */
enum lsb_message_line {
	LSB_MESSAGE_TAG, /* enum lsb_tag */
	LSB_MESSAGE_BYTES,
	LSB_MESSAGE_COUNT,
	LSB_MESSAGE_MEDIAN_S, /* from the hand-over by the sender to its arrival */
	LSB_MESSAGE_LINE,
};

/*
 * One STAGE_TIMES per rank that told: a new reference, NULL without memory. `ranks` are the
 * RANK objects (null: of a lost replica), `records` theirs in the same order, on one clock.
 */
json_t *lsb_stage_times(const json_t *ranks, const struct lsb_rank_records *records, size_t n_ranks);

#endif
