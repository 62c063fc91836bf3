/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/settle.h"

#include <math.h>
#include <stdlib.h>

#include "measure/statistics.h"

enum { WINDOWS = 5, WINDOW_LEAST = 8 };
#define SETTLED 0.10 /* relative difference of two windows that still counts as the same pace */

int lsb_steps_settled(const struct lsb_rank_records *stage)
{
	double *steps = malloc((stage->n + 1) * sizeof(*steps)), medians[WINDOWS];
	size_t n = 0, window;
	int settled = 0;

	for (size_t i = 0; steps && i < stage->n; i++) {
		const struct lsb_record *r = &stage->records[i];

		if (r->kind == LSB_REC_COMPUTE && r->aux == r->aux2 && r->t1_ns > r->t0_ns)
			steps[n++] = (double)(r->t1_ns - r->t0_ns);
	}
	window = n / WINDOWS;
	if (window < WINDOW_LEAST) {
		free(steps);
		return -1;
	}
	for (size_t i = 0; i < WINDOWS; i++) {
		lsb_sort(steps + i * window, window);
		medians[i] = lsb_median(steps + i * window, window);
	}
	for (size_t i = 1; i < WINDOWS; i++)
		settled |= fabs(medians[i] - medians[i - 1]) <= SETTLED * medians[i - 1];
	free(steps);
	return settled;
}
