/* SPDX-License-Identifier: Apache-2.0 */
/* The journal survives whatever happens to its last line, and nothing else. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/results.h"
#include "wire/journal.h"

static char folder[] = "/tmp/lsb-journal-XXXXXX";
static char path[64];

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/journal.jsonl", folder);
}

static void tear_down(void)
{
	static const char *const names[] = { "journal.jsonl", ".lock", "records", "logs" };
	char name[128];

	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		(void)snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
		(void)remove(name);
	}
	(void)rmdir(folder);
}

static void append(struct lsb_journal *j, json_t *line)
{
	struct lsb_error err;

	ck_assert_msg(lsb_journal_append(j, line, &err) == 0, "%s", err.msg);
	json_decref(line);
}

/* A run and three launches. */
static void write_sample(void)
{
	struct lsb_journal j;

	ck_assert_int_eq(lsb_journal_create(path, &j, NULL), 0);
	append(&j, json_pack("{s:i, s:s}", "lsbench_journal", 1, "suite", "t"));
	for (int i = 0; i < 3; i++)
		append(&j, json_pack("{s:i, s:s}", "launch", i, "reason", "a \"quoted\"\nnew line"));
	lsb_journal_close(&j);
}

static void write_file(const char *data, size_t bytes)
{
	ck_assert_int_eq(lsb_file_write(path, data, bytes, NULL), 0);
}

START_TEST(journal_cut_at_every_byte_gives_its_whole_lines)
{
	char *text;
	size_t bytes, ends[4], n_ends = 0;

	write_sample();
	ck_assert_int_eq(lsb_file_read(path, 1 << 20, &text, &bytes, NULL), 0);
	for (size_t i = 0; i < bytes; i++)
		if (text[i] == '\n')
			ends[n_ends++] = i + 1;
	ck_assert_uint_eq(n_ends, 4);
	for (size_t cut = 0; cut <= bytes; cut++) {
		size_t whole = 0, expected = 0;
		struct lsb_journal j;
		json_t *lines;

		write_file(text, cut);
		while (expected < 4 && ends[expected] <= cut)
			expected++;
		if (expected == 0) {
			ck_assert_int_eq(lsb_journal_read(path, NULL, &lines, &whole, NULL), LSB_EIO);
			continue;
		}
		ck_assert_int_eq(lsb_journal_read(path, NULL, &lines, &whole, NULL), 0);
		ck_assert_uint_eq(json_array_size(lines), expected);
		ck_assert_uint_eq(whole, ends[expected - 1]);
		json_decref(lines);
		/* and goes on from there */
		ck_assert_int_eq(lsb_journal_continue(path, whole, &j, NULL), 0);
		append(&j, json_pack("{s:i}", "launch", 99));
		lsb_journal_close(&j);
		ck_assert_int_eq(lsb_journal_read(path, NULL, &lines, NULL, NULL), 0);
		ck_assert_uint_eq(json_array_size(lines), expected + 1);
		ck_assert_int_eq(
			json_integer_value(json_object_get(json_array_get(lines, expected), "launch")), 99);
		json_decref(lines);
	}
	free(text);
}
END_TEST

static const struct bad {
	const char *text, *words;
} bad_journals[] = {
	{ "", "is empty" },
	{ "\n", "no whole first line" },
	{ "{\"lsbench_journal\":1}", "no whole first line" },
	{ "{\"suite\":1}\n", "not a journal" },
	{ "[1]\n", "not a journal" },
	{ "Dear reader,\nthis is a letter.\n", "not a journal" },
	{ "\x7f"
	  "ELF\n\n\n",
	  "not a journal" },
	{ "{\"lsbench_journal\":2}\n", "format 2" },
	{ "{\"lsbench_journal\":2,\"launches\":{}}\n{\"anything\"\nelse\n", "format 2" },
	{ "{\"lsbench_journal\":\"1\"}\n", "not a journal" },
	{ "{\"lsbench_journal\":1}\n{\"launch\":\n{\"launch\":1}\n", "line 2" },
	{ "{\"lsbench_journal\":1}\n\n{\"launch\":1}\n", "line 2" },
	{ "{\"lsbench_journal\":1}\n{\"launch\":0}\n{\"launch\":1}{\n{\"launch\":2}\n", "line 3" },
	{ "{\"lsbench_journal\":1,\"lsbench_journal\":1}\n", "not a journal" },
};

START_TEST(file_that_is_no_journal_is_refused)
{
	struct lsb_error err = { 0 };
	json_t *lines;

	write_file(bad_journals[_i].text, strlen(bad_journals[_i].text));
	ck_assert_int_eq(lsb_journal_read(path, NULL, &lines, NULL, &err), LSB_EIO);
	ck_assert_msg(strstr(err.msg, bad_journals[_i].words) != NULL, "%s", err.msg);
}
END_TEST

/* Launch `i` of check journals below, with or without "ids". */
static json_t *launch_line(int i, int is_whole)
{
	return json_pack("{s:i, s:s, s:[{s:s*, s:i}]}", "launch", i, "point", i % 2 ? "odd" : "even", "ranks",
			 "ids", is_whole ? "y" : NULL, "steps", 7);
}

START_TEST(members_left_out_are_absent_until_restored)
{
	static const char *const without[] = { "ids", NULL };
	const size_t indices[] = { 0, 3 };
	struct lsb_journal j;
	json_t *lines, *expected;

	ck_assert_int_eq(lsb_journal_create(path, &j, NULL), 0);
	append(&j, json_pack("{s:i, s:s}", "lsbench_journal", 1, "ids", "kept"));
	for (int i = 0; i < 5; i++)
		append(&j, launch_line(i, 1));
	lsb_journal_close(&j);
	ck_assert_int_eq(lsb_journal_read(path, without, &lines, NULL, NULL), 0);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(lines, 0), "ids")), "kept");
	json_array_remove(lines, 0);
	for (int restored = 0; restored < 2; restored++) {
		for (int i = 0; i < 5; i++) {
			expected = launch_line(i, restored && (i == 0 || i == 3));
			ck_assert(json_equal(json_array_get(lines, (size_t)i), expected));
			json_decref(expected);
		}
		ck_assert_int_eq(lsb_journal_restore(path, indices, 2, lines, NULL), 0);
	}
	ck_assert_int_eq(truncate(path, 40), 0);
	ck_assert_int_eq(lsb_journal_restore(path, indices, 2, lines, NULL), LSB_EIO);
	json_decref(lines);
}
END_TEST

START_TEST(what_is_no_file_is_refused_at_once)
{
	struct lsb_error err = { 0 };
	json_t *lines;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(lsb_journal_read(path, NULL, &lines, NULL, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "not a file"));
	ck_assert_int_eq(lsb_journal_read(folder, NULL, &lines, NULL, &err), LSB_EIO);
	ck_assert_int_eq(lsb_journal_read("/nowhere/journal.jsonl", NULL, &lines, NULL, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nowhere/journal.jsonl"));
}
END_TEST

START_TEST(full_disk_leaves_earlier_lines_intact)
{
	struct rlimit limit;
	struct lsb_journal j;
	struct lsb_error err = { 0 };
	json_t *lines, *line = json_pack("{s:s}", "text", "more than what fits");
	struct stat before, after;

	write_sample();
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(lsb_journal_continue(path, (size_t)before.st_size, &j, NULL), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = (rlim_t)before.st_size + 10; /* a disk that is full in the middle of a line */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(lsb_journal_append(&j, line, &err), LSB_EIO);
	lsb_journal_close(&j);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_eq(after.st_size, before.st_size);
	ck_assert_int_eq(lsb_journal_read(path, NULL, &lines, NULL, NULL), 0);
	ck_assert_uint_eq(json_array_size(lines), 4);
	json_decref(lines);
	json_decref(line);
}
END_TEST

START_TEST(second_run_in_one_folder_is_refused)
{
	struct lsb_results first, second;
	struct lsb_error err = { 0 };
	json_t *line = json_pack("{s:i}", "lsbench_journal", LSB_JOURNAL_FORMAT), *lines;
	size_t whole;

	ck_assert_int_eq(lsb_results_create(folder, &first, &err), 0);
	ck_assert_int_eq(lsb_results_create(folder, &second, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "another lsbench"));
	ck_assert_int_eq(lsb_results_resume(folder, &second, &lines, &whole, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "another lsbench"));
	ck_assert_int_eq(lsb_journal_append(&first.journal, line, &err), 0);
	json_decref(line);
	lsb_results_close(&first);
	ck_assert_int_eq(lsb_results_create(folder, &second, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "--resume"));
}
END_TEST

START_TEST(run_that_died_before_its_first_line_leaves_the_folder_free)
{
	struct lsb_results r;
	struct lsb_error err = { 0 };

	ck_assert_int_eq(lsb_results_create(folder, &r, &err), 0);
	lsb_results_close(&r);
	ck_assert_msg(lsb_results_create(folder, &r, &err) == 0, "%s", err.msg);
	lsb_results_close(&r);
}
END_TEST

START_TEST(folder_that_cannot_be_made_is_an_error)
{
	struct lsb_results r;
	struct lsb_error err = { 0 };

	ck_assert_int_eq(lsb_results_create("/proc/nowhere/results", &r, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "/proc/nowhere"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *tc = tcase_create("journal");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, journal_cut_at_every_byte_gives_its_whole_lines);
	tcase_add_loop_test(tc, file_that_is_no_journal_is_refused, 0, LSB_COUNT(bad_journals));
	tcase_add_test(tc, members_left_out_are_absent_until_restored);
	tcase_add_test(tc, what_is_no_file_is_refused_at_once);
	tcase_add_test(tc, full_disk_leaves_earlier_lines_intact);
	tcase_add_test(tc, second_run_in_one_folder_is_refused);
	tcase_add_test(tc, run_that_died_before_its_first_line_leaves_the_folder_free);
	tcase_add_test(tc, folder_that_cannot_be_made_is_an_error);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
