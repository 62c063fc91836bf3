/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/timeline.h"

#include <stdlib.h>

#include "lsbench/host.h"

static int compare_starts(const void *a, const void *b)
{
	const struct lsb_record *x = *(const struct lsb_record *const *)a,
				*y = *(const struct lsb_record *const *)b;

	if (x->t0_ns != y->t0_ns)
		return x->t0_ns < y->t0_ns ? -1 : 1;
	return (x->step > y->step) - (x->step < y->step);
}

/* Compute records of a stage that lie in [t0, t1], by time; *out is malloc'ed. */
static int collect_steps(const struct lsb_rank_records *stage, uint64_t t0, uint64_t t1,
			 const struct lsb_record ***out, size_t *n)
{
	const struct lsb_record **steps = malloc((stage->n + 1) * sizeof(*steps));

	*out = steps;
	*n = 0;
	if (!steps)
		return -1;
	for (size_t i = 0; i < stage->n; i++) {
		const struct lsb_record *r = &stage->records[i];

		if (r->kind == LSB_REC_COMPUTE && r->t1_ns > t0 && r->t0_ns < t1 && r->t1_ns >= r->t0_ns)
			steps[(*n)++] = r;
	}
	qsort(steps, *n, sizeof(*steps), compare_starts);
	return 0;
}

/* The window of the steps: from the first stage's begin to the last stage's end of them. */
static int find_window(const struct lsb_rank_records *stages, size_t n_stages, uint64_t t0, uint64_t t1,
		       struct lsb_timeline *out, uint64_t window[2], struct lsb_error *err)
{
	const struct lsb_record **first = NULL, **last = NULL;
	size_t n_first = 0, n_last = 0, end;
	int rc = LSB_OK;

	if (collect_steps(&stages[0], t0, t1, &first, &n_first) ||
	    collect_steps(&stages[n_stages - 1], t0, t1, &last, &n_last))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a timeline");
	else if (out->first_step >= n_first || n_last == 0 || out->n_steps == 0)
		rc = lsb_fail(err, LSB_EINVAL, 0, "no step %zu among the %zu that were recorded",
			      out->first_step, n_first < n_last ? n_first : n_last);
	if (rc == LSB_OK) {
		if (out->n_steps > n_first - out->first_step)
			out->n_steps = n_first - out->first_step;
		end = out->first_step + out->n_steps - 1;
		out->all_steps = n_first;
		window[0] = out->first_step ? first[out->first_step]->t0_ns : t0;
		window[1] = end < n_last ? last[end]->t1_ns : last[n_last - 1]->t1_ns;
		if (window[0] < t0)
			window[0] = t0;
		if (window[1] > t1 || end == n_first - 1)
			window[1] = t1;
		if (window[1] <= window[0])
			rc = lsb_fail(err, LSB_EINVAL, 0, "step %zu ended before it began", out->first_step);
	}
	free(first);
	free(last);
	return rc;
}

/* Name a bar after the step that computed in it. */
static void label(struct lsb_timeline_bar *bar, const struct lsb_record *const *steps, size_t n, uint64_t at)
{
	size_t low = 0, high = n;

	while (low < high) { /* the first step that begins behind `at` */
		const size_t middle = low + (high - low) / 2;

		if (steps[middle]->t0_ns <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return;
	bar->step = steps[low - 1]->step;
	bar->group = steps[low - 1]->group;
	bar->tokens = steps[low - 1]->aux;
	bar->outputs = steps[low - 1]->aux2;
}

static int compare_bars(const void *a, const void *b)
{
	const struct lsb_timeline_bar *x = a, *y = b;

	return (x->from_s > y->from_s) - (x->from_s < y->from_s);
}

static size_t count_bars(const struct lsb_division *d, const uint64_t window[2])
{
	size_t n = 0;

	for (size_t part = 0; part < LSB_PARTS; part++)
		for (size_t i = lsb_spans_find(&d->parts[part], window[0]);
		     i < d->parts[part].n && d->parts[part].list[i].from < window[1]; i++)
			n++;
	return n;
}

/* Cut `rank` of the division to the window, in bars. */
static int draw(const struct lsb_division *d, const struct lsb_rank_records *stage, const uint64_t window[2],
		struct lsb_timeline_rank *rank)
{
	const struct lsb_record **steps = NULL;
	size_t n_steps = 0;
	int rc;

	rank->rank = stage->rank;
	rank->bars = calloc(count_bars(d, window) + 1, sizeof(*rank->bars));
	rc = rank->bars ? collect_steps(stage, d->t0, d->t1, &steps, &n_steps) : -1;
	for (size_t part = 0; part < LSB_PARTS && rc == 0; part++) {
		const struct lsb_spans *spans = &d->parts[part];

		for (size_t i = lsb_spans_find(spans, window[0]);
		     i < spans->n && spans->list[i].from < window[1]; i++) {
			const uint64_t from =
				spans->list[i].from > window[0] ? spans->list[i].from : window[0];
			const uint64_t to = spans->list[i].to < window[1] ? spans->list[i].to : window[1];
			struct lsb_timeline_bar *bar = &rank->bars[rank->n++];

			*bar = (struct lsb_timeline_bar){ .from_s = (double)(from - d->t0) * 1e-9,
							  .to_s = (double)(to - d->t0) * 1e-9,
							  .part = (enum lsb_part)part,
							  .step = LSB_NO_STEP,
							  .group = LSB_NO_STEP };
			if (part == LSB_PART_COMPUTE)
				label(bar, steps, n_steps, from);
		}
	}
	if (rc == 0)
		qsort(rank->bars, rank->n, sizeof(*rank->bars), compare_bars);
	free(steps);
	return rc;
}

int lsb_timeline_build(const struct lsb_rank_records *stages, size_t n_stages, uint64_t t0, uint64_t t1,
		       size_t first_step, size_t n_steps, struct lsb_timeline *out, struct lsb_error *err)
{
	uint64_t window[2];
	int rc;

	*out = (struct lsb_timeline){ .run_s = t1 > t0 ? (double)(t1 - t0) * 1e-9 : 0,
				      .first_step = first_step,
				      .n_steps = n_steps };
	if (n_stages == 0 || t1 <= t0)
		return lsb_fail(err, LSB_EINVAL, 0, "no run to draw a timeline of");
	rc = find_window(stages, n_stages, t0, t1, out, window, err);
	if (rc)
		return rc;
	out->from_s = (double)(window[0] - t0) * 1e-9;
	out->to_s = (double)(window[1] - t0) * 1e-9;
	out->ranks = calloc(n_stages, sizeof(*out->ranks));
	if (!out->ranks)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a timeline");
	out->n_ranks = n_stages;
	for (size_t k = 0; k < n_stages && rc == LSB_OK; k++) {
		struct lsb_division division;

		rc = lsb_divide(stages, n_stages, k, t0, t1, &division, err);
		if (rc)
			break;
		if (draw(&division, &stages[k], window, &out->ranks[k]))
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a timeline");
		lsb_division_free(&division);
	}
	if (rc)
		lsb_timeline_free(out);
	return rc;
}

void lsb_timeline_free(struct lsb_timeline *timeline)
{
	for (size_t i = 0; i < timeline->n_ranks; i++)
		free(timeline->ranks[i].bars);
	free(timeline->ranks);
	*timeline = (struct lsb_timeline){ 0 };
}
