/* SPDX-License-Identifier: Apache-2.0 */
/* Every bad plugin is refused, with exactly these words. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/loader.h"

#define REBUILD "; rebuild it with this lsbench's headers"

/* Faults of the file: loading it in this process is safe and fails. */
static const struct {
	const char *name, *why;
} refused[] = {
	{ "bad-elf", "it cannot be opened: file too short" },
	{ "bad-empty", "it cannot be opened: file too short" },
	{ "bad-symbol", "it exports no lsb_plugin_v1, wanted in every plugin; is it one?" },
	{ "bad-major", "it exports lsb_plugin_v2, wanted lsb_plugin_v1" REBUILD },
	{ "bad-magic", "its ABI magic is 0x3242534c, wanted 0x3142534c" REBUILD },
	{ "bad-size-zero",
	  "its descriptor (ABI 1.0) says it has 0 bytes, wanted 80 to 4096" REBUILD " (ABI 1.0)" },
	{ "bad-size-small",
	  "its descriptor (ABI 1.0) says it has 40 bytes, wanted 80 to 4096" REBUILD " (ABI 1.0)" },
	{ "bad-size-lie", "its descriptor says it has 152 bytes, found only 88" },
	{ "bad-kind", "its kind is 7, wanted 3 (workload)" },
	{ "bad-other-kind", "it is a transport, wanted a workload as its file name says" },
	{ "bad-name", "its name is 'other', wanted 'bad-name' as its file name says" },
	{ "bad-no-name", "it has no name" },
	{ "bad-no-version", "it has no version" },
	{ "bad-two-lines", "its version is not one line of less than 1024 bytes" },
	{ "bad-needs",
	  "it needs 0x40000000 of lsbench (ABI 1.0), which this one (ABI 1.0) lacks; use a newer one" },
	{ "bad-no-ops", "its ops.workload is NULL, wanted a table of operations" },
	{ "bad-ops-size",
	  "its table of operations (ABI 1.0) says it has 3 bytes, wanted 48 as in ABI 1.0, or a "
	  "smaller or larger multiple of 8" },
	{ "bad-ops-short", "it has no operation 'get', wanted in every workload" },
	{ "bad-missing", "it has no operation 'get', wanted in every workload" },
	{ "bad-options-size", "options_size is 70000, wanted at most 65536" },
	{ "bad-option-offset",
	  "option 'n' has offset 4, wanted a multiple of 8 inside the 16 bytes of options_size" },
	{ "bad-option-outside",
	  "option 'n' has offset 16, wanted a multiple of 8 inside the 16 bytes of options_size" },
	{ "bad-option-type", "option 'n' has type 9, wanted 1 to 8" },
	{ "bad-option-name", "option 'N m' has a bad name, wanted [a-z0-9_]+" },
	{ "bad-option-twice", "option 'n' is there twice" },
	{ "bad-option-overlap", "options 'n' and 'm' share bytes of the options struct" },
	{ "bad-option-default", "option 'n' has a bad default: '12' is out of range: 0 to 9" },
	{ "bad-option-range", "option 'n' has the range 2 to 1" },
	{ "bad-option-choices",
	  "option 'n' has bad choices, wanted \"a|b|c\" for a choice and none otherwise" },
	{ "bad-option-help", "option 'n' has no help text, or a text of 1024 bytes or more" },
	{ "bad-option-endless", "its option table has no end within 128 rows, wanted a last row { 0 }" },
};

START_TEST(a_bad_file_is_refused_with_file_wanted_and_found)
{
	const char *name = refused[_i].name;
	char *folder = lsb_format("%s/%s", LSB_FIXTURES, name);
	char *message =
		lsb_format("plugin '%s/lsbench-workload-%s.so' refused: %s", folder, name, refused[_i].why);
	struct lsb_loaded *l;
	struct lsb_error err;

	ck_assert_int_eq(lsb_plugin_load(LSB_WORKLOAD, name, folder, &l, &err), LSB_EPLUGIN);
	ck_assert_str_eq(err.msg, message);
	free(message);
	free(folder);
}
END_TEST

START_TEST(a_fifo_is_refused_and_not_waited_for)
{
	char folder[] = "/tmp/lsb-refused-XXXXXX";
	struct lsb_loaded *l;
	struct lsb_error err;
	char *path;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	path = lsb_format("%s/lsbench-workload-fifo.so", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(lsb_plugin_load_file(path, &l, &err), LSB_EPLUGIN);
	ck_assert_msg(strstr(err.msg, "not a regular file") != NULL, "%s", err.msg);
	unlink(path);
	rmdir(folder);
	free(path);
}
END_TEST

/* Faults of behaviour: seen through a child, as the controller does. */
static const struct {
	const char *name, *why; /* NULL: `whole` is the message */
	const char *whole;
	int code;
	uint64_t timeout_ms;
} ends[] = {
	{ "crash-load", "it crashed with SIGABRT (Aborted) in its constructors", NULL, LSB_EPLUGIN, 0 },
	{ "hang-load", "it did not return from its constructors within 2 s", NULL, LSB_EPLUGIN, 2000 },
	{ "exit-load", "it ended the process with status 3 in its constructors, wanted an error returned",
	  NULL, LSB_EPLUGIN, 0 },
	{ "crash-open", "it crashed with SIGABRT (Aborted) in its open", NULL, LSB_EPLUGIN, 0 },
	{ "kill-open", "it crashed with SIGKILL (Killed) in its open", NULL, LSB_EPLUGIN, 0 },
	{ "hang-open", "it did not return from its open within 2 s", NULL, LSB_EPLUGIN, 2000 },
	{ "exit-open", "it ended the process with status 0 in its open, wanted an error returned", NULL,
	  LSB_EPLUGIN, 0 },
	{ "silent-open", NULL, "workload 'silent-open' failed in open (status -3) and did not say why",
	  LSB_EIO, 0 },
	{ "strange-open", NULL, "workload 'strange-open' returned 42 from open, which is no status",
	  LSB_EPLUGIN, 0 },
};

START_TEST(a_crash_hang_or_exit_becomes_an_error_that_names_file_and_operation)
{
	const char *name = ends[_i].name;
	char *request =
		lsb_format("{\"want\": \"plan\", \"folders\": \"%s/%s\", \"workload\": {\"name\": \"%s\"}}",
			   LSB_FIXTURES, name, name);
	char *message = ends[_i].why ? lsb_format("plugin '%s/%s/lsbench-workload-%s.so' refused: %s",
						  LSB_FIXTURES, name, name, ends[_i].why)
				     : lsb_format("%s", ends[_i].whole);
	struct lsb_error err;
	char *reply = NULL;

	ck_assert_int_eq(lsb_inspect(request, ends[_i].timeout_ms, &reply, &err), ends[_i].code);
	ck_assert_str_eq(err.msg, message);
	free(message);
	free(request);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = tcase_create("refused");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_bad_file_is_refused_with_file_wanted_and_found, 0, LSB_COUNT(refused));
	tcase_add_test(tc, a_fifo_is_refused_and_not_waited_for);
	tcase_add_loop_test(tc, a_crash_hang_or_exit_becomes_an_error_that_names_file_and_operation, 0,
			    LSB_COUNT(ends));
	return fixture_main(argc, argv, "refused", tc);
}
