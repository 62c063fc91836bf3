/* SPDX-License-Identifier: Apache-2.0 */
/* The node's end of the control channel, with a test in the controller's place. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "node/control.h"
#include "node/node.h"

static const uint64_t patience_ns = 20000000000u;

static struct lsb_channel controller; /* the test's end */
static struct lsb_stage_status status;
static struct lsb_control *control;
static struct lsb_error err;
static int node_fd;

static void setup(void)
{
	int fds[2];

	memset(&err, 0, sizeof(err));
	memset(&status, 0, sizeof(status));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	controller = (struct lsb_channel){ .fd = fds[0] };
	node_fd = fds[1];
	ck_assert_int_eq(lsb_control_open(node_fd, &status, &control, &err), LSB_OK);
}

static void teardown(void)
{
	lsb_control_close(control);
	close(node_fd);
	if (controller.fd >= 0)
		close(controller.fd);
}

/* What the controller hears next; its text must contain `part`. */
static void expect_heard(enum lsb_frame_type type, const char *part)
{
	enum lsb_frame_type got;
	char *payload;
	size_t length;

	ck_assert_msg(lsb_channel_receive(&controller, 20000, &got, &payload, &length, &err) == LSB_OK, "%s",
		      err.msg);
	ck_assert_int_eq(got, type);
	ck_assert_msg(strstr(payload, part) != NULL, "'%s' lacks '%s'", payload, part);
	free(payload);
}

static void say(enum lsb_frame_type type, const char *text)
{
	ck_assert_int_eq(lsb_channel_send(&controller, type, text, strlen(text), &err), LSB_OK);
}

/* What the node's main thread gets when it waits for `type`. */
static int expect(enum lsb_frame_type type, char **payload)
{
	size_t length;

	*payload = NULL;
	return lsb_control_expect(control, type, patience_ns, payload, &length, &err);
}

static void wait_cancelled(void)
{
	const uint64_t until = lsb_now_ns() + patience_ns;

	while (!atomic_load(&status.cancelled) && lsb_now_ns() < until)
		usleep(1000);
	ck_assert_uint_eq(atomic_load(&status.cancelled), 1);
}

START_TEST(heartbeats_carry_phase_and_progress)
{
	atomic_store(&status.steps, 42);
	atomic_store(&status.tokens, 7);
	lsb_control_phase(control, "run");
	expect_heard(LSB_FRAME_HEARTBEAT, "\"phase\":\"run\",\"steps\":42,\"tokens\":7");
	atomic_store(&status.steps, 43);
	expect_heard(LSB_FRAME_HEARTBEAT, "\"steps\":43");
}
END_TEST

START_TEST(frames_are_handed_over_in_turn)
{
	char *payload;

	say(LSB_FRAME_ADDRESSES, "one");
	say(LSB_FRAME_START, "two");
	ck_assert_int_eq(expect(LSB_FRAME_ADDRESSES, &payload), LSB_OK);
	ck_assert_str_eq(payload, "one");
	free(payload);
	ck_assert_int_eq(expect(LSB_FRAME_START, &payload), LSB_OK);
	ck_assert_str_eq(payload, "two");
	free(payload);
}
END_TEST

START_TEST(a_frame_out_of_turn_is_refused)
{
	char *payload;

	say(LSB_FRAME_START, "{}");
	ck_assert_int_eq(expect(LSB_FRAME_JOB, &payload), LSB_EPEER);
	ck_assert_ptr_null(payload);
}
END_TEST

START_TEST(quit_cancels_the_stage_and_whoever_waits)
{
	char *payload;

	say(LSB_FRAME_QUIT, "{}");
	ck_assert_int_eq(expect(LSB_FRAME_START, &payload), LSB_ECANCELED);
	wait_cancelled();
}
END_TEST

START_TEST(a_controller_that_is_gone_cancels)
{
	char *payload;

	close(controller.fd);
	controller.fd = -1;
	ck_assert_int_eq(expect(LSB_FRAME_START, &payload), LSB_ECANCELED);
	ck_assert_str_ne(err.msg, "");
	wait_cancelled();
}
END_TEST

START_TEST(bytes_that_are_no_frame_cancel)
{
	static const char nonsense[64] = "GET / HTTP/1.1";

	ck_assert_int_eq(write(controller.fd, nonsense, sizeof(nonsense)), sizeof(nonsense));
	wait_cancelled();
}
END_TEST

START_TEST(silence_ends_at_the_deadline)
{
	char *payload = NULL;
	size_t length;

	ck_assert_int_eq(lsb_control_expect(control, LSB_FRAME_JOB, 1000000, &payload, &length, &err),
			 LSB_ETIMEDOUT);
	ck_assert_uint_eq(atomic_load(&status.cancelled), 0);
}
END_TEST

START_TEST(a_rank_that_has_ended_is_not_waited_for_with_frames_left)
{
	say(LSB_FRAME_ADDRESSES, "one");
	say(LSB_FRAME_START, "two");
	usleep(50000); /* most likely both are here; either way the close must come back */
}
END_TEST

START_TEST(a_job_that_is_none_is_answered_with_a_failure)
{
	struct lsb_error why = { 0 };
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(controller.fd);
	controller = (struct lsb_channel){ .fd = fds[0] };
	say(LSB_FRAME_JOB, "{\"rank\":-1}");
	ck_assert_int_eq(lsb_node_serve(fds[1], lsb_now_ns(), &why), LSB_EPEER);
	expect_heard(LSB_FRAME_HELLO, "\"protocol\":1");
	expect_heard(LSB_FRAME_FAILURE, "\"code\":-5");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("control");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, heartbeats_carry_phase_and_progress);
	tcase_add_test(tcase, frames_are_handed_over_in_turn);
	tcase_add_test(tcase, a_frame_out_of_turn_is_refused);
	tcase_add_test(tcase, quit_cancels_the_stage_and_whoever_waits);
	tcase_add_test(tcase, a_controller_that_is_gone_cancels);
	tcase_add_test(tcase, bytes_that_are_no_frame_cancel);
	tcase_add_test(tcase, silence_ends_at_the_deadline);
	tcase_add_test(tcase, a_rank_that_has_ended_is_not_waited_for_with_frames_left);
	tcase_add_test(tcase, a_job_that_is_none_is_answered_with_a_failure);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
