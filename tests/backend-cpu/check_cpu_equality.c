/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sequence's logits and ids may not depend on: what shares its steps,
 * how it is chunked, where layers are cut, how many threads compute, and which
 * sequence had the slot before. All comparisons are bit for bit. And, by the
 * oracle, that they are right.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "oracle.h"

enum { SEQUENCES = 3, CONTEXT = 512 };

/* Lengths; all of them together fit one step. */
static const uint32_t lengths[SEQUENCES] = { 37, 20, 5 };
static const uint32_t long_lengths[SEQUENCES] = { 300, 280, 3 };

static const char *const types[] = { "f32", "f16", "q8_0", "q4_0", "q4_1" };
static const struct cpu_options paths[] = {
	{ .isa = CPU_ISA_PLAIN },
	{ .isa = CPU_ISA_AVX2 },
	{ .isa = CPU_ISA_AVX512 },
	{ .activations = CPU_ACTIVATIONS_FP32 },
};
enum { TYPES = sizeof(types) / sizeof(types[0]), PATHS = sizeof(paths) / sizeof(paths[0]) };

/* How sequences become steps. */
enum schedule {
	ALONE,	     /* each whole, one after the other */
	TOKEN_WISE,  /* one token of each a step */
	CHUNKS,	     /* seven tokens of each a step */
	INTERLEAVED, /* all in one step, tokens of the sequences taking turns */
	BACKWARDS,   /* as CHUNKS, with the last sequence first in each step */
};

static int32_t token_id(uint32_t sequence, uint32_t position)
{
	return (int32_t)((sequence * 7919 + position * 131 + position * position * 17 + 5) % 512);
}

/* Logits and ids after every token, [sequence by sequence][position]. */
struct result {
	uint32_t total, vocabulary;
	float *logits; /* [total][vocabulary] */
	int32_t *ids;  /* [total] */
};

static uint32_t offset_of(const uint32_t *length, uint32_t sequence)
{
	uint32_t at = 0;

	for (uint32_t s = 0; s < sequence; s++)
		at += length[s];
	return at;
}

/* Add up to `n` tokens of sequence s to the step; advances done[s]. */
static void take(struct lsb_token *tokens, uint32_t *n_tokens, const uint32_t *length, uint32_t *done,
		 uint32_t s, uint32_t n, uint32_t slot)
{
	for (; n && done[s] < length[s]; n--, done[s]++)
		tokens[(*n_tokens)++] = (struct lsb_token){ .id = token_id(s, done[s]),
							    .slot = slot,
							    .position = done[s],
							    .flags = LSB_TOKEN_OUTPUT };
}

static uint32_t next_step(enum schedule schedule, const uint32_t *length, uint32_t *done,
			  struct lsb_token *tokens)
{
	uint32_t n = 0, s = 0;

	switch (schedule) {
	case ALONE:
		while (s < SEQUENCES - 1 && done[s] == length[s])
			s++;
		take(tokens, &n, length, done, s, length[s], s);
		return n;
	case INTERLEAVED:
		for (uint32_t i = 0; i < CONTEXT; i++)
			for (s = 0; s < SEQUENCES; s++)
				take(tokens, &n, length, done, s, 1, s);
		return n;
	default:
		for (s = 0; s < SEQUENCES; s++)
			take(tokens, &n, length, done, schedule == BACKWARDS ? SEQUENCES - 1 - s : s,
			     schedule == TOKEN_WISE ? 1 : 7, schedule == BACKWARDS ? SEQUENCES - 1 - s : s);
		return n;
	}
}

/* Temperature by sequence: the first is greedy. */
static struct lsb_sampling sampling_of(uint32_t sequence)
{
	return (struct lsb_sampling){ .temperature = (float)sequence * 0.7f,
				      .top_p = sequence == 2 ? 0.8f : 1.0f,
				      .top_k = sequence == 1 ? 40 : 0,
				      .seed = 11,
				      .request = sequence };
}

static struct result run(struct rig *p, const uint32_t *length, enum schedule schedule)
{
	const uint32_t total = offset_of(length, SEQUENCES);
	struct result r = { .total = total, .vocabulary = p->info.vocabulary };
	const size_t row = r.vocabulary * sizeof(float);
	struct lsb_token *tokens = calloc(total, sizeof(*tokens));
	struct lsb_sampling *sampling = calloc(total, sizeof(*sampling));
	float *logits = malloc(total * row);
	int32_t *ids = calloc(total, sizeof(*ids));
	uint32_t done[SEQUENCES] = { 0 }, n;
	struct lsb_error err;

	r.logits = malloc(total * row);
	r.ids = calloc(total, sizeof(*r.ids));
	while ((n = next_step(schedule, length, done, tokens)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			sampling[i] = sampling_of(tokens[i].slot);
		ck_assert_msg(rig_step(p, tokens, n, sampling, ids, logits, &err) == LSB_OK, "%s", err.msg);
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t to = offset_of(length, tokens[i].slot) + tokens[i].position;

			memcpy(r.logits + (size_t)to * r.vocabulary, logits + (size_t)i * r.vocabulary, row);
			r.ids[to] = ids[i];
		}
	}
	free(tokens);
	free(sampling);
	free(logits);
	free(ids);
	return r;
}

static void result_free(struct result *r)
{
	free(r->logits);
	free(r->ids);
}

static void assert_same(const struct result *a, const struct result *b, const char *what)
{
	ck_assert_uint_eq(a->total, b->total);
	for (uint32_t i = 0; i < a->total; i++) {
		ck_assert_msg(memcmp(a->logits + (size_t)i * a->vocabulary,
				     b->logits + (size_t)i * a->vocabulary,
				     a->vocabulary * sizeof(float)) == 0,
			      "%s: logits of token %u differ", what, i);
		ck_assert_msg(a->ids[i] == b->ids[i], "%s: id of token %u differs", what, i);
	}
}

/* False: this processor lacks the path's instruction set. */
static bool open_pipe(struct rig *p, const char *model, const struct cpu_options *options, uint32_t stages,
		      uint32_t threads, uint32_t max_tokens)
{
	const struct drive_spec spec = {
		.model = model,
		.options = *options,
		.stages = stages,
		.threads = threads,
		.context = CONTEXT,
		.max_tokens = max_tokens,
	};
	struct lsb_error err;
	const int rc = drive_open(&spec, p, &err);

	if (rc == LSB_EUNAVAIL)
		return false;
	ck_assert_msg(rc == LSB_OK, "%s: %s", model, err.msg);
	return true;
}

/* One variant of how to run, against the plain way: alone, one stage, one thread. */
static const struct variant {
	uint32_t stages, threads;
	enum schedule schedule;
} variants[] = {
	{ 1, 1, TOKEN_WISE }, { 1, 1, CHUNKS },	    { 1, 1, INTERLEAVED }, { 2, 1, CHUNKS },
	{ 1, 2, ALONE },      { 1, 2, TOKEN_WISE }, { 3, 2, INTERLEAVED }, { 4, 3, BACKWARDS },
};

static void check_variants(const char *model, const struct cpu_options *options, const uint32_t *length,
			   uint32_t max_tokens)
{
	struct result base, other;
	struct rig p;

	if (!open_pipe(&p, model, options, 1, 1, max_tokens))
		return;
	base = run(&p, length, ALONE);
	rig_close(&p);
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const struct variant *v = &variants[i];
		char what[160];

		snprintf(what, sizeof(what), "%s, isa %u, %u stages, %u threads, schedule %d", model,
			 options->isa, v->stages, v->threads, v->schedule);
		ck_assert(open_pipe(&p, model, options, v->stages, v->threads, max_tokens));
		other = run(&p, length, v->schedule);
		assert_same(&base, &other, what);
		result_free(&other);
		rig_close(&p);
	}
	result_free(&base);
}

START_TEST(results_do_not_depend_on_batch_chunk_split_or_threads)
{
	char model[64];

	snprintf(model, sizeof(model), "random:tiny:%s", types[_i % TYPES]);
	check_variants(model, &paths[_i / TYPES], lengths, 64);
}
END_TEST

/* 583 tokens in one step take several tiles. */
START_TEST(results_do_not_depend_on_tiles)
{
	static const struct cpu_options fast;

	check_variants("random:tiny:q4_1", &fast, long_lengths, 600);
}
END_TEST

START_TEST(a_used_slot_gives_what_a_fresh_one_gives)
{
	static const struct cpu_options fast;
	struct result fresh, again;
	struct rig p;

	ck_assert(open_pipe(&p, "random:tiny:q8_0", &fast, 1, 1, 64));
	fresh = run(&p, lengths, ALONE);
	for (int cleared = 0; cleared < 2; cleared++) {
		for (uint32_t slot = 0; cleared && slot < SEQUENCES; slot++)
			drive_ops()->slot_clear(p.stage[0], slot);
		again = run(&p, lengths, CHUNKS);
		assert_same(&fresh, &again, "a used slot");
		result_free(&again);
	}
	result_free(&fresh);
	rig_close(&p);
}
END_TEST

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

static void check_oracle(const char *model, const struct cpu_options *options, double tolerance)
{
	struct oracle *o;
	double *truth, error;
	struct result r;
	struct rig p;

	if (!open_pipe(&p, model, options, 1, 2, 64))
		return;
	o = oracle_open(model);
	ck_assert_ptr_nonnull(o);
	r = run(&p, lengths, CHUNKS);
	truth = calloc((size_t)r.total * r.vocabulary, sizeof(*truth));
	for (uint32_t s = 0; s < SEQUENCES; s++) {
		int32_t ids[CONTEXT];

		for (uint32_t i = 0; i < lengths[s]; i++)
			ids[i] = token_id(s, i);
		oracle_run(o, ids, lengths[s], truth + (size_t)offset_of(lengths, s) * r.vocabulary);
	}
	error = relative_error(&r, truth);
	ck_assert_msg(error <= tolerance, "%s, %s: error %g", model, p.info.device_name, error);
	free(truth);
	oracle_close(o);
	result_free(&r);
	rig_close(&p);
}

/* fp32 activations leave the fp16 KV cache as the only rounding worth naming; int8 ones add about 1 % a
 * matrix. */
START_TEST(logits_agree_with_a_naive_double_precision_llama)
{
	const size_t type = _i % TYPES, path = _i / TYPES;
	const bool exact = type < 2 || paths[path].activations == CPU_ACTIVATIONS_FP32;
	char model[64];

	snprintf(model, sizeof(model), "random:tiny:%s", types[type]);
	check_oracle(model, &paths[path], exact ? 1e-3 : 0.05);
}
END_TEST

START_TEST(k_quants_and_mixed_types_agree_with_the_oracle)
{
	static const char *const models[] = { "random:small:q4_k", "random:small:q5_k", "random:small:q6_k",
					      "random:tiny:q5_0",  "random:tiny:q5_1",	"random:tiny:bf16" };
	static const struct cpu_options fast;

	check_oracle(models[_i], &fast, 0.05);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backend-cpu");
	TCase *tc = tcase_create("equality");
	SRunner *runner;
	int failed;

	if (!drive_ops())
		return EXIT_FAILURE;
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, results_do_not_depend_on_batch_chunk_split_or_threads, 0, TYPES * PATHS);
	tcase_add_test(tc, results_do_not_depend_on_tiles);
	tcase_add_test(tc, a_used_slot_gives_what_a_fresh_one_gives);
	tcase_add_loop_test(tc, logits_agree_with_a_naive_double_precision_llama, 0, TYPES * PATHS);
	tcase_add_loop_test(tc, k_quants_and_mixed_types_agree_with_the_oracle, 0, 6);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
