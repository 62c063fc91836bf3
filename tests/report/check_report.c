/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of crafted journals: report.md against a golden file, the same bytes
 * every time, and journals that are cut, damaged, foreign or newer. LSB_ACCEPT=1 writes the golden file anew.
 */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "crafted_folder.h"
#include "measure/summary.h"
#include "report/html.h"
#include "report/report.h"

#define GOLDEN LSB_SOURCE_DIR "/tests/report/golden/report.md"
#define PROGRAM LSB_BINARY_DIR "/lsbench"

static void write_reports(void)
{
	struct lsb_error err = { 0 };

	ck_assert_msg(lsb_report_write(crafted_folder, 0, NULL, &err) == 0, "%s", err.msg);
}

/* --- what is written --- */

START_TEST(report_is_the_golden_one)
{
	char *report, *golden;
	size_t same = 0, line = 1;

	write_reports();
	report = crafted_read(crafted_path("report.md"));
	if (getenv("LSB_ACCEPT"))
		ck_assert_int_eq(lsb_file_write(GOLDEN, report, strlen(report), NULL), 0);
	golden = crafted_read(GOLDEN);
	while (report[same] && report[same] == golden[same])
		line += report[same++] == '\n';
	ck_assert_msg(
		report[same] == golden[same],
		"report.md differs from golden/report.md in line %zu; see what it says now with LSB_ACCEPT=1",
		line);
	free(report);
	free(golden);
}
END_TEST

START_TEST(rebuilding_gives_the_same_bytes)
{
	static const char *const names[] = { "summary.json", "summary.csv", "report.md", "report.html" };
	char *before[LSB_COUNT(names)];

	write_reports();
	for (size_t i = 0; i < LSB_COUNT(names); i++)
		before[i] = crafted_read(crafted_path(names[i]));
	write_reports();
	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		char *now = crafted_read(crafted_path(names[i]));

		ck_assert_str_eq(before[i], now);
		free(now);
		free(before[i]);
	}
}
END_TEST

START_TEST(csv_has_as_many_fields_in_every_row)
{
	size_t rows = 0, expected = 0;
	char *csv, *row, *rest;

	write_reports();
	rest = csv = crafted_read(crafted_path("summary.csv"));
	ck_assert_ptr_nonnull(strstr(csv, ",speedup_equal_concurrency,1,"));
	while ((row = strsep(&rest, "\n")) != NULL && *row) {
		size_t fields = 1;

		for (const char *at = row; *at; at++)
			fields += *at == ',';
		expected = rows++ ? expected : fields;
		ck_assert_uint_eq(fields, expected);
	}
	ck_assert_uint_gt(rows, 100);
	free(csv);
}
END_TEST

START_TEST(terminal_lines_fit_120_columns_and_name_what_ratios_are_against)
{
	static const char *const words[] = {
		"Strong scaling",
		"Weak scaling",
		"Batch size",
		"baseline at equal batch: pipeline nodes=1 batch=1 (1111111111111111), run_s = ",
		"baseline at equal concurrency: wide nodes=1 batch=2 (3333333333333333)",
		"(replayed schedule)",
		"no interval below 6 launches",
		"no efficiency: more threads than cores",
		"failed: pipeline nodes=4 batch=1 (8888888888888888): rank 3 on vm died",
		"waived: ",
		"backend cuda: no device"
	};
	struct lsb_text text = { 0 };
	json_t *summary;
	size_t column = 0;

	ck_assert_int_eq(lsb_report_summary(crafted_folder, &summary, NULL), 0);
	lsb_report_text(summary, 0, &text);
	json_decref(summary);
	for (size_t i = 0; i < text.length; i++) {
		column = text.data[i] == '\n' ? 0 : column + 1;
		ck_assert_msg(column <= 120, "a line is too long: %.140s", text.data + i - column + 1);
		ck_assert_int_ne(text.data[i], '\033');
	}
	for (size_t i = 0; i < LSB_COUNT(words); i++)
		ck_assert_msg(strstr(text.data, words[i]) != NULL, "'%s' is missing", words[i]);
	lsb_text_free(&text);
}
END_TEST

START_TEST(a_ledger_that_does_not_close_is_not_drawn_but_told)
{
	struct lsb_text shown = { 0 };
	json_t *summary, *first, *row;
	const char *section;

	ck_assert_int_eq(lsb_report_summary(crafted_folder, &summary, NULL), 0);
	first = json_array_get(json_object_get(summary, "points"), 0);
	row = json_array_get(json_object_get(first, "ledger"), 0);
	json_object_set_new(row, "unattributed_s",
			    json_real(0.03 * json_number_value(json_object_get(row, "wall_s"))));
	json_object_set_new(first, "label", json_string("the open one"));
	lsb_report_text(summary, 0, &shown);
	section = strstr(shown.data, "Where the time went");
	ck_assert_ptr_nonnull(section);
	section = strstr(section, "the open one");
	ck_assert_ptr_nonnull(section);
	ck_assert_int_eq(strncmp(section, "the open one: not shown, 3.0 %", 30), 0);
	lsb_text_free(&shown);
	json_decref(summary);
}
END_TEST

/* --- journals that are not whole --- */

START_TEST(a_journal_cut_at_every_byte_is_read_to_its_last_whole_line_or_refused)
{
	struct lsb_text text = crafted_journal();
	const size_t first = strcspn(text.data, "\n") + 1;
	size_t lines = 0;

	/* every byte of the run and of the first launch, then every 97th: check_journal cuts at each */
	for (size_t cut = 0; cut <= text.length; cut += cut < first + 1500 ? 1 : 97) {
		json_t *summary = NULL;
		size_t launches = 0, i;
		const json_t *point;
		int rc;

		crafted_write("journal.jsonl", text.data, cut);
		rc = lsb_report_summary(crafted_folder, &summary, NULL);
		ck_assert_int_eq(rc, cut < first ? LSB_EIO : LSB_OK);
		if (rc)
			continue;
		json_array_foreach(json_object_get(summary, "points"), i, point)
		{
			launches += (size_t)json_integer_value(json_object_get(point, "launches"));
		}
		ck_assert_uint_ge(launches, lines);
		lines = launches;
		json_decref(summary);
	}
	ck_assert_uint_eq(lines, 5 * 6 + 2 * 3);
	lsb_text_free(&text);
}
END_TEST

static const struct {
	const char *text, *words;
} refused[] = {
	{ "", "is empty" },
	{ "not json\n{}\n", "not a journal" },
	{ "{\"some\": \"other file\"}\n", "not a journal of lsbench" },
	{ "{\"lsbench_journal\": 2}\n", "format 2" },
	{ "{\"lsbench_journal\": 1}\n", "names no points" },
	{ "{\"lsbench_journal\": 1, \"points\": []}\n{\"launch\": \n{\"launch\": 1}\n", "damaged" },
};

/* Build and show everything from `lines` [run, launches...]; whether it can be is not asked. */
static void report_whatever(const json_t *lines)
{
	static unsigned which;
	json_t *launches = json_copy((json_t *)(uintptr_t)lines),
	       *header = json_incref(json_array_get(launches, 0));
	struct lsb_text journal = { 0 }, shown = { 0 }, page = { 0 };
	struct lsb_gnuplot none = { .why = "not asked thousands of times" };
	struct lsb_report_source source = { .header = header, .launches = launches };

	json_array_remove(launches, 0);
	if (lsb_summary_build(header, launches, &source.summary, NULL) == LSB_OK) {
		lsb_report_text(source.summary, 1, &shown);
		lsb_html_page(&source, &none, &page);
	}
	/* through files only now and then: thousands of journals, and each report is synced to disk */
	if (which++ % 8 == 0) {
		for (size_t i = 0; i < json_array_size(lines); i++)
			crafted_add_line(&journal, json_incref(json_array_get(lines, i)));
		crafted_write("journal.jsonl", journal.data, journal.length);
		(void)lsb_report_write(crafted_folder, LSB_REPORT_NO_HTML, NULL, NULL);
	}
	lsb_text_free(&journal);
	lsb_text_free(&shown);
	lsb_text_free(&page);
	json_decref(source.summary);
	json_decref(header);
	json_decref(launches);
}

/* Put something else in the place of each value under `container` in turn. */
static size_t spoil_each(json_t *container, const json_t *lines)
{
	json_t *others[] = { json_null(), json_string("x"), json_real(-1e300), json_array(), json_object() };
	size_t n = 0, i;
	const char *key;
	json_t *value;
	void *next;

	json_array_foreach(container, i, value)
	{
		json_incref(value);
		for (size_t k = 0; k < LSB_COUNT(others); k++, n++) {
			json_array_set(container, i, others[k]);
			report_whatever(lines);
		}
		json_array_set(container, i, value);
		json_decref(value);
		n += i < 1 ? spoil_each(value, lines) : 0;
	}
	json_object_foreach_safe(container, next, key, value)
	{
		json_incref(value);
		for (size_t k = 0; k < LSB_COUNT(others); k++, n++) {
			json_object_set(container, key, others[k]);
			report_whatever(lines);
		}
		json_object_set(container, key, value);
		json_decref(value);
		n += spoil_each(value, lines);
	}
	for (size_t k = 0; k < LSB_COUNT(others); k++)
		json_decref(others[k]);
	return n;
}

/* A journal may have been written by anyone: every value of another type than expected, one at a time. */
START_TEST(values_of_any_other_type_are_survived)
{
	json_t *lines = json_array();
	int number = 0;

	json_array_append_new(lines, crafted_header(crafted_points, 2));
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < 2; i++) {
			const struct crafted_launch l = { round, 16, 15, 250, 250 };

			json_array_append_new(lines, crafted_ok(&crafted_points[i], number++, &l));
		}
	ck_assert_uint_gt(spoil_each(json_array_get(lines, 0), lines), 150);
	ck_assert_uint_gt(spoil_each(json_array_get(lines, 4), lines), 150);
	json_decref(lines);
}
END_TEST

/* `lsbench report ARGUMENTS`; its exit status, with what it wrote in the files out and err. */
static int report_command(const char *arguments)
{
	char *command = lsb_format("%s report %s >%s/out 2>%s/err", PROGRAM, arguments, crafted_folder,
				   crafted_folder);
	const int status = system(command);

	free(command);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(journals_that_cannot_be_read_end_with_status_5_and_one_line)
{
	char *err;

	crafted_write("journal.jsonl", refused[_i].text, strlen(refused[_i].text));
	ck_assert_int_eq(report_command(crafted_folder), 5);
	err = crafted_read(crafted_path("err"));
	ck_assert_msg(strstr(err, refused[_i].words) != NULL, "'%s'", err);
	ck_assert_ptr_eq(strchr(err, '\n'), err + strlen(err) - 1);
	free(err);
	ck_assert_int_ne(access(crafted_path("summary.json"), F_OK), 0);
}
END_TEST

START_TEST(the_command_writes_reports_and_prints_only_what_is_asked)
{
	char *text, *arguments = lsb_format("--json %s", crafted_folder);
	json_t *printed;

	ck_assert_int_eq(report_command(arguments), 0);
	free(arguments);
	ck_assert_int_ne(access(crafted_path("summary.json"), F_OK), 0);
	text = crafted_read(crafted_path("out"));
	printed = json_loads(text, 0, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(printed, "schema")), 1);
	free(text);
	ck_assert_int_eq(report_command(crafted_folder), 0);
	ck_assert_int_eq(access(crafted_path("report.md"), F_OK), 0);
	text = crafted_read(crafted_path("out"));
	ck_assert_ptr_nonnull(strstr(text, "Strong scaling"));
	free(text);
	json_decref(printed);
	ck_assert_int_eq(report_command("/nonexistent"), 5);
	ck_assert_int_eq(report_command(""), 2);
	ck_assert_int_eq(report_command("--json --text x"), 2);
	ck_assert_int_eq(report_command("--help"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *tc = tcase_create("report");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, crafted_set_up, crafted_tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, report_is_the_golden_one);
	tcase_add_test(tc, rebuilding_gives_the_same_bytes);
	tcase_add_test(tc, csv_has_as_many_fields_in_every_row);
	tcase_add_test(tc, terminal_lines_fit_120_columns_and_name_what_ratios_are_against);
	tcase_add_test(tc, a_ledger_that_does_not_close_is_not_drawn_but_told);
	tcase_add_test(tc, a_journal_cut_at_every_byte_is_read_to_its_last_whole_line_or_refused);
	tcase_add_test(tc, values_of_any_other_type_are_survived);
	tcase_add_loop_test(tc, journals_that_cannot_be_read_end_with_status_5_and_one_line, 0,
			    LSB_COUNT(refused));
	tcase_add_test(tc, the_command_writes_reports_and_prints_only_what_is_asked);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
