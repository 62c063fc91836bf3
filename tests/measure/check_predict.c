/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journals of machines whose laws are known: runs simulated with given costs,
 * written down as a real run would be. What is held out must be found again.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/break_even.h"
#include "measure/sensitivity.h"
#include "measure/predict.h"
#include "measure/record.h"
#include "measure/simulate.h"

enum { RANKS_MAX = 8, SIZES_MAX = 128, PROMPTS = 9, LAYERS = 24 };

/* A point of the crafted suite. */
struct point {
	const char *id, *label;
	uint32_t stages, batch, in_flight;
	double delay_s; /* of fault:tcp; 0: plain tcp */
	const char *threads;
};

/* What all steps of one size on one rank came to. */
struct size {
	uint32_t tokens, outputs, count;
	double positions, seconds;
};

struct world {
	const struct point *point;
	struct size sizes[RANKS_MAX][SIZES_MAX];
	size_t n_sizes[RANKS_MAX];
};

static uint32_t layers_of(uint32_t stages, uint32_t stage)
{
	return LAYERS / stages + (stage < LAYERS % stages);
}

/* The law: a layer takes 0.1 ms, 20 us a token, 10 ns a position; the head as much as three layers. */
static double step_s(const void *user, uint32_t stage, const struct lsb_sim_step *step)
{
	const struct world *w = user;
	const double layer_s = 0.0001 + 0.00002 * step->tokens,
		     head_s = step->outputs ? 3 * (0.0001 + 0.00002 * step->outputs) : 0;

	return 0.0003 + layers_of(w->point->stages, stage) * (layer_s + 1e-8 * step->positions) +
	       (stage + 1 == w->point->stages ? head_s : 0);
}

static double hidden_s(const void *user, const struct lsb_sim_step *step)
{
	const double plain = 0.00004 + 256.0 * step->tokens * 1e-9;

	return fmax(plain, ((const struct world *)user)->point->delay_s);
}

static double ids_s(const void *user, const struct lsb_sim_step *step)
{
	(void)step;
	return fmax(0.00003, ((const struct world *)user)->point->delay_s);
}

static void watch(void *watcher, uint32_t rank, const struct lsb_sim_step *step, double t0_s, double t1_s)
{
	struct world *w = watcher;
	struct size *size = w->sizes[rank];
	size_t i = 0;

	while (i < w->n_sizes[rank] && (size[i].tokens != step->tokens || size[i].outputs != step->outputs))
		i++;
	ck_assert_uint_lt(i, SIZES_MAX);
	if (i == w->n_sizes[rank])
		size[w->n_sizes[rank]++] = (struct size){ .tokens = step->tokens, .outputs = step->outputs };
	size[i].count++;
	size[i].positions += step->positions;
	size[i].seconds += t1_s - t0_s;
}

static uint32_t prompt_of(size_t i)
{
	return 40 + (uint32_t)(i * 29) % 120;
}

/* --- as a journal ------------------------------------------------------------------------ */

static json_t *times_json(const struct world *w, uint32_t rank)
{
	json_t *steps = json_array(), *messages = json_array();

	for (size_t i = 0; i < w->n_sizes[rank]; i++) {
		const struct size *s = &w->sizes[rank][i];

		json_array_append_new(steps,
				      json_pack("[i, i, f, i, f, f, f]", (int)s->tokens, (int)s->outputs,
						s->positions / s->count, (int)s->count, s->seconds / s->count,
						s->seconds / s->count, 0.0));
	}
	for (int tokens = 1; tokens <= 64 && rank > 0; tokens += 63) {
		const struct lsb_sim_step step = { .tokens = (uint32_t)tokens };

		json_array_append_new(messages, json_pack("[i, f, i, f]", LSB_TAG_HIDDEN, 256.0 * tokens, 10,
							  hidden_s(w, &step)));
	}
	if (rank == 0 && w->point->stages > 1)
		json_array_append_new(messages,
				      json_pack("[i, f, i, f]", LSB_TAG_IDS, 12.0, 10, ids_s(w, NULL)));
	return json_pack("{s:i, s:f, s:f, s:f, s:o, s:o}", "rank", (int)rank, "own_s", 0.00002, "wake_s",
			 0.00001, "hidden_bytes", rank + 1 < w->point->stages ? 256.0 : 0.0, "steps", steps,
			 "messages", messages);
}

static json_t *rank_json(const struct world *w, uint32_t rank)
{
	json_t *out = json_pack("{s:i, s:s, s:f, s:i, s:i, s:i, s:i, s:{s:b}}", "rank", (int)rank, "boot_id",
				"one", "cpu_s", 0.01, "layer_bytes", 1000, "head_bytes", 3000, "layer_macs",
				1000, "head_macs", 3000, "backend", "async", 0);

	if (rank == 0) {
		json_t *requests = json_array();

		for (size_t i = 0; i < PROMPTS; i++)
			json_array_append_new(requests,
					      json_pack("{s:i, s:i, s:i}", "i", (int)i, "prompt_tokens",
							(int)prompt_of(i), "generated_tokens", 12));
		json_object_set_new(out, "requests", requests);
	}
	(void)w;
	return out;
}

static json_t *launch_json(const struct point *p)
{
	uint32_t prompt_tok[PROMPTS], new_tok[PROMPTS];
	struct world w = { .point = p };
	const struct lsb_sim_setup setup = { .stages = p->stages,
					     .replicas = 1,
					     .batch = p->batch,
					     .in_flight = p->in_flight,
					     .chunk = 64,
					     .prompt_tok = prompt_tok,
					     .new_tok = new_tok,
					     .n_requests = PROMPTS,
					     .costs = { .user = &w,
							.step_s = step_s,
							.hidden_s = hidden_s,
							.ids_s = ids_s,
							.own_s = { 0.00002, 0.00002 },
							.wake_s = 0.00001 },
					     .ended = watch,
					     .watcher = &w };
	json_t *ranks = json_array(), *times = json_array(), *ledger = json_array(), *line;
	struct lsb_sim_result result;

	for (size_t i = 0; i < PROMPTS; i++) {
		prompt_tok[i] = prompt_of(i);
		new_tok[i] = 12;
	}
	ck_assert_int_eq(lsb_simulate(&setup, &result, NULL), LSB_OK);
	for (uint32_t k = 0; k < p->stages; k++) {
		json_array_append_new(ranks, rank_json(&w, k));
		json_array_append_new(times, times_json(&w, k));
		json_array_append_new(ledger, json_pack("{s:f}", "compute_s", result.ranks[k].compute_s));
	}
	line = json_pack("{s:s, s:s, s:o, s:o, s:o, s:{s:f, s:f}}", "point", p->id, "status", "ok", "ranks",
			 ranks, "stage_times", times, "ledger", ledger, "metrics", "run_s", result.run_s,
			 "tokens_per_s", result.generated_tok / result.run_s);
	lsb_sim_result_free(&result);
	return line;
}

static json_t *point_json(const struct point *p)
{
	json_t *layers = json_array(),
	       *params = json_pack("{s:s, s:s, s:s, s:s, s:s}", "model", "m", "backend", "b", "threads",
				   p->threads ? p->threads : "1", "chunk", "64", "transport",
				   p->delay_s > 0 ? "fault:tcp" : "tcp");

	if (p->delay_s > 0)
		json_object_set_new(params, "transport.delay", json_sprintf("%.0fus", p->delay_s * 1e6));
	for (uint32_t k = 0; k < p->stages; k++)
		json_array_append_new(layers, json_integer(layers_of(p->stages, k)));
	return json_pack("{s:s, s:s, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:s}", "id", p->id, "label",
			 p->label, "params", params, "layers", layers, "stages", (int)p->stages, "replicas",
			 1, "batch", (int)p->batch, "in_flight", (int)p->in_flight, "prompts", PROMPTS,
			 "max_new", 12, "stop", "length");
}

static const struct point suite_points[] = {
	{ "01", "pipeline nodes=1", 1, 2, 1, 0, NULL },	  { "02", "pipeline nodes=2", 2, 2, 2, 0, NULL },
	{ "03", "pipeline nodes=3", 3, 2, 3, 0, NULL },	  { "04", "pipeline nodes=6", 6, 2, 6, 0, NULL },
	{ "05", "batch batch=1", 2, 1, 2, 0, NULL },	  { "06", "batch batch=3", 2, 3, 2, 0, NULL },
	{ "07", "flight in_flight=1", 3, 2, 1, 0, NULL }, { "08", "flight in_flight=5", 3, 2, 5, 0, NULL },
	{ "09", "link delay=2ms", 3, 2, 3, 0.002, NULL }, { "10", "link delay=7ms", 3, 2, 3, 0.007, NULL },
};

static struct lsb_predictor *predictor_of(const struct point *points, size_t n, const char *base)
{
	json_t *list = json_array(), *launches = json_array(), *header;
	struct lsb_predictor *p = NULL;
	struct lsb_error err = { 0 };

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list, point_json(&points[i]));
		json_array_append_new(launches, launch_json(&points[i]));
	}
	header = json_pack("{s:o}", "points", list);
	ck_assert_msg(lsb_predictor_open(header, launches, base, 64, &p, &err) == LSB_OK, "%s", err.msg);
	json_decref(header);
	json_decref(launches);
	return p;
}

#define ALL suite_points, sizeof(suite_points) / sizeof(suite_points[0])

static double value(const json_t *object, const char *key)
{
	const json_t *found = json_object_get(object, key);

	ck_assert_msg(json_is_number(found), "%s is no number", key);
	return json_number_value(found);
}

/* --- claims ------------------------------------------------------------------------------------ */

START_TEST(points_that_are_held_out_are_found_again)
{
	struct lsb_predictor *p = predictor_of(ALL, NULL);
	const json_t *point;
	struct lsb_error err = { 0 };
	json_t *holdout;
	size_t i;

	ck_assert_int_eq(lsb_predict_holdout(p, &holdout, &err), LSB_OK);
	ck_assert_uint_eq(json_array_size(json_object_get(holdout, "points")), 10);
	json_array_foreach(json_object_get(holdout, "points"), i, point)
		ck_assert_msg(fabs(value(point, "error")) < 0.02, "%s is off by %g",
			      json_string_value(json_object_get(point, "label")), value(point, "error"));
	ck_assert_double_lt(value(holdout, "median_error"), 0.005);
	json_decref(holdout);
	lsb_predictor_close(p);
}
END_TEST

static json_t *predict(struct lsb_predictor *p, const struct lsb_predict_settings *settings)
{
	struct lsb_error err = { 0 };
	json_t *prediction = NULL;

	ck_assert_msg(lsb_predict(p, settings, &prediction, &err) == LSB_OK, "%s", err.msg);
	return prediction;
}

/* From two nodes to a point that was never run, whose law is known all the same. */
START_TEST(what_was_never_run_follows_the_same_law)
{
	static const struct point never = { "99", "never", 4, 3, 6, 0, NULL };
	const struct lsb_predict_settings settings = { .stages = 4, .batch = 3, .in_flight = 6 };
	struct lsb_predictor *p = predictor_of(ALL, "pipeline nodes=2");
	json_t *prediction = predict(p, &settings), *truth = launch_json(&never);
	const json_t *row;
	size_t i;

	ck_assert_double_eq_tol(
		value(prediction, "run_s") / value(json_object_get(truth, "metrics"), "run_s"), 1, 0.01);
	ck_assert_double_eq_tol(value(prediction, "tokens_per_s") * value(prediction, "run_s"),
				PROMPTS * 12.0, 1e-6);
	ck_assert_uint_eq(json_array_size(json_object_get(prediction, "ledger")), 4);
	json_array_foreach(json_object_get(prediction, "ledger"), i, row)
		ck_assert_double_eq_tol(value(row, "compute_s") + value(row, "wait_s") +
						value(row, "transfer_s") + value(row, "overhead_s"),
					value(prediction, "run_s"), 1e-9);
	json_decref(prediction);
	json_decref(truth);
	lsb_predictor_close(p);
}
END_TEST

START_TEST(a_slower_link_costs_what_its_messages_take_and_is_the_bottleneck)
{
	const struct lsb_predict_settings as_it_is = { .in_flight = 1 },
					  slow = { .in_flight = 1, .has_latency = 1, .latency_s = 0.050 };
	struct lsb_predictor *p = predictor_of(ALL, "flight in_flight=1");
	json_t *before = predict(p, &as_it_is), *after = predict(p, &slow);
	/* 5 groups, 11 decode steps each, and each has 3 messages on its way, one after the other */
	const double least_s = 5 * 11 * 3 * (0.050 - 0.0003);

	ck_assert_double_ge(value(after, "run_s") - value(before, "run_s"), least_s);
	ck_assert_str_eq(json_string_value(json_object_get(after, "bottleneck")), "link");
	json_decref(before);
	json_decref(after);
	lsb_predictor_close(p);
}
END_TEST

static int is_noted(const json_t *prediction, const char *what)
{
	const json_t *note;
	size_t i;

	json_array_foreach(json_object_get(prediction, "notes"), i, note)
	{
		if (strstr(json_string_value(note), what))
			return 1;
	}
	return 0;
}

START_TEST(what_lies_outside_the_measured_range_is_said)
{
	const struct lsb_predict_settings inside = { .batch = 2 }, outside = {
		.stages = 12, .batch = 9, .in_flight = 40, .chunk = 500
	};
	struct lsb_predictor *p = predictor_of(ALL, NULL);
	json_t *prediction = predict(p, &inside);

	ck_assert_uint_eq(json_array_size(json_object_get(prediction, "notes")), 0);
	json_decref(prediction);
	prediction = predict(p, &outside);
	ck_assert(is_noted(prediction, "12 stages, pipelines of at most 6 were run"));
	ck_assert(is_noted(prediction, "batch 9, batches of 1 to 3 were run"));
	ck_assert(is_noted(prediction, "40 in flight, at most 6 were run"));
	ck_assert(is_noted(prediction, "chunks of 500 tokens"));
	json_decref(prediction);
	lsb_predictor_close(p);
}
END_TEST

START_TEST(points_of_another_engine_say_nothing)
{
	static const struct point two[] = { { "01", "one", 1, 2, 1, 0, "1" },
					    { "02", "other", 2, 2, 2, 0, "2" } };
	struct lsb_predictor *p = predictor_of(two, 2, "one");
	struct lsb_error err = { 0 };
	json_t *holdout;

	ck_assert_int_eq(lsb_predict_holdout(p, &holdout, &err), LSB_OK);
	ck_assert_uint_eq(json_array_size(json_object_get(holdout, "points")), 0);
	ck_assert(json_is_null(json_object_get(holdout, "median_error")));
	json_decref(holdout);
	lsb_predictor_close(p);
}
END_TEST

START_TEST(settings_that_cannot_be_are_refused)
{
	static const uint32_t short_of_layers[] = { 10, 10 }, empty[] = { 24, 0 };
	const struct lsb_predict_settings bad[] = { { .stages = 2, .layers = short_of_layers },
						    { .stages = 2, .layers = empty },
						    { .stages = 25 },
						    { .replicas = 5000 } };
	struct lsb_predictor *p = predictor_of(ALL, NULL);
	json_t *prediction;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lsb_error err = { 0 };

		ck_assert_int_eq(lsb_predict(p, &bad[i], &prediction, &err), LSB_EINVAL);
		ck_assert_str_ne(err.msg, "");
	}
	lsb_predictor_close(p);
}
END_TEST

START_TEST(a_journal_without_step_times_and_a_point_that_is_not_there_are_refused)
{
	json_t *header = json_pack("{s:[o]}", "points", point_json(&suite_points[0])),
	       *launches = json_pack("[o]", launch_json(&suite_points[0]));
	struct lsb_predictor *p;
	struct lsb_error err = { 0 };

	ck_assert_int_eq(lsb_predictor_open(header, launches, "nobody", 0, &p, &err), LSB_ESUITE);
	ck_assert_ptr_nonnull(strstr(err.msg, "'nobody'"));
	json_object_del(json_array_get(launches, 0), "stage_times");
	ck_assert_int_eq(lsb_predictor_open(header, launches, NULL, 0, &p, &err), LSB_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "stage_times"));
	json_decref(header);
	json_decref(launches);
}
END_TEST

/* A summary's point, as far as break-even looks at it. */
static json_t *summary_point(const struct point *p, const json_t *launch)
{
	return json_pack("{s:s, s:s, s:i, s:{s:{s:f}}}", "id", p->id, "label", p->label, "nodes",
			 (int)p->stages, "metrics", "tokens_per_s", "median",
			 value(json_object_get(launch, "metrics"), "tokens_per_s"));
}

START_TEST(slowed_links_are_predicted_from_all_other_points_of_the_run)
{
	json_t *points = json_array(), *launches = json_array(), *shown = json_array(), *header, *summary,
	       *rows, *row;
	double before = 0;
	size_t i;

	for (i = 0; i < sizeof(suite_points) / sizeof(suite_points[0]); i++) {
		json_t *launch = launch_json(&suite_points[i]);

		json_array_append_new(points, point_json(&suite_points[i]));
		json_array_append_new(shown, summary_point(&suite_points[i], launch));
		json_array_append_new(launches, launch);
	}
	header = json_pack("{s:o}", "points", points);
	summary = json_pack("{s:o}", "points", shown);
	lsb_link_sensitivity_add(header, launches, summary);
	rows = json_object_get(summary, "link_sensitivity");
	ck_assert_uint_eq(json_array_size(rows), 2); /* plain links are no question */
	json_array_foreach(rows, i, row)
	{
		ck_assert_double_gt(value(row, "delay_s"), before);
		before = value(row, "delay_s");
		ck_assert_double_lt(fabs(value(row, "error")), 0.05);
		ck_assert_double_eq_tol(value(row, "predicted_tokens_per_s"),
					value(row, "measured_tokens_per_s") * (1 + value(row, "error")),
					1e-6);
	}
	json_array_remove(points, 9); /* one slowed link alone: nothing to hold it against */
	lsb_link_sensitivity_add(header, launches, summary);
	ck_assert_uint_eq(json_array_size(json_object_get(summary, "link_sensitivity")), 0);
	json_decref(summary);
	json_decref(header);
	json_decref(launches);
}
END_TEST

/* What is found is run, with that delay on every message: it must be as fast as the one node. */
START_TEST(at_the_break_even_latency_the_true_run_is_as_fast_as_one_node)
{
	json_t *points = json_array(), *launches = json_array(), *shown = json_array(), *header, *summary,
	       *answer, *truth;
	struct point delayed = suite_points[1];

	for (size_t i = 0; i < sizeof(suite_points) / sizeof(suite_points[0]); i++) {
		json_t *entry = point_json(&suite_points[i]), *launch = launch_json(&suite_points[i]);

		json_object_set_new(entry, "baselines", json_pack("{s:s}", "equal_batch", "01"));
		json_array_append_new(points, entry);
		json_array_append_new(shown, summary_point(&suite_points[i], launch));
		json_array_append_new(launches, launch);
	}
	header = json_pack("{s:o}", "points", points);
	summary = json_pack("{s:o}", "points", shown);
	lsb_break_even_add(header, launches, summary);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(shown, 0), "break_even")), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(shown, 8), "break_even")), 0);
	answer = json_array_get(json_object_get(json_array_get(shown, 1), "break_even"), 0);
	ck_assert_double_lt(fabs(value(answer, "error")), 0.02);
	ck_assert_double_eq_tol(value(answer, "link_latency_s"), 0.00004, 0.00001);
	delayed.delay_s = value(json_object_get(answer, "latency"), "value");
	ck_assert_double_gt(delayed.delay_s, 0.0001);
	truth = launch_json(&delayed);
	ck_assert_double_eq_tol(value(json_object_get(truth, "metrics"), "tokens_per_s") /
					value(answer, "target_tokens_per_s"),
				1, 0.02);
	json_decref(truth);
	json_decref(summary);
	json_decref(header);
	json_decref(launches);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("predict");
	TCase *tc = tcase_create("predict");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, points_that_are_held_out_are_found_again);
	tcase_add_test(tc, what_was_never_run_follows_the_same_law);
	tcase_add_test(tc, a_slower_link_costs_what_its_messages_take_and_is_the_bottleneck);
	tcase_add_test(tc, what_lies_outside_the_measured_range_is_said);
	tcase_add_test(tc, slowed_links_are_predicted_from_all_other_points_of_the_run);
	tcase_add_test(tc, at_the_break_even_latency_the_true_run_is_as_fast_as_one_node);
	tcase_add_test(tc, points_of_another_engine_say_nothing);
	tcase_add_test(tc, settings_that_cannot_be_are_refused);
	tcase_add_test(tc, a_journal_without_step_times_and_a_point_that_is_not_there_are_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
