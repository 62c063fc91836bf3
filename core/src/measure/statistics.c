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

/* Quantile 0.975 of Student's t with `df` >= 5, within 3e-4: Abramowitz & Stegun 26.7.5. */
static double student(double df)
{
	const double z = 1.959963984540054, z2 = z * z;

	return z * (1 + (z2 + 1) / (4 * df) + ((5 * z2 + 16) * z2 + 3) / (96 * df * df) +
		    (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * df * df * df) +
		    ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / (92160 * df * df * df * df));
}

int lsb_mean_interval(const double *values, size_t n, double *mean, struct lsb_interval *out)
{
	double half;

	*mean = lsb_mean(values, n);
	if (n < 6)
		return -1;
	half = student((double)n - 1) * lsb_deviation(values, n) / sqrt((double)n);
	*out = (struct lsb_interval){ *mean - half, *mean + half, 0.95 };
	return 0;
}

/* P(X = k) for X ~ Binomial(n, 1/2), in logarithms so that n may be large. */
static double binomial_half(size_t k, size_t n)
{
	const double count = (double)n, at = (double)k;

	return exp(lgamma(count + 1.0) - lgamma(at + 1.0) - lgamma(count - at + 1.0) - count * log(2.0));
}

/*
 * sorted[k] <= median <= sorted[n-1-k] fails only when at most k of the n
 * values fall on one side, so the coverage is 1 - 2 P(X <= k). Larger k is
 * narrower: walk inwards and keep the last that still covers.
 */
int lsb_median_interval(const double *sorted, size_t n, double coverage, struct lsb_interval *out)
{
	double outside = 0;
	int found = -1;

	for (size_t k = 0; k < n / 2; k++) {
		outside += 2.0 * binomial_half(k, n);
		if (1.0 - outside < coverage)
			break;
		*out = (struct lsb_interval){ .lo = sorted[k],
					      .hi = sorted[n - 1 - k],
					      .coverage = 1.0 - outside };
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
	/*
	 * Gaussian binomial coefficient [n+m choose n]_q: multiply by (1 - q^(m+i)) and divide by (1 - q^i).
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

/* How many of the differences a[i] - b[j] of two ascending lists are at most `x`. */
static size_t count_differences(const double *a, size_t n, const double *b, size_t m, double x)
{
	size_t count = 0, first = m; /* b[first..] are large enough for a[i]; for a smaller a[i] more are */

	for (size_t i = n; i-- > 0;) {
		while (first > 0 && a[i] - b[first - 1] <= x)
			first--;
		count += m - first;
	}
	return count;
}

/* The k-th smallest of all n * m differences, from 0: bisected to the last bit, without making them. */
static double select_difference(const double *a, size_t n, const double *b, size_t m, size_t k)
{
	double below, at = a[n - 1] - b[0];

	if (count_differences(a, n, b, m, a[0] - b[m - 1]) > k)
		return a[0] - b[m - 1];
	below = a[0] - b[m - 1];
	for (;;) {
		const double middle = below + (at - below) / 2;

		if (!(below < middle && middle < at))
			return at;
		if (count_differences(a, n, b, m, middle) > k)
			at = middle;
		else
			below = middle;
	}
}

/* Ascending logarithms, malloc'ed; NULL when a value is not positive, there is none, or no memory. */
static double *sorted_logs(const double *values, size_t n)
{
	double *logs = n && n <= SIZE_MAX / sizeof(*logs) ? malloc(n * sizeof(*logs)) : NULL;

	for (size_t i = 0; logs && i < n; i++) {
		if (!(values[i] > 0)) {
			free(logs);
			return NULL;
		}
		logs[i] = log(values[i]);
	}
	if (logs)
		lsb_sort(logs, n);
	return logs;
}

int lsb_sample_ratio(const double *a, size_t n, const double *b, size_t m, double *ratio,
		     struct lsb_interval *out)
{
	double *x = sorted_logs(a, n), *y = sorted_logs(b, m), coverage = 0;
	ptrdiff_t cut = -1;

	if (x && y) {
		const size_t all = n * m;

		*ratio = exp(0.5 * (select_difference(x, n, y, m, (all - 1) / 2) +
				    select_difference(x, n, y, m, all / 2)));
		cut = cut_of_u(n, m, &coverage);
		if (cut >= 0)
			*out = (struct lsb_interval){ .lo = exp(select_difference(x, n, y, m, (size_t)cut)),
						      .hi = exp(select_difference(x, n, y, m,
										  all - 1 - (size_t)cut)),
						      .coverage = coverage };
	}
	free(x);
	free(y);
	return x && y ? cut >= 0 : -1;
}

double lsb_sign_test(size_t above, size_t below)
{
	const size_t fewer = above < below ? above : below;
	double p = 0;

	for (size_t k = 0; k <= fewer; k++)
		p += 2.0 * binomial_half(k, above + below);
	return fmin(1.0, p);
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

/* A value and where it stood. */
struct placed {
	double value;
	size_t place;
};

static int compare_placed(const void *a, const void *b)
{
	const double x = ((const struct placed *)a)->value, y = ((const struct placed *)b)->value;

	return (x > y) - (x < y);
}

static struct placed *sorted_places(const double *values, size_t n)
{
	struct placed *out = malloc((n + 1) * sizeof(*out));

	for (size_t i = 0; out && i < n; i++)
		out[i] = (struct placed){ values[i], i };
	if (out)
		qsort(out, n, sizeof(*out), compare_placed);
	return out;
}

size_t lsb_pair_rounds(const double *a, size_t n, const double *b, size_t m, size_t *of_a, size_t *of_b)
{
	struct placed *x = sorted_places(a, n), *y = sorted_places(b, m);
	size_t pairs = 0, i = 0, j = 0;

	while (x && y && i < n && j < m) {
		if (x[i].value == y[j].value) {
			of_a[pairs] = x[i++].place;
			of_b[pairs++] = y[j++].place;
		} else if (x[i].value < y[j].value) {
			i++;
		} else {
			j++;
		}
	}
	free(x);
	free(y);
	return pairs;
}

int lsb_is_bimodal(const double *sorted, size_t n, double gap, size_t least)
{
	for (size_t i = least; i + least <= n; i++)
		if (sorted[i] - sorted[i - 1] > gap * lsb_median(sorted, i))
			return 1;
	return 0;
}
