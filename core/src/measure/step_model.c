/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model is linear in fixed, f and c once head and k are given, and linear in
 * head, and in k, once the others are: so each is solved in turn until nothing
 * moves. Rows are divided by their times (relative errors) and weighted anew by
 * their residual in each turn, which makes the squares into absolute values
 * (iteratively reweighted least squares), so that a disturbed launch does not pull.
 */
#include "measure/step_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "measure/statistics.h"

enum { UNKNOWNS = LSB_STEP_KNOTS + 2, ROUNDS = 60 };
#define KNOT_APART 1.06	  /* sizes nearer to each other than this share a knot */
#define SMALL 1e-4	  /* weight of "this term is 0", against all samples */
#define LEAST_ERROR 0.003 /* relative; below it a residual counts as this, or weights would not end */

/* --- f --- */

/*
 * tokens = (1 - share) knot[i] + share knot[i + 1]; beyond the last two, on their line; below the first, it.
 */
static void place(const struct lsb_step_model *m, double tokens, size_t *i, double *share)
{
	size_t k = 0;

	*i = 0;
	*share = 0;
	if (m->n_knots < 2 || tokens <= m->knot_tok[0])
		return;
	while (k + 2 < m->n_knots && tokens > m->knot_tok[k + 1])
		k++;
	*i = k;
	*share = (tokens - m->knot_tok[k]) / (m->knot_tok[k + 1] - m->knot_tok[k]);
}

double lsb_step_model_layer_s(const struct lsb_step_model *m, double tokens)
{
	double share;
	size_t i;

	place(m, tokens, &i, &share);
	return share == 0 ? m->layer_s[i] : fmax(0, (1 - share) * m->layer_s[i] + share * m->layer_s[i + 1]);
}

double lsb_step_model_s(const struct lsb_step_model *m, double layers, int is_last, double tokens,
			double outputs, double positions)
{
	const double head = is_last && outputs > 0 ? m->head_layers * lsb_step_model_layer_s(m, outputs) : 0;

	return m->fixed_s + layers * (lsb_step_model_layer_s(m, tokens) + m->position_s * positions) + head;
}

static int compare_numbers(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Knots at the sizes that there are: at most LSB_STEP_KNOTS, coarser where there are more. */
static int set_knots(const struct lsb_step_sample *samples, size_t n, struct lsb_step_model *m)
{
	double *sizes = malloc((n + 1) * sizeof(*sizes)), apart = KNOT_APART;

	if (!sizes)
		return -1;
	for (size_t i = 0; i < n; i++)
		sizes[i] = samples[i].tokens;
	qsort(sizes, n, sizeof(*sizes), compare_numbers);
	do {
		m->n_knots = 0;
		for (size_t i = 0; i < n && m->n_knots < LSB_STEP_KNOTS; i++)
			if (m->n_knots == 0 || sizes[i] > apart * m->knot_tok[m->n_knots - 1])
				m->knot_tok[m->n_knots++] = sizes[i];
		apart *= apart;
	} while (m->n_knots == LSB_STEP_KNOTS);
	free(sizes);
	return 0;
}

/* --- linear algebra ------------------------------------------------------------------- */

/* Solve a x = b of n unknowns in place (Gauss, partial pivots); what no row determines is 0. */
static void solve(double a[UNKNOWNS][UNKNOWNS], double b[UNKNOWNS], size_t n, double x[UNKNOWNS])
{
	int pivoted[UNKNOWNS] = { 0 };
	size_t row_of[UNKNOWNS];

	for (size_t column = 0; column < n; column++) {
		size_t best = n;

		for (size_t row = 0; row < n; row++)
			if (!pivoted[row] && (best == n || fabs(a[row][column]) > fabs(a[best][column])))
				best = row;
		row_of[column] = n;
		if (best == n || fabs(a[best][column]) < 1e-300)
			continue;
		pivoted[best] = 1;
		row_of[column] = best;
		for (size_t row = 0; row < n; row++) {
			const double factor = row == best ? 0 : a[row][column] / a[best][column];

			for (size_t k = column; factor != 0 && k < n; k++)
				a[row][k] -= factor * a[best][k];
			b[row] -= factor * b[best];
		}
	}
	for (size_t column = 0; column < n; column++)
		x[column] = row_of[column] < n ? b[row_of[column]] / a[row_of[column]][column] : 0;
}

/* --- the three solutions ---------------------------------------------------------------- */

struct fit {
	const struct lsb_step_sample *samples;
	size_t n;
	double *weights; /* [n] of this turn */
	double prior_head;
	struct lsb_step_model *m;
};

static int kind_of(const struct lsb_step_sample *s)
{
	return s->tokens > s->outputs * 1.000001;
}

static double alone(const struct fit *f, const struct lsb_step_sample *s)
{
	return lsb_step_model_s(f->m, s->layers, s->is_last, s->tokens, s->outputs, s->positions);
}

static double shared(const struct fit *f, const struct lsb_step_sample *s)
{
	return 1 + f->m->contention[kind_of(s)] * s->busy;
}

/* Coefficients of (f at each knot..., fixed, position) in the time of a sample alone. */
static void coefficients(const struct fit *f, const struct lsb_step_sample *s, double row[UNKNOWNS])
{
	const size_t knots = f->m->n_knots;
	double share;
	size_t i;

	memset(row, 0, UNKNOWNS * sizeof(*row));
	place(f->m, s->tokens, &i, &share);
	row[i] += s->layers * (1 - share);
	if (share != 0)
		row[i + 1] += s->layers * share;
	if (s->is_last && s->outputs > 0) {
		place(f->m, s->outputs, &i, &share);
		row[i] += f->m->head_layers * (1 - share);
		if (share != 0)
			row[i + 1] += f->m->head_layers * share;
	}
	row[knots] = 1;
	row[knots + 1] = s->layers * s->positions;
}

/* The linear terms, those in `zero` (bit 0: fixed, bit 1: position) held at 0. */
static void solve_linear(struct fit *f, unsigned zero)
{
	static const double nothing[UNKNOWNS];
	double a[UNKNOWNS][UNKNOWNS] = { { 0 } }, b[UNKNOWNS], x[UNKNOWNS], row[UNKNOWNS];
	const size_t knots = f->m->n_knots, n = knots + 2;
	size_t some[UNKNOWNS], n_some; /* the few terms that a sample has */

	memcpy(b, nothing, sizeof(b));
	for (size_t i = 0; i < f->n; i++) {
		const struct lsb_step_sample *s = &f->samples[i];
		const double scale = f->weights[i] * shared(f, s) / s->seconds;

		coefficients(f, s, row);
		n_some = 0;
		for (size_t k = 0; k < n; k++)
			if (row[k] != 0)
				some[n_some++] = k;
		for (size_t k = 0; k < n_some; k++) {
			for (size_t l = 0; l < n_some; l++)
				a[some[k]][some[l]] +=
					row[some[k]] * scale * row[some[l]] * shared(f, s) / s->seconds;
			b[some[k]] += row[some[k]] * scale;
		}
	}
	for (size_t k = 0; k < 2; k++) {
		const double diagonal = a[knots + k][knots + k];

		if (zero >> k & 1u)
			for (size_t l = 0; l < n; l++)
				a[knots + k][l] = a[l][knots + k] = 0;
		a[knots + k][knots + k] = (zero >> k & 1u) ? 0 : diagonal * (1 + SMALL);
		b[knots + k] = (zero >> k & 1u) ? 0 : b[knots + k];
	}
	solve(a, b, n, x);
	for (size_t k = 0; k < knots; k++)
		f->m->layer_s[k] = fmax(0, x[k]);
	f->m->fixed_s = x[knots];
	f->m->position_s = x[knots + 1];
}

/* No term takes less than no time: what would is left out, and the rest is solved again. */
static void solve_times(struct fit *f)
{
	unsigned zero = 0;

	for (int turn = 0; turn < 3; turn++) {
		solve_linear(f, zero);
		if (f->m->fixed_s >= 0 && f->m->position_s >= 0)
			return;
		zero |= (f->m->fixed_s < 0 ? 1u : 0) | (f->m->position_s < 0 ? 2u : 0);
	}
	f->m->fixed_s = fmax(0, f->m->fixed_s);
	f->m->position_s = fmax(0, f->m->position_s);
}

static void solve_head(struct fit *f)
{
	double above = 0, below = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct lsb_step_sample *s = &f->samples[i];
		const double layer =
			s->is_last && s->outputs > 0 ? lsb_step_model_layer_s(f->m, s->outputs) : 0;
		const double rest = s->seconds / shared(f, s) - alone(f, s) + f->m->head_layers * layer;
		const double scale = f->weights[i] * shared(f, s) * shared(f, s) / (s->seconds * s->seconds);

		above += scale * layer * rest;
		below += scale * layer * layer;
	}
	if (below > 0)
		f->m->head_layers = fmax(0, (above + SMALL * below * f->prior_head) / (below * (1 + SMALL)));
}

static void solve_contention(struct fit *f)
{
	double above[2] = { 0 }, below[2] = { 0 };

	for (size_t i = 0; i < f->n; i++) {
		const struct lsb_step_sample *s = &f->samples[i];
		const double time = alone(f, s) / s->seconds, weight = f->weights[i] * time * s->busy;

		above[kind_of(s)] += weight * (1 - time);
		below[kind_of(s)] += weight * time * s->busy;
	}
	for (int k = 0; k < 2; k++)
		f->m->contention[k] = below[k] > 1e-9 ? fmax(0, above[k] / below[k]) : 0;
}

/* One number that stands still when the model does. */
static double size_of(const struct lsb_step_model *m)
{
	double size = m->fixed_s + m->position_s + m->layer_s[0] * m->head_layers +
		      m->layer_s[0] * (m->contention[0] + m->contention[1]);

	for (size_t k = 0; k < m->n_knots; k++)
		size += m->layer_s[k];
	return size;
}

/* Weights of the next turn: absolute errors instead of squares. */
static void weigh(struct fit *f, double *errors)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct lsb_step_sample *s = &f->samples[i];

		errors[i] = fabs(alone(f, s) * shared(f, s) / s->seconds - 1);
		f->weights[i] = s->weight / fmax(errors[i], LEAST_ERROR);
	}
}

int lsb_step_model_fit(const struct lsb_step_sample *samples, size_t n, double head_layers,
		       struct lsb_step_model *out, struct lsb_error *err)
{
	struct fit f = { .samples = samples, .n = n, .prior_head = head_layers, .m = out };
	double *errors = malloc((n + 1) * sizeof(*errors));
	int rc = LSB_OK;

	*out = (struct lsb_step_model){ .head_layers = head_layers };
	f.weights = malloc((n + 1) * sizeof(*f.weights));
	if (n == 0)
		rc = lsb_fail(err, LSB_EINVAL, 0, "no step was measured");
	else if (!errors || !f.weights || set_knots(samples, n, out))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu samples", n);
	for (size_t i = 0; i < n && rc == LSB_OK; i++)
		f.weights[i] = samples[i].weight;
	for (int turn = 0; turn < ROUNDS && rc == LSB_OK; turn++) {
		const double before = size_of(out);

		solve_times(&f);
		solve_head(&f);
		solve_contention(&f);
		weigh(&f, errors);
		if (fabs(size_of(out) - before) < 1e-7 * before)
			break;
	}
	if (rc == LSB_OK) {
		lsb_sort(errors, n);
		out->residual = lsb_median(errors, n);
	}
	free(errors);
	free(f.weights);
	return rc;
}
