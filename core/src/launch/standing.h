/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the points of a run stand: which of their launches were made and how they ended,
 * and so which are still needed.
 *
 * What was noted is all that is needed, so a run that was killed goes on from its
 * journal and decides the same.
 */
#ifndef LSB_LAUNCH_STANDING_H
#define LSB_LAUNCH_STANDING_H

#include <jansson.h>

#include "suite/order.h"
#include "suite/suite.h"

struct lsb_standing {
	const struct lsb_point *point; /* borrowed */
	double *rates;		       /* [max_reps] tokens a second of each round, NAN: none; owned */
	double *shares;		       /* [max_reps] of the requests within the limits, likewise; owned */
	uint32_t *rounds;	       /* [max_reps] 1: launched; owned */
	int is_searched;	       /* search = knee decides about its launches */
	int goes_on;		       /* beyond reps: its interval, or one that it is in, is too wide */
	ptrdiff_t baseline;	       /* the point that it is compared with; -1: none */
	uint32_t failures;	       /* in a row */
	int is_over;		       /* not launched again */
	int code; /* enum lsb_status of the last launch that was not ok: one of many is a failure too */
};

struct lsb_standings {
	struct lsb_standing *points; /* [n], as the suite's */
	size_t n;
};

/* `suite` must outlive it; lsb_standings_close also after a failure. LSB_ENOMEM. */
int lsb_standings_open(struct lsb_standings *standings, const struct lsb_suite *suite, struct lsb_error *err);
void lsb_standings_close(struct lsb_standings *standings);

/* A launch of the point is in the journal as `line`. */
void lsb_standing_note(struct lsb_standing *s, const json_t *line);
/* Launches of the point that are still to come, at most. */
size_t lsb_standing_left(const struct lsb_standing *s);

/*
 * Decide which points go on with round `round` beyond their reps: those whose
 * interval of all rounds before is too wide, and what they are compared with, so
 * that the round has pairs.
 */
void lsb_standings_decide(struct lsb_standings *standings, uint32_t round);
/* Whether this launch is still to be made. */
int lsb_standings_need(const struct lsb_standings *standings, const struct lsb_order_slot *slot);

#endif
