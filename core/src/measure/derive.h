/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics that follow from what a launch wrote down together with what was
 * measured of the machine: utilisation, and where a rank's time went. Pure.
 *
 *	run_s = compute_s + bubble_s + imbalance_s + transfer_s + overhead_s + late_s + idle_s
 *
 * All six are means over ranks. Of the waiting, bubble_s is what the schedule
 * would cost with stages of equal time, imbalance_s what unequal stages and
 * replicas add to that, and late_s the rest: a peer was late because of its own
 * transfers and overhead. They add up to the ledger's wall time, which is run_s
 * but for the instants before the first admission.
 */
#ifndef LSB_DERIVE_H
#define LSB_DERIVE_H

#include <jansson.h>
#include <stddef.h>

/* What a launch's metric is called, and how it is told. */
struct lsb_derived {
	const char *name;
	/*
	 * Of `launch`; `peaks`: of each rank, pooled over the run (pool.h), or no list. NAN:
	 * none.
	 */
	double (*value)(const json_t *launch, const json_t *peaks);
};

extern const struct lsb_derived lsb_derived_metrics[]; /* ends with a NULL name */

/* A message takes latency_s + bytes / bandwidth one way. */
struct lsb_link_line {
	double latency_s, bandwidth; /* B/s; INFINITY: it does not show beside the latency */
	double residual;	     /* root of the mean square of the relative errors */
};

/* The line through what a RANK object says of its link; -1 when it says nothing that makes one. */
int lsb_derive_link(const json_t *rank, struct lsb_link_line *out);

/* The RANK objects of a launch of the point that measured the machine's peaks; NULL when none did. */
const json_t *lsb_derive_peaks(const json_t *launches);

#endif
