/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a core, from a folder like the system's: which thread counts, threads that come and go, none at
 * all.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/runqueue.h"

enum { MS = 1000000 };

static char folder[64];
static struct lsb_runqueue before, after;

static void set_up(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/lsbench-runqueue-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* FOLDER/id/schedstat; times in milliseconds. */
static void put(const char *id, unsigned long long ran, unsigned long long waited)
{
	char path[160];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, id);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/%s/schedstat", folder, id);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "%llu %llu 3\n", ran * MS, waited * MS);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(thread_at_work_that_waited_longest_counts)
{
	put("10", 500, 100);
	put("11", 500, 100);
	lsb_runqueue_read(folder, &before);
	put("10", 1400, 120);
	put("11", 1300, 250);
	lsb_runqueue_read(folder, &after);
	ck_assert_uint_eq(after.n, 2);
	ck_assert_double_eq_tol(lsb_runqueue_between(&before, &after, 1000L * MS), 0.15, 1e-12);
}
END_TEST

START_TEST(thread_that_only_looks_after_something_does_not_count)
{
	put("10", 500, 100);
	put("11", 1, 0);
	lsb_runqueue_read(folder, &before);
	put("10", 1400, 120);
	put("11", 100, 900); /* 99 of 1000 ms at work */
	lsb_runqueue_read(folder, &after);
	ck_assert_double_eq_tol(lsb_runqueue_between(&before, &after, 1000L * MS), 0.02, 1e-12);
	put("11", 101, 900);
	lsb_runqueue_read(folder, &after);
	ck_assert_double_eq_tol(lsb_runqueue_between(&before, &after, 1000L * MS), 0.9, 1e-12);
}
END_TEST

START_TEST(rank_that_mostly_sleeps_still_has_a_figure)
{
	put("10", 5, 1);
	put("11", 1, 0);
	lsb_runqueue_read(folder, &before);
	put("10", 9, 4);
	put("11", 2, 0);
	lsb_runqueue_read(folder, &after);
	ck_assert_double_eq_tol(lsb_runqueue_between(&before, &after, 1000L * MS), 0.003, 1e-12);
}
END_TEST

START_TEST(thread_that_began_in_the_run_counts_from_its_start)
{
	put("10", 500, 100);
	lsb_runqueue_read(folder, &before);
	put("10", 1400, 100);
	put("12", 300, 80);
	put("self", 900, 900); /* not a thread */
	lsb_runqueue_read(folder, &after);
	ck_assert_double_eq_tol(lsb_runqueue_between(&before, &after, 1000L * MS), 0.08, 1e-12);
}
END_TEST

START_TEST(kernel_that_does_not_count_gives_no_figure)
{
	put("10", 0, 0);
	lsb_runqueue_read(folder, &before);
	ck_assert_uint_eq(before.n, 0);
	ck_assert_double_lt(lsb_runqueue_between(&before, &before, MS), 0);
	lsb_runqueue_read("/nowhere/at/all", &after);
	ck_assert_uint_eq(after.n, 0);
}
END_TEST

START_TEST(this_process_has_a_figure_where_the_kernel_counts)
{
	lsb_runqueue_read(LSB_RUNQUEUE_FOLDER, &before);
	if (access("/proc/self/schedstat", R_OK) || before.n == 0)
		return; /* this kernel does not */
	lsb_runqueue_read(LSB_RUNQUEUE_FOLDER, &after);
	ck_assert_double_ge(lsb_runqueue_between(&before, &after, MS), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("runqueue");
	TCase *tc = tcase_create("runqueue");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, thread_at_work_that_waited_longest_counts);
	tcase_add_test(tc, thread_that_only_looks_after_something_does_not_count);
	tcase_add_test(tc, rank_that_mostly_sleeps_still_has_a_figure);
	tcase_add_test(tc, thread_that_began_in_the_run_counts_from_its_start);
	tcase_add_test(tc, kernel_that_does_not_count_gives_no_figure);
	tcase_add_test(tc, this_process_has_a_figure_where_the_kernel_counts);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
