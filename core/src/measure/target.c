/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/target.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/flags.h"
#include "measure/look.h"
#include "measure/statistics.h"
#include "measure/summary.h"

static double relative(const struct lsb_interval *interval, double centre)
{
	return centre > 0 ? (interval->hi - interval->lo) / 2 / centre : INFINITY;
}

double lsb_target_half_width(const double *it, const double *baseline, size_t n_rounds)
{
	double *a = calloc(2 * n_rounds + 1, sizeof(*a)), *b = a + n_rounds, widest = INFINITY, ratio;
	struct lsb_interval interval;
	size_t n = 0;

	if (!a)
		return INFINITY;
	for (size_t i = 0; i < n_rounds; i++)
		if (!isnan(it[i]))
			a[n++] = it[i];
	lsb_sort(a, n);
	if (lsb_median_interval(a, n, 0.95, &interval) == 0)
		widest = relative(&interval, lsb_median(a, n));
	n = 0;
	for (size_t i = 0; baseline && i < n_rounds; i++)
		if (!isnan(it[i]) && !isnan(baseline[i])) {
			a[n] = it[i];
			b[n++] = baseline[i];
		}
	if (baseline)
		widest = lsb_paired_ratio(a, b, n, &ratio, &interval) == 1
				 ? fmax(widest, relative(&interval, ratio))
				 : INFINITY;
	free(a);
	return widest;
}

/* tokens_per_s by round; rounds that no launch of `n` has are NAN. NULL without memory. */
static double *rates_by_round(const json_t *point, size_t n)
{
	const json_t *samples = json_object_get(lsb_look_metric(point, "tokens_per_s"), "samples"), *round;
	double *out = malloc((n + 1) * sizeof(*out));
	size_t i;

	for (i = 0; out && i < n; i++)
		out[i] = NAN;
	json_array_foreach(json_object_get(point, "rounds"), i, round)
	{
		const json_int_t at = json_integer_value(round);
		const json_t *rate = json_array_get(samples, i);

		if (out && at >= 0 && (uint64_t)at < n && json_is_number(rate))
			out[at] = json_number_value(rate);
	}
	return out;
}

static void add_target(const json_t *entry, const json_t *summary, json_t *point)
{
	enum { ROUNDS_MAX = 10000 }; /* what a suite may ask for */
	const double reps = lsb_look_number(entry, "reps"), max = lsb_look_number(entry, "max_reps");
	const size_t n = max >= 1 && max <= ROUNDS_MAX	   ? (size_t)max
			 : reps >= 1 && reps <= ROUNDS_MAX ? (size_t)reps
							   : 0;
	const char *other = lsb_look_text(json_object_get(entry, "baselines"), "equal_batch");
	const json_t *baseline = *other ? lsb_summary_point(summary, other) : NULL;
	const int compares = baseline && baseline != point;
	double *it = rates_by_round(point, n), *its = compares ? rates_by_round(baseline, n) : NULL, half;
	char *why;

	half = it && (its || !compares) ? lsb_target_half_width(it, its, n) : INFINITY;
	free(it);
	free(its);
	json_object_set_new(point, "target",
			    json_pack("{s:s, s:f, s:o, s:b}", "metric", "tokens_per_s", "limit",
				      LSB_TARGET_HALF_WIDTH, "half_width",
				      isfinite(half) ? json_real(half) : json_null(), "met",
				      half < LSB_TARGET_HALF_WIDTH));
	if (max <= reps || half < LSB_TARGET_HALF_WIDTH || lsb_look_number(point, "launches") < max)
		return;
	why = !isfinite(half) ? lsb_format("after max_reps = %.0f launches there is still no interval", max)
			      : lsb_format("after max_reps = %.0f launches the interval is still +-%.1f %% "
					   "wide, not under %.0f %%",
					   max, half * 100, LSB_TARGET_HALF_WIDTH * 100);
	lsb_point_flag(point, "target_missed", why ? why : "");
	free(why);
}

void lsb_target_add(const json_t *header, json_t *summary)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		json_t *point = lsb_summary_point(summary, lsb_look_text(entry, "id"));

		if (point && json_array_size(json_object_get(point, "rounds")))
			add_target(entry, summary, point);
		else if (point)
			json_object_set_new(point, "target", json_null());
	}
}
