/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend-cpu against a float32 reference by other hands, on the default model.
 *
 * LSB_MODEL names the GGUF file; without it, or without the golden answers,
 * there is nothing to compare and the program says so and exits with 77.
 */
#include <jansson.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "drive.h"

enum { CONTEXT = 512, TOP = 256 };

static json_t *kl_golden, *greedy_golden;
static const char *model;

/* How a path is to be held to the reference. */
static const struct path {
	const char *name;
	struct cpu_options options;
	double mean_kl, max_kl;
	double margin; /* steps whose reference margin is larger must agree */
} paths[] = {
	{ "fast", { .isa = CPU_ISA_AUTO }, 0.0040, 0.03, 0.5 },
	{ "fp32", { .activations = CPU_ACTIVATIONS_FP32 }, 0.0001, 0.001, 0.01 },
};

static uint32_t cores(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 8 ? 8 : (uint32_t)n;
}

static void open_default(struct pipe *p, const struct path *path)
{
	const struct pipe_spec spec = {
		.model = model,
		.options = path->options,
		.threads = cores(),
		.slots = 1,
		.context = CONTEXT,
		.max_tokens = CONTEXT,
		.max_outputs = 64,
	};
	struct lsb_error err;

	ck_assert_msg(pipe_open(&spec, p, &err) == LSB_OK, "%s", err.msg);
}

/* Tokens of slot 0 from position 0: `ids`, then `more`; the last `outputs` of them want output. */
static uint32_t fill_tokens(struct lsb_token *tokens, const json_t *ids, const json_t *more, uint32_t outputs)
{
	const size_t prompt = json_array_size(ids), n = prompt + json_array_size(more);

	ck_assert_uint_le(n, CONTEXT);
	for (size_t i = 0; i < n; i++) {
		const json_t *step = i < prompt ? NULL : json_array_get(more, i - prompt);
		const json_t *id = step ? json_object_get(step, "token") : json_array_get(ids, i);

		tokens[i] = (struct lsb_token){
			.id = (int32_t)json_integer_value(id),
			.position = (uint32_t)i,
			.flags = i + outputs >= n ? LSB_TOKEN_OUTPUT : 0,
		};
	}
	return (uint32_t)n;
}

static double log_sum_exp(const float *logits, uint32_t n)
{
	double most = logits[0], sum = 0.0;

	for (uint32_t i = 1; i < n; i++)
		most = logits[i] > most ? logits[i] : most;
	for (uint32_t i = 0; i < n; i++)
		sum += exp(logits[i] - most);
	return most + log(sum);
}

/* KL(reference || ours) over the reference's top tokens, both with one bin for all the rest. */
static double divergence(const json_t *top, const float *logits, uint32_t vocabulary)
{
	const double norm = log_sum_exp(logits, vocabulary);
	double kl = 0.0, rest_p = 1.0, rest_q = 1.0;

	for (size_t i = 0; i < json_array_size(top); i++) {
		const json_t *pair = json_array_get(top, i);
		const double log_p = json_number_value(json_array_get(pair, 1));
		const double log_q = logits[json_integer_value(json_array_get(pair, 0))] - norm;

		kl += exp(log_p) * (log_p - log_q);
		rest_p -= exp(log_p);
		rest_q -= exp(log_q);
	}
	if (rest_p > 1e-9 && rest_q > 1e-9)
		kl += rest_p * log(rest_p / rest_q);
	return kl;
}

static bool extends(const json_t *ids, const json_t *prefix)
{
	const size_t n = json_array_size(prefix);

	if (json_array_size(ids) <= n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!json_equal(json_array_get(ids, i), json_array_get(prefix, i)))
			return false;
	return true;
}

START_TEST(logits_stay_within_kl_of_the_reference)
{
	const struct path *path = &paths[_i];
	const json_t *cases = json_object_get(kl_golden, "cases");
	struct lsb_token tokens[CONTEXT];
	struct lsb_error err;
	struct pipe p;
	uint32_t held = 0; /* tokens of slot 0 in the cache: those of the case before */
	double sum = 0.0, most = 0.0;
	float *logits;

	open_default(&p, path);
	logits = malloc(p.info.vocabulary * sizeof(*logits));
	for (size_t c = 0; c < json_array_size(cases); c++) {
		const json_t *one = json_array_get(cases, c);
		const json_t *before = c ? json_object_get(json_array_get(cases, c - 1), "ids") : NULL;
		const uint32_t n = fill_tokens(tokens, json_object_get(one, "ids"), NULL, 1);
		int32_t id;
		double kl;

		/* Most cases continue the one before: then compute what is new. */
		held = before && extends(json_object_get(one, "ids"), before) ? held : 0;
		ck_assert_msg(pipe_step(&p, tokens + held, n - held, NULL, &id, logits, &err) == LSB_OK, "%s",
			      err.msg);
		held = n;
		kl = divergence(json_object_get(one, "top256"), logits, p.info.vocabulary);
		sum += kl;
		most = fmax(most, kl);
	}
	sum /= (double)json_array_size(cases);
	printf("%s (%s): mean KL %.6f, largest %.6f over %zu prefixes\n", path->name, p.info.device_name, sum, most,
	       json_array_size(cases));
	ck_assert_double_le(sum, path->mean_kl);
	ck_assert_double_le(most, path->max_kl);
	free(logits);
	pipe_close(&p);
}
END_TEST

/* Teacher-forced: all steps of a case in one chunk, every position's id wanted. */
START_TEST(greedy_ids_agree_where_the_margin_is_clear)
{
	const struct path *path = &paths[_i];
	const json_t *cases = json_object_get(greedy_golden, "cases");
	struct lsb_token tokens[CONTEXT];
	struct lsb_error err;
	struct pipe p;
	size_t held = 0, agreed = 0, all = 0;

	open_default(&p, path);
	for (size_t c = 0; c < json_array_size(cases); c++) {
		const json_t *one = json_array_get(cases, c), *steps = json_object_get(one, "steps");
		const uint32_t n_steps = (uint32_t)json_array_size(steps);
		const uint32_t n = fill_tokens(tokens, json_object_get(one, "ids"), steps, n_steps + 1) - 1;
		int32_t ids[64];

		ck_assert_uint_le(n_steps, 64);
		ck_assert_msg(pipe_step(&p, tokens, n, NULL, ids, NULL, &err) == LSB_OK, "%s", err.msg);
		for (size_t s = 0; s < n_steps; s++) {
			const json_t *step = json_array_get(steps, s);
			const bool clear = json_number_value(json_object_get(step, "margin")) > path->margin;
			const bool equal = ids[s] == json_integer_value(json_object_get(step, "token"));

			all++;
			agreed += equal;
			held += clear;
			ck_assert_msg(equal || !clear, "%s: case %zu step %zu: id %d", path->name, c, s, ids[s]);
		}
	}
	printf("%s: %zu of %zu greedy steps agree; %zu had a clear margin\n", path->name, agreed, all, held);
	pipe_close(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("golden_cpu");
	TCase *tc = tcase_create("default model");
	SRunner *runner;
	int failed;

	model = getenv("LSB_MODEL");
	kl_golden = json_load_file(LSB_GOLDEN "/kl_smollm2.json", 0, NULL);
	greedy_golden = json_load_file(LSB_GOLDEN "/greedy_smollm2.json", 0, NULL);
	if (!model || !kl_golden || !greedy_golden) {
		printf("skipped: %s\n", model ? "no golden answers in " LSB_GOLDEN : "LSB_MODEL names no model");
		return 77;
	}
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, logits_stay_within_kl_of_the_reference, 0, sizeof(paths) / sizeof(paths[0]));
	tcase_add_loop_test(tc, greedy_ids_agree_where_the_margin_is_clear, 0, sizeof(paths) / sizeof(paths[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	json_decref(kl_golden);
	json_decref(greedy_golden);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
