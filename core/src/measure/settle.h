/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a launch came to a steady state: its decode steps in windows of equal
 * length, each window's median beside the next one's. Pure.
 */
#ifndef LSB_SETTLE_H
#define LSB_SETTLE_H

#include "measure/ledger.h"

/*
 * 1: two adjacent windows agree within 10 %; 0: none do, the launch never
 * settled; -1: fewer than 5 windows of 8 decode steps, too short to tell.
 * `stage` are the records of one stage.
 */
int lsb_steps_settled(const struct lsb_rank_records *stage);

#endif
