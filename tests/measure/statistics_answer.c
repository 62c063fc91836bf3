/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For statistics_peer.py. Reads lines "sample n m a... b..." and prints
 * "u p median lo hi", "ratio lo hi coverage" of the two samples, and "sign_p
 * ratio lo hi" of their first pairs, as one line; reads "holm n p..." and prints
 * the corrected p. nan: there is none.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/statistics.h"

enum { VALUES_MAX = 4096 };

static double a[VALUES_MAX], b[VALUES_MAX];

static int read_values(double *to, size_t n)
{
	for (size_t i = 0; i < n && i < VALUES_MAX; i++)
		if (scanf("%lf", &to[i]) != 1)
			return 0;
	return n <= VALUES_MAX;
}

static int answer_sample(void)
{
	struct lsb_interval median = { NAN, NAN, NAN }, samples = { NAN, NAN, NAN },
			    pairs = { NAN, NAN, NAN };
	double u, p, ratio = NAN, pair_ratio = NAN;
	size_t n, m, n_pairs, above = 0, below = 0;

	if (scanf("%zu %zu", &n, &m) != 2 || !read_values(a, n) || !read_values(b, m))
		return 0;
	n_pairs = n < m ? n : m;
	for (size_t i = 0; i < n_pairs; i++) {
		above += a[i] > b[i];
		below += a[i] < b[i];
	}
	if (lsb_mann_whitney(a, n, b, m, &u, &p))
		return 0;
	(void)lsb_sample_ratio(a, n, b, m, &ratio, &samples);
	(void)lsb_paired_ratio(a, b, n_pairs, &pair_ratio, &pairs);
	if (isnan(pairs.coverage))
		pairs.lo = pairs.hi = NAN;
	lsb_sort(a, n);
	(void)lsb_median_interval(a, n, 0.95, &median);
	printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", u, p,
	       lsb_median(a, n), median.lo, median.hi, ratio, samples.lo, samples.hi, samples.coverage,
	       lsb_sign_test(above, below), pair_ratio, pairs.lo, pairs.hi);
	return 1;
}

static int answer_holm(void)
{
	size_t n;

	if (scanf("%zu", &n) != 1 || !read_values(a, n) || lsb_holm(a, n, b))
		return 0;
	for (size_t i = 0; i < n; i++)
		printf("%.17g ", b[i]);
	putchar('\n');
	return 1;
}

int main(void)
{
	char what[16];

	while (scanf("%15s", what) == 1)
		if (!(strcmp(what, "holm") == 0 ? answer_holm() : answer_sample()))
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
