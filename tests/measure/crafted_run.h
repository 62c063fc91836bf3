/* SPDX-License-Identifier: Apache-2.0 */
/* A run of one node and of two, six launches each, to change and to summarise: a fixture. */
#ifndef CRAFTED_RUN_H
#define CRAFTED_RUN_H

#include "crafted.h"

#define CRAFTED_ONE                                                                                          \
	{                                                                                                    \
		"one", "pipeline", "strong", 1, 1, 1, 5, 6, "one", "one", NULL, "one", 0                     \
	}
#define CRAFTED_TWO                                                                                          \
	{                                                                                                    \
		"two", "pipeline", "strong", 2, 1, 2, 5, 6, "one", NULL, NULL, "two", 0                      \
	}

extern json_t *run_header, *run_launches, *run_summary; /* the last is NULL before run_summarise */

/* One node in 16 s, launches 0 to 5; two in 10 s, of a schedule of 9.6 s, launches 6 to 11. */
void run_set_up(void);
void run_tear_down(void);

/* Six more launches of `point`. */
void run_add(const struct crafted *point, double run_s, double replay_s, double generated);

void run_summarise(void);
json_t *run_launch(size_t i);

/* Of the six launches from `first` on: a metric, a member of every rank, of every row of the ledger. */
void run_set_metric(size_t first, const char *name, double value);
void run_set_rank(size_t first, const char *name, double value);
void run_set_ledger(size_t first, const char *name, double value);

/* A member of the summary's findings. */
const json_t *run_findings(const char *part);

#endif
