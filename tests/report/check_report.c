/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of crafted journals: report.md against a golden file, the same bytes
 * every time, docs/summary.md against what is produced, and journals that are
 * cut, damaged, foreign or newer. LSB_ACCEPT=1 writes the golden file anew.
 */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "crafted.h"
#include "measure/knee.h"
#include "measure/links.h"
#include "measure/quality.h"
#include "measure/replicas.h"
#include "measure/summary.h"
#include "report/html.h"
#include "report/report.h"

#define GOLDEN LSB_SOURCE_DIR "/tests/report/golden/report.md"
#define PROGRAM LSB_BINARY_DIR "/lsbench"

static char folder[] = "/tmp/lsb-report-XXXXXX";

static const struct crafted points[] = {
	{ "1111111111111111", "pipeline", "strong", 1, 1, 1, 5, 6, "1111111111111111", NULL, NULL,
	  "1111111111111111", 0 },
	{ "2222222222222222", "pipeline", "strong", 2, 1, 2, 5, 6, "1111111111111111", "3333333333333333",
	  "3333333333333333", "2222222222222222", 0 },
	{ "3333333333333333", "wide", "strong", 1, 2, 1, 5, 6, "3333333333333333", NULL, NULL,
	  "1111111111111111", 0 },
	{ "4444444444444444", "pipeline", "weak", 1, 1, 1, 5, 3, "4444444444444444", NULL, NULL, NULL, 0 },
	{ "5555555555555555", "pipeline", "weak", 2, 1, 2, 10, 3, "4444444444444444", NULL, NULL, NULL, 1 },
	{ "6666666666666666", "sweep", "batch", 2, 1, 2, 10, 6, NULL, NULL, NULL, "6666666666666666", 0 },
	{ "7777777777777777", "sweep", "batch", 2, 4, 2, 10, 6, NULL, NULL, NULL, "6666666666666666", 0 },
	{ "8888888888888888", "pipeline", "strong", 4, 1, 4, 5, 6, "1111111111111111", NULL, NULL, NULL, 0 },
	{ "9999999999999999", "gpu", "strong", 1, 1, 1, 5, 6, "9999999999999999", NULL, NULL, NULL, 0 },
};

static const struct {
	size_t point;
	double run_s, replay_s, generated;
} results[] = { { 0, 16.0, 15.9, 250 },	 { 1, 10.0, 9.6, 250 },	  { 2, 12.0, 11.9, 250 },
		{ 3, 16.78, 16.0, 253 }, { 4, 24.67, 24.0, 505 }, { 5, 24.0, 23.0, 500 },
		{ 6, 14.4, 14.0, 500 } };

static const double noise[] = { 1.000, 1.004, 0.996, 1.010, 0.992, 1.002 };

static char *path_of(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static char *read_file(const char *path)
{
	struct lsb_error err = { 0 };
	char *text = NULL;
	size_t bytes;

	ck_assert_msg(lsb_file_read(path, 1 << 24, &text, &bytes, &err) == 0, "%s", err.msg);
	return text;
}

/* Thousands of times: no fsync, and a new file each time, since some file systems sync one that is cut and
 * rewritten. */
static void write_file(const char *name, const char *text, size_t bytes)
{
	FILE *file;

	(void)remove(path_of(name));
	file = fopen(path_of(name), "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, bytes, file), bytes);
	ck_assert_int_eq(fclose(file), 0);
}

static void add_line(struct lsb_text *text, json_t *line)
{
	char *dumped = json_dumps(line, JSON_COMPACT);

	ck_assert_ptr_nonnull(dumped);
	lsb_text_add(text, "%s\n", dumped);
	free(dumped);
	json_decref(line);
}

/* The whole crafted journal as text. */
static struct lsb_text journal_text(void)
{
	struct lsb_text text = { 0 };
	json_t *header = crafted_header(points, LSB_COUNT(points));
	int number = 0;

	json_object_set_new(header, "gated",
			    json_pack("[s]", "other work on the machine: 3.10 tasks on 2 cores"));
	add_line(&text, header);
	for (int round = 0; round < 6; round++)
		for (size_t i = 0; i < LSB_COUNT(results); i++) {
			const struct crafted *point = &points[results[i].point];
			const double slow = noise[(round + (int)i) % 6];
			const struct crafted_launch l = { round, results[i].run_s * slow,
							  results[i].replay_s * slow, 50.0 * point->prompts,
							  results[i].generated };

			if (round < point->reps)
				add_line(&text, crafted_ok(point, number++, &l));
		}
	add_line(&text, crafted_bad(&points[7], number++, 0, "failed", "rank 3 on vm died of signal 9"));
	add_line(&text, crafted_bad(&points[8], number++, 0, "waived", "backend cuda: no device"));
	ck_assert(!text.failed);
	return text;
}

static void set_up(void)
{
	struct lsb_text text = journal_text();

	ck_assert_ptr_nonnull(mkdtemp(folder));
	write_file("journal.jsonl", text.data, text.length);
	lsb_text_free(&text);
}

static void tear_down(void)
{
	static const char *const names[] = { "journal.jsonl", "summary.json", "summary.csv", "report.md",
					     "report.html",   "out",	      "err" };

	for (size_t i = 0; i < LSB_COUNT(names); i++)
		(void)remove(path_of(names[i]));
	(void)rmdir(folder);
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

static void write_reports(void)
{
	struct lsb_error err = { 0 };

	ck_assert_msg(lsb_report_write(folder, 0, NULL, &err) == 0, "%s", err.msg);
}

/* --- what is written --- */

START_TEST(report_is_the_golden_one)
{
	char *report, *golden;
	size_t same = 0, line = 1;

	write_reports();
	report = read_file(path_of("report.md"));
	if (getenv("LSB_ACCEPT"))
		ck_assert_int_eq(lsb_file_write(GOLDEN, report, strlen(report), NULL), 0);
	golden = read_file(GOLDEN);
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
		before[i] = read_file(path_of(names[i]));
	write_reports();
	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		char *now = read_file(path_of(names[i]));

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
	rest = csv = read_file(path_of("summary.csv"));
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

	ck_assert_int_eq(lsb_report_summary(folder, &summary, NULL), 0);
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

	ck_assert_int_eq(lsb_report_summary(folder, &summary, NULL), 0);
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

/* --- docs/summary.md --- */

/* Keys of these are data, not layout. */
static int is_map(const char *path)
{
	static const char *const maps[] = { "points[].metrics", "points[].flag_reasons",
					    "points[].scaling.baselines", "points[].params" };

	for (size_t i = 0; i < LSB_COUNT(maps); i++)
		if (strcmp(maps[i], path) == 0)
			return 1;
	return 0;
}

/* The name of a layout that many places share and that is documented once; NULL: `key` is the place's own. */
static const char *shared_layout(const char *path, const json_t *value, const char *key)
{
	static const char *const finding[] = { "text", "points", "rule" };

	if (strncmp(path, "points[].scaling.", 17) == 0 && json_object_get(value, "ci95"))
		return "RATIO";
	if (strncmp(path, "points[].links[].sizes[].", 25) == 0)
		return "ESTIMATE";
	if (strncmp(path, "points[].work[].", 16) == 0)
		return "PHASE";
	if (strcmp(path, "points[].bounds.decode") == 0 || strcmp(path, "points[].bounds.prefill") == 0)
		return "ROOF";
	for (size_t i = 0; i < LSB_COUNT(finding); i++)
		if (strncmp(path, "findings.", 9) == 0 && json_object_get(value, "text") &&
		    strcmp(key, finding[i]) == 0)
			return "FINDING";
	return NULL;
}

/* Note the path of every key under `value`. */
static void collect(json_t *value, const char *path, json_t *found)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_array(value)) {
		char *items = lsb_format("%s[]", path);

		json_array_foreach(value, i, inner)
		{
			if (json_is_object(inner) && strcmp(path, "points[].ranks") != 0)
				collect(inner, items, found);
		}
		free(items);
	}
	json_object_foreach(value, key, inner)
	{
		const char *shared = shared_layout(path, value, key);
		char *its = lsb_format("%s%s%s", shared ? shared : path, *path || shared ? "." : "",
				       is_map(path) ? "*" : key);

		if (!is_map(path))
			json_object_set_new(found, its, json_true());
		if (strcmp(its, "points[].params.*") != 0 && strcmp(its, "points[].flag_reasons.*") != 0)
			collect(inner, its, found);
		free(its);
	}
}

/* The keys in the first column of the tables of docs/summary.md. */
static json_t *documented(void)
{
	char *text = read_file(LSB_SOURCE_DIR "/docs/summary.md"), *rest = text, *line;
	json_t *keys = json_object();

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, "| `", 3) != 0)
			continue;
		line[3 + strcspn(line + 3, "`")] = '\0';
		json_object_set_new(keys, line + 3, json_true());
	}
	free(text);
	return keys;
}

static void assert_within(json_t *keys, const json_t *all, const char *what)
{
	const char *key;
	json_t *value;

	json_object_foreach(keys, key, value)
	{
		ck_assert_msg(json_object_get(all, key) != NULL, "%s: %s", what, key);
	}
}

/* What a point of kind = link has, which the crafted journal does not. */
static json_t *links_of_a_point(void)
{
	json_t *ranks = json_array(), *rows, *launches, *links;

	for (int r = 0; r < 2; r++) {
		rows = json_array();
		for (int bytes = 1; bytes <= 100; bytes *= 10)
			json_array_append_new(rows, json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}",
							      "to", 1 - r, "bytes", bytes, "latency_mean_s",
							      1e-6, "latency_p50_s", 1e-6, "latency_p99_s",
							      1e-6, "send_s", 1e-6, "bandwidth_bps", 1e6,
							      "messages_per_s", 1e6));
		json_array_append_new(ranks, json_pack("{s:o}", "links", rows));
	}
	launches = json_pack("[{s:o}]", "ranks", ranks);
	links = lsb_links_summary(launches);
	json_decref(launches);
	return json_pack("{s:[{s:o}]}", "points", "links", links);
}

/* What a point of several replicas has, one of which was lost once. */
static json_t *replicas_of_a_point(void)
{
	json_t *point = json_pack("{s:i, s:i}", "prompts", 1, "stages", 1);
	json_t *launches =
		json_pack("[{s:i, s:[n, n], s:[{s:i, s:s, s:[i], s:f, s:[{s:i, s:s, s:s, s:f, s:i, s:i}]}], "
			  "s:[{s:i, s:[i]}, {s:i, s:s}]}]",
			  "launch", 0, "ranks", "lost", "replica", 1, "reason", "gone", "requests", 0,
			  "lost_s", 2.0, "ranks", "rank", 1, "host", "alpha", "phase", "run", "heard_s", 1.9,
			  "steps", 7, "generated_tokens", 5, "per_replica", "replica", 0, "computed_tokens",
			  0, "replica", 1, "lost", "gone");
	json_t *requests = lsb_requests_json(point, launches), *rows = lsb_replicas_json(point, launches);
	json_t *lost = lsb_lost_json(launches);

	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(lost, 0), "text")),
			 "rank 1 on alpha, of replica 1, has no ledger in launch 0: what it measured is lost "
			 "with it, 2.0 s into the run. It was last heard of at 1.9 s in phase 'run', after 7 "
			 "steps and 5 generated tokens");
	json_decref(launches);
	json_decref(point);
	return json_pack("{s:[{s:o, s:o, s:o}]}", "points", "requests", requests, "per_replica", rows, "lost",
			 lost);
}

/* Scores of other answers, which the crafted journal does not have. */
static json_t *scores_of_other_answers(void)
{
	json_t *request = json_pack("{s:{s:f}}", "scores", "rouge1", 0.5);
	const json_t *requests[] = { request };
	json_t *scores = lsb_quality_compare(requests, requests, 1);

	json_decref(request);
	return json_pack("{s:[{s:{s:[{s:o}]}}]}", "points", "outputs", "comparisons", "scores", scores);
}

/* A point with limits, and the knee of two: of points whose requests do not all arrive at once. */
static json_t *knee_of_two_points(void)
{
	json_t *summary = json_pack("{s:[]}", "points");
	json_t *small;

	for (int rate = 1; rate <= 2; rate++)
		json_array_append_new(json_object_get(summary, "points"),
				      json_pack("{s:s, s:s, s:{s:o, s:s, s:s}}", "id", rate == 1 ? "1" : "2",
						"case", "load", "params", "arrivals",
						json_sprintf("fixed:%d/s", rate), "slo.ttft", "1s",
						"slo.share", "0.9"));
	lsb_knees_add(summary);
	small = json_pack("{s:[{s:O}], s:O}", "points", "slo",
			  json_object_get(json_array_get(json_object_get(summary, "points"), 0), "slo"),
			  "knees", json_object_get(summary, "knees"));
	json_decref(summary);
	return small;
}

START_TEST(the_documented_keys_are_those_that_are_produced)
{
	json_t *summary, *found = json_object(), *keys = documented(), *links = links_of_a_point();
	json_t *replicas = replicas_of_a_point();
	json_t *scores = scores_of_other_answers(), *knee = knee_of_two_points();

	ck_assert_int_eq(lsb_report_summary(folder, &summary, NULL), 0);
	collect(summary, "", found);
	collect(links, "", found);
	collect(replicas, "", found);
	json_decref(replicas);
	collect(scores, "", found);
	collect(knee, "", found);
	json_decref(knee);
	json_decref(links);
	json_decref(scores);
	assert_within(found, keys, "produced but not in docs/summary.md");
	assert_within(keys, found, "in docs/summary.md but not produced");
	json_decref(summary);
	json_decref(found);
	json_decref(keys);
}
END_TEST

/* --- journals that are not whole --- */

START_TEST(a_journal_cut_at_every_byte_is_read_to_its_last_whole_line_or_refused)
{
	struct lsb_text text = journal_text();
	const size_t first = strcspn(text.data, "\n") + 1;
	size_t lines = 0;

	/* every byte of the run and of the first launch, then every 97th: check_journal cuts at each */
	for (size_t cut = 0; cut <= text.length; cut += cut < first + 1500 ? 1 : 97) {
		json_t *summary = NULL;
		size_t launches = 0, i;
		const json_t *point;
		int rc;

		write_file("journal.jsonl", text.data, cut);
		rc = lsb_report_summary(folder, &summary, NULL);
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
			add_line(&journal, json_incref(json_array_get(lines, i)));
		write_file("journal.jsonl", journal.data, journal.length);
		(void)lsb_report_write(folder, LSB_REPORT_NO_HTML, NULL, NULL);
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

	json_array_append_new(lines, crafted_header(points, 2));
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < 2; i++) {
			const struct crafted_launch l = { round, 16, 15, 250, 250 };

			json_array_append_new(lines, crafted_ok(&points[i], number++, &l));
		}
	ck_assert_uint_gt(spoil_each(json_array_get(lines, 0), lines), 150);
	ck_assert_uint_gt(spoil_each(json_array_get(lines, 4), lines), 150);
	json_decref(lines);
}
END_TEST

/* `lsbench report ARGUMENTS`; its exit status, with what it wrote in the files out and err. */
static int report_command(const char *arguments)
{
	char *command = lsb_format("%s report %s >%s/out 2>%s/err", PROGRAM, arguments, folder, folder);
	const int status = system(command);

	free(command);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(journals_that_cannot_be_read_end_with_status_5_and_one_line)
{
	char *err;

	write_file("journal.jsonl", refused[_i].text, strlen(refused[_i].text));
	ck_assert_int_eq(report_command(folder), 5);
	err = read_file(path_of("err"));
	ck_assert_msg(strstr(err, refused[_i].words) != NULL, "'%s'", err);
	ck_assert_ptr_eq(strchr(err, '\n'), err + strlen(err) - 1);
	free(err);
	ck_assert_int_ne(access(path_of("summary.json"), F_OK), 0);
}
END_TEST

START_TEST(the_command_writes_reports_and_prints_only_what_is_asked)
{
	char *text, *arguments = lsb_format("--json %s", folder);
	json_t *printed;

	ck_assert_int_eq(report_command(arguments), 0);
	free(arguments);
	ck_assert_int_ne(access(path_of("summary.json"), F_OK), 0);
	text = read_file(path_of("out"));
	printed = json_loads(text, 0, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(printed, "schema")), 1);
	free(text);
	ck_assert_int_eq(report_command(folder), 0);
	ck_assert_int_eq(access(path_of("report.md"), F_OK), 0);
	text = read_file(path_of("out"));
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

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, report_is_the_golden_one);
	tcase_add_test(tc, rebuilding_gives_the_same_bytes);
	tcase_add_test(tc, csv_has_as_many_fields_in_every_row);
	tcase_add_test(tc, terminal_lines_fit_120_columns_and_name_what_ratios_are_against);
	tcase_add_test(tc, a_ledger_that_does_not_close_is_not_drawn_but_told);
	tcase_add_test(tc, the_documented_keys_are_those_that_are_produced);
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
