/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs whose requests arrive from outside (arrivals other than closed): what was offered, and was it kept up
 * with?
 */
#ifndef LSB_OPEN_LOOP_H
#define LSB_OPEN_LOOP_H

#include <jansson.h>

#include "measure/clock.h"

/* Of a header's or a summary's point. */
int lsb_is_open_loop(const json_t *point);

/*
 * Adds to `metrics` of a launch whose `ranks` (RANK objects) have one clock by
 * `clocks`, where there is enough to tell:
 *
 * offered_rps   requests that arrived before the last / from the first arrival to the last
 * achieved_rps  answers complete before the last / from the first completion to the last
 * queue_growth  of the requests in order of arrival, the median of queue_s of the last
 *	         third - of the first third, / the time between the thirds' median arrivals:
 *	         the share of the offered load that piles up. From 12 requests on.
 *
 * LSB_OK or LSB_ENOMEM.
 */
int lsb_open_loop_add(const json_t *ranks, const struct lsb_clock *clocks, json_t *metrics,
		      struct lsb_error *err);

/* queue_growth above which the offered load is not sustained. */
#define LSB_QUEUE_GROWTH 0.05

#endif
