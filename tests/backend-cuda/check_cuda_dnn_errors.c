/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who attends to long prompts, over a CUDA runtime in host memory and a cuDNN that is
 * missing, old, refuses or works as asked (fake_cuda.h): with backend.attention = auto the
 * own kernel takes its place and the report says why; with cudnn opening fails with what to do.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_cuda.h"
#include "options.h"
#include "rig.h"

enum { PROMPT = 300, CONTEXT = 512 }; /* long enough for cuDNN */

static const struct cuda_options usual = { .device = -1, .graphs = 1 },
				 cudnn = { .device = -1, .graphs = 1, .attention = CUDA_ATTENTION_CUDNN },
				 own = { .device = -1, .graphs = 1, .attention = CUDA_ATTENTION_OWN };

static void before(void)
{
	fake_reset();
	fake.has_dnn = true;
}

/* Nothing of the runtime's is left, and no descriptor. */
static void after(void)
{
	ck_assert_uint_eq(fake.live, 0);
	ck_assert_uint_eq(fake.used_bytes, 0);
}

static int open_with(const struct cuda_options *options, struct rig *r, struct lsb_error *err)
{
	const struct rig_spec spec = { .plugin = "cuda",
				       .options = options,
				       .model = "random:tiny:f16",
				       .context = CONTEXT,
				       .max_tokens = CONTEXT };

	return rig_open(&spec, r, err);
}

/* An error that has all of `words`, ';'-separated. */
static void has_words(const struct lsb_error *err, const char *words)
{
	char copy[256], *at = NULL;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, ";", &at); word; word = strtok_r(NULL, ";", &at))
		ck_assert_msg(strstr(err->msg, word) != NULL, "'%s' is not in: %s", word, err->msg);
}

static void is_replaced(const char *why)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(&usual, &r, &err), LSB_OK);
	ck_assert_msg(strstr(r.info.engine, why) != NULL, "'%s' is not in: %s", why, r.info.engine);
	rig_close(&r);
}

static void fails(const struct cuda_options *options, int status, const char *words)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(options, &r, &err), status);
	has_words(&err, words);
}

START_TEST(without_cudnn_the_own_kernel_attends_and_the_report_says_why)
{
	fake.has_dnn = false;
	is_replaced("own attention (no libcudnn.so.9)");
	fails(&cudnn, LSB_EUNAVAIL, "cuDNN attention cannot be used;LD_LIBRARY_PATH;backend.attention = own");
}
END_TEST

static const struct {
	enum fake_dnn_refusal refuses;
	size_t version;
	const char *lacks, *brief, *words;
} ways[] = {
	{ .version = 90800,
	  .brief = "(cuDNN is too old)",
	  .words = "version 9.8, 9.11 is the least;update cuDNN" },
	{ .lacks = "cudnnBackendExecute",
	  .brief = "(no libcudnn.so.9)",
	  .words = "lacks cudnnBackendExecute" },
	{ .refuses = FAKE_DNN_HANDLE, .brief = "refuses", .words = "cudnnCreate failed;attention = own" },
	{ .refuses = FAKE_DNN_TENSORS, .brief = "refuses", .words = "status 3000, as the test asked" },
	{ .refuses = FAKE_DNN_PLANS, .brief = "refuses", .words = "heads of;positions;no engine takes it" },
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

START_TEST(a_cudnn_that_cannot_be_used_is_told_apart)
{
	fake.dnn_refuses = ways[_i].refuses;
	fake.dnn_version = ways[_i].version ? ways[_i].version : fake.dnn_version;
	fake.lacks = ways[_i].lacks;
	is_replaced(ways[_i].brief);
	fails(&cudnn, LSB_EUNAVAIL, ways[_i].words);
}
END_TEST

START_TEST(an_older_device_keeps_the_own_kernel_unless_asked)
{
	struct lsb_error err = { 0 };
	struct rig r;

	fake.major = 8;
	is_replaced("own attention (cuDNN only from 9.0)");
	ck_assert_int_eq(open_with(&cudnn, &r, &err), LSB_OK);
	ck_assert_ptr_nonnull(strstr(r.info.engine, "cuDNN 9.19.0 attention"));
	rig_close(&r);
}
END_TEST

START_TEST(invariant_results_and_cudnn_exclude_each_other)
{
	const struct cuda_options both = {
		.device = -1, .graphs = 1, .invariant = 1, .attention = CUDA_ATTENTION_CUDNN
	};

	fails(&both, LSB_EINVAL, "backend.attention = cudnn;backend.invariant = yes;cannot both");
}
END_TEST

START_TEST(whichever_allocation_fails_nothing_is_left_behind)
{
	uint32_t n = 0;
	int rc;

	do {
		struct lsb_error err = { 0 };
		struct rig r;

		before();
		fake.failing = ++n;
		rc = open_with(&usual, &r, &err);
		if (rc == LSB_OK)
			rig_close(&r);
		else
			ck_assert_msg(rc == LSB_ENOMEM, "allocation %u: status %d: %s", n, rc, err.msg);
		ck_assert_msg(fake.live == 0, "allocation %u leaves %u behind", n, fake.live);
	} while (rc && n < 1000);
	ck_assert_uint_gt(n, 20); /* there were some to fail */
}
END_TEST

/* --- steps ---------------------------------------------------------------------------- */

/* `tokens` tokens of slot 0 from `position` on, the last one with output. */
static int step(struct rig *r, uint32_t position, uint32_t tokens, struct lsb_error *err)
{
	struct lsb_token all[PROMPT];
	int32_t id;

	for (uint32_t i = 0; i < tokens; i++)
		all[i] = (struct lsb_token){ .id = 3,
					     .position = position + i,
					     .flags = i + 1 == tokens ? LSB_TOKEN_OUTPUT : 0 };
	return rig_step(r, all, tokens, NULL, &id, NULL, err);
}

START_TEST(long_prompts_are_cudnns_once_a_layer_and_nothing_else_is)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(&usual, &r, &err), LSB_OK);
	ck_assert_str_eq(
		r.info.engine,
		"own products, cuBLASLt 13.0.2 beyond 32 tokens; cuDNN 9.19.0 attention from 256 tokens; KV "
		"cache fp16; decode as CUDA graphs");
	fake.dnn_runs = 0; /* steps were taken at open */
	ck_assert_int_eq(step(&r, 0, 100, &err), LSB_OK);
	ck_assert_uint_eq(fake.dnn_runs, 0);
	r.ops->slot_clear(r.stage[0], 0);
	ck_assert_int_eq(step(&r, 0, PROMPT, &err), LSB_OK);
	ck_assert_uint_eq(fake.dnn_runs, r.info.layers);
	ck_assert_int_eq(step(&r, PROMPT, 1, &err), LSB_OK);
	ck_assert_uint_eq(fake.dnn_runs, r.info.layers);
	rig_close(&r);
}
END_TEST

START_TEST(a_plan_that_does_not_run_fails_the_step_in_words)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(&usual, &r, &err), LSB_OK);
	fake.dnn_refuses = FAKE_DNN_RUNS;
	ck_assert_int_eq(step(&r, 0, PROMPT, &err), LSB_EDEVICE);
	has_words(&err, "cuDNN cannot attend;status 3000, as the test asked;backend.attention = own");
	rig_close(&r);
}
END_TEST

START_TEST(the_own_kernel_alone_if_asked)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(&own, &r, &err), LSB_OK);
	ck_assert_ptr_nonnull(strstr(r.info.engine, "; own attention; "));
	ck_assert_int_eq(step(&r, 0, PROMPT, &err), LSB_OK);
	ck_assert_uint_eq(fake.dnn_runs, 0);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_dnn_errors");
	TCase *tc = tcase_create("dnn_errors");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, before, after);
	tcase_add_test(tc, without_cudnn_the_own_kernel_attends_and_the_report_says_why);
	tcase_add_loop_test(tc, a_cudnn_that_cannot_be_used_is_told_apart, 0, WAYS);
	tcase_add_test(tc, an_older_device_keeps_the_own_kernel_unless_asked);
	tcase_add_test(tc, invariant_results_and_cudnn_exclude_each_other);
	tcase_add_test(tc, whichever_allocation_fails_nothing_is_left_behind);
	tcase_add_test(tc, long_prompts_are_cudnns_once_a_layer_and_nothing_else_is);
	tcase_add_test(tc, a_plan_that_does_not_run_fails_the_step_in_words);
	tcase_add_test(tc, the_own_kernel_alone_if_asked);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
