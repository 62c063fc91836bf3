/* SPDX-License-Identifier: Apache-2.0 */
/* The controller against ranks that only talk (fake_node.c), and misbehave at a chosen point. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/launch.h"

enum { RANKS = 3 };

static struct lsb_controller *controller;
static char folder[] = "/tmp/lsb-controller-XXXXXX";
static char prefix[64];

static void set_up(void)
{
	struct lsb_error err;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(prefix, sizeof(prefix), "%s/0", folder);
	ck_assert_int_eq(lsb_controller_open(&controller, &err), 0);
}

static void tear_down(void)
{
	lsb_controller_close(controller);
	for (int i = 0; i < RANKS; i++) {
		char log[128];

		(void)snprintf(log, sizeof(log), "%s.%d.log", prefix, i);
		(void)unlink(log);
	}
	(void)rmdir(folder);
}

/* A launch of `size` stages where rank `who` does `deed`. */
static void launch(const char *deed, int who, int size, struct lsb_outcome *out)
{
	static uint32_t layers[] = { 10, 10, 10 };
	char rank[8];
	const char *const arguments[] = { deed, rank, NULL };
	struct lsb_job jobs[RANKS];
	const struct lsb_launch what = {
		.program = LSB_BINARY_DIR "/tests/launch/fake_node",
		.arguments = arguments,
		.jobs = jobs,
		.size = size,
		.log_prefix = prefix,
		.timeout_ns = strcmp(deed, "deaf-to-quit") == 0 ? 1000000000u : 60000000000u,
		.stall_ns = strcmp(deed, "stand-still") == 0 ? 3000000000u : 60000000000u,
		.silence_ns = strcmp(deed, "stop-run") == 0 ? 3000000000u : 60000000000u,
	};
	struct lsb_error err;

	(void)snprintf(rank, sizeof(rank), "%d", who);
	for (int i = 0; i < size; i++)
		jobs[i] = (struct lsb_job){
			.rank = i,
			.size = size,
			.stages = (uint32_t)size,
			.replicas = 1,
			.host_count = 1,
			.host_rank = i,
			.host_size = size,
			.bind_address = "127.0.0.1",
			.folders = "/nowhere",
			.backend.name = "none",
			.model = "none",
			.layers = layers,
			.batch = 1,
			.in_flight = 1,
			.prompts = 1,
			.distinct = 1,
			.max_new = 1,
			.chunk = 1,
			.context = 1,
			.threads = 1,
			.top_p = 1,
			.timeout_ns = 1,
			.stall_ns = 1,
			.max_records = 100,
		};
	ck_assert_int_eq(lsb_controller_launch(controller, &what, out, &err), 0);
}

static void assert_no_children(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

START_TEST(clean_launch_gives_results_and_records_of_every_rank)
{
	struct lsb_outcome o;

	launch("nothing", 0, RANKS, &o);
	ck_assert_msg(o.status == LSB_LAUNCH_OK, "%s", o.reason);
	ck_assert_str_eq(o.reason, "");
	ck_assert_uint_eq(json_array_size(o.ranks), RANKS);
	ck_assert_uint_eq(o.n_records, RANKS);
	for (int i = 0; i < RANKS; i++) {
		ck_assert_int_eq(
			json_integer_value(json_object_get(json_array_get(o.ranks, (size_t)i), "rank")), i);
		ck_assert_int_eq(o.records[i].rank, i);
		ck_assert_uint_eq(o.records[i].n, 3);
		ck_assert_uint_eq(o.records[i].records[0].t1_ns, 2);
	}
	lsb_outcome_free(&o);
	assert_no_children();
}
END_TEST

/* Deed, the rank that does it, and words that the reason must have. */
static const struct misdeed {
	const char *deed;
	int who, size, code;
	enum lsb_launch_status status;
	const char *words[4];
} misdeeds[] = {
	{ "die-hello",
	  0,
	  1,
	  LSB_EPEER,
	  LSB_LAUNCH_FAILED,
	  { "rank 0", "signal 9", "'start'", "dead on arrival" } },
	{ "die-load",
	  1,
	  3,
	  LSB_EPEER,
	  LSB_LAUNCH_FAILED,
	  { "rank 1 on here", "signal 9", "loading layer 7" } },
	{ "die-run",
	  2,
	  3,
	  LSB_EPEER,
	  LSB_LAUNCH_FAILED,
	  { "rank 2 on here", "signal 9", "'run'", "step 5" } },
	{ "die-report", 0, 3, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 0 on here", "signal 9", "report" } },
	{ "exit-run", 1, 3, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "status 3", "'run'" } },
	{ "stop-run",
	  1,
	  3,
	  LSB_ETIMEDOUT,
	  LSB_LAUNCH_FAILED,
	  { "rank 1 on here", "said nothing for 3.", "'run'" } },
	{ "stand-still",
	  1,
	  2,
	  LSB_ETIMEDOUT,
	  LSB_LAUNCH_FAILED,
	  { "rank 1 on here", "stood still", "6 steps" } },
	{ "deaf-to-quit", 0, 1, LSB_ETIMEDOUT, LSB_LAUNCH_FAILED, { "timeout of 1.0 s", "rank 0" } },
	{ "complain",
	  1,
	  3,
	  LSB_EPEER,
	  LSB_LAUNCH_FAILED,
	  { "rank 1 on here", "signal 9", "complained about" } },
	{ "fail-model",
	  0,
	  2,
	  LSB_EMODEL,
	  LSB_LAUNCH_FAILED,
	  { "rank 0 on here", "'load'", "model: bad magic" } },
	{ "waive", 1, 2, LSB_EUNAVAIL, LSB_LAUNCH_WAIVED, { "no accelerator here" } },
	{ "noise", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "protocol", "not a frame" } },
	{ "bad-magic",
	  1,
	  2,
	  LSB_EPEER,
	  LSB_LAUNCH_FAILED,
	  { "rank 1 on here", "not a frame", "0x12345678" } },
	{ "huge", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "4294967295 bytes" } },
	{ "bad-type", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "unknown type 99" } },
	{ "bad-sequence", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "was next" } },
	{ "not-json", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "HEARTBEAT is not a JSON" } },
	{ "early-result", 0, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 0 on here", "no place" } },
	{ "close", 0, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 0 on here", "closed its control channel" } },
	{ "ragged-records", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "63 bytes of records" } },
	{ "many-records", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "100 records fit" } },
	{ "foreign-result", 1, 2, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 1 on here", "another rank" } },
	{ "crash-late",
	  1,
	  2,
	  LSB_EPEER,
	  LSB_LAUNCH_FAILED,
	  { "rank 1 on here", "signal 6", "after its result" } },
	{ "old", 0, 1, LSB_EPEER, LSB_LAUNCH_FAILED, { "rank 0", "0.0.1", "one version everywhere" } },
};

START_TEST(misdeed_fails_the_launch_naming_who_and_why)
{
	const struct misdeed *m = &misdeeds[_i];
	struct lsb_outcome o;

	launch(m->deed, m->who, m->size, &o);
	ck_assert_msg(o.status == m->status, "%s: %s", m->deed, o.reason);
	ck_assert_msg(o.code == m->code, "%s: %d, %s", m->deed, o.code, o.reason);
	for (size_t i = 0; i < LSB_COUNT(m->words) && m->words[i]; i++)
		ck_assert_msg(strstr(o.reason, m->words[i]) != NULL, "%s: no '%s' in: %s", m->deed,
			      m->words[i], o.reason);
	ck_assert_ptr_null(o.ranks);
	assert_no_children();
	lsb_outcome_free(&o);

	launch("nothing", 0, m->size, &o); /* and the next launch is as good as new */
	ck_assert_msg(o.status == LSB_LAUNCH_OK, "after %s: %s", m->deed, o.reason);
	lsb_outcome_free(&o);
}
END_TEST

START_TEST(children_of_a_rank_end_with_it)
{
	struct lsb_outcome o;

	launch("leave-child", 1, 2, &o);
	ck_assert_msg(o.status == LSB_LAUNCH_OK, "%s", o.reason);
	lsb_outcome_free(&o);
	assert_no_children();
}
END_TEST

START_TEST(fifty_launches_leak_no_descriptor)
{
	struct lsb_outcome o;
	size_t before;

	launch("nothing", 0, 2, &o);
	lsb_outcome_free(&o);
	before = count_descriptors();
	for (int i = 0; i < 50; i++) {
		launch(i % 2 ? "nothing" : "fail-model", 1, 2, &o);
		lsb_outcome_free(&o);
	}
	ck_assert_uint_eq(count_descriptors(), before);
	assert_no_children();
}
END_TEST

static void interrupt_when_running(void *user, const struct lsb_launch_progress *progress)
{
	(void)progress;
	for (int i = 0; i < *(int *)user; i++)
		(void)raise(i ? SIGTERM : SIGINT);
	*(int *)user = 0;
}

START_TEST(interrupt_ends_the_launch_and_is_counted)
{
	static const char *const arguments[] = { "w-wait", "0", NULL };
	uint32_t layers[] = { 1 };
	int times = _i;
	struct lsb_job job = {
		.size = 1,
		.stages = 1,
		.replicas = 1,
		.host_count = 1,
		.host_size = 1,
		.bind_address = "127.0.0.1",
		.folders = "/nowhere",
		.backend.name = "none",
		.model = "none",
		.layers = layers,
		.batch = 1,
		.in_flight = 1,
		.prompts = 1,
		.distinct = 1,
		.max_new = 1,
		.chunk = 1,
		.context = 1,
		.threads = 1,
		.top_p = 1,
		.timeout_ns = 1,
		.stall_ns = 1,
	};
	const struct lsb_launch what = {
		.program = LSB_BINARY_DIR "/tests/launch/fake_node",
		.arguments = arguments,
		.jobs = &job,
		.size = 1,
		.log_prefix = prefix,
		.on_progress = interrupt_when_running,
		.user = &times,
	};
	struct lsb_error err;
	struct lsb_outcome o;

	ck_assert_int_eq(lsb_controller_launch(controller, &what, &o, &err), 0);
	ck_assert_int_eq(o.status, LSB_LAUNCH_INTERRUPTED);
	ck_assert_int_eq(lsb_controller_interrupts(controller), _i);
	lsb_outcome_free(&o);
	assert_no_children();
	lsb_controller_close(controller);
	controller = NULL;
	raise(SIGINT); /* an impatient user does not cut the report */
	raise(SIGTERM);
}
END_TEST

START_TEST(program_that_is_not_there_fails_the_launch)
{
	uint32_t layers[] = { 1 };
	struct lsb_job job = { .size = 1, .stages = 1, .replicas = 1, .layers = layers };
	const struct lsb_launch what = {
		.program = "/nowhere/lsbench", .jobs = &job, .size = 1, .log_prefix = prefix
	};
	struct lsb_error err;
	struct lsb_outcome o;

	ck_assert_int_eq(lsb_controller_launch(controller, &what, &o, &err), 0);
	ck_assert_int_eq(o.status, LSB_LAUNCH_FAILED);
	ck_assert_ptr_nonnull(strstr(o.reason, "/nowhere/lsbench"));
	lsb_outcome_free(&o);
	assert_no_children();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("controller");
	TCase *tc = tcase_create("launch");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, clean_launch_gives_results_and_records_of_every_rank);
	tcase_add_loop_test(tc, misdeed_fails_the_launch_naming_who_and_why, 0, LSB_COUNT(misdeeds));
	tcase_add_test(tc, children_of_a_rank_end_with_it);
	tcase_add_test(tc, fifty_launches_leak_no_descriptor);
	tcase_add_loop_test(tc, interrupt_ends_the_launch_and_is_counted, 1, 3);
	tcase_add_test(tc, program_that_is_not_there_fails_the_launch);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
