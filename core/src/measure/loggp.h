/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LogGP model of a link: one message of k bytes takes L + 2 o + (k - 1) G
 * one way, and messages follow each other no closer than g.
 *
 * Source: Alexandrov, Ionescu, Schauser, Scheiman, "LogGP: Incorporating Long
 * Messages into the LogP Model", SPAA'95. Pure.
 */
#ifndef LSB_LOGGP_H
#define LSB_LOGGP_H

#include <stddef.h>

/* --- the line that every model of a link has --- */

/* What one message of `x` bytes, or bytes beyond the first, takes. */
struct lsb_line_sample {
	double x, y;
};

struct lsb_line {
	double start, slope; /* y = start + slope x */
	double residual;     /* root of the mean square of (fitted - y) / y */
};

/*
 * Least squares in relative error, so that small messages count as much as large
 * ones, over `n` samples of which at least 3 differ in x. Returns 0, or -1 when
 * fewer do, a y is not positive or an x is negative. What it means that start or
 * slope are negative is the caller's to say.
 */
int lsb_line_fit(const struct lsb_line_sample *samples, size_t n, struct lsb_line *out);

/* --- LogGP --- */

/* What was measured at one size. */
struct lsb_loggp_sample {
	double bytes;
	double latency_s;      /* one way */
	double send_s;	       /* inside the send operation */
	double messages_per_s; /* of windows; 0: not measured */
};

struct lsb_loggp {
	double latency_s;      /* L; 0 when the overheads are all of it */
	double overhead_s;     /* o, of the smallest message */
	double gap_s;	       /* g, of the smallest message; 0: not measured */
	double gap_per_byte_s; /* G */
	double start_s;	       /* L + 2 o, as fitted */
	double residual;       /* root of the mean square of (fitted - measured) / measured */
};

/*
 * Least squares in relative error over `n` samples, of which at least 3 sizes
 * differ. Returns 0, or -1 when there are fewer, or a time is not positive.
 */
int lsb_loggp_fit(const struct lsb_loggp_sample *samples, size_t n, struct lsb_loggp *out);

#endif
