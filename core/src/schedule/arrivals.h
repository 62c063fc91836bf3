/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When requests arrive: the case key `arrivals`, read and turned into times.
 *
 *	closed          all when the run begins
 *	fixed:RATE      one after the other, RATE a second: request i at i / RATE
 *	poisson:RATE    a Poisson process: exponential gaps, 1 / RATE in the mean
 *	burst:N:EVERY   N at once, the next N after EVERY
 *	trace           when the workload says
 *	trace:FILE      when a file says: a time a line, not descending; # begins a remark
 *
 * A rate has a unit (5/s, 300/min), so has a time (20ms). Times are of request
 * numbers, whichever replica answers them, and pure in (text, seed, number).
 */
#ifndef LSB_ARRIVALS_H
#define LSB_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/types.h"

enum lsb_arrivals_kind {
	LSB_ARRIVALS_CLOSED,
	LSB_ARRIVALS_FIXED,
	LSB_ARRIVALS_POISSON,
	LSB_ARRIVALS_BURST,
	LSB_ARRIVALS_WORKLOAD,
	LSB_ARRIVALS_FILE,
};

struct lsb_arrivals {
	enum lsb_arrivals_kind kind;
	double rate; /* FIXED, POISSON: a second */
	uint32_t burst;
	uint64_t every_ns; /* BURST */
	const char *file;  /* FILE: a view into the parsed text */
};

/* No request arrives later. */
#define LSB_ARRIVAL_MAX_NS (168 * (uint64_t)3600 * 1000000000u)

/* LSB_ESUITE when `text` is none of the forms above. */
int lsb_arrivals_parse(const char *text, struct lsb_arrivals *out, struct lsb_error *err);
/* The one spelling of what was parsed, malloc'ed; NULL without memory. */
char *lsb_arrivals_spell(const struct lsb_arrivals *a);

/*
 * Times [n] since the run began, not descending; those of WORKLOAD are 0 here, since
 * the workload tells them request by request. `folder` is where a relative FILE
 * starts; NULL: the working directory. LSB_ESUITE: a file that is none, or has fewer
 * times; a time beyond LSB_ARRIVAL_MAX_NS. LSB_ENOMEM.
 */
int lsb_arrivals_times(const struct lsb_arrivals *a, const char *folder, uint64_t seed, uint64_t *times,
		       size_t n, struct lsb_error *err);

#endif
