/* SPDX-License-Identifier: Apache-2.0 */
/* What all points of one engine say together: steps, messages, own work. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "measure/predict_parts.h"
#include "measure/statistics.h"

/* Points that the model is made of: the base's engine, without the one that is left out. */
static int is_used(const struct lsb_predictor *p, size_t i, size_t base, size_t without)
{
	return i != without && strcmp(p->points[i].engine, p->points[base].engine) == 0;
}

/* --- steps ---------------------------------------------------------------------------- */

static int fit_steps(const struct lsb_predictor *p, size_t base, size_t without, struct lsb_model *out,
		     struct lsb_error *err)
{
	struct lsb_step_sample *samples = NULL;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < p->n_points; i++)
		if (is_used(p, i, base, without))
			n += p->points[i].n_samples;
	samples = malloc((n + 1) * sizeof(*samples));
	if (!samples)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu samples", n);
	n = 0;
	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_measured *m = &p->points[i];

		for (size_t k = 0; is_used(p, i, base, without) && k < m->n_samples; k++) {
			samples[n] = m->samples[k];
			samples[n].weight /= (double)m->n_launches; /* a point counts once */
			out->tokens_max = fmax(out->tokens_max, samples[n].tokens);
			n++;
		}
	}
	rc = lsb_step_model_fit(samples, n, p->points[base].head_layers, &out->step, err);
	free(samples);
	return rc;
}

/* --- messages ---------------------------------------------------------------------------- */

/* Least squares of seconds = latency + bytes x byte_s, in relative errors; neither below 0. */
static void fit_line(const struct lsb_message_sample *samples, size_t n, double *latency_s, double *byte_s)
{
	double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0, determinant;

	for (size_t i = 0; i < n; i++) {
		const double weight = samples[i].weight / (samples[i].seconds * samples[i].seconds);

		w += weight;
		wx += weight * samples[i].bytes;
		wy += weight * samples[i].seconds;
		wxx += weight * samples[i].bytes * samples[i].bytes;
		wxy += weight * samples[i].bytes * samples[i].seconds;
	}
	determinant = w * wxx - wx * wx;
	*byte_s = determinant > 1e-9 * w * wxx ? fmax(0, (w * wxy - wx * wy) / determinant) : 0;
	*latency_s = w > 0 ? fmax(0, (wy - *byte_s * wx) / w) : 0;
}

/* Messages of plain links like the base's. */
static int fit_messages(const struct lsb_predictor *p, size_t base, size_t without, struct lsb_model *out)
{
	struct lsb_message_sample *hidden, *ids;
	size_t n = 0, n_hidden = 0, n_ids = 0;
	double ids_byte_s;

	for (size_t i = 0; i < p->n_points; i++)
		n += p->points[i].n_messages;
	hidden = calloc(2 * n + 1, sizeof(*hidden));
	ids = hidden + n;
	if (!hidden)
		return -1;
	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_measured *m = &p->points[i];

		if (i == without || m->is_slowed || strcmp(m->link, p->points[base].link) != 0)
			continue;
		for (size_t k = 0; k < m->n_messages; k++) {
			if (m->messages[k].is_ids)
				ids[n_ids++] = m->messages[k];
			else
				hidden[n_hidden++] = m->messages[k];
		}
	}
	fit_line(hidden, n_hidden, &out->latency_s, &out->byte_s);
	fit_line(ids, n_ids, &out->ids_s, &ids_byte_s);
	if (!n_ids)
		out->ids_s = out->latency_s;
	if (!n_hidden)
		out->latency_s = out->ids_s;
	out->has_link = n_ids + n_hidden > 0;
	free(hidden);
	return 0;
}

/* --- own work, waking up ----------------------------------------------------------------- */

static double median_of(double *values, size_t n)
{
	lsb_sort(values, n);
	return n ? lsb_median(values, n) : 0;
}

/* own_first_s for two stages, and what each further one adds (its plans), over points of several stages. */
static void fit_first(const struct lsb_predictor *p, const size_t *used, size_t n, struct lsb_model *out)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, determinant;

	for (size_t i = 0; i < n; i++) {
		const double x = p->points[used[i]].stages - 2.0, y = p->points[used[i]].own_s[0];

		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	determinant = (double)n * sxx - sx * sx;
	out->own_stage_s = determinant > 1e-9 ? fmax(0, ((double)n * sxy - sx * sy) / determinant) : 0;
	out->own_first_s = n ? fmax(0, (sy - out->own_stage_s * sx) / (double)n) : 0;
}

static int fit_overheads(const struct lsb_predictor *p, size_t base, size_t without, struct lsb_model *out)
{
	double *values = malloc((p->n_points * 4 + 1) * sizeof(*values));
	double *alone = values, *later, *wake[2];
	size_t *several = malloc((p->n_points + 1) * sizeof(*several));
	size_t n_alone = 0, n_several = 0, n_wake[2] = { 0 };

	if (!values || !several) {
		free(values);
		free(several);
		return -1;
	}
	later = values + p->n_points;
	wake[0] = later + p->n_points;
	wake[1] = wake[0] + p->n_points;
	out->demand = HUGE_VAL;
	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_measured *m = &p->points[i];

		if (!is_used(p, i, base, without))
			continue;
		out->demand = fmin(out->demand, m->demand);
		out->hidden_bytes = fmax(out->hidden_bytes, m->hidden_bytes);
		if (m->stages == 1) {
			alone[n_alone++] = m->own_s[0];
			continue;
		}
		several[n_several] = i;
		later[n_several++] = m->own_s[1];
		if (strcmp(m->link, p->points[base].link) == 0)
			wake[m->is_slowed][n_wake[m->is_slowed]++] = m->wake_s;
	}
	fit_first(p, several, n_several, out);
	out->own_alone_s = median_of(alone, n_alone);
	out->own_later_s = median_of(later, n_several);
	out->wake_s[0] = median_of(wake[0], n_wake[0]);
	out->wake_s[1] = n_wake[1] ? median_of(wake[1], n_wake[1]) : out->wake_s[0];
	if (!n_wake[0])
		out->wake_s[0] = out->wake_s[1];
	free(values);
	free(several);
	return 0;
}

static void note_ranges(const struct lsb_predictor *p, size_t base, size_t without, struct lsb_model *out)
{
	out->batch_min = HUGE_VAL;
	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_measured *m = &p->points[i];

		if (!is_used(p, i, base, without))
			continue;
		out->n_points++;
		out->stages_max = fmax(out->stages_max, m->stages);
		out->ranks_max = fmax(out->ranks_max, (double)m->stages * m->replicas);
		out->in_flight_max = fmax(out->in_flight_max, m->in_flight);
		out->batch_max = fmax(out->batch_max, m->batch);
		out->batch_min = fmin(out->batch_min, m->batch);
		out->delay_max = fmax(out->delay_max, m->delay_s);
	}
}

int lsb_model_fit(const struct lsb_predictor *p, size_t base, size_t without, struct lsb_model *out,
		  struct lsb_error *err)
{
	int rc;

	*out = (struct lsb_model){ 0 };
	note_ranges(p, base, without, out);
	if (out->n_points == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "no other point of this engine was measured");
	rc = fit_steps(p, base, without, out, err);
	if (rc == LSB_OK && (fit_messages(p, base, without, out) || fit_overheads(p, base, without, out)))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu points", p->n_points);
	return rc;
}
