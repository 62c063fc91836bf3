/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/keep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/statistics.h"

size_t lsb_median_member(const double *values, size_t n)
{
	double *sorted = malloc(n * sizeof(*sorted)), median, nearest = INFINITY;
	size_t best = 0;

	if (!sorted)
		return 0;
	memcpy(sorted, values, n * sizeof(*sorted));
	lsb_sort(sorted, n);
	median = lsb_median(sorted, n);
	free(sorted);
	for (size_t i = 0; i < n; i++) {
		if (fabs(values[i] - median) < nearest) {
			nearest = fabs(values[i] - median);
			best = i;
		}
	}
	return best;
}

int lsb_may_be_median(const double *values, size_t n, size_t which, size_t left)
{
	size_t below = 0, equal = 0;

	for (size_t i = 0; i < n; i++) {
		below += values[i] < values[which];
		equal += values[i] == values[which];
	}
	/* With k more it has a place from `below` to `below + equal - 1 + k` among n + k. */
	for (size_t k = 0; k <= left; k++)
		if (below <= (n + k) / 2 && (n + k - 1) / 2 <= below + equal - 1 + k)
			return 1;
	return 0;
}
