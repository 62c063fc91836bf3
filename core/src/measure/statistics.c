/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/statistics.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void lsb_sort(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
}

double lsb_quantile(const double *sorted, size_t n, double q)
{
	const double at = q * (double)(n - 1);
	const size_t below = (size_t)at;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

double lsb_median(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

double lsb_mean(const double *values, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	return n ? sum / (double)n : 0;
}

double lsb_deviation(const double *values, size_t n)
{
	const double mean = lsb_mean(values, n);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (values[i] - mean) * (values[i] - mean);
	return n < 2 ? 0 : sqrt(sum / (double)(n - 1));
}

/* P(X <= k) for X ~ Binomial(n, 1/2), summed in logarithms so that n may be large. */
static double binomial_half_cdf(size_t k, size_t n)
{
	const double log_all = (double)n * log(2.0), count = (double)n;
	double sum = 0.0;

	for (size_t i = 0; i <= k; i++)
		sum += exp(lgamma(count + 1.0) - lgamma((double)i + 1.0) - lgamma(count - (double)i + 1.0) -
			   log_all);
	return sum;
}

/*
 * sorted[k] <= median <= sorted[n-1-k] fails only when at most k of the n
 * values fall on one side, so the coverage is 1 - 2 P(X <= k). Larger k is
 * narrower: walk inwards and keep the last that still covers.
 */
int lsb_median_interval(const double *sorted, size_t n, double coverage, struct lsb_interval *out)
{
	int found = -1;

	for (size_t k = 0; k < n / 2; k++) {
		const double covered = 1.0 - 2.0 * binomial_half_cdf(k, n);

		if (covered < coverage)
			break;
		*out = (struct lsb_interval){ .lo = sorted[k], .hi = sorted[n - 1 - k], .coverage = covered };
		found = 0;
	}
	return found;
}

int lsb_paired_ratio(const double *a, const double *b, size_t n, double *median, struct lsb_interval *out)
{
	double *logs;
	int found;

	for (size_t i = 0; i < n; i++)
		if (!(a[i] > 0) || !(b[i] > 0))
			return -1;
	logs = n ? malloc(n * sizeof(*logs)) : NULL;
	if (!logs)
		return -1;
	for (size_t i = 0; i < n; i++)
		logs[i] = log(a[i] / b[i]);
	lsb_sort(logs, n);
	*median = exp(lsb_median(logs, n));
	found = lsb_median_interval(logs, n, 0.95, out);
	free(logs);
	if (found)
		return 0;
	out->lo = exp(out->lo);
	out->hi = exp(out->hi);
	return 1;
}

/* Number of ways to reach each U with n of a and m of b, by counting partitions: ways[u], u = 0..n*m. */
static double *count_u(size_t n, size_t m)
{
	const size_t size = n * m + 1;
	double *ways = calloc(size, sizeof(*ways));

	if (!ways)
		return NULL;
	/* Gaussian binomial coefficient [n+m choose n]_q: multiply by (1 - q^(m+i)) and divide by (1 - q^i).
	 */
	ways[0] = 1;
	for (size_t i = 1; i <= n; i++) {
		for (size_t u = size; u-- > m + i;)
			ways[u] -= ways[u - m - i];
		for (size_t u = i; u < size; u++)
			ways[u] += ways[u - i];
	}
	return ways;
}

static double exact_p(double u, size_t n, size_t m)
{
	double *ways = count_u(n, m), all = 0, low = 0;
	const double least = u < (double)(n * m) - u ? u : (double)(n * m) - u;

	if (!ways)
		return NAN;
	for (size_t i = 0; i <= n * m; i++) {
		all += ways[i];
		if ((double)i <= least)
			low += ways[i];
	}
	free(ways);
	return fmin(1.0, 2.0 * low / all);
}

/* Normal approximation with continuity and the correction for ties, whose sum of t^3 - t is `ties`. */
static double normal_p(double u, size_t n, size_t m, double ties)
{
	const double nm = (double)n * (double)m, all = (double)(n + m);
	const double sd = sqrt(nm / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0))));
	const double z = sd > 0 ? (fabs(u - nm / 2.0) - 0.5) / sd : 0;

	return z <= 0 ? 1.0 : erfc(z / sqrt(2.0));
}

int lsb_mann_whitney(const double *a, size_t n, const double *b, size_t m, double *u, double *p)
{
	double *all, ties = 0;

	if (n == 0 || m == 0)
		return -1;
	all = malloc((n + m) * sizeof(*all));
	if (!all)
		return -1;
	*u = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m; j++)
			*u += a[i] > b[j] ? 1.0 : a[i] == b[j] ? 0.5 : 0.0;
	memcpy(all, a, n * sizeof(*all));
	memcpy(all + n, b, m * sizeof(*all));
	lsb_sort(all, n + m);
	for (size_t i = 0; i < n + m;) {
		size_t run = 1;

		while (i + run < n + m && all[i + run] == all[i])
			run++;
		ties += (double)run * (double)run * (double)run - (double)run;
		i += run;
	}
	free(all);
	*p = ties > 0 || n * m > LSB_EXACT_PAIRS_MAX ? normal_p(*u, n, m, ties) : exact_p(*u, n, m);
	return isnan(*p) ? -1 : 0;
}

/*
 * How many of the n * m ordered ratios lie outside each end of the 95 % interval:
 * the largest k with 1 - 2 P(U <= k) >= 0.95; -1 when there is none. *coverage is
 * what that gives.
 */
static ptrdiff_t cut_of_u(size_t n, size_t m, double *coverage)
{
	const double nm = (double)n * (double)m, sd = sqrt(nm * (double)(n + m + 1) / 12.0);
	const int is_exact = n * m <= LSB_EXACT_PAIRS_MAX;
	double *ways = is_exact ? count_u(n, m) : NULL, all = 0, low = 0;
	ptrdiff_t cut = -1;

	if (is_exact && !ways)
		return -1;
	for (size_t u = 0; is_exact && u <= n * m; u++)
		all += ways[u];
	for (size_t k = 0; k < n * m / 2; k++) {
		double covered;

		low += is_exact ? ways[k] / all : 0;
		covered = 1.0 - (is_exact ? 2.0 * low : erfc((nm / 2.0 - (double)k - 0.5) / sd / sqrt(2.0)));
		if (covered < 0.95)
			break;
		*coverage = covered;
		cut = (ptrdiff_t)k;
	}
	free(ways);
	return cut;
}

int lsb_sample_ratio(const double *a, size_t n, const double *b, size_t m, double *ratio,
		     struct lsb_interval *out)
{
	double *logs = NULL, coverage = 0;
	ptrdiff_t cut;

	for (size_t i = 0; i < n; i++)
		if (!(a[i] > 0))
			return -1;
	for (size_t i = 0; i < m; i++)
		if (!(b[i] > 0))
			return -1;
	if (n && m && n <= SIZE_MAX / sizeof(*logs) / m)
		logs = malloc(n * m * sizeof(*logs));
	if (!logs)
		return -1;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m; j++)
			logs[i * m + j] = log(a[i] / b[j]);
	lsb_sort(logs, n * m);
	*ratio = exp(lsb_median(logs, n * m));
	cut = cut_of_u(n, m, &coverage);
	if (cut >= 0)
		*out = (struct lsb_interval){ .lo = exp(logs[cut]),
					      .hi = exp(logs[n * m - 1 - (size_t)cut]),
					      .coverage = coverage };
	free(logs);
	return cut >= 0;
}

double lsb_sign_test(size_t above, size_t below)
{
	return fmin(1.0, 2.0 * binomial_half_cdf(above < below ? above : below, above + below));
}

int lsb_holm(const double *p, size_t n, double *adjusted)
{
	double *sorted = malloc((n + 1) * sizeof(*sorted));

	if (!sorted)
		return -1;
	memcpy(sorted, p, n * sizeof(*sorted));
	lsb_sort(sorted, n);
	/* the k-th smallest counts n - k times, and no p falls below one that was smaller */
	for (size_t i = 0; i < n; i++) {
		adjusted[i] = 0;
		for (size_t k = 0; k < n && sorted[k] <= p[i]; k++)
			adjusted[i] = fmax(adjusted[i], fmin(1.0, (double)(n - k) * sorted[k]));
	}
	free(sorted);
	return 0;
}

int lsb_is_bimodal(const double *sorted, size_t n, double gap, size_t least)
{
	for (size_t i = least; i + least <= n; i++)
		if (sorted[i] - sorted[i - 1] > gap * lsb_median(sorted, i))
			return 1;
	return 0;
}
