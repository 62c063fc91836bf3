/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend-cpu against a float32 reference by other hands, on the default model.
 *
 * LSB_MODEL names the GGUF file; without it, or without the golden answers,
 * there is nothing to compare and the program says so and exits with 77.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "drive.h"

enum { CONTEXT = 512, OUTPUTS = 64 };

static json_t *kl_golden, *greedy_golden;
static const char *model;

/* How a path is to be held to the reference. The reference path is slow: it does fewer cases. */
static const struct path {
	const char *name;
	struct cpu_options options;
	size_t cases;
	double mean_kl, max_kl;
	double margin; /* steps whose reference margin is larger must agree */
} paths[] = {
	{ "fast", { .isa = CPU_ISA_AUTO }, SIZE_MAX, 0.0040, 0.03, 0.5 },
	{ "fp32", { .activations = CPU_ACTIVATIONS_FP32 }, 2, 0.0001, 0.001, 0.01 },
};

static uint32_t cores(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 8 ? 8 : (uint32_t)n;
}

static void open_default(struct rig *p, const struct path *path)
{
	const struct drive_spec spec = {
		.model = model,
		.options = path->options,
		.threads = cores(),
		.slots = 1,
		.context = CONTEXT,
		.max_tokens = CONTEXT,
		.max_outputs = OUTPUTS,
	};
	struct lsb_error err;

	ck_assert_msg(drive_open(&spec, p, &err) == LSB_OK, "%s", err.msg);
}

/* The prompt and all greedy tokens but the last, teacher-forced; output from the prompt's end on. */
static uint32_t fill_tokens(struct lsb_token *tokens, const json_t *prompt, const json_t *steps)
{
	const size_t n_prompt = json_array_size(prompt), n = n_prompt + json_array_size(steps) - 1;

	ck_assert_uint_le(n, CONTEXT);
	for (size_t i = 0; i < n; i++) {
		const json_t *id = i < n_prompt
					   ? json_array_get(prompt, i)
					   : json_object_get(json_array_get(steps, i - n_prompt), "token");

		tokens[i] = (struct lsb_token){
			.id = (int32_t)json_integer_value(id),
			.position = (uint32_t)i,
			.flags = i + 1 >= n_prompt ? LSB_TOKEN_OUTPUT : 0,
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

struct score {
	double kl_sum, kl_most;
	size_t prefixes, steps, agreed, clear;
};

/* Whether `ids` are the first tokens of this sequence. */
static bool is_prefix(const json_t *ids, const struct lsb_token *tokens, uint32_t n)
{
	if (json_array_size(ids) > n)
		return false;
	for (size_t i = 0; i < json_array_size(ids); i++)
		if (json_integer_value(json_array_get(ids, i)) != tokens[i].id)
			return false;
	return true;
}

/* Every KL case whose tokens begin this sequence; outputs begin behind token `n_prompt` - 1. */
static void score_kl(struct score *s, const struct lsb_token *tokens, uint32_t n, size_t n_prompt,
		     const float *logits, uint32_t vocabulary)
{
	const json_t *cases = json_object_get(kl_golden, "cases");

	for (size_t c = 0; c < json_array_size(cases); c++) {
		const json_t *one = json_array_get(cases, c), *ids = json_object_get(one, "ids");
		double kl;

		if (json_array_size(ids) < n_prompt || !is_prefix(ids, tokens, n))
			continue;
		kl = divergence(json_object_get(one, "top256"),
				logits + (json_array_size(ids) - n_prompt) * vocabulary, vocabulary);
		s->kl_sum += kl;
		s->kl_most = fmax(s->kl_most, kl);
		s->prefixes++;
	}
}

static void score_case(struct score *s, struct rig *p, const struct path *path, const json_t *one)
{
	const json_t *prompt = json_object_get(one, "ids"), *steps = json_object_get(one, "steps");
	const size_t n_steps = json_array_size(steps);
	struct lsb_token tokens[CONTEXT];
	const uint32_t n = fill_tokens(tokens, prompt, steps);
	float *logits = malloc(n_steps * p->info.vocabulary * sizeof(*logits));
	int32_t ids[OUTPUTS];
	struct lsb_error err;

	ck_assert_uint_le(n_steps, OUTPUTS);
	ck_assert_ptr_nonnull(logits);
	ck_assert_msg(rig_step(p, tokens, n, NULL, ids, logits, &err) == LSB_OK, "%s", err.msg);
	for (size_t i = 0; i < n_steps; i++) {
		const json_t *step = json_array_get(steps, i);
		const bool clear = json_number_value(json_object_get(step, "margin")) > path->margin;
		const bool equal = ids[i] == json_integer_value(json_object_get(step, "token"));

		s->steps++;
		s->agreed += equal;
		s->clear += clear;
		ck_assert_msg(equal || !clear, "%s: step %zu after %u tokens: id %d", path->name, i, n,
			      ids[i]);
	}
	score_kl(s, tokens, n, json_array_size(prompt), logits, p->info.vocabulary);
	free(logits);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* these hold memory of their own */
/* Most memory that this process ever held, in bytes. */
static uint64_t peak_memory(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	unsigned long long kib = 0;
	char line[256];

	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status) && sscanf(line, "VmHWM: %llu kB", &kib) != 1)
		continue;
	fclose(status);
	return (uint64_t)kib << 10;
}

START_TEST(no_more_memory_than_weights_kv_and_64_mib)
{
	struct lsb_token tokens[CONTEXT];
	struct lsb_error err;
	int32_t id;
	struct rig p;

	open_default(&p, &paths[0]);
	for (uint32_t i = 0; i < CONTEXT; i++)
		tokens[i] = (struct lsb_token){ .id = 1,
						.position = i,
						.flags = i + 1 == CONTEXT ? LSB_TOKEN_OUTPUT : 0 };
	ck_assert_msg(rig_step(&p, tokens, CONTEXT, NULL, &id, NULL, &err) == LSB_OK, "%s", err.msg);
	printf("memory: %.1f MiB at most; weights %.1f, KV %.1f\n", (double)peak_memory() / (1 << 20),
	       (double)p.info.weight_bytes / (1 << 20), (double)p.info.kv_bytes / (1 << 20));
	ck_assert_uint_le(peak_memory(), p.info.weight_bytes + p.info.kv_bytes + (64u << 20));
	rig_close(&p);
}
END_TEST
#endif

START_TEST(logits_and_greedy_ids_agree_with_the_reference)
{
	const struct path *path = &paths[_i];
	const json_t *cases = json_object_get(greedy_golden, "cases");
	const size_t n = json_array_size(cases) < path->cases ? json_array_size(cases) : path->cases;
	struct score s = { 0 };
	struct rig p;

	open_default(&p, path);
	for (size_t c = 0; c < n; c++)
		score_case(&s, &p, path, json_array_get(cases, c));
	printf("%s (%s): mean KL %.6f, largest %.6f over %zu prefixes; %zu of %zu greedy steps agree, %zu "
	       "are clear\n",
	       path->name, p.info.device_name, s.kl_sum / (double)s.prefixes, s.kl_most, s.prefixes, s.agreed,
	       s.steps, s.clear);
	ck_assert_uint_ge(s.prefixes, n);
	ck_assert_double_le(s.kl_sum / (double)s.prefixes, path->mean_kl);
	ck_assert_double_le(s.kl_most, path->max_kl);
	rig_close(&p);
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
		printf("skipped: %s\n",
		       model ? "no golden answers in " LSB_GOLDEN : "LSB_MODEL names no model");
		return 77;
	}
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, logits_and_greedy_ids_agree_with_the_reference, 0,
			    sizeof(paths) / sizeof(paths[0]));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tc, no_more_memory_than_weights_kv_and_64_mib);
#endif
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	json_decref(kl_golden);
	json_decref(greedy_golden);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
