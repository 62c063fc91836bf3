/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Break-even of the points of a run: the predictor's simulated run of each, over
 * links of any latency and bandwidth, against its measured one-node points. The
 * model is made of the launch that stands for each point, which is what reports
 * keep whole of a journal.
 */
#include <math.h>
#include <string.h>

#include "lsbench/host.h"
#include "measure/break_even.h"
#include "measure/choose.h"
#include "measure/look.h"
#include "measure/predict_parts.h"
#include "measure/summary.h"

/* Fits and simulated runs take milliseconds each: a suite of thousands of points is not asked. */
enum { POINTS_MAX = 64, ANSWERS_MAX = 16 };

/* A point, as the law of its run. */
struct run_law {
	const struct lsb_measured *point;
	const struct lsb_model *model;
};

static double tokens_per_s(const void *user, double latency_s, double bytes_per_s)
{
	const struct run_law *law = user;
	const struct lsb_predict_settings settings = {
		.has_latency = 1, .latency_s = latency_s, .has_bandwidth = 1, .bytes_per_s = bytes_per_s
	};
	struct lsb_plan_of_run run = { 0 };
	struct lsb_sim_result result = { 0 };
	double out = NAN;

	if (lsb_run_plan(law->point, law->model, 0, &settings, &run, NULL))
		return NAN;
	if (lsb_run_simulate(&run, &result, NULL) == LSB_OK)
		out = result.generated_tok / result.run_s;
	lsb_sim_result_free(&result);
	lsb_run_free(&run);
	return out;
}

/* Tokens a second that are to be reached, and were the model that much too fast or too slow at every link. */
struct targets {
	double at, low, high;
	int is_known; /* measured and predicted run are on the same side of it */
};

/* {"pays", "value", "range": where the model's error would put it, [lo, hi] or null} */
static json_t *limit_json(const struct lsb_break_even_law *law, const struct targets *t,
			  struct lsb_break_even (*search)(const struct lsb_break_even_law *, double))
{
	struct lsb_break_even found = { .kind = LSB_PAYS_UNKNOWN }, low = found, high = found;
	json_t *range = NULL;

	if (t->is_known)
		found = search(law, t->at);
	if (found.kind == LSB_PAYS_UP_TO) {
		low = search(law, t->low);
		high = search(law, t->high);
	}
	if (low.kind == LSB_PAYS_UP_TO && high.kind == LSB_PAYS_UP_TO)
		range = json_pack("[f, f]", fmin(low.value, high.value), fmax(low.value, high.value));
	return json_pack("{s:s, s:o, s:o}", "pays", lsb_break_even_word(found.kind), "value",
			 found.kind == LSB_PAYS_UP_TO ? json_real(found.value) : json_null(), "range",
			 range ? range : json_null());
}

static json_t *answer_json(const struct lsb_break_even_law *law, const struct lsb_model *model,
			   double measured, const char *against, const char *baseline, double target)
{
	const double predicted = law->tokens_per_s(law->user, law->latency_s, law->bytes_per_s),
		     free_link = law->tokens_per_s(law->user, 0, 0), error = predicted / measured - 1;
	const struct targets targets = { target, target / (1 + fabs(error)), target * (1 + fabs(error)),
					 (predicted >= target) == (measured >= target) };

	if (!isfinite(error) || !isfinite(free_link))
		return NULL;
	return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o}", "against", against,
			 "baseline", baseline, "target_tokens_per_s", target, "measured_tokens_per_s",
			 measured, "predicted_tokens_per_s", predicted, "free_link_tokens_per_s", free_link,
			 "error", error, "link_latency_s",
			 model->has_link ? json_real(law->latency_s) : json_null(), "link_bytes_per_s",
			 model->has_link && law->bytes_per_s > 0 ? json_real(law->bytes_per_s) : json_null(),
			 "latency", limit_json(law, &targets, lsb_break_even_latency), "bandwidth",
			 limit_json(law, &targets, lsb_break_even_bandwidth));
}

/* Answers of one point, against its one-node points that were measured; an empty list otherwise. */
static json_t *answers_of(const struct lsb_predictor *p, size_t which, const json_t *summary,
			  const json_t *entry, const json_t *point)
{
	static const char *const kinds[] = { "equal_batch", "equal_concurrency" };
	const struct lsb_measured *m = &p->points[which];
	struct lsb_error err = { 0 };
	struct lsb_model model;
	const struct run_law run = { m, &model };
	struct lsb_break_even_law law = { .tokens_per_s = tokens_per_s, .user = &run };
	json_t *list = json_array();

	if (lsb_model_fit(p, which, SIZE_MAX, &model, &err))
		return list;
	law.latency_s = model.latency_s;
	law.bytes_per_s = model.byte_s > 0 ? 1 / model.byte_s : 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *id = lsb_look_text(json_object_get(entry, "baselines"), kinds[i]);
		const json_t *baseline = *id ? lsb_summary_point(summary, id) : NULL;
		const double target = lsb_look_median(baseline, "tokens_per_s"),
			     measured = lsb_look_median(point, "tokens_per_s");

		if (lsb_look_number(baseline, "nodes") != 1 || !(target > 0) || !(measured > 0))
			continue;
		json_array_append_new(list, answer_json(&law, &model, measured, kinds[i], id, target));
	}
	return list;
}

/* A pipeline on its own links: what was slowed down on purpose answers another question. */
static int is_asked(const struct lsb_measured *m, const json_t *entry)
{
	return m->stages > 1 && m->replicas == 1 && !m->is_partly_slowed && m->delay_s <= 0 &&
	       m->bytes_per_s <= 0 && !json_is_true(json_object_get(entry, "oversubscribed")) &&
	       !lsb_look_is(entry, "kind", "weak");
}

json_t *lsb_median_launches(const json_t *launches)
{
	json_t *by_point = lsb_launches_by_point(launches), *out = json_array(), *list;
	const char *id;

	json_object_foreach(by_point, id, list)
	{
		json_t *ok = lsb_launches_with(list, "ok");
		const json_t *median = lsb_launches_median(ok);

		if (median)
			json_array_append(out, (json_t *)(uintptr_t)median);
		json_decref(ok);
	}
	json_decref(by_point);
	return out;
}

static size_t find_measured(const struct lsb_predictor *p, const char *id)
{
	size_t i = 0;

	while (i < p->n_points && strcmp(p->points[i].id, id) != 0)
		i++;
	return i;
}

void lsb_break_even_add(const json_t *header, const json_t *launches, json_t *summary)
{
	const json_t *entries = json_object_get(header, "points"), *entry;
	struct lsb_predictor *p = NULL;
	struct lsb_error err = { 0 };
	json_t *medians = NULL;
	size_t i, n_answered = 0;

	if (json_array_size(entries) <= POINTS_MAX) {
		medians = lsb_median_launches(launches);
		(void)lsb_predictor_open(header, medians, NULL, 0, &p, &err); /* no step times: no answers */
	}
	json_array_foreach(entries, i, entry)
	{
		json_t *point = lsb_summary_point(summary, lsb_look_text(entry, "id")), *answers = NULL;
		const size_t which = p ? find_measured(p, lsb_look_text(entry, "id")) : 0;

		if (p && which < p->n_points && n_answered < ANSWERS_MAX &&
		    is_asked(&p->points[which], entry))
			answers = answers_of(p, which, summary, entry, point);
		n_answered += json_array_size(answers) > 0;
		json_object_set_new(point, "break_even", answers ? answers : json_array());
	}
	lsb_predictor_close(p);
	json_decref(medians);
}
