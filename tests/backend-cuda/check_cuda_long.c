/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole models over prompts long enough for cuDNN: in steps that begin a prompt, go on with
 * one, and have two long ones beside single tokens, against a double-precision Llama, by the
 * own kernel and by cuDNN; and the same bits over stages and runs. Without a device the
 * program says so and exits with 77; without cuDNN the own kernel alone is checked, and it
 * says that.
 *
 * Tolerances are check_cuda_model's.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "oracle.h"
#include "rig.h"
#include "waive.h"

enum { CONTEXT = 640, MOST_TOKENS = 600, SLOTS = 3, PIECES = 4, OUTPUTS = 10 };

static const struct cuda_options ways[] = {
	{ .device = -1, .graphs = 1, .attention = CUDA_ATTENTION_OWN },
	{ .device = -1, .graphs = 1, .attention = CUDA_ATTENTION_AUTO },
};

/* A step: tokens of slots, in this order of rows; the last of each piece gives output. */
static const struct piece {
	uint32_t slot, n;
} steps[][PIECES] = {
	{ { 0, 300 } },
	{ { 1, 256 }, { 0, 1 }, { 2, 280 } },
	{ { 1, 1 }, { 0, 290 }, { 2, 3 } },
	{ { 0, 1 }, { 1, 1 }, { 2, 1 } },
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static const struct {
	const char *model;
	double tolerance;
} models[] = { { "random:tiny:f16", 4e-3 }, { "random:tiny:q8_0", 4e-3 }, { "random:tiny:bf16", 3e-2 } };
enum { MODELS = sizeof(models) / sizeof(models[0]) };

static const char *const cut[] = { "random:tiny:f16", "random:small:bf16", "random:small:q4_k" };
enum { CUT = sizeof(cut) / sizeof(cut[0]) };

static int32_t token_id(uint32_t slot, uint32_t position)
{
	return (int32_t)((slot * 7919 + position * 131 + position * position % 1009 * 17 + 5) % 512);
}

static struct rig opened(const char *model, const struct cuda_options *options, uint32_t stages)
{
	const struct rig_spec spec = { .plugin = "cuda",
				       .options = options,
				       .model = model,
				       .stages = stages,
				       .context = CONTEXT,
				       .max_tokens = MOST_TOKENS,
				       .mem = stages > 1 ? LSB_MEM_CUDA : 0 };
	struct lsb_error err;
	struct rig r;

	ck_assert_msg(rig_open(&spec, &r, &err) == LSB_OK, "%s: %s", model, err.msg);
	return r;
}

/* Logits of all outputs, step by step: [OUTPUTS][vocabulary]. */
static float *run(struct rig *r)
{
	float *logits = calloc(OUTPUTS, r->info.vocabulary * sizeof(float)), *at = logits;
	uint32_t done[SLOTS] = { 0 };

	for (size_t step = 0; step < STEPS; step++) {
		struct lsb_token tokens[MOST_TOKENS];
		struct lsb_error err;
		int32_t ids[PIECES];
		uint32_t n = 0, outputs = 0;

		for (const struct piece *p = steps[step]; p < steps[step] + PIECES && p->n; p++, outputs++)
			for (uint32_t i = 0; i < p->n; i++, done[p->slot]++)
				tokens[n++] =
					(struct lsb_token){ .id = token_id(p->slot, done[p->slot]),
							    .slot = p->slot,
							    .position = done[p->slot],
							    .flags = i + 1 == p->n ? LSB_TOKEN_OUTPUT : 0 };
		ck_assert_msg(rig_step(r, tokens, n, NULL, ids, at, &err) == LSB_OK, "%s", err.msg);
		at += (size_t)outputs * r->info.vocabulary;
	}
	ck_assert_ptr_eq(at, logits + (size_t)OUTPUTS * r->info.vocabulary);
	return logits;
}

/* The same by the double-precision Llama. */
static double *run_plainly(const char *model, uint32_t vocabulary)
{
	struct oracle *o = oracle_open(model);
	double *truth = calloc(OUTPUTS, vocabulary * sizeof(double)), *all[SLOTS];
	uint32_t done[SLOTS] = { 0 }, out = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		int32_t ids[CONTEXT];
		uint32_t n = 0;

		for (size_t i = 0; i < STEPS * PIECES; i++)
			for (uint32_t k = 0; steps[i / PIECES][i % PIECES].slot == slot &&
					     k < steps[i / PIECES][i % PIECES].n;
			     k++, n++)
				ids[n] = token_id(slot, n);
		all[slot] = calloc((size_t)n, vocabulary * sizeof(double));
		oracle_run(o, ids, n, all[slot]);
	}
	for (size_t i = 0; i < STEPS * PIECES; i++) {
		const struct piece *p = &steps[i / PIECES][i % PIECES];

		if (p->n == 0)
			continue;
		done[p->slot] += p->n;
		memcpy(truth + (size_t)out++ * vocabulary,
		       all[p->slot] + (size_t)(done[p->slot] - 1) * vocabulary, vocabulary * sizeof(double));
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		free(all[slot]);
	oracle_close(o);
	return truth;
}

START_TEST(long_prompts_agree_with_a_naive_double_precision_llama)
{
	const char *model = models[_i].model;
	double *truth = NULL;

	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		struct rig r = opened(model, &ways[way], 1);
		float *got = run(&r);
		double off = 0.0, norm = 0.0;

		if (!truth)
			truth = run_plainly(model, r.info.vocabulary);
		for (size_t i = 0; i < (size_t)OUTPUTS * r.info.vocabulary; i++) {
			off += (got[i] - truth[i]) * (got[i] - truth[i]);
			norm += truth[i] * truth[i];
		}
		printf("%s, %s: error %.2e\n", model, r.info.engine, sqrt(off / norm));
		ck_assert_double_le(sqrt(off / norm), models[_i].tolerance);
		free(got);
		rig_close(&r);
	}
	free(truth);
}
END_TEST

START_TEST(where_layers_are_cut_and_when_changes_no_bit)
{
	const char *model = cut[_i];
	struct rig r = opened(model, &ways[1], 1);
	const size_t bytes = (size_t)OUTPUTS * r.info.vocabulary * sizeof(float);
	float *base = run(&r);

	for (uint32_t stages = 1; stages <= 3; stages++) {
		struct rig other = opened(model, &ways[1], stages);
		float *again = run(&other);

		ck_assert_msg(memcmp(base, again, bytes) == 0, "%s, %u stages: logits differ", model, stages);
		free(again);
		rig_close(&other);
	}
	free(base);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_long");
	TCase *tc = tcase_create("long");
	SRunner *runner;
	int failed;

	if (!rig_has_device())
		return 77;
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, long_prompts_agree_with_a_naive_double_precision_llama, 0, MODELS);
	tcase_add_loop_test(tc, where_layers_are_cut_and_when_changes_no_bit, 0, CUT);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK); /* one process, one CUDA context */
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
