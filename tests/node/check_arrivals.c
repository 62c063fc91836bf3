/* SPDX-License-Identifier: Apache-2.0 */
/* When requests arrive: what is written, what it means, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "schedule/arrivals.h"

enum { TIMES = 100 };
static const uint64_t second_ns = 1000000000u;

/* `n` times of `text`, which must be right. */
static void times_of(const char *text, uint64_t seed, uint64_t *times, size_t n)
{
	struct lsb_arrivals arrivals;
	struct lsb_error err = { 0 };

	ck_assert_msg(lsb_arrivals_parse(text, &arrivals, &err) == LSB_OK, "%s: %s", text, err.msg);
	ck_assert_msg(lsb_arrivals_times(&arrivals, NULL, seed, times, n, &err) == LSB_OK, "%s: %s", text,
		      err.msg);
}

static void expect_refusal(const char *text, const char *why)
{
	struct lsb_arrivals arrivals;
	struct lsb_error err = { 0 };
	uint64_t times[TIMES];
	int rc = lsb_arrivals_parse(text, &arrivals, &err);

	if (rc == LSB_OK)
		rc = lsb_arrivals_times(&arrivals, NULL, 1, times, TIMES, &err);
	ck_assert_msg(rc == LSB_ESUITE, "%s was taken", text);
	ck_assert_msg(strstr(err.msg, why) != NULL, "%s: %s", text, err.msg);
}

START_TEST(all_arrive_when_the_run_begins_unless_something_else_is_said)
{
	uint64_t times[TIMES];

	memset(times, 1, sizeof(times));
	times_of("closed", 1, times, TIMES);
	for (size_t i = 0; i < TIMES; i++)
		ck_assert_uint_eq(times[i], 0);
}
END_TEST

START_TEST(a_fixed_rate_is_exact)
{
	uint64_t times[TIMES];

	times_of("fixed:4/s", 1, times, TIMES);
	for (size_t i = 0; i < TIMES; i++)
		ck_assert_uint_eq(times[i], i * second_ns / 4);
	times_of("fixed:30/min", 1, times, TIMES);
	ck_assert_uint_eq(times[99], 198 * second_ns);
	times_of("fixed:3/s", 1, times, TIMES); /* no error adds up */
	ck_assert_uint_eq(times[99], 33 * second_ns);
	ck_assert_uint_eq(times[1], 333333333);
	ck_assert_uint_eq(times[2], 666666667);
}
END_TEST

START_TEST(a_burst_is_so_many_at_once_every_so_often)
{
	uint64_t times[TIMES];

	times_of("burst:10:1.5s", 1, times, TIMES);
	for (size_t i = 0; i < TIMES; i++)
		ck_assert_uint_eq(times[i], i / 10 * (3 * second_ns / 2));
}
END_TEST

START_TEST(a_poisson_process_depends_on_seed_and_number_alone)
{
	uint64_t some[10], all[TIMES], other[TIMES];
	size_t equal = 0;

	times_of("poisson:5/s", 7, some, 10);
	times_of("poisson:5/s", 7, all, TIMES);
	ck_assert_mem_eq(some, all, sizeof(some));
	times_of("poisson:5/s", 8, other, TIMES);
	for (size_t i = 0; i < TIMES; i++)
		equal += all[i] == other[i];
	ck_assert_uint_eq(equal, 0);
	times_of("poisson:10/s", 7, other, TIMES); /* the same gaps in half the time */
	for (size_t i = 0; i < TIMES; i++) {
		ck_assert_uint_le(other[i], all[i] / 2 + 1);
		ck_assert_uint_ge(other[i] + 1, all[i] / 2);
		ck_assert(i == 0 || all[i] >= all[i - 1]);
	}
}
END_TEST

START_TEST(equal_arrivals_have_one_spelling)
{
	static const char *const pairs[][2] = { { "closed", "closed" },
						{ "trace", "trace" },
						{ "fixed:5/s", "fixed:5/s" },
						{ "fixed:300/min", "fixed:5/s" },
						{ "poisson:0.5/s", "poisson:0.5/s" },
						{ "poisson:1800/h", "poisson:0.5/s" },
						{ "burst:8:20ms", "burst:8:20000000ns" },
						{ "trace:a b/c.txt", "trace:a b/c.txt" } };

	for (size_t i = 0; i < LSB_COUNT(pairs); i++)
		for (size_t k = 0; k < 2; k++) { /* what is spelled reads as itself */
			struct lsb_arrivals arrivals;
			char *spelled;

			ck_assert_int_eq(lsb_arrivals_parse(pairs[i][k], &arrivals, NULL), LSB_OK);
			spelled = lsb_arrivals_spell(&arrivals);
			ck_assert_str_eq(spelled, pairs[i][1]);
			free(spelled);
		}
}
END_TEST

START_TEST(what_is_no_arrival_is_refused_with_the_reason)
{
	expect_refusal("", "none of");
	expect_refusal("open", "none of");
	expect_refusal("trace:", "none of");
	expect_refusal("fixed", "none of");
	expect_refusal("fixed:5", "no unit");
	expect_refusal("fixed:", "no unit");
	expect_refusal("fixed:5/d", "unknown unit");
	expect_refusal("fixed:x/s", "not a number");
	expect_refusal("fixed:0/s", "out of range");
	expect_refusal("poisson:-1/s", "out of range");
	expect_refusal("poisson:1e10/s", "out of range");
	expect_refusal("poisson:nan/s", "not a number");
	expect_refusal("burst:5", "burst:N:EVERY");
	expect_refusal("burst:0:1s", "out of range");
	expect_refusal("burst:5:0", "out of range");
	expect_refusal("burst:5:3", "no unit");
	expect_refusal("burst:5000000000:1s", "out of range");
	expect_refusal("fixed:0.5/h", "168h"); /* the last of 100 comes after 198 h */
	expect_refusal("trace:/nonexistent/file", "cannot open");
}
END_TEST

/* A file of `text`, whose name goes into `name`. */
static void write_trace(const char *text, char name[64])
{
	int file;

	strcpy(name, "/tmp/lsb-arrivals-XXXXXX");
	file = mkstemp(name);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(close(file), 0);
}

START_TEST(a_trace_file_has_a_time_a_line)
{
	char name[64], text[96];
	uint64_t times[4];

	write_trace("# when\n0\n20ms # the second\n\n  1.5s\t\r\n1.5s\n2s", name);
	(void)snprintf(text, sizeof(text), "trace:%s", name);
	times_of(text, 1, times, 4);
	ck_assert_uint_eq(times[0], 0);
	ck_assert_uint_eq(times[1], 20000000);
	ck_assert_uint_eq(times[2], 1500000000);
	ck_assert_uint_eq(times[3], 1500000000);
	unlink(name);
}
END_TEST

START_TEST(a_trace_file_that_is_wrong_is_refused_with_its_line)
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{ "0\n", "1 times, and there are 100 requests" }, { "0\n1\n", ":2: '1' has no unit" },
		{ "1s\n0.5s\n", ":2: this time is before" },	  { "0\n\n-1s\n", ":3: '-1s' is negative" },
		{ "0\n200h\n", ":2: '200h' is later than 168h" }, { "one\n", ":1: 'one' is not a time" }
	};
	char name[64], text[96], longer[301] = "";

	for (size_t i = 0; i < LSB_COUNT(wrong); i++) {
		write_trace(wrong[i].text, name);
		(void)snprintf(text, sizeof(text), "trace:%s", name);
		expect_refusal(text, wrong[i].why);
		unlink(name);
	}
	memset(longer, '1', 300);
	write_trace(longer, name);
	(void)snprintf(text, sizeof(text), "trace:%s", name);
	expect_refusal(text, "no time");
	unlink(name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arrivals");
	TCase *tcase = tcase_create("arrivals");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, all_arrive_when_the_run_begins_unless_something_else_is_said);
	tcase_add_test(tcase, a_fixed_rate_is_exact);
	tcase_add_test(tcase, a_burst_is_so_many_at_once_every_so_often);
	tcase_add_test(tcase, a_poisson_process_depends_on_seed_and_number_alone);
	tcase_add_test(tcase, equal_arrivals_have_one_spelling);
	tcase_add_test(tcase, what_is_no_arrival_is_refused_with_the_reason);
	tcase_add_test(tcase, a_trace_file_has_a_time_a_line);
	tcase_add_test(tcase, a_trace_file_that_is_wrong_is_refused_with_its_line);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
