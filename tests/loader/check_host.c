/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin may call back. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"

/* A loaded plugin without a file: the host table needs no more. */
static struct lsb_loaded l;
static struct lsb_loaded_state state;

static void setup(void)
{
	state.self = &l;
	l.state = &state;
	l.plugin.kind = LSB_TRANSPORT;
	l.plugin.name = "test";
	lsb_host_init(&l);
}

START_TEST(memory_is_zeroed_aligned_and_counted)
{
	static const size_t aligns[] = { 8, 16, 64, 4096 };
	unsigned char *blocks[LSB_COUNT(aligns)];
	uint64_t now, peak;

	for (size_t i = 0; i < LSB_COUNT(aligns); i++) {
		blocks[i] = l.host.alloc(l.host.context, 1000, aligns[i]);
		ck_assert_ptr_nonnull(blocks[i]);
		ck_assert_uint_eq((uintptr_t)blocks[i] % aligns[i], 0);
		for (size_t k = 0; k < 1000; k++)
			ck_assert_uint_eq(blocks[i][k], 0);
		memset(blocks[i], 1, 1000);
	}
	lsb_host_memory(&now, &peak);
	ck_assert_uint_eq(now, 4000);
	for (size_t i = 0; i < LSB_COUNT(aligns); i++)
		l.host.free(l.host.context, blocks[i]);
	l.host.free(l.host.context, NULL);
	lsb_host_memory(&now, &peak);
	ck_assert_uint_eq(now, 0);
	ck_assert_uint_eq(peak, 4000);
}
END_TEST

START_TEST(impossible_memory_is_null)
{
	ck_assert_ptr_null(l.host.alloc(l.host.context, SIZE_MAX - 8, 16));
	ck_assert_ptr_null(l.host.alloc(l.host.context, 64, 48));
}
END_TEST

static int forty_two(void *user)
{
	return *(int *)user;
}

START_TEST(progress_reaches_the_callback_of_the_process)
{
	int answer = LSB_ECANCELED;

	ck_assert_int_eq(l.host.progress(l.host.context), LSB_OK);
	lsb_host_set_progress(forty_two, &answer);
	ck_assert_int_eq(l.host.progress(l.host.context), LSB_ECANCELED);
}
END_TEST

static void keep(void *user, const char *plugin, uint32_t level, const char *message)
{
	(void)snprintf(user, 64, "%s %u %s", plugin, level, message);
}

START_TEST(a_log_line_carries_the_plugin_s_name)
{
	char line[64] = "";

	lsb_host_set_log(keep, line);
	l.host.log(l.host.context, LSB_LOG_WARN, "hello");
	ck_assert_str_eq(line, "test 1 hello");
}
END_TEST

START_TEST(a_plugin_that_wraps_nothing_hears_so)
{
	const struct lsb_inner *inner;
	struct lsb_error err;

	ck_assert_int_eq(l.host.inner(l.host.context, &inner, &err), LSB_EINVAL);
	ck_assert_str_eq(err.msg, "transport 'test' wraps nothing here; write test:NAME");
}
END_TEST

static const struct {
	int rc;
	const char *said;
	int wanted;
	const char *message;
} results[] = {
	{ LSB_OK, "", LSB_OK, "" },
	{ LSB_EIO, "the disk is gone", LSB_EIO, "the disk is gone" },
	{ LSB_EIO, "", LSB_EIO, "transport 'test' failed in open (status -3) and did not say why" },
	{ 3, "", LSB_EPLUGIN, "transport 'test' returned 3 from open, which is no status" },
	{ -99, "", LSB_EPLUGIN, "transport 'test' returned -99 from open, which is no status" },
};

START_TEST(what_an_operation_returned_is_made_fit_to_show)
{
	struct lsb_error err = { 0 };

	(void)snprintf(err.msg, sizeof(err.msg), "%s", results[_i].said);
	ck_assert_int_eq(lsb_plugin_result(&l, "open", results[_i].rc, &err), results[_i].wanted);
	ck_assert_int_eq(err.code, results[_i].wanted);
	ck_assert_str_eq(err.msg, results[_i].message);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host");
	TCase *tc = tcase_create("host");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, memory_is_zeroed_aligned_and_counted);
	tcase_add_test(tc, impossible_memory_is_null);
	tcase_add_test(tc, progress_reaches_the_callback_of_the_process);
	tcase_add_test(tc, a_log_line_carries_the_plugin_s_name);
	tcase_add_test(tc, a_plugin_that_wraps_nothing_hears_so);
	tcase_add_loop_test(tc, what_an_operation_returned_is_made_fit_to_show, 0, LSB_COUNT(results));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
