/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The knee: the highest rate of arrivals at which enough requests keep the limits
 * of the service. Points that differ in nothing but the rate make a ladder; the knee
 * lies between its last rung that keeps the limits and the first that does not. Pure.
 *
 * `search = knee` launches only the rungs that bisection asks for: one launch each
 * until two neighbours are found of which the lower keeps the limits and the upper does not, then all
 * repetitions of those two. What they show may move the bracket; it is found anew
 * from all launches, so a run that is resumed goes on as it would have.
 */
#ifndef LSB_KNEE_H
#define LSB_KNEE_H

#include <jansson.h>
#include <stddef.h>

/* One rate of a ladder. */
struct lsb_rung {
	double rate;  /* requests a second */
	double share; /* of requests that counts (lsb_slo_kept), median over launches; NAN: none went well */
	int is_over;  /* cannot be launched: counts as one that fails */
};

/* Indices of rungs; -1: none. */
struct lsb_bracket {
	ptrdiff_t meets; /* the highest that keeps the limits below `fails` */
	ptrdiff_t fails; /* the lowest that does not */
	ptrdiff_t probe; /* what to launch next; -1: the bracket is as narrow as the ladder allows */
};

/* `rungs` [n] by ascending rate; `share`: of the requests that must keep the limits. */
struct lsb_bracket lsb_bracket_find(const struct lsb_rung *rungs, size_t n, double share);

/*
 * Set "slo" of every point and "knees" of the summary (docs/summary.md), and say of
 * searched points that were not needed that this is why they have no, or fewer, launches.
 */
void lsb_knees_add(json_t *summary);

/* Sentences of the executive summary on knees. */
void lsb_knees_findings(const json_t *summary, json_t *list);

/* Whether two points have limits and a rate, and differ in that rate alone. */
int lsb_is_same_ladder(const json_t *a, const json_t *b);

/* Whether `search = knee` decides about the launches of a header's or summary's point. */
int lsb_is_searched(const json_t *point);

#endif
