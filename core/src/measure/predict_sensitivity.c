/* SPDX-License-Identifier: Apache-2.0 */
/* Slowed links, measured beside predicted: the rows are the predictor's own held-out points. */
#include "measure/sensitivity.h"

#include <string.h>

#include "lsbench/host.h"
#include "measure/look.h"
#include "measure/predict_parts.h"
#include "measure/summary.h"

enum { POINTS_MAX = 64 }; /* a fit for each: milliseconds */

/* Whether two of the points are over links of different delay or bandwidth. */
static int has_two_links(const struct lsb_predictor *p)
{
	const struct lsb_measured *first = NULL;

	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_measured *m = &p->points[i];

		if (!m->is_slowed || m->is_partly_slowed || m->stages < 2)
			continue;
		if (first && (first->delay_s != m->delay_s || first->bytes_per_s != m->bytes_per_s))
			return 1;
		first = first ? first : m;
	}
	return 0;
}

/* The held-out prediction of point `id`, in seconds of its run; 0 when there is none. */
static double predicted_run_s(const json_t *holdout, const char *id)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(holdout, "points"), i, row)
	{
		if (lsb_look_is(row, "id", id))
			return lsb_look_number(row, "predicted_run_s");
	}
	return 0;
}

static json_t *row_json(const struct lsb_measured *m, const json_t *point, const json_t *holdout)
{
	const json_t *metric = json_object_get(json_object_get(point, "metrics"), "tokens_per_s");
	const double measured = lsb_look_median(point, "tokens_per_s"),
		     run_s = predicted_run_s(holdout, m->id),
		     predicted = run_s > 0 ? m->tokens_per_s * m->run_s / run_s : 0;

	if (!(measured > 0))
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:f, s:o, s:f, s:O?, s:o, s:o}", "id", m->id, "label", m->label,
			 "case", lsb_look_text(point, "case"), "delay_s", m->delay_s, "bytes_per_s",
			 m->bytes_per_s > 0 ? json_real(m->bytes_per_s) : json_null(),
			 "measured_tokens_per_s", measured, "ci95", json_object_get(metric, "ci95"),
			 "predicted_tokens_per_s", predicted > 0 ? json_real(predicted) : json_null(),
			 "error", predicted > 0 ? json_real(predicted / measured - 1) : json_null());
}

void lsb_link_sensitivity_add(const json_t *header, const json_t *launches, json_t *summary)
{
	json_t *rows = json_array(), *medians = NULL, *holdout = NULL;
	struct lsb_predictor *p = NULL;
	struct lsb_error err = { 0 };

	json_object_set_new(summary, "link_sensitivity", rows);
	if (json_array_size(json_object_get(header, "points")) > POINTS_MAX)
		return;
	medians = lsb_median_launches(launches);
	if (lsb_predictor_open(header, medians, NULL, 0, &p, &err) == LSB_OK && has_two_links(p) &&
	    lsb_predict_holdout(p, &holdout, &err) == LSB_OK)
		for (size_t i = 0; i < p->n_points; i++) {
			const struct lsb_measured *m = &p->points[i];
			json_t *row = m->is_slowed && !m->is_partly_slowed && m->stages > 1
					      ? row_json(m, lsb_summary_point(summary, m->id), holdout)
					      : NULL;

			if (row)
				json_array_append_new(rows, row);
		}
	json_decref(holdout);
	lsb_predictor_close(p);
	json_decref(medians);
}
