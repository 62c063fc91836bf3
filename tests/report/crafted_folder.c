/* SPDX-License-Identifier: Apache-2.0 */
#include "crafted_folder.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char crafted_folder[] = "/tmp/lsb-report-XXXXXX";

const struct crafted crafted_points[CRAFTED_POINTS] = {
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

char *crafted_path(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", crafted_folder, name);
	return path;
}

char *crafted_read(const char *path)
{
	struct lsb_error err = { 0 };
	char *text = NULL;
	size_t bytes;

	ck_assert_msg(lsb_file_read(path, 1 << 24, &text, &bytes, &err) == 0, "%s", err.msg);
	return text;
}

/*
 * Thousands of times: no fsync, and a new file each time, since some file systems sync one that is cut and
 * rewritten.
 */
void crafted_write(const char *name, const char *text, size_t bytes)
{
	FILE *file;

	(void)remove(crafted_path(name));
	file = fopen(crafted_path(name), "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, bytes, file), bytes);
	ck_assert_int_eq(fclose(file), 0);
}

void crafted_add_line(struct lsb_text *text, json_t *line)
{
	char *dumped = json_dumps(line, JSON_COMPACT);

	ck_assert_ptr_nonnull(dumped);
	lsb_text_add(text, "%s\n", dumped);
	free(dumped);
	json_decref(line);
}

struct lsb_text crafted_journal(void)
{
	struct lsb_text text = { 0 };
	json_t *header = crafted_header(crafted_points, CRAFTED_POINTS);
	int number = 0;

	json_object_set_new(header, "gated",
			    json_pack("[s]", "other work on the machine: 3.10 tasks on 2 cores"));
	crafted_add_line(&text, header);
	for (int round = 0; round < 6; round++)
		for (size_t i = 0; i < LSB_COUNT(results); i++) {
			const struct crafted *point = &crafted_points[results[i].point];
			const double slow = noise[(round + (int)i) % 6];
			const struct crafted_launch l = { round, results[i].run_s * slow,
							  results[i].replay_s * slow, 50.0 * point->prompts,
							  results[i].generated };

			if (round < point->reps)
				crafted_add_line(&text, crafted_ok(point, number++, &l));
		}
	crafted_add_line(&text, crafted_bad(&crafted_points[7], number++, 0, "failed",
					    "rank 3 on vm died of signal 9"));
	crafted_add_line(&text,
			 crafted_bad(&crafted_points[8], number++, 0, "waived", "backend cuda: no device"));
	ck_assert(!text.failed);
	return text;
}

void crafted_set_up(void)
{
	struct lsb_text text = crafted_journal();

	ck_assert_ptr_nonnull(mkdtemp(crafted_folder));
	crafted_write("journal.jsonl", text.data, text.length);
	lsb_text_free(&text);
}

void crafted_tear_down(void)
{
	static const char *const names[] = { "journal.jsonl", "summary.json", "summary.csv", "report.md",
					     "report.html",   "out",	      "err" };

	for (size_t i = 0; i < LSB_COUNT(names); i++)
		(void)remove(crafted_path(names[i]));
	(void)rmdir(crafted_folder);
	memcpy(crafted_folder + strlen(crafted_folder) - 6, "XXXXXX", 6);
}
