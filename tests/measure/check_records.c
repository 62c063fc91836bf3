/* SPDX-License-Identifier: Apache-2.0 */
/* Step records read back: what was written comes back, and nothing that the journal does not vouch for. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "measure/records.h"

enum { COUNT_0 = 3, COUNT_1 = 2, BYTES = 2 * LSB_RECORDS_HEADER_BYTES + 64 * (COUNT_0 + COUNT_1) };

static char folder[64], path[128];
static unsigned char bytes[BYTES + 64];
static struct lsb_error err;

static void put_u32(unsigned char *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static void put_header(unsigned char *to, uint32_t rank, uint32_t count)
{
	memcpy(to, "LSBR", 4);
	put_u32(to + 4, LSB_RECORDS_VERSION);
	put_u32(to + 8, rank);
	put_u32(to + 12, count);
}

static void set_up(void)
{
	struct lsb_record record = { .kind = LSB_REC_COMPUTE };
	unsigned char *at = bytes;

	(void)snprintf(folder, sizeof(folder), "/tmp/lsbench-records-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/records", folder);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/records/7.bin", folder);
	memset(bytes, 0, sizeof(bytes));
	for (uint32_t rank = 0; rank < 2; rank++) {
		const uint32_t count = rank ? COUNT_1 : COUNT_0;

		put_header(at, rank, count);
		at += LSB_RECORDS_HEADER_BYTES;
		for (uint32_t i = 0; i < count; i++) {
			record.t0_ns = 100 * rank + i;
			memcpy(at, &record, sizeof(record));
			at += sizeof(record);
		}
	}
}

static void tear_down(void)
{
	char records[128];

	(void)unlink(path);
	(void)snprintf(records, sizeof(records), "%s/records", folder);
	(void)rmdir(records);
	(void)rmdir(folder);
}

/* Write the first n bytes as the file, and say in the journal's words what they are. New reference. */
static json_t *write_file(size_t n, int count)
{
	char digest[LSB_DIGEST_HEX];

	lsb_digest(bytes, n, digest);
	ck_assert_int_eq(lsb_file_write(path, bytes, n, &err), 0);
	return json_pack("{s:i, s:[{}, {}], s:{s:s, s:i, s:s}}", "launch", 7, "ranks", "records", "file",
			 "records/7.bin", "count", count, "sha256", digest);
}

/* Reading must fail with this code and word. */
static void refuse(json_t *line, int code, const char *word)
{
	struct lsb_records records;

	ck_assert_int_eq(lsb_records_read(folder, line, &records, &err), code);
	ck_assert_msg(strstr(err.msg, word) != NULL, "'%s'", err.msg);
	ck_assert_ptr_null(records.ranks);
	json_decref(line);
}

START_TEST(what_was_written_comes_back)
{
	json_t *line = write_file(BYTES, COUNT_0 + COUNT_1);
	struct lsb_records records;

	ck_assert_int_eq(lsb_records_read(folder, line, &records, &err), 0);
	ck_assert_int_eq(records.launch, 7);
	ck_assert_uint_eq(records.n, 2);
	ck_assert_uint_eq(records.ranks[0].n, COUNT_0);
	ck_assert_uint_eq(records.ranks[1].n, COUNT_1);
	ck_assert_int_eq(records.ranks[1].rank, 1);
	ck_assert_uint_eq(records.ranks[0].records[2].t0_ns, 2);
	ck_assert_uint_eq(records.ranks[1].records[1].t0_ns, 101);
	lsb_records_free(&records);
	json_decref(line);
}
END_TEST

START_TEST(records_that_were_not_kept_are_unavailable)
{
	json_t *line = write_file(BYTES, COUNT_0 + COUNT_1);

	ck_assert_int_eq(unlink(path), 0);
	refuse(line, LSB_EUNAVAIL, "launch 7");
	refuse(json_pack("{s:i, s:[{}], s:n}", "launch", 7, "ranks", "records"), LSB_EUNAVAIL, "launch 7");
}
END_TEST

START_TEST(a_changed_byte_is_refused)
{
	json_t *line = write_file(BYTES, COUNT_0 + COUNT_1);

	bytes[_i] ^= 1;
	json_decref(write_file(BYTES, COUNT_0 + COUNT_1));
	refuse(line, LSB_EIO, "changed or cut");
}
END_TEST

START_TEST(a_cut_or_longer_file_is_refused)
{
	json_t *line = write_file(BYTES, COUNT_0 + COUNT_1);

	json_decref(write_file((size_t)_i, COUNT_0 + COUNT_1));
	refuse(line, LSB_EIO, _i > BYTES ? "longer" : "changed or cut");
}
END_TEST

/* The digest is right, and the file still is not what it should be. */
START_TEST(headers_that_lie_are_refused)
{
	put_header(bytes, _i == 0, _i == 1 ? COUNT_0 + 1 : _i == 2 ? ~0u : _i == 3 ? COUNT_0 - 1 : COUNT_0);
	if (_i == 4)
		put_u32(bytes + 4, LSB_RECORDS_VERSION + 1);
	if (_i == 5)
		put_u32(bytes + LSB_RECORDS_HEADER_BYTES + 64 * COUNT_0 + 12, COUNT_1 - 1);
	refuse(write_file(BYTES, COUNT_0 + COUNT_1), LSB_EIO, "7.bin");
}
END_TEST

START_TEST(a_journal_that_makes_no_sense_is_refused)
{
	static const char *const files[] = { "records/8.bin", "../7.bin", "/etc/passwd" };
	json_t *line = write_file(BYTES, _i == 3 ? -1 : COUNT_0 + COUNT_1);

	if (_i < 3)
		json_object_set_new(json_object_get(line, "records"), "file", json_string(files[_i]));
	if (_i == 4)
		json_object_del(json_object_get(line, "records"), "sha256");
	if (_i == 5)
		json_object_set_new(json_object_get(line, "records"), "count", json_integer(INT64_MAX));
	if (_i == 6)
		json_object_del(line, "ranks");
	refuse(line, LSB_EIO, "does not say");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("records");
	TCase *tc = tcase_create("records");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_was_written_comes_back);
	tcase_add_test(tc, records_that_were_not_kept_are_unavailable);
	tcase_add_loop_test(tc, a_changed_byte_is_refused, 0, 3);
	tcase_add_loop_test(tc, a_cut_or_longer_file_is_refused, BYTES - 2, BYTES);
	tcase_add_loop_test(tc, a_cut_or_longer_file_is_refused, BYTES + 1, BYTES + 3);
	tcase_add_loop_test(tc, headers_that_lie_are_refused, 0, 6);
	tcase_add_loop_test(tc, a_journal_that_makes_no_sense_is_refused, 0, 7);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
