/* SPDX-License-Identifier: Apache-2.0 */
/* The real program: its exit statuses and what it says about good and bad plugins. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

#define GOOD LSB_FIXTURES "/good/"
#define DUO(fault) LSB_FIXTURES "/duo/lsbench-transport-duo-" fault ".so"
#define BAD(name) LSB_FIXTURES "/" name "/lsbench-workload-" name ".so"

/* Run lsbench with `arguments`; its exit status, and what it wrote to either stream in *output. */
static int lsbench(const char *arguments, struct lsb_text *output)
{
	char *command = lsb_format("%s %s 2>&1", LSB_PROGRAM, arguments), piece[4096];
	FILE *pipe = popen(command, "r");
	size_t n;
	int status;

	ck_assert_ptr_nonnull(pipe);
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		lsb_text_bytes(output, piece, n);
	lsb_text_bytes(output, "", 0);
	status = pclose(pipe);
	free(command);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const struct {
	const char *arguments;
	int status;
	const char *says; /* somewhere in its output */
} runs[] = {
	{ "", 2, "usage: lsbench SUITE.ini" },
	{ "--help", 0, "usage: lsbench SUITE.ini" },
	{ "help", 0, "usage: lsbench SUITE.ini" },
	{ "help plan", 0, "usage: lsbench plan" },
	{ "--version", 0, "lsbench " LSB_VERSION "\n" },
	{ "plugins --version", 0, "lsbench " LSB_VERSION "\n" },
	{ "plugins --help", 0, "usage: lsbench plugins" },
	{ "describe --help", 0, "usage: lsbench describe" },
	{ "check --help", 0, "usage: lsbench check" },
	{ "plugins --jsno", 2, "lsbench plugins: unrecognized option '--jsno'" },
	{ "plugns", 2, "(did you mean 'plugins'?)" },
	{ "plugins --plugins " LSB_FIXTURES "/crash-load", 0,
	  "refused: plugin '" BAD(
		  "crash-load") "' refused: it crashed with SIGABRT (Aborted) in its constructors" },
	{ "plugins --plugins " LSB_FIXTURES "/good", 0, "waived: there is no moon tonight" },
	{ "plugins --plugins /nowhere", 2, "there is no plugin folder '/nowhere'" },
	{ "compare --help", 0, "usage: lsbench compare A B" },
	{ "compare", 2, "lsbench compare: which results folders?" },
	{ "compare /nowhere", 2, "with what? Give another folder, --axis, or two points" },
	{ "compare /nowhere --axis batch --threshold -1", 2, "--threshold takes a number of percent" },
	{ "compare /nowhere /nowhere", 5, "/nowhere/journal.jsonl" },
	{ "predict --help", 0, "usage: lsbench predict DIR" },
	{ "predict", 2, "lsbench predict: which results folder?" },
	{ "predict /nowhere --nodes 0", 2, "--nodes takes up to 16 whole numbers from 1 on, not '0'" },
	{ "predict /nowhere --link 5ms", 2, "--link takes latency=TIME, bandwidth=SIZE" },
	{ "predict /nowhere --format xml", 2, "--format is text, markdown or json, not 'xml'" },
	{ "predict /nowhere", 5, "/nowhere/journal.jsonl" },
	{ "plugins --json --plugins " LSB_FIXTURES "/good", 0,
	  "\"summary\": \"Four layers of four values\"" },
	{ "describe transport-old --plugins " LSB_FIXTURES "/good", 0,
	  "  transport.size = size\n      does nothing\n      default: 4KiB\n      range: 1B to 1MiB\n" },
	{ "describe transport-wrap:old --plugins " LSB_FIXTURES "/good", 0, "transport old 1.0: Built with" },
	{ "describe old --plugins " LSB_FIXTURES "/good", 2, "is not backend-NAME" },
	{ "describe transport-odl --plugins " LSB_FIXTURES "/good", 4, "(did you mean 'old'?)" },
	{ "describe workload-exit-load --plugins " LSB_FIXTURES "/exit-load", 4,
	  "with status 3 in its constructors" },
	{ "check " GOOD "lsbench-backend-toy.so", 0, "12 passed, 0 failed\n" },
	{ "check " GOOD "lsbench-workload-small.so --set n=3", 0, "9 passed, 0 failed\n" },
	{ "check " GOOD "lsbench-workload-small.so --set m=3", 4,
	  "FAIL  options: --set: workload 'small' has no "
	  "option 'm'" },
	{ "check " GOOD "lsbench-backend-fickle.so", 4,
	  "FAIL  another sequence in the step changes no bit: it claims results do not depend on the batch" },
	{ "check " GOOD "lsbench-transport-old.so", 4,
	  "FAIL  connects two ranks: an idle transport connects to "
	  "nobody" },
	{ "check " DUO("none"), 0, "17 passed, 0 failed" },
	{ "check " DUO("content"), 4,
	  "FAIL  messages of 1 byte to 1 MiB arrive whole, both ways: a message of 65537" },
	{ "check " DUO("order"), 4,
	  "FAIL  messages of one tag arrive in order: receive 0 (tag 5) did not get" },
	{ "check " DUO("tag"), 4, "FAIL  receives match by tag: receive 0 (tag 3) did not get message 3" },
	{ "check " DUO("deadline"), 4,
	  "FAIL  a wait ends at its deadline and loses nothing: wait_any with deadline 0" },
	{ "check " DUO("truncation"), 4, "FAIL  a message longer than its receive is an error: 2000 bytes" },
	{ "check " DUO("death"), 4,
	  "FAIL  a peer's death is noticed: a receive from a dead peer ended with status 0" },
	{ "check " GOOD "lsbench-transport-wrap.so", 0, "not tried: an interposer does nothing by itself" },
	{ "check " GOOD "lsbench-workload-waived.so", 0,
	  "waived here, the rest is not tried: there is no moon" },
	{ "check " BAD("bad-missing"), 4,
	  "FAIL  descriptor: plugin '" BAD("bad-missing") "' refused: it has no" },
	{ "check " BAD("crash-open"), 4,
	  "FAIL  runs to its end: plugin '" BAD("crash-open") "' refused: it crashed" },
	{ "check " BAD("exit-open"), 4, "it ended the process with status 0 in its open" },
	{ "check /nowhere.so", 4, "cannot open shared object file" },
};

START_TEST(the_program_says_what_it_should_and_exits_with_the_status_for_it)
{
	struct lsb_text output = { 0 };
	const int status = lsbench(runs[_i].arguments, &output);

	ck_assert_msg(strstr(output.data, runs[_i].says) != NULL, "lsbench %s\nsaid: %s\nwanted: %s",
		      runs[_i].arguments, output.data, runs[_i].says);
	ck_assert_msg(status == runs[_i].status, "lsbench %s\nended with %d, wanted %d:\n%s",
		      runs[_i].arguments, status, runs[_i].status, output.data);
	lsb_text_free(&output);
}
END_TEST

START_TEST(lsbench_plugins_of_the_environment_is_searched_unless_an_option_says_otherwise)
{
	struct lsb_text output = { 0 };

	setenv("LSBENCH_PLUGINS", LSB_FIXTURES "/good", 1);
	ck_assert_int_eq(lsbench("describe backend-toy", &output), 0);
	ck_assert_int_eq(lsbench("describe backend-toy --plugins /", &output), 4);
	lsb_text_free(&output);
}
END_TEST

/* Whole or not: a real transport, where this build has one. */
START_TEST(the_tcp_transport_conforms)
{
	const char *file = LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so";
	struct lsb_text output = { 0 };
	char *arguments = lsb_format("check %s", file);

	if (access(file, F_OK) == 0)
		ck_assert_msg(lsbench(arguments, &output) == 0, "%s", output.data);
	else
		puts("transport-tcp was not built: not tried");
	lsb_text_free(&output);
	free(arguments);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("program");
	TCase *tc = tcase_create("program");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, the_program_says_what_it_should_and_exits_with_the_status_for_it, 0,
			    LSB_COUNT(runs));
	tcase_add_test(tc, lsbench_plugins_of_the_environment_is_searched_unless_an_option_says_otherwise);
	tcase_add_test(tc, the_tcp_transport_conforms);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
