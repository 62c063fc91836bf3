/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Centre, spread and difference of repeated launches. Pure.
 *
 * Units are those of the values. Sorting works on copies; callers' arrays stay.
 */
#ifndef LSB_STATISTICS_H
#define LSB_STATISTICS_H

#include <stddef.h>

struct lsb_interval {
	double lo, hi;
	double coverage; /* the true probability, at least what was asked for */
};

void lsb_sort(double *values, size_t n); /* ascending */

/* Quantile q in [0, 1] of n >= 1 ascending values, by linear interpolation (Hyndman & Fan's type 7). */
double lsb_quantile(const double *sorted, size_t n, double q);
/* Median of n >= 1 ascending values. */
double lsb_median(const double *sorted, size_t n);
double lsb_mean(const double *values, size_t n);
/* Sample standard deviation (n - 1); 0 for n < 2. */
double lsb_deviation(const double *values, size_t n);

/*
 * Mean of n values and Student's 95 % interval of it. For values that are a mean's
 * (scores over many answers), not for times. Returns 0, or -1 with the mean alone
 * below 6, where a normal shape would have to be taken on trust.
 */
int lsb_mean_interval(const double *values, size_t n, double *mean, struct lsb_interval *out);

/*
 * The narrowest interval between symmetric order statistics that covers the
 * population's median with at least `coverage`, whatever the distribution.
 * Returns 0, or -1 when n is too small for any (below 6 for 0.95). Source:
 * binomial argument, Le Boudec, "Performance Evaluation", theorem 2.1.
 */
int lsb_median_interval(const double *sorted, size_t n, double coverage, struct lsb_interval *out);

/*
 * Median of the ratios a[i] / b[i] of n pairs, taken in logarithms, and its
 * interval. Returns 1 with an interval, 0 with the median alone (n < 6), -1 when
 * n is 0 or a value is not positive.
 */
int lsb_paired_ratio(const double *a, const double *b, size_t n, double *median, struct lsb_interval *out);

/* Above so many pairs of n and m values the distribution of U is taken as normal. */
enum { LSB_EXACT_PAIRS_MAX = 10000 };

/*
 * Two-sided Mann-Whitney test: U of `a` (ties count half) in *u, and the exact p
 * (normal approximation with tie correction when there are ties or n * m >
 * LSB_EXACT_PAIRS_MAX). Returns 0, -1 when a side is empty or there is no memory.
 */
int lsb_mann_whitney(const double *a, size_t n, const double *b, size_t m, double *u, double *p);

/*
 * The ratio of n values to m others that do not pair: the median of all n * m
 * ratios, taken in logarithms (Hodges and Lehmann), and the interval that inverts
 * the Mann-Whitney test at 0.95 (Moses; Hollander & Wolfe, "Nonparametric
 * Statistical Methods", section 4.3). Returns 1 with an interval, 0 with the ratio
 * alone (below 4 and 4), -1 when a side is empty, a value is not positive, or
 * there is no memory.
 */
int lsb_sample_ratio(const double *a, size_t n, const double *b, size_t m, double *ratio,
		     struct lsb_interval *out);

/*
 * Pairs of launches of equal rounds, in the order of their rounds: a[of_a[i]] ==
 * b[of_b[i]], where `a` and `b` are the rounds of n and m launches, each once.
 * `of_a` and `of_b` have room for the fewer. Returns how many; 0 also without memory.
 */
size_t lsb_pair_rounds(const double *a, size_t n, const double *b, size_t m, size_t *of_a, size_t *of_b);

/* Two-sided exact p of the sign test: `above` pairs one way, `below` the other; equal pairs do not count. */
double lsb_sign_test(size_t above, size_t below);

/*
 * p of a family of n, corrected by Holm's step-down method ("A simple sequentially
 * rejective multiple test procedure", 1979), in the order of `p`, at most 1 each.
 * Returns 0, -1 without memory.
 */
int lsb_holm(const double *p, size_t n, double *adjusted);

/*
 * Two regimes: sorted values whose largest gap exceeds `gap` (0.2) of the lower
 * side's median with at least `least` (3) on each side.
 */
int lsb_is_bimodal(const double *sorted, size_t n, double gap, size_t least);

#endif
