/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a launch computed and read, by rank and phase, and what its schedule would
 * cost under other stage and link times: sums that later outlive the records. Pure.
 */
#ifndef LSB_WORK_H
#define LSB_WORK_H

#include <jansson.h>

#include "measure/ledger.h"

/*
 * Add to a journal's `line` (docs/journal.md) of the RANK objects `ranks` and their
 * `records`, which are on one clock, in pipelines of `stages`:
 *
 * "work": [{"rank", "decode": PHASE, "prefill": PHASE}] by rank, with PHASE = {"steps",
 * "tokens", "compute_s", "macs", "bytes", "first_tokens", "first_s"}. macs are
 * multiply-accumulates of the weights (RANK's layer_macs for each token, head_macs for
 * each output) and of attention: a token at position p meets p + 1 keys and as many
 * values, 2 (p + 1) hidden_size a layer. bytes are the weights once a step, and in
 * decode the keys and values of all earlier positions. Steps with prompt tokens, which
 * may decode beside them, read keys and values as well; they are few beside the weights
 * and left out.
 *
 * "schedule": [{"replica", "replay_s", "balanced_s", "link_s"}] by pipeline: its replayed
 * schedule with measured stage times; with each step's time shared evenly by the
 * stages; and with measured stage times and the messages' measured cost (absent where
 * the first stage has no "link"). What cannot be replayed is absent; the list is empty
 * where the schedule waited for requests to arrive (`is_open_loop`).
 */
void lsb_work_add(const json_t *ranks, const struct lsb_rank_records *records, size_t n_ranks, size_t stages,
		  int is_open_loop, json_t *line);

#endif
