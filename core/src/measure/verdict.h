/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two things that were measured differ, and how sure that is. Pure.
 *
 * The question is always the same: `it` against `baseline`, each with one value a
 * launch. Launches of one round of one run stood next to each other, so they are
 * compared as pairs; all others as two samples. Both ways work in logarithms,
 * need no shape of distribution and are exact (method.md section 3):
 *
 *	pairs	median of the ratios of each pair, its order-statistic interval,
 *		p of the sign test
 *	samples	Hodges-Lehmann ratio, the interval of Moses, p of Mann and Whitney
 *
 * Each interval is the one that its test implies. Faster or slower is said only
 * when the interval leaves out all ratios within LSB_NOISE_FLOOR of 1 and, in a
 * family of comparisons, p by Holm's method is at most 5 %.
 */
#ifndef LSB_VERDICT_H
#define LSB_VERDICT_H

#include <jansson.h>
#include <stddef.h>

#include "measure/statistics.h"

#define LSB_NOISE_FLOOR 0.02 /* ratios this near to 1 are not told apart from it */
#define LSB_VERDICT_LEVEL 0.05

enum lsb_verdict_kind {
	LSB_VERDICT_UNKNOWN, /* cannot be told; `reason` says why */
	LSB_VERDICT_NO_DIFFERENCE,
	LSB_VERDICT_FASTER,
	LSB_VERDICT_SLOWER,
	LSB_VERDICT_HIGHER, /* of a metric that is no speed */
	LSB_VERDICT_LOWER,
};

/* What a larger value of a metric means. */
enum lsb_metric_sense {
	LSB_MORE_IS_FASTER,
	LSB_MORE_IS_SLOWER,
	LSB_NO_SPEED,
};

/* By the metric's name: rates, times, and all others. */
enum lsb_metric_sense lsb_metric_sense(const char *metric);

/* One value of each launch; borrowed. */
struct lsb_launch_values {
	const double *values;
	const double *rounds; /* [n] the round of each launch, each once; NULL: they pair with no other */
	size_t n;
};

struct lsb_verdict {
	enum lsb_verdict_kind kind;
	enum lsb_metric_sense sense;
	double ratio; /* of `it` to `baseline`, in the metric's own sense; NAN: none */
	int has_interval;
	struct lsb_interval interval; /* of `ratio` */
	size_t n_pairs;		      /* 0: compared as two samples */
	size_t n_it, n_baseline;      /* launches that were used */
	double p;		      /* two-sided, of no difference; NAN: none */
	double p_adjusted;	      /* by Holm over the family; p outside any */
	int is_extreme;		      /* no data of this size could have a smaller p */
	const char *method;	      /* a constant; "" when there was nothing to compute */
	const char *reason; /* a constant: why unknown, or why Holm took a difference back; else "" */
};

/*
 * Compare. Values must be positive and finite: others make it unknown, as do too
 * few launches (below 6 pairs; below 4 and 4 of two samples). Pairs are made when
 * both sides have rounds in common. LSB_ENOMEM is told as unknown.
 */
void lsb_verdict_compare(const struct lsb_launch_values *it, const struct lsb_launch_values *baseline,
			 enum lsb_metric_sense sense, struct lsb_verdict *out);

/*
 * The same of metric NAME of two points of a summary (docs/summary.md). `same_run`:
 * both are of one run, so that equal rounds are pairs. Unknown when a point lacks
 * the metric.
 */
void lsb_verdict_points(const json_t *it, const json_t *baseline, const char *metric, int same_run,
			struct lsb_verdict *out);

/*
 * Correct `n` verdicts that are looked at together for their number: sets
 * p_adjusted, and takes faster or slower back where it is above 5 %. To `unknown`
 * if the launches are too few for so many comparisons, whatever they show; else to
 * `no difference seen`. Verdicts without p do not count. Call it once a family.
 */
void lsb_verdict_family(struct lsb_verdict *verdicts, size_t n);

/* What an interval of a ratio says by itself, of no family. */
enum lsb_verdict_kind lsb_verdict_of_interval(double lo, double hi, enum lsb_metric_sense sense);

/* "faster", "slower", "higher", "lower", "no difference seen" or "unknown". */
const char *lsb_verdict_word(enum lsb_verdict_kind kind);

/*
 * {"verdict", "reason": text or null, "ratio", "ci95": [lo, hi] or null, "pairs",
 * "n": [it, baseline], "p", "p_adjusted", "method"}; numbers that there are not are
 * null. New reference.
 */
json_t *lsb_verdict_json(const struct lsb_verdict *verdict);

#endif
