/* SPDX-License-Identifier: Apache-2.0 */
/* For statistics_peer.py: reads "n m a... b..." a line, prints "u p median lo hi" (lo = hi = nan: no
 * interval). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure/statistics.h"

enum { VALUES_MAX = 4096 };

int main(void)
{
	static double a[VALUES_MAX], b[VALUES_MAX];
	size_t n, m;

	while (scanf("%zu %zu", &n, &m) == 2) {
		struct lsb_interval interval = { NAN, NAN, 0 };
		double u, p;

		if (n == 0 || m == 0 || n > VALUES_MAX || m > VALUES_MAX)
			return EXIT_FAILURE;
		for (size_t i = 0; i < n + m; i++)
			if (scanf("%lf", i < n ? &a[i] : &b[i - n]) != 1)
				return EXIT_FAILURE;
		if (lsb_mann_whitney(a, n, b, m, &u, &p))
			return EXIT_FAILURE;
		lsb_sort(a, n);
		(void)lsb_median_interval(a, n, 0.95, &interval);
		printf("%.17g %.17g %.17g %.17g %.17g\n", u, p, lsb_median(a, n), interval.lo, interval.hi);
	}
	return EXIT_SUCCESS;
}
