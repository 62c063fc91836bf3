/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/launch_measure.h"

static const char by_pairs[] = "median of paired log-ratios, order-statistic interval, sign test";
static const char by_samples[] = "Hodges-Lehmann log-ratio, Moses interval, exact Mann-Whitney test";
static const char by_many[] = "Hodges-Lehmann log-ratio, Moses interval, Mann-Whitney test (normal)";

enum lsb_metric_sense lsb_metric_sense(const char *metric)
{
	const char *unit = lsb_metric_unit(metric);

	if (strcmp(unit, "1/s") == 0 || strcmp(unit, "B/s") == 0)
		return LSB_MORE_IS_FASTER;
	return strcmp(unit, "s") == 0 ? LSB_MORE_IS_SLOWER : LSB_NO_SPEED;
}

const char *lsb_verdict_word(enum lsb_verdict_kind kind)
{
	static const char *const words[] = {
		[LSB_VERDICT_UNKNOWN] = "unknown", [LSB_VERDICT_NO_DIFFERENCE] = "no difference seen",
		[LSB_VERDICT_FASTER] = "faster",   [LSB_VERDICT_SLOWER] = "slower",
		[LSB_VERDICT_HIGHER] = "higher",   [LSB_VERDICT_LOWER] = "lower",
	};

	return words[kind];
}

enum lsb_verdict_kind lsb_verdict_of_interval(double lo, double hi, enum lsb_metric_sense sense)
{
	static const enum lsb_verdict_kind more[] = { LSB_VERDICT_FASTER, LSB_VERDICT_SLOWER,
						      LSB_VERDICT_HIGHER },
					   less[] = { LSB_VERDICT_SLOWER, LSB_VERDICT_FASTER,
						      LSB_VERDICT_LOWER };

	if (!(lo <= hi))
		return LSB_VERDICT_UNKNOWN;
	if (lo > 1 + LSB_NOISE_FLOOR)
		return more[sense];
	return hi < 1 - LSB_NOISE_FLOOR ? less[sense] : LSB_VERDICT_NO_DIFFERENCE;
}

/* --- one comparison --- */

static void make_unknown(struct lsb_verdict *v, const char *reason)
{
	v->kind = LSB_VERDICT_UNKNOWN;
	v->reason = reason;
}

static int are_positive(const double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(values[i] > 0) || !isfinite(values[i]))
			return 0;
	return 1;
}

/* Values of the rounds that both sides have, side by side; how many. `a` and `b` have room for it->n. */
static size_t make_pairs(const struct lsb_launch_values *it, const struct lsb_launch_values *baseline,
			 double *a, double *b)
{
	size_t *places = calloc(2 * it->n + 1, sizeof(*places)), n = 0;

	if (places && it->rounds && baseline->rounds)
		n = lsb_pair_rounds(it->rounds, it->n, baseline->rounds, baseline->n, places, places + it->n);
	for (size_t i = 0; i < n; i++) {
		a[i] = it->values[places[i]];
		b[i] = baseline->values[places[it->n + i]];
	}
	free(places);
	return n;
}

static void compare_pairs(const double *a, const double *b, size_t n, struct lsb_verdict *v)
{
	size_t above = 0, below = 0;
	int known;

	for (size_t i = 0; i < n; i++) {
		above += a[i] > b[i];
		below += a[i] < b[i];
	}
	v->n_pairs = v->n_it = v->n_baseline = n;
	v->method = by_pairs;
	known = lsb_paired_ratio(a, b, n, &v->ratio, &v->interval);
	v->has_interval = known == 1;
	v->p = lsb_sign_test(above, below);
	v->is_extreme = above == 0 || below == 0;
	if (known < 0)
		make_unknown(v, "no memory");
	else if (!known)
		make_unknown(v, "too few pairs for an interval: 6 rounds that both have are needed");
}

static void compare_samples(const struct lsb_launch_values *it, const struct lsb_launch_values *baseline,
			    struct lsb_verdict *v)
{
	double u = 0;
	int known;

	v->method = it->n * baseline->n > LSB_EXACT_PAIRS_MAX ? by_many : by_samples;
	known = lsb_sample_ratio(it->values, it->n, baseline->values, baseline->n, &v->ratio, &v->interval);
	v->has_interval = known == 1;
	if (known < 0 || lsb_mann_whitney(it->values, it->n, baseline->values, baseline->n, &u, &v->p)) {
		make_unknown(v, "no memory");
		return;
	}
	v->is_extreme = u == 0 || u == (double)it->n * (double)baseline->n;
	if (!known)
		make_unknown(v, "too few launches for an interval: 4 on each side, or 6 rounds that both "
				"have, are needed");
}

void lsb_verdict_compare(const struct lsb_launch_values *it, const struct lsb_launch_values *baseline,
			 enum lsb_metric_sense sense, struct lsb_verdict *out)
{
	double *a = calloc(it->n + 1, sizeof(*a)), *b = calloc(it->n + 1, sizeof(*b));
	size_t pairs;

	*out = (struct lsb_verdict){ .sense = sense,
				     .ratio = NAN,
				     .p = NAN,
				     .n_it = it->n,
				     .n_baseline = baseline->n,
				     .method = "",
				     .reason = "" };
	if (!a || !b) {
		make_unknown(out, "no memory");
	} else if (it->n == 0 || baseline->n == 0) {
		make_unknown(out, "one side has no launches");
	} else if (!are_positive(it->values, it->n) || !are_positive(baseline->values, baseline->n)) {
		make_unknown(out, "a value is not positive, so there is no ratio");
	} else {
		pairs = make_pairs(it, baseline, a, b);
		if (pairs)
			compare_pairs(a, b, pairs, out);
		else
			compare_samples(it, baseline, out);
		if (out->has_interval)
			out->kind = lsb_verdict_of_interval(out->interval.lo, out->interval.hi, sense);
	}
	out->p_adjusted = out->p;
	free(a);
	free(b);
}

/* --- of a summary --- */

/* Numbers of an array into *out, malloc'ed, [n + 1]; 0 when one is none, or no memory. */
static int numbers_of(const json_t *array, double **out)
{
	const size_t n = json_array_size(array);

	*out = calloc(n + 1, sizeof(**out));
	for (size_t i = 0; *out && i < n; i++) {
		const json_t *value = json_array_get(array, i);

		if (!json_is_number(value))
			return 0;
		(*out)[i] = json_number_value(value);
	}
	return *out != NULL;
}

/* The launches of one point; LSB_EINVAL when it lacks the metric. */
static int values_of(const json_t *point, const char *metric, double **values, double **rounds,
		     struct lsb_launch_values *out)
{
	const json_t *samples =
		json_object_get(json_object_get(json_object_get(point, "metrics"), metric), "samples");
	const json_t *its_rounds = json_object_get(point, "rounds");

	*values = *rounds = NULL;
	*out = (struct lsb_launch_values){ .n = json_array_size(samples) };
	if (!numbers_of(samples, values) || !numbers_of(its_rounds, rounds) ||
	    json_array_size(its_rounds) != out->n)
		return LSB_EINVAL;
	out->values = *values;
	out->rounds = *rounds;
	return LSB_OK;
}

void lsb_verdict_points(const json_t *it, const json_t *baseline, const char *metric, int same_run,
			struct lsb_verdict *out)
{
	const enum lsb_metric_sense sense = lsb_metric_sense(metric);
	struct lsb_launch_values a, b;
	double *kept[4];
	int bad = values_of(it, metric, &kept[0], &kept[1], &a);

	bad |= values_of(baseline, metric, &kept[2], &kept[3], &b);
	if (!same_run)
		a.rounds = b.rounds = NULL;
	if (bad)
		a.n = b.n = 0;
	lsb_verdict_compare(&a, &b, sense, out);
	if (bad)
		out->reason = "one side's launches do not all have the metric";
	for (size_t i = 0; i < LSB_COUNT(kept); i++)
		free(kept[i]);
}

/* --- many --- */

static int is_difference(const struct lsb_verdict *v)
{
	return v->kind != LSB_VERDICT_UNKNOWN && v->kind != LSB_VERDICT_NO_DIFFERENCE;
}

void lsb_verdict_family(struct lsb_verdict *verdicts, size_t n)
{
	double *p = calloc(n + 1, sizeof(*p)), *adjusted = calloc(n + 1, sizeof(*adjusted));
	size_t members = 0;
	int failed = !p || !adjusted;

	for (size_t i = 0; !failed && i < n; i++)
		if (!isnan(verdicts[i].p))
			p[members++] = verdicts[i].p;
	failed = failed || lsb_holm(p, members, adjusted);
	members = 0;
	for (size_t i = 0; i < n; i++) {
		struct lsb_verdict *v = &verdicts[i];

		if (isnan(v->p))
			continue;
		v->p_adjusted = failed ? NAN : adjusted[members++];
		if (!is_difference(v) || v->p_adjusted <= LSB_VERDICT_LEVEL)
			continue;
		if (failed) {
			make_unknown(v, "no memory");
		} else if (v->is_extreme) {
			make_unknown(v, "too few launches for so many comparisons (Holm)");
		} else {
			v->kind = LSB_VERDICT_NO_DIFFERENCE;
			v->reason = "a difference by itself, but not among so many comparisons (Holm)";
		}
	}
	free(p);
	free(adjusted);
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

json_t *lsb_verdict_json(const struct lsb_verdict *v)
{
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:I, s:[I, I], s:o, s:o, s:s}", "verdict", lsb_verdict_word(v->kind),
		"reason", *v->reason ? json_string(v->reason) : json_null(), "ratio",
		number_or_null(v->ratio), "ci95",
		v->has_interval ? json_pack("[f, f]", v->interval.lo, v->interval.hi) : json_null(), "pairs",
		(json_int_t)v->n_pairs, "n", (json_int_t)v->n_it, (json_int_t)v->n_baseline, "p",
		number_or_null(v->p), "p_adjusted", number_or_null(v->p_adjusted), "method", v->method);
}
