/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { SAMPLES_MAX = 64, ROUNDING_NS = 1 };

/* What one exchange showed. */
struct sample {
	uint64_t at_ns;	  /* of the lower rank */
	double offset_ns; /* how much more the neighbour's clock showed */
	double rtt_ns;
};

/* The neighbour's clock against the lower rank's: offset at ref_ns, and its growth per nanosecond. */
struct line {
	uint64_t ref_ns;
	double offset_ns, drift, error_ns;
};

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double ahead(uint64_t a, uint64_t b)
{
	return a >= b ? (double)(a - b) : -(double)(b - a);
}

/* A nonsensical sample (they come from other processes) is none. */
static size_t read_samples(const json_t *rank, struct sample *out)
{
	const json_t *list = json_object_get(json_object_get(rank, "clock"), "samples"), *item;
	size_t i, n = 0;

	json_array_foreach(list, i, item)
	{
		const json_int_t at = json_integer_value(json_array_get(item, 0));
		const json_int_t offset = json_integer_value(json_array_get(item, 1));
		const json_int_t rtt = json_integer_value(json_array_get(item, 2));

		if (json_array_size(item) == 3 && at > 0 && rtt >= 0 && n < SAMPLES_MAX)
			out[n++] = (struct sample){ (uint64_t)at, (double)offset, (double)rtt };
	}
	return n;
}

/* Whether two ranks may have one clock: they say so, and an offset of 0 lies within every round trip. */
static int may_share(const json_t *lower, const json_t *upper, const struct sample *samples, size_t n)
{
	const char *a = json_string_value(json_object_get(lower, "clock_id"));
	const char *b = json_string_value(json_object_get(upper, "clock_id"));

	if (!a || !b || !*a || strcmp(a, b) != 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (fabs(samples[i].offset_ns) > samples[i].rtt_ns / 2 + ROUNDING_NS)
			return 0;
	return 1;
}

/*
 * Least squares through the samples whose round trip is not far above the
 * shortest: a long one says little. Without a span of time there is no drift.
 */
static struct line fit_line(const struct sample *samples, size_t n)
{
	struct line line = { 0 };
	double shortest = INFINITY, t_mean = 0, o_mean = 0, tt = 0, to = 0, residual = 0;
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		shortest = samples[i].rtt_ns < shortest ? samples[i].rtt_ns : shortest;
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < n; i++) {
			const double t = ahead(samples[i].at_ns, samples[0].at_ns), o = samples[i].offset_ns;

			if (samples[i].rtt_ns > 2 * shortest)
				continue;
			switch (pass) {
			case 0:
				t_mean += t;
				o_mean += o;
				used++;
				break;
			case 1:
				tt += (t - t_mean) * (t - t_mean);
				to += (t - t_mean) * (o - o_mean);
				break;
			default:
				residual = larger(residual, fabs(o - o_mean - line.drift * (t - t_mean)));
			}
		}
		if (pass == 0) {
			t_mean /= (double)used;
			o_mean /= (double)used;
		} else if (pass == 1 && tt > 0) {
			line.drift = to / tt;
		}
	}
	line.ref_ns = samples[0].at_ns + (uint64_t)(int64_t)llround(t_mean);
	line.offset_ns = o_mean;
	line.error_ns = shortest / 2 + residual;
	return line;
}

/* The upper rank's clock by the lower rank's and the line between them. */
static struct lsb_clock chain(const struct lsb_clock *lower, const struct line *line)
{
	const double rate = 1 / (1 + line->drift);

	return (struct lsb_clock){
		.own_ns = line->ref_ns + (uint64_t)(int64_t)llround(line->offset_ns),
		.root_ns = lsb_clock_align(lower, line->ref_ns),
		.rate = rate * lower->rate,
		.error_ns = lower->error_ns + (uint64_t)ceil(line->error_ns),
		.is_known = lower->is_known,
	};
}

/* The next rank below `r` that told anything: ranks of a lost replica are null. `r`: there is none. */
static size_t told_below(const json_t *ranks, size_t r)
{
	for (size_t k = r; k-- > 0;)
		if (!json_is_null(json_array_get(ranks, k)))
			return k;
	return r;
}

struct lsb_clock *lsb_clocks_fit(const json_t *ranks)
{
	const size_t n = json_array_size(ranks);
	struct lsb_clock *clocks = calloc(n + 1, sizeof(*clocks));
	struct sample samples[SAMPLES_MAX];

	if (!clocks)
		return NULL;
	for (size_t r = 0; r < n; r++) {
		const json_t *upper = json_array_get(ranks, r);
		const size_t below = told_below(ranks, r);
		const json_t *lower = json_array_get(ranks, below);
		const size_t n_samples = below + 1 == r ? read_samples(lower, samples) : 0;

		clocks[r] = below < r ? clocks[below]
				      : (struct lsb_clock){ .rate = 1, .is_shared = 1, .is_known = 1 };
		if (below == r || json_is_null(upper) || may_share(lower, upper, samples, n_samples))
			continue;
		if (n_samples) {
			const struct line line = fit_line(samples, n_samples);

			clocks[r] = chain(&clocks[below], &line);
		} else {
			clocks[r].is_shared = clocks[r].is_known = 0;
		}
	}
	return clocks;
}

uint64_t lsb_clock_align(const struct lsb_clock *clock, uint64_t own_ns)
{
	if (clock->is_shared || !clock->is_known || own_ns == 0)
		return own_ns;
	return clock->root_ns + (uint64_t)(int64_t)llround(ahead(own_ns, clock->own_ns) * clock->rate);
}

int lsb_records_align(const struct lsb_rank_records *records, size_t n_ranks, const struct lsb_clock *clocks,
		      struct lsb_rank_records **out, struct lsb_error *err)
{
	struct lsb_rank_records *ranks;
	struct lsb_record *to;
	size_t n = 0;

	for (size_t r = 0; r < n_ranks; r++)
		n += records[r].n;
	/* Views first: their size is a multiple of a record's alignment. */
	ranks = n > (SIZE_MAX / 2) / sizeof(*to)
			? NULL
			: malloc(n_ranks * sizeof(*ranks) + n * sizeof(*to) + sizeof(*to));
	if (!ranks)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the records of %zu ranks", n_ranks);
	to = (struct lsb_record *)(void *)(ranks + n_ranks);
	for (size_t r = 0; r < n_ranks; r++) {
		ranks[r] = records[r];
		ranks[r].records = to;
		ranks[r].clock_error_ns = clocks[r].error_ns;
		for (size_t i = 0; i < records[r].n; i++, to++) {
			*to = records[r].records[i];
			to->t0_ns = lsb_clock_align(&clocks[r], to->t0_ns);
			to->t1_ns = lsb_clock_align(&clocks[r], to->t1_ns);
			if (to->kind == LSB_REC_BLOCK || to->kind == LSB_REC_RECV)
				to->aux = lsb_clock_align(&clocks[r], to->aux);
		}
	}
	*out = ranks;
	return LSB_OK;
}

json_t *lsb_clock_json(size_t rank, const struct lsb_clock *clock, size_t misordered)
{
	json_t *out = json_pack("{s:I, s:b, s:b, s:I}", "rank", (json_int_t)rank, "shared", clock->is_shared,
				"known", clock->is_known, "misordered", (json_int_t)misordered);

	if (out && !clock->is_shared && clock->is_known)
		json_object_update_new(out, json_pack("{s:I, s:I, s:I, s:f, s:f, s:I}", "own_ns",
						      (json_int_t)clock->own_ns, "root_ns",
						      (json_int_t)clock->root_ns, "offset_ns",
						      (json_int_t)(clock->own_ns - clock->root_ns), "rate",
						      clock->rate, "drift_ppm", (1 / clock->rate - 1) * 1e6,
						      "error_ns", (json_int_t)clock->error_ns));
	return out;
}

struct lsb_clock *lsb_clocks_of(const json_t *line)
{
	const size_t n = json_array_size(json_object_get(line, "ranks"));
	struct lsb_clock *clocks = calloc(n + 1, sizeof(*clocks));
	const json_t *item;
	size_t i;

	if (!clocks)
		return NULL;
	for (size_t r = 0; r < n; r++)
		clocks[r] = (struct lsb_clock){ .rate = 1, .is_shared = 1, .is_known = 1 };
	json_array_foreach(json_object_get(line, "clocks"), i, item)
	{
		const size_t r = (size_t)json_integer_value(json_object_get(item, "rank"));

		if (r >= n || json_is_true(json_object_get(item, "shared")))
			continue;
		clocks[r] = (struct lsb_clock){
			.own_ns = (uint64_t)json_integer_value(json_object_get(item, "own_ns")),
			.root_ns = (uint64_t)json_integer_value(json_object_get(item, "root_ns")),
			.rate = json_number_value(json_object_get(item, "rate")),
			.error_ns = (uint64_t)json_integer_value(json_object_get(item, "error_ns")),
			.is_known = json_is_true(json_object_get(item, "known")),
		};
	}
	return clocks;
}
