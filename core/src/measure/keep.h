/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a point's launches stands for it: the one whose run_s is nearest to the median. Pure. */
#ifndef LSB_KEEP_H
#define LSB_KEEP_H

#include <stddef.h>

/*
 * Index of the first of n > 0 values that is nearest to their median; as the summary chooses ledger_launch.
 */
size_t lsb_median_member(const double *values, size_t n);

/* Whether values[which] may be that one of the n, or still become it while up to `left` more are added. */
int lsb_may_be_median(const double *values, size_t n, size_t which, size_t left);

#endif
