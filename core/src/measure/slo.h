/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits that a service promises, and which requests keep them. Pure.
 *
 * Limits judge and change nothing that is measured, so they are no factors: the
 * same measurement has the same id under any of them.
 */
#ifndef LSB_SLO_H
#define LSB_SLO_H

#include <jansson.h>

/* Of the keys slo.ttft, slo.tpot, slo.e2e, slo.share; a limit of 0 is none. */
struct lsb_slo {
	double ttft_s, tpot_s, e2e_s;
	double share; /* of the requests that must keep all limits */
};

/* Limits of a header's or summary's point; 1 when it has any. */
int lsb_slo_of(const json_t *point, struct lsb_slo *out);

/*
 * Set in a launch's `metrics`, where its `point` has limits, over RANK objects `ranks`:
 *
 *	goodput_rps		requests that keep every limit / run_s
 *	slo_share		requests that keep every limit / all that were issued
 *	slo_ttft_share, ...	likewise of one limit, for each that there is
 *
 * A failed request keeps none; one of a single token has no time between tokens and
 * keeps that limit. Times count from a request's scheduled arrival.
 */
void lsb_slo_measure(const json_t *point, const json_t *ranks, json_t *metrics);

/*
 * The share of requests that a rate is judged by, of a launch's `metrics`: slo_share, or
 * 0 where the queue grew (open_loop.h), since then the limits hold for a short run only;
 * NAN without limits. Of a summary's point the median over its launches.
 */
double lsb_slo_kept_of_launch(const json_t *metrics);
double lsb_slo_kept(const json_t *point);

/* Requests a second that a point is offered (arrivals = fixed:..., poisson:...); 0: none. */
double lsb_offered_rate(const json_t *point);

/*
 * {"ttft_s", "tpot_s", "e2e_s": numbers or null, "share", "met": true, false, or null without launches}. New
 * reference; null where the point has no limits.
 */
json_t *lsb_slo_json(const json_t *point);

#endif
