/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole models through the plugin: against a double-precision Llama written once
 * more, over schedules, splits and runs; sampling against core/model's on the same
 * logits. Without a device the program says so and exits with 77.
 *
 * Tolerances, relative to the norm of all logits. fp32 weights: the fp16 KV cache
 * is the only rounding worth naming, 1e-3. fp16 and quantised ones: activations are
 * rounded to 2^-11, about 4e-3 over the layers of these models. bf16: eight times that.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "oracle.h"
#include "rig.h"
#include "sample.h"
#include "waive.h"

enum { SEQUENCES = 3, CONTEXT = 512, LONGEST = 64, FIRST_CHUNK = 18 };

static const uint32_t lengths[SEQUENCES] = { 37, 20, 5 };
static const struct cuda_options usual = { .device = -1, .graphs = 1 };
static const struct cuda_options invariant = { .device = -1, .graphs = 1, .invariant = 1 };
static const struct cuda_options bf16_kv = { .device = -1, .graphs = 1, .kv = CUDA_KV_BF16 };

/* How sequences become steps. */
enum schedule {
	ALONE,	     /* each whole, one after the other: prompts beyond CUDA_SMALL_TOKENS and below */
	TOKEN_WISE,  /* one token of each a step: graphs */
	CHUNKS,	     /* seven tokens of each a step */
	INTERLEAVED, /* all in one step, tokens of the sequences taking turns */
	MIXED,	     /* a prompt's chunk beside single tokens of the sequences before it */
	SCHEDULES,
};

static int32_t token_id(uint32_t sequence, uint32_t position)
{
	return (int32_t)((sequence * 7919 + position * 131 + position * position * 17 + 5) % 512);
}

/* Logits and ids after every token, [sequence by sequence][position]. */
struct result {
	uint32_t total, vocabulary;
	float *logits;
	int32_t *ids;
};

static uint32_t offset_of(uint32_t sequence)
{
	uint32_t at = 0;

	for (uint32_t s = 0; s < sequence; s++)
		at += lengths[s];
	return at;
}

static void take(struct lsb_token *tokens, uint32_t *n_tokens, uint32_t *done, uint32_t s, uint32_t n)
{
	for (; n && done[s] < lengths[s]; n--, done[s]++)
		tokens[(*n_tokens)++] = (struct lsb_token){
			.id = token_id(s, done[s]), .slot = s, .position = done[s], .flags = LSB_TOKEN_OUTPUT
		};
}

static uint32_t next_step(enum schedule schedule, uint32_t *done, struct lsb_token *tokens)
{
	uint32_t n = 0, s = 0;

	switch (schedule) {
	case ALONE:
		while (s < SEQUENCES - 1 && done[s] == lengths[s])
			s++;
		take(tokens, &n, done, s, lengths[s]);
		return n;
	case INTERLEAVED:
		for (uint32_t i = 0; i < LONGEST; i++)
			for (s = 0; s < SEQUENCES; s++)
				take(tokens, &n, done, s, 1);
		return n;
	case MIXED:
		for (s = 0; s < SEQUENCES && (s == 0 || done[s - 1]); s++) {
			const uint32_t before = n;

			take(tokens, &n, done, s, done[s] ? 1 : FIRST_CHUNK);
			if (done[s] == n - before && done[s]) /* its prompt: the next sequence has to wait */
				break;
		}
		return n;
	default:
		for (s = 0; s < SEQUENCES; s++)
			take(tokens, &n, done, s, schedule == TOKEN_WISE ? 1 : 7);
		return n;
	}
}

static const struct lsb_sampling settings[] = {
	{ .top_p = 1.0f },
	{ .temperature = 0.7f, .top_p = 1.0f, .top_k = 40, .seed = 11, .request = 1 },
	{ .temperature = 1.4f, .top_p = 0.8f, .seed = 12, .request = 2 },
	{ .temperature = 1.0f, .top_p = 0.9f, .top_k = 20, .seed = 13, .request = 3 },
	{ .temperature = 2.0f, .top_p = 1.0f, .seed = 14, .request = 4 },
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* With `without_logits` ids alone are asked for, as in measured runs: then decode steps are graphs. */
static struct result run(struct rig *r, enum schedule schedule, bool without_logits)
{
	const uint32_t total = offset_of(SEQUENCES);
	struct result out = { .total = total, .vocabulary = r->info.vocabulary };
	const size_t row = out.vocabulary * sizeof(float);
	struct lsb_token *tokens = calloc(total, sizeof(*tokens));
	struct lsb_sampling *sampling = calloc(total, sizeof(*sampling));
	float *logits = malloc(total * row);
	int32_t *ids = calloc(total, sizeof(*ids));
	uint32_t done[SEQUENCES] = { 0 }, n;
	struct lsb_error err;

	out.logits = calloc(total, row);
	out.ids = calloc(total, sizeof(*out.ids));
	while ((n = next_step(schedule, done, tokens)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			sampling[i] = settings[(tokens[i].position + tokens[i].slot) % SETTINGS];
		ck_assert_msg(rig_step(r, tokens, n, sampling, ids, without_logits ? NULL : logits, &err) ==
				      LSB_OK,
			      "%s", err.msg);
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t to = offset_of(tokens[i].slot) + tokens[i].position;

			if (!without_logits)
				memcpy(out.logits + (size_t)to * out.vocabulary,
				       logits + (size_t)i * out.vocabulary, row);
			out.ids[to] = ids[i];
		}
	}
	free(tokens);
	free(sampling);
	free(logits);
	free(ids);
	return out;
}

static void result_free(struct result *r)
{
	free(r->logits);
	free(r->ids);
}

static void assert_same(const struct result *a, const struct result *b, const char *what)
{
	for (uint32_t i = 0; i < a->total; i++) {
		ck_assert_msg(memcmp(a->logits + (size_t)i * a->vocabulary,
				     b->logits + (size_t)i * a->vocabulary,
				     a->vocabulary * sizeof(float)) == 0,
			      "%s: logits of token %u differ", what, i);
		ck_assert_msg(a->ids[i] == b->ids[i], "%s: id of token %u differs", what, i);
	}
}

static struct rig opened(const char *model, const struct cuda_options *options, uint32_t stages, uint32_t mem)
{
	const struct rig_spec spec = { .plugin = "cuda",
				       .options = options,
				       .model = model,
				       .stages = stages,
				       .context = CONTEXT,
				       .mem = mem };
	struct lsb_error err;
	struct rig r;

	ck_assert_msg(rig_open(&spec, &r, &err) == LSB_OK, "%s: %s", model, err.msg);
	return r;
}

/* ||a - b|| / ||b|| over all logits. */
static double relative_error(const struct result *r, const double *truth)
{
	double off = 0.0, norm = 0.0;

	for (size_t i = 0; i < (size_t)r->total * r->vocabulary; i++) {
		off += (r->logits[i] - truth[i]) * (r->logits[i] - truth[i]);
		norm += truth[i] * truth[i];
	}
	return sqrt(off / norm);
}

static const struct {
	const char *model;
	double tolerance;
} models[] = {
	{ "random:tiny:f32", 1e-3 },   { "random:tiny:f16", 4e-3 },   { "random:tiny:bf16", 3e-2 },
	{ "random:tiny:q8_0", 4e-3 },  { "random:tiny:q4_0", 4e-3 },  { "random:tiny:q4_1", 4e-3 },
	{ "random:tiny:q5_0", 4e-3 },  { "random:tiny:q5_1", 4e-3 },  { "random:small:q4_k", 4e-3 },
	{ "random:small:q5_k", 4e-3 }, { "random:small:q6_k", 4e-3 }, { "random:small:f16", 4e-3 },
	{ "random:small:bf16", 3e-2 },
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

START_TEST(logits_agree_with_a_naive_double_precision_llama)
{
	const char *model = models[_i].model;
	struct oracle *o = oracle_open(model);
	struct rig r = opened(model, &usual, 1, 0);
	const uint32_t vocabulary = r.info.vocabulary;
	double *truth = calloc((size_t)offset_of(SEQUENCES) * vocabulary, sizeof(*truth));

	for (uint32_t s = 0; s < SEQUENCES; s++) {
		int32_t ids[CONTEXT];

		for (uint32_t i = 0; i < lengths[s]; i++)
			ids[i] = token_id(s, i);
		oracle_run(o, ids, lengths[s], truth + (size_t)offset_of(s) * vocabulary);
	}
	for (int schedule = 0; schedule < SCHEDULES; schedule++) {
		struct result got = run(&r, schedule, false);
		const double error = relative_error(&got, truth);

		printf("%s, schedule %d: error %.2e\n", model, schedule, error);
		ck_assert_msg(error <= models[_i].tolerance, "%s, schedule %d: error %g", model, schedule,
			      error);
		result_free(&got);
	}
	free(truth);
	oracle_close(o);
	rig_close(&r);
}
END_TEST

START_TEST(where_layers_are_cut_and_when_changes_no_bit)
{
	static const struct {
		uint32_t stages, mem;
	} ways[] = { { 1, 0 }, { 2, LSB_MEM_PINNED }, { 3, LSB_MEM_CUDA }, { 4, LSB_MEM_PINNED } };
	const char *model = models[_i].model;

	for (int schedule = 0; schedule < SCHEDULES; schedule++) {
		struct rig r = opened(model, &usual, 1, 0);
		struct result base = run(&r, schedule, false), again;

		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			struct rig other = opened(model, &usual, ways[w].stages, ways[w].mem);
			char what[128];

			snprintf(what, sizeof(what), "%s, schedule %d, %u stages", model, schedule,
				 ways[w].stages);
			again = run(&other, schedule, false);
			assert_same(&base, &again, what);
			result_free(&again);
			rig_close(&other);
		}
		again = run(&r, schedule, true); /* as graphs where it can be; slots begin again */
		for (uint32_t i = 0; i < base.total; i++)
			ck_assert_msg(base.ids[i] == again.ids[i], "%s, schedule %d: a graph's id %u differs",
				      model, schedule, i);
		result_free(&again);
		result_free(&base);
		rig_close(&r);
	}
}
END_TEST

START_TEST(invariant_results_depend_on_neither_batch_nor_chunk)
{
	const char *model = models[_i].model;
	struct rig r = opened(model, &invariant, 1, 0);
	struct result base = run(&r, ALONE, false);

	for (int schedule = 0; schedule < SCHEDULES; schedule++) {
		struct rig other = opened(model, &invariant, 2, LSB_MEM_CUDA);
		struct result got = run(&other, schedule, false);
		char what[96];

		snprintf(what, sizeof(what), "%s, schedule %d", model, schedule);
		assert_same(&base, &got, what);
		result_free(&got);
		rig_close(&other);
	}
	result_free(&base);
	rig_close(&r);
}
END_TEST

START_TEST(sampling_picks_what_the_reference_picks_from_the_same_logits)
{
	struct rig r = opened("random:small:f16", &usual, 1, 0);
	struct result got = run(&r, INTERLEAVED, false);
	uint32_t *work = calloc(2 * r.info.vocabulary, sizeof(*work));

	for (uint32_t s = 0; s < SEQUENCES; s++)
		for (uint32_t p = 0; p < lengths[s]; p++) {
			const uint32_t i = offset_of(s) + p;
			const int32_t id = lsb_sample(got.logits + (size_t)i * got.vocabulary, got.vocabulary,
						      &settings[(p + s) % SETTINGS], p, work);

			ck_assert_msg(got.ids[i] == id, "sequence %u position %u, setting %u: %d, not %d", s,
				      p, (p + s) % SETTINGS, got.ids[i], id);
		}
	free(work);
	result_free(&got);
	rig_close(&r);
}
END_TEST

START_TEST(kv_cache_in_bf16_stays_near)
{
	struct rig r = opened("random:small:f16", &usual, 1, 0),
		   other = opened("random:small:f16", &bf16_kv, 1, 0);

	for (int schedule = 0; schedule < SCHEDULES; schedule++) {
		struct result a = run(&r, schedule, false), b = run(&other, schedule, false);
		double off = 0.0, norm = 0.0;

		for (size_t i = 0; i < (size_t)a.total * a.vocabulary; i++) {
			off += (double)(a.logits[i] - b.logits[i]) * (a.logits[i] - b.logits[i]);
			norm += (double)a.logits[i] * a.logits[i];
		}
		ck_assert_double_le(sqrt(off / norm), 2e-2);
		result_free(&a);
		result_free(&b);
	}
	rig_close(&r);
	rig_close(&other);
}
END_TEST

START_TEST(wrong_steps_are_refused_and_change_nothing)
{
	static const struct lsb_token good = { 1, 0, 0, LSB_TOKEN_OUTPUT };
	static const struct lsb_token bad[] = {
		{ 1, 9, 0, 0 }, { 1, 0, 5, 0 }, { -1, 0, 1, 0 }, { 512, 0, 1, 0 }
	};
	struct rig r = opened("random:tiny:f16", &usual, 1, 0);
	struct lsb_error err;
	int32_t id;

	ck_assert_int_eq(rig_step(&r, &good, 1, NULL, &id, NULL, &err), LSB_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(rig_step(&r, &bad[i], 1, NULL, &id, NULL, &err), LSB_EINVAL);
	ck_assert_int_eq(
		rig_step(&r, &(struct lsb_token){ 2, 0, 1, LSB_TOKEN_OUTPUT }, 1, NULL, &id, NULL, &err),
		LSB_OK);
	rig_close(&r);
}
END_TEST

START_TEST(times_peaks_and_counters_are_there)
{
	struct rig r = opened("random:small:f16", &usual, 1, 0);
	struct lsb_metric counters[8];
	struct lsb_error err;
	double value = 0.0;
	size_t n = 8;

	struct result got = run(&r, TOKEN_WISE, true);

	result_free(&got);
	ck_assert_int_eq(r.ops->measure(r.stage[0], LSB_PEAK_READ, 20000000, &value, &err), LSB_OK);
	printf("read %.3f TB/s\n", value * 1e-12);
	ck_assert_double_gt(value, 1e10);
	ck_assert_int_eq(r.ops->measure(r.stage[0], LSB_PEAK_MATMUL, 20000000, &value, &err), LSB_OK);
	printf("matrix peak %.1f TFLOP/s\n", 2.0 * value * 1e-12);
	ck_assert_double_gt(value, 1e12);
	ck_assert_int_eq(r.ops->counters(r.stage[0], counters, &n, &err), LSB_OK);
	for (size_t i = 0; i < n; i++)
		printf("%s %g %s\n", counters[i].name, counters[i].value, counters[i].unit);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_model");
	TCase *tc = tcase_create("model");
	SRunner *runner;
	int failed;

	if (!rig_has_device())
		return 77;
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, logits_agree_with_a_naive_double_precision_llama, 0, MODELS);
	tcase_add_loop_test(tc, where_layers_are_cut_and_when_changes_no_bit, 0, MODELS);
	tcase_add_loop_test(tc, invariant_results_depend_on_neither_batch_nor_chunk, 0, MODELS);
	tcase_add_test(tc, sampling_picks_what_the_reference_picks_from_the_same_logits);
	tcase_add_test(tc, kv_cache_in_bf16_stays_near);
	tcase_add_test(tc, wrong_steps_are_refused_and_change_nothing);
	tcase_add_test(tc, times_peaks_and_counters_are_there);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK); /* one process, one CUDA context */
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
