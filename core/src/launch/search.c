/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/search.h"

#include <math.h>

#include "base/base.h"
#include "measure/knee.h"
#include "measure/slo.h"
#include "measure/statistics.h"

enum { RUNGS_MAX = 256, REPS_MAX = 10000 };

/* The searched points that differ from one of them in their rate alone, ascending. */
struct ladder {
	size_t points[RUNGS_MAX];
	struct lsb_rung rungs[RUNGS_MAX];
	size_t n;
	double share;
};

/* First round that was not launched; `reps`: none. */
static uint32_t next_round(const struct lsb_searched *s)
{
	uint32_t round = 0;

	while (round < s->reps && s->rounds[round])
		round++;
	return round;
}

/* Median over the launches that went well; NAN: none. */
static double share_of(const struct lsb_searched *s)
{
	double values[REPS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < s->reps && n < REPS_MAX; i++)
		if (isfinite(s->shares[i]))
			values[n++] = s->shares[i];
	lsb_sort(values, n);
	return n ? lsb_median(values, n) : NAN;
}

static void add_rung(struct ladder *l, size_t point, double rate, const struct lsb_searched *s)
{
	const double share = share_of(s);
	const struct lsb_rung rung = { rate, share,
				       s->is_over || (isnan(share) && next_round(s) == s->reps) };
	size_t at = l->n;

	if (l->n == RUNGS_MAX)
		return;
	for (; at > 0 && l->rungs[at - 1].rate > rate; at--) {
		l->rungs[at] = l->rungs[at - 1];
		l->points[at] = l->points[at - 1];
	}
	l->rungs[at] = rung;
	l->points[at] = point;
	l->n++;
}

/* The ladder whose first point in suite order is `first`; empty where that is on an earlier one. */
static void find_ladder(const json_t *entries, const struct lsb_searched *points, size_t n, size_t first,
			struct ladder *l)
{
	const json_t *entry = json_array_get(entries, first);
	struct lsb_slo slo;

	l->n = 0;
	if (!lsb_is_searched(entry) || !lsb_slo_of(entry, &slo))
		return;
	l->share = slo.share;
	for (size_t i = 0; i < n; i++) {
		const json_t *other = json_array_get(entries, i);

		if (!lsb_is_same_ladder(entry, other))
			continue;
		if (i < first) {
			l->n = 0;
			return;
		}
		add_rung(l, i, lsb_offered_rate(other), &points[i]);
	}
}

/* Take rung `i` for the next launch where it lacks an earlier round than what was found so far. */
static void consider(const struct ladder *l, ptrdiff_t i, const struct lsb_searched *points, size_t *point,
		     uint32_t *round)
{
	const struct lsb_searched *s = i >= 0 ? &points[l->points[i]] : NULL;

	if (!s || s->is_over || next_round(s) >= s->reps || next_round(s) >= *round)
		return;
	*point = l->points[i];
	*round = next_round(s);
}

int lsb_search_next(const json_t *header, const struct lsb_searched *points, size_t n, size_t *point,
		    uint32_t *round)
{
	const json_t *entries = json_object_get(header, "points");
	struct ladder l;

	*round = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		struct lsb_bracket b;

		find_ladder(entries, points, n, i, &l);
		b = lsb_bracket_find(l.rungs, l.n, l.share);
		consider(&l, b.probe, points, point, round);
		if (b.probe < 0) {
			consider(&l, b.meets, points, point, round);
			consider(&l, b.fails, points, point, round);
		}
	}
	return *round != UINT32_MAX;
}
