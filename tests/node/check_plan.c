/* SPDX-License-Identifier: Apache-2.0 */
/* Step plans and ids on the wire: what is written comes back, and what is wrong is refused. Recorder too. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "node/plan.h"
#include "node/recorder.h"

static const struct lsb_plan_limits limits = { .max_tokens = 6,
					       .max_outputs = 3,
					       .slots = 4,
					       .context = 100 };

/* Word `i` of the header: magic, flags, step, lane, tokens, outputs, clear, reserved. */
enum { MAGIC, FLAGS, STEP, LANE, TOKENS, OUTPUTS, CLEAR, RESERVED };

static struct lsb_token tokens[] = { { 5, 0, 7, 0 },
				     { 6, 0, 8, LSB_TOKEN_OUTPUT },
				     { 9, 3, 99, LSB_TOKEN_OUTPUT } };
static struct lsb_sampling sampling[] = { { 0, 1, 0, 0, 42, 1 }, { 0.5f, 0.9f, 40, 0, 42, 2 } };
static uint32_t clear[] = { 1, 3 };
static const struct lsb_plan good = { .step = 17,
				      .lane = 2,
				      .n_tokens = 3,
				      .n_outputs = 2,
				      .n_clear = 2,
				      .tokens = tokens,
				      .sampling = sampling,
				      .clear = clear };

static struct lsb_plan got;
static struct lsb_error err;
static uint32_t wire[256]; /* a plan on the wire */
static size_t bytes;

static void setup(void)
{
	memset(wire, 0, sizeof(wire));
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(lsb_plan_open(&got, &limits, &err), LSB_OK);
	ck_assert_uint_le(lsb_plan_bytes(&limits), sizeof(wire));
	bytes = lsb_plan_write(&good, wire);
}

static void teardown(void)
{
	lsb_plan_close(&got);
}

static void expect_refused(const char *part)
{
	ck_assert_int_eq(lsb_plan_read(wire, bytes, &limits, &got, &err), LSB_EPROTO);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' does not say '%s'", err.msg, part);
}

START_TEST(a_plan_comes_back_as_it_was_written)
{
	ck_assert_uint_eq(bytes, 32 + 3 * 16 + 2 * 32 + 2 * 4);
	ck_assert_int_eq(lsb_plan_read(wire, bytes, &limits, &got, &err), LSB_OK);
	ck_assert_uint_eq(got.step, 17);
	ck_assert_uint_eq(got.lane, 2);
	ck_assert_uint_eq(got.flags, 0);
	ck_assert_uint_eq(got.n_tokens, 3);
	ck_assert_uint_eq(got.n_outputs, 2);
	ck_assert_uint_eq(got.n_clear, 2);
	ck_assert_int_eq(memcmp(got.tokens, tokens, sizeof(tokens)), 0);
	ck_assert_int_eq(memcmp(got.sampling, sampling, sizeof(sampling)), 0);
	ck_assert_int_eq(memcmp(got.clear, clear, sizeof(clear)), 0);
}
END_TEST

START_TEST(the_end_of_a_pass_comes_back)
{
	const struct lsb_plan end = { .flags = LSB_PLAN_END, .step = 9 };

	bytes = lsb_plan_write(&end, wire);
	ck_assert_uint_eq(bytes, 32);
	ck_assert_int_eq(lsb_plan_read(wire, bytes, &limits, &got, &err), LSB_OK);
	ck_assert_uint_eq(got.flags, LSB_PLAN_END);
	ck_assert_uint_eq(got.step, 9);
}
END_TEST

START_TEST(every_length_but_its_own_is_refused)
{
	const size_t own = bytes;

	for (bytes = 0; bytes < sizeof(wire); bytes++)
		if (bytes != own)
			ck_assert_int_eq(lsb_plan_read(wire, bytes, &limits, &got, &err), LSB_EPROTO);
}
END_TEST

/* One word of the header is wrong. */
static const struct {
	uint32_t word, value;
	const char *says;
} headers[] = {
	{ MAGIC, 0x504c5332u, "version" },
	{ MAGIC, 0, "version" },
	{ FLAGS, 2, "flags" },
	{ FLAGS, LSB_PLAN_END, "flags" },
	{ FLAGS, 0x80000000u, "flags" },
	{ LANE, 4, "lane" },
	{ LANE, UINT32_MAX, "lane" },
	{ TOKENS, 7, "too large" },
	{ TOKENS, UINT32_MAX, "too large" },
	{ TOKENS, 2, "bytes" },
	{ OUTPUTS, 4, "too large" },
	{ OUTPUTS, UINT32_MAX, "too large" },
	{ OUTPUTS, 1, "bytes" },
	{ CLEAR, 5, "too large" },
	{ CLEAR, UINT32_MAX, "too large" },
	{ CLEAR, 0, "bytes" },
	{ RESERVED, 1, "reserved" },
};

START_TEST(a_wrong_header_is_refused)
{
	wire[headers[_i].word] = headers[_i].value;
	expect_refused(headers[_i].says);
}
END_TEST

START_TEST(wrong_tokens_are_refused)
{
	struct lsb_token *const at = (struct lsb_token *)(void *)(wire + 8);

	at[1].slot = 4;
	expect_refused("slot 4");
	at[1] = tokens[1];
	at[2].position = 100;
	expect_refused("position 100");
	at[2] = tokens[2];
	at[0].flags = 4;
	expect_refused("flags");
	at[0].flags = LSB_TOKEN_OUTPUT;
	expect_refused("want output");
	at[0] = tokens[0];
	at[1].flags = 0;
	expect_refused("want output");
}
END_TEST

START_TEST(wrong_sampling_is_refused)
{
	struct lsb_sampling *const at = (struct lsb_sampling *)(void *)(wire + 8 + 12);

	at[0].temperature = -1;
	expect_refused("temperature");
	at[0].temperature = NAN;
	expect_refused("temperature");
	at[0].temperature = INFINITY;
	expect_refused("temperature");
	at[0] = sampling[0];
	at[1].top_p = 0;
	expect_refused("top_p");
	at[1].top_p = 1.5f;
	expect_refused("top_p");
	at[1].top_p = NAN;
	expect_refused("top_p");
}
END_TEST

START_TEST(a_slot_to_clear_that_is_none_and_an_empty_step_are_refused)
{
	const struct lsb_plan empty = { .step = 1 };
	const struct lsb_plan clears = { .flags = LSB_PLAN_END, .n_clear = 1, .clear = clear };

	wire[bytes / 4 - 1] = 4;
	expect_refused("slot 4");
	bytes = lsb_plan_write(&empty, wire);
	expect_refused("0 tokens");
	bytes = lsb_plan_write(&clears, wire);
	expect_refused("to clear");
}
END_TEST

START_TEST(ids_come_back_and_wrong_ones_are_refused)
{
	const int32_t ids[] = { 4, 5, 6 }, *back;
	uint32_t n;

	bytes = lsb_ids_write(8, ids, 3, wire);
	ck_assert_uint_eq(bytes, 8 + 3 * 4);
	ck_assert_uint_le(bytes, lsb_ids_bytes(3));
	ck_assert_int_eq(lsb_ids_read(wire, bytes, 8, 3, &back, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(memcmp(back, ids, sizeof(ids)), 0);
	ck_assert_int_eq(lsb_ids_read(wire, bytes, 9, 3, &back, &n, &err), LSB_EPROTO);
	ck_assert_int_eq(lsb_ids_read(wire, bytes, 8, 2, &back, &n, &err), LSB_EPROTO);
	ck_assert_int_eq(lsb_ids_read(wire, bytes - 4, 8, 3, &back, &n, &err), LSB_EPROTO);
	ck_assert_int_eq(lsb_ids_read(wire, 7, 8, 3, &back, &n, &err), LSB_EPROTO);
	wire[1] = UINT32_MAX;
	ck_assert_int_eq(lsb_ids_read(wire, bytes, 8, 3, &back, &n, &err), LSB_EPROTO);
	bytes = lsb_ids_write(8, NULL, 0, wire);
	ck_assert_int_eq(lsb_ids_read(wire, bytes, 8, 3, &back, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(a_full_recorder_counts_what_it_loses_and_keeps_what_it_has)
{
	struct lsb_recorder r;

	ck_assert_int_eq(lsb_recorder_open(&r, 2, &err), LSB_OK);
	for (uint64_t i = 0; i < 5; i++)
		lsb_recorder_next(&r, LSB_REC_COPY, i, i + 1)->bytes = 10 + i;
	ck_assert_uint_eq(r.n, 2);
	ck_assert_uint_eq(r.lost, 3);
	ck_assert_uint_eq(r.records[1].bytes, 11);
	ck_assert_int_eq(r.records[1].peer, -1);
	lsb_recorder_reset(&r);
	ck_assert_uint_eq(r.n + r.lost, 0);
	lsb_recorder_close(&r);
	ck_assert_int_eq(lsb_recorder_open(&r, 0, &err), LSB_OK);
	ck_assert_ptr_nonnull(lsb_recorder_next(&r, LSB_REC_COPY, 0, 1));
	ck_assert_uint_eq(r.lost, 1);
	lsb_recorder_close(&r);
	ck_assert_int_eq(lsb_recorder_open(&r, SIZE_MAX / 64, &err), LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan");
	TCase *tcase = tcase_create("plan");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, a_plan_comes_back_as_it_was_written);
	tcase_add_test(tcase, the_end_of_a_pass_comes_back);
	tcase_add_test(tcase, every_length_but_its_own_is_refused);
	tcase_add_loop_test(tcase, a_wrong_header_is_refused, 0, (int)(sizeof(headers) / sizeof(headers[0])));
	tcase_add_test(tcase, wrong_tokens_are_refused);
	tcase_add_test(tcase, wrong_sampling_is_refused);
	tcase_add_test(tcase, a_slot_to_clear_that_is_none_and_an_empty_step_are_refused);
	tcase_add_test(tcase, ids_come_back_and_wrong_ones_are_refused);
	tcase_add_test(tcase, a_full_recorder_counts_what_it_loses_and_keeps_what_it_has);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
